"""Angular frequencies: what a model fixes once. NumPy, float64, radians per position."""

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars

__all__ = ["rope"]


def rope(dim: int, *, base: float) -> NDArray[np.float64]:
    """Angular frequencies θ_i = base^(−2i/dim) of the pairs i = 0 … dim/2 − 1.

    Sinusoidal encodings and rotary embeddings (RoPE) share this geometric ladder.

    Parameters
    ----------
    dim : int
        Number of dimensions that the pairs fill; even. In a rotary embedding this is the rotary
        dimension of a head, not the width of the model.
    base : float
        At least 1. There is no default: models differ in it (1e4, 5e5, 1e6 …), and a wrong base
        raises no error later, it only makes a model worse.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position, from 1 downwards.

    Raises
    ------
    TypeError
        `dim` is no integer, or `base` no number.
    ValueError
        `dim` is odd or below 2, or `base` is below 1 or not finite.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", section 3.5; Su et al. (2021), "RoFormer",
    equation 15, which counts pairs from 1.

    Examples
    --------
    >>> rope(4, base=10000.0)
    array([1.  , 0.01])
    """
    dim = scalars.even_dim("frequencies.rope", dim)
    base = scalars.base_of_frequencies("frequencies.rope", base)
    # float64 said aloud: torch.compile traces NumPy with integers that divide to float32.
    return base ** (-np.arange(0, dim, 2, dtype=np.float64) / dim)
