"""Rotary position embedding."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch import _pairs, _rotary
from posenc_lib.torch._angles import reduced_angles
from posenc_lib.torch._tensors import computed_in


def rope(
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike,
    frequencies: torch.Tensor | ArrayLike,
    *,
    layout: str = "interleaved",
    attention_factor: float = 1.0,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Turn pair i of x at position m by the angle +mθ_i: (a, b) → (a cos mθ_i − b sin mθ_i, a sin mθ_i + b cos mθ_i).

    For queries and keys, never for values: the dot product of a turned query and a turned key sees
    only how far apart they stand. Differentiable any number of times, in both modes, in `x`, and in
    `positions` and `frequencies` where they are floating tensors that ask for it; the gradient of x
    is the gradient that arrives, turned back, and x is not kept for it. The transforms of torch.func
    work too, without `out`.

    Parameters
    ----------
    x : torch.Tensor, shape (..., T, dim)
        Queries or keys; floating. The token axis is the last but one: transpose (B, T, heads, dim).
    positions : torch.Tensor, array_like or range, shape (T,), or as many axes as x has before dim
        Integers or real numbers, negative ones too, below 2**53 in size; not float16 or bfloat16.
        With more than one axis, each has x's size or 1, and the last T: (B, 1, T) gives each
        sequence of a batch its own positions, the same in all heads. A tensor lies on x's device.
    frequencies : array_like or torch.Tensor, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`. The first r = 2n
        dimensions turn, the rest stays as it is (partial rotary). A pair of frequency 0 does not
        turn, one of negative frequency turns the other way. A tensor lies on the CPU or on x's
        device and has float64 for preference: rounding θ_i to float32 costs 0.3 rad at ten million
        positions.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1), as in the paper and in Meta's Llama;
        "half" (i, i + r/2), as in GPT-NeoX and in the transformers package's Llama. Weights
        trained with one are scrambled by the other.
    attention_factor : float
        Multiplies what turns, and not the rest: the logits of what turns by its square. YaRN and
        LongRoPE ask for one; above 0.
    out : torch.Tensor, optional
        Where the result is written: of x's shape, dtype and device. It may be x itself, which then
        turns in place; if it overlaps x in another way, x is copied first. No result is allocated,
        but "half" in place copies half of what turns, and half precision turns in a float32 copy.
        As with PyTorch's own `out`, nothing may require a gradient, unless under `torch.no_grad()`;
        and it does not work inside `torch.func.vmap`, which has no storage to write to.

    Returns
    -------
    torch.Tensor
        Shape, dtype and device of x; a copy, or `out`. Angles are reduced in float64, the pairs turn
        in float32 (in float64 if x has it), and half precision is rounded once, at the end. For
        |θ_i| ≤ 1 and up to ten million positions the error of a pair, relative to the length it
        should have, stays below 3e-7 before that rounding; with float64, below max(1, |m|) · 4e-16.

    Raises
    ------
    TypeError
        `x` is not floating, positions or frequencies are no real numbers or have half precision,
        `out` is no tensor or `attention_factor` no number.
    ValueError
        The shapes do not fit, devices differ, there is no frequency, the layout is unknown, `out`
        has another dtype, `attention_factor` is not finite and above 0, or a position or frequency
        is not finite or too large (looked at on the CPU only: on a GPU the look would wait for the
        device, and NaN comes out instead).
    RuntimeError
        `out` is given and a gradient is asked for.

    References
    ----------
    Su et al. (2021), "RoFormer", equations 14, 15 and 34; for the factor Peng et al. (2023), "YaRN",
    section 3.4, which also says why it may stand here.

    Examples
    --------
    >>> quarter = torch.tensor([torch.pi / 2], dtype=torch.float64)
    >>> rope(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), [0, 4_000_001], quarter).round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    x, positions, frequencies = _rotary.arguments("rope", x, positions, frequencies)
    _arguments.rope.check(x.shape, positions.shape, frequencies.shape, layout)
    factor = _arguments.rope.positive_factor("rope", attention_factor)
    cos, sin = _pairs.table(reduced_angles(positions, frequencies, computed_in(x.dtype)), factor)
    if out is None:
        return _pairs.turn(x, cos, sin, layout)
    _check_out(out, x, cos, sin)
    return _pairs.turn_into(out, x, cos, sin, layout)


def _check_out(out: torch.Tensor, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"rope: out must be a torch.Tensor, got {type(out).__name__}.")
    wanted, given = ((tuple(y.shape), y.dtype, y.device) for y in (x, out))
    if given != wanted:
        raise ValueError(
            "rope: out must have x's shape, dtype and device, {} {} on {}; got {} {} on {}.".format(*wanted, *given)
        )
    if torch.is_grad_enabled() and any(y.requires_grad for y in (out, x, cos, sin)):
        raise RuntimeError(
            "rope: out= cannot be differentiated, and one of the arguments requires a gradient. "
            "Leave out= away, or call it under torch.no_grad()."
        )
