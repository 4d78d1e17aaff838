"""What the book's figures share: one style, and a description in words of what was drawn.

A chapter calls :func:`setup` once, in its cell of imports. Importing this package changes nothing.
It is the one part of the library that needs matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from posenc_lib.figures.facts import describe
from posenc_lib.figures.style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLE", "describe", "setup"]


def setup() -> None:
    """Give this session the book's figure style, and figures a text that says what they show.

    The text replaces ``<Figure size 560x340 with 1 Axes>``. It is stored beside each picture, where
    a test can compare it: two pictures are hard to compare, two descriptions are not.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    # "default" first: a reader's own matplotlibrc must not change what the chapter shows.
    matplotlib.style.use(["default", STYLE])
    # A method, for IPython's inline backend removes the formatters registered for Figure.
    Figure._repr_pretty_ = _repr_pretty_  # type: ignore[attr-defined]


class _Printer(Protocol):
    def text(self, text: str, /) -> None: ...


def _repr_pretty_(figure: Figure, printer: _Printer, cycle: bool) -> None:
    printer.text(describe(figure))
