"""What may stand for a position in the NumPy twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments


def as_positions(operation: str, positions: ArrayLike) -> NDArray[np.float64]:
    """Return `positions` as float64, or say why they are not positions."""
    positions = np.asarray(positions)
    kind = positions.dtype.kind
    if positions.dtype == np.float16:
        raise TypeError(_arguments.positions.low_precision(operation, positions.dtype, 2048))
    if kind not in "iuf":
        raise TypeError(_arguments.positions.not_real(operation, positions.dtype))
    if positions.size:
        _arguments.positions.check_range(operation, positions.min(), positions.max())
    return positions.astype(np.float64)


def as_integer_positions(operation: str, positions: ArrayLike) -> NDArray[np.integer]:
    """Return `positions` as an integer array, or say why they cannot number the rows of a table."""
    positions = np.asarray(positions)
    if positions.size == 0:
        return positions.astype(np.int64)
    if positions.dtype.kind not in "iu":
        raise TypeError(_arguments.positions.no_rows(operation, positions.dtype))
    return positions
