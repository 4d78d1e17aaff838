"""p-RoPE: the slowest pairs do not turn at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments
from posenc_lib.frequencies._rope import rope


def proportional(dim: int, *, base: float, fraction: float, factor: float = 1.0) -> NDArray[np.float64]:
    """p-RoPE: the ⌊fraction · dim / 2⌋ fastest pairs keep θ_i / factor, all others stand still.

    Not the same as a partial rotary embedding of fraction · dim dimensions, whose ladder goes from
    1 to nearly 1/base within them: here it is the ladder of all `dim` dimensions, cut off.

    Parameters
    ----------
    dim : int
        Dimensions of a head; even.
    base : float
        At least 1. There is no default.
    fraction : float
        Share of the pairs that turn, 0 … 1; rounded down to whole pairs. Gemma 4 has 0.25.
    factor : float
        Divides the frequencies, as in `linear`; at least 1.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position: falling, then zeros.

    Raises
    ------
    TypeError
        `dim` is no integer, or another argument no number (True and False are none).
    ValueError
        `dim` is odd or below 2, `base` or `factor` is below 1, `fraction` is outside 0 … 1, or a
        number is not finite.

    References
    ----------
    Barbero et al. (2024), "Round and Round We Go! What makes Rotary Positional Encodings useful?",
    where it is p-RoPE with p = fraction.

    Examples
    --------
    >>> proportional(8, base=10000.0, fraction=0.5)
    array([1. , 0.1, 0. , 0. ])
    """
    operation = "frequencies.proportional"
    ladder = rope(scalars.even_dim(operation, dim), base=scalars.base_of_frequencies(operation, base))
    fraction = _arguments.number(operation, "fraction", fraction)
    if not 0 <= fraction <= 1:
        raise ValueError(f"{operation}: fraction must be from 0 to 1, got {fraction}.")
    factor = _arguments.scale(operation, factor)
    turning = int(fraction * dim // 2)
    ladder[turning:] = 0
    return ladder / factor
