"""What may stand for vectors, positions and frequencies where rope and its relatives turn them, in the NumPy twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_real
from posenc_lib.numpy._positions import as_positions


def arguments(
    operation: str, x: ArrayLike, positions: ArrayLike | range, frequencies: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return all three in float64, or say which is of the wrong kind."""
    return as_real(operation, "x", x), as_positions(operation, positions), as_frequencies(operation, frequencies)


def as_frequencies(operation: str, frequencies: ArrayLike) -> NDArray[np.float64]:
    """Return `frequencies` in float64, or say why they are none."""
    if np.asarray(frequencies).dtype == np.float16:
        raise TypeError(f"{operation}: frequencies are float16, which turns far positions wrongly. Pass float64.")
    array = as_real(operation, "frequencies", frequencies)
    if array.size:
        _arguments.rope.check_range(operation, array.min(), array.max())
    return array
