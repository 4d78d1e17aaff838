"""Rotary position embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy import _rotary
from posenc_lib.numpy._pairs import turn


def rope(
    x: ArrayLike,
    positions: ArrayLike | range,
    frequencies: ArrayLike,
    *,
    layout: str = "interleaved",
    attention_factor: float = 1.0,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Turn pair i of x at position m by the angle +mθ_i: (a, b) → (a cos mθ_i − b sin mθ_i, a sin mθ_i + b cos mθ_i).

    For queries and keys, never for values: the dot product of a turned query and a turned key sees
    only how far apart they stand.

    Parameters
    ----------
    x : array_like, shape (..., T, dim)
        Queries or keys; integers are taken as real numbers. The token axis is the last but one.
    positions : array_like or range, shape (T,), or as many axes as x has before dim
        Integers or real numbers, negative ones too, below 2**53 in size; not float16. With more
        than one axis, each has x's size or 1, and the last T: (B, 1, T) gives each sequence of
        a batch its own positions, the same in all heads.
    frequencies : array_like, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`. The first r = 2n
        dimensions turn, the rest stays as it is (partial rotary). A pair of frequency 0 does not
        turn, one of negative frequency turns the other way.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1), as in the paper and in Meta's Llama;
        "half" (i, i + r/2), as in GPT-NeoX and in the transformers package's Llama. Weights
        trained with one are scrambled by the other.
    attention_factor : float
        Multiplies what turns, and not the rest: the logits of what turns by its square. YaRN and
        LongRoPE ask for one; above 0.
    out : numpy.ndarray, optional
        Where the result is written: float64, of x's shape. It may be x itself, which then turns in
        place, or overlap it.

    Returns
    -------
    numpy.ndarray
        Shape of x, float64; a copy, or `out`. For |θ_i| ≤ 1 the error of a pair, relative to the
        length it should have, stays below max(1, |m|) · 3e-16.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions or frequencies are float16, `out` is no array or
        `attention_factor` no number.
    ValueError
        The shapes do not fit, there is no frequency, a position or frequency is not finite
        or too large, the layout is unknown, `out` has another dtype, or `attention_factor` is not
        finite and above 0.

    References
    ----------
    Su et al. (2021), "RoFormer", equations 14, 15 and 34; for the factor Peng et al. (2023), "YaRN",
    section 3.4, which also says why it may stand here.

    Examples
    --------
    >>> rope([[1.0, 0.0], [1.0, 0.0]], [0, 1], [np.pi / 2]).round(4)
    array([[1., 0.],
           [0., 1.]])
    """
    x, positions, frequencies = _rotary.arguments("rope", x, positions, frequencies)
    _arguments.rope.check(x.shape, positions.shape, frequencies.shape, layout)
    factor = _arguments.rope.positive_factor("rope", attention_factor)
    angles = positions[..., None] * frequencies
    cos, sin = factor * np.cos(angles), factor * np.sin(angles)
    return turn(x, cos, sin, layout, None if out is None else _checked_out(out, x.shape))


def _checked_out(out: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"rope: out must be a numpy.ndarray, got {type(out).__name__}.")
    if out.shape != shape or out.dtype != np.float64:
        raise ValueError(f"rope: out must have x's shape and float64, {shape}; got {out.shape} {out.dtype}.")
    return out
