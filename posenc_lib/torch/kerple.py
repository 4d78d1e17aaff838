"""KERPLE: a bias that each head learns as two numbers."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._relative import as_pair, distances
from posenc_lib.torch._tensors import as_one_kind, computed_in, extremes_on_cpu


def kerple_bias(
    r1: torch.Tensor | ArrayLike,
    r2: torch.Tensor | ArrayLike,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    *,
    kind: str = "logarithmic",
) -> torch.Tensor:
    """Return −r1 · log(1 + r2 · |m − n|), or −r1 · |m − n|^r2, for each head, query position m and key position n.

    Differentiable in r1 and r2.

    Where ALiBi has one fixed slope a head, KERPLE learns two numbers: with kind "power" and r2 = 1 it is
    ALiBi, and "logarithmic", which the paper finds to extrapolate best, tells far distances apart less and
    less. Like ALiBi the paper is causal, and for keys after their query this bias falls with the distance
    too. It hides nothing: pass `causal=True` or a mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence.

    Parameters
    ----------
    r1 : torch.Tensor, shape (H,)
        How steeply each head's bias falls, above 0. Floating; what is no tensor has float64.
        The authors draw r1 from 0 to 2 and r2 from 0 to 1 to begin with ("power": r1 from 0 to 1, r2
        from 0 to 2), and clamp both to their range at each step.
    r2 : torch.Tensor, shape (H,)
        How it bends: above 0, and with kind "power" at most 2, where the paper's proof ends.
    query_positions : torch.Tensor, array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16 or
        bfloat16, which merge neighbours from 2048 or 256 on.
    key_positions : torch.Tensor, array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    kind : str
        "logarithmic" or "power".

    Returns
    -------
    torch.Tensor
        Shape (..., H, T, S), at most 0, dtype and device of r1; the `bias` of `attention`.

    Raises
    ------
    TypeError
        r1 or r2 is not floating, or their dtypes differ; positions are no real numbers or have half precision.
    ValueError
        r1 and r2 have not one axis of one size, or leave their range (looked at on the CPU only); `kind` is
        unknown; positions have no token axis, differ in their leading axes or device, or one of them is
        not finite or too large.

    References
    ----------
    Chi, Fan, Ramadge and Rudnicky (2022), "KERPLE: Kernelized Relative Positional Embedding for Length
    Extrapolation"; the authors' repository, chijames/KERPLE, has `ParallelKerpleLog` and
    `ParallelKerplePower` in megatron/mpu/layers.py.

    Examples
    --------
    >>> kerple_bias([1.0], [1.0], [2], range(3))
    tensor([[[-1.0986, -0.6931,  0.0000]]], dtype=torch.float64)
    >>> kerple_bias([0.5], [2.0], [2], range(3), kind="power")
    tensor([[[-2.0000, -0.5000,  0.0000]]], dtype=torch.float64)
    """
    r1, r2 = as_one_kind("kerple_bias", {"r1": r1, "r2": r2})
    _arguments.kerple.check(kind, r1.shape, r2.shape)
    for name, r in (("r1", r1), ("r2", r2)):
        found = extremes_on_cpu(r, r.dtype)
        if found:
            _arguments.kerple.check_range(kind, name, *found)
    m, n = as_pair("kerple_bias", query_positions, key_positions, r1=r1)
    precision = computed_in(r1.dtype)
    a, b = (r.to(precision)[:, None, None] for r in (r1, r2))
    distance = distances(m, n, precision)[..., None, :, :]
    growth = torch.log1p(b * distance) if kind == "logarithmic" else distance**b
    # Subtracted from 0, for a minus sign alone would print −0 on the diagonal.
    return (0 - a * growth).to(r1.dtype)
