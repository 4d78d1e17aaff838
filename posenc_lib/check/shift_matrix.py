"""Check the shift matrix: fn(k, dim) → M with M p(m) = p(m + k) for the sinusoidal column vector p."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, mistakes
from posenc_lib.check.report import Report


def shift_matrix(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(k, dim)``, the ``(dim, dim)`` matrix that moves every sinusoidal code by k; return a `Report`.

    Base 10000, sine and cosine interleaved, codes as columns. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def _block(cosine: float, sine: float) -> list[list[float]]:
    """The 2 × 2 block that turns (sin a, cos a) into (sin(a + kθ), cos(a + kθ))."""
    return [[cosine, sine], [-sine, cosine]]


def formula(
    k: int,
    dim: int,
    *,
    shift: Callable[[int], float] = lambda k: k,
    theta: Callable[[int, int], float] = lambda i, dim: 10000.0 ** (-2 * i / dim),
    turn: float = 1.0,
    block: Callable[[float, float], list[list[float]]] = _block,
    layout: Callable[[int, int], tuple[int, int]] = lambda i, dim: (2 * i, 2 * i + 1),
    scale: float = 1.0,
) -> Answer:
    """The matrix in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    matrix, bound = np.zeros((dim, dim)), 1.0
    for i in range(dim // 2):
        angle = turn * shift(k) * theta(i, dim)
        columns = list(layout(i, dim))
        matrix[np.ix_(columns, columns)] = scale * np.asarray(block(np.cos(angle), np.sin(angle)))
        bound = max(bound, abs(scale) * (1 + abs(angle)))
    return Answer(matrix, bound)


MISTAKES = mistakes(
    (
        "the matrix is transposed",
        "sign",
        "This is the transpose of the matrix asked for: it moves a code from m to m − k. Three roads lead here: a "
        "sign, pairs taken as (cosine, sine), or codes taken as rows, p M, instead of columns, M p.",
        {"block": lambda c, s: [[c, -s], [s, c]]},
    ),
    (
        "the identity",
        "sign",
        "The matrix is the identity, which moves nothing.",
        {"block": lambda c, s: [[1, 0], [0, 1]]},
    ),
    (
        "a reflection instead of a rotation",
        "sign",
        "The blocks are reflections: their determinant is −1, and the shift by 0 is not the identity. One sign in "
        "each block is wrong.",
        {"block": lambda c, s: [[c, s], [s, -c]]},
    ),
    (
        "a reflection instead of a rotation",
        "sign",
        "The blocks are reflections: their determinant is −1, and the shift by 0 is not the identity. One sign in "
        "each block is wrong.",
        {"block": lambda c, s: [[-c, s], [s, c]]},
    ),
    (
        "both sines have the same sign",
        "sign",
        "Both off-diagonal entries have the same sign. Of sin(a + kθ) and cos(a + kθ), one has a minus in its "
        "addition theorem.",
        {"block": lambda c, s: [[c, s], [s, c]]},
    ),
    (
        "both sines have the same sign",
        "sign",
        "Both off-diagonal entries have the same sign. Of sin(a + kθ) and cos(a + kθ), one has a minus in its "
        "addition theorem.",
        {"block": lambda c, s: [[c, -s], [-s, c]]},
    ),
    (
        "sine and cosine are swapped in the blocks",
        "sign",
        "The sine stands on the diagonal of each block and the cosine beside it. At k = 0 the matrix must be the "
        "identity.",
        {"block": lambda c, s: [[s, c], [-c, s]]},
    ),
    (
        "sine and cosine are swapped in the blocks",
        "sign",
        "The sine stands on the diagonal of each block and the cosine beside it. At k = 0 the matrix must be the "
        "identity.",
        {"block": lambda c, s: [[s, c], [c, -s]]},
    ),
    (
        "only the diagonal is filled",
        "sign",
        "The cosines are on the diagonal, but the sines beside it are missing: sine and cosine of a shifted angle "
        "need both waves.",
        {"block": lambda c, s: [[c, 0], [0, c]]},
    ),
    (
        "half layout instead of interleaved",
        "layout",
        "Pairs are (i, i + d/2). In the chapter's code pair i stands in dimensions 2i and 2i + 1, so that the blocks "
        "lie along the diagonal.",
        {"layout": lambda i, dim: (i, i + dim // 2)},
    ),
    (
        "the blocks stand in reverse order",
        "frequency",
        "The blocks are right but in reverse order: the fastest pair comes first.",
        {"theta": lambda i, dim: 10000.0 ** (-2 * (dim // 2 - 1 - i) / dim)},
    ),
    (
        "exponent i/d instead of 2i/d",
        "frequency",
        "Pair i turns by k · base^(−i/d); its frequency is base^(−2i/d).",
        {"theta": lambda i, dim: 10000.0 ** (-i / dim)},
    ),
    (
        "exponent 4i/d instead of 2i/d",
        "frequency",
        "Pair i turns by k · base^(−4i/d); its frequency is base^(−2i/d). Was i doubled twice?",
        {"theta": lambda i, dim: 10000.0 ** (-4 * i / dim)},
    ),
    (
        "pairs counted from 1",
        "frequency",
        "Pair i turns with the frequency of pair i + 1; the first pair turns by 1 rad per position.",
        {"theta": lambda i, dim: 10000.0 ** (-2 * (i + 1) / dim)},
    ),
    (
        "the exponent's sign is wrong: frequencies grow",
        "frequency",
        "Frequencies grow from pair to pair; they fall, from 1 down to nearly 1/10000.",
        {"theta": lambda i, dim: 10000.0 ** (2 * i / dim)},
    ),
    (
        "all blocks turn by the same angle",
        "frequency",
        "Every block turns by k rad; each pair has a frequency of its own.",
        {"theta": lambda i, dim: 1.0},
    ),
    (
        "k is ignored",
        "shift",
        "The matrix is the shift by 1, whatever k is. A shift by k turns each pair by k times its frequency.",
        {"shift": lambda k: 1},
    ),
    (
        "k loses its sign",
        "shift",
        "A shift by −k gives the same matrix as a shift by k; it must give its inverse.",
        {"shift": abs},
    ),
    (
        "k is off by one",
        "shift",
        "This is the shift by k + 1; the shift by 0 must be the identity.",
        {"shift": lambda k: k + 1},
    ),
    (
        "a factor 2π too much",
        "shift",
        "There is a factor 2π in the angles; the frequencies are in radians per position already.",
        {"turn": 2 * np.pi},
    ),
    (
        "degrees instead of radians",
        "shift",
        "The angles were converted to degrees; sine and cosine take radians.",
        {"turn": 180 / np.pi},
    ),
)


def _tell_values(case: Case, values: Array) -> tuple[str, str, str] | None:
    """Name a wrong matrix that moves the first codes right: up to rounding, few codes are moved so by many matrices."""
    k, dim = cast(tuple[int, int], case.args)
    angles = np.multiply.outer(np.arange(dim) + np.array([[0], [k]]), 10000.0 ** (-np.arange(0, dim, 2) / dim))
    here, there = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(2, dim, dim)
    missed, wrong = np.max(np.abs(here @ values.T - there)), np.max(np.abs(values - formula(k, dim).values))
    if not missed < min(1e-6, wrong / 10):
        return None
    message = (
        f"Your matrix moves the codes of positions 0 to {dim - 1} to within {missed:.0e} of their places, but its "
        f"entries are off by up to {wrong:.0e}. The slow waves hardly move over few positions, so that in float64 few "
        "codes do not pin the matrix down: a fit to them (lstsq, pinv) loses many digits. Compute the entries instead."
    )
    return "fitted to codes that do not pin it down", message, "unknown"


def _case(k: int, dim: int) -> Case:
    return Case("values", (k, dim), f"k = {k}, dim = {dim}")


_HINTS = {
    "unknown": (
        "Try k = 0: the matrix must be the identity. Then k = 1 with dim 2.",
        "Multiply your matrix with the code of position 5: which entries differ from the code of position 5 + k?",
        "Each pair has a two by two block on the diagonal, made of the cosine and sine of k times the pair's frequency "
        "by the addition theorems.",
    ),
    "sign": (
        "Look at one block, with dim 2 and k = 1.",
        "It is about the signs and places of sine and cosine in the block.",
        "Write the sine and the cosine of a sum by the addition theorems, and read off what multiplies the old sine "
        "and what the old cosine.",
    ),
    "layout": (
        "Look at where the blocks stand in the matrix.",
        "It is about which two dimensions make a pair.",
        "A pair's sine and cosine are neighbours, so that each block lies on the diagonal.",
    ),
    "frequency": (
        "Look at the angle of each block, from the second on.",
        "It is about the pair's frequency.",
        "The frequency of a pair is ten thousand raised to minus twice the pair's number over dim, counted from zero.",
    ),
    "shift": (
        "Look at how k enters, with k = 0, 1 and −1.",
        "It is about the angle by which a block turns.",
        "Each block turns by k times the pair's frequency, in radians, k signed.",
    ),
    "shape": (
        "Look at the shape of your matrix.",
        "It is about which axes it has.",
        "It is square, with a row and a column for each dimension.",
    ),
}

EXERCISE = Exercise(
    method="shift_matrix",
    parameters=("k", "dim"),
    cases=tuple(_case(k, dim) for k, dim in ((1, 2), (3, 4), (5, 8), (0, 4), (-2, 8), (100, 16), (-7, 6))),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_cell=lambda case, index: f"row {index[0]}, column {index[1]}",
    grid=lambda error, allowed: (error, allowed),
    narrower=True,
    tell_values=_tell_values,
    slack=1e-9,
    precision_note="Compute frequencies and angles in float64.",
)
