"""ruff finds nothing in the Python files of the project; which rules hold stands in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("posenc_lib", "tests", "tools", "benchmarks", "experiments", "book/_ext")


def ruff(*arguments, stdin=None):
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=stdin)


def test_the_code_lints_clean():
    found = ruff(*FOLDERS)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_fault_is_found():
    """Else a rule list that pyproject.toml spells wrongly would pass everything."""
    found = ruff("--stdin-filename=posenc_lib/fault.py", "-", stdin="import os\n")
    assert found.returncode == 1 and "F401" in found.stdout
