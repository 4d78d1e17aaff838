"""Pairs turned by angles that are given: what the relatives of rope share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _rope_arguments
from posenc_lib.numpy.rope import _pairs


def turn(
    x: NDArray[np.float64], cos: NDArray[np.float64], sin: NDArray[np.float64], layout: str
) -> NDArray[np.float64]:
    """Return a copy of x whose pair i is (a cos_i − b sin_i, a sin_i + b cos_i); cos and sin have shape (..., T, n)."""
    turned = x.copy()
    first, second = _pairs(cos.shape[-1], layout)
    a, b = x[..., first], x[..., second]
    turned[..., first], turned[..., second] = a * cos - b * sin, a * sin + b * cos
    return turned


def as_real(operation: str, name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as float64, or say that they are no real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{operation}: {name} must hold real numbers, got dtype {array.dtype}.")
    return array.astype(np.float64)


def as_frequencies(operation: str, frequencies: ArrayLike) -> NDArray[np.float64]:
    """Return `frequencies` as float64, or say why they are none."""
    if np.asarray(frequencies).dtype == np.float16:
        raise TypeError(f"{operation}: frequencies are float16, which turns far positions wrongly. Pass float64.")
    array = as_real(operation, "frequencies", frequencies)
    if array.size:
        _rope_arguments.check_range(operation, array.min(), array.max())
    return array
