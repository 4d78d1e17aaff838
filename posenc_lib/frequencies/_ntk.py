"""NTK-aware scaling: a larger base, fixed or growing with the length in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments


def _stretched(dim: int, base: float, factor: float) -> NDArray[np.float64]:
    """The ladder of base · factor^(dim/(dim−2)), by exponents: that base itself may overflow."""
    pairs = np.arange(0, dim, 2, dtype=np.float64)
    return np.asarray(base ** (-pairs / dim) * factor ** (-pairs / (dim - 2)))


def ntk(dim: int, *, base: float, factor: float) -> NDArray[np.float64]:
    """NTK-aware scaling: the ladder of the base b' = base · factor^(dim/(dim−2)).

    That exponent keeps the first pair at 1 and divides the last one by `factor`, exactly:
    θ'_i = θ_i · factor^(−2i/(dim−2)).

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even, at least 4: with one pair the rule contradicts itself.
    base : float
        At least 1. There is no default.
    factor : float
        How many times longer the context becomes; at least 1.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position, from 1 downwards.

    Raises
    ------
    TypeError
        `dim` is no integer, or `base` or `factor` no number (True and False are none).
    ValueError
        `dim` is odd or below 4, `base` or `factor` is below 1 or not finite.

    References
    ----------
    bloc97 (2023), "NTK-Aware Scaled RoPE", r/LocalLLaMA; Peng et al. (2023), "YaRN", on
    "NTK-aware" interpolation: b' = b · s^(|D|/(|D|−2)).

    Examples
    --------
    >>> ntk(4, base=10000.0, factor=8.0)
    array([1.     , 0.00125])
    """
    operation = "frequencies.ntk"
    dim = _arguments.dim_of_two_pairs(operation, dim)
    return _stretched(dim, scalars.base_of_frequencies(operation, base), _arguments.scale(operation, factor))


def dynamic_ntk(
    dim: int, *, base: float, factor: float, original_length: int, length: int
) -> NDArray[np.float64]:
    """Dynamic NTK scaling: `ntk` by α = factor · length / original_length − (factor − 1).

    Up to `original_length` positions α is 1 and nothing is scaled. Beyond, the frequencies depend
    on how many positions are in use, so keys that a cache holds already turned belong to another
    ladder than the keys that come next: cache them before the rotation.

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even, at least 4.
    base : float
        At least 1. There is no default.
    factor : float
        How fast α grows with the length; at least 1. With 1, α is length / original_length.
    original_length : int
        Positions in pretraining.
    length : int
        Positions in use now.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position, from 1 downwards.

    Raises
    ------
    TypeError
        `dim` or a length is no integer, or `base` or `factor` no number (True and False are none).
    ValueError
        `dim` is odd or below 4, `base` or `factor` is below 1 or not finite, or a length is below 1.

    References
    ----------
    emozilla (2023), "Dynamically Scaled RoPE", r/LocalLLaMA, whose code this α is; Peng et al.
    (2023), "YaRN", on dynamic scaling, has α = length / original_length, which is factor=1 here.

    Examples
    --------
    >>> dynamic_ntk(4, base=10000.0, factor=2.0, original_length=100, length=100)
    array([1.  , 0.01])
    >>> dynamic_ntk(4, base=10000.0, factor=2.0, original_length=100, length=250)
    array([1.    , 0.0025])
    """
    operation = "frequencies.dynamic_ntk"
    dim = _arguments.dim_of_two_pairs(operation, dim)
    base = scalars.base_of_frequencies(operation, base)
    factor = _arguments.scale(operation, factor)
    original_length = _arguments.length(operation, "original_length", original_length)
    length = _arguments.length(operation, "length", length)
    growth = max(length, original_length) / original_length
    return _stretched(dim, base, factor * growth - (factor - 1))
