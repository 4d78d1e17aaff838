"""ALiBi: attention with linear biases."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._relative import as_pair, distances
from posenc_lib.torch._tensors import computed_in, floating


def alibi_slopes(num_heads: int, *, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return the slope of each head, 2^(−8(h+1)/H) for h = 0 … H − 1 when H is a power of two.

    For any other number of heads the paper gives no rule; this is that of the authors' code, which
    trained models (BLOOM, MPT, Falcon) follow: the slopes of the next smaller power of two P, then
    the first H − P of every second slope of 2P heads: 2^(−8(2h+1)/2P) for h = 0 … H − P − 1.

    Parameters
    ----------
    num_heads : int
        H, at least 1.
    dtype : torch.dtype, optional
        Of the result; `torch.get_default_dtype()` by default. Slopes are computed in float64 and
        rounded once.

    Returns
    -------
    torch.Tensor
        Shape (num_heads,), positive, on the default device.

    Raises
    ------
    TypeError
        `num_heads` is no integer, `dtype` is not floating.
    ValueError
        `num_heads` is below 1.

    References
    ----------
    Press, Smith and Lewis (2022), "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation", section 3; for other numbers of heads the authors' repository,
    ofirpress/attention_with_linear_biases, `get_slopes` in fairseq/models/transformer.py.

    Examples
    --------
    >>> alibi_slopes(4)
    tensor([0.2500, 0.0625, 0.0156, 0.0039])
    >>> alibi_slopes(6)
    tensor([0.2500, 0.0625, 0.0156, 0.0039, 0.5000, 0.1250])
    """
    dtype = floating("alibi_slopes", dtype)
    num_heads = _arguments.scalars.integer("alibi_slopes", "num_heads", num_heads, at_least=1)
    default_device = torch.empty(0).device  # torch.compile cannot follow torch.get_default_device()
    # A set needs its member's value: torch.compile, which may hold a number as a symbol, looks it up.
    return _slopes(*{num_heads}).to(dtype).to(default_device)


def alibi_bias(
    num_heads: int,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    *,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return −slope · |m − n| for each head, query position m and key position n.

    Differentiable in positions that are floating.

    The paper is causal: it defines the bias for keys at or before their query, n ≤ m, and that is all
    that a causal mask leaves. For keys after it this bias falls with the distance too, as the authors
    propose for encoders. It hides nothing: pass `causal=True` or a mask besides.

    Only m − n counts, so a cache needs the positions of its new queries and no more, and padding or
    packing needs each token's position in its own sequence. Whatever position padding is given, a
    mask must hide it.

    Parameters
    ----------
    num_heads : int
        H, at least 1; `alibi_slopes` gives the slopes.
    query_positions : torch.Tensor, array_like or range, shape (..., T)
        Integers or real numbers, negative ones too, below 2**53 in size. Not float16 or bfloat16, which
        merge neighbours from 2048 or 256 on.
    key_positions : torch.Tensor, array_like or range, shape (..., S)
        Likewise, with the same leading axes: none when all sequences of a batch share their
        positions, (B,) when each has its own.
    dtype : torch.dtype, optional
        Of the result; `torch.get_default_dtype()` by default. `attention` wants that of q. A float32
        result has a relative error below 2e-7, and half precision rounds that result once.

    Returns
    -------
    torch.Tensor
        Shape (..., num_heads, T, S), at most 0, on the device of the positions; the `bias` of
        `attention`. (BLOOM, MPT and Falcon add slope · n, one row for all queries. With a causal mask
        that is as good: it differs by slope · m, which all keys of a query share, and softmax does
        not notice a constant.)

    Raises
    ------
    TypeError
        Positions are no real numbers or have half precision, `num_heads` is no integer, `dtype` is not
        floating.
    ValueError
        Positions have no token axis, differ in their leading axes or device, one of them is not finite
        or too large (looked at on the CPU only), or `num_heads` is below 1.

    References
    ----------
    Press, Smith and Lewis (2022), "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation", section 3; for keys after the query the first author's proposal in
    ofirpress/attention_with_linear_biases, issue 5.

    Examples
    --------
    >>> alibi_bias(2, range(3), range(3))[0] * 16
    tensor([[ 0., -1., -2.],
            [-1.,  0., -1.],
            [-2., -1.,  0.]])
    >>> alibi_bias(2, [2], range(3))[0] * 16     # decoding token 2 on its own
    tensor([[-2., -1.,  0.]])
    """
    dtype = floating("alibi_bias", dtype)
    num_heads = _arguments.scalars.integer("alibi_bias", "num_heads", num_heads, at_least=1)
    m, n = as_pair("alibi_bias", query_positions, key_positions)
    precision = computed_in(dtype)
    slopes = _slopes(*{num_heads}).to(precision).to(m.device)
    # Subtracted from 0, for a minus sign alone would print −0 on the diagonal.
    return (0 - slopes[:, None, None] * distances(m, n, precision)[..., None, :, :]).to(dtype)


def _slopes(num_heads: int) -> torch.Tensor:
    power = 2 ** (num_heads.bit_length() - 1)  # the largest power of two that is not above num_heads
    slopes = _ladder(power) + _ladder(2 * power)[::2][: num_heads - power]
    return torch.tensor(slopes, dtype=torch.float64, device="cpu")


# A constant for torch.compile; see _frequencies in sinusoidal.py.
_slopes._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _ladder(heads: int) -> list[float]:
    return [2 ** (-8 * (h + 1) / heads) for h in range(heads)]
