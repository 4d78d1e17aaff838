"""The error of a mistake that has no name, drawn as an inline SVG: one cell for each (row, column)."""

from __future__ import annotations

import html
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check.exercise import Array

_CELL, _LEFT, _TOP = 14, 84, 22
_MOST = 16  # rows and columns shown
_COLOUR = "#d1495b"


def draw(error: Array, tolerance: Array, row_name: Callable[[int], str], column_name: str) -> str:
    """Return an SVG in which a cell is the fuller, the larger its error; right cells stay empty.

    `error` and `tolerance` have the shape (rows, columns); of a large one, the part around the first wrong
    row is drawn. The scale is logarithmic, from the tolerance to the largest error. The drawing takes its
    ink from the page, so it follows dark mode. `row_name(row)` is a row's label.
    """
    wrong = ~(error <= tolerance)
    said = f"Error by row and {column_name}: {int(wrong.sum())} of {wrong.size} cells are wrong."
    top = max(0, min(int(wrong.any(axis=1).argmax()) - 2, len(error) - _MOST))
    shown = slice(top, top + _MOST), slice(_MOST)
    error, tolerance, wrong = error[shown], tolerance[shown], wrong[shown]
    rows, columns = error.shape
    cells = [
        _cell(row, column, strength)
        for (row, column), strength in np.ndenumerate(_strengths(error, tolerance, wrong))
    ]
    width, height = max(_LEFT + columns * _CELL + 8, 200), _TOP + rows * _CELL + 4
    return (
        f'<svg role="img" aria-label="{html.escape(said)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="display:block;margin:0.5em 0;max-width:100%" '
        'fill="currentColor" font-size="11" font-family="sans-serif">'
        f"<title>{html.escape(said)}</title>"
        f'<text x="{_LEFT}" y="14">{html.escape(column_name)} 0 to {columns - 1}</text>'
        + _row_labels(rows, lambda row: row_name(top + row))
        + "".join(cells)
        + "</svg>"
    )


def _strengths(error: Array, tolerance: Array, wrong: NDArray[np.bool_]) -> Array:
    """Map each error to 0 (right) or to 0.25 (barely wrong) up to 1 (the largest, or not finite)."""
    floor = np.maximum(tolerance, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        decades = np.log10(np.where(np.isfinite(error), np.maximum(error, floor), floor) / floor)
    most = decades.max() or 1.0
    strength = np.where(np.isfinite(error), 0.25 + 0.75 * decades / most, 1.0)
    return np.where(wrong, strength, 0.0)


def _cell(row: int, column: int, strength: float) -> str:
    place = f'x="{_LEFT + column * _CELL}" y="{_TOP + row * _CELL}" width="{_CELL - 1}" height="{_CELL - 1}"'
    frame = 'stroke="currentColor" stroke-opacity="0.35"'
    if not strength:
        return f'<rect {place} fill="none" {frame}/>'
    return f'<rect {place} fill="{_COLOUR}" fill-opacity="{strength:.2f}" {frame}/>'


def _row_labels(rows: int, name: Callable[[int], str]) -> str:
    shown = sorted({0, rows - 1})
    return "".join(
        f'<text x="{_LEFT - 6}" y="{_TOP + row * _CELL + 11}" text-anchor="end">{html.escape(name(row))}</text>'
        for row in shown
    )
