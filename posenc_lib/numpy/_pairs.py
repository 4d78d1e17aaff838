"""Pairs of dimensions turned by angles whose cosines and sines are given; rope's arithmetic, without its checks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def turn(
    x: NDArray[np.float64],
    cos: NDArray[np.float64],
    sin: NDArray[np.float64],
    layout: str,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return x, its pair i = (a, b) replaced by (a cos_i − b sin_i, a sin_i + b cos_i), the rest as it is.

    cos and sin have shape (..., T, n). The result is a copy, or `out`, which has x's shape and may be x.
    """
    turned = np.empty(x.shape) if out is None else out
    turned[...] = x
    first, second = pairs(cos.shape[-1], layout)
    a, b = turned[..., first], turned[..., second]
    turned[..., first], turned[..., second] = a * cos - b * sin, a * sin + b * cos
    return turned


def pairs(n: int, layout: str) -> tuple[slice, slice]:
    """Return the places of the first and of the second members of n pairs."""
    if layout == "interleaved":
        return slice(0, 2 * n, 2), slice(1, 2 * n, 2)
    return slice(0, n), slice(n, 2 * n)
