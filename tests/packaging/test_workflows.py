"""The GitHub workflows and CITATION.cff against their schemas, which check-jsonschema brings with it."""

import subprocess
import sys
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
