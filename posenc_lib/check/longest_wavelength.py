"""Check the longest wavelength: fn(dim, base) → 2π base^((dim − 2)/dim)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Case, Exercise, Knobs, mistakes
from posenc_lib.check.report import Report


def longest_wavelength(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(dim, base)``, the wavelength in positions of the slowest pair; return a `Report`.

    With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    dim: int,
    base: float,
    *,
    turn: float = 2 * np.pi,
    exponent: Callable[[int], float] = lambda d: (d - 2) / d,
    whole: Callable[[int, float], float] | None = None,
) -> Answer:
    """The wavelength turn · base^exponent; a mistake of the bank replaces a keyword argument."""
    value = np.float64(turn) * np.float64(base) ** exponent(dim) if whole is None else whole(dim, float(base))
    return Answer(np.asarray(value, dtype=np.float64), 1 + np.abs(value))


def _whole(value: Callable[[int, float], float]) -> Knobs:
    """Return the knobs of a value of another form."""
    return {"whole": value, "turn": None, "exponent": None}


def _rounded(rounding: Callable[[float], float]) -> Knobs:
    return _whole(lambda d, b: rounding(2 * np.pi * b ** ((d - 2) / d)))


MISTAKES = mistakes(
    (
        "2π · base, which no pair reaches",
        "exponent",
        "This is 2π · base, the value that is often quoted. Pairs are counted from 0 to d/2 − 1, so that the "
        "exponent stops short of 1, and no pair is as slow as that.",
        {"exponent": lambda d: 1.0},
    ),
    (
        "a factor 2π is missing",
        "turn",
        "This is one over the slowest frequency: the positions in which the angle grows by one radian. A whole wave "
        "takes a full turn.",
        {"turn": 1.0},
    ),
    (
        "half a wave",
        "turn",
        "This is the number of positions in which the slowest pair makes half a turn, π; a whole wave takes 2π.",
        {"turn": np.pi},
    ),
    (
        "a turn of 360",
        "turn",
        "A full turn was taken as 360; the frequencies are in radians, and a full turn has 2π of them.",
        {"turn": 360.0},
    ),
    (
        "the frequency, not the wavelength",
        "turn",
        "This is the frequency of the slowest pair, in radians per position. The wavelength is the number of "
        "positions in a full turn.",
        _whole(lambda d, b: b ** (-(d - 2) / d)),
    ),
    (
        "turns per position, not positions per turn",
        "turn",
        "This is one over the wavelength: turns per position.",
        _whole(lambda d, b: b ** (-(d - 2) / d) / (2 * np.pi)),
    ),
    (
        "2π times the frequency",
        "turn",
        "This is 2π times the slowest frequency. The slower a pair turns, the longer its wave: divide by the "
        "frequency.",
        _whole(lambda d, b: 2 * np.pi * b ** (-(d - 2) / d)),
    ),
    (
        "the shortest wavelength",
        "exponent",
        "This is 2π, the wavelength of pair 0, the fastest. The slowest pair is the last.",
        {"exponent": lambda d: 0.0},
    ),
    (
        "the second shortest wavelength",
        "exponent",
        "This is the wavelength of pair 1: the exponent is 2/d. The slowest pair is the last, i = d/2 − 1.",
        {"exponent": lambda d: 2 / d},
    ),
    (
        "exponent (d − 1)/d",
        "exponent",
        "The exponent is (d − 1)/d, as if the last column counted the pairs. The last pair has i = d/2 − 1; put it "
        "into 2i/d.",
        {"exponent": lambda d: (d - 1) / d},
    ),
    (
        "exponent (d − 2)/(2d)",
        "exponent",
        "The exponent is (d/2 − 1)/d: the factor 2 of 2i/d is missing.",
        {"exponent": lambda d: (d / 2 - 1) / d},
    ),
    (
        "exponent 1/2",
        "exponent",
        "The exponent is 1/2, as from i = d/2 without the factor 2 of 2i/d. The last pair has i = d/2 − 1.",
        {"exponent": lambda d: 0.5},
    ),
    (
        "exponent 2(d − 1)/d",
        "exponent",
        "The exponent is 2(d − 1)/d, as if i ran over all d columns. There are d/2 pairs, and the last has "
        "i = d/2 − 1.",
        {"exponent": lambda d: 2 * (d - 1) / d},
    ),
    (
        "exponent (d + 2)/d",
        "exponent",
        "The exponent is (d + 2)/d: one pair too far, twice. The last pair has i = d/2 − 1.",
        {"exponent": lambda d: (d + 2) / d},
    ),
    (
        "exponent d/(d − 2)",
        "exponent",
        "The exponent is d/(d − 2), the fraction the wrong way up.",
        {"exponent": lambda d: d / np.float64(d - 2)},
    ),
    (
        "exponent (d − 4)/d",
        "exponent",
        "This is the wavelength of the last pair but one: the exponent is (d − 4)/d.",
        {"exponent": lambda d: (d - 4) / d},
    ),
    (
        "the base is ignored",
        "base",
        "The result is that of base 10000, whatever base is passed.",
        _whole(lambda d, b: 2 * np.pi * 10000.0 ** ((d - 2) / d)),
    ),
    *(
        (
            "rounded to an integer",
            "turn",
            "The wavelength is right, but rounded to an integer. Positions are integers; a wavelength need not be one.",
            _rounded(rounding),
        )
        for rounding in (np.floor, np.round, np.ceil)
    ),
)


def _case(dim: int, base: float) -> Case:
    return Case("values", (dim, base), f"dim = {dim}, base = {base:g}")


_HINTS = {
    "unknown": (
        "Try dim 2: there is one pair, it turns by 1 rad per position, and its wave is about 6.283 positions long.",
        "It is about the frequency of the last pair, and about how many positions a full turn takes at that frequency.",
        "Put the number of the last pair, half of dim minus one, into the exponent; divide a full turn, in radians, by "
        "that frequency.",
    ),
    "exponent": (
        "Try dim 4, where there are just two pairs, and write down their exponents.",
        "It is about the number of the last pair.",
        "Pairs are counted from zero, so the last is half of dim, minus one; put that into the exponent.",
    ),
    "turn": (
        "Try dim 2: there is one pair, it turns by 1 rad per position. After how many positions does its wave repeat?",
        "It is about what a full turn is, and whether the frequency multiplies or divides it.",
        "The wavelength is a full turn, in radians, divided by the frequency.",
    ),
    "base": (
        "Call your function with two bases.",
        "It is about the number that is raised to a power.",
        "Raise the base that is passed, not ten thousand.",
    ),
    "shape": (
        "Look at what your function returns.",
        "It is about how many numbers come back.",
        "It is a single number, the longest of the wavelengths.",
    ),
}

EXERCISE = Exercise(
    method="longest_wavelength",
    parameters=("dim", "base"),
    cases=tuple(
        _case(d, b)
        for d, b in ((64, 10000.0), (8, 10000.0), (128, 500000.0), (6, 100.0), (512, 10000.0), (2, 50.0))
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    narrower=True,
    scalar=True,
)
