"""Scaled dot-product attention."""

import numpy as np

from posenc_lib import _attention_shapes


def attention(q, k, v, *, bias=None, causal=False):
    """Average the values, weighted by softmax(q kᵀ / √d + bias) over the keys.

    Parameters
    ----------
    q : array_like, shape (..., T, d)
        Queries.
    k : array_like, shape (..., S, d)
        Keys.
    v : array_like, shape (..., S, e)
        Values.
    bias : array_like, shape (..., T, S), optional
        Added to the logits after the division by √d. −inf hides a key; a query all of whose keys are
        hidden gets NaN.
    causal : bool
        Let query m see the keys 0 to m only. Needs T = S.

    Returns
    -------
    numpy.ndarray
        Shape (..., T, e), float64.

    Raises
    ------
    TypeError
        An array holds no real numbers: complex ones, or a boolean mask for bias.
    ValueError
        The shapes do not fit; the message shows them.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", equation 1.

    Examples
    --------
    >>> x = np.eye(2)
    >>> attention(x, x, x, causal=True).round(4)
    array([[1.    , 0.    ],
           [0.3302, 0.6698]])
    """
    q, k, v = _as_real("q", q), _as_real("k", k), _as_real("v", v)
    bias = None if bias is None else _as_real("bias", bias)
    _attention_shapes.check(q, k, v, bias, causal)
    logits = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if bias is not None:
        logits = logits + bias
    if causal:
        logits = np.where(np.tri(q.shape[-2], dtype=bool), logits, -np.inf)
    # Softmax does not notice a constant; without the largest logit, exp cannot overflow.
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def _as_real(name, array):
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind not in "iuf":
        hint = _attention_shapes.BOOLEAN_BIAS if kind == "b" else ""
        raise TypeError(f"attention: {name} must hold real numbers, got dtype {array.dtype}.{hint}")
    return array.astype(np.float64)
