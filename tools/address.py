"""Write the repository's address and the version into every copy, from pyproject.toml, where each stands once.

    python tools/address.py              write all copies, the bootstrap cell of every chapter among them
    python tools/address.py owner/name   the same, after changing the address in pyproject.toml
    python tools/address.py --check      change nothing, name each file that disagrees

The copies are the bootstrap cell (tools/bootstrap_cell.py, and cell 1 of every notebook in book/), CITATION.cff, the
library's __version__, and links in prose. The site's configuration holds no copy: its build reads pyproject.toml.
"""

import json
import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Links to GitHub, GitHub Pages and Colab. In these files every one of them is to ourselves.
OWN = ("README.md", "CONTRIBUTING.md", "CITATION.cff", "tools/bootstrap_cell.py")
LINK = re.compile(
    r"https://(?:(?:github\.com|colab\.research\.google\.com/github)/(?P<owner>[\w-]+)/(?P<name>[\w.-]*\w)"
    r"|(?P<pages_owner>[\w-]+)\.github\.io(?:/(?P<pages_name>[\w.-]*\w))?)"
)
REPOSITORY = re.compile(r'^Repository = "https://github\.com/([\w-]+/[\w.-]+)"$', re.M)


def project(root):
    """The address "owner/name" and the version that pyproject.toml gives."""
    data = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return data["urls"]["Repository"].removeprefix("https://github.com/"), data["version"]


def pages(address):
    """Where GitHub Pages serves the repository: owner.github.io/name, or the bare host for one of that name."""
    owner, name = address.split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}" if name.lower() == host else f"https://{host}/{name}"


def link_address(match):
    """The "owner/name" that a link leads to."""
    if match["owner"]:
        return f"{match['owner']}/{match['name']}"
    owner = match["pages_owner"]
    return f"{owner}/{match['pages_name'] or owner + '.github.io'}"


def relink(text, new, is_ours):
    """The text with every link that is ours leading to the address `new`."""

    def replace(match):
        if not is_ours(link_address(match)):
            return match[0]
        if match["pages_owner"]:
            return pages(new)
        return f"{match[0][: match.start('owner') - match.start()]}{new}"

    return LINK.sub(replace, text)


def bootstrap_text(root, address, version):
    """The bootstrap cell, for this address and version."""
    text = (root / "tools/bootstrap_cell.py").read_text()
    line = f'VERSION, SITE = "{version}", "{pages(address)}"'
    text, found = re.subn(r"^VERSION, SITE = .*$", line, text, flags=re.M)
    if found != 1:
        raise SystemExit("tools/bootstrap_cell.py: no line 'VERSION, SITE = ...' to write the address into")
    return text


def with_bootstrap(notebook, text):
    """Put the bootstrap cell into a notebook: in the place of the one it has, else as cell 1."""
    source = text.rstrip("\n").splitlines(keepends=True)
    for cell in notebook["cells"]:
        if "bootstrap" in cell["metadata"].get("tags", ()):
            cell["source"] = source
            return
    cell = {"cell_type": "code", "execution_count": None, "id": "bootstrap", "outputs": [], "source": source}
    cell["metadata"] = {"tags": ["bootstrap", "remove-cell"]}
    notebook["cells"].insert(1, dict(sorted(cell.items())))


def wanted_notebook(text, bootstrap, relinked):
    """The text of a notebook as it should be; the text itself, byte for byte, if nothing is to change."""
    notebook = json.loads(relinked(text))
    with_bootstrap(notebook, bootstrap)
    if notebook == json.loads(text):
        return text
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def wanted(root, old):
    """The text that every file with a copy should have, by path. Prose links may still have `old`, an address."""
    address, version = project(root)
    name = address.split("/")[1]
    texts = {}
    for path in (root / each for each in OWN):
        texts[path] = relink(path.read_text(), address, lambda link: True)
    bootstrap = root / "tools/bootstrap_cell.py"
    texts[bootstrap] = bootstrap_text(root, address, version)
    texts[root / "CITATION.cff"] = re.sub(
        r"^version: .*$", f"version: {version}", texts[root / "CITATION.cff"], flags=re.M
    )
    package = root / "posenc_lib/__init__.py"
    texts[package] = re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', package.read_text(), flags=re.M)

    def relinked(text):  # prose may link to other people's repositories: ours has the old address or our name
        return relink(text, address, lambda link: link == old or link.split("/")[1] == name)

    for path in sorted((root / "book").glob("*.md")):
        texts[path] = relinked(path.read_text())
    for path in sorted((root / "book").glob("*.ipynb")):
        texts[path] = wanted_notebook(path.read_text(), texts[bootstrap], relinked)
    return texts


def disagreeing(root, old=None):
    """The files whose copy of the address, version or bootstrap cell is not what pyproject.toml says."""
    return {path: text for path, text in wanted(root, old or project(root)[0]).items() if path.read_text() != text}


def foreign_site_warning(address):
    """What to say when this run builds the site of another repository than the one the chapters name."""
    site = os.environ.get("POSENC_REPOSITORY") or os.environ.get("GITHUB_REPOSITORY") or address
    if site.lower() == address.lower():
        return ""
    return (
        f"::warning::This is the site of {site}, but the chapters' first cells install the library from {address}. "
        f"For a book of its own: make address REPO={site}, then commit."
    )


def change_address(root, new):
    """Write a new address into pyproject.toml."""
    if not re.fullmatch(r"[\w-]+/[\w.-]+", new):
        raise SystemExit(f"{new!r} is not an address of the form owner/name")
    path = root / "pyproject.toml"
    text, found = REPOSITORY.subn(f'Repository = "https://github.com/{new}"', path.read_text())
    if found != 1:
        raise SystemExit('pyproject.toml: no line \'Repository = "https://github.com/owner/name"\' to change')
    path.write_text(text)


def main(arguments, root=ROOT):
    """Run the command line; the exit status."""
    old = project(root)[0]
    check = arguments == ["--check"]
    if arguments and not check:
        change_address(root, arguments[0])
    address = project(root)[0]
    if warning := foreign_site_warning(address):
        print(warning)
    stale = disagreeing(root, old)
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        print(f"{path.relative_to(root)}: {'disagrees with pyproject.toml' if check else 'written'}")
    if check and stale:
        print("Run: make address")
        return 1
    print(f"Every copy says {address}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
