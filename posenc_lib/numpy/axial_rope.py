"""Axial rotary position embedding: for images and videos, each axis of the grid has pairs of its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy import _rotary
from posenc_lib.numpy._pairs import turn


def axial_rope(
    x: ArrayLike,
    positions: ArrayLike,
    frequencies: ArrayLike,
    *,
    layout: str = "interleaved",
    attention_factor: float = 1.0,
) -> NDArray[np.float64]:
    """Turn the pairs of x in A blocks of n, pair i of block a by θ_i times the token's position on axis a.

    The dot product of a turned query and a turned key sees how far apart they stand on each axis.
    Models of this form, with the axes in their order:

    - EVA-02, interleaved: row and column; Llama 4's images, interleaved: column and row, from 1 on.
    - Qwen2-VL's images, half: row and column.
    - DINOv3, half: row and column, as fractions from −1 to 1, times 2π.
    - Pixtral, half: row and column, with frequencies that alternate between them: of
      θ = `frequencies.rope(dim, base=…)` rows have the even, columns the odd, which is
      frequencies = θ.reshape(-1, 2).T.

    Axes with different numbers of pairs (Flux, interleaved: 8, 28 and 28) are an `mrope` with these
    sections and the frequencies of all axes in a row.

    Parameters
    ----------
    x : array_like, shape (..., T, dim)
        Queries or keys, never values; integers are taken as real numbers. Flatten the grid into the
        token axis, and leave out tokens without a place in it, or give them position 0.
    positions : array_like, shape (A, T), or A and then as many axes as x has before dim
        For each axis the position of each token, as `rope` takes them: positions[a] has shape (T,), or
        x's sizes or 1 and T at the end. np.indices((height, width)).reshape(2, -1) numbers rows and
        columns.
    frequencies : array_like, shape (n,) or (A, n)
        θ_i in radians per position, such as `frequencies.axial(dim, base=…)`: the same on all axes, or
        a row for each. The first 2 · A · n dimensions turn, the rest stays as it is.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1) or "half" (i, i + A · n), i counting
        through all blocks.
    attention_factor : float
        Multiplies what turns, as in `rope`; above 0.

    Returns
    -------
    numpy.ndarray
        Shape of x, float64; a copy, as precise as that of `rope`.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions or frequencies are float16, or `attention_factor` is no
        number.
    ValueError
        The shapes do not fit (with the axes last, say), there is no frequency, a position or
        frequency is not finite or too large, the layout is unknown, or `attention_factor` is not finite
        and above 0.

    References
    ----------
    Heo et al. (2024), "Rotary Position Embedding for Vision Transformer", section 3.2, axial
    frequency; Fang et al. (2023), "EVA-02: A Visual Representation for Neon Genesis".

    Examples
    --------
    >>> rows, columns = np.indices((1, 3)).reshape(2, -1)
    >>> x = [[1.0, 0.0, 1.0, 0.0]] * 3
    >>> axial_rope(x, [rows, columns], [np.pi / 2]).round(4) + 0
    array([[ 1.,  0.,  1.,  0.],
           [ 1.,  0.,  0.,  1.],
           [ 1.,  0., -1.,  0.]])
    """
    x, positions, frequencies = _rotary.arguments("axial_rope", x, positions, frequencies)
    _arguments.axes.check_axial(x.shape, positions.shape, frequencies.shape, layout)
    factor = _arguments.rope.positive_factor("axial_rope", attention_factor)
    ladders = np.broadcast_to(frequencies, (len(positions), frequencies.shape[-1]))
    angles = np.concatenate(
        [along[..., None] * theta for along, theta in zip(positions, ladders, strict=True)], axis=-1
    )
    return turn(x, factor * np.cos(angles), factor * np.sin(angles), layout)
