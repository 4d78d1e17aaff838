"""Check the relative part of a matrix: fn(A) → its orthogonal projection onto blockdiag(a_i I + b_i J)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, mistakes
from posenc_lib.check.report import Report

Block = list[list[float]]


def relative_part(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(A)``, the part of a ``(d, d)`` matrix A for which p_mᵀ A p_n depends on m − n alone.

    It is the matrix nearest to A, by the sum of squares, among those made of 2 × 2 blocks a I + b J along the
    diagonal, J a quarter turn. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def _mean_block(w: float, x: float, y: float, z: float) -> Block:
    a, b = (w + z) / 2, (x - y) / 2
    return [[a, b], [-b, a]]


def _neighbours(i: int, dim: int) -> tuple[int, int]:
    return 2 * i, 2 * i + 1


def formula(
    A: Array,
    *,
    block: Callable[[float, float, float, float], Block] = _mean_block,
    layout: Callable[[int, int], tuple[int, int]] = _neighbours,
    rest: Callable[[Array], Array] = np.zeros_like,
) -> Answer:
    """The projection in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    result, dim = rest(A), len(A)
    for i in range(dim // 2):
        places = np.ix_(layout(i, dim), layout(i, dim))
        result[places] = block(*A[places].ravel())
    return Answer(result, 4 * (1 + np.max(np.abs(A))))


def _half_forgotten(w: float, x: float, y: float, z: float) -> Block:
    return [[w + z, x - y], [y - x, w + z]]


_J_LOST = "The multiple of J has the wrong sign: your block turns the other way."

MISTAKES = mistakes(
    (
        "blocks kept whole",
        "block",
        "The blocks on the diagonal are kept as they are. A block has four numbers; a I + b J has two: the diagonal "
        "must be constant and the other diagonal antisymmetric.",
        {"block": lambda w, x, y, z: [[w, x], [y, z]]},
    ),
    (
        "the factor 1/2 is forgotten",
        "factor",
        "Everything is twice too large: a and b are means of two entries, and I and J have squared norm 2.",
        {"block": _half_forgotten},
    ),
    (
        "the factor 1/2 is forgotten in a",
        "factor",
        "The multiple of I is twice too large: it is the mean of two entries.",
        {"block": lambda w, x, y, z: [[w + z, (x - y) / 2], [(y - x) / 2, w + z]]},
    ),
    (
        "the factor 1/2 is forgotten in b",
        "factor",
        "The multiple of J is twice too large: it is half of a difference.",
        {"block": lambda w, x, y, z: [[(w + z) / 2, x - y], [y - x, (w + z) / 2]]},
    ),
    (
        "divided by 4 instead of 2",
        "factor",
        "Everything is half as large as it should be.",
        {"block": lambda w, x, y, z: [[(w + z) / 4, (x - y) / 4], [(y - x) / 4, (w + z) / 4]]},
    ),
    (
        "divided by √2 instead of 2",
        "factor",
        "Everything is √2 times too large: the normed matrices are I/√2 and J/√2, and the factor 1/√2 comes twice, "
        "once in the coefficient and once in the matrix.",
        {
            "block": lambda w, x, y, z: [
                [(w + z) / np.sqrt(2), (x - y) / np.sqrt(2)],
                [(y - x) / np.sqrt(2), (w + z) / np.sqrt(2)],
            ]
        },
    ),
    (
        "b has the wrong sign",
        "sign",
        _J_LOST + " With J as the chapter writes it, b is half of the entry above the diagonal minus the one below.",
        {"block": lambda w, x, y, z: [[(w + z) / 2, (y - x) / 2], [(x - y) / 2, (w + z) / 2]]},
    ),
    (
        "the symmetric part is kept instead of the antisymmetric",
        "sign",
        "The entries beside the diagonal are the block's symmetric part, their mean. J is antisymmetric: take half "
        "of their difference.",
        {"block": lambda w, x, y, z: [[(w + z) / 2, (x + y) / 2], [(x + y) / 2, (w + z) / 2]]},
    ),
    (
        "mean taken where a difference belongs",
        "sign",
        "The multiple of J is the mean of the two entries beside the diagonal; J is antisymmetric, so it is half of "
        "their difference.",
        {"block": lambda w, x, y, z: [[(w + z) / 2, (x + y) / 2], [-(x + y) / 2, (w + z) / 2]]},
    ),
    (
        "the reflections were kept",
        "sign",
        "This is the part of each block that turns nothing but reflects: the multiples of [[1, 0], [0, −1]] and "
        "[[0, 1], [1, 0]], just what the projection drops.",
        {"block": lambda w, x, y, z: [[(w - z) / 2, (x + y) / 2], [(x + y) / 2, (z - w) / 2]]},
    ),
    (
        "J is missing",
        "block",
        "Only the multiples of I are there; b J is missing from each block.",
        {"block": lambda w, x, y, z: [[(w + z) / 2, 0], [0, (w + z) / 2]]},
    ),
    (
        "I is missing",
        "block",
        "Only the multiples of J are there; a I is missing from each block.",
        {"block": lambda w, x, y, z: [[0, (x - y) / 2], [(y - x) / 2, 0]]},
    ),
    (
        "the diagonal only",
        "block",
        "Only the diagonal of A is left. Each block needs one a for both its diagonal entries, and a multiple of J.",
        {"block": lambda w, x, y, z: [[w, 0], [0, z]]},
    ),
    (
        "the diagonal is not averaged",
        "block",
        "Beside the diagonal all is right, but the two diagonal entries of a block are kept as they are; both become "
        "their mean.",
        {"block": lambda w, x, y, z: [[w, (x - y) / 2], [(y - x) / 2, z]]},
    ),
    (
        "one entry stands for two",
        "block",
        "a and b are read off the first row of each block; they are means over both rows, for the nearest matrix.",
        {"block": lambda w, x, y, z: [[w, x], [-x, w]]},
    ),
    (
        "half layout instead of interleaved",
        "layout",
        "Blocks are taken from dimensions (i, i + d/2). Pair i stands in dimensions 2i and 2i + 1.",
        {"layout": lambda i, dim: (i, i + dim // 2)},
    ),
    (
        "the rest is kept",
        "rest",
        "The blocks on the diagonal are right, but the entries outside them are still those of A; they mix two "
        "frequencies, and must be 0.",
        {"rest": np.copy},
    ),
    (
        "A is returned as it is",
        "rest",
        "The result is A itself: nothing was projected.",
        {"rest": np.copy, "block": lambda w, x, y, z: [[w, x], [y, z]]},
    ),
)


def _case(seed: int, dim: int) -> Case:
    matrix = np.random.default_rng(seed).standard_normal((dim, dim))
    return Case("values", (matrix,), f"A of shape ({dim}, {dim}), random")


_HINTS = {
    "unknown": (
        "Try a matrix with d = 2: the whole of it is one block.",
        "Project your result once more: it must stay as it is. Then look at what is left, A minus your result.",
        "In each two by two block on the diagonal, both diagonal entries become their mean, the other two become plus "
        "and minus half of their difference; everything outside the blocks is zero.",
    ),
    "factor": (
        "Project twice: the second time must change nothing.",
        "It is about the squared length of I and of J.",
        "The coefficient of a matrix in a projection is the inner product with it divided by its squared length, which "
        "is two for both.",
    ),
    "sign": (
        "Look at the two entries beside the diagonal of a block.",
        "It is about the coefficient of J.",
        "It is half of the difference of the two entries, put back with opposite signs as they stand in J.",
    ),
    "block": (
        "Look at one block on the diagonal: how many free numbers does it have?",
        "It is about a and b of each block.",
        "Both diagonal entries become their mean; the other two become plus and minus half of their difference.",
    ),
    "layout": (
        "Look at which rows and columns make a block.",
        "It is about which two dimensions are a pair.",
        "Neighbouring dimensions make a pair, so that the blocks lie along the diagonal.",
    ),
    "rest": (
        "Look at the entries outside the blocks.",
        "It is about pairs of different frequencies.",
        "Every entry that ties two different pairs together is zero.",
    ),
    "shape": (
        "Look at the shape of your result.",
        "It is about which axes it has.",
        "The projection of a square matrix is a matrix of the same shape.",
    ),
}

EXERCISE = Exercise(
    method="relative_part",
    parameters=("A",),
    cases=(_case(11, 2), _case(12, 4), _case(13, 8), _case(14, 6)),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_cell=lambda case, index: f"row {index[0]}, column {index[1]}",
    grid=lambda error, allowed: (error, allowed),
    differentiable=True,
    precision_note="Float64 went in; work in the dtype of the input.",
)
