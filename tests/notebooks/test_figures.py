"""A figure's description must change with what it shows, and with nothing else.

The text of the whole gallery is stored in ``gallery.txt`` and compared, so a run under
another matplotlib or NumPy shows whether descriptions hold across versions. To store a new one:
``python tests/notebooks/gallery.py > tests/notebooks/gallery.txt``, and read the difference.
"""

import subprocess
import sys
from pathlib import Path

import gallery
import matplotlib.pyplot as plt
import numpy as np
import pytest
from notebook_outputs import settle_text

from posenc_lib import figures
from posenc_lib.figures.summary import number, numbers, summarise

STORED = Path(__file__).with_name("gallery.txt")
X = np.linspace(0, 2 * np.pi, 50)
SINE = np.sin(X)


@pytest.fixture(autouse=True)
def _book_style():
    plt.switch_backend("agg")
    with plt.rc_context():
        yield
    plt.close("all")


def drawn(draw):
    """The description of a figure with one panel."""
    _, axes = plt.subplots()
    draw(axes)
    return figures.describe(axes.figure)


def test_the_gallery_reads_as_stored():
    assert settle_text(STORED.read_text(), gallery.text()) == STORED.read_text()


def test_drawing_a_figure_does_not_change_what_is_said_of_it():
    figure = gallery.draw()
    before = figures.describe(figure)
    figure.canvas.draw()
    assert figures.describe(figure) == before


def wave(axes, y=SINE, x=X, **line):
    axes.plot(x, y, **{"label": "wave", **line})
    axes.legend()


# What must show: each is a way to draw something else than `wave`.
OTHERS = {
    "cosine": lambda axes: wave(axes, np.cos(X)),
    "one point moved": lambda axes: wave(axes, np.where(np.arange(50) == 30, 0.1, np.sin(X))),
    "moved": lambda axes: wave(axes, np.sin(X) + 0.001),
    "backwards": lambda axes: wave(axes, np.sin(X)[::-1], X),
    "two points swapped": lambda axes: wave(axes, np.sin(X)[[1, 0, *range(2, 50)]]),
    "missing point": lambda axes: wave(axes, np.where(np.arange(50) == 30, np.nan, np.sin(X))),
    "title": lambda axes: (wave(axes), axes.set_title("A wave")),
    "left title": lambda axes: (wave(axes), axes.set_title("A wave", loc="left")),
    "label": lambda axes: (wave(axes), axes.set_xlabel("position")),
    "limits": lambda axes: (wave(axes), axes.set_xlim(0, 5)),
    "scale": lambda axes: (wave(axes), axes.set_yscale("symlog")),
    "ticks": lambda axes: (wave(axes), axes.set_xticks([0, np.pi], ["0", "π"])),
    "legend": lambda axes: wave(axes, label="ripple"),
    "no legend": lambda axes: axes.plot(X, np.sin(X), label="wave"),
    "hidden line": lambda axes: wave(axes, visible=False),
    "text": lambda axes: (wave(axes), axes.text(1, 0, "crest")),
    "note": lambda axes: (wave(axes), axes.annotate("crest", (1.5, 1), (3, 1))),
    "shape": lambda axes: (wave(axes), axes.axvspan(1, 2)),
    "inset": lambda axes: (wave(axes), axes.inset_axes([0.5, 0.5, 0.4, 0.4])),
    "table": lambda axes: (wave(axes), axes.table([["1"]])),
    "figure's title": lambda axes: (wave(axes), axes.figure.suptitle("A wave")),
    "size": lambda axes: (wave(axes), axes.figure.set_size_inches(5, 5)),
}


@pytest.mark.parametrize("draw", OTHERS.values(), ids=OTHERS)
def test_another_drawing_has_another_description(draw):
    assert drawn(draw) != drawn(wave)


# Arrays shown in other ways than by lines, and the same with one thing changed.
GRID = np.outer(np.sin(X[:8]), np.arange(6.0))
PAIRS = {
    "transposed image": (lambda a: a.imshow(GRID), lambda a: a.imshow(GRID.T)),
    "flipped image": (lambda a: a.imshow(GRID), lambda a: a.imshow(GRID, origin="lower")),
    "image's colour limits": (lambda a: a.imshow(GRID), lambda a: a.imshow(GRID, vmax=9)),
    "image's colours": (lambda a: a.imshow(GRID), lambda a: a.imshow(GRID, cmap="RdBu")),
    "mesh": (lambda a: a.pcolormesh(GRID), lambda a: a.pcolormesh(GRID[::-1])),
    "contour": (lambda a: a.contour(GRID), lambda a: a.contour(GRID + 0.3)),
    "points": (lambda a: a.scatter(X, X), lambda a: a.scatter(X, X[::-1])),
    "points' colours": (lambda a: a.scatter(X, X, c=X), lambda a: a.scatter(X, X, c=X[::-1])),
    "points' sizes": (lambda a: a.scatter(X, X, s=X), lambda a: a.scatter(X, X, s=X[::-1])),
    "band": (lambda a: a.fill_between(X, X), lambda a: a.fill_between(X, X**1.01)),
    "bars": (lambda a: a.bar([1, 2], [3, 4]), lambda a: a.bar([1, 2], [4, 3])),
    "bars' names": (lambda a: a.bar(["p", "q"], [3, 4]), lambda a: a.bar(["p", "r"], [3, 4])),
    "quiver": (lambda a: a.quiver([1], [2], [3], [4]), lambda a: a.quiver([1], [2], [4], [3])),
    "arrow": (lambda a: a.add_patch(arrow(1, 2)), lambda a: a.add_patch(arrow(1, 3))),
    "low end of a log axis": (lambda a: a.semilogy([1, 1e-9]), lambda a: a.semilogy([1, 2e-9])),
}


def arrow(start, end):
    return plt.matplotlib.patches.FancyArrowPatch((start, start), (end, start))


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_another_array_has_another_description(one, other):
    assert drawn(one) == drawn(one)
    assert drawn(one) != drawn(other)


def test_noise_does_not_show():
    noise = np.random.RandomState(0).uniform(-1e-13, 1e-13, 50)
    assert drawn(lambda axes: wave(axes, np.sin(X) + noise)) == drawn(wave)


def test_colours_and_line_styles_do_not_show():
    assert drawn(lambda axes: wave(axes, color="red", linestyle="--")) == drawn(wave)


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (-0.0, 1, "0.0000"),
        (-1e-17, 1, "0.0000"),
        (0, 0, "0.0000"),
        (0.123449999, 1, "0.1234"),
        (0.12345, 1, "0.1234"),  # a tie: noise on either side must not move it
        (0.12345 + 1e-14, 1, "0.1234"),
        (0.12345 - 1e-14, 1, "0.1234"),
        (0.5, 0.9999999, "0.5000"),  # as under a scale of 1
        (123.456, 123.456, "123.46"),
        (123456, 123456, "1.2346e+05"),
        (0, 123456, "0.0000e+05"),
        (-3.21e-7, 3.21e-7, "-3.2100e-07"),
        (np.nan, 1, "nan"),
        (-np.inf, 1, "-inf"),
    ],
)
def test_a_number_has_five_digits_of_its_scale(value, scale, text):
    assert number(value, scale) == text


def test_an_array_is_rounded_to_its_largest_value():
    assert numbers([1234.5, 1.2345]) == "1234.5 1.2"
    assert summarise([3.0, 4.0]).startswith("2: min 3.0000 max 4.0000 mean 3.5000 rms 3.5355 projections ")
    assert summarise([np.nan, 1.0]).startswith("2, 1 not finite: min 1.0000")
    assert summarise(np.ma.masked_equal([2, 1], 2)).startswith("2, 1 not finite: min 1.0000")
    assert summarise([np.nan]) == "1: no finite value"


def test_importing_changes_nothing_and_setup_gives_style_and_text():
    code = """
import matplotlib
import sys
from matplotlib.figure import Figure
before = {key: matplotlib.rcParams[key] for key in ("figure.dpi", "xtick.major.width")}
matplotlib.rcParams["lines.markersize"] = 99  # as a reader's matplotlibrc would
from posenc_lib import figures
assert matplotlib.rcParams["figure.dpi"] == before["figure.dpi"]
assert "_repr_pretty_" not in vars(Figure)
assert "matplotlib.pyplot" not in sys.modules  # which would choose a backend
figures.setup()
figures.setup()
assert matplotlib.rcParams["figure.dpi"] == figures.STYLE["figure.dpi"] != before["figure.dpi"]
assert matplotlib.rcParams["xtick.major.width"] == before["xtick.major.width"]
assert matplotlib.rcParams["lines.markersize"] < 99
from IPython.lib.pretty import pretty
assert pretty(Figure(figsize=(2, 3))).startswith("Figure of 2 by 3 inches")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
