"""Check position interpolation: fn(dim, base, factor) → base^(−2i/dim) / factor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine, ladders
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, mistakes
from posenc_lib.check.report import Report


def linear(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(dim, base, factor)``, the (dim/2,) frequencies of position interpolation; return a `Report`.

    With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    dim: int,
    base: float,
    factor: float,
    *,
    ladder: ladders.Ladder = ladders.geometric,
    scaled: Callable[[Array, float], Array] = lambda theta, s: theta / s,
    whole: Callable[[int, float, float], Array] | None = None,
) -> Answer:
    """The frequencies in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    values = scaled(ladder(dim, base), factor) if whole is None else whole(dim, base, factor)
    return Answer(values, ladders.rounding(values, base))


def _whole(frequencies: Callable[[int, float, float], Array]) -> Knobs:
    """Return the knobs of frequencies of another form."""
    return {"whole": frequencies, "ladder": None, "scaled": None}


def _first_kept(theta: Array, factor: float) -> Array:
    return np.concatenate([theta[:1], theta[1:] / factor])


_OWN = mistakes(
    (
        "multiplied by the factor",
        "scaling",
        "The frequencies are multiplied by the factor. Positions shrink by it: divide.",
        {"scaled": lambda theta, s: theta * s},
    ),
    (
        "not scaled",
        "scaling",
        "This is RoPE's own ladder; the factor plays no part.",
        {"scaled": lambda theta, s: theta},
    ),
    (
        "the root of the factor",
        "scaling",
        "The frequencies are divided by the root of the factor; it is the factor itself.",
        {"scaled": lambda theta, s: theta / np.sqrt(s)},
    ),
    (
        "divided twice",
        "scaling",
        "The frequencies are divided by the square of the factor, as if positions had been divided too.",
        {"scaled": lambda theta, s: theta / s**2},
    ),
    (
        "the first pair is kept",
        "scaling",
        "All pairs but the first are divided. Here positions are divided, and that reaches the first pair too.",
        {"scaled": _first_kept},
    ),
    (
        "divided without remainder",
        "scaling",
        "The frequencies are 0, as // makes them. Divide with /.",
        {"scaled": lambda theta, s: theta // s, "ladder": ladders.geometric},  # 0 on every ladder
    ),
    (
        "the factor is subtracted",
        "scaling",
        "The factor is subtracted from the frequencies. Divide by it.",
        {"scaled": lambda theta, s: theta - s},
    ),
    (
        "the base is multiplied by the factor",
        "base",
        "The factor went into the base. That leaves the first pair as it is, and changes each pair by another number; "
        "here every frequency is divided by the same one.",
        _whole(lambda dim, base, s: ladders.geometric(dim, base * s)),
    ),
    (
        "the base is divided by the factor",
        "base",
        "The base is divided by the factor, which makes the slow pairs faster. Divide the frequencies, all by the same "
        "number.",
        _whole(lambda dim, base, s: ladders.geometric(dim, base / s)),
    ),
    (
        "NTK-aware scaling",
        "base",
        "This is NTK-aware scaling: the first pair is kept, and the last is divided by the factor. Position "
        "interpolation divides them all.",
        _whole(lambda dim, base, s: ladders.geometric(dim, base * s ** (dim / (dim - 2)))),
    ),
    (
        "the exponent is divided by the factor",
        "base",
        "The exponent is divided by the factor, which makes all pairs but the first faster. Divide the power, not its "
        "exponent.",
        _whole(lambda dim, base, s: ladders.geometric(dim, base) ** (1 / s)),
    ),
)
MISTAKES = _OWN + ladders.MISTAKES

_HINTS = {
    "unknown": (
        "Print your result for dim 4, base 100 and factor 2: it is 0.5 and 0.05.",
        "Every position is divided by one number. What does that do to each angle, position times frequency?",
        "Take RoPE's own frequencies, and divide each of them by the factor.",
    ),
    "scaling": (
        "Compare your result with factor 1 and with factor 2.",
        "It is about what the factor does to a frequency.",
        "The angle is position times frequency; dividing the position and dividing the frequency are the same.",
    ),
    "base": (
        "Print your result over that for factor 1. Is it the same number in all pairs?",
        "It is about where the factor goes.",
        "It divides the finished frequencies; base and exponent stay as they are.",
    ),
    **ladders.HINTS,
}

EXERCISE = Exercise(
    method="linear",
    parameters=("dim", "base", "factor"),
    cases=tuple(
        Case("values", (dim, base, factor), f"dim = {dim}, base = {base:g}, factor = {factor:g}")
        for dim, base, factor in ((8, 100.0, 4.0), (6, 10000.0, 2.5), (64, 500000.0, 8.0), (128, 10000.0, 16.0))
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=ladders.tell_shape,
    tell_cell=lambda case, index: f"pair {index[0]}",
    narrower=True,
)
