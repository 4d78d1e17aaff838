"""The positions of queries and keys together, and how far apart they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._positions import as_positions


def as_pair(
    operation: str, query_positions: ArrayLike, key_positions: ArrayLike | range
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both in float64, shapes (..., T) and (..., S), or say why they are no such positions."""
    m, n = as_positions(operation, query_positions), as_positions(operation, key_positions)
    _arguments.positions.check_beside(operation, m.shape, n.shape)
    return m, n


def as_integer_pair(
    operation: str, query_positions: ArrayLike, key_positions: ArrayLike | range
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both in int64, likewise."""
    for name, positions in (("query_positions", query_positions), ("key_positions", key_positions)):
        positions = np.asarray(positions)
        if positions.dtype.kind == "f" and positions.size:
            raise TypeError(_arguments.positions.no_distances(operation, name, positions.dtype))
    m, n = as_pair(operation, query_positions, key_positions)
    return m.astype(np.int64), n.astype(np.int64)


def distances(m: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |m − n| for each query and key, shape (..., T, S)."""
    return np.abs(m[..., :, None] - n[..., None, :])
