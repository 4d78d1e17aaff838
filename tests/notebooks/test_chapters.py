"""Every chapter keeps the rules of ``chapter_rules.py``, and each rule catches what it is there for."""

import copy

import nbformat
import pytest
from chapter_rules import BOOTSTRAP, HIDDEN, PINNED_MATPLOTLIB, ROOT, RULES
from mutations import WAVE, repaint
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))

BLACK_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SENTENCE = "A sine wave with a period of six positions."


def drawn(cell):
    """Give a cell a picture, as the pinned matplotlib would have drawn it."""
    cell.outputs = [new_output("display_data", {"image/png": BLACK_PIXEL})]
    repaint(lambda pixels: pixels, f"Matplotlib version{PINNED_MATPLOTLIB}.0, https")(cell)
    return cell


def good():
    """A chapter that keeps every rule."""
    return new_notebook(
        cells=[
            new_markdown_cell("(label)=\n# Title"),
            new_code_cell(BOOTSTRAP, metadata={"tags": ["bootstrap", "remove-cell"]}),
            new_code_cell("import matplotlib.pyplot as plt\n\nfigures.setup()"),
            drawn(new_code_cell(WAVE, metadata={"mystnb": {"image": {"alt": SENTENCE}}})),
            new_markdown_cell("```{solution-start} one\n:class: dropdown\n```"),
            new_code_cell("x = 1", metadata={"tags": ["solution"], **HIDDEN}),
            new_markdown_cell("```{solution-end}\n```"),
            new_code_cell("import torch\nfrom posenc_lib import torch as pt", metadata={"tags": ["torch"]}),
            new_code_cell("pt.sinusoidal(2, 4)", metadata={"tags": ["torch"]}),
        ]
    )


def broken(notebook):
    return [problem for rule in RULES for problem in rule(notebook)]


def put(index, **fields):
    return lambda notebook: notebook.cells[index].update(copy.deepcopy(fields))


def says(verdict):
    """What a cell stores whose last line is a check."""
    return [new_output("execute_result", {"text/plain": f"check.sinusoidal: {verdict}\n  In words."})]


def another_version(notebook):
    repaint(lambda pixels: pixels, "Matplotlib version2.0.0, https")(notebook.cells[3])


SPOILT = {
    "no title": (put(0, source="Title"), "cell 0 must be markdown with the chapter's title"),
    "title in code": (put(0, cell_type="code", source="# Title", outputs=[]), "cell 0 must be markdown"),
    "other bootstrap": (put(1, source=BOOTSTRAP + "\n"), "cell 1 must be the text of tools/bootstrap_cell.py"),
    "bootstrap shown": (put(1, metadata={"tags": ["bootstrap"]}), "cell 1 must have the tags"),
    "bootstrap loud": (put(1, outputs=[new_output("stream", text="Installing")]), "cell 1 must be silent"),
    "no style": (put(2, source="import numpy"), "cell 2 must hold the imports and end with figures.setup()"),
    "no alt text": (put(3, metadata={}), "cell 3 needs mystnb.image.alt"),
    "path as alt text": (put(3, metadata={"mystnb": {"image": {"alt": "_images/a-figure-of-it.png"}}}), "cell 3 needs"),
    "title as alt text": (put(3, metadata={"mystnb": {"image": {"alt": "Sine wave"}}}), "cell 3 needs"),
    "figure as result": (put(3, source="plt.plot([1, 2])"), "cell 3 has a picture and must end with plt.show()"),
    "drawn by another version": (another_version, "cell 3 has a picture drawn by matplotlib 2.0"),
    "long cell": (put(5, source="x = 1\n" * 41), "cell 5 has 41 lines, more than 40"),
    "long line": (put(5, source="x = '" + "a" * 84 + "'"), "cell 5 line 1 has 90 characters, more than 88"),
    "open solution": (put(4, source="```{solution-start} one\n```"), "cell 4 starts a solution without :class:"),
    "solution without tag": (put(5, metadata=HIDDEN), "cell 5 is part of a solution and needs the tag"),
    "solution shown": (put(5, metadata={"tags": ["solution"], "cellView": "form"}), "cell 5 is a solution and needs"),
    "solution outside": (put(4, source="Solution"), "cell 5 has the tag solution, but stands outside"),
    "solution without end": (put(6, source="End"), "the last solution is not closed"),
    "solution that fails": (put(5, outputs=says("Not yet")), "cell 5 is a solution and says 'Not yet', not"),
    "exercise that is solved": (put(3, outputs=says("Passed")), "cell 3 is an exercise and says 'Passed', not"),
    "torch not tagged": (put(7, metadata={}), "cell 7 uses pt, torch and needs the tag torch"),
    "use of torch not tagged": (put(8, metadata={}), "cell 8 uses pt and needs the tag torch"),
}


def test_there_are_chapters():
    assert CHAPTERS


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_rule(path, rule):
    problems = list(rule(nbformat.read(path, as_version=4)))
    assert not problems, "\n".join(problems)


def test_a_good_chapter_breaks_no_rule():
    assert broken(good()) == []


@pytest.mark.parametrize("name", SPOILT)
def test_rule_catches(name):
    spoil, expected = SPOILT[name]
    notebook = good()
    spoil(notebook)
    problems = broken(notebook)
    assert any(expected in problem for problem in problems), problems
