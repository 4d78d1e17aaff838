"""Axial rotary position embedding: for images and videos, each axis of the grid has pairs of its own."""

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch import _pairs, _rotary
from posenc_lib.torch._angles import reduced_angles
from posenc_lib.torch._tensors import computed_in


def axial_rope(
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike,
    frequencies: torch.Tensor | ArrayLike,
    *,
    layout: str = "interleaved",
    attention_factor: float = 1.0,
) -> torch.Tensor:
    """Turn the pairs of x in A blocks of n, pair i of block a by θ_i times the token's position on axis a.

    The dot product of a turned query and a turned key sees how far apart they stand on each axis.
    Differentiable in `x`, and in `positions` and `frequencies` where they are floating tensors that
    ask for it. Models of this form, with the axes in their order:

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
    x : torch.Tensor, shape (..., T, dim)
        Queries or keys, never values; floating. Flatten the grid into the token axis, and leave out
        tokens without a place in it, or give them position 0.
    positions : torch.Tensor or array_like, shape (A, T), or A and then as many axes as x has before dim
        For each axis the position of each token, as `rope` takes them: positions[a] has shape (T,), or
        x's sizes or 1 and T at the end. np.indices((height, width)).reshape(2, -1) numbers rows and
        columns. A tensor lies on x's device.
    frequencies : array_like or torch.Tensor, shape (n,) or (A, n)
        θ_i in radians per position, such as `frequencies.axial(dim, base=…)`: the same on all axes, or
        a row for each. The first 2 · A · n dimensions turn, the rest stays as it is. A tensor lies on
        the CPU or on x's device and has float64 for preference.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1) or "half" (i, i + A · n), i counting
        through all blocks.
    attention_factor : float
        Multiplies what turns, as in `rope`; above 0.

    Returns
    -------
    torch.Tensor
        Shape, dtype and device of x; a copy, as precise as that of `rope`.

    Raises
    ------
    TypeError
        `x` is not floating, positions or frequencies are no real numbers or have half precision, or
        `attention_factor` is no number.
    ValueError
        The shapes do not fit (with the axes last, say), devices differ, there is no frequency, the
        layout is unknown, `attention_factor` is not finite and above 0, or a position or frequency is not
        finite or too large (looked at on the CPU only).

    References
    ----------
    Heo et al. (2024), "Rotary Position Embedding for Vision Transformer", section 3.2, axial
    frequency; Fang et al. (2023), "EVA-02: A Visual Representation for Neon Genesis".

    Examples
    --------
    >>> rows, columns = [0, 0, 0], [0, 1, 2]
    >>> x = torch.tensor([[1.0, 0.0, 1.0, 0.0]] * 3)
    >>> axial_rope(x, [rows, columns], [torch.pi / 2]).round(decimals=4) + 0
    tensor([[ 1.,  0.,  1.,  0.],
            [ 1.,  0.,  0.,  1.],
            [ 1.,  0., -1.,  0.]])
    """
    x, positions, frequencies = _rotary.arguments("axial_rope", x, positions, frequencies)
    _arguments.axes.check_axial(x.shape, positions.shape, frequencies.shape, layout)
    factor = _arguments.rope.positive_factor("axial_rope", attention_factor)
    ladders, dtype = frequencies.expand(len(positions), -1), computed_in(x.dtype)
    angles = torch.cat(
        [reduced_angles(along, theta, dtype) for along, theta in zip(positions, ladders, strict=True)], dim=-1
    )
    return _pairs.turn(x, *_pairs.table(angles, factor), layout)
