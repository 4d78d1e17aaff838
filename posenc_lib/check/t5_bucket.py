"""Check T5's buckets: fn(relative_position) → bucket, 32 of them in two directions, up to distance 128."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report


def t5_bucket(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(relative_position)``, T5's bucket of key minus query, of any shape; return a `Report`.

    32 buckets, 16 for each direction, keys after the query in the upper half; distances up to 128. With `strict`, a
    failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def _share_of_the_way(d: Array, exact: int, furthest: float) -> Array:
    """0 where exactness ends, 1 at the furthest distance, on a logarithmic scale."""
    return np.asarray(np.log(d / exact) / np.log(furthest / exact))


def formula(
    relative_position: Array,
    *,
    direction: Callable[[Array], Array] = lambda r: r,
    upper: Callable[[Array], Array] = lambda r: np.where(r > 0, 16.0, 0.0),
    distance: Callable[[Array], Array] = np.abs,
    exact: int = 8,
    logarithmic: int = 8,
    last: float = 15,
    furthest: float = 128,
    scale: Callable[[Array, int, float], Array] = _share_of_the_way,
    rounding: Callable[[Array], Array] = np.floor,
    near: Callable[[Array, int], Array] = lambda d, exact: d,
) -> Answer:
    """The bucket; a mistake of the bank replaces one or more of the keyword arguments."""
    r = direction(np.asarray(relative_position, dtype=np.float64))
    d = distance(r)
    far = rounding(logarithmic * scale(np.maximum(d, exact), exact, furthest) + 1e-9)
    bucket = np.where(d < exact, near(d, exact), np.minimum(last, exact + far))
    return Answer(bucket + upper(r))


def _one_direction(r: Array) -> Array:
    return np.maximum(-r, 0)


_NO_UPPER: dict[str, object] = {"upper": lambda r: 0 * r}
_WIDE: dict[str, object] = {"exact": 16, "logarithmic": 16, "last": 31}

MISTAKES = mistakes(
    (
        "query minus key",
        "direction",
        "Keys before the query stand in buckets 16 to 31, and keys after it in 0 to 15. The argument is key minus "
        "query, so that it is positive for keys after the query.",
        {"direction": lambda r: -r},
    ),
    (
        "both directions share their buckets",
        "direction",
        "Keys before the query and keys after it get the same bucket. The upper half, 16 to 31, is for keys after it.",
        _NO_UPPER,
    ),
    (
        "32 buckets that both directions share",
        "direction",
        "Before and after the query get the same bucket, and each distance has 32 to choose from. Half of the 32 serve "
        "each direction.",
        _NO_UPPER | _WIDE,
    ),
    (
        "a decoder's buckets",
        "direction",
        "These are the buckets of a decoder: 32 for keys before the query, and distance 0 for all keys after it. Here "
        "both directions are asked for, with 16 each.",
        _NO_UPPER | _WIDE | {"distance": _one_direction},
    ),
    (
        "keys after the query count as distance 0",
        "direction",
        "Each key after the query counts as distance 0. Take the absolute value.",
        {"distance": _one_direction},
    ),
    (
        "distance 0 is in the upper half",
        "direction",
        "The query's own position has bucket 16. It belongs to the lower half: 0.",
        {"upper": lambda r: 16 * (r >= 0)},
    ),
    (
        "the upper half begins at 32",
        "direction",
        "For keys after the query 32 is added. The 32 buckets serve both directions, so that 16 is the number to add.",
        {"upper": lambda r: 32 * (r > 0)},
    ),
    (
        "the upper half begins at 15",
        "direction",
        "For keys after the query 15 is added, which is the last bucket of the other direction; add 16.",
        {"upper": lambda r: 15 * (r > 0)},
    ),
    (
        "32 buckets for each direction",
        "halves",
        "Each direction uses 32 buckets, 16 of them exact. There are 32 in all, so each direction has 16, 8 of them "
        "exact.",
        _WIDE,
    ),
    (
        "16 exact buckets",
        "halves",
        "Distances up to 15 have a bucket each. Half of the 16 buckets of a direction are exact, so that exactness "
        "ends at 8.",
        {"exact": 16, "logarithmic": 0},
    ),
    (
        "rounded to the nearest",
        "logarithm",
        "The logarithmic part is rounded to the nearest whole number; it is rounded down, so that a bucket begins at "
        "its boundary.",
        {"rounding": np.rint},
    ),
    (
        "rounded up",
        "logarithm",
        "The logarithmic part is rounded up; it is rounded down, so that a bucket begins at its boundary.",
        {"rounding": lambda x: np.ceil(x - 2e-9)},
    ),
    (
        "not rounded",
        "logarithm",
        "The logarithmic part is not rounded, so that a bucket is a fraction. Round down.",
        {"rounding": lambda x: x - 1e-9},
    ),
    (
        "the last bucket is not the last",
        "far",
        "From distance 128 on the buckets go on rising. All far distances share bucket 15 of their direction.",
        {"last": np.inf},
    ),
    (
        "one bucket too many",
        "far",
        "Distances from 128 on get bucket 16 of their direction, which is the first of the other one. The last is 15.",
        {"last": 16},
    ),
    (
        "the logarithm does not start at 8",
        "logarithm",
        "The logarithm is that of the distance itself. The logarithmic part starts at distance 8, so that it is the "
        "logarithm of distance / 8.",
        {"scale": lambda d, exact, furthest: np.log(d) / np.log(furthest / exact)},
    ),
    (
        "divided by ln 128",
        "logarithm",
        "ln(distance / 8) is divided by ln 128. Eight steps lead from 8 to 128, so that it is divided by ln(128 / 8).",
        {"scale": lambda d, exact, furthest: np.log(d / exact) / np.log(furthest)},
    ),
    (
        "both logarithms start at 1",
        "logarithm",
        "This is ln(distance) / ln 128: the scale starts at 1. It starts where exactness ends, at 8: divide distance "
        "and 128 by 8.",
        {"scale": lambda d, exact, furthest: np.log(d) / np.log(furthest)},
    ),
    (
        "divided by the wrong logarithm",
        "logarithm",
        "ln(distance / 8) is not divided by ln(128 / 8), the span that the eight buckets share.",
        {"scale": lambda d, exact, furthest: np.log(d / exact)},
    ),
    (
        "linear instead of logarithmic",
        "logarithm",
        "The far part grows in equal steps. Its boundaries are to be a fixed multiple of each other: take logarithms.",
        {"scale": lambda d, exact, furthest: (d - exact) / (furthest - exact)},
    ),
    (
        "16 logarithmic buckets",
        "halves",
        "The logarithmic part has 16 steps. A direction has 16 buckets in all; 8 of them are exact, and 8 are left.",
        {"logarithmic": 16},
    ),
    (
        "the logarithmic part starts again at 0",
        "far",
        "From distance 8 on, buckets start again at 0. The exact ones come first, so that 8 has to be added.",
        {"near": lambda d, exact: d, "last": 7, "exact": 8, "rounding": lambda x: np.floor(x) - 8},
    ),
    (
        "near distances are not exact",
        "logarithm",
        "All distances below 8 share bucket 0 of their direction. They have a bucket each.",
        {"near": lambda d, exact: 0 * d},
    ),
    (
        "the furthest distance is 256",
        "far",
        "The logarithmic part reaches to distance 256; it reaches to 128.",
        {"furthest": 256},
    ),
    (
        "the furthest distance is 127",
        "far",
        "The logarithmic part reaches to distance 127; it reaches to 128.",
        {"furthest": 127},
    ),
    (
        "the furthest distance is 64",
        "far",
        "The logarithmic part reaches to distance 64; it reaches to 128.",
        {"furthest": 64},
    ),
)


def _case(stage: str, relative_position: NDArray[np.int64], text: str) -> Case:
    return Case(stage, (relative_position.astype(np.int64),), f"relative_position = {text}")


CASES = (
    _case("values", np.arange(-20, 21), "[-20 ... 20]"),
    _case("values", np.arange(-300, 301), "[-300 ... 300]"),
    _case("values", np.array([-100_000, -129, -128, -127, 127, 128, 129, 100_000]), "[-100000, -129, ..., 100000]"),
    _case("batch", np.arange(-30, 30).reshape(3, 4, 5), "an array of shape (3, 4, 5)"),
    _case("batch", np.array(-9), "-9, an array of shape ()"),
)

_HINTS = {
    "unknown": (
        "Print your buckets for 0, −1, −7, −8, −12 and −1000: they are 0, 1, 7, 8, 9 and 15.",
        "Treat near and far distances apart, and the direction last.",
        "Below 8, the distance itself. From 8 on, 8 plus eight times the logarithm of distance over 8, over that of "
        "128 over 8, rounded down, at most 15. For keys after the query add 16.",
    ),
    "direction": (
        "Compare the buckets of −3 and 3.",
        "It is about what the sign of the argument means.",
        "The argument is key minus query: where it is positive, add 16 to the bucket of the distance.",
    ),
    "halves": (
        "Count how many buckets the distances 0 to 1000 use, in one direction.",
        "It is about halving, twice: by direction, and into exact and logarithmic.",
        "Sixteen buckets for each direction; eight of them exact, eight logarithmic.",
    ),
    "logarithm": (
        "Look at the buckets of the distances 8, 11, 12 and 16: they are 8, 8, 9 and 10.",
        "It is about where the logarithmic scale starts and ends.",
        "It is 0 at distance 8 and 1 at distance 128; multiply by eight and round down.",
    ),
    "far": (
        "Look at the buckets of the distances 113, 128 and 1000.",
        "It is about the end of the scale.",
        "Nothing is above bucket 15 of its direction.",
    ),
    "shape": (
        "Look at the shape of what comes back.",
        "It is about arrays with several axes.",
        "There is one bucket for each relative position, in the same place.",
    ),
}
_HINTS["batch"] = _HINTS["shape"]


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got == () and expected:
        return "one bucket for all", "There is one bucket for each relative position."
    return None


EXERCISE = Exercise(
    method="t5_bucket",
    parameters=("relative_position",),
    cases=CASES,
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"relative position {np.asarray(case.args[0])[index]}",
    narrower=True,
    whole=True,
    stage_notes={"batch": "Relative positions may have any shape, as for a whole matrix of pairs; so has the result."},
)
