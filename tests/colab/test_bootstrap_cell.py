"""The first cell of every chapter, run as it stands (but for the address) in an environment that has nothing at all."""

import subprocess
import sys
from pathlib import Path

import address
import pytest

ROOT = Path(__file__).resolve().parents[2]
CELL = (ROOT / "tools/bootstrap_cell.py").read_text()
WHICH = "\nimport importlib.metadata as m; print(m.version('posenc-lib'))"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of a virtual environment with pip alone: no posenc_lib, and no NumPy either."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return str(folder / "bin/python")


@pytest.fixture
def run(bare, tmp_path):
    """run(code): a fresh interpreter's result. The bare environment is bare again at the end of the test."""

    def fresh(code, path=""):
        # No package index: whatever is installed comes from the address in the cell.
        environment = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PYTHONPATH": str(path), "HOME": str(tmp_path)}
        return subprocess.run([bare, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)

    yield fresh
    subprocess.run([bare, "-m", "pip", "uninstall", "-y", "-q", "posenc-lib"], check=True, capture_output=True)


def old_library(folder):
    """A folder with a library of another version, for PYTHONPATH."""
    (folder / "posenc_lib").mkdir(parents=True)
    (folder / "posenc_lib/__init__.py").write_text("")
    (folder / "posenc_lib-0.0.1.dist-info").mkdir()
    metadata = "Metadata-Version: 2.4\nName: posenc-lib\nVersion: 0.0.1\n"
    (folder / "posenc_lib-0.0.1.dist-info/METADATA").write_text(metadata)
    return folder


def test_installs_the_library_where_it_is_not_and_nothing_else(run, served, at):
    found = "\nimport importlib.util; print(importlib.util.find_spec('posenc_lib') is not None)"
    result = run(at(served.address)(CELL) + found)
    assert (result.returncode, result.stdout, result.stderr) == (0, "True\n", "")
    assert [path for path in served.asked if "/wheels/posenc_lib-" in path]
    names = "sorted({d.name for d in m.distributions()} - {'pip', 'setuptools'})"
    packages = run(f"import importlib.metadata as m; print({names})")
    assert packages.stdout == "['posenc-lib']\n"


def test_is_silent_and_asks_nobody_where_the_library_is(run, served, at):
    run(at(served.address)(CELL))
    served.asked.clear()
    result = run(at(served.address)(CELL))
    assert (result.returncode, result.stdout, result.stderr, served.asked) == (0, "", "", [])


def test_replaces_another_version(bare, run, served, at, wheel_builder, tmp_path):
    wheel_builder(tmp_path, "0.0.1")
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([bare, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    assert run(WHICH).stdout == "0.0.1\n"
    result = run(at(served.address)(CELL) + WHICH)
    assert result.stdout == f"{address.project(ROOT)[1]}\n"


def test_a_missing_wheel_stops_the_cell_and_says_which(run, served, at):
    nowhere = f"{served.address}/nowhere"
    result = run(at(nowhere)(CELL) + "\nprint('went on')")
    assert result.returncode and result.stdout == ""
    message = result.stderr.splitlines()
    assert any(line.startswith(f"RuntimeError: pip could not install {nowhere}/wheels/posenc_lib-") for line in message)
    assert any("404" in line for line in message), "what pip said is passed on"
    assert message[-1] == "Is this computer online? Mend that, then run this cell again."


def test_another_version_that_is_loaded_asks_for_a_restart(run, served, at, tmp_path):
    result = run("import posenc_lib\n" + at(served.address)(CELL), path=old_library(tmp_path / "old"))
    assert result.returncode
    assert result.stderr.splitlines()[-1].startswith("RuntimeError: posenc_lib 0.0.1 is loaded, this chapter needs ")
    assert "restart the session" in result.stderr
    assert served.asked == [], "nothing is installed under a running session"
