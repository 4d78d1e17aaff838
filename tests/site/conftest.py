"""The site as built, a small specimen book, and a browser; each is made once for all workers."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from tests.site import books

# Without a picture card, and without calls home that would count as requests.
CHROMIUM = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
CHROMIUM += " --disable-component-update --disable-sync"


def _shared_build(tmp_path_factory, worker_id, name, make):
    """Let the first worker that needs a book build it, and the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            result = make(folder)
            (folder / "log").write_text(f"{result.returncode}\n{result.stdout}{result.stderr}", encoding="utf-8")
    code, _, log = (folder / "log").read_text(encoding="utf-8").partition("\n")
    assert code == "0", log
    return folder


def _build_site(folder):
    """Build the real book where torch and matplotlib cannot be imported; trying to import torch leaves a file."""
    marks = {"torch": f"open({str(folder / 'torch-wanted')!r}, 'w')\n", "matplotlib": ""}
    for module, mark in marks.items():
        (folder / "traps" / module).mkdir(parents=True)
        trap = f"{mark}raise ImportError('{module} is not for the build')\n"
        (folder / "traps" / module / "__init__.py").write_text(trap, encoding="utf-8")
    return books.build(books.ROOT, folder, PYTHONPATH=str(folder / "traps"))


def _build_specimen(folder):
    books.write_specimen(folder / "source")
    return books.build(folder / "source", folder, POSENC_REPOSITORY="Fork-Owner/their.book")


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory, worker_id):
    return _shared_build(tmp_path_factory, worker_id, "site", _build_site)


@pytest.fixture(scope="session")
def site(site_folder) -> Path:
    """The folder of the built site."""
    return site_folder / "_build/html"


@pytest.fixture(scope="session")
def specimen_folder(tmp_path_factory, worker_id):
    return _shared_build(tmp_path_factory, worker_id, "specimen", _build_specimen)


@pytest.fixture(scope="session")
def specimen(specimen_folder) -> Path:
    """The folder of the built specimen, whose addresses are a fork's."""
    return specimen_folder / "_build/html"


@pytest.fixture(scope="session")
def repository() -> str:
    """The repository in pyproject.toml, as owner/name."""
    import tomllib

    project = tomllib.loads((books.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")


def _browser_is_required():
    return os.environ.get("POSENC_REQUIRE_BROWSER") == "1" or os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def browser():
    """A headless browser of the machine's own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "no chromium, chromium-browser or google-chrome on this machine (Debian: apt-get install chromium)"
        pytest.fail(reason) if _browser_is_required() else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM.split())
        yield chromium
        chromium.close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a site below the path that it has on Pages, without a log."""

    def __init__(self, *arguments, prefix, **options):
        self.prefix = prefix
        super().__init__(*arguments, **options)

    def translate_path(self, path):
        inside = path.startswith(self.prefix)
        return super().translate_path(path[len(self.prefix) - 1 :] if inside else "/outside-the-site")

    def log_message(self, *arguments):
        pass


def _serve(folder, name):
    prefix = f"/{name}/"
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder), prefix=prefix)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}{prefix}"


@pytest.fixture(scope="session")
def site_url(site, repository):
    """Address of the built site on this machine, served below /name/ as Pages does."""
    server, url = _serve(site, repository.split("/")[1])
    yield url
    server.shutdown()


@pytest.fixture(scope="session")
def specimen_url(specimen):
    server, url = _serve(specimen, "their.book")
    yield url
    server.shutdown()
