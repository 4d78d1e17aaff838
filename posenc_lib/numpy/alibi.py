"""ALiBi: attention with linear biases."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import floating
from posenc_lib.numpy._relative import as_pair, distances


def alibi_slopes(num_heads: int, *, dtype: DTypeLike | None = None) -> NDArray[np.float64]:
    """Return the slope of each head, 2^(−8(h+1)/H) for h = 0 … H − 1 when H is a power of two.

    For any other number of heads the paper gives no rule; this is that of the authors' code, which
    trained models (BLOOM, MPT, Falcon) follow: the slopes of the next smaller power of two P, then
    the first H − P of every second slope of 2P heads: 2^(−8(2h+1)/2P) for h = 0 … H − P − 1.

    Parameters
    ----------
    num_heads : int
        H, at least 1.
    dtype : numpy dtype, optional
        Of the result; float64 by default. Slopes are computed in float64 and rounded once.

    Returns
    -------
    numpy.ndarray
        Shape (num_heads,), positive.

    Raises
    ------
    TypeError
        `num_heads` is no integer, `dtype` is not floating.
    ValueError
        `num_heads` is below 1.

    References
    ----------
    Press, Smith and Lewis (2022), "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation", section 3; for other numbers of heads the authors' repository,
    ofirpress/attention_with_linear_biases, `get_slopes` in fairseq/models/transformer.py.

    Examples
    --------
    >>> alibi_slopes(4)
    array([0.25      , 0.0625    , 0.015625  , 0.00390625])
    >>> alibi_slopes(6)
    array([0.25      , 0.0625    , 0.015625  , 0.00390625, 0.5       ,
           0.125     ])
    """
    result_dtype = floating("alibi_slopes", dtype)
    num_heads = _arguments.scalars.integer("alibi_slopes", "num_heads", num_heads, at_least=1)
    return _slopes(num_heads).astype(result_dtype)


def alibi_bias(
    num_heads: int,
    query_positions: ArrayLike,
    key_positions: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
) -> NDArray[np.float64]:
    """Return −slope · |m − n| for each head, query position m and key position n.

    The paper is causal: it defines the bias for keys at or before their query, n ≤ m, and that is all
    that a causal mask leaves. For keys after it this bias falls with the distance too, as the authors
    propose for encoders. It hides nothing: pass `causal=True` or a mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence. Whatever position padding is given, a
    mask must hide it.

    Parameters
    ----------
    num_heads : int
        H, at least 1; `alibi_slopes` gives the slopes.
    query_positions : array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16.
    key_positions : array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    dtype : numpy dtype, optional
        Of the result; float64 by default.

    Returns
    -------
    numpy.ndarray
        Shape (..., num_heads, T, S), at most 0; the `bias` of `attention`. (BLOOM, MPT and Falcon add
        slope · n, one row for all queries. With a causal mask that is as good: it differs by
        slope · m, which all keys of a query share, and softmax does not notice a constant.)

    Raises
    ------
    TypeError
        Positions are no real numbers or are float16, `num_heads` is no integer, `dtype` is not floating.
    ValueError
        Positions have no token axis or differ in their leading axes, one of them is not finite or too
        large, or `num_heads` is below 1.

    References
    ----------
    Press, Smith and Lewis (2022), "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation", section 3; for keys after the query the first author's proposal in
    ofirpress/attention_with_linear_biases, issue 5.

    Examples
    --------
    >>> alibi_bias(2, range(3), range(3))[0] * 16
    array([[ 0., -1., -2.],
           [-1.,  0., -1.],
           [-2., -1.,  0.]])
    >>> alibi_bias(2, [2], range(3))[0] * 16     # decoding token 2 on its own
    array([[-2., -1.,  0.]])
    """
    result_dtype = floating("alibi_bias", dtype)
    num_heads = _arguments.scalars.integer("alibi_bias", "num_heads", num_heads, at_least=1)
    m, n = as_pair("alibi_bias", query_positions, key_positions)
    # Subtracted from 0, for a minus sign alone would print −0 on the diagonal.
    return (0 - _slopes(num_heads)[:, None, None] * distances(m, n)[..., None, :, :]).astype(result_dtype)


def _slopes(num_heads: int) -> NDArray[np.float64]:
    power = 2 ** (num_heads.bit_length() - 1)  # the largest power of two that is not above num_heads
    first = np.arange(1, power + 1) / power
    between = np.arange(1, 2 * (num_heads - power), 2) / (2 * power)
    return 2.0 ** (-8 * np.concatenate([first, between]))
