"""Check ALiBi's bias: fn(num_heads, query_positions, key_positions) → −slope · |m − n|, shape (H, T, S)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report

Positions = NDArray[np.int64]


def alibi(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(num_heads, query_positions, key_positions)``, ALiBi's bias of shape ``(H, T, S)``; return a `Report`.

    The number of heads is a power of two; positions have the shapes ``(T,)`` and ``(S,)``. With `strict`, a failure
    raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    num_heads: int,
    query_positions: Positions,
    key_positions: Positions,
    *,
    exponent: Callable[[Array, int], Array] = lambda h, H: -8 * (h + 1) / H,
    power: float = 2.0,
    positions: Callable[[Array], Array] = lambda p: p,
    distance: Callable[[Array, Array], Array] = lambda m, n: np.abs(m - n),
    sign: float = -1.0,
    finish: Callable[[Array, Array, Array], Array] = lambda bias, m, n: bias,
) -> Answer:
    """The bias in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    slopes = power ** exponent(np.arange(num_heads, dtype=np.float64), num_heads)
    m, n = (positions(np.asarray(p, dtype=np.float64)) for p in (query_positions, key_positions))
    m, n = m[:, None], n[None, :]
    bias = sign * slopes[:, None, None] * distance(m, n)
    return Answer(finish(bias, m, n), 1 + np.abs(bias).max())


MISTAKES = mistakes(
    (
        "the sign is wrong",
        "sign",
        "The bias grows with the distance, so that far keys are preferred. It is minus slope times distance.",
        {"sign": 1.0},
    ),
    (
        "heads counted from 0",
        "slopes",
        "The slopes start at 1 = 2⁰: heads are counted from 0 in the exponent. The first is 2^(−8/H): h + 1.",
        {"exponent": lambda h, H: -8 * h / H},
    ),
    (
        "the slopes do not depend on the number of heads",
        "slopes",
        "The slopes are 1/2, 1/4, 1/8, …, whatever the number of heads. That is right for 8 heads; the exponent is "
        "−8(h + 1)/H.",
        {"exponent": lambda h, H: -(h + 1)},
    ),
    (
        "exponent (h + 1)/H",
        "slopes",
        "The exponent is −(h + 1)/H, so that the last slope is 1/2. The factor 8 is missing: the last slope is 1/256.",
        {"exponent": lambda h, H: -(h + 1) / H},
    ),
    (
        "exponent 8/(h + 1)",
        "slopes",
        "The exponent is −8/(h + 1): the fraction has the head in its denominator. It is −8(h + 1)/H.",
        {"exponent": lambda h, H: -8 / (h + 1)},
    ),
    (
        "exponent 8(h + 1)/(H − 1)",
        "slopes",
        "The exponent is divided by H − 1; divide by H.",
        {"exponent": lambda h, H: -8 * (h + 1) / (H - 1) if H > 1 else -8 * (h + 1)},
    ),
    (
        "exponent 8h/(H − 1)",
        "slopes",
        "The slopes go from 1 to 1/256, as linspace from 0 to 8 gives them. The first is 2^(−8/H).",
        {"exponent": lambda h, H: -8 * h / (H - 1) if H > 1 else -8 * h},
    ),
    (
        "e instead of 2",
        "slopes",
        "The slopes are powers of e; they are powers of 2.",
        {"power": np.e},
    ),
    (
        "the slopes stand in reverse order",
        "slopes",
        "The flattest head comes first. Head 0 is the steepest.",
        {"exponent": lambda h, H: -8 * (H - h) / H},
    ),
    (
        "all heads have one slope",
        "slopes",
        "All heads have the last slope, 1/256. Each has one of its own.",
        {"exponent": lambda h, H: -8 + 0 * h},
    ),
    (
        "the slopes are missing",
        "slopes",
        "The bias is the distance alone, the same for all heads. Multiply it with each head's slope.",
        {"exponent": lambda h, H: 0 * h},
    ),
    (
        "slopes grow",
        "slopes",
        "The slopes are 2 to the power of +8(h + 1)/H; the exponent is negative.",
        {"exponent": lambda h, H: 8 * (h + 1) / H},
    ),
    (
        "the distance has a sign",
        "distance",
        "For keys after the query the bias is positive: m − n is negative there. Take its absolute value.",
        {"distance": lambda m, n: m - n},
    ),
    (
        "the distance has a sign",
        "distance",
        "For keys before the query the bias is positive: n − m is negative there. Take its absolute value.",
        {"distance": lambda m, n: n - m},
    ),
    (
        "keys after the query count as distance 0",
        "distance",
        "For keys after the query the bias is 0. Here their distance counts as well, |m − n|; what a query must not "
        "see is attention's affair.",
        {"distance": lambda m, n: np.maximum(m - n, 0)},
    ),
    (
        "the key's position instead of the distance",
        "distance",
        "The bias is slope times key position, the same for every query. Under a causal mask its weights are right "
        "when its sign is plus; the bias asked for is that of the distance.",
        {"distance": lambda m, n: n + 0 * m},
    ),
    (
        "the distance is off by one",
        "distance",
        "The query's own position has distance 1. It has distance 0.",
        {"distance": lambda m, n: np.abs(m - n) + 1},
    ),
    (
        "the distance is squared",
        "distance",
        "The bias falls with the square of the distance. It falls linearly.",
        {"distance": lambda m, n: (m - n) ** 2},
    ),
    (
        "the logarithm of the distance",
        "distance",
        "The bias falls with the logarithm of 1 plus the distance, as in KERPLE. ALiBi's falls linearly.",
        {"distance": lambda m, n: np.log1p(np.abs(m - n))},
    ),
    (
        "positions are ignored",
        "positions",
        "The positions that are passed play no part: 0, 1, 2, … is used instead. With a cache, a query's position is "
        "not its place in the array.",
        {"positions": lambda p: np.arange(len(p), dtype=np.float64)},
    ),
    (
        "later keys are masked",
        "finish",
        "Keys after the query get −inf. The bias hides nothing; the mask is attention's affair.",
        {"finish": lambda bias, m, n: np.where(n > m, -np.inf, bias)},
    ),
    (
        "heads stand last",
        "finish",
        "The heads are the last axis; they are the first: (H, T, S).",
        {"finish": lambda bias, m, n: np.moveaxis(bias, 0, -1)},
    ),
    (
        "queries and keys have changed places",
        "finish",
        "The result has the shape (H, S, T): keys go down the rows. Queries go down the rows.",
        {"finish": lambda bias, m, n: np.swapaxes(bias, -1, -2)},
    ),
    (
        "the weights instead of the bias",
        "finish",
        "The bias went through the exponential. It is added to the logits, before the softmax.",
        {"finish": lambda bias, m, n: np.exp(bias)},
    ),
)


def _case(stage: str, num_heads: int, query: list[int], key: list[int]) -> Case:
    text = f"num_heads = {num_heads}, query_positions = {query}, key_positions = {key}"
    return Case(stage, (num_heads, np.array(query), np.array(key)), text)


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got == expected[1:]:
        return "the heads are missing", "There is a matrix for each head: (H, T, S)."
    return None


_HINTS = {
    "unknown": (
        "Print your slopes for 8 heads: each should be half of the one before. Then the distances alone.",
        "It is about one slope a head and one distance a pair, and how their axes are laid out.",
        "Give the slopes two axes behind, the distances none in front, and multiply: minus slope times distance.",
    ),
    "sign": (
        "Compare the bias of a near key with that of a far one.",
        "It is about which of them the softmax should prefer.",
        "The bias is minus slope times distance, so that far keys lose.",
    ),
    "slopes": (
        "Print the slopes alone, for 1, 2, 4 and 8 heads.",
        "It is about the exponent of 2.",
        "Head h of H, counted from zero, has 2 to the power of −8 (h + 1) / H.",
    ),
    "distance": (
        "Print the matrix of distances alone, with queries and keys at 0, 1, 2.",
        "It is about keys on both sides of the query.",
        "It is the absolute value of query position minus key position.",
    ),
    "positions": (
        "Try one query at position 5 and keys at 0 to 5.",
        "It is about where positions come from.",
        "Take them from the arguments, never from the shapes.",
    ),
    "finish": (
        "Look at what happens after slope and distance are multiplied.",
        "It is about what belongs to the bias and what to attention.",
        "Return minus slope times distance with axes heads, queries, keys, and nothing masked.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about which axes the result has.",
        "Heads, queries, keys, in this order.",
    ),
}

EXERCISE = Exercise(
    method="alibi",
    parameters=("num_heads", "query_positions", "key_positions"),
    cases=(
        _case("values", 4, [0, 1, 2], [0, 1, 2, 3]),
        _case("values", 8, list(range(6)), list(range(6))),
        _case("values", 16, [0, 1, 2, 3], [0, 1, 2]),
        _case("one head", 1, [0, 1, 2], [0, 1, 2]),
        _case("positions", 2, [7], list(range(8))),
        _case("positions", 2, [3, 4, 9], [0, 9, 4, 5]),
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS | {"one head": _HINTS["slopes"]},
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"head {index[0]}, query {index[1]}, key {index[2]}",
    narrower=True,
    stage_notes={
        "one head": "Here there is a single head; its slope is 1/256.",
        "positions": "These positions do not start at 0 or do not go up in ones, as with a cache or with padding.",
    },
)
