"""What the Colab tests share: the site's wheel served on this machine, and how a chapter's cell is pointed at it."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import address
import pytest
import run_chapters

ROOT = Path(__file__).resolve().parents[2]
VERSION = address.project(ROOT)[1]


def build_wheel(target, version=VERSION):
    """Build the library's wheel into a folder, under a version of our choice."""
    source = target / "source"
    shutil.copytree(ROOT / "posenc_lib", source / "posenc_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    metadata = (ROOT / "pyproject.toml").read_text().replace(f'version = "{VERSION}"', f'version = "{version}"')
    (source / "pyproject.toml").write_text(metadata)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)


@pytest.fixture
def wheel_builder():
    """build_wheel, for the test files, which cannot import a conftest."""
    return build_wheel


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and notes what was asked for."""

    def log_message(self, *_):
        self.server.asked.append(self.path)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder with the wheel and the tables where the website has them."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "wheels").mkdir()
    build_wheel(folder / "wheels")
    for table in (ROOT / "book/data").iterdir():
        shutil.copy(table, folder)
    return folder


@pytest.fixture
def served(site):
    """A server of that folder on this machine: .address, and .asked, what was asked for."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    server.asked = []
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def at():
    """at(site): a function that changes the address in a bootstrap cell, and nothing else."""
    site_address = address.pages(address.project(ROOT)[0])

    def rewriter(site):
        def rewrite(cell):
            assert cell.count(site_address) == 1, "the cell names the website exactly once"
            return cell.replace(site_address, site)

        return rewrite

    return rewriter


@pytest.fixture
def run_near_colab(served, at):
    """run(chapter, environment, without=tags): run a chapter without the library until its first cell brings it."""

    def run(chapter, environment, without=()):
        subprocess.run(
            [environment.python, "-m", "pip", "uninstall", "-y", "-q", "posenc-lib"], check=True, capture_output=True
        )
        notebook = run_chapters.run_chapter(chapter, environment.python, without=without, rewrite=at(served.address))
        assert any("/wheels/posenc_lib-" in path for path in served.asked), "the first cell installed nothing"
        return notebook

    return run


def pytest_generate_tests(metafunc):
    """Every chapter of the book is a case of a test that asks for a chapter."""
    if "chapter" in metafunc.fixturenames:
        chapters = sorted((ROOT / "book").glob("*.ipynb"))
        assert chapters, "the book has no chapters"
        metafunc.parametrize("chapter", chapters, ids=[path.stem for path in chapters])
