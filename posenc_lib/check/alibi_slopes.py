"""Check ALiBi's slopes for any number of heads: fn(num_heads) → (H,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, Shape, mistakes
from posenc_lib.check.report import Report


def alibi_slopes(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(num_heads)``, ALiBi's slopes for any number of heads, as the authors' program has them.

    Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def _below(num_heads: int) -> int:
    return int(2 ** (num_heads.bit_length() - 1))


def _above(num_heads: int) -> int:
    below = _below(num_heads)
    return below if below == num_heads else 2 * below


def _ladder(heads: int) -> Array:
    return np.asarray(2.0 ** (-8 * np.arange(1, heads + 1) / heads))


def formula(
    num_heads: int,
    *,
    power: Callable[[int], int] = _below,
    ladder: Callable[[int], Array] = _ladder,
    between: Callable[[Array], Array] = lambda finer: finer[0::2],
    join: Callable[[Array, Array], Array] = lambda first, more: np.concatenate([first, more]),
    whole: Callable[[int], Array] | None = None,
) -> Answer:
    """The slopes in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    if whole is not None:
        return Answer(whole(num_heads))
    first = ladder(power(num_heads))[:num_heads]
    more = between(ladder(2 * power(num_heads)))[: num_heads - len(first)]
    return Answer(join(first, more))


def _whole(slopes: Callable[[int], Array]) -> Knobs:
    """Return the knobs of slopes of another form."""
    return {"whole": slopes, "ladder": None, "between": None, "join": None}


def _one_ladder(shift: int) -> Callable[[int], Array]:
    return lambda heads: np.asarray(2.0 ** (-8 * (np.arange(heads) + shift) / heads))


MISTAKES = mistakes(
    (
        "one formula for all numbers of heads",
        "between",
        "The slopes are 2^(−8(h + 1)/H) for every H. That is right for powers of two; for others the program takes the "
        "slopes of the next smaller power of two, and fills up from twice as many.",
        _whole(_one_ladder(1)),
    ),
    (
        "the next larger power of two, cut off",
        "between",
        "These are the first H slopes of the next larger power of two. The program starts from the next smaller one.",
        _whole(lambda heads: _ladder(_above(heads))[:heads]),
    ),
    (
        "filled up with the wrong half",
        "between",
        "The missing slopes repeat the first ones: they are the second, the fourth, … of twice as many heads. Take the "
        "first, the third, …: those are not there yet.",
        {"between": lambda finer: finer[1::2]},
    ),
    (
        "filled up from the start of the finer ladder",
        "between",
        "The missing slopes are the first ones of twice as many heads. Take every second of them: the others are there "
        "already.",
        {"between": lambda finer: finer},
    ),
    (
        "filled up without the steepest",
        "between",
        "The missing slopes start with the third of twice as many heads. They start with the first, which is steeper "
        "than all others.",
        {"between": lambda finer: finer[2::2]},
    ),
    (
        "the ladder goes on",
        "between",
        "The missing heads go on below 1/256, in the same steps. They take slopes from twice as many heads instead, "
        "the first, the third, ….",
        _whole(lambda heads: 2.0 ** (-8 * np.arange(1, heads + 1) / _below(heads))),
    ),
    (
        "filled up from the flat end",
        "between",
        "The missing slopes are taken from the flat end of the finer ladder. The program starts at the steep end.",
        {"between": lambda finer: finer[0::2][::-1]},
    ),
    (
        "sorted from steep to flat",
        "order",
        "The slopes are sorted. The program leaves the added ones at the end, and a trained model's heads rely on "
        "that.",
        {"join": lambda first, more: np.sort(np.concatenate([first, more]))[::-1]},
    ),
    (
        "sorted from flat to steep",
        "order",
        "The slopes are sorted from the flattest to the steepest. Head 0 is the steepest, and the added ones stand at "
        "the end.",
        {"join": lambda first, more: np.sort(np.concatenate([first, more]))},
    ),
    (
        "the added ones come first",
        "order",
        "The added slopes stand in front; they stand at the end.",
        {"join": lambda first, more: np.concatenate([more, first])},
    ),
    (
        "in reverse order",
        "order",
        "The slopes stand in reverse order: head 0 is the steepest.",
        {"join": lambda first, more: np.concatenate([first, more])[::-1]},
    ),
    (
        "heads counted from 0",
        "ladder",
        "The first slope is 1 = 2⁰: heads are counted from 0 in the exponent. It is 2^(−8/P): h + 1.",
        {"ladder": _one_ladder(0)},
    ),
    (
        "the slopes do not depend on the number of heads",
        "ladder",
        "The slopes are 1/2, 1/4, 1/8, …, which is right for 8 heads only; the exponent is −8(h + 1)/P.",
        {"ladder": lambda heads: 2.0 ** -(np.arange(heads) + 1.0)},
    ),
    (
        "the factor 8 is missing",
        "ladder",
        "The last slope is 1/2: the factor 8 is missing in the exponent, −8(h + 1)/P.",
        {"ladder": lambda heads: 2.0 ** (-(np.arange(heads) + 1.0) / heads)},
    ),
    (
        "e instead of 2",
        "ladder",
        "The slopes are powers of e; they are powers of 2.",
        {"ladder": lambda heads: np.exp(-8 * (np.arange(heads) + 1.0) / heads)},
    ),
    (
        "the slopes are negative",
        "ladder",
        "The slopes are negative. A slope is positive; the bias is minus slope times distance.",
        {"ladder": lambda heads: -_ladder(heads)},
    ),
    (
        "windows instead of slopes",
        "ladder",
        "These are one over the slopes: 2, 4, 8, … for 8 heads.",
        {"ladder": lambda heads: 1 / _ladder(heads)},
    ),
)


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if len(got) == 1 and got[0] == _below(expected[0]):
        return "the missing heads have no slope", "These are those of the next smaller power of two."
    if len(got) == 1 and got[0] == _above(expected[0]):
        return "too many slopes", "These are those of the next larger power of two."
    return None


_HINTS = {
    "unknown": (
        "Print your slopes for 8 heads and for 12: the first eight are the same, and four are added at the end.",
        "Treat powers of two first; then ask what the other heads get.",
        "Take the slopes of the next smaller power of two, then, of twice as many heads, the first, the third, …, "
        "until there are enough.",
    ),
    "between": (
        "Print the slopes of 8 and of 16 heads, and mark those of 16 that 8 has not.",
        "It is about which slopes fill up the missing heads.",
        "They are every second of twice the power of two, from the steepest on.",
    ),
    "order": (
        "Print your slopes for 6 heads: 0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125.",
        "It is about the order.",
        "First the power of two, from steep to flat, then the added ones, from steep to flat.",
    ),
    "ladder": (
        "Print your slopes for 8 heads: each should be half of the one before, and the first 0.5.",
        "It is about the exponent of 2.",
        "Head h of P, counted from zero, has 2 to the power of −8 (h + 1) / P.",
    ),
    "shape": (
        "Count your slopes.",
        "It is about how many there are.",
        "There is one slope for each head.",
    ),
}

EXERCISE = Exercise(
    method="alibi_slopes",
    parameters=("num_heads",),
    cases=tuple(Case("values", (heads,), f"num_heads = {heads}") for heads in (12, 8, 6, 1, 3, 16, 71, 40)),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"head {index[0]}",
    narrower=True,
)
