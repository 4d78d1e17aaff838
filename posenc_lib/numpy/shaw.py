"""Relative position representations: a learned vector for each clipped distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_mask, as_real
from posenc_lib.numpy._positions import as_integer_positions
from posenc_lib.numpy.attention import weights


def shaw_bias(
    q: ArrayLike, table: ArrayLike, query_positions: ArrayLike | range, key_positions: ArrayLike | range
) -> NDArray[np.float64]:
    """Return q_m · a_clip(n − m, −K, K) / √d for each query at position m and key at position n.

    With it, `attention` has the logits q_m · (k_n + a) / √d: the query asks for a content and for a
    distance. Each query meets each of the 2K + 1 vectors once, and each key picks its number: no array of
    shape (T, S, d) is made.

    Parameters
    ----------
    q : array_like, shape (..., T, d)
        Queries.
    table : array_like, shape (2K + 1, d)
        Row K + r is a_r, for the relative position r = n − m (key minus query) from −K to K. The heads of a
        layer share it, as in the paper.
    query_positions : array_like or range of int, shape (T,), or as many axes as q has before d
        With more than one axis, each has q's size or 1, and the last T.
    key_positions : array_like or range of int, shape (S,), or as many axes as q has before d
        Likewise, with S for T.

    Returns
    -------
    numpy.ndarray
        Shape (..., T, S), float64; the `bias` of `attention`.

    Raises
    ------
    TypeError
        q or table holds no real numbers, or positions are no integers.
    ValueError
        The shapes do not fit.

    References
    ----------
    Shaw, Uszkoreit and Vaswani (2018), "Self-Attention with Relative Position Representations", the second
    term of equation 5. The shape is that of section 3.3; for causal attention Music Transformer (Huang et
    al. 2018) shifts rows to the same end.

    Examples
    --------
    >>> shaw_bias([[2.0], [2.0], [4.0]], [[-1.0], [0.0], [1.0]], range(3), range(3))
    array([[ 0.,  2.,  2.],
           [-2.,  0.,  2.],
           [-4., -4.,  0.]])
    """
    q, table = as_real("shaw_bias", "q", q), as_real("shaw_bias", "table", table)
    clip = _arguments.shaw.clip_of_table("shaw_bias", "table", table.shape, "q", q.shape)
    rows = _rows("shaw_bias", clip, q, None, query_positions, key_positions)
    return _bias(q, table, rows)


def shaw_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    key_table: ArrayLike,
    value_table: ArrayLike,
    query_positions: ArrayLike | range,
    key_positions: ArrayLike | range,
    *,
    mask: ArrayLike | None = None,
    causal: bool = False,
) -> NDArray[np.float64]:
    """Attention whose keys and values each get the vector of their distance: k_n + a and v_n + b, by query.

    Query m averages v_n + b_clip(n − m) with the weights softmax(q_m · (k_n + a_clip(n − m)) / √d). The
    weights of equal distances are added up before they meet b, so that no array of shape (T, S, d) is made.
    Where there is no table for the values, `attention` with `shaw_bias` is enough.

    Parameters
    ----------
    q : array_like, shape (..., T, d)
        Queries.
    k : array_like, shape (..., S, d)
        Keys.
    v : array_like, shape (..., S, e)
        Values.
    key_table : array_like, shape (2K + 1, d)
        Row K + r is a_r, for the relative position r = n − m (key minus query) from −K to K. The heads of a
        layer share it, as in the paper.
    value_table : array_like, shape (2K + 1, e)
        Row K + r is b_r.
    query_positions : array_like or range of int, shape (T,), or as many axes as q has before d
        With more than one axis, each has q's size or 1, and the last T.
    key_positions : array_like or range of int, shape (S,), or as many axes as q has before d
        Likewise, with S for T.
    mask : array_like of bool, shape (..., T, S) or (..., 1, S), optional
        True where a query may look, as in `attention`.
    causal : bool
        Let query m see the keys 0 to m only, counted as they lie in k. Needs T = S.

    Returns
    -------
    numpy.ndarray
        Shape (..., T, e), float64. A query all of whose keys are hidden gets zeros.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions are no integers, or the mask is not boolean.
    ValueError
        The shapes do not fit, or the tables differ in K.

    References
    ----------
    Shaw, Uszkoreit and Vaswani (2018), "Self-Attention with Relative Position Representations", equations
    2 to 5.

    Examples
    --------
    >>> nothing = np.zeros((2, 1))
    >>> shaw_attention(nothing, nothing, nothing, np.zeros((3, 1)), [[10.0], [20.0], [40.0]], range(2), range(2))
    array([[30.],
           [15.]])
    """
    q, k, v = (as_real("shaw_attention", name, array) for name, array in (("q", q), ("k", k), ("v", v)))
    mask = None if mask is None else as_mask("shaw_attention", mask)
    _arguments.attention.check(
        "shaw_attention", q.shape, k.shape, v.shape, mask=None if mask is None else mask.shape, causal=causal
    )
    key_table = as_real("shaw_attention", "key_table", key_table)
    value_table = as_real("shaw_attention", "value_table", value_table)
    clip = _arguments.shaw.clip_of_table("shaw_attention", "key_table", key_table.shape, "q", q.shape)
    _arguments.shaw.clip_of_table("shaw_attention", "value_table", value_table.shape, "v", v.shape)
    _arguments.shaw.check_tables("shaw_attention", key_table.shape, value_table.shape)
    rows = _rows("shaw_attention", clip, q, k.shape[-2], query_positions, key_positions)
    logits = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + _bias(q, key_table, rows)
    shares = weights(logits, mask, causal)
    return shares @ v + _added_by_row(shares, rows, len(value_table)) @ value_table


def _rows(
    operation: str,
    clip: int,
    q: NDArray[np.float64],
    keys: int | None,
    query_positions: ArrayLike | range,
    key_positions: ArrayLike | range,
) -> NDArray[np.int64]:
    """Return the row of the table for each query and key, shape (..., T, S)."""
    m = as_integer_positions(operation, query_positions).astype(np.int64)  # unsigned ones would wrap around
    n = as_integer_positions(operation, key_positions).astype(np.int64)
    if keys is None:
        keys = n.shape[-1] if n.ndim else 1
    _arguments.positions.check_along(operation, q.shape, keys, m.shape, n.shape)
    rows: NDArray[np.int64] = np.clip(n[..., None, :] - m[..., :, None], -clip, clip) + clip
    return rows


def _bias(q: NDArray[np.float64], table: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    by_row = q @ table.T / np.sqrt(q.shape[-1])
    return np.take_along_axis(by_row, np.broadcast_to(rows, (*q.shape[:-1], rows.shape[-1])), axis=-1)


def _added_by_row(shares: NDArray[np.float64], rows: NDArray[np.int64], num_rows: int) -> NDArray[np.float64]:
    """Add up the weights that each query gives to one row of the table: (..., T, S) → (..., T, num_rows)."""
    queries = np.arange(shares[..., 0].size).reshape(*shares.shape[:-1], 1)
    places = (queries * num_rows + rows).ravel()
    added = np.bincount(places, weights=shares.ravel(), minlength=queries.size * num_rows)
    return added.astype(np.float64, copy=False).reshape(*shares.shape[:-1], num_rows)
