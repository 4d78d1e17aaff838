"""Scaled dot-product attention, on PyTorch's own fused kernels."""

import torch

from posenc_lib import _attention_shapes
from posenc_lib.torch._positions import as_tensor


def attention(q, k, v, *, bias=None, causal=False):
    """Average the values, weighted by softmax(q kᵀ / √d + bias) over the keys.

    Parameters
    ----------
    q : torch.Tensor, shape (..., T, d)
        Queries.
    k : torch.Tensor, shape (..., S, d)
        Keys, in the dtype and on the device of `q`.
    v : torch.Tensor, shape (..., S, e)
        Values, likewise.
    bias : torch.Tensor, shape (..., T, S), optional
        Added to the logits after the division by √d; likewise. −inf hides a key; what a query gets
        all of whose keys are hidden is left to PyTorch.
    causal : bool
        Let query m see the keys 0 to m only. Needs T = S.

    Returns
    -------
    torch.Tensor
        Shape (..., T, e), dtype and device of `q`.

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating.
    ValueError
        The shapes do not fit, or the devices differ; the message shows them.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", equation 1.

    Examples
    --------
    >>> x = torch.eye(2)
    >>> attention(x, x, x, causal=True)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    """
    q, k, v = (as_tensor("attention", name, a) for name, a in (("q", q), ("k", k), ("v", v)))
    bias = None if bias is None else as_tensor("attention", "bias", bias)
    _attention_shapes.check(q, k, v, bias, causal)
    _check_kind(q, k, v, bias)
    if bias is not None and causal:
        hidden = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).triu(1)
        bias, causal = bias.masked_fill(hidden, float("-inf")), False
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)


def _check_kind(*tensors):
    """One floating dtype, one device: PyTorch's own error names neither argument."""
    tensors = dict(zip(("q", "k", "v", "bias"), tensors, strict=True))
    present = {name: t for name, t in tensors.items() if t is not None}
    dtypes = {name: t.dtype for name, t in present.items()}
    if len(set(dtypes.values())) > 1 or not tensors["q"].is_floating_point():
        got = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        hint = _attention_shapes.BOOLEAN_BIAS if dtypes.get("bias") == torch.bool else ""
        raise TypeError(f"attention: expected one floating dtype for all, got {got}.{hint}")
    devices = {name: t.device for name, t in present.items()}
    if len(set(devices.values())) > 1:
        got = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"attention: expected one device for all, got {got}.")
