"""Scaled dot-product attention, on PyTorch's own fused kernels."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._tensors import as_mask, as_one_kind


def attention(
    q: torch.Tensor | ArrayLike,
    k: torch.Tensor | ArrayLike,
    v: torch.Tensor | ArrayLike,
    *,
    bias: torch.Tensor | ArrayLike | None = None,
    mask: torch.Tensor | ArrayLike | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """Average the values, weighted by softmax(q kᵀ / √d + bias) over the keys that a query may look at.

    Without bias and masks, attention knows no order: reordered tokens give the same outputs, reordered.
    A causal mask lets order leak in, for token m sees m + 1 keys. To rely on that is NoPE, no positional
    encoding: `attention(q, k, v, causal=True)` and nothing else.

    It runs on `scaled_dot_product_attention`, for any bias. Where the bias is a formula, sequences are long
    and no gradient is asked for, PyTorch's compiled `flex_attention` with that formula stores no bias and
    takes less than half the time (on the CPU, from 1024 tokens on).

    Parameters
    ----------
    q : torch.Tensor, shape (..., T, d)
        Queries.
    k : torch.Tensor, shape (..., S, d)
        Keys, in the dtype and on the device of `q`.
    v : torch.Tensor, shape (..., S, e)
        Values, likewise.
    bias : torch.Tensor, shape (..., T, S), optional
        Added to the logits after the division by √d; likewise. −inf hides a key.
    mask : torch.Tensor of bool, shape (..., T, S) or (..., 1, S), optional
        True where a query may look; one row serves all queries, as for padding. The opposite of the
        `key_padding_mask` and `attn_mask` of `torch.nn.MultiheadAttention`, where True hides.
    causal : bool
        Let query m see the keys 0 to m only, of those that mask and bias leave. Needs T = S. Alone, it
        costs no (T, T) mask.

    Returns
    -------
    torch.Tensor
        Shape (..., T, e), dtype and device of `q`. A query all of whose keys are hidden gets zeros, and
        passes no gradient. (A value that is hidden still counts if it is NaN, for 0 · NaN is NaN: fill
        padding with numbers.)

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating, or the mask is not boolean.
    ValueError
        The shapes do not fit, or the devices differ; the message shows them. The leading axes of bias
        and mask may be left out or 1.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", equation 1. NoPE: Haviv et al. (2022), "Transformer
    Language Models without Positional Encodings Still Learn Positional Information"; Kazemnejad et al.
    (2023), "The Impact of Positional Encoding on Length Generalization in Transformers".

    Examples
    --------
    >>> x = torch.eye(2)
    >>> attention(x, x, x, causal=True)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    >>> attention(x, x, x, mask=[[False, True], [False, False]])
    tensor([[0., 1.],
            [0., 0.]])
    """
    numbers = {"q": q, "k": k, "v": v} if bias is None else {"q": q, "k": k, "v": v, "bias": bias}
    q, k, v, *given = as_one_kind("attention", numbers)
    bias = given[0] if given else None
    mask = None if mask is None else as_mask("attention", mask, q)
    _arguments.attention.check(
        "attention",
        q.shape,
        k.shape,
        v.shape,
        bias=None if bias is None else bias.shape,
        mask=None if mask is None else mask.shape,
        causal=causal,
    )
    if causal and not (bias is None and mask is None):
        past = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
        mask, causal = past if mask is None else mask & past, False
    if bias is not None and mask is not None:
        bias, mask = torch.where(mask, bias, float("-inf")), None
    hiding = mask if bias is None else bias
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=hiding, is_causal=causal)
