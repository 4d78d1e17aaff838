"""The GitHub workflows and CITATION.cff against their schemas, which check-jsonschema brings with it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def validate(schema, path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"].values()


def commands(path):
    return [step["run"] for job in jobs(path) for step in job["steps"] if "run" in step]


def test_there_are_three():
    assert [path.stem for path in WORKFLOWS] == ["colab", "deploy", "test"]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_workflow_is_valid_and_every_job_has_a_time_limit(path, schema):
    validate(schema, path)


def test_the_citation_is_valid():
    validate("vendor.citation-file-format", ROOT / "CITATION.cff")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_only_its_jobs_may_write(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_shell_script_parses(path):
    for command in commands(path):
        assert subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True).stderr == ""


def test_the_workflows_call_the_makefile():
    test, deploy = (commands(ROOT / f".github/workflows/{name}.yml") for name in ("test", "deploy"))
    assert test == ["make book", "make test"]
    assert deploy[:3] == ["make book", ".venv/bin/python tools/address.py --check", "make wheel"]


@pytest.fixture
def gather(tmp_path):
    """gather(released version, what gh does to list and to download): what the deployment's step calls then."""
    for name in (".venv/bin", "tools", "dist", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / ".venv/bin/python").chmod(0o755)
    shutil.copy(ROOT / "tools/released_wheels.py", tmp_path / "tools")
    with zipfile.ZipFile(tmp_path / "dist/posenc_lib-0.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("posenc_lib/__init__.py", "x = 1")
    (script,) = (each for each in commands(ROOT / ".github/workflows/deploy.yml") if "gh release" in each)

    def run(released, listing="true", download='cp dist/*.whl "released/posenc_lib-$tag-py3-none-any.whl"'):
        gh = f"""#!/bin/bash
            echo "$*" >> calls
            case "$2" in
              list) {listing} && {'echo v' + released if released else 'true'} ;;
              download) tag=${{3#v}}; {download} ;;
            esac"""
        (tmp_path / "bin/gh").write_text(gh)
        (tmp_path / "bin/gh").chmod(0o755)
        environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "GITHUB_SHA": "abc"}
        result = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        created = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("release create")]
        wheels = sorted(path.name.split("-")[1] for path in tmp_path.glob("_build/html/wheels/*.whl"))
        return result, created, wheels

    return run


def test_the_deployment_releases_a_new_version_beside_the_old(gather):
    result, created, wheels = gather("0.1.0")
    assert result.returncode == 0, result.stderr
    assert len(created) == 1 and created[0].startswith("release create v0.2.0 dist/posenc_lib-0.2.0-py3-none-any.whl ")
    assert wheels == ["0.1.0", "0.2.0"]


def test_the_deployment_of_a_repository_without_releases_makes_the_first(gather):
    result, created, wheels = gather("")
    assert (result.returncode, len(created), wheels) == (0, 1, ["0.2.0"])


def test_the_deployment_releases_nothing_twice(gather):
    result, created, wheels = gather("0.2.0")
    assert (result.returncode, created, wheels) == (0, [], ["0.2.0"])


@pytest.mark.parametrize("broken", ["listing", "download"])
def test_the_deployment_stops_where_the_released_wheels_cannot_be_had(gather, broken):
    result, created, wheels = gather("0.1.0", **{broken: "exit 1"})
    assert result.returncode and not created and not wheels
