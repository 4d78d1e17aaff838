"""Check Shaw's relative keys: fn(q, table) → q · a_clip(n − m) / √d for positions 0 … T − 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.attention import softmax
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report

Rows = NDArray[np.int64]


def shaw(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, table)``, Shaw's bias of shape ``(T, T)``; return a `Report`.

    q has the shape ``(T, d)``, the table ``(2K + 1, d)`` with relative position 0, key minus query, in its middle row;
    relative positions are clipped to −K … K. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    q: Array,
    table: Array,
    *,
    offset: Callable[[Rows, Rows], Rows] = lambda m, n: n - m,
    clip: Callable[[Rows, int], Rows] = lambda offset, K: np.clip(offset, -K, K),
    row: Callable[[Rows, int], Rows] = lambda offset, K: offset + K,
    scale: Callable[[int, int], float] = lambda d, length: 1 / np.sqrt(d),
    finish: Callable[[Array], Array] = lambda bias: bias,
) -> Answer:
    """The bias in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    length, rows = len(q), len(table)
    m = np.arange(length)
    which = row(clip(offset(m[:, None], m[None, :]), rows // 2), rows // 2)
    found = np.take(table, which, axis=0, mode="wrap")  # as NumPy reads a negative row
    bias = np.einsum("md,mnd->mn", q, found) * scale(q.shape[-1], length)
    return Answer(finish(bias), 1 + q.shape[-1] * np.abs(q).max() * np.abs(table).max())


MISTAKES = mistakes(
    (
        "query minus key",
        "offset",
        "Your relative position is query minus key, so that earlier keys take the rows of later ones. It is key minus "
        "query.",
        {"offset": lambda m, n: m - n},
    ),
    (
        "the distance instead of the relative position",
        "offset",
        "Keys before and after the query get the same row: the sign of the relative position is lost.",
        {"offset": lambda m, n: np.abs(n - m)},
    ),
    (
        "the key's position instead of the relative one",
        "offset",
        "The row depends on the key's position alone. It is the relative position, key minus query, that picks the "
        "row.",
        {"offset": lambda m, n: n + 0 * m},
    ),
    (
        "the middle row is not relative position 0",
        "row",
        "The clipped relative position itself picks the row, so that 0 takes the first row, and negative ones count "
        "from the end. Rows belong to −K to K: add K.",
        {"row": lambda offset, K: offset},
    ),
    (
        "one row too far",
        "row",
        "Each relative position takes the row of the next one. −K belongs to row 0: add K, no more.",
        {"row": lambda offset, K: np.minimum(offset + K + 1, 2 * K)},
    ),
    (
        "one row too far",
        "row",
        "Each relative position takes the row of the next one. −K belongs to row 0: add K, no more.",
        {"row": lambda offset, K: offset + K + 1},
    ),
    (
        "one row short",
        "row",
        "Each relative position takes the row of the one before. −K belongs to row 0: add K, no less.",
        {"row": lambda offset, K: np.maximum(offset + K - 1, 0)},
    ),
    (
        "one row short",
        "row",
        "Each relative position takes the row of the one before. −K belongs to row 0: add K, no less.",
        {"row": lambda offset, K: offset + K - 1},
    ),
    (
        "clipped too early",
        "clip",
        "Relative positions are clipped to −(K − 1) … K − 1, so that the first and the last row are never used. Clip "
        "to −K … K.",
        {"clip": lambda offset, K: np.clip(offset, -K + 1, K - 1)},
    ),
    (
        "not clipped",
        "clip",
        "Relative positions beyond K are not clipped; they wrap around to rows of the other end. All that is further "
        "than K takes the row of K.",
        {"clip": lambda offset, K: offset},
    ),
    (
        "clipped on one side",
        "clip",
        "Those below −K take the row of −K, but those above K do not take the row of K. Clip on both sides.",
        {"clip": lambda offset, K: np.maximum(offset, -K)},
    ),
    (
        "far keys are left out",
        "clip",
        "Where a key is further than K, the bias is that of relative position 0. It is that of K, or of −K.",
        {"clip": lambda offset, K: np.where(np.abs(offset) > K, 0, offset)},
    ),
    (
        "the scale is missing",
        "scale",
        "The products are not divided by √d. The whole logit is divided by it, this part too.",
        {"scale": lambda d, length: 1.0},
    ),
    (
        "scaled by d instead of √d",
        "scale",
        "The products are divided by d; it is √d, as for the logits of content.",
        {"scale": lambda d, length: 1 / d},
    ),
    (
        "multiplied by √d",
        "scale",
        "The products are multiplied by √d; they are divided by it.",
        {"scale": lambda d, length: np.sqrt(d)},
    ),
    (
        "scaled by √T instead of √d",
        "scale",
        "The products are divided by the square root of the length. A dot product sums d terms, so √d belongs there.",
        {"scale": lambda d, length: 1 / np.sqrt(length)},
    ),
    (
        "the result is transposed",
        "offset",
        "Row m, column n holds the bias of query n and key m. Queries go down the rows.",
        {"finish": np.transpose},
    ),
    (
        "later keys are masked with 0",
        "finish",
        "The bias of keys after the query is 0. Nothing is masked here: both directions have their rows.",
        {"finish": np.tril},
    ),
    (
        "later keys are masked",
        "finish",
        "The bias of keys after the query is −inf. Nothing is masked here: both directions have their rows.",
        {"finish": lambda bias: np.where(np.tri(len(bias), dtype=bool), bias, -np.inf)},
    ),
    (
        "a softmax is applied",
        "finish",
        "The rows went through a softmax. The bias is added to the logits, before the softmax.",
        {"finish": softmax},
    ),
    (
        "the sign is wrong",
        "finish",
        "The bias has the wrong sign; it is added to the logits, as the products are.",
        {"finish": np.negative},
    ),
)


def _case(seed: int, length: int, K: int, d: int) -> Case:
    rng = np.random.default_rng(seed)
    q, table = rng.standard_normal((length, d)), rng.standard_normal((2 * K + 1, d))
    return Case("values", (q, table), f"q of shape {q.shape}, table of shape {table.shape}, random")


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if len(got) == 3 and got[:2] == expected:
        return "the vectors are not multiplied", "This has a vector for each pair; multiply it with the query."
    if len(got) == 2 and got[0] == expected[0] and got[1] != expected[1]:
        return "the products are not picked", "These are the products with all rows; pick one for each key."
    return None


_HINTS = {
    "unknown": (
        "Try a table whose row j is full of j, and a query of ones: which rows do your biases come from?",
        "It is about which row of the table belongs to query m and key n.",
        "Multiply each query with all rows, divide by √d; for key n pick the product with row clip(n − m) + K.",
    ),
    "offset": (
        "Look at the sign of the relative position, for a key just before its query.",
        "It is about key minus query, and which axis holds which.",
        "It is n − m, with m down the rows and n along the columns.",
    ),
    "row": (
        "Look at the row that relative position 0 takes.",
        "It is about how numbers from −K to K become rows from 0 to 2K.",
        "Add K to the clipped relative position.",
    ),
    "clip": (
        "Look at keys that are further away than K.",
        "It is about the ends of the table.",
        "Clip the relative position to −K … K on both sides, before you add K.",
    ),
    "scale": (
        "Look at what the products are divided by.",
        "It is about the square root of a size: of which axis?",
        "Divide by the square root of the number of features of a query.",
    ),
    "finish": (
        "Look at what happens after the products are picked.",
        "It is about what belongs to the bias and what to attention.",
        "Return the picked products as they are; attention adds them to the logits.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about which axes the result has.",
        "It has a row for each query and a column for each key.",
    ),
}

EXERCISE = Exercise(
    method="shaw",
    parameters=("q", "table"),
    cases=(_case(1, 4, 2, 3), _case(2, 9, 2, 5), _case(3, 7, 3, 7), _case(4, 12, 1, 4), _case(5, 3, 6, 4)),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"query {index[0]}, key {index[1]}",
    grid=lambda error, allowed: (error, allowed),
    tell_row=lambda case, row: f"query {row}",
    columns="key",
    narrower=True,
)
