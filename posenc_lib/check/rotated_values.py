"""Check attention with rotated values: fn(q, k, v, positions) → Σ_n w_mn R_(n − m) v_n."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import rotary
from posenc_lib.check.attention import EXERCISE as PLAIN
from posenc_lib.check.attention import grid
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, mistakes
from posenc_lib.check.report import Report
from posenc_lib.check.rotary import Layout
from posenc_lib.check.sinusoidal_bank import Theta, bfloat16


def rotated_values(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, k, v, positions)``, attention whose values are rotated too, and its output turned back.

    q, k, v and the result have the shape (T, d), positions (T,); no mask, scale 1/√d, base 10000, pairs (2i, 2i + 1).
    Through torch tensors a gradient must flow. Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return rotary.run(EXERCISE, _SINGLE, fn, strict)


def formula(
    q: Array,
    k: Array,
    v: Array,
    positions: NDArray[np.int64],
    *,
    position: Callable[[Array], Array] = lambda m: m,
    theta: Theta = rotary.falling,
    keep_base: Callable[[float], float] = lambda base: base,
    turn: float = 1.0,
    layout: Layout = rotary.neighbours,
    turn_q: float = 1.0,
    turn_k: float = 1.0,
    turn_v: float = 1.0,
    turn_back: float = -1.0,
    **attention: object,
) -> Answer:
    """The output in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    m = position(np.asarray(positions, dtype=np.float64))

    def rotated(x: Array, sign: float) -> Array:
        return rotary.rotate(
            np.asarray(x, dtype=np.float64), m, lambda i, d, base: theta(i, d, keep_base(base)), layout, sign * turn
        )

    plain = PLAIN.formula(rotated(q, turn_q), rotated(k, turn_k), rotated(v, turn_v), **attention)
    errors = 8 * np.asarray(plain.condition) * (1 + abs(turn) * np.max(np.abs(m)))
    return Answer(rotated(plain.values, turn_back), errors)


_ROTATIONS = mistakes(
    (
        "the output is not turned back",
        "back",
        "The values are rotated and averaged, and the average stays rotated: it depends on the query's position, not "
        "on the distances alone. Turn output m back by −m.",
        {"turn_back": 0.0},
    ),
    (
        "the values are not rotated",
        "values",
        "The output is turned back, but the values were never turned. Rotate v as q and k.",
        {"turn_v": 0.0},
    ),
    (
        "neither values nor output are turned",
        "values",
        "This is plain attention with RoPE: only q and k are rotated. (It also comes out when each value is turned "
        "back by its own position.) Rotate the values, average them, and turn output m back by −m.",
        {"turn_v": 0.0, "turn_back": 0.0},
    ),
    (
        "the output is turned on instead of back",
        "back",
        "The output is turned by +m once more. It is to be turned back, by −m, so that the distances alone are left.",
        {"turn_back": 1.0},
    ),
    (
        "values turned back and output turned on",
        "back",
        "The values are turned by −n and the output by +m, so that value n arrives turned by m − n. It is to arrive "
        "turned by n − m: values by +n, output by −m.",
        {"turn_v": -1.0, "turn_back": 1.0},
    ),
    (
        "values and output are both turned back",
        "values",
        "The values are turned by −n and the output by −m. Values turn by +n, as the keys do.",
        {"turn_v": -1.0},
    ),
    (
        "q and k are not rotated",
        "logits",
        "The weights come from q and k as they are. Rotate them, too.",
        {"turn_q": 0.0, "turn_k": 0.0},
    ),
    (
        "the keys are not rotated",
        "logits",
        "Only the queries are rotated, so that a logit depends on the query's position and not on the distance.",
        {"turn_k": 0.0},
    ),
    (
        "the queries are not rotated",
        "logits",
        "Only the keys are rotated, so that a logit depends on the key's position and not on the distance.",
        {"turn_q": 0.0},
    ),
    (
        "queries and keys turn in opposite ways",
        "logits",
        "The queries turn by one sign and the keys by the other, so that a logit depends on m + n, not on the "
        "distance.",
        {"turn_q": -1.0},
    ),
    (
        "queries and keys turn by −m",
        "logits",
        "Queries and keys are turned the other way round than the chapter has it, by −m and −n, so that a key before "
        "its query has the logit of one after it.",
        {"turn_q": -1.0, "turn_k": -1.0},
    ),
    (
        "all turns have the wrong sign",
        "angle",
        "Queries, keys and values are turned by minus their positions, and the output by +m. All these signs are the "
        "other way round.",
        {"turn": -1.0},
    ),
    (
        "nothing is rotated",
        "values",
        "This is plain attention: positions play no part.",
        {"turn_q": 0.0, "turn_k": 0.0, "turn_v": 0.0, "turn_back": 0.0},
    ),
)

_POSITIONS = mistakes(
    (
        "positions are ignored",
        "position",
        "The tokens are numbered 0, 1, 2, … whatever positions are passed. Use the values in positions.",
        {"position": rotary.numbered},
    ),
    (
        "positions in bfloat16",
        "precision",
        "Positions 256 and 257 collide: positions were rounded to bfloat16, which keeps eight significant bits. Keep "
        "them integers, or in float32 at least, until the angle is computed.",
        {"position": bfloat16},
    ),
    (
        "every angle is doubled",
        "angle",
        "Every vector is turned by 2mθ, as if it had been rotated twice.",
        {"turn": 2.0},
    ),
)

_ATTENTION = {
    "softmax over the queries",
    "the scale is missing",
    "scaled by d instead of √d",
    "multiplied by √d",
    "scaled by √T instead of √d",
    "q and k have changed places",
    "the softmax is missing",
    "the weights are not normalised",
    "a causal mask is applied",
    "the weights are transposed",
    "k is averaged instead of v",
}

MISTAKES = (
    *_ROTATIONS,
    *rotary.PAIRS,
    *rotary.FREQUENCIES,
    *rotary.BASES,
    *rotary.ANGLES,
    *_POSITIONS,
    *(m for m in PLAIN.mistakes if m.name in _ATTENTION),
)


def _case(stage: str, d: int, positions: NDArray[np.int64] | list[int]) -> Case:
    positions = np.asarray(positions, dtype=np.int64)
    q, k, v = np.random.default_rng(len(positions) + d).standard_normal((3, len(positions), d)).round(3)
    said = f"q, k and v of shape {q.shape}, random, positions = {positions.tolist()}"
    return Case(stage, (q, k, v, positions), said)


CASES = (
    _case("values", 4, [0, 1, 2]),
    _case("values", 8, [0, 1, 2, 3, 4]),
    _case("values", 6, [0, 1, 2, 3]),
    _case("values", 4, [0, 1, 2, 3]),
    _case("values", 2, [0, 1, 2]),
    _case("start", 8, [40, 41, 42, 43]),
    _case("start", 8, [7, 3, 3, 90, 12]),
    _case("far", 4, [255, 256, 257, 258, 1001]),
    _case("gradient", 4, [0, 1, 2]),
)

_HINTS = (
    rotary.HINTS
    | {area: PLAIN.hints[area] for area in ("softmax", "scale", "mask", "output", "shape")}
    | {
        "unknown": (
            "With a single token the weight is 1, and the output must be v itself, whatever the position. Is it?",
            "Take one step at a time: rotate, weigh, average, turn back.",
            "Rotate q, k and v by their positions; take the softmax of the rotated dot products over the square root "
            "of d; average the rotated values; turn each output back by its query's position.",
        ),
        "back": (
            "With a single token the output must be v itself, whatever the position.",
            "It is about what happens after the average.",
            "Turn the output of query m by minus m, pair by pair, with the same frequencies.",
        ),
        "values": (
            "Look at what the weights average.",
            "It is about how the value at position n is turned before the average.",
            "Rotate v by its positions exactly as k.",
        ),
        "logits": (
            "Move all positions by the same number: no weight may change.",
            "It is about how queries and keys are turned before their dot products.",
            "Rotate both by their own positions, the same way round; the logit of query m and key n is their dot "
            "product.",
        ),
        "pairs": (
            "Rotate a vector of zeros with a single one in it: in which two dimensions does it come back?",
            "It is about which dimensions make a pair.",
            "Dimensions 2i and 2i plus one are pair i.",
        ),
    }
)
_HINTS |= {"start": _HINTS["position"], "far": _HINTS["precision"]}


def _positions(case: Case) -> NDArray[np.int64]:
    return cast(NDArray[np.int64], case.args[3])


EXERCISE = Exercise(
    method="rotated_values",
    parameters=("q", "k", "v", "positions"),
    cases=CASES,
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    observe=rotary.observe,
    tell_shape=PLAIN.tell_shape,
    tell_cell=lambda case, index: f"position {_positions(case)[index[0]]}, dimension {index[1]}",
    grid=grid,
    tell_row=lambda case, row: f"position {_positions(case)[row]}",
    columns="dimension",
    narrower=True,
    differentiable=True,
    stage_notes={
        "values": "Sizes change from call to call: d is q.shape[-1], and there are as many tokens as positions.",
        "start": "These positions do not start at 0: the angle is that of the position, not that of the row.",
        "far": "These positions are far away; there is no last one.",
        "gradient": "A gradient must flow from the output to q, k and v.",
    },
)
_SINGLE = rotary.in_float32(EXERCISE)
