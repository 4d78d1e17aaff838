"""Check the change of layout: fn(weight, num_heads) → the rows of each head from interleaved to half."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report

Order = NDArray[np.intp]
InHead = Callable[[int], Order]


def convert_layout(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(weight, num_heads)``, which reorders a projection from the interleaved to the half layout.

    weight has the shape ``(num_heads · dim, width)``, a row for each output, and all of a head turns; the result has
    the same shape. Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def to_half(dim: int) -> Order:
    """Which row of an interleaved head stands at each place of the half layout."""
    return np.concatenate([np.arange(0, dim, 2), np.arange(1, dim, 2)])


def each_head(num_heads: int, dim: int, order: InHead) -> Order:
    """The order of all rows when each head is reordered by itself."""
    return (np.arange(num_heads)[:, None] * dim + order(dim)).ravel()


def _rows(weight: Array, num_heads: int, order_of: Callable[[int], Order]) -> Array:
    return weight[order_of(len(weight))]


def formula(
    weight: Array,
    num_heads: int,
    *,
    order: InHead = to_half,
    heads: Callable[[int, int, InHead], Order] = each_head,
    move: Callable[[Array, int, Callable[[int], Order]], Array] = _rows,
) -> Answer:
    """The reordered weight; a mistake of the bank replaces one or more of the keyword arguments."""
    return Answer(move(weight, num_heads, lambda size: heads(num_heads, size // num_heads, order)))


def _columns(weight: Array, num_heads: int, order_of: Callable[[int], Order]) -> Array:
    width = weight.shape[1]
    order = order_of(width + width % 2)
    return weight[:, order[order < width]]


def _second_half_negated(weight: Array, num_heads: int, order_of: Callable[[int], Order]) -> Array:
    dim = len(weight) // num_heads
    moved = _rows(weight, num_heads, order_of)
    return np.where(np.arange(len(weight))[:, None] % dim < dim // 2, moved, -moved)


def _to_interleaved(dim: int) -> Order:
    return np.argsort(to_half(dim))


def _half_of_it(dim: int) -> Order:
    turning = dim // 4 * 2
    return np.concatenate([to_half(turning), np.arange(turning, dim)])


def _first_head(num_heads: int, dim: int, order: InHead) -> Order:
    return np.concatenate([order(dim), np.arange(dim, num_heads * dim)])


def _axes(*axes: int) -> Callable[[int, int, InHead], Order]:
    """Return the order that comes of a transpose of (heads, pairs, 2) by which heads do not stay in front."""
    return lambda num_heads, dim, order: np.arange(num_heads * dim).reshape(num_heads, -1, 2).transpose(axes).ravel()


MISTAKES = mistakes(
    (
        "not reordered",
        "order",
        "The rows stand as before. The two dimensions of a pair must come to stand half a head apart.",
        {"order": np.arange},
    ),
    (
        "the wrong direction",
        "direction",
        "This goes from half to interleaved, the inverse permutation. A pair stands side by side in what comes in, "
        "and half a head apart in what goes out.",
        {"order": _to_interleaved},
    ),
    (
        "the second of each pair comes first",
        "order",
        "The rows of the second dimensions stand in the first half. The first dimension of a pair belongs there; this "
        "way each pair turns backwards.",
        {"order": lambda dim: np.concatenate([np.arange(1, dim, 2), np.arange(0, dim, 2)])},
    ),
    (
        "the halves change places",
        "order",
        "The two halves of each head have changed places, and each half is as it was. Pairs are still side by side.",
        {"order": lambda dim: np.roll(np.arange(dim), dim // 2)},
    ),
    (
        "the rows are reversed",
        "order",
        "The rows of each head stand in reverse. Pairs are still side by side.",
        {"order": lambda dim: np.arange(dim)[::-1]},
    ),
    (
        "the two of each pair change places",
        "order",
        "The two rows of each pair have changed places, and the pair is still side by side.",
        {"order": lambda dim: np.minimum(np.arange(dim) ^ 1, dim - 1)},
    ),
    (
        "only half of each head is reordered",
        "order",
        "The second half of each head stands as before, as for a model that turns half of it. Here all of a head "
        "turns.",
        {"order": _half_of_it},
    ),
    (
        "the whole matrix as one head",
        "heads",
        "The rows are reordered as if all of them were one head, so that the halves of different heads come together. "
        "Each head is reordered by itself.",
        {"heads": lambda num_heads, dim, order: order(num_heads * dim)},
    ),
    (
        "heads and dimensions are exchanged",
        "heads",
        "The number of heads is taken for the size of a head, and the other way round. The rows of a head stand "
        "together: all of head 0, then all of head 1.",
        {"heads": lambda num_heads, dim, order: each_head(dim, num_heads, order)},
    ),
    (
        "only the first head is reordered",
        "heads",
        "All heads but the first stand as before.",
        {"heads": _first_head},
    ),
    *(
        (
            "the axis of heads moves too",
            "heads",
            "The rows of different heads are mixed: the axis of heads took part in a transpose. Heads stay where they "
            "are.",
            {"heads": _axes(*axes), "order": None, "move": _rows},
        )
        for axes in ((1, 0, 2), (2, 1, 0), (1, 2, 0))
    ),
    (
        "columns instead of rows",
        "axis",
        "The columns are reordered, which belong to what comes into the projection. It is the rows that come out "
        "and are turned.",
        {"move": _columns},
    ),
    (
        "columns too",
        "axis",
        "The rows are reordered, and the columns besides. Columns belong to what comes into the projection, which is "
        "the same as before.",
        {"move": lambda weight, num_heads, order_of: _columns(_rows(weight, num_heads, order_of), num_heads, order_of)},
    ),
    (
        "the second half is negated",
        "sign",
        "The second half of each head has the other sign. The rotation brings its own signs; here rows change places, "
        "no more.",
        {"move": _second_half_negated},
    ),
    (
        "transposed",
        "axis",
        "The result is transposed. A row for each output is wanted, as it came in.",
        {"move": lambda weight, num_heads, order_of: _rows(weight, num_heads, order_of).T},
    ),
)


_HINTS = {
    "unknown": (
        "Take one head of four rows. Write down which rows are a pair before, and which places a pair has after.",
        "It is about the places of a pair's two rows within one head.",
        "In each head, first take every second row from the first on, then every second row from the second on.",
    ),
    "order": (
        "Follow the two rows of the first pair: where do they stand in your result?",
        "It is about the order of the rows within one head.",
        "The first dimensions of all pairs come first, in order, then the second ones, in the same order.",
    ),
    "direction": (
        "Try one head of six rows. With four there is no difference to be seen.",
        "It is about which of the two layouts comes in, and which goes out.",
        "Side by side are rows 0 and 1 of what comes in: they go to place 0 and to the place half a head on.",
    ),
    "heads": (
        "Give each row the number of its head, and look at where the numbers stand in your result.",
        "It is about which rows belong to one head.",
        "Cut the rows into num_heads pieces of equal length, reorder within each piece, and put them together again.",
    ),
    "axis": (
        "Look at which axis of the matrix belongs to queries and keys.",
        "It is about rows, the outputs, and columns, the inputs.",
        "Reorder along the first axis, and leave the second as it is.",
    ),
    "sign": (
        "Look at the signs in your result.",
        "It is about numbers that should only change places.",
        "No number changes its value.",
    ),
    "shape": (
        "Look at the shape of what you return.",
        "It is about axes that were made on the way.",
        "Bring the result back to the shape of the weight.",
    ),
}


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if len(got) > 2 and np.prod(got) == np.prod(expected):
        return "axes are left over", "Heads and pairs have axes of their own in it: reshape it back."
    if len(got) == 2 and got[1] == expected[1] and got[0] < expected[0]:
        return "rows are missing", "Each row of the weight has its place in the result."
    return None


def _case(num_heads: int, dim: int, width: int) -> Case:
    # Each number tells where it was: 12.03 stood in row 12, column 3.
    weight = np.add.outer(np.arange(num_heads * dim), np.arange(1, width + 1) / 100)
    text = f"num_heads = {num_heads}, weight of shape {weight.shape}, with r + (c + 1)/100 in row r, column c"
    return Case("values" if num_heads > 1 else "one head", (weight, num_heads), text)


EXERCISE = Exercise(
    method="convert_layout",
    parameters=("weight", "num_heads"),
    cases=(_case(2, 8, 6), _case(8, 6, 16), _case(3, 12, 5), _case(2, 10, 20), _case(1, 6, 4)),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"row {index[0]}, column {index[1]}",
    stage_notes={"one head": "Here there is a single head."},
)
