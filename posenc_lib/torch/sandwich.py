"""Sandwich: the dot products of sinusoidal codes as a bias."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64
from posenc_lib.torch._relative import as_pair
from posenc_lib.torch._tensors import floating
from posenc_lib.torch.sinusoidal import sinusoidal


def sandwich_bias(
    num_heads: int,
    dim: int,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    *,
    base: float = 10000.0,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return p_m · p_n / (8(h + 1)/H) for each head h: the dot product of the positions' sinusoidal codes p.

    It is Σ_i cos((m − n)θ_i) over the dim/2 angular frequencies θ_i = base^(−2i/dim), divided by a number that
    grows from head to head, from 8/H to 8. Nothing in it is learned. It is largest, dim/2 before the division,
    where m = n, falls about as the logarithm of the distance does, and wavers on the way: a farther key may
    have a little more than a nearer one. Both directions are alike. It hides nothing: pass `causal=True` or a
    mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence.

    Differentiable in positions that are floating.

    Parameters
    ----------
    num_heads : int
        H, at least 1.
    dim : int
        Size of the sinusoidal codes; even. It need not be that of the heads: the paper's is 128.
    query_positions : torch.Tensor, array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16 or
        bfloat16, which merge neighbours from 2048 or 256 on.
    key_positions : torch.Tensor, array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    base : float
        At least 1; 10000 in the paper.
    dtype : torch.dtype, optional
        Of the result; `torch.get_default_dtype()` by default. `attention` wants that of q. Computed in float64
        where the device has it, and rounded once.

    Returns
    -------
    torch.Tensor
        Shape (..., num_heads, T, S), on the device of the positions; the `bias` of
        `attention`. (NeMo subtracts dim/2 first, which all keys of a query share and softmax does not
        notice; and it counts i from 1, which makes another bias.)

    Raises
    ------
    TypeError
        Positions are no real numbers or have half precision, `num_heads` or `dim` is no integer, `base` is no
        number, `dtype` is not floating.
    ValueError
        Positions have no token axis or differ in their leading axes or device, one of them is not finite or too
        large (looked at on the CPU only); `num_heads` is below 1, `dim` is odd, `base` is below 1.

    References
    ----------
    Chi, Fan, Rudnicky and Ramadge (2023), "Dissecting Transformer Length Extrapolation via the Lens of
    Receptive Field Analysis"; as code in meta-pytorch/attention-gym, attn_gym/mods/sandwich.py.

    Examples
    --------
    >>> sandwich_bias(2, 4, range(3), range(3))[1]
    tensor([[0.2500, 0.1925, 0.0730],
            [0.1925, 0.2500, 0.1925],
            [0.0730, 0.1925, 0.2500]])
    """
    dtype = floating("sandwich_bias", dtype)
    num_heads = _arguments.scalars.integer("sandwich_bias", "num_heads", num_heads, at_least=1)
    dim = _arguments.scalars.even_dim("sandwich_bias", dim)
    base = _arguments.scalars.base_of_frequencies("sandwich_bias", base)
    m, n = as_pair("sandwich_bias", query_positions, key_positions)
    # Where large terms cancel, float32 would leave few digits.
    precision = torch.float32 if m.device.type in DEVICES_WITHOUT_FLOAT64 else torch.float64
    p_m, p_n = (sinusoidal(p, dim, base=base, dtype=precision) for p in (m, n))
    products = p_m @ p_n.transpose(-1, -2)
    compression = 8 * torch.arange(1, num_heads + 1, dtype=precision, device=m.device) / num_heads
    return (products[..., None, :, :] / compression[:, None, None]).to(dtype)
