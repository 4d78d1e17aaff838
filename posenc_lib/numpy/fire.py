"""FIRE: a function of the distance, as a share of what the query can see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_real, floating
from posenc_lib.numpy._relative import as_pair, distances


def fire_bias(
    mlp: Callable[[NDArray[np.float64]], ArrayLike],
    query_positions: ArrayLike,
    key_positions: ArrayLike,
    *,
    c: ArrayLike,
    threshold: ArrayLike,
    dtype: DTypeLike | None = None,
) -> NDArray[np.float64]:
    """Return f(ψ(m − n) / ψ(max(L, m))) for query position m and key position n, with ψ(x) = log(c·x + 1).

    A distance is told to the function f, an MLP with an output for each head, as a share of the longest that
    the query can see: between 0 and 1, however long the sequence. ψ gives near distances more of that range,
    and up to position L the share is of L, so that short sequences are not spread out.

    The bias does depend on the query's own position m, beyond L: of the biases here this is the only one that is
    not the same when all positions move on. So a cache needs true positions, and padding or packing needs
    each token's position in its own sequence, from 0.

    The paper is causal. For keys after their query ψ may have no value; |m − n| stands for m − n, as in the code
    named below, so that f sees their distance and not their direction, and where they are farther than
    max(L, m) a share above 1. It hides nothing: pass `causal=True` or a mask besides.

    Parameters
    ----------
    mlp : callable
        f, from shape (..., T, S, 1) to (..., T, S, H): a NumPy function.
        The paper's has two hidden layers of 32, the code's one, with ReLU.
    query_positions : array_like or range, shape (..., T)
        Integers or real numbers below 2**53 in size, from 0. Not float16.
    key_positions : array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    c : float
        How much ψ bends; above 0. Learned, from 0.1 on in the code.
    threshold : float
        L, above 0; learned, from 512 on in the code.
    dtype : numpy dtype, optional
        Of what `mlp` is given, and so of most results; float64 by default.

    Returns
    -------
    numpy.ndarray
        Shape (..., H, T, S), dtype as `mlp` returned it; the `bias` of `attention`.

    Raises
    ------
    TypeError
        Positions are no real numbers or are float16, c or threshold is no real number, `dtype` is not
        floating.
    ValueError
        c or threshold is not one number above 0; positions have no token
        axis, differ in their leading axes, or one of them is not finite or too large; `mlp` returned
        another shape.

    References
    ----------
    Li et al. (2024), "Functional Interpolation for Relative Positions Improves Long Context Transformers",
    section 3; as code in mcleish7/arithmetic, class FIRE of cramming/architectures/embeddings.py.

    Examples
    --------
    >>> def fall(share):     # for two heads
    ...     return -share * [1.0, 2.0]
    >>> fire_bias(fall, [3], range(4), c=1.0, threshold=1.0).round(3)     # key 0 is as far as query 3 can see
    array([[[-1.   , -0.792, -0.5  , -0.   ]],
    <BLANKLINE>
           [[-2.   , -1.585, -1.   , -0.   ]]])
    """
    result_dtype = floating("fire_bias", dtype)
    c, threshold = _as_number("c", c), _as_number("threshold", threshold)
    m, n = as_pair("fire_bias", query_positions, key_positions)
    longest = np.log1p(c * np.maximum(m, threshold))
    share = (np.log1p(c * distances(m, n)) / longest[..., :, None])[..., None].astype(result_dtype)
    bias = np.asarray(mlp(share))
    _arguments.fire.check_output(share.shape, bias.shape)
    return np.moveaxis(bias, -1, -3)


def _as_number(name: str, value: ArrayLike) -> NDArray[np.float64]:
    number = as_real("fire_bias", name, value)
    _arguments.fire.check_shape(name, number.shape)
    _arguments.fire.check_value(name, float(number))
    return number
