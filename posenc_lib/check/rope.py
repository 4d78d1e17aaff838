"""Check RoPE: fn(x, positions) → x with pair (2i, 2i + 1) turned by +mθ_i, base 10000."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import rotary
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape
from posenc_lib.check.report import Report
from posenc_lib.check.rope_bank import HINTS, MISTAKES, fit_base, fit_factor, fit_turn
from posenc_lib.check.rotary import Layout
from posenc_lib.check.sinusoidal_bank import Theta


def rope(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(x, positions)``, RoPE of x (..., T, d) at positions (T,), interleaved; return a `Report`.

    ``fn`` may take NumPy arrays or torch tensors; through tensors a gradient must flow. A float32 result is
    accepted, to float32's precision. With `strict`, a failure raises AssertionError.
    """
    return rotary.run(EXERCISE, _SINGLE, fn, strict)


def formula(
    x: Array,
    positions: NDArray[np.int64],
    *,
    prepare: Callable[[Array], Array] = lambda x: x,
    position: Callable[[Array], Array] = lambda m: m,
    place: Callable[[Array, Shape], Array] = lambda angles, shape: angles,
    theta: Theta = rotary.falling,
    keep_base: Callable[[float], float] = lambda base: base,
    turn: float = 1.0,
    sign: float = 1.0,
    still: Callable[[int], int] = lambda n: n,
    spread: Callable[[Array], tuple[Array, Array]] = lambda angles: (angles, angles),
    waves: Callable[[Array, Array], tuple[Array, Array]] = lambda cosine, sine: (cosine, sine),
    block: Callable[..., tuple[Array, Array]] | None = None,
    layout: Layout = rotary.neighbours,
    written: Layout | None = None,
    scale: Callable[[int], float] = lambda d: 1.0,
) -> Answer:
    """RoPE in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    x = prepare(np.asarray(x, dtype=np.float64))
    d, n = x.shape[-1], x.shape[-1] // 2
    angles = np.multiply.outer(
        position(np.asarray(positions, dtype=np.float64)), rotary.frequencies(d, theta, keep_base(rotary.BASE))
    )
    angles = np.where(np.arange(n) < still(n), sign * turn * angles, 0.0)
    one, other = (place(a, x.shape) for a in spread(angles))
    first, second = layout(d)
    a, b = x[..., first], x[..., second]
    (cos_a, sin_a), (cos_b, sin_b) = waves(np.cos(one), np.sin(one)), waves(np.cos(other), np.sin(other))
    turned = (block or _block)(a, b, cos_a, sin_a, cos_b, sin_b)
    values, condition, factor = np.empty(x.shape), np.empty(x.shape), scale(d)
    for columns, member, angle in zip((written or layout)(d), turned, (one, other), strict=True):
        values[..., columns] = factor * member
        condition[..., columns] = max(1.0, abs(factor)) * (1 + np.abs(angle)) * (1 + np.abs(a) + np.abs(b))
    return Answer(values, condition)


def _block(a: Array, b: Array, cos_a: Array, sin_a: Array, cos_b: Array, sin_b: Array) -> tuple[Array, Array]:
    """Turn a pair; each of its two dimensions may have an angle of its own."""
    return a * cos_a - b * sin_a, a * sin_b + b * cos_b


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    *front, length, d = expected
    if got == (*front, length, d // 2):
        return "half of the dimensions are missing", "Each pair has two dimensions, and both come back."
    if got == (*front, length, 2 * d):
        return "twice too many dimensions", "Each pair has two dimensions: its angle serves both."
    if got in ((*front, length, d // 2, 2), (*front, length, 2, d // 2), (2, *front, length, d // 2)):
        told = "The two of each pair stand along an axis of their own; they go back to the dimensions they came from."
        return "pairs have an axis of their own", told
    if got in ((length, d, d), (d, d)):
        return "the matrices are not applied", "These are matrices; multiply each with its token's vector."
    if len(got) > 1 and got == (*front, d, length):
        return "the result is transposed", "Tokens go down the rows, dimensions along the columns."
    if front and got == (length, d):
        return "the axes in front are lost", "Each batch and head has its own x, and all of them come back."
    return None


def _positions(case: Case) -> NDArray[np.int64]:
    return cast(NDArray[np.int64], case.args[1])


def _tell_cell(case: Case, index: Shape) -> str:
    *front, token, column = index
    batch = f"batch and head {tuple(front)}, " if front else ""
    return f"{batch}position {_positions(case)[token]}, dimension {column} (pair {column // 2})"


def _grid(error: Array, allowed: Array) -> tuple[Array, Array]:
    """Reduce (..., T, d) to the first wrong (T, pairs): the worse of the two of a pair."""
    error, allowed = (a.reshape(-1, a.shape[-2], a.shape[-1] // 2, 2).max(axis=-1) for a in (error, allowed))
    wrong = ~(error <= allowed).all(axis=(1, 2))
    return error[wrong.argmax()], allowed[wrong.argmax()]


def _shown(positions: NDArray[np.int64]) -> str:
    if len(positions) > 5:
        return f"[{positions[0]}, {positions[1]}, ..., {positions[-1]}]"
    return str(positions.tolist())


def _case(stage: str, shape: Shape, positions: NDArray[np.int64] | list[int]) -> Case:
    positions = np.asarray(positions, dtype=np.int64)
    x = np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape).round(3)
    return Case(stage, (x, positions), f"x of shape {shape}, random, positions = {_shown(positions)}")


CASES = (
    Case(
        "values",
        (np.arange(1.0, 13.0).reshape(3, 4), np.arange(3)),
        "x = np.arange(1.0, 13.0).reshape(3, 4), positions = [0, 1, 2]",
    ),
    _case("values", (6, 8), np.arange(6)),
    _case("values", (3, 6), np.arange(3)),
    _case("values", (4, 4), np.arange(4)),
    _case("values", (40, 64), np.arange(40)),
    _case("one pair", (3, 2), np.arange(3)),
    _case("start", (4, 8), [40, 41, 42, 43]),
    _case("start", (4, 8), [7, 3, 3, 90]),
    _case("far", (6, 8), np.arange(255, 261)),
    _case("far", (5, 4), np.arange(2046, 2051)),
    _case("far", (2, 4), [1_000_000, 1_000_003]),
    _case("batch", (3, 3, 4), [5, 6, 7]),
    _case("batch", (2, 3, 8), [5, 6, 7]),
    _case("batch", (2, 3, 4, 6), np.arange(4)),
    _case("gradient", (3, 4), np.arange(3)),
)

_STAGE_NOTES = {
    "values": "Sizes change from call to call: d is x.shape[-1], and there are as many tokens as positions.",
    "one pair": "Here d is 2: a single pair, which turns by 1 rad per position.",
    "start": "These positions do not start at 0, as in decoding with a cache: the angle is that of the position, not "
    "that of the row.",
    "far": "These positions are far away; there is no last one. (A table of cosines has to grow, and half precision "
    "cannot tell 256 from 257.)",
    "batch": "Here axes for batch and heads stand before (T, d); each slice is turned by the same positions. (Index "
    "from the end: x[..., 0::2], x.shape[-1].)",
    "gradient": "A gradient must flow from the result to x.",
}

EXERCISE = Exercise(
    method="rope",
    parameters=("x", "positions"),
    cases=CASES,
    formula=formula,
    mistakes=MISTAKES,
    hints=HINTS,
    fits=(fit_base, fit_turn, fit_factor),
    observe=rotary.observe,
    tell_shape=_tell_shape,
    tell_cell=_tell_cell,
    grid=_grid,
    tell_row=lambda case, row: f"position {_positions(case)[row]}",
    columns="pair",
    narrower=True,
    differentiable=True,
    precision_note=(
        "At position 1,000,000 such an angle is off by up to 0.06. Compute positions, frequencies and angles in "
        "float64."
    ),
    stage_notes=_STAGE_NOTES,
)
_SINGLE = rotary.in_float32(EXERCISE)
