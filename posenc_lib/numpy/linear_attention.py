"""Linear attention: similarities that factor, so that keys and values are summed once for all queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_real
from posenc_lib.numpy._pairs import turn
from posenc_lib.numpy._positions import as_positions
from posenc_lib.numpy._rotary import as_frequencies


def linear_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    positions: ArrayLike | range | None = None,
    frequencies: ArrayLike | None = None,
    layout: str = "interleaved",
    normalize: str = "unrotated",
    feature_map: Callable[[NDArray[np.float64]], ArrayLike] | None = None,
    causal: bool = False,
) -> NDArray[np.float64]:
    """Sum the values, weighted by (R_m φ(q_m)) · (R_n φ(k_n)), and divide by the sum that `normalize` names.

    R_m turns the features at position m as `rope` turns a query; without positions it does nothing. Then
    the weights are positive and sum to 1, as in softmax attention. Turned features keep their length and
    not their sign: some weights are negative, and what they sum to depends on what they are divided by.

    RoFormer's equation 19 divides by the weights before the turn. The quotients do not sum to 1: for elu + 1,
    Gaussian q and k of d = 64, 1024 tokens and base 10000 their sums go from 0.18 to 0.47, and 3% of them are
    negative. Divided by their own sum they do sum to 1, but nothing keeps that sum from 0. To turn before
    the feature map instead, pass ``rope(q, …)`` and ``rope(k, …)`` without positions: weights stay positive and
    sum to 1, but they depend on m and n, not on m − n alone.

    The products φ(k_n) v_nᵀ are added up once for all queries, or for `causal` one token after another:
    O(T D e) operations, and no array of shape (T, S).

    Parameters
    ----------
    q : array_like, shape (..., T, d)
        Queries.
    k : array_like, shape (..., S, d)
        Keys.
    v : array_like, shape (..., S, e)
        Values.
    positions : array_like or range, shape (T,), or as many axes as q has before d, optional
        Of queries and keys alike; needs T = S. As in `rope`.
    frequencies : array_like, shape (n,), optional
        θ_i in radians per position, as in `rope`; the first 2n of the D features turn. With positions.
    layout : str
        Which features are a pair: "interleaved" (2i, 2i + 1) or "half" (i, i + n).
    normalize : str
        What the weighted sum is divided by. "unrotated": Σ_n φ(q_m) · φ(k_n), as in equation 19.
        "rotated": Σ_n (R_m φ(q_m)) · (R_n φ(k_n)), the sum of the weights themselves.
    feature_map : callable, optional
        φ, which takes q, then k, and returns features, (..., T, D) and (..., S, D); elu(x) + 1 by default.
        It should be positive: nothing else keeps the divisor from 0. None is added to it here.
    causal : bool
        Let query m see the keys 0 to m only. Needs T = S.

    Returns
    -------
    numpy.ndarray
        Shape (..., T, e), float64. NaN or ±∞ where the divisor is 0, as where all features of a query
        underflow.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions or frequencies are float16, or `feature_map` is no function.
    ValueError
        The shapes do not fit, positions come without frequencies or these without them, there is no
        frequency, a position or frequency is not finite or too large, or `layout` or `normalize` is
        unknown.

    References
    ----------
    Su et al. (2021), "RoFormer", equation 19; Katharopoulos et al. (2020), "Transformers are RNNs: Fast
    Autoregressive Transformers with Linear Attention", equations 5, 7 and 12.

    Examples
    --------
    >>> x = np.zeros((3, 2))
    >>> linear_attention(x, x, [[1.0], [2.0], [6.0]], causal=True)     # plain means, for all features are 1
    array([[1. ],
           [1.5],
           [3. ]])
    >>> eye = np.eye(3)                                                # the weights themselves
    >>> linear_attention(x, x, eye, positions=range(3), frequencies=[np.pi / 2]).round(4) + 0
    array([[ 0.3333,  0.    , -0.3333],
           [ 0.    ,  0.3333,  0.    ],
           [-0.3333,  0.    ,  0.3333]])
    """
    _arguments.linear_attention.check_settings(layout, normalize, feature_map, positions, frequencies)
    q, k, v = (as_real("linear_attention", name, array) for name, array in (("q", q), ("k", k), ("v", v)))
    _arguments.attention.check(
        "linear_attention",
        q.shape,
        k.shape,
        v.shape,
        causal=causal,
        instead=_arguments.linear_attention.INSTEAD_OF_CAUSAL,
    )
    feature_map = feature_map or _elu_plus_1
    plain = _features(q, feature_map), _features(k, feature_map)
    _arguments.linear_attention.check_features(q.shape, k.shape, plain[0].shape, plain[1].shape)
    turned = plain if positions is None or frequencies is None else _turned(*plain, positions, frequencies, layout)
    weighted = _summed(*turned, v, causal)
    divided_by = turned if normalize == "rotated" else plain
    return weighted / _summed(*divided_by, np.ones((*v.shape[:-1], 1)), causal)


def _features(
    x: NDArray[np.float64], feature_map: Callable[[NDArray[np.float64]], ArrayLike]
) -> NDArray[np.float64]:
    return as_real("linear_attention", "what feature_map returns", feature_map(x))


def _elu_plus_1(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))  # exp(x) − 1 + 1 would round small values off


def _turned(
    q: NDArray[np.float64], k: NDArray[np.float64], positions: ArrayLike | range, frequencies: ArrayLike, layout: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    positions = as_positions("linear_attention", positions)
    frequencies = as_frequencies("linear_attention", frequencies)
    _arguments.linear_attention.check_turning(q.shape, k.shape)
    _arguments.rope.check(
        q.shape, positions.shape, frequencies.shape, layout, operation="linear_attention", name="the features of q"
    )
    angles = positions[..., None] * frequencies
    cos, sin = np.cos(angles), np.sin(angles)
    return turn(q, cos, sin, layout), turn(k, cos, sin, layout)


def _summed(
    q: NDArray[np.float64], k: NDArray[np.float64], v: NDArray[np.float64], causal: bool
) -> NDArray[np.float64]:
    """Return Σ_n (q_m · k_n) v_n for each m, as q_m Σ_n k_n v_nᵀ; over n ≤ m where causal."""
    if not causal:
        result: NDArray[np.float64] = q @ (np.swapaxes(k, -1, -2) @ v)
        return result
    seen = np.zeros((*k.shape[:-2], k.shape[-1], v.shape[-1]))
    sums = np.empty((*q.shape[:-1], v.shape[-1]))
    for m in range(q.shape[-2]):
        seen += k[..., m, :, None] * v[..., m, None, :]
        sums[..., m, :] = (q[..., m, None, :] @ seen)[..., 0, :]
    return sums
