"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._arrays import as_mask, as_real


def attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    causal: bool = False,
) -> NDArray[np.float64]:
    """Average the values, weighted by softmax(q kᵀ / √d + bias) over the keys that a query may look at.

    Without bias and masks, attention knows no order: reordered tokens give the same outputs, reordered.
    A causal mask lets order leak in, for token m sees m + 1 keys. To rely on that is NoPE, no positional
    encoding: `attention(q, k, v, causal=True)` and nothing else.

    Parameters
    ----------
    q : array_like, shape (..., T, d)
        Queries.
    k : array_like, shape (..., S, d)
        Keys.
    v : array_like, shape (..., S, e)
        Values.
    bias : array_like, shape (..., T, S), optional
        Added to the logits after the division by √d. −inf hides a key.
    mask : array_like of bool, shape (..., T, S) or (..., 1, S), optional
        True where a query may look; one row serves all queries, as for padding. The opposite of the
        `key_padding_mask` and `attn_mask` of `torch.nn.MultiheadAttention`, where True hides.
    causal : bool
        Let query m see the keys 0 to m only, of those that mask and bias leave. Needs T = S.

    Returns
    -------
    numpy.ndarray
        Shape (..., T, e), float64. A query all of whose keys are hidden gets zeros. (A value that is hidden
        still counts if it is NaN, for 0 · NaN is NaN: fill padding with numbers.)

    Raises
    ------
    TypeError
        An array holds no real numbers: complex ones, or a boolean mask for bias. Or the mask is not boolean.
    ValueError
        The shapes do not fit; the message shows them. The leading axes of bias and mask may be left out
        or 1.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", equation 1. NoPE: Haviv et al. (2022), "Transformer
    Language Models without Positional Encodings Still Learn Positional Information"; Kazemnejad et al.
    (2023), "The Impact of Positional Encoding on Length Generalization in Transformers".

    Examples
    --------
    >>> x = np.eye(2)
    >>> attention(x, x, x, causal=True).round(4)
    array([[1.    , 0.    ],
           [0.3302, 0.6698]])
    >>> attention(x, x, x, mask=[[False, True], [False, False]])
    array([[0., 1.],
           [0., 0.]])
    """
    q, k, v = (as_real("attention", name, array) for name, array in (("q", q), ("k", k), ("v", v)))
    bias = None if bias is None else as_real("attention", "bias", bias)
    mask = None if mask is None else as_mask("attention", mask)
    _arguments.attention.check(
        "attention",
        q.shape,
        k.shape,
        v.shape,
        bias=None if bias is None else bias.shape,
        mask=None if mask is None else mask.shape,
        causal=causal,
    )
    logits = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if bias is not None:
        logits = logits + bias
    return weights(logits, mask, causal) @ v


def weights(logits: NDArray[np.float64], mask: NDArray[np.bool_] | None, causal: bool) -> NDArray[np.float64]:
    """Return softmax over the last axis of `logits`, after what is hidden became −inf; zeros where all is."""
    if mask is not None:
        logits = np.where(mask, logits, -np.inf)
    if causal:
        logits = np.where(np.tri(logits.shape[-2], dtype=bool), logits, -np.inf)
    # Softmax does not notice a constant; without the largest logit, exp cannot overflow.
    largest = logits.max(axis=-1, keepdims=True)
    shares = np.exp(logits - np.where(largest == -np.inf, 0, largest))
    total = shares.sum(axis=-1, keepdims=True)
    return shares / np.where(total == 0, 1, total)
