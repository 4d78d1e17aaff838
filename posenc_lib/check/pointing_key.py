"""Check the key that a query points at: fn(q, offset) → q, each pair turned by +offset·θ_i."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from posenc_lib.check import rope_bank, rotary
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Mistake, Shape, mistakes
from posenc_lib.check.report import Report
from posenc_lib.check.rope import EXERCISE as ROPE


def pointing_key(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, offset)``, the key of q's length with the largest logit `offset` positions before the query.

    q and the result have the shape (d,); base 10000, pairs (2i, 2i + 1). Through torch tensors a gradient must flow
    to q. Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return rotary.run(EXERCISE, _SINGLE, fn, strict)


def _formula(q: Array, offset: int, **knobs: object) -> Answer:
    """RoPE of one token, at the offset in place of a position."""
    turned = ROPE.formula(np.asarray(q)[None], np.array([offset]), **knobs)
    return Answer(turned.values[0], np.asarray(turned.condition)[0])


def _of_an_offset(mistake: Mistake) -> Mistake:
    """RoPE's mistake, told of an offset r."""
    return replace(mistake, message=mistake.message.replace("mθ", "rθ").replace("position 0", "offset 0"))


def _each_pair_of_length_1(q: Array) -> Array:
    pairs = q.reshape(*q.shape[:-1], -1, 2)
    return np.asarray(pairs / np.linalg.norm(pairs, axis=-1, keepdims=True)).reshape(q.shape)


_OTHER = {"turned by −mθ", "the sinusoidal encoding is added", "the sinusoidal encoding multiplies"}

_OWN = mistakes(
    (
        "turned backwards",
        "sign",
        "The key is turned by −rθ, and its logit is largest when it stands `offset` positions after the query. Before "
        "the query RoPE turns a key less than the query, by rθ: to point the same way, the key needs that much more.",
        {"sign": -1.0},
    ),
    (
        "q itself",
        "angle",
        "The key is q, not turned. Its logit is largest where it stands with the query, at offset 0.",
        {"turn": 0.0},
    ),
    (
        "turned twice as far",
        "angle",
        "Every pair turns by 2rθ: the logit is largest at twice the offset.",
        {"turn": 2.0},
    ),
)

_REST = mistakes(
    (
        "the offset is one too large",
        "offset",
        "This key's logit is largest one position further away. Offset 0 must give q itself.",
        {"position": lambda r: r + 1},
    ),
    (
        "the offset is one too small",
        "offset",
        "This key's logit is largest one position nearer. Offset 0 must give q itself.",
        {"position": lambda r: r - 1},
    ),
    (
        "the offset is ignored",
        "offset",
        "The key points at offset 1, whatever the offset is.",
        {"position": np.ones_like},
    ),
    (
        "the offset loses its sign",
        "offset",
        "A negative offset gives the key of the positive one. It means a key after the query, which turns the other "
        "way.",
        {"position": np.abs},
    ),
    (
        "negative offsets are set to 0",
        "offset",
        "A negative offset gives q itself. It means a key after the query, which turns the other way.",
        {"position": lambda r: np.maximum(r, 0)},
    ),
    (
        "the key has length 1",
        "scale",
        "The key was normalised. It is to have the length of q, which a rotation leaves as it is.",
        {"prepare": lambda q: q / np.linalg.norm(q, axis=-1, keepdims=True)},
    ),
    (
        "each pair has length 1",
        "scale",
        "Every pair of the key was normalised, as if all weighed the same in the logit. Among keys of q's length, the "
        "one whose pairs are as long as the query's has the largest logit.",
        {"prepare": _each_pair_of_length_1},
    ),
    (
        "multiplied by √d",
        "scale",
        "The key is √d times too long. It is to have the length of q.",
        {"scale": np.sqrt},
    ),
    (
        "divided by √d",
        "scale",
        "The key is divided by √d. It is to have the length of q.",
        {"scale": lambda d: 1 / np.sqrt(d)},
    ),
)


def _angle(case: Case, values: Array, pair: int) -> float:
    """The angle by which `pair` was turned at offset 1; NaN elsewhere."""
    q, offset = cast(tuple[Array, int], case.args)
    return rotary.angle_between(q, values, pair) if offset == 1 and values.shape == q.shape else np.nan


def _fit_base(case: Case, values: Array) -> Mistake | None:
    return rotary.other_base(_angle(case, values, 1), len(cast(Array, case.args[0])))


def _fit_turn(case: Case, values: Array) -> Mistake | None:
    return rotary.other_turn(_angle(case, values, 0))


def _fit_factor(case: Case, values: Array) -> Mistake | None:
    """Read a common factor off the lengths."""
    q = cast(Array, case.args[0]).astype(np.float64)
    factor = float(f"{float(np.linalg.norm(values) / np.linalg.norm(q)):.6g}")
    if values.shape != q.shape or not np.isfinite(factor) or factor in (0.0, 1.0):
        return None
    message = f"The key is {factor:g} times too long. It is to have the length of q."
    return Mistake(f"scaled by {factor:g}", "scale", message, {"scale": lambda d: factor})


def _case(d: int, offset: int, stage: str = "values") -> Case:
    q = np.random.default_rng(d).standard_normal(d).round(3)
    return Case(stage, (q, offset), f"q of shape ({d},), random, offset = {offset}")


CASES = (
    Case("values", (np.array([1.0, 2.0, 3.0, 4.0]), 1), "q = [1.0, 2.0, 3.0, 4.0], offset = 1"),
    _case(4, 2),
    _case(8, 5),
    _case(6, 3),
    _case(8, 0),
    _case(2, 4),
    _case(64, 37),
    _case(8, -3),
    _case(8, 1001),
    _case(4, 3, "gradient"),
)

_HINTS = rope_bank.HINTS | {
    "unknown": (
        "Offset 0 must give q itself. Then try d = 2, and look at where the logit is largest.",
        "The logit of a key is a sum over the pairs; turn each pair of the key so that its term is as large as it can "
        "be at that offset.",
        "Turn each pair of q counterclockwise by the offset times the pair's frequency.",
    ),
    "sign": (
        "Try q = 1, 0 with offset 1, and put your key into the logits' formula at offsets 1 and −1.",
        "It is about which way each pair turns, and about which product has the minus.",
        "The key turns ahead by the angle that it lacks: the first becomes first with cosine minus second with sine, "
        "the second first with sine plus second with cosine.",
    ),
    "waves": (
        "Look at offset 0, where every angle is zero.",
        "It is about where cosine and sine stand.",
        "The cosine multiplies a dimension itself, the sine the other one of its pair.",
    ),
    "offset": (
        "Compare offsets 2, 0 and −2.",
        "It is about the number that multiplies the frequencies.",
        "The angle is the offset as it is passed with the pair's frequency.",
    ),
    "scale": (
        "Compare the lengths of the key and of q.",
        "It is about the size of the values.",
        "Nothing stands in front: a rotation leaves the length of each pair as it is.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about the result, which has the shape of q.",
        "Each pair gives two numbers, which go to the two dimensions that they came from.",
    ),
}


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    (d,) = expected
    if got in ((d // 2, 2), (2, d // 2)):
        return "pairs have an axis of their own", "The two of each pair go back to the dimensions they came from."
    if got == (1, d):
        return "an axis too many in front", "There is one query, of shape (d,), and one key."
    if got == (d, d):
        return "the matrix is not applied", "This is a matrix; multiply it with q."
    return None


EXERCISE = Exercise(
    method="pointing_key",
    parameters=("q", "offset"),
    cases=CASES,
    formula=_formula,
    mistakes=(
        *map(_of_an_offset, rope_bank.PAIRS),
        *_OWN,
        *(_of_an_offset(m) for m in rope_bank.BLOCKS if m.name not in _OTHER),
        *rotary.FREQUENCIES,
        *rope_bank.DIMENSION,
        *rotary.BASES,
        *rotary.ANGLES,
        *_REST,
    ),
    hints=_HINTS,
    fits=(_fit_base, _fit_turn, _fit_factor),
    observe=rotary.observe,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"dimension {index[0]} (pair {index[0] // 2})",
    narrower=True,
    differentiable=True,
    stage_notes={
        "values": "Sizes and offsets change from call to call; a negative offset means a key after the query.",
        "gradient": "A gradient must flow from the key to q.",
    },
)
_SINGLE = rotary.in_float32(EXERCISE)
