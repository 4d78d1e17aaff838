"""The repository's address and the version: in one place, and the same in every copy."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import address
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = "https://posenc.github.io/positional-encoding-derived"


def test_every_copy_agrees():
    stale = [str(path.relative_to(ROOT)) for path in address.disagreeing(ROOT)]
    assert not stale, "make address"


def test_the_bootstrap_cell_is_the_same_in_every_chapter():
    text = (ROOT / "tools/bootstrap_cell.py").read_text().rstrip("\n")
    chapters = sorted((ROOT / "book").glob("*.ipynb"))
    assert chapters
    for path in chapters:
        cell = json.loads(path.read_text())["cells"][1]
        assert "".join(cell["source"]) == text, path.name
        assert cell["metadata"] == {"tags": ["bootstrap", "remove-cell"]}, path.name
        assert cell["outputs"] == [], path.name


@pytest.fixture
def copy(tmp_path):
    """A copy of every file that holds the address, with one small chapter, at the address PAGES."""
    for name in ("pyproject.toml", *address.OWN):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "posenc_lib").mkdir()
    shutil.copy(ROOT / "posenc_lib/__init__.py", tmp_path / "posenc_lib")
    (tmp_path / "book").mkdir()
    prose = f"[ours]({PAGES}/book/x.html) [theirs](https://github.com/numpy/numpy/issues)\n"
    (tmp_path / "book/intro.md").write_text(prose)
    title = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title · é"]}
    code = {"cell_type": "code", "execution_count": 7, "id": "b", "metadata": {}, "outputs": [], "source": []}
    notebook = {"cells": [title, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book/chapter.ipynb").write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    assert address.main(["posenc/positional-encoding-derived"], tmp_path) == 0  # whatever a fork's is
    return tmp_path


def texts(root):
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_new_address_reaches_every_copy(copy):
    before = texts(copy)
    assert address.main(["Jane/my.book"], copy) == 0
    after = texts(copy)
    assert not [name for name, text in after.items() if "positional-encoding-derived" in text]
    holders = {name for name, text in before.items() if "positional-encoding-derived" in text}
    assert holders >= {"pyproject.toml", "README.md", "CITATION.cff", "book/intro.md", "book/chapter.ipynb"}
    for name in holders - {"pyproject.toml"}:
        assert "Jane/my.book" in after[name] or "https://jane.github.io/my.book" in after[name], name
    assert "https://github.com/numpy/numpy/issues" in after["book/intro.md"]
    assert address.main(["--check"], copy) == 0


def test_there_and_back_leaves_every_byte(copy):
    before = texts(copy)
    address.main(["jane/book"], copy)
    address.main(["posenc/positional-encoding-derived"], copy)
    assert texts(copy) == before


def test_there_and_back_leaves_every_byte_of_the_real_chapters():
    bootstrap = (ROOT / "tools/bootstrap_cell.py").read_text()
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        text = path.read_text()
        there = address.wanted_notebook(text, bootstrap.replace("posenc.github.io", "jane.github.io"), str)
        assert there != text
        assert address.wanted_notebook(there, bootstrap, str) == text, path.name


def test_only_the_bootstrap_cell_of_a_chapter_changes(copy):
    path = copy / "book/chapter.ipynb"
    before = path.read_text().splitlines()
    address.main(["jane/book"], copy)
    changed = [line for old, line in zip(before, path.read_text().splitlines(), strict=True) if old != line]
    assert len(changed) == 1 and "VERSION, SITE = " in changed[0]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("README.md", PAGES, "https://other.github.io/book"),
        ("CITATION.cff", "github.com/posenc/", "github.com/other/"),
        ("CITATION.cff", "\nversion: ", "\nversion: 9"),
        ("posenc_lib/__init__.py", '__version__ = "', '__version__ = "9'),
        ("tools/bootstrap_cell.py", "https://posenc.", "https://other."),
        ("book/intro.md", "https://posenc.", "https://other."),
        ("book/chapter.ipynb", '\\"0.', '\\"9.'),
        ("book/chapter.ipynb", "if found != VERSION", "if found is None"),
    ],
)
def test_the_check_names_the_file_that_disagrees(copy, capsys, name, old, new):
    path = copy / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert address.main(["--check"], copy) == 1
    assert f"{name}: disagrees with pyproject.toml" in capsys.readouterr().out
    assert address.main([], copy) == 0
    assert address.main(["--check"], copy) == 0


@pytest.mark.parametrize("wrong", ["owner", "https://github.com/owner/name", "owner/na me", ""])
def test_a_wrong_address_changes_nothing(copy, wrong):
    before = texts(copy)
    with pytest.raises(SystemExit, match="not an address of the form owner/name"):
        address.main([wrong], copy)
    assert texts(copy) == before


def test_pages_of_a_repository_named_after_its_host():
    assert address.pages("Jane/jane.github.io") == "https://jane.github.io"


@pytest.mark.parametrize("variable", ["POSENC_REPOSITORY", "GITHUB_REPOSITORY"])
def test_a_fork_is_told_that_its_cells_name_the_original(monkeypatch, variable):
    for name in ("POSENC_REPOSITORY", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, str(ROOT / "tools/address.py"), "--check"]
    assert "warning" not in subprocess.run(command, capture_output=True, text=True).stdout
    monkeypatch.setenv(variable, "jane/fork")
    warning = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    assert warning.startswith("::warning::This is the site of jane/fork, ")
    assert f"install the library from {address.project(ROOT)[0]}" in warning
    assert "make address REPO=jane/fork" in warning
