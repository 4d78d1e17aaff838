"""Learned absolute positional encoding: a table with one row a position."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib.numpy._positions import as_integer_positions


def learned(positions: ArrayLike, table: ArrayLike) -> NDArray[np.float64]:
    """Look up the row of `table` at each position.

    Parameters
    ----------
    positions : array_like of int or range, shape (...)
        From 0 to L − 1. A negative position is refused, although NumPy would count it from the end.
    table : array_like, shape (L, dim)
        The rows that a model has learned, one for each position.

    Returns
    -------
    numpy.ndarray
        Shape (..., dim), dtype of `table`; a copy.

    Raises
    ------
    IndexError
        A position has no row: it is negative, or past the end of the table.
    TypeError
        Positions are not integers.
    ValueError
        `table` is not two-dimensional.

    References
    ----------
    Gehring et al. (2017), "Convolutional Sequence to Sequence Learning", section 3.1.

    Examples
    --------
    >>> learned([1, 0], [[0.0, 1.0], [2.0, 3.0]])
    array([[2., 3.],
           [0., 1.]])
    """
    positions = as_integer_positions("learned", positions)
    table = np.asarray(table)
    if table.ndim != 2:
        raise ValueError(f"learned: table must have shape (length, dim), got {table.shape}.")
    if positions.size and not (positions.min() >= 0 and positions.max() < len(table)):
        raise IndexError(
            f"learned: the table has rows for positions 0 to {len(table) - 1}, got positions from "
            f"{positions.min()} to {positions.max()}. A learned table ends where its training did."
        )
    rows: NDArray[np.float64] = table[positions]
    return rows
