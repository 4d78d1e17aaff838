"""xPos: rotary position embedding whose dot products fade with distance."""

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch import _pairs, _rotary
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64, reduced_angles
from posenc_lib.torch._tensors import computed_in, extremes_on_cpu


def xpos(
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike,
    frequencies: torch.Tensor | ArrayLike,
    *,
    role: str,
    scale_base: float = 512.0,
    gamma: float = 0.4,
    layout: str = "interleaved",
) -> torch.Tensor:
    """Turn pair i of x at position m by the angle mθ_i, as `rope`, and scale queries by ζ_i^(m/B), keys by ζ_i^(−m/B).

    ζ_i = (i/n + γ) / (1 + γ) lies between 0 and 1 and is smallest for the pairs that turn fastest; B
    is `scale_base`. So the part of pair i in the dot product of a query at m and a key at n is that of
    `rope` times ζ_i^((m − n)/B): it fades with distance. It grows for keys after the query, so this is
    for causal attention. Differentiable in `x`, and in `positions` and `frequencies` where they are
    floating tensors that ask for it.

    Only m − n counts, but the factors themselves leave the range of floating numbers where m is large
    (float32 and bfloat16 at B = 512 and γ = 0.4: beyond 35694; float16: beyond 3966). Subtract one number from the
    positions of all queries and keys, and keep it for a cache: the logits stay the same. The authors'
    code, x-transformers and rotary-embedding-torch subtract half the length, from the exponent alone.

    Parameters
    ----------
    x : torch.Tensor, shape (..., T, dim)
        Queries or keys, never values; floating.
    positions : torch.Tensor, array_like or range, shape (T,), or as many axes as x has before dim
        As for `rope`. A tensor lies on x's device.
    frequencies : array_like or torch.Tensor, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`, fastest first. The first
        2n dimensions turn, the rest stays as it is. A tensor lies on the CPU or on x's device and has
        float64 for preference.
    role : str
        "query" or "key": what x holds.
    scale_base : float
        B, above 0: how far, in positions, pair i fades by the factor ζ_i.
    gamma : float
        γ, above 0; the larger, the less the pairs fade.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1), as in the authors' code, or "half"
        (i, i + n).

    Returns
    -------
    torch.Tensor
        Shape, dtype and device of x; a copy. Angles and exponents are float64, what they are
        multiplied with has float32 (float64 if x has it), and half precision is rounded once.

    Raises
    ------
    TypeError
        `x` is not floating, positions or frequencies are no real numbers or have half precision, or
        `scale_base` or `gamma` is no number.
    ValueError
        The shapes do not fit, devices differ, there is no frequency, `scale_base` or `gamma` is not
        above 0, the role or the layout is unknown, a frequency or position is not finite or too large, or a
        position so large that its factor is no normal number of x's dtype (positions are looked at on
        the CPU only: on a GPU zeros, inf and NaN come out instead).

    References
    ----------
    Sun et al. (2022), "A Length-Extrapolatable Transformer", algorithm 1; with B, and B and γ by default,
    as in its code, microsoft/torchscale, torchscale/component/xpos_relative_position.py.

    Examples
    --------
    >>> x, theta = torch.tensor([[1.0, 0.0]]), [torch.pi / 2]
    >>> xpos(x, [3], theta, role="query", scale_base=1, gamma=1).round(decimals=4) + 0     # ζ_0 = 1/2
    tensor([[ 0.0000, -0.1250]])
    >>> xpos(x, [3], theta, role="key", scale_base=1, gamma=1).round(decimals=4) + 0
    tensor([[ 0., -8.]])
    """
    x, positions, frequencies = _rotary.arguments("xpos", x, positions, frequencies)
    _arguments.rope.check(x.shape, positions.shape, frequencies.shape, layout, operation="xpos")
    sign = _arguments.xpos.sign_of(role)
    B = _arguments.scalars.positive("xpos", "scale_base", scale_base)
    gamma = _arguments.scalars.positive("xpos", "gamma", gamma)
    found = extremes_on_cpu(positions, torch.float64)
    if found:
        _arguments.xpos.check_reach(*found, gamma, B, torch.finfo(x.dtype).tiny, x.dtype)
    angles = reduced_angles(positions, frequencies, computed_in(x.dtype))
    factors = _factors(positions, len(frequencies), sign / B, gamma).to(angles.dtype).to(x.device)
    # Stacked, so that the compiler stores them: it would compute them anew in every head otherwise.
    cos, sin = torch.stack((factors * angles.cos(), factors * angles.sin())).unbind()
    return _pairs.turn(x, cos, sin, layout)


def _factors(positions: torch.Tensor, n: int, per_position: float, gamma: float) -> torch.Tensor:
    """ζ_i to the power of position · per_position, in float64."""
    if positions.device.type in DEVICES_WITHOUT_FLOAT64:
        positions = positions.cpu()
    i = torch.arange(n, dtype=torch.float64, device=positions.device)
    return ((i / n + gamma) / (1 + gamma)) ** (positions.to(torch.float64)[..., None] * per_position)
