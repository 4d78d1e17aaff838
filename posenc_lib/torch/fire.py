"""FIRE: a function of the distance, as a share of what the query can see."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._relative import as_pair, distances
from posenc_lib.torch._tensors import as_tensor, computed_in, extremes_on_cpu, floating


def fire_bias(
    mlp: Callable[[torch.Tensor], torch.Tensor],
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    *,
    c: torch.Tensor | ArrayLike,
    threshold: torch.Tensor | ArrayLike,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return f(ψ(m − n) / ψ(max(L, m))) for query position m and key position n, with ψ(x) = log(c·x + 1).

    Differentiable in c, threshold and whatever `mlp` learns.

    A distance is told to the function f, an MLP with an output for each head, as a share of the longest that
    the query can see: between 0 and 1, however long the sequence. ψ gives near distances more of that range,
    and up to position L the share is of L, so that short sequences are not spread out.

    The bias does depend on the query's own position m, beyond L: of the biases here this is the only one that is
    not the same when all positions move on. So a cache needs true positions, and padding or packing needs
    each token's position in its own sequence, from 0.

    The paper is causal. For keys after their query ψ may have no value; |m − n| stands for m − n, as in the code
    named below, so that f sees their distance and not their direction, and where they are farther than
    max(L, m) a share above 1. It hides nothing: pass `causal=True` or a mask besides.

    Parameters
    ----------
    mlp : callable
        f, from shape (..., T, S, 1) to (..., T, S, H): a `torch.nn.Sequential` as a model holds it.
        The paper's has two hidden layers of 32, the code's one, with ReLU.
    query_positions : torch.Tensor, array_like or range, shape (..., T)
        Integers or real numbers below 2**53 in size, from 0. Not float16 or bfloat16,
        which merge neighbours from 2048 or 256 on.
    key_positions : torch.Tensor, array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    c : float or torch.Tensor, shape ()
        How much ψ bends; above 0. Learned, from 0.1 on in the code.
    threshold : float or torch.Tensor, shape ()
        L, above 0; learned, from 512 on in the code.
    dtype : torch.dtype, optional
        Of what `mlp` is given: that of mlp's weights. By default that of c or threshold where one is a floating tensor,
        else `torch.get_default_dtype()`. The share is computed in float32 at least and rounded once.

    Returns
    -------
    torch.Tensor
        Shape (..., H, T, S), dtype and device as `mlp` returned it; the `bias` of `attention`.

    Raises
    ------
    TypeError
        Positions are no real numbers or have half precision, c or threshold is no real number, `dtype` is not
        floating.
    ValueError
        c or threshold is not one number above 0 (looked at on the CPU only); positions have no token
        axis, differ in their leading axes or device, or one of them is not finite or too large; `mlp` returned
        another shape.

    References
    ----------
    Li et al. (2024), "Functional Interpolation for Relative Positions Improves Long Context Transformers",
    section 3; as code in mcleish7/arithmetic, class FIRE of cramming/architectures/embeddings.py.

    Examples
    --------
    >>> mlp = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    >>> fire_bias(mlp, range(5), range(5), c=0.1, threshold=512.0).shape
    torch.Size([2, 5, 5])
    >>> fire_bias(lambda share: -share, [3], range(4), c=1.0, threshold=1.0)     # key 0 is as far as query 3 can see
    tensor([[[-1.0000, -0.7925, -0.5000, -0.0000]]])
    """
    if dtype is None:
        learned = [value.dtype for value in (c, threshold) if isinstance(value, torch.Tensor)]
        dtype = next((found for found in learned if found.is_floating_point), None)
    dtype = floating("fire_bias", dtype)
    precision = computed_in(dtype)
    m, n = as_pair("fire_bias", query_positions, key_positions, c=c, threshold=threshold)
    c, threshold = (_as_number(*named, m.device).to(precision) for named in (("c", c), ("threshold", threshold)))
    longest = torch.log1p(c * torch.maximum(m.to(precision), threshold))
    share = torch.log1p(c * distances(m, n, precision)) / longest[..., :, None]
    share = share[..., None].to(dtype)
    bias = mlp(share)
    _arguments.fire.check_output(share.shape, bias.shape)
    return bias.movedim(-1, -3)


def _as_number(name: str, value: torch.Tensor | ArrayLike, device: torch.device) -> torch.Tensor:
    number = as_tensor("fire_bias", name, value, device)
    if number.dtype == torch.bool or number.is_complex():
        raise TypeError(f"fire_bias: {name} must be a real number, got {number.dtype}.")
    _arguments.fire.check_shape(name, number.shape)
    found = extremes_on_cpu(number, number.dtype)
    if found:
        _arguments.fire.check_value(name, found[0])
    return number
