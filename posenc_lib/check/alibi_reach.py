"""Check how far an ALiBi head sees: fn(slope, share) → ⌈ln(1 / share) / slope⌉."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Case, Exercise, Knobs, mistakes
from posenc_lib.check.report import Report


def alibi_reach(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(slope, share)``, the least distance from which on all keys together weigh `share` at most.

    Contents are equal and the past is endless. Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    slope: float,
    share: float,
    *,
    distance: Callable[[float, float], float] = lambda slope, share: np.log(1 / share) / slope,
    rounding: Callable[[float], float] = np.ceil,
) -> Answer:
    """The distance; a mistake of the bank replaces one or more of the keyword arguments."""
    value = np.float64(rounding(distance(np.float64(slope), np.float64(share))))
    return Answer(np.asarray(value), 1 + np.abs(value))


def _plain(distance: Callable[[float, float], float]) -> Knobs:
    return {"distance": distance}


MISTAKES = mistakes(
    (
        "rounded down",
        "rounding",
        "This is one too near, as if rounded down, or as if the last near key was returned: from there on the weight "
        "is still above the share.",
        {"rounding": np.floor},
    ),
    (
        "rounded to the nearest",
        "rounding",
        "The distance is rounded to the nearest whole number, and half of the time the weight is still above the share "
        "there. Round up.",
        {"rounding": np.rint},
    ),
    (
        "not rounded",
        "rounding",
        "The number is right, but distances are whole: round up.",
        {"rounding": lambda r: r},
    ),
    (
        "one too far",
        "rounding",
        "This is one more than the smallest such distance.",
        {"rounding": lambda r: np.floor(r) + 2},
    ),
    (
        "the slope is not used",
        "weight",
        "The slope plays no part: ρ = e^(−slope), and r slopes make a factor e^(−r · slope).",
        _plain(lambda slope, share: np.log(1 / share)),
    ),
    (
        "multiplied by the slope",
        "weight",
        "The logarithm is multiplied by the slope; a flat head sees further: divide.",
        _plain(lambda slope, share: np.log(1 / share) * slope),
    ),
    (
        "the logarithm to base 2",
        "weight",
        "The logarithm is to base 2. Weights are powers of e.",
        _plain(lambda slope, share: np.log2(1 / share) / slope),
    ),
    (
        "the logarithm to base 10",
        "weight",
        "The logarithm is to base 10. Weights are powers of e.",
        _plain(lambda slope, share: np.log10(1 / share) / slope),
    ),
    (
        "the logarithm has the wrong sign",
        "weight",
        "The distance is negative: ln(share) instead of ln(1 / share).",
        _plain(lambda slope, share: np.log(share) / slope),
    ),
    (
        "the mean distance",
        "weight",
        "This is the window 1 / slope; the share plays no part.",
        _plain(lambda slope, share: 1 / slope),
    ),
    (
        "the weight of near keys",
        "weight",
        "This is the distance within which the *near* keys weigh `share`. It is the far ones that are asked for.",
        _plain(lambda slope, share: np.log(1 / (1 - share)) / slope),
    ),
    (
        "the weight of a single key",
        "weight",
        "This is the distance at which a *single* key weighs `share`: (1 − ρ)ρ^r. Asked for are all keys from there on "
        "together, ρ^r.",
        _plain(lambda slope, share: np.log(-np.expm1(-slope) / share) / slope),
    ),
    (
        "the largest key is taken as 1",
        "weight",
        "The weights beyond are summed without the factor 1 − ρ that makes all weights add up to one.",
        _plain(lambda slope, share: np.log(1 / (-np.expm1(-slope) * share)) / slope),
    ),
    (
        "1/share instead of its logarithm",
        "weight",
        "The logarithm is missing.",
        _plain(lambda slope, share: 1 / (share * slope)),
    ),
    (
        "ρ is 1 − slope",
        "weight",
        "ρ was taken as 1 − slope, which is e^(−slope) for small slopes only.",
        _plain(lambda slope, share: np.log(share) / np.log1p(-slope)),
    ),
)

_HINTS = {
    "unknown": (
        "For slope 1 and share 0.1 the answer is 3: keys from distance 2 on still weigh 0.135, those from 3 on 0.0498.",
        "Write down the weight of all keys at distance r or more; the chapter has it.",
        "It is e to the minus slope times r. Solve for r, and round up.",
    ),
    "weight": (
        "Look at the weight of all keys at distance r or more.",
        "It is a geometric series, divided by the whole one.",
        "The quotient is ρ to the power of r, with ρ = exp(−slope); set it equal to the share and take logarithms.",
    ),
    "rounding": (
        "Put your distance, and that minus one, into the weight.",
        "It is about whole numbers.",
        "The smallest whole number that is not below the solution is wanted.",
    ),
    "shape": (
        "Look at what your function returns.",
        "It is about how many numbers come back.",
        "It is a single number.",
    ),
}

EXERCISE = Exercise(
    method="alibi_reach",
    parameters=("slope", "share"),
    cases=tuple(
        Case("values", (slope, share), f"slope = {slope:g}, share = {share:g}")
        for slope, share in ((0.3, 0.1), (0.7, 0.01), (0.06, 0.05), (0.0041, 0.001), (0.22, 0.6))
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    narrower=True,
    scalar=True,
)
