"""M-RoPE: rotary position embedding with a position in time, height and width."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy import _rotary
from posenc_lib.numpy._pairs import turn


def mrope(
    x: ArrayLike,
    positions: ArrayLike,
    frequencies: ArrayLike,
    *,
    sections: Sequence[int],
    interleaved: bool = False,
    layout: str = "half",
    attention_factor: float = 1.0,
) -> NDArray[np.float64]:
    """Turn pair i of x by its frequency θ_i times the token's position on the one axis that pair i belongs to.

    A token of a video has three positions: time, height, width. Text has the same on all axes, and
    `mrope` then does what `rope` does. Which axis a pair belongs to:

    - in blocks: the first sections[0] pairs, which turn fastest, are the first axis's, the next
      sections[1] the second's, and so on. Qwen2-VL and Qwen2.5-VL have (16, 24, 24) for dim 128;
      GLM-4.1V has blocks too, with layout="interleaved".
    - interleaved: pair i is axis i mod A's, A the number of axes, so that each axis has fast and slow
      pairs, until an axis has its share; what is left is the first axis's. Qwen3-VL: (24, 20, 20).

    This is another matter than the layout, which says which two dimensions are a pair.

    Parameters
    ----------
    x : array_like, shape (..., T, dim)
        Queries or keys, never values; integers are taken as real numbers.
    positions : array_like, shape (A, T), or A and then as many axes as x has before dim
        For each axis the position of each token, as `rope` takes them: positions[a] has shape (T,), or
        x's sizes or 1 and T at the end. Models hand down (3, B, T); write positions[:, :, None, :]
        where x is (B, heads, T, dim).
    frequencies : array_like, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`; the first 2n dimensions
        turn.
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
    numpy.ndarray
        Shape of x, float64; a copy, as precise as that of `rope`.

    Raises
    ------
    TypeError
        An array holds no real numbers, positions or frequencies are float16, sections are no integers,
        or `attention_factor` is no number.
    ValueError
        The shapes do not fit (with the axes last, say), sections do not sum to n or, interleaved,
        leave an axis too few pairs, there is no frequency, a position or frequency is not
        finite or too large, the layout is unknown, or `attention_factor` is not finite and above 0.

    References
    ----------
    Wang et al. (2024), "Qwen2-VL: Enhancing Vision-Language Model's Perception of the World at Any
    Resolution", section 2.1; interleaved: Bai et al. (2025), "Qwen3-VL Technical Report". Which pair is
    whose, only their code says: transformers, models/qwen2_vl and models/qwen3_vl.

    Examples
    --------
    >>> time, height, width = [0], [1], [2]
    >>> x = [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]     # three pairs (1, 0), halves apart
    >>> mrope(x, [time, height, width], [np.pi / 2] * 3, sections=(1, 1, 1)).round(4) + 0
    array([[ 1.,  0., -1.,  0.,  1.,  0.]])
    """
    x, positions, frequencies = _rotary.arguments("mrope", x, positions, frequencies)
    _arguments.rope.check(x.shape, x.shape[:-1], frequencies.shape, layout, operation="mrope")  # positions: below
    sections = _arguments.axes.sections_of(sections, len(frequencies), interleaved=interleaved)
    factor = _arguments.rope.positive_factor("mrope", attention_factor)
    _arguments.axes.check_positions("mrope", x.shape, positions.shape, len(sections))
    axis = _axis_of_each_pair(sections, interleaved)
    angles = np.moveaxis(positions[axis], 0, -1) * frequencies
    return turn(x, factor * np.cos(angles), factor * np.sin(angles), layout)


def _axis_of_each_pair(sections: tuple[int, ...], interleaved: bool) -> NDArray[np.int64]:
    if not interleaved:
        return np.repeat(np.arange(len(sections)), sections)
    rounds, axis = np.divmod(np.arange(sum(sections)), len(sections))
    return np.where(rounds < np.array(sections)[axis], axis, 0)
