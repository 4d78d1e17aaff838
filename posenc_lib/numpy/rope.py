"""Rotary position embedding."""

import numpy as np

from posenc_lib import _rope_arguments
from posenc_lib.numpy._positions import as_positions


def rope(x, positions, frequencies, *, layout="interleaved"):
    """Turn pair i of x at position m by the angle +mθ_i: (a, b) → (a cos mθ_i − b sin mθ_i, a sin mθ_i + b cos mθ_i).

    For queries and keys, never for values: the dot product of a turned query and a turned key sees
    only how far apart they stand.

    Parameters
    ----------
    x : array_like, shape (..., T, dim)
        Queries or keys; integers are taken as real numbers. The token axis is the last but one.
    positions : array_like or range, shape (T,), or as many axes as x has before dim
        Integers or real numbers, negative ones too, below 2**53 in size; not float16. With more
        than one axis, each has x's size or 1, and the last T: (B, 1, T) gives each sequence of
        a batch its own positions, the same in all heads.
    frequencies : array_like, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`. The first r = 2n
        dimensions turn, the rest stays as it is (partial rotary). A pair of frequency 0 does not
        turn, one of negative frequency turns the other way.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1), as in the paper and in Meta's Llama;
        "half" (i, i + r/2), as in GPT-NeoX and in the transformers package's Llama. Weights
        trained with one are scrambled by the other.

    Returns
    -------
    numpy.ndarray
        Shape of x, float64; a copy. For |θ_i| ≤ 1 the error of a pair, relative to its length,
        stays below max(1, |m|) · 3e-16.

    Raises
    ------
    TypeError
        An array holds no real numbers, or positions or frequencies are float16.
    ValueError
        The shapes do not fit, there is no frequency or one is not finite, a position is not finite
        or too large, or the layout is unknown.

    References
    ----------
    Su et al. (2021), "RoFormer", equations 14, 15 and 34.

    Examples
    --------
    >>> rope([[1.0, 0.0], [1.0, 0.0]], [0, 1], [np.pi / 2]).round(4)
    array([[1., 0.],
           [0., 1.]])
    """
    x = _as_real("x", x).astype(np.float64)  # a copy, in which the pairs turn
    positions = as_positions("rope", positions)
    frequencies = _as_frequencies(frequencies)
    _rope_arguments.check(x.shape, positions.shape, frequencies.shape, layout)
    angles = positions[..., None] * frequencies
    cos, sin = np.cos(angles), np.sin(angles)
    first, second = _pairs(len(frequencies), layout)
    a, b = x[..., first], x[..., second]
    x[..., first], x[..., second] = a * cos - b * sin, a * sin + b * cos
    return x


def _pairs(n, layout):
    """The places of the first and of the second members of n pairs."""
    if layout == "interleaved":
        return slice(0, 2 * n, 2), slice(1, 2 * n, 2)
    return slice(0, n), slice(n, 2 * n)


def _as_frequencies(frequencies):
    frequencies = _as_real("frequencies", frequencies)
    if frequencies.dtype == np.float16:
        raise TypeError("rope: frequencies are float16, which turns far positions wrongly. Pass float64.")
    if not np.all(np.isfinite(frequencies)):
        raise ValueError(
            f"rope: frequencies must be finite, got values from {frequencies.min()} to {frequencies.max()}."
        )
    return frequencies.astype(np.float64)


def _as_real(name, array):
    array = np.asarray(array)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"rope: {name} must hold real numbers, got dtype {array.dtype}.")
    return array
