"""Sandwich: the dot products of sinusoidal codes as a bias."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import floating
from posenc_lib.numpy._relative import as_pair
from posenc_lib.numpy.sinusoidal import sinusoidal


def sandwich_bias(
    num_heads: int,
    dim: int,
    query_positions: ArrayLike,
    key_positions: ArrayLike,
    *,
    base: float = 10000.0,
    dtype: DTypeLike | None = None,
) -> NDArray[np.float64]:
    """Return p_m · p_n / (8(h + 1)/H) for each head h: the dot product of the positions' sinusoidal codes p.

    It is Σ_i cos((m − n)θ_i) over the dim/2 angular frequencies θ_i = base^(−2i/dim), divided by a number that
    grows from head to head, from 8/H to 8. Nothing in it is learned. It is largest, dim/2 before the division,
    where m = n, falls about as the logarithm of the distance does, and wavers on the way: a farther key may
    have a little more than a nearer one. Both directions are alike. It hides nothing: pass `causal=True` or a
    mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence.

    Parameters
    ----------
    num_heads : int
        H, at least 1.
    dim : int
        Size of the sinusoidal codes; even. It need not be that of the heads: the paper's is 128.
    query_positions : array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16.
    key_positions : array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    base : float
        At least 1; 10000 in the paper.
    dtype : numpy dtype, optional
        Of the result; float64 by default. Up to position p, and before the division, its absolute error is
        below dim · max(1, |p|) · 3e-16.

    Returns
    -------
    numpy.ndarray
        Shape (..., num_heads, T, S); the `bias` of `attention`. (NeMo subtracts dim/2 first, which all
        keys of a query share and softmax does not notice; and it counts i from 1, which makes another bias.)

    Raises
    ------
    TypeError
        Positions are no real numbers or are float16, `num_heads` or `dim` is no integer, `base` is no
        number, `dtype` is not floating.
    ValueError
        Positions have no token axis or differ in their leading axes, one of them is not finite or too
        large; `num_heads` is below 1, `dim` is odd, `base` is below 1.

    References
    ----------
    Chi, Fan, Rudnicky and Ramadge (2023), "Dissecting Transformer Length Extrapolation via the Lens of
    Receptive Field Analysis"; as code in meta-pytorch/attention-gym, attn_gym/mods/sandwich.py.

    Examples
    --------
    >>> sandwich_bias(2, 4, range(3), range(3))[1].round(4)
    array([[0.25  , 0.1925, 0.073 ],
           [0.1925, 0.25  , 0.1925],
           [0.073 , 0.1925, 0.25  ]])
    """
    result_dtype = floating("sandwich_bias", dtype)
    num_heads = _arguments.scalars.integer("sandwich_bias", "num_heads", num_heads, at_least=1)
    dim = _arguments.scalars.even_dim("sandwich_bias", dim)
    base = _arguments.scalars.base_of_frequencies("sandwich_bias", base)
    m, n = as_pair("sandwich_bias", query_positions, key_positions)
    products = sinusoidal(m, dim, base=base) @ np.swapaxes(sinusoidal(n, dim, base=base), -1, -2)
    compression = 8 * np.arange(1, num_heads + 1) / num_heads
    return (products[..., None, :, :] / compression[:, None, None]).astype(result_dtype)
