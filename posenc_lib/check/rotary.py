"""What the checkers of rotations share: frequencies, angles, pairs, and inputs in either precision.

The knobs `theta`, `keep_base` and `turn` are those of the sinusoidal encoding, and so are their mistakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import arrays, calling, engine, sinusoidal_bank
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Array, Case, Exercise, Knobs, Mistake, mistakes
from posenc_lib.check.report import Report
from posenc_lib.check.sinusoidal_bank import Theta

BASE = 10000.0
# The places of the first and of the second members of all pairs.
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
Layout = Callable[[int], Pairs]
# (a, b, cosine, sine) → the turned (a, b).
Block = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def falling(i: NDArray[np.int64], dim: int, base: float) -> Array:
    """The right frequencies, base^(−2i/dim)."""
    return np.asarray(base ** (-2 * i / dim))


def frequencies(dim: int, theta: Theta, base: float = BASE) -> Array:
    """Return θ_i for all pairs of `dim` dimensions."""
    return theta(np.arange(dim // 2), dim, base)


def neighbours(dim: int) -> Pairs:
    """Pairs (2i, 2i + 1), the chapter's."""
    return np.arange(0, dim, 2), np.arange(1, dim, 2)


def halves(dim: int) -> Pairs:
    """Pairs (i, i + dim/2)."""
    return np.arange(dim // 2), np.arange(dim // 2, dim)


def ends(dim: int) -> Pairs:
    """Pairs (i, dim − 1 − i)."""
    return np.arange(dim // 2), np.arange(dim - 1, dim // 2 - 1, -1)


# Other pairs than neighbours, for exercises whose formula has the knob `layout`.
PAIRS = mistakes(
    (
        "halves instead of neighbours",
        "pairs",
        "Your pairs are (i, i + d/2). That is valid elsewhere, and used by many models, but it is not this chapter's: "
        "here pair i is (2i, 2i + 1). The two must not be mixed.",
        {"layout": halves},
    ),
    (
        "pairs (i, d − 1 − i)",
        "pairs",
        "Your pairs are (i, d − 1 − i): the second half is read backwards. Pair i is (2i, 2i + 1).",
        {"layout": ends},
    ),
)


def turned(a: Array, b: Array, cosine: Array, sine: Array) -> tuple[Array, Array]:
    """Turn (a, b) by the angle whose cosine and sine are given."""
    return a * cosine - b * sine, a * sine + b * cosine


def rotate(x: Array, positions: Array, theta: Theta = falling, layout: Layout = neighbours, turn: float = 1.0) -> Array:
    """Turn x (..., dim) at `positions`, of x's shape without dim or broadcast to it."""
    first, second = layout(x.shape[-1])
    angles = turn * np.asarray(positions, dtype=np.float64)[..., None] * frequencies(x.shape[-1], theta)
    values = np.empty(np.broadcast_shapes(x.shape[:-1], angles.shape[:-1]) + x.shape[-1:])
    values[..., first], values[..., second] = turned(x[..., first], x[..., second], np.cos(angles), np.sin(angles))
    return values


def numbered(offsets: Array) -> Array:
    """Number the last axis 0, 1, 2, …, as code does that looks at the shape alone."""
    length = offsets.shape[-1] if offsets.ndim else 1
    return np.broadcast_to(np.arange(float(length)).reshape(offsets.shape[-1:]), offsets.shape)


# ---------------------------------------------------------------- mistakes


def _alone(knob: str, *without: str) -> tuple[Mistake, ...]:
    """The sinusoidal encoding's mistakes that turn this knob alone."""
    return tuple(m for m in sinusoidal_bank.MISTAKES if set(m.knobs) == {knob} and m.name not in without)


FREQUENCIES = _alone(
    "theta", "a product where a power belongs", "the exponent's parentheses are missing", "logarithm with base 2"
)
BASE_IGNORED, *_BASES = _alone("keep_base")
BASES = tuple(_BASES)
ANGLES = _alone("turn", "the angle's sign is negative")

HINTS = {area: sinusoidal_bank.HINTS[area] for area in ("exponent", "base", "angle", "position", "precision")}


def observe(knobs: Knobs) -> str:
    """Say the frequencies of pairs 0 to 2 at dim 8, seen against expected, where a mistake changes them."""
    return sinusoidal_bank.observe(knobs).replace("your waves", "your pairs")


def angle_between(before: Array, after: Array, pair: int) -> float:
    """The angle by which `pair` was turned, from −π to π."""
    (a, b), (c, d) = (x[2 * pair : 2 * pair + 2].astype(np.float64) for x in (before, after))
    return float(np.arctan2(a * d - b * c, a * c + b * d))


def other_base(angle: float, dim: int) -> Mistake | None:
    """Name the base that pair 1's angle per position tells, or return None."""
    if not 0 < angle < np.pi:
        return None
    base = float(f"{np.float64(angle) ** (-dim / 2):.6g}")
    if not 1 < base < 1e9 or abs(base / BASE - 1) < 1e-5:
        return None  # right, or another mistake that a base could stand for
    return Mistake(
        f"base {base:g} instead of 10,000",
        "base",
        f"The exponent is right, the fitted base is {base:g}; the chapter's is 10,000.",
        {"keep_base": lambda b: base},
    )


def other_turn(angle: float) -> Mistake | None:
    """Name the common factor of all angles that pair 0's angle per position tells, or return None."""
    if not 0 < angle < np.pi:
        return None
    factor = float(f"{angle:.6g}")
    if abs(factor - 1) < 1e-5:
        return None
    return Mistake(
        f"angles multiplied by {factor:g}",
        "angle",
        f"All angles are {factor:g} times the right ones. The angle is position times frequency, nothing else.",
        {"turn": factor},
    )


# ---------------------------------------------------------------- inputs in either precision


def in_float32(exercise: Exercise) -> Exercise:
    """Return the exercise with its real inputs in float32, which is what torch computes in by itself."""
    return replace(exercise, cases=tuple(_case_in_float32(case) for case in exercise.cases))


def _case_in_float32(case: Case) -> Case:
    return replace(case, args=tuple(_rounded(value) for value in case.args))


def _rounded(value: object) -> object:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value.astype(np.float32)
    return value


def run(exercise: Exercise, single: Exercise, fn: Function, strict: bool) -> Report:
    """Check `fn` with inputs in float64 and, where torch code does not pass so, in float32.

    torch makes tensors in float32 unless told otherwise. Multiplied with float64 they would cost half of
    its digits or raise an error, and neither is a mistake about rotations.
    """
    report = engine.run(exercise, fn)
    if not report.passed and _speaks_torch(single, fn):
        other = engine.run(single, fn)
        if other.passed or report.stage == "call" or "single precision" in (report.diagnosis or ""):
            report = other
    return report.raise_if_failed() if strict else report


def _speaks_torch(exercise: Exercise, fn: Function) -> bool:
    return callable(fn) and calling.choose_library(exercise, fn, exercise.cases[0]) == arrays.TORCH
