"""What may stand for a position in the NumPy twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Above this, float64 no longer tells one integer from the next.
LARGEST_EXACT = 2**53


def as_positions(operation: str, positions: ArrayLike) -> NDArray[np.float64]:
    """Return `positions` as float64, or say why they are not positions."""
    positions = np.asarray(positions)
    kind = positions.dtype.kind
    if positions.dtype == np.float16:
        raise TypeError(
            f"{operation}: positions are float16, which cannot tell 2048 from 2049. "
            "Pass integers, float32 or float64."
        )
    if kind not in "iuf":
        raise TypeError(
            f"{operation}: positions must be integers or real numbers, got dtype {positions.dtype}."
        )
    if positions.size and not np.all(np.abs(positions.astype(np.float64)) < LARGEST_EXACT):
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {positions.min()} to {positions.max()}."
        )
    return positions.astype(np.float64)


def as_integer_positions(operation: str, positions: ArrayLike) -> NDArray[np.integer]:
    """Return `positions` as an integer array, or say why they cannot number the rows of a table."""
    positions = np.asarray(positions)
    if positions.size == 0:
        return positions.astype(np.int64)
    if positions.dtype.kind not in "iu":
        raise TypeError(
            f"{operation}: a table has rows at integer positions only, got dtype {positions.dtype}. "
            "Fractional positions need a formula, such as sinusoidal."
        )
    return positions
