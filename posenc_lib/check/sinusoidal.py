"""Check the sinusoidal encoding: fn(positions, dim) → (..., dim), sine on 2i, cosine on 2i + 1, base 10000."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape
from posenc_lib.check.report import Report
from posenc_lib.check.sinusoidal_bank import HINTS, MISTAKES, Indices, Theta, fit_base, fit_scale, observe


def sinusoidal(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(positions, dim)``, the sinusoidal encoding of shape ``(..., dim)``; return a `Report`.

    ``fn`` may take NumPy arrays or torch tensors, and may take a keyword ``base``, which is then checked too.
    A float32 result is accepted, to float32's precision. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def interleaved(first: Array, second: Array) -> Array:
    """Columns first_0, second_0, first_1, second_1, …"""
    columns = np.empty((*first.shape[:-1], 2 * first.shape[-1]))
    columns[..., 0::2], columns[..., 1::2] = first, second
    return columns


def formula(
    positions: Array,
    dim: int,
    base: float = 10000.0,
    *,
    keep_base: Callable[[float], float] = lambda base: base,
    position: Callable[[Array], Array] = lambda m: m,
    theta: Theta = lambda i, dim, base: base ** (-2 * i / dim),
    theta_cos: Theta | None = None,
    phase: Callable[[Array, Indices, int, float], Array] | None = None,
    turn: float = 1.0,
    waves: Callable[[Array, Array], tuple[Array, Array]] = lambda sine, cosine: (sine, cosine),
    layout: Callable[[Array, Array], Array] = interleaved,
    scale: Callable[[int], float] | None = None,
) -> Answer:
    """The encoding in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    m = position(np.asarray(positions, dtype=np.float64))[..., None]
    i, base = np.arange(dim // 2), keep_base(base)
    sine_angle = turn * (m * theta(i, dim, base) if phase is None else phase(m, i, dim, base))
    cosine_angle = turn * m * theta_cos(i, dim, base) if theta_cos else sine_angle
    values = layout(*waves(np.sin(sine_angle), np.cos(cosine_angle)))
    errors = 1 + np.abs(layout(sine_angle, cosine_angle))
    if scale is None:
        return Answer(values, errors)
    return Answer(values * scale(dim), errors * max(1.0, abs(scale(dim))))


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    front, dim = expected[:-1], expected[-1]
    if got == expected[::-1] and len(got) > 1:
        return "the result is transposed", "Positions go down the rows, dimensions along the columns."
    if got == (*front, dim // 2):
        return "half of the columns are missing", "Each pair has two columns, a sine and a cosine."
    if got == (*front, 2 * dim):
        return "twice too many columns", "dim/2 pairs of a sine and a cosine make dim columns."
    if got in ((*front, dim // 2, 2), (*front, 2, dim // 2), (2, *front, dim // 2)):
        told = "Sines and cosines are stacked along an axis of their own; they go into neighbouring columns."
        return "sine and cosine have an axis of their own", told
    if got == (1, *expected):
        return "an axis too many in front", ""
    return None


def _positions(case: Case) -> Array:
    return cast(Array, case.args[0])


def _tell_cell(case: Case, index: Shape) -> str:
    *place, column = index
    position = _positions(case)[tuple(place)]
    return f"position {position:.12g}, column {column} ({'cosine' if column % 2 else 'sine'} of pair {column // 2})"


def _grid(error: Array, allowed: Array) -> tuple[Array, Array]:
    """Reduce (..., dim) to (positions, pairs): the worse of sine and cosine."""
    pairs = error.reshape(-1, error.shape[-1] // 2, 2)
    return pairs.max(axis=-1), allowed.reshape(pairs.shape).max(axis=-1)


def _case(stage: str, positions: ArrayLike, dim: int, **keywords: float) -> Case:
    positions = np.asarray(positions)
    said = "".join(f", {name}={value:g}" for name, value in keywords.items())
    return Case(stage, (positions, dim), f"positions = {_shown(positions)}, dim = {dim}{said}", keywords)


def _shown(positions: NDArray[np.integer | np.floating]) -> str:
    if positions.ndim == 1 and positions.size > 8:
        return f"[{positions[0]} ... {positions[-1]}] ({positions.size} of them)"
    if positions.ndim == 1:
        return f"[{', '.join(f'{p:.12g}' for p in positions)}]"
    return " ".join(str(positions.tolist()).split())


CASES = (
    _case("values", np.arange(3), 4),
    _case("values", np.arange(12), 8),
    _case("values", np.arange(5), 6),
    _case("values", np.arange(300), 32),
    _case("one pair", np.arange(3), 2),
    _case("start", np.arange(40, 51), 8),
    _case("start", np.array([7, 3, 3, 90]), 8),
    _case("large", np.array([1_000_000, 1_000_003]), 16),
    _case("negative", np.arange(-3, 3), 8),
    _case("fractional", np.array([0.5, 1.25, 2.0, 6.75]), 8),
    _case("batch", np.arange(12).reshape(3, 4) + 5, 8),
    _case("batch", np.array(9), 8),
    _case("base", np.arange(40, 51), 8, base=500.0),
    _case("base", np.arange(12), 16, base=1e6),
)

_STAGE_NOTES = {
    "one pair": "Here dim is 2: a single pair, with angle equal to the position.",
    "start": "These positions do not start at 0: the code of position 40 is the same in every call, whatever its row.",
    "large": "These positions are large: the formula has no last position. (Angles computed in float32 lose their "
    "digits there.)",
    "negative": "These positions are negative; the waves are defined there too. (A table would give its rows from the "
    "end.)",
    "fractional": "These positions are fractions: the waves are defined between the integers too.",
    "batch": "Positions may have any shape, even (), as in a batch; the result has that shape followed by dim. "
    "(positions[..., None] adds an axis behind whatever axes there are.)",
    "base": "Your function takes a base, and here it gets another one.",
}

# Where simple positions work, the question is what becomes of others.
_HINTS = HINTS | dict.fromkeys(("start", "large", "negative", "fractional", "batch"), HINTS["position"])

EXERCISE = Exercise(
    method="sinusoidal",
    parameters=("positions", "dim"),
    cases=CASES,
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    fits=(fit_base, fit_scale),
    observe=observe,
    tell_shape=_tell_shape,
    tell_cell=_tell_cell,
    grid=_grid,
    tell_row=lambda case, row: f"position {_positions(case).ravel()[row]:.12g}",
    columns="pair",
    narrower=True,
    precision_note=(
        "At position 1,000,000 such an angle is off by up to 0.06. Compute positions, frequencies and angles in "
        "float64."
    ),
    stage_notes=_STAGE_NOTES,
)
