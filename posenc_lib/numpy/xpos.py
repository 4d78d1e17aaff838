"""xPos: rotary position embedding whose dot products fade with distance."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy import _rotary
from posenc_lib.numpy._pairs import turn


def xpos(
    x: ArrayLike,
    positions: ArrayLike,
    frequencies: ArrayLike,
    *,
    role: str,
    scale_base: float = 512.0,
    gamma: float = 0.4,
    layout: str = "interleaved",
) -> NDArray[np.float64]:
    """Turn pair i of x at position m by the angle mθ_i, as `rope`, and scale queries by ζ_i^(m/B), keys by ζ_i^(−m/B).

    ζ_i = (i/n + γ) / (1 + γ) lies between 0 and 1 and is smallest for the pairs that turn fastest; B
    is `scale_base`. So the part of pair i in the dot product of a query at m and a key at n is that of
    `rope` times ζ_i^((m − n)/B): it fades with distance. It grows for keys after the query, so this is
    for causal attention.

    Only m − n counts, but the factors themselves leave the range of floating numbers where m is large
    (float32 at B = 512 and γ = 0.4: beyond 35694; float16: beyond 3966). Subtract one number from the
    positions of all queries and keys, and keep it for a cache: the logits stay the same. The authors'
    code, x-transformers and rotary-embedding-torch subtract half the length, from the exponent alone.

    Parameters
    ----------
    x : array_like, shape (..., T, dim)
        Queries or keys, never values; integers are taken as real numbers.
    positions : array_like or range, shape (T,), or as many axes as x has before dim
        As for `rope`.
    frequencies : array_like, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`, fastest first. The first
        2n dimensions turn, the rest stays as it is.
    role : str
        "query" or "key": what x holds.
    scale_base : float
        B, above 0: how far, in positions, pair i fades by the factor ζ_i.
    gamma : float
        γ, above 0; the larger, the less the pairs fade.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1), as in the authors' code, or "half"
        (i, i + n).

    Returns
    -------
    numpy.ndarray
        Shape of x, float64; a copy.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions or frequencies are float16, or `scale_base` or `gamma`
        is no number.
    ValueError
        The shapes do not fit, there is no frequency or one is not finite or too large, a position is
        not finite or so large that its factor is no normal number, `scale_base` or `gamma` is not above 0, or the
        role or the layout is unknown.

    References
    ----------
    Sun et al. (2022), "A Length-Extrapolatable Transformer", algorithm 1; with B, and B and γ by default,
    as in its code, microsoft/torchscale, torchscale/component/xpos_relative_position.py.

    Examples
    --------
    >>> xpos([[1.0, 0.0]], [3], [np.pi / 2], role="query", scale_base=1, gamma=1).round(4) + 0     # ζ_0 = 1/2
    array([[ 0.   , -0.125]])
    >>> xpos([[1.0, 0.0]], [3], [np.pi / 2], role="key", scale_base=1, gamma=1).round(4) + 0
    array([[ 0., -8.]])
    """
    x, positions, frequencies = _rotary.arguments("xpos", x, positions, frequencies)
    _arguments.rope.check(x.shape, positions.shape, frequencies.shape, layout, operation="xpos")
    sign = _arguments.xpos.sign_of(role)
    B = _arguments.scalars.positive("xpos", "scale_base", scale_base)
    gamma = _arguments.scalars.positive("xpos", "gamma", gamma)
    if positions.size:
        tiny = float(np.finfo(np.float64).tiny)
        _arguments.xpos.check_reach(positions.min(), positions.max(), gamma, B, tiny, "float64")
    n = len(frequencies)
    zeta = (np.arange(n) / n + gamma) / (1 + gamma)
    angles, factors = positions[..., None] * frequencies, zeta ** (sign * positions[..., None] / B)
    return turn(x, factors * np.cos(angles), factors * np.sin(angles), layout)
