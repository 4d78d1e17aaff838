"""Relative position representations: a learned vector for each clipped distance."""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._positions import as_integer_positions
from posenc_lib.torch._tensors import as_mask, as_one_kind, computed_in, one_device


def shaw_bias(
    q: torch.Tensor | ArrayLike,
    table: torch.Tensor | ArrayLike,
    query_positions: torch.Tensor | ArrayLike | range,
    key_positions: torch.Tensor | ArrayLike | range,
) -> torch.Tensor:
    """Return q_m · a_clip(n − m, −K, K) / √d for each query at position m and key at position n.

    With it, `attention` has the logits q_m · (k_n + a) / √d: the query asks for a content and for a
    distance. Each query meets each of the 2K + 1 vectors once, and each key picks its number: no tensor of
    shape (T, S, d) is made. Differentiable in q and table.

    Parameters
    ----------
    q : torch.Tensor, shape (..., T, d)
        Queries.
    table : torch.Tensor, shape (2K + 1, d)
        Row K + r is a_r, for the relative position r = n − m (key minus query) from −K to K; in the dtype
        and on the device of q. The heads of a layer share it, as in the paper.
    query_positions : torch.Tensor, array_like or range of int, shape (T,), or as many axes as q has before d
        With more than one axis, each has q's size or 1, and the last T: (B, 1, T) gives each sequence of a
        batch its own positions, the same in all heads. A tensor lies on q's device.
    key_positions : torch.Tensor, array_like or range of int, shape (S,), or as many axes as q has before d
        Likewise, with S for T.

    Returns
    -------
    torch.Tensor
        Shape (..., T, S), dtype and device of q; the `bias` of `attention`. Half precision is computed in
        float32 and rounded once.

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating, or positions are no integers.
    ValueError
        The shapes do not fit, or devices differ.

    References
    ----------
    Shaw, Uszkoreit and Vaswani (2018), "Self-Attention with Relative Position Representations", the second
    term of equation 5. The shape is that of section 3.3; for causal attention Music Transformer (Huang et
    al. 2018) shifts rows to the same end.

    Examples
    --------
    >>> shaw_bias(torch.tensor([[2.0], [2.0], [4.0]]), torch.tensor([[-1.0], [0.0], [1.0]]), range(3), range(3))
    tensor([[ 0.,  2.,  2.],
            [-2.,  0.,  2.],
            [-4., -4.,  0.]])
    """
    q, table = as_one_kind("shaw_bias", {"q": q, "table": table})
    clip = _arguments.shaw.clip_of_table("shaw_bias", "table", table.shape, "q", q.shape)
    rows = _rows("shaw_bias", clip, q, None, query_positions, key_positions)
    return _bias(_scaled(q), table.to(computed_in(q.dtype)), rows).to(q.dtype)


def shaw_attention(
    q: torch.Tensor | ArrayLike,
    k: torch.Tensor | ArrayLike,
    v: torch.Tensor | ArrayLike,
    key_table: torch.Tensor | ArrayLike,
    value_table: torch.Tensor | ArrayLike,
    query_positions: torch.Tensor | ArrayLike | range,
    key_positions: torch.Tensor | ArrayLike | range,
    *,
    mask: torch.Tensor | ArrayLike | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """Attention whose keys and values each get the vector of their distance: k_n + a and v_n + b, by query.

    Query m averages v_n + b_clip(n − m) with the weights softmax(q_m · (k_n + a_clip(n − m)) / √d). The
    weights of equal distances are added up before they meet b, so that no tensor of shape (T, S, d) is
    made; the weights themselves, (T, S), are. Where there is no table for the values, `attention` with
    `shaw_bias` is enough, and faster. Differentiable in all five.

    Parameters
    ----------
    q : torch.Tensor, shape (..., T, d)
        Queries.
    k : torch.Tensor, shape (..., S, d)
        Keys, in the dtype and on the device of q, as all that follow.
    v : torch.Tensor, shape (..., S, e)
        Values.
    key_table : torch.Tensor, shape (2K + 1, d)
        Row K + r is a_r, for the relative position r = n − m (key minus query) from −K to K. The heads of a
        layer share it, as in the paper.
    value_table : torch.Tensor, shape (2K + 1, e)
        Row K + r is b_r.
    query_positions : torch.Tensor, array_like or range of int, shape (T,), or as many axes as q has before d
        With more than one axis, each has q's size or 1, and the last T: (B, 1, T) gives each sequence of a
        batch its own positions, the same in all heads. A tensor lies on q's device.
    key_positions : torch.Tensor, array_like or range of int, shape (S,), or as many axes as q has before d
        Likewise, with S for T.
    mask : torch.Tensor of bool, shape (..., T, S) or (..., 1, S), optional
        True where a query may look, as in `attention`.
    causal : bool
        Let query m see the keys 0 to m only, counted as they lie in k. Needs T = S.

    Returns
    -------
    torch.Tensor
        Shape (..., T, e), dtype and device of q. A query all of whose keys are hidden gets zeros. Half
        precision is computed in float32 and rounded once.

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating, positions are no integers, or the mask is not boolean.
    ValueError
        The shapes do not fit, the tables differ in K, or devices differ.

    References
    ----------
    Shaw, Uszkoreit and Vaswani (2018), "Self-Attention with Relative Position Representations", equations
    2 to 5.

    Examples
    --------
    >>> nothing, values = torch.zeros(2, 1), torch.tensor([[10.0], [20.0], [40.0]])
    >>> shaw_attention(nothing, nothing, nothing, torch.zeros(3, 1), values, range(2), range(2))
    tensor([[30.],
            [15.]])
    """
    q, k, v, key_table, value_table = as_one_kind(
        "shaw_attention", {"q": q, "k": k, "v": v, "key_table": key_table, "value_table": value_table}
    )
    mask = None if mask is None else as_mask("shaw_attention", mask, q)
    _arguments.attention.check(
        "shaw_attention", q.shape, k.shape, v.shape, mask=None if mask is None else mask.shape, causal=causal
    )
    clip = _arguments.shaw.clip_of_table("shaw_attention", "key_table", key_table.shape, "q", q.shape)
    _arguments.shaw.clip_of_table("shaw_attention", "value_table", value_table.shape, "v", v.shape)
    _arguments.shaw.check_tables("shaw_attention", key_table.shape, value_table.shape)
    rows = _rows("shaw_attention", clip, q, k.shape[-2], query_positions, key_positions)
    dtype, q = q.dtype, _scaled(q)
    k, v, key_table, value_table = (x.to(q.dtype) for x in (k, v, key_table, value_table))
    shares = _weights(q @ k.mT + _bias(q, key_table, rows), mask, causal)
    by_row = shares.new_zeros((*shares.shape[:-1], len(value_table)))
    by_row = by_row.scatter_add(-1, rows.expand(shares.shape), shares)
    return (shares @ v + by_row @ value_table).to(dtype)


def _rows(
    operation: str,
    clip: int,
    q: torch.Tensor,
    keys: int | None,
    query_positions: torch.Tensor | ArrayLike | range,
    key_positions: torch.Tensor | ArrayLike | range,
) -> torch.Tensor:
    """Return the row of the table for each query and key, shape (..., T, S)."""
    for name, positions in (("query_positions", query_positions), ("key_positions", key_positions)):
        one_device(operation, {name: positions, "q": q})
    m, n = (as_integer_positions(operation, p, q.device) for p in (query_positions, key_positions))
    if keys is None:
        keys = n.shape[-1] if n.dim() else 1
    _arguments.positions.check_along(operation, q.shape, keys, m.shape, n.shape)
    return (n[..., None, :] - m[..., :, None]).clamp(-clip, clip) + clip


def _scaled(q: torch.Tensor) -> torch.Tensor:
    """Divide q by √d: cheaper than to divide the logits."""
    return q.to(computed_in(q.dtype)) / math.sqrt(q.shape[-1])


def _bias(q: torch.Tensor, table: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return (q @ table.mT).gather(-1, rows.expand(*q.shape[:-1], rows.shape[-1]))


def _weights(logits: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
    """Return softmax over the last axis of `logits` without what is hidden; zeros where all is."""
    if causal:
        past = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        mask = past if mask is None else mask & past
    if mask is None:
        return logits.softmax(-1)
    # A row of −inf alone would be NaN, and so would its gradient: such a row stays, and its weights go.
    hidden = ~mask & mask.any(-1, keepdim=True)
    return logits.masked_fill(hidden, float("-inf")).softmax(-1).masked_fill(~mask, 0)
