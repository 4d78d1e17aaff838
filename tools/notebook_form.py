"""The one form in which a notebook is stored, so that only what changed shows up as changed."""

import hashlib
import json
import os
import re
import sysconfig
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Without the version of the Python that ran it.
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
# What editors leave behind. Everything else is the author's and stays.
EDITORS_NOTEBOOK_METADATA = {"accelerator", "colab", "interpreter", "signature", "toc", "vscode", "widgets"}
EDITORS_CELL_METADATA = {
    "ExecuteTime", "collapsed", "colab", "editable", "execution", "executionInfo", "id", "outputId", "pycharm",
    "scrolled", "trusted", "vscode",
}  # fmt: skip


def read(path):
    """Read a notebook; cells without an id, or with another's, get one that depends on the text alone."""
    raw = json.loads(Path(path).read_text(encoding="utf-8"))
    raw["nbformat"], raw["nbformat_minor"] = 4, 5
    taken = set()
    for cell in raw["cells"]:
        if cell.get("id") in taken | {None}:
            cell["id"] = _new_id("".join(cell["source"]), taken)
        taken.add(cell["id"])
    return nbformat.reads(json.dumps(raw), as_version=4)


def _new_id(source, taken):
    number = 0
    while (name := hashlib.sha256(f"{number} {source}".encode()).hexdigest()[:8]) in taken:
        number += 1
    return name


def tidy(notebook):
    """Give the notebook its fixed metadata, and strip what belongs to one editor or one machine."""
    for key in EDITORS_NOTEBOOK_METADATA & set(notebook.metadata):
        del notebook.metadata[key]
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata["language_info"] = dict(LANGUAGE)
    for cell in notebook.cells:
        for key in EDITORS_CELL_METADATA & set(cell.metadata):
            del cell.metadata[key]
        for output in cell.get("outputs", []):
            if "traceback" in output:
                output.traceback = [_shorten_paths(line) for line in output.traceback]


def _shorten_paths(text):
    """Paths from the repository or from the installed package on, not from the root of this machine."""
    folders = [str(ROOT), *(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))]
    home = str(Path.home())
    folders += ["~" + folder[len(home) :] for folder in folders if folder.startswith(home + os.sep)]
    anywhere = "|".join(re.escape(folder + os.sep) for folder in sorted(folders, key=len, reverse=True))
    return re.sub(anywhere, "", text)


def write(notebook, path):
    """Write the notebook if that changes the file; return whether it did."""
    path = Path(path)
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    if path.read_text(encoding="utf-8") == text:
        return False
    # Written beside it and then moved, so that an interrupted run leaves no half a notebook.
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(path)
    return True
