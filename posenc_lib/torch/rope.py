"""Rotary position embedding."""

import math

import torch

from posenc_lib import _rope_arguments
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64, reduced_angles
from posenc_lib.torch._positions import as_positions, as_tensor, extremes


def rope(x, positions, frequencies, *, layout="interleaved"):
    """Turn pair i of x at position m by the angle +mθ_i: (a, b) → (a cos mθ_i − b sin mθ_i, a sin mθ_i + b cos mθ_i).

    For queries and keys, never for values: the dot product of a turned query and a turned key sees
    only how far apart they stand. Differentiable in `x`, and in `positions` and `frequencies`
    where they are floating tensors that ask for it.

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

    Returns
    -------
    torch.Tensor
        Shape, dtype and device of x; a copy. Angles are reduced in float64, the pairs turn in
        float32 (in float64 if x has it), and half precision is rounded once, at the end. For
        |θ_i| ≤ 1 and up to ten million positions the error of a pair, relative to its length, stays
        below 3e-7 before that rounding; with float64, below max(1, |m|) · 4e-16.

    Raises
    ------
    TypeError
        `x` is not floating, positions or frequencies are no real numbers or have half precision.
    ValueError
        The shapes do not fit, devices differ, there is no frequency, the layout is unknown, or a
        position or frequency is not finite or too large (looked at on the CPU only: on a GPU the
        look would wait for the device, and NaN comes out instead).

    References
    ----------
    Su et al. (2021), "RoFormer", equations 14, 15 and 34.

    Examples
    --------
    >>> quarter = torch.tensor([torch.pi / 2], dtype=torch.float64)
    >>> rope(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), [0, 4_000_001], quarter).round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    x = as_tensor("rope", "x", x)
    if not x.is_floating_point():
        raise TypeError(f"rope: x must be floating, as its result is, got {x.dtype}.")
    _check_device(x, positions, frequencies)
    positions = as_positions("rope", positions, x.device)
    frequencies = _as_frequencies(frequencies)
    _rope_arguments.check(x.shape, positions.shape, frequencies.shape, layout)
    precision = torch.float64 if x.dtype == torch.float64 else torch.float32
    angles = reduced_angles(positions, frequencies, precision)
    if torch.compiler.is_compiling():
        return _turn_traced(x, angles, layout)
    turn = _turn_interleaved if layout == "interleaved" else _turn_half
    return turn(x.to(precision), angles.cos(), angles.sin()).to(x.dtype)


def _turn_interleaved(x, cos, sin):
    """A pair side by side is a complex number, and a turn its product with another: one pass."""
    n = cos.shape[-1]
    pairs = x[..., : 2 * n].unflatten(-1, (n, 2))
    try:
        pairs = torch.view_as_complex(pairs)
    except RuntimeError:  # its strides are odd, as those of an odd dim are
        pairs = torch.view_as_complex(pairs.clone(memory_format=torch.contiguous_format))
    turned = torch.view_as_real(pairs * torch.complex(cos, sin)).flatten(-2)
    return _with_rest(turned, x)


def _turn_half(x, cos, sin):
    """x · cos in one pass, in which the rest is multiplied by 1; then each half takes from the other.

    Fewest passes over memory, but no batching rule: torch.vmap warns that it loops. It is not needed
    here, for every leading axis of x is a batch already.
    """
    n = cos.shape[-1]
    rest = cos.new_ones((*cos.shape[:-1], x.shape[-1] - 2 * n))
    turned = x * torch.cat((cos, cos, rest), dim=-1)
    turned[..., :n].addcmul_(x[..., n : 2 * n], sin, value=-1)
    turned[..., n : 2 * n].addcmul_(x[..., :n], sin)
    return turned


def _turn_traced(x, angles, layout):
    """Real arithmetic, which torch.compile fuses; for complex numbers it has no code of its own."""
    n = angles.shape[-1]
    # Stacked, so that the compiler stores them: it would compute sines anew in every head otherwise.
    cos, sin = torch.stack((angles.cos(), angles.sin())).unbind()
    shape, axis = ((n, 2), -1) if layout == "interleaved" else ((2, n), -2)
    a, b = x[..., : 2 * n].unflatten(-1, shape).unbind(axis)
    # Half precision times float32 is float32; rounded before they are joined, no float32 copy is stored.
    turned = ((a * cos - b * sin).to(x.dtype), (a * sin + b * cos).to(x.dtype))
    return _with_rest(torch.stack(turned, dim=axis).flatten(-2), x)


def _with_rest(turned, x):
    r = turned.shape[-1]
    return turned if r == x.shape[-1] else torch.cat((turned, x[..., r:]), dim=-1)


def _check_device(x, positions, frequencies):
    for name, value, elsewhere in (("positions", positions, ()), ("frequencies", frequencies, ("cpu",))):
        if isinstance(value, torch.Tensor) and value.device != x.device and value.device.type not in elsewhere:
            raise ValueError(f"rope: {name} are on {value.device}, x is on {x.device}. Move one to the other.")


def _as_frequencies(frequencies):
    """Return `frequencies` in float64, or say why they are none."""
    frequencies = as_tensor("rope", "frequencies", frequencies, device="cpu")
    dtype = frequencies.dtype
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(f"rope: frequencies must be integers or real numbers, got {dtype}.")
    if dtype.is_floating_point and dtype.itemsize < 4:
        raise TypeError(f"rope: frequencies are {dtype}, which turns far positions wrongly. Pass float64.")
    if frequencies.device.type in DEVICES_WITHOUT_FLOAT64:
        frequencies = frequencies.cpu()
    frequencies = frequencies.to(torch.float64)
    found = extremes(frequencies) if frequencies.device.type == "cpu" else None
    if found and not all(map(math.isfinite, found)):
        raise ValueError(f"rope: frequencies must be finite, got values from {found[0]} to {found[1]}.")
    return frequencies
