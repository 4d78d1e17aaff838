"""Check NTK-aware scaling's base: fn(dim, base, factor) → base · factor^(dim/(dim − 2))."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine, ladders
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, mistakes
from posenc_lib.check.report import Report


def ntk_base(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(dim, base, factor)``, the base that keeps the first pair and divides the last by `factor`.

    Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    dim: int,
    base: float,
    factor: float,
    *,
    exponent: Callable[[int], float] = lambda d: d / (d - 2),
    join: Callable[[float, float], float] = lambda base, power: base * power,
    rounding: Callable[[float], float] = lambda value: value,
    whole: Callable[[int, float, float], float | Array] | None = None,
) -> Answer:
    """The base in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    if whole is None:
        values = np.asarray(rounding(join(np.float64(base), np.float64(factor) ** exponent(dim))), np.float64)
    else:
        values = np.asarray(whole(dim, np.float64(base), np.float64(factor)), np.float64)
    return Answer(values, 4 * np.abs(values))


def _whole(value: Callable[[int, float, float], float | Array]) -> Knobs:
    """Return the knobs of a result of another form."""
    return {"whole": value, "exponent": None, "join": None, "rounding": None}


def _new_base(dim: int, base: float, factor: float) -> float:
    return float(base * factor ** (dim / (dim - 2)))


MISTAKES = mistakes(
    (
        "base times factor",
        "exponent",
        "The factor's exponent is 1. With this base a pair of number d/2 would be divided by the whole factor, and "
        "there is none: the last is d/2 − 1, and it is divided by less.",
        {"exponent": lambda d: 1.0},
    ),
    (
        "exponent (d − 2)/d",
        "exponent",
        "The factor's exponent is (d − 2)/d, the fraction the wrong way up: the power still has to be "
        "undone when the equation is solved for the base.",
        {"exponent": lambda d: (d - 2) / d},
    ),
    (
        "exponent 2/(d − 2)",
        "exponent",
        "The factor's exponent is 2/(d − 2): that is what pair 1 is divided by. The base has another one.",
        {"exponent": lambda d: 2 / (d - 2)},
    ),
    (
        "exponent 2/d",
        "exponent",
        "The factor's exponent is 2/d, that of pair 1 in the ladder. Solve the last pair's condition for the base.",
        {"exponent": lambda d: 2 / d},
    ),
    (
        "exponent d/(d − 1)",
        "exponent",
        "The factor's exponent is d/(d − 1), as if the last pair's exponent were (d − 1)/d. It is 2i/d with "
        "i = d/2 − 1.",
        {"exponent": lambda d: d / (d - 1)},
    ),
    (
        "exponent d/(d − 4)",
        "exponent",
        "The factor's exponent is d/(d − 4): this divides the last pair but one by the factor, or takes d for half of "
        "what it is.",
        {"exponent": lambda d: d / np.float64(d - 4)},
    ),
    (
        "exponent d/(d + 2)",
        "exponent",
        "The factor's exponent is d/(d + 2), from a sign turned over on the way. The last pair has i = d/2 − 1.",
        {"exponent": lambda d: d / (d + 2)},
    ),
    (
        "exponent 2d/(d − 2)",
        "exponent",
        "The factor's exponent is 2d/(d − 2), twice what it should be: the last pair's own exponent is 2i/d, "
        "with the 2.",
        {"exponent": lambda d: 2 * d / (d - 2)},
    ),
    (
        "exponent (d/2)/(d − 2)",
        "exponent",
        "The factor's exponent is half of what it should be. The last pair's own exponent is 2(d/2 − 1)/d.",
        {"exponent": lambda d: d / 2 / (d - 2)},
    ),
    (
        "the factor's sign is turned over",
        "join",
        "The base is divided, so the slow pairs become faster. It must grow.",
        {"join": lambda base, power: base / power},
    ),
    (
        "the base is missing",
        "join",
        "This is by what the base grows; the base itself is missing.",
        {"join": lambda base, power: power},
    ),
    (
        "added to the base",
        "join",
        "The factor's power is added to the base. Multiply.",
        {"join": lambda base, power: base + power},
    ),
    (
        "the base is ignored",
        "join",
        "The result is that of base 10000, whatever base is passed.",
        {"join": lambda base, power: 10000.0 * power},
    ),
    (
        "the base is raised too",
        "join",
        "The exponent stands on the product of base and factor. With factor 1 the base must stay as it is: the "
        "exponent belongs to the factor alone.",
        _whole(lambda dim, base, factor: (base * factor) ** (dim / (dim - 2))),
    ),
    (
        "the base is raised, not the factor",
        "join",
        "The exponent stands on the base. With factor 1 the base must stay as it is: the exponent belongs to the "
        "factor.",
        _whole(lambda dim, base, factor: base ** (dim / (dim - 2)) * factor),
    ),
    (
        "the base to the power of the factor",
        "join",
        "This is the base to the power of the factor. The last pair would then be divided by far more.",
        _whole(lambda dim, base, factor: base**factor),
    ),
    (
        "the slowest frequency",
        "join",
        "This is the new frequency of the last pair. Asked for is the base of the ladder that ends there.",
        _whole(lambda dim, base, factor: base ** (-(dim - 2) / dim) / factor),
    ),
    (
        "the frequencies instead of the base",
        "shape",
        "These are the frequencies of NTK-aware scaling, and they are right. Asked for is the one number that makes "
        "them, the base.",
        _whole(lambda dim, base, factor: ladders.geometric(dim, _new_base(dim, base, factor))),
    ),
    *(
        (
            "rounded to an integer",
            "rounding",
            "The base is right, but rounded to an integer. It need not be one.",
            {"rounding": rounding},
        )
        for rounding in (np.floor, np.round, np.ceil)
    ),
)

_HINTS = {
    "unknown": (
        "Build the ladder of your base for dim 8, and divide it by the old one: the first quotient should be 1, the "
        "last one over the factor.",
        "Write the second condition down, with the number of the last pair put in.",
        "The new base to the power of minus (d − 2)/d is the old one to that power, over the factor. Solve for the new "
        "base.",
    ),
    "exponent": (
        "Try dim 4, where there are just two pairs, and see what your base makes of the second.",
        "It is about the number of the last pair, and about solving for the base.",
        "The last pair's exponent is (d − 2)/d; to get rid of it, raise both sides to d/(d − 2).",
    ),
    "join": (
        "Try factor 1: which base do you want back?",
        "It is about how the factor's power and the base go together.",
        "The new base is the old one times a power of the factor.",
    ),
    "rounding": (
        "Print your result with all its digits.",
        "It is about whole numbers.",
        "Leave the base as it comes out.",
    ),
    "shape": (
        "Look at what your function returns.",
        "It is about how many numbers come back.",
        "It is a single number, the base.",
    ),
}

EXERCISE = Exercise(
    method="ntk_base",
    parameters=("dim", "base", "factor"),
    cases=tuple(
        Case("values", (dim, base, factor), f"dim = {dim}, base = {base:g}, factor = {factor:g}")
        for dim, base, factor in ((8, 100.0, 3.0), (128, 10000.0, 16.0), (4, 700.0, 2.5), (64, 500000.0, 8.0))
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    narrower=True,
    scalar=True,
)
