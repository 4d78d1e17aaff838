"""Transformer-XL: a key is asked for its content and for its distance, each by the query and by a constant."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments, frequencies
from posenc_lib.numpy._arrays import as_real
from posenc_lib.numpy._positions import as_positions
from posenc_lib.numpy.rope import rope
from posenc_lib.numpy.sinusoidal import sinusoidal


def transformer_xl_bias(
    q: ArrayLike,
    k: ArrayLike,
    content_bias: ArrayLike,
    position_bias: ArrayLike,
    position_weight: ArrayLike,
    query_positions: ArrayLike | range,
    key_positions: ArrayLike | range,
    *,
    base: float = 10000.0,
) -> NDArray[np.float64]:
    """Return (q · W R_(m−n) + u · k + v · W R_(m−n)) / √d, what Transformer-XL adds to the logit q · k / √d.

    R_p is `sinusoidal(p, dim)`, u the content bias, v the position bias, W the position weight of a head:
    the paper's terms (b), (c) and (d). With it, `attention` is Transformer-XL's.

    R is never made for each pair of tokens. A sinusoid of m − n is one of n, turned by m: (q + v) W is
    turned as `rope` turns a query, and then meets the encodings of the keys. So positions may be any
    numbers, in any order, without the paper's shift of rows.

    Parameters
    ----------
    q : array_like, shape (..., H, T, d)
        Queries of H heads.
    k : array_like, shape (..., H, S, d)
        Keys: W_(k,E) times the tokens.
    content_bias : array_like, shape (H, d)
        u; `r_w_bias` in the paper's code and in XLNet.
    position_bias : array_like, shape (H, d)
        v; `r_r_bias`.
    position_weight : array_like, shape (H, d, dim)
        W_(k,R); dim even. The last axis is in the order of `sinusoidal`, sine beside cosine. The paper's
        code and XLNet have all sines before all cosines: reorder their weights, brought to this shape, by
        ``weight[..., np.arange(dim).reshape(2, -1).T.ravel()]``.
    query_positions : array_like or range, shape (T,), or as many axes as q has before d
        Integers or real numbers, negative ones too, below 2**53 in size; not float16. With more than one
        axis, each has q's size or 1, and the last T. Behind a memory of M tokens: range(M, M + T).
    key_positions : array_like or range, shape (S,), or as many axes as q has before d
        Likewise, with S for T. With a memory: range(M + T).
    base : float
        Of the sinusoids, at least 1.

    Returns
    -------
    numpy.ndarray
        Shape (..., H, T, S), float64; the `bias` of `attention`.

    Raises
    ------
    TypeError
        An array holds no real numbers, or positions are float16.
    ValueError
        The shapes do not fit, `base` is below 1, or a position is not finite or too large.

    References
    ----------
    Dai et al. (2019), "Transformer-XL: Attentive Language Models beyond a Fixed-Length Context", section
    3.3. The paper's terms lack 1/√d, its code (kimiyoung/transformer-xl) has it.

    Examples
    --------
    >>> x, nothing = np.ones((1, 3, 1)), np.zeros((1, 1))
    >>> weight = [[[1.0, 0.0]]]                  # sin(m − n) of the first frequency, 1
    >>> transformer_xl_bias(x, x, nothing, nothing, weight, range(3), range(3)).round(4) + 0
    array([[[ 0.    , -0.8415, -0.9093],
            [ 0.8415,  0.    , -0.8415],
            [ 0.9093,  0.8415,  0.    ]]])
    """
    operation = "transformer_xl_bias"
    q, k, u, v, weight = (
        as_real(operation, name, array)
        for name, array in (
            ("q", q),
            ("k", k),
            ("content_bias", content_bias),
            ("position_bias", position_bias),
            ("position_weight", position_weight),
        )
    )
    base = _arguments.scalars.base_of_frequencies(operation, base)
    _arguments.transformer_xl.check(q.shape, k.shape, u.shape, v.shape, weight.shape)
    m, n = as_positions(operation, query_positions), as_positions(operation, key_positions)
    _arguments.positions.check_along(operation, q.shape, k.shape[-2], m.shape, n.shape)
    dim = weight.shape[-1]
    # A pair (a, b) of (q + v) W meets a sin((m−n)θ) + b cos((m−n)θ), and that is the product of (−a, b),
    # turned by −mθ, with (sin nθ, cos nθ).
    asked = (q + v[:, None]) @ weight
    asked[..., 0::2] *= -1
    turned = rope(asked, m, -frequencies.rope(dim, base=base))
    by_distance = turned @ np.swapaxes(sinusoidal(n, dim, base=base), -1, -2)
    by_content = np.swapaxes(k @ u[..., None], -1, -2)
    bias: NDArray[np.float64] = (by_distance + by_content) / np.sqrt(q.shape[-1])
    return bias
