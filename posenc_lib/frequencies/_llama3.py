"""Llama 3.1's scaling: long wavelengths divided, short ones kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments, _by_parts
from posenc_lib.frequencies._rope import rope


def llama3(
    dim: int,
    *,
    base: float,
    factor: float,
    original_length: int,
    low_freq_factor: float,
    high_freq_factor: float,
) -> NDArray[np.float64]:
    """Llama 3.1's rule: θ_i (γ_i + (1 − γ_i) / factor), by the turns r_i = original_length · θ_i / 2π.

    γ_i = (r_i − low_freq_factor) / (high_freq_factor − low_freq_factor), kept within 0 … 1. Pairs
    that made more than `high_freq_factor` turns in pretraining stay, pairs that made fewer than
    `low_freq_factor` are interpolated. It is the ramp of YaRN's paper with other bounds and no
    attention factor. Where both factors are equal, as in Llama 4 Scout, the ramp is a step: pairs
    that made at least so many turns stay, the others are divided.

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even.
    base : float
        At least 1. There is no default.
    factor : float
        How many times longer the context becomes; at least 1. Llama 3.1 has 8.
    original_length : int
        Positions in pretraining. Llama 3.1 has 8192.
    low_freq_factor : float
        Turns up to which a pair is divided by `factor`; above 0. Llama 3.1 has 1.
    high_freq_factor : float
        Turns from which a pair stays as it is; at least `low_freq_factor`. Llama 3.1 has 4.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position.

    Raises
    ------
    TypeError
        `dim` or `original_length` is no integer, or another argument no number.
    ValueError
        `dim` is odd or below 2, `base` or `factor` is below 1, `original_length` is below 1,
        `low_freq_factor` is 0 or less, or above `high_freq_factor`, or a number is not finite.

    References
    ----------
    Meta's code for Llama 3.1 (2024), `apply_scaling` in meta-llama/llama-models; the rule is not in
    the report, Grattafiori et al. (2024), "The Llama 3 Herd of Models".

    Examples
    --------
    >>> llama3(4, base=10000.0, factor=8.0, original_length=100, low_freq_factor=1.0, high_freq_factor=4.0)
    array([1.     , 0.00125])
    """
    operation = "frequencies.llama3"
    ladder = rope(scalars.even_dim(operation, dim), base=scalars.base_of_frequencies(operation, base))
    factor = _arguments.scale(operation, factor)
    original_length = _arguments.length(operation, "original_length", original_length)
    low, high = _arguments.ascending(
        operation, "low_freq_factor", low_freq_factor, "high_freq_factor", high_freq_factor, may_meet=True
    )
    return _by_parts.by_turns(ladder, factor=factor, original_length=original_length, low=low, high=high)
