"""Check RoPE's logits: fn(q, k, offsets) → Σ_i a_i cos rθ_i + b_i sin rθ_i for a query r positions after its key."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import rotary
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, Mistake, Shape, mistakes
from posenc_lib.check.report import Report
from posenc_lib.check.rotary import Layout
from posenc_lib.check.sinusoidal_bank import Theta


def rope_logits(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, k, offsets)``, the logits of a query `offsets` positions after its key; return a `Report`.

    q and k have the shape (d,), offsets any; base 10000, pairs (2i, 2i + 1), no scale. Through torch tensors a
    gradient must flow to q and k. With `strict`, a failure raises AssertionError.
    """
    return rotary.run(EXERCISE, _SINGLE, fn, strict)


# From the pairs (a, b) of the query and (c, d) of the key.
Product = Callable[[Array, Array, Array, Array], Array]


def formula(
    q: Array,
    k: Array,
    offsets: NDArray[np.int64],
    *,
    offset: Callable[[Array], Array] = lambda r: r,
    theta: Theta = rotary.falling,
    keep_base: Callable[[float], float] = lambda base: base,
    turn: float = 1.0,
    layout: Layout = rotary.neighbours,
    cosines: Product = lambda a, b, c, d: a * c + b * d,
    sines: Product = lambda a, b, c, d: a * d - b * c,
    waves: Callable[[Array], tuple[Array, Array]] = lambda angles: (np.cos(angles), np.sin(angles)),
    total: Callable[[Array], Array] = lambda terms: terms.sum(axis=-1),
) -> Answer:
    """The logits in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    q, k = np.asarray(q, dtype=np.float64), np.asarray(k, dtype=np.float64)
    r = offset(np.asarray(offsets, dtype=np.float64))
    angles = turn * np.multiply.outer(r, rotary.frequencies(len(q), theta, keep_base(rotary.BASE)))
    first, second = layout(len(q))
    pairs = q[first], q[second], k[first], k[second]
    cosine, sine = waves(angles)
    terms = cosines(*pairs) * cosine + sines(*pairs) * sine
    sizes = np.hypot(q[first], q[second]) * np.hypot(k[first], k[second])
    errors = np.sum(sizes * (1 + np.abs(angles)), axis=-1)
    return Answer(np.asarray(total(terms)), 4 * errors)


_NONE: Product = lambda a, b, c, d: 0 * a  # noqa: E731 (a knob's value)

_PRODUCTS = mistakes(
    (
        "the sines have the wrong sign",
        "sign",
        "The cosine terms are right, the sine terms have the wrong sign: these are the logits of a query r positions "
        "before its key. Three roads lead here: the sign of b, q and k in each other's place, or key minus query.",
        {"sines": lambda a, b, c, d: b * c - a * d},
    ),
    (
        "the sines are missing",
        "products",
        "Only the cosine terms are there, so that an offset of r and one of −r have the same logit. The sine terms "
        "tell them apart.",
        {"sines": _NONE},
    ),
    (
        "the cosines are missing",
        "products",
        "Only the sine terms are there, so that offset 0 gives 0. It must give the plain dot product of q and k.",
        {"cosines": _NONE},
    ),
    (
        "a plus in the sine's factor",
        "sign",
        "The sine's factor has a plus: q₀k₁ + q₁k₀ for pair 0. It changes its sign when q and k change places, so "
        "there is a minus between the two products.",
        {"sines": lambda a, b, c, d: a * d + b * c},
    ),
    (
        "a minus in the cosine's factor",
        "sign",
        "The cosine's factor has a minus: q₀k₀ − q₁k₁ for pair 0. At offset 0 the logit is the plain dot product, so "
        "there is a plus.",
        {"cosines": lambda a, b, c, d: a * c - b * d},
    ),
    (
        "the sine's factor is the cosine's",
        "products",
        "Cosine and sine are multiplied by the same factor. The sine's is made of products across, of one dimension "
        "of the query with the other one of the key.",
        {"sines": lambda a, b, c, d: a * c + b * d},
    ),
    (
        "sine and cosine are swapped",
        "products",
        "Sine stands where cosine belongs and the other way round: at offset 0 the logit is not the dot product of q "
        "and k.",
        {"waves": lambda angles: (np.sin(angles), np.cos(angles))},
    ),
    (
        "lengths instead of products",
        "products",
        "Each cosine is multiplied by the product of the two pairs' lengths, as if query and key pointed the same way "
        "in each pair. At offset 0 the logit is the dot product of q and k.",
        {"cosines": lambda a, b, c, d: np.hypot(a, b) * np.hypot(c, d), "sines": _NONE},
    ),
)

_PAIRS = mistakes(
    (
        "only the first pair counts",
        "pairs",
        "Only pair 0 has a term. There is one for each pair, and the logit is their sum.",
        {"total": lambda terms: terms[..., 0]},
    ),
    (
        "the last pair is missing",
        "pairs",
        "The sum stops one pair too early; there are d/2.",
        {"total": lambda terms: terms[..., :-1].sum(axis=-1)},
    ),
)

_OFFSETS = mistakes(
    (
        "the offset loses its sign",
        "offset",
        "Offsets r and −r have the same logit: an absolute value was taken. RoPE tells before from after.",
        {"offset": np.abs},
    ),
    (
        "negative offsets are set to 0",
        "offset",
        "Negative offsets have the logit of offset 0. They are keys after the query, and the formula holds for them.",
        {"offset": lambda r: np.maximum(r, 0)},
    ),
    (
        "offsets are off by one",
        "offset",
        "This is the logit of offset r + 1. At offset 0 it is the plain dot product.",
        {"offset": lambda r: r + 1},
    ),
    (
        "offsets are ignored",
        "offset",
        "The offsets are numbered 0, 1, 2, … whatever is passed. Use the values in offsets.",
        {"offset": rotary.numbered},
    ),
    ("nothing turns", "angle", "The logit is the dot product of q and k, whatever the offset is.", {"turn": 0.0}),
    (
        "the angle is doubled",
        "angle",
        "Every angle is 2rθ. Query and key turn by m and by n; their difference r counts once.",
        {"turn": 2.0},
    ),
)


def _scaled(factor: Callable[[int], float]) -> Knobs:
    return {"total": lambda terms: terms.sum(axis=-1) * factor(2 * terms.shape[-1])}


_SCALES = mistakes(
    (
        "divided by √d",
        "scale",
        "The logits are divided by √d. Here the plain dot product of the turned vectors is asked for.",
        _scaled(lambda d: 1 / np.sqrt(d)),
    ),
    (
        "the mean over the pairs",
        "scale",
        "This is the mean over the pairs; a dot product is a sum.",
        _scaled(lambda d: 2 / d),
    ),
    ("divided by d", "scale", "The logits are divided by d. A dot product is a plain sum.", _scaled(lambda d: 1 / d)),
)


def _fit_factor(case: Case, values: Array) -> Mistake | None:
    """Read a common factor off offset 0, where the logit is the dot product."""
    q, k, offsets = (np.asarray(a, dtype=np.float64) for a in cast(tuple[Array, Array, Array], case.args))
    if values.shape != offsets.shape or not (offsets == 0).any():
        return None
    factor = float(f"{float(values[offsets == 0][0] / (q @ k)):.6g}")
    if not np.isfinite(factor) or factor in (0.0, 1.0):
        return None
    message = f"The logits are {factor:g} times the right ones. A dot product is a plain sum."
    return Mistake(f"scaled by {factor:g}", "scale", message, _scaled(lambda d: factor))


def _case(stage: str, d: int, offsets: NDArray[np.int64]) -> Case:
    q, k = np.random.default_rng(d).standard_normal((2, d)).round(3)
    said = f"[{offsets[0]}, {offsets[1]}, ..., {offsets[-1]}]" if offsets.ndim == 1 else str(offsets.tolist())
    return Case(stage, (q, k, offsets), f"q and k of shape ({d},), random, offsets = {said}")


CASES = (
    Case(
        "values",
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, -2.0, 0.5]), np.arange(-2, 3)),
        "q = [1.0, 2.0, 3.0, 4.0], k = [1.0, 3.0, -2.0, 0.5], offsets = [-2, -1, 0, 1, 2]",
    ),
    _case("values", 8, np.arange(-5, 6)),
    _case("values", 6, np.arange(4, 9)),
    _case("values", 2, np.arange(-3, 4)),
    _case("values", 64, np.arange(-40, 300, 7)),
    _case("far", 8, np.array([0, 257, -3001, 100_003])),
    _case("batch", 8, np.arange(-3, 3).reshape(2, 3)),
    _case("batch", 4, np.array(-7)),
    _case("gradient", 4, np.arange(-2, 3)),
)

_HINTS = rotary.HINTS | {
    "unknown": (
        "Start with d = 2 and offset 0: the logit is the plain dot product of q and k.",
        "Turn q by m and k by n with your own RoPE, take the dot product, and compare it with your sum.",
        "Each pair adds its dot product with the cosine of its angle, and with the sine the first of the query with "
        "the second of the key, minus the second with the first; the angle is the offset with the pair's frequency.",
    ),
    "sign": (
        "Try q = 1, 0 and k = 0, 1 with offset 1, and compute by hand.",
        "It is about which of the products of a pair have a minus.",
        "The cosine's factor is the dot product of the two pairs; the sine's is first of query with second of key, "
        "minus second of query with first of key.",
    ),
    "products": (
        "Look at offset 0, where every angle is zero.",
        "It is about what multiplies the cosine and what the sine.",
        "The cosine's factor is the dot product of the two pairs, the sine's the product across, with a minus.",
    ),
    "pairs": (
        "Try a q and a k with a single pair that is not zero.",
        "It is about which two dimensions are a pair, and how many pairs there are.",
        "Pair i is dimensions 2i and 2i plus one; each of the d over 2 pairs adds one term.",
    ),
    "offset": (
        "Compare offsets 2, 0 and −2.",
        "It is about the number that multiplies the frequencies.",
        "The angle is the offset as it is passed, query minus key, with the pair's frequency.",
    ),
    "scale": (
        "Look at offset 0: the logit is the dot product of q and k.",
        "It is about a factor in front of the sum.",
        "The terms of all pairs are added, and nothing is divided.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about offsets of any shape, each with a sum over the pairs.",
        "The result has the shape of the offsets: add an axis for the pairs behind it, and sum over that.",
    ),
}
_HINTS |= {"batch": _HINTS["shape"], "far": _HINTS["precision"]}


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got[:-1] == expected and len(got) == len(expected) + 1:
        return "the pairs are not summed", "Each offset has one logit: sum over the pairs."
    if got == () and expected:
        return "one logit for all", "There is one logit for each offset."
    return None


EXERCISE = Exercise(
    method="rope_logits",
    parameters=("q", "k", "offsets"),
    cases=CASES,
    formula=formula,
    mistakes=(
        *_PRODUCTS,
        *rotary.PAIRS,
        *_PAIRS,
        *rotary.FREQUENCIES,
        *rotary.BASES,
        *rotary.ANGLES,
        *_OFFSETS,
        *_SCALES,
    ),
    hints=_HINTS,
    fits=(_fit_factor,),
    observe=rotary.observe,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"offset {cast(Array, case.args[2])[index]}",
    narrower=True,
    differentiable=True,
    stage_notes={
        "values": "Sizes change from call to call: there are len(q) // 2 pairs, and as many logits as offsets.",
        "far": "These offsets are far; the formula has no furthest one.",
        "batch": "Offsets may have any shape, even (), as for a whole matrix of pairs; so has the result.",
        "gradient": "A gradient must flow from the logits to q and k.",
    },
)
_SINGLE = rotary.in_float32(EXERCISE)
