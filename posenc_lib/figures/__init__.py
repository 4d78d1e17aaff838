"""What the book's figures share: one style, and a description in words of what was drawn.

A chapter calls :func:`setup` once, in its cell of imports. Importing this package changes nothing.
It is the one part of the library that needs matplotlib.
"""

from posenc_lib.figures.facts import describe
from posenc_lib.figures.style import STYLE

__all__ = ["STYLE", "describe", "setup"]


def setup():
    """Give this session the book's figure style, and figures a text that says what they show.

    The text replaces ``<Figure size 560x340 with 1 Axes>``. It is stored beside each picture, where
    a test can compare it: two pictures are hard to compare, two descriptions are not.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    # "default" first: a reader's own matplotlibrc must not change what the chapter shows.
    matplotlib.style.use(["default", STYLE])
    # A method, for IPython's inline backend removes the formatters registered for Figure.
    Figure._repr_pretty_ = _repr_pretty_


def _repr_pretty_(figure, printer, cycle):
    printer.text(describe(figure))
