"""Sinusoidal positional encoding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posenc_lib import _arguments, frequencies
from posenc_lib.numpy._positions import as_positions


def sinusoidal(
    positions: ArrayLike, dim: int, *, base: float = 10000.0, dtype: DTypeLike | None = None
) -> NDArray[np.float64]:
    """Encode each position p as sin(pθ_0), cos(pθ_0), sin(pθ_1), cos(pθ_1), …, with θ_i = base^(−2i/dim).

    Parameters
    ----------
    positions : array_like or range, shape (...)
        Integers or real numbers, negative ones too, below 2**53 in size. One number is one position
        (not a count). Not float16, which merges neighbours from 2048 on.
    dim : int
        Size of the code; even.
    base : float
        At least 1; the original Transformer's 10000 by default.
    dtype : numpy dtype, optional
        Of the result; float64 by default. Angles are float64 whatever it is.

    Returns
    -------
    numpy.ndarray
        Shape (..., dim). Sine stands in dimension 2i, cosine in 2i + 1. The absolute error, before
        rounding to `dtype`, stays below max(1, |p|) · 3e-16.

    Raises
    ------
    TypeError
        Positions are no real numbers or are float16, `dim` is no integer, `dtype` is not floating.
    ValueError
        `dim` is odd, `base` is below 1, or a position is not finite or too large.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", section 3.5.

    Examples
    --------
    >>> sinusoidal(range(2), 4).round(4)
    array([[0.    , 1.    , 0.    , 1.    ],
           [0.8415, 0.5403, 0.01  , 1.    ]])
    """
    dim = _arguments.scalars.even_dim("sinusoidal", dim)
    base = _arguments.scalars.base_of_frequencies("sinusoidal", base)
    dtype = np.dtype(np.float64 if dtype is None else dtype)
    if dtype.kind != "f":
        raise TypeError(f"sinusoidal: dtype must be floating, to hold sines; got {dtype}.")
    angles = as_positions("sinusoidal", positions)[..., None] * frequencies.rope(dim, base=base)
    encoding = np.empty((*angles.shape[:-1], dim), dtype)
    np.sin(angles, out=encoding[..., 0::2], casting="same_kind")
    np.cos(angles, out=encoding[..., 1::2], casting="same_kind")
    return encoding
