"""LongRoPE: a divisor of its own for every pair, and the attention factor that goes with it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments
from posenc_lib.frequencies._rope import rope


def longrope(dim: int, *, base: float, factors: ArrayLike) -> NDArray[np.float64]:
    """LongRoPE: θ_i / λ_i, with divisors λ_i that a search found for one model.

    A model has two sets: `short_factor` up to its original length and `long_factor` beyond. The
    choice depends on the number of positions in use, so a cache of turned keys does not survive
    the step from one set to the other.

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even.
    base : float
        At least 1. There is no default.
    factors : array_like
        Shape (dim/2,), above 0: one divisor for every pair. Released ones go slightly below 1.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position.

    Raises
    ------
    TypeError
        `dim` is no integer, `base` no number, or `factors` holds something else than real numbers.
    ValueError
        `dim` is odd or below 2, `base` is below 1 or not finite, `factors` has another shape than
        (dim/2,), or one of them is not above 0 or not finite.

    References
    ----------
    Ding et al. (2024), "LongRoPE": its rescale factors λ_i.

    Examples
    --------
    >>> longrope(4, base=10000.0, factors=[1.0, 4.0])
    array([1.    , 0.0025])
    """
    operation = "frequencies.longrope"
    ladder = rope(scalars.even_dim(operation, dim), base=scalars.base_of_frequencies(operation, base))
    return ladder / _divisors(operation, factors, len(ladder))


def _divisors(operation: str, factors: ArrayLike, pairs: int) -> NDArray[np.float64]:
    found = np.asarray(factors)
    if found.dtype.kind not in "iuf":
        raise TypeError(f"{operation}: factors must be real numbers, got an array of {found.dtype}.")
    if found.shape != (pairs,):
        raise ValueError(
            f"{operation}: factors must have shape ({pairs},), one divisor for each of the dim/2 pairs; "
            f"got {found.shape}."
        )
    wrong = np.flatnonzero(~((found > 0) & np.isfinite(found)))
    if wrong.size:
        raise ValueError(
            f"{operation}: factors must be finite and above 0, got {found[wrong[0]]} at pair {wrong[0]}."
        )
    return found.astype(np.float64)


def longrope_attention_factor(factor: float, original_length: int) -> float:
    """What cosine and sine are multiplied by in LongRoPE: √(1 + ln factor / ln original_length).

    Parameters
    ----------
    factor : float
        How many times longer the context is: maximum length / original length; at least 1.
    original_length : int
        Positions in pretraining; at least 2.

    Returns
    -------
    float
        1 where `factor` is 1, and above 1 otherwise. Logits grow by its square.

    Raises
    ------
    TypeError
        `factor` is no number, or `original_length` no integer.
    ValueError
        `factor` is below 1 or not finite, or `original_length` is below 2.

    References
    ----------
    Microsoft's code for Phi-3 (2024), `Phi3LongRoPEScaledRotaryEmbedding` in
    modeling_phi3.py; Ding et al. (2024), "LongRoPE", has no such factor.

    Examples
    --------
    >>> longrope_attention_factor(32.0, 4096)  # Phi-3-mini-128k
    1.1902380714238083
    """
    operation = "frequencies.longrope_attention_factor"
    factor = _arguments.scale(operation, factor)
    original_length = _arguments.length(operation, "original_length", original_length, at_least=2)
    return math.sqrt(1 + math.log(factor) / math.log(original_length))
