"""The notebook check must fail on everything that could make a stored output untrue, and on nothing else.

Each case is one cell. All are run and stored by ``sync``, then the stored cell is changed, and the
check passes its verdict: one notebook and two kernels for all cases together.
"""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import numpy as np
import pytest
import sync
from mutations import WAVE, darker, drop, off_by_one, repaint, source, stale_widget, stored_path, tag, text

ROOT = Path(__file__).resolve().parents[2]

IMPORTS = """\
import sys
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display
from posenc_lib import figures
figures.setup()
plt.rcParams["figure.dpi"] = 40  # quick
x = np.arange(20.0)
def softmax(scores, axis):
    weights = np.exp(scores)
    return weights / weights.sum(axis=axis, keepdims=True)"""

WEIGHTS = "plt.imshow(softmax(np.outer(x, x) / 100, axis=-1))\nplt.show()"
NUMBER = "print(np.float64(0.84147).round(4), 'at', 12)"


# name: (the cell's code, how its stored form is changed, what the check must say; None where it must pass)
CASES = {
    "picture replaced": (WAVE, repaint(np.flipud), "a pixel differs by"),
    "picture darker by 17": (WAVE, repaint(darker(17)), "a pixel differs by 17/255"),
    "picture darker by 16": (WAVE, repaint(darker(16)), None),
    "picture cropped": (WAVE, repaint(lambda pixels: pixels[1:]), "the stored picture has"),
    "picture removed": (WAVE, drop("picture"), "one of the two has no picture"),
    "picture from no matplotlib": (WAVE, repaint(np.flipud, "a paint program"), "a pixel differs by"),
    "picture from another matplotlib": (WAVE, repaint(np.flipud, "Matplotlib version3.9.1, https"), None),
    "fact changed": (WAVE, text("rms 0.68", "rms 0.58"), "text/plain"),
    "title changed": (WAVE, text("A wave", "The wave"), "text/plain"),
    "sine drawn as cosine": (WAVE, source("np.sin", "np.cos"), "text/plain"),
    "softmax over the wrong axis": (WEIGHTS, source("axis=-1", "axis=0"), "text/plain"),
    "outputs deleted": (NUMBER, drop("outputs"), "Unexpected output fields"),
    "outputs and count deleted": (NUMBER, drop("outputs", "count"), "no stored run"),
    "silent cell that never ran": ("y = 1", drop("count"), "no stored run"),
    "stale widget": (NUMBER, stale_widget, "2 stored outputs, 1 new"),
    "count off by one": (NUMBER, off_by_one, "stored as run number"),
    "last digit up by 1": (NUMBER, text("0.8415", "0.8416"), None),
    "last digit down by 1": (NUMBER, text("0.8415", "0.8414"), None),
    "last digit up by 2": (NUMBER, text("0.8415", "0.8417"), "stdout"),
    "digit changed": (NUMBER, text("0.8415", "0.8515"), "stdout"),
    "sign changed": (NUMBER, text("0.8415", "-0.8415"), "stdout"),
    "whole number up by 1": (NUMBER, text("12", "13"), "stdout"),
    "word changed": (NUMBER, text("at", "as"), "stdout"),
    "result's last digit up by 1": ("0.2345", text("0.2345", "0.2346"), None),
    "result's last digit up by 2": ("0.2345", text("0.2345", "0.2347"), "text/plain"),
    "HTML's last digit up by 1": ("HTML('<b>0.2345</b>')", text("0.2345", "0.2346", "text/html"), None),
    "HTML's last digit up by 2": ("HTML('<b>0.2345</b>')", text("0.2345", "0.2347", "text/html"), "text/html"),
    "expected error": ("figures.describe(None)", None, None),
    "expected error, other text": ("[][1]", source("[][1]", "{}[1]"), "ename"),
    "expected error, path of a machine": ("[][1]", stored_path, "shows a path of this machine: '/srv/someone"),
    "writes to stderr": ("print('Warning', file=sys.stderr)", None, "writes to stderr: 'Warning'"),
    "address of an object": ("object()", None, "shows the address of an object: '0x"),
    "path of a machine": ("print('in /usr/lib/python3')", None, "shows a path of this machine: '/usr/lib/python3'"),
    "picture without facts": (
        "del plt.Figure._repr_pretty_\nplt.plot(x)\nplt.show()\nfigures.setup()",
        None,
        "has a picture without a description",
    ),
    "kept from the check by a tag": (NUMBER, tag("nbval-ignore-output"), "kept from the check by nbval-ignore-output"),
    "kept from the check by a comment": ("# NBVAL_SKIP\n1 + 1", None, "kept from the check by NBVAL_SKIP"),
}


def cells(names):
    made = [nbformat.v4.new_code_cell(IMPORTS)]
    for name in names:
        made.append(nbformat.v4.new_code_cell(CASES[name][0]))
        if name.startswith("expected error"):
            tag("raises-exception")(made[-1])
    return made


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """For each case what the check said of its cell, first as ``sync`` stored it and then changed."""
    folder = tmp_path_factory.mktemp("notebooks")
    stored = folder / "stored.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells(CASES)), stored)
    sync.sync(stored)
    notebook = nbformat.read(stored, as_version=4)
    for cell, (_, mutate, _) in zip(notebook.cells[1:], CASES.values(), strict=True):
        if mutate:
            mutate(cell)
    nbformat.write(notebook, folder / "changed.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        ROOT,
        "-p",
        "no:cacheprovider",
    ]
    command += ["--nbval", "--nbval-current-env", "--color=no", f"--junitxml={folder / 'report.xml'}", folder]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    said = {"stored": [], "changed": []}
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        notebook = next(name for name in said if f"{name}.ipynb" in case.get("classname"))
        said[notebook].append("".join(child.text or "failed" for child in case if child.tag in ("failure", "error")))
    assert [len(each) for each in said.values()] == [1 + len(CASES)] * 2, run.stdout
    return {name: dict(zip(CASES, each[1:], strict=True)) for name, each in said.items()} | {"terminal": run.stdout}


@pytest.mark.parametrize("name", CASES)
def test_verdict_on_a_changed_cell(verdicts, name):
    expected = CASES[name][2]
    said = verdicts["changed"][name]
    assert expected in said if expected else not said, said


@pytest.mark.parametrize("name", [name for name, (_, mutate, _) in CASES.items() if mutate])
def test_the_same_cell_as_stored_by_sync_passes(verdicts, name):
    assert not verdicts["stored"][name]


def test_pictures_that_could_not_be_compared_are_counted(verdicts):
    assert "compared by facts, not pixels (another matplotlib drew the stored ones): 1\n" in verdicts["terminal"]
