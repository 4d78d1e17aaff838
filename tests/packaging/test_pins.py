"""requirements.txt against the environment that runs this, and against the names in pyproject.toml."""

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Installed without what they depend on, so that nothing asks for them (see requirements.txt).
ALONE = {"djangocms-katex"}
# What Python's venv brings, and the library itself.
UNPINNED = {"pip", "posenc-lib"}


def lines():
    return [
        line.split("#")[0].strip()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if re.match(r"\w", line)
    ]


def pins():
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines())}


def asked_for():
    extras = [each for group in PROJECT["optional-dependencies"].values() for each in group]
    return [Requirement(each) for each in PROJECT["dependencies"] + extras]


def installed():
    # This environment's folder alone: once a test imports setuptools, its vendored packages are on sys.path too.
    here = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    found = {canonicalize_name(each.name): each.version.split("+")[0] for each in here}
    return {name: version for name, version in found.items() if name not in UNPINNED}


def test_each_package_is_pinned_once():
    assert len(lines()) == len(pins())


def test_what_is_installed_is_what_is_pinned():
    elsewhere = {"appnope", "colorama"}  # a Mac's, Windows'
    nvidia = {name for name in installed() if name.startswith(("nvidia-", "cuda-", "triton"))}  # torch's, with CUDA
    different = {
        name: (version, pins().get(name)) for name, version in installed().items() if pins().get(name) != version
    }
    assert not {name: both for name, both in different.items() if name not in elsewhere | nvidia}
    assert not set(pins()) - set(installed()), "pinned, but nothing brings it"


def test_every_name_asked_for_is_pinned_within_its_bounds():
    for each in asked_for():
        assert each.specifier.contains(pins()[canonicalize_name(each.name)]), each


def test_nothing_is_missing_but_what_was_left_out_on_purpose():
    result = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    problems = [line for line in result.stdout.splitlines() if line != "No broken requirements found."]
    assert [line for line in problems if not line.startswith(tuple(f"{name} " for name in ALONE))] == []
    assert len(problems) == len(ALONE), problems
