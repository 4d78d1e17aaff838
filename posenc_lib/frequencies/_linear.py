"""Position interpolation: every frequency divided by one factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments
from posenc_lib.frequencies._rope import rope


def linear(dim: int, *, base: float, factor: float) -> NDArray[np.float64]:
    """Position interpolation: θ_i / factor, as if positions were m / factor.

    A context `factor` times longer then turns no pair further than training did.

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even.
    base : float
        At least 1. There is no default.
    factor : float
        How many times longer the context becomes; at least 1.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position, from 1/factor downwards.

    Raises
    ------
    TypeError
        `dim` is no integer, or `base` or `factor` no number (True and False are none).
    ValueError
        `dim` is odd or below 2, `base` or `factor` is below 1 or not finite.

    References
    ----------
    Chen et al. (2023), "Extending Context Window of Large Language Models via Positional
    Interpolation": f'(x, m) = f(x, m L / L'); found at the same time by kaiokendev (2023).

    Examples
    --------
    >>> linear(4, base=10000.0, factor=8.0)
    array([0.125  , 0.00125])
    """
    operation = "frequencies.linear"
    ladder = rope(scalars.even_dim(operation, dim), base=scalars.base_of_frequencies(operation, base))
    return ladder / _arguments.scale(operation, factor)
