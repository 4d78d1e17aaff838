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


# ---------------------------------------------------------------- word by word


def test_a_number_is_written_out_from_ten_thousandths_to_thousands():
    assert [number(x, x) for x in (1e-5, 1e-4, 1e3, 1e4)] == ["1.0000e-05", "0.00010000", "1000.0", "1.0000e+04"]


def test_what_has_no_axes_or_no_numbers_is_summarised():
    assert summarise(2.0).startswith("scalar: min 2.0000")
    assert numbers([np.nan]) == "nan" and numbers([np.nan, 0.0]) == "nan 0.0000"
    assert numbers([0.5]) == numbers([0.5], scale=0.0) == "0.50000" and numbers(2) == "2.0000"
    assert numbers([0.5], scale=100.0) == "0.50" and summarise([0.5], 100.0).startswith("1: min 0.50 max 0.50")
    assert summarise([0.0]) == "1: min 0.0000 max 0.0000 mean 0.0000 rms 0.0000 projections 0.0000 0.0000 0.0000"
    integers = np.ma.masked_equal(np.array([1, 2, 3]), 2)
    assert summarise(integers).startswith("3, 1 not finite: min 1.0000 max 3.0000 mean 2.0000")


def told(draw, **options):
    """The lines of the panel, after its title and axes."""
    _, axes = plt.subplots(**options)
    draw(axes)
    return figures.describe(axes.figure).splitlines()


def test_both_ends_of_a_logarithmic_axis_have_five_digits():
    def logarithmic(axes):
        axes.set(xscale="log", xlim=(1e-6, 1e6), ylim=(1e-6, 1e6), xlabel="n")

    lines = told(logarithmic)
    assert lines[2] == "  x 'n' log 1.0000e-06 1.0000e+06"
    assert lines[3] == "  y '' linear 0.0000e+06 1.0000e+06"


def test_all_axes_of_three_are_told():
    lines = told(lambda axes: axes.plot([0, 1], [1, 2], [2, 5]), subplot_kw={"projection": "3d"})
    assert [line[:4] for line in lines[2:5]] == ["  x ", "  y ", "  z "]
    assert [line[:5] for line in lines[6:9]] == ["    x", "    y", "    z"]
    assert "min 2.0000 max 5.0000" in lines[8]


def test_all_that_belongs_to_no_axes_is_told():
    figure = plt.figure(figsize=(6, 4))
    left, right = figure.subfigures(1, 2)
    for part, word in ((left, "left"), (right, "right")):
        part.suptitle(f"{word} half")
        handle = part.subplots().plot([0, 1], label=word)[0]
        part.legend(handles=[handle])
    figure.suptitle("both")
    figure.legend(handles=[handle], labels=["all"])
    hidden = figure.legend(handles=[handle], labels=["hidden"])
    hidden.set_visible(False)
    figure.text(0, 0, "note")
    lines = figures.describe(figure).splitlines()
    assert lines[:8] == [
        "Figure of 6 by 4 inches",
        "  title 'both'",
        "  text 'note'",
        "  legend 'all'",
        "  title 'left half'",
        "  legend 'left'",
        "  title 'right half'",
        "  legend 'right'",
    ]


def test_a_hidden_legend_of_a_panel_is_not_told():
    def hides(axes):
        wave(axes)
        axes.get_legend().set_visible(False)

    assert "legend" in drawn(wave) and "legend" not in drawn(hides)


def test_a_table_has_its_name():
    assert "  Table" in told(lambda axes: axes.table([["1"]]))


def test_a_text_is_rounded_to_what_its_axes_show():
    def writes(axes):
        axes.set(xlim=(0, 1000), ylim=(0, 1))
        axes.text(1.23456789, 0.5, "in data")
        axes.text(0.123456789, 0.5, "in axes", transform=axes.transAxes)

    lines = told(writes)
    assert lines[4:] == ["  text 'in data' at 1.2 0.5", "  text 'in axes' at 0.1235 0.5000"]


def test_a_line_in_axes_is_summarised_by_itself():
    lines = told(lambda axes: (axes.set(xlim=(0, 1000)), axes.axvline(500.0, ymax=0.5)))
    assert "min 500.0 max 500.0" in lines[5]  # one of its coordinates is data, the other is not
    assert "min 0.00000 max 0.50000" in lines[6]


def test_points_and_outlines_are_rounded_to_what_their_axes_show():
    lines = told(lambda axes: (axes.scatter([0.123456], [0.5]), axes.set(xlim=(0, 1000), ylim=(0, 1))))
    places = [line for line in lines if line.startswith("    places")]
    assert "min 0.1 max 0.1" in places[0] and "min 0.5000 max 0.5000" in places[1]


def test_missing_numbers_are_counted_not_shown():
    missing = np.ma.masked_equal([1.0, 2.0, 3.0], 2.0)
    lines = told(lambda axes: axes.plot(missing, [1, 2, 3]))
    assert ", 1 not finite: min 1.0000 max 3.0000" in lines[5]
    integers = np.ma.masked_equal([1, 2, 3], 2)
    offsets = told(lambda axes: axes.scatter(integers, [1, 2, 3]))
    assert any(", 1 not finite: min 1.0000 max 3.0000" in line for line in offsets)


def test_dates_and_names_are_placed_as_drawn():
    lines = told(lambda axes: axes.plot(["p", "q", "r"], [1, 2, 4]))
    assert "min 0.0000 max 2.0000" in lines[5]


def test_a_collection_without_paths_and_an_arrow_between_artists():
    from matplotlib.collections import PathCollection
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Outline

    assert told(lambda axes: axes.add_collection(PathCollection([])))[4:] == ["  PathCollection"]
    path = Outline([[0, 0], [1, 1]])
    lines = told(
        lambda axes: (axes.add_patch(FancyArrowPatch(path=path, arrowstyle="->")), axes.add_patch(arrow(1, 2)))
    )
    assert lines[4] == "  2 shapes" and "2: min 1.0000 max 2.0000" in lines[5]
    alone = told(lambda axes: axes.add_patch(FancyArrowPatch(path=path, arrowstyle="->")))
    assert alone[4:] == ["  1 shapes"]


def test_setup_gives_figures_their_text():
    from matplotlib.figure import Figure

    class Printer:
        text = None

        def __call__(self, text):
            self.said = text

    before = vars(Figure).get("_repr_pretty_")
    try:
        figures.setup()
        printer = Printer()
        printer.text = printer
        Figure(figsize=(2, 3))._repr_pretty_(printer, False)
        assert printer.said == "Figure of 2 by 3 inches"
    finally:
        if before is None:
            del Figure._repr_pretty_
        else:
            Figure._repr_pretty_ = before
