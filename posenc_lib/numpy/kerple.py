"""KERPLE: a bias that each head learns as two numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_real
from posenc_lib.numpy._relative import as_pair, distances


def kerple_bias(
    r1: ArrayLike,
    r2: ArrayLike,
    query_positions: ArrayLike,
    key_positions: ArrayLike,
    *,
    kind: str = "logarithmic",
) -> NDArray[np.float64]:
    """Return −r1 · log(1 + r2 · |m − n|), or −r1 · |m − n|^r2, for each head, query position m and key position n.

    Where ALiBi has one fixed slope a head, KERPLE learns two numbers: with kind "power" and r2 = 1 it is
    ALiBi, and "logarithmic", which the paper finds to extrapolate best, tells far distances apart less and
    less. Like ALiBi the paper is causal, and for keys after their query this bias falls with the distance
    too. It hides nothing: pass `causal=True` or a mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence.

    Parameters
    ----------
    r1 : array_like, shape (H,)
        How steeply each head's bias falls, above 0. The authors draw r1 from 0 to 2 and r2 from 0
        to 1 to begin with ("power": r1 from 0 to 1, r2 from 0 to 2).
    r2 : array_like, shape (H,)
        How it bends: above 0, and with kind "power" at most 2, where the paper's proof ends.
    query_positions : array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16.
    key_positions : array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    kind : str
        "logarithmic" or "power".

    Returns
    -------
    numpy.ndarray
        Shape (..., H, T, S), at most 0, float64; the `bias` of `attention`.

    Raises
    ------
    TypeError
        r1 or r2 holds no real numbers; positions are no real numbers or are float16.
    ValueError
        r1 and r2 have not one axis of one size, or leave their range; `kind` is
        unknown; positions have no token axis, differ in their leading axes, or one of them is
        not finite or too large.

    References
    ----------
    Chi, Fan, Ramadge and Rudnicky (2022), "KERPLE: Kernelized Relative Positional Embedding for Length
    Extrapolation"; the authors' repository, chijames/KERPLE, has `ParallelKerpleLog` and
    `ParallelKerplePower` in megatron/mpu/layers.py.

    Examples
    --------
    >>> kerple_bias([1.0], [1.0], [2], range(3)).round(4)
    array([[[-1.0986, -0.6931,  0.    ]]])
    >>> kerple_bias([0.5], [2.0], [2], range(3), kind="power")
    array([[[-2. , -0.5,  0. ]]])
    """
    r1, r2 = as_real("kerple_bias", "r1", r1), as_real("kerple_bias", "r2", r2)
    _arguments.kerple.check(kind, r1.shape, r2.shape)
    for name, r in (("r1", r1), ("r2", r2)):
        _arguments.kerple.check_range(kind, name, float(r.min()), float(r.max()))
    m, n = as_pair("kerple_bias", query_positions, key_positions)
    distance, a, b = distances(m, n)[..., None, :, :], r1[:, None, None], r2[:, None, None]
    growth: NDArray[np.float64] = np.log1p(b * distance) if kind == "logarithmic" else distance**b
    # Subtracted from 0, for a minus sign alone would print −0 on the diagonal.
    return 0 - a * growth
