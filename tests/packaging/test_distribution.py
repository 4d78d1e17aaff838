"""The wheel and the sdist: what is in them, what they ask for, and that a commit has one wheel."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "posenc_lib")


def copy_sources(target):
    """A copy of what the distributions are built from, with new times and nothing that Python left."""
    target.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target / name, ignore=ignored, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / name, target / name)
    return target


def build(source, kind, target):
    """Build one distribution into a folder and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def library_files():
    """The modules, and the mark that says that they are annotated."""
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "posenc_lib").rglob("*.py")}
    return modules | {"posenc_lib/py.typed"}


def test_the_wheel_holds_the_library_and_the_licence_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    assert {name for name in names if not name.startswith("posenc_lib/")} == {
        f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")
    }
    assert {name for name in names if name.startswith("posenc_lib/")} == library_files()


def test_numpy_is_the_only_thing_the_library_asks_for(wheel):
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    metadata = email.message_from_bytes(zipfile.ZipFile(wheel).read(f"{info}/METADATA"))
    hard = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert hard == ["numpy>=2.0"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"


def test_the_same_commit_gives_the_same_wheel(wheel, tmp_path):
    source = copy_sources(tmp_path / "elsewhere")
    for path in source.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
        path.chmod(0o775 if path.is_dir() else 0o664)
    assert build(source, "wheel", tmp_path / "dist").read_bytes() == wheel.read_bytes()


def test_the_sdist_holds_the_library_and_builds_the_same_wheel(wheel, tmp_path):
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert names - library_files() == {"PKG-INFO", "README.md", "LICENSE", "pyproject.toml"} | ({".gitignore"} & names)
    assert names >= library_files()
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert build(unpacked, "wheel", tmp_path / "wheel").read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("module", ["posenc_lib", "posenc_lib.numpy", "posenc_lib.check", "posenc_lib.frequencies"])
def test_importing_loads_neither_torch_nor_matplotlib(module):
    loaded = f"import sys, {module}; print([each for each in ('torch', 'matplotlib', 'numpy') if each in sys.modules])"
    result = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, check=True, capture_output=True, text=True)
    assert result.stdout in ("['numpy']\n", "[]\n")
