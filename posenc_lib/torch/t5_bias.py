"""T5's bias: a learned number for each bucket of distances and each head."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib.torch._relative import as_integer_pair
from posenc_lib.torch._tensors import as_tensor
from posenc_lib.torch.t5_bucket import bucket_of


def t5_bias(
    table: torch.Tensor | ArrayLike,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    *,
    bidirectional: bool = True,
    max_distance: int = 128,
) -> torch.Tensor:
    """Return each head's number for the bucket of key minus query: table[bucket(n − m), h].

    Gradients flow to the rows used. The module `T5Bias` holds such a table.

    T5 adds it to the logits of the encoder's and of the decoder's own attention, in every layer the
    same (UMT5 has a table in each layer; the attention of decoder to encoder has none), and does not divide
    q kᵀ by √d: with `attention`, which does, multiply q by √d first.

    Only n − m counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence. It hides nothing: pass `causal=True` or a
    mask besides.

    Parameters
    ----------
    table : torch.Tensor, shape (num_buckets, H)
        A learned number for each bucket and head; a T5 checkpoint's `relative_attention_bias.weight`.
        Floating; what is no tensor has float64.
    query_positions : torch.Tensor, array_like of int or range, shape (..., T)
        Integers, negative ones too, below 2**53 in size.
    key_positions : torch.Tensor, array_like of int or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    bidirectional : bool
        True for an encoder. False for a decoder: keys after the query, which its mask hides, get the
        number of distance 0.
    max_distance : int
        From here on all distances share one bucket; see `t5_bucket`.

    Returns
    -------
    torch.Tensor
        Shape (..., H, T, S), dtype and device of `table`; the `bias` of `attention`.

    Raises
    ------
    TypeError
        Positions are no integers, `table` is not floating, `max_distance` is no integer.
    ValueError
        `table` has not two axes or no head, too few rows, or an odd number of them when bidirectional; positions
        have no token axis, differ in their leading axes or device or are too large; `max_distance` is below
        where the buckets of one distance end.

    References
    ----------
    Raffel et al. (2020), "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
    Transformer", section 2.1.

    Examples
    --------
    >>> table = torch.arange(8.0)[:, None]
    >>> t5_bias(table, range(3), range(3), max_distance=8)[0]     # before: 1 and 2 apart; after: 4 + 1 and 4 + 2
    tensor([[0., 5., 6.],
            [1., 0., 5.],
            [2., 1., 0.]])
    >>> t5_bias(table, [2], range(3), bidirectional=False, max_distance=8)[0]     # decoding token 2 on its own
    tensor([[2., 1., 0.]])
    """
    table = _as_table(table)
    m, n = as_integer_pair("t5_bias", query_positions, key_positions, table=table)
    relative = n[..., None, :] - m[..., :, None]
    bucket = bucket_of("t5_bias", relative, bidirectional, len(table), max_distance)
    # The heads' axis first, so that the values of one head lie together, as attention wants them.
    bias = table.t().index_select(1, bucket.flatten()).reshape(table.shape[1], *bucket.shape)
    return bias.movedim(0, -3)


def _as_table(table: torch.Tensor | ArrayLike) -> torch.Tensor:
    table = as_tensor("t5_bias", "table", table)
    if not table.is_floating_point():
        raise TypeError(f"t5_bias: table must be floating, as the bias is, got {table.dtype}.")
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(
            f"t5_bias: table must have shape (num_buckets, heads), with a head at least, got {tuple(table.shape)}."
        )
    return table
