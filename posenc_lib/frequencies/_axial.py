"""Axial RoPE: one ladder for every axis of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies._rope import rope


def axial(dim: int, *, base: float, axes: int = 2) -> NDArray[np.float64]:
    """The ladder that every axis of an axial rotary embedding uses: `rope` over dim / axes dimensions.

    Axis a turns pairs a·n … a·n + n − 1 by its own positions, n = dim / (2 · axes).

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head, all axes together; a multiple of 2 · axes.
    base : float
        At least 1. There is no default. Vision models have 100 or 10000.
    axes : int
        Axes of the grid: 2 for images, 3 for videos.

    Returns
    -------
    numpy.ndarray
        Shape (dim/(2·axes),), float64, radians per position along an axis, from 1 downwards.

    Raises
    ------
    TypeError
        `dim` or `axes` is no integer, or `base` no number.
    ValueError
        `dim` is no multiple of 2 · axes, or `base` is below 1 or not finite.

    References
    ----------
    Heo et al. (2024), "Rotary Position Embedding for Vision Transformer", on axial
    frequencies; Fang et al. (2023), "EVA-02".

    Examples
    --------
    >>> axial(8, base=100.0)
    array([1. , 0.1])
    """
    operation = "frequencies.axial"
    axes = scalars.integer(operation, "axes", axes, at_least=1)
    dim = scalars.even_dim(operation, dim)
    if dim % (2 * axes):
        smaller = dim - dim % (2 * axes)
        use = f"{smaller} or {smaller + 2 * axes}" if smaller else str(2 * axes)
        raise ValueError(
            f"{operation}: dim must be a multiple of 2 · axes = {2 * axes}, so that every axis gets whole "
            f"pairs; got {dim}. Use {use}."
        )
    return rope(dim // axes, base=scalars.base_of_frequencies(operation, base))
