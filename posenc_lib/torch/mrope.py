"""M-RoPE: rotary position embedding with a position in time, height and width."""

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch import _pairs, _rotary
from posenc_lib.torch._angles import reduced_angles
from posenc_lib.torch._tensors import computed_in


def mrope(
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike,
    frequencies: torch.Tensor | ArrayLike,
    *,
    sections: Sequence[int],
    interleaved: bool = False,
    layout: str = "half",
    attention_factor: float = 1.0,
) -> torch.Tensor:
    """Turn pair i of x by its frequency θ_i times the token's position on the one axis that pair i belongs to.

    A token of a video has three positions: time, height, width. Text has the same on all axes, and
    `mrope` then does what `rope` does. Differentiable in `x`, and in `positions` and `frequencies`
    where they are floating tensors that ask for it. Which axis a pair belongs to:

    - in blocks: the first sections[0] pairs, which turn fastest, are the first axis's, the next
      sections[1] the second's, and so on. Qwen2-VL and Qwen2.5-VL have (16, 24, 24) for dim 128;
      GLM-4.1V has blocks too, with layout="interleaved".
    - interleaved: pair i is axis i mod A's, A the number of axes, so that each axis has fast and slow
      pairs, until an axis has its share; what is left is the first axis's. Qwen3-VL: (24, 20, 20).

    This is another matter than the layout, which says which two dimensions are a pair.

    Parameters
    ----------
    x : torch.Tensor, shape (..., T, dim)
        Queries or keys, never values; floating.
    positions : torch.Tensor or array_like, shape (A, T), or A and then as many axes as x has before dim
        For each axis the position of each token, as `rope` takes them: positions[a] has shape (T,), or
        x's sizes or 1 and T at the end. Models hand down (3, B, T); write positions[:, :, None, :]
        where x is (B, heads, T, dim). A tensor lies on x's device.
    frequencies : array_like or torch.Tensor, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`; the first 2n dimensions
        turn. A tensor lies on the CPU or on x's device and has float64 for preference.
    sections : sequence of int
        How many pairs each of the A axes has, at least 1; they sum to n.
    interleaved : bool
        How the axes share out the pairs; see above.
    layout : str
        Which dimensions are a pair: "half" (i, i + n), as in Qwen, or "interleaved" (2i, 2i + 1).
    attention_factor : float
        Multiplies what turns, as in `rope`; above 0. Qwen2.5-VL asks for one where YaRN
        extends its context.

    Returns
    -------
    torch.Tensor
        Shape, dtype and device of x; a copy, as precise as that of `rope`.

    Raises
    ------
    TypeError
        `x` is not floating, positions or frequencies are no real numbers or have half precision,
        sections are no integers, or `attention_factor` is no number.
    ValueError
        The shapes do not fit (with the axes last, say), devices differ, sections do not sum to n or,
        interleaved, leave an axis too few pairs, there is no frequency, the layout is unknown,
        `attention_factor` is not finite and above 0, or a position or frequency is not finite or too
        large (looked at on the CPU only).

    References
    ----------
    Wang et al. (2024), "Qwen2-VL: Enhancing Vision-Language Model's Perception of the World at Any
    Resolution", section 2.1; interleaved: Bai et al. (2025), "Qwen3-VL Technical Report". Which pair is
    whose, only their code says: transformers, models/qwen2_vl and models/qwen3_vl.

    Examples
    --------
    >>> time, height, width = [0], [1], [2]
    >>> x = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])     # three pairs (1, 0), halves apart
    >>> mrope(x, [time, height, width], [torch.pi / 2] * 3, sections=(1, 1, 1)).round(decimals=4) + 0
    tensor([[ 1.,  0., -1.,  0.,  1.,  0.]])
    """
    x, positions, frequencies = _rotary.arguments("mrope", x, positions, frequencies)
    _arguments.rope.check(x.shape, x.shape[:-1], frequencies.shape, layout, operation="mrope")  # positions: below
    sections = _arguments.axes.sections_of(sections, len(frequencies), interleaved=interleaved)
    factor = _arguments.rope.positive_factor("mrope", attention_factor)
    _arguments.axes.check_positions("mrope", x.shape, positions.shape, len(sections))
    places = _interleaved(sections) if interleaved else _blocks(sections)
    angles = positions.new_empty((*positions.shape[1:], len(frequencies)), dtype=computed_in(x.dtype))
    for along, place in zip(positions, places, strict=True):
        angles[..., place] = reduced_angles(along, frequencies[place], angles.dtype)
    return _pairs.turn(x, *_pairs.table(angles, factor), layout)


def _blocks(sections: tuple[int, ...]) -> list[slice]:
    return [slice(sum(sections[:a]), sum(sections[: a + 1])) for a in range(len(sections))]


def _interleaved(sections: tuple[int, ...]) -> list[slice]:
    """All for the first axis, of which the others then take theirs."""
    A = len(sections)
    return [slice(None), *(slice(a, a + A * sections[a], A) for a in range(1, A))]
