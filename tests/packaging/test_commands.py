"""What the README promises of the Makefile, and what the Makefile says where something is missing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TOOLS = ("sh", "make", "sed", "awk", "rm", "touch", "tr", "dirname", "cat", "git")


def targets():
    return set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M))


@pytest.fixture
def bin_folder(tmp_path):
    """A PATH with the few tools that the Makefile's first steps use, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.fixture
def make(tmp_path, bin_folder):
    """make(arguments...) in a copy of what it reads, where no environment is."""
    (tmp_path / "copy/tools").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "tools/environment.sh"):
        shutil.copy(ROOT / name, tmp_path / "copy" / name)

    def run(*arguments):
        command = ["make", "--no-print-directory", *arguments]
        return subprocess.run(
            command, cwd=tmp_path / "copy", env={"PATH": str(bin_folder)}, capture_output=True, text=True
        )

    return run


def fake_python(path, version, has_venv=True):
    """A program that answers as a Python of this version would."""
    answer = "true" if has_venv else "false"
    path.write_text(f'#!{shutil.which("sh")}\ncase "$2" in *ensurepip*) {answer} ;; *) echo {version} ;; esac\n')
    path.chmod(0o755)
    return path


def problem(result):
    assert result.returncode
    return next(line for line in result.stderr.splitlines() if line.startswith("*** "))


def test_every_command_in_the_prose_exists():
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        named = set(re.findall(r"(?:`|^|[a-z] )make ([a-z]+)(?: {2,}|`| REPO|$|;)", (ROOT / name).read_text(), re.M))
        assert named, name
        assert named <= targets(), name


def test_make_alone_lists_every_command(make):
    listed = set(re.findall(r"^ +make (\w+)  +\w", make().stdout, re.M))
    assert listed == targets() >= {"book", "serve", "test", "sync", "address", "wheel", "clean", "help"}


def test_ci_makes_a_new_environment_and_runs_the_readmes_two_commands():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert re.search(r"```sh\nmake book .*\nmake test .*\n```", README)
    assert lines[-3:] == ["rm -rf .venv .venv-colab _build", "make book", "make test"]
    assert "set -euo pipefail" in lines and "export POSENC_REQUIRE_BROWSER=1" in lines


def test_the_readmes_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    result = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "base 1,000 instead of 10,000" in result.stdout


def test_a_missing_python_is_named(make):
    assert problem(make("book", "PYTHON=/nonexistent")).startswith("*** PYTHON=/nonexistent is no Python that runs")
    assert problem(make("book")).startswith("*** No Python 3.11, 3.12 or 3.13 found")


@pytest.mark.parametrize("version", ["3 10", "2 7", "3 14"])
def test_a_python_that_does_not_fit_is_named(make, bin_folder, version):
    fake_python(bin_folder / "python3", version)
    shown = version.replace(" ", ".")
    assert problem(make("test", "PYTHON=python3")).startswith(f"*** PYTHON=python3 is Python {shown}, ")
    assert problem(make("test")).startswith(f"*** No Python 3.11, 3.12 or 3.13 found (python3 here: {shown})")


def test_the_plain_python3_is_taken_if_it_fits_and_the_next_that_fits_if_not(make, bin_folder):
    fake_python(bin_folder / "python3.12", "3 12", has_venv=False)
    fake_python(bin_folder / "python3", "3 11", has_venv=False)
    assert problem(make("book")).startswith("*** python3 has no venv module")
    fake_python(bin_folder / "python3", "3 9", has_venv=False)
    assert problem(make("book")).startswith("*** python3.12 has no venv module")


def test_a_missing_git_is_named(make, bin_folder):
    (bin_folder / "git").unlink()
    assert problem(make("book")).startswith("*** git is missing")


def test_serve_without_a_site_says_what_to_do(make):
    assert problem(make("serve")) == "*** There is no site yet: run 'make book' first."


def test_an_interrupted_install_leaves_no_stamp(make, bin_folder, tmp_path):
    """A pip that fails: the environment is there, what was to be installed is not, and the next run starts again."""
    fake = fake_python(bin_folder / "python3", "3 11")
    fake.write_text(
        f"#!{shutil.which('sh')}\n"
        'case "$*" in\n'
        f"  *'venv --clear'*) {shutil.which('mkdir')} -p .venv/bin && {shutil.which('cp')} \"$0\" .venv/bin/python ;;\n"
        "  *'pip install'*) echo no network >&2; exit 1 ;;\n"
        "  *) echo 3 11 ;;\n"
        "esac\n"
    )
    assert "no network" in make("book").stderr
    assert [path.name for path in (tmp_path / "copy/.venv").glob(".*")] == [".made"]
