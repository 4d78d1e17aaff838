"""What may stand for queries, keys, values, biases and masks in the PyTorch twin."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike

from posenc_lib import _attention_shapes
from posenc_lib.torch._positions import as_tensor


def as_one_kind(operation: str, arrays: Mapping[str, torch.Tensor | ArrayLike]) -> list[torch.Tensor]:
    """Return the arrays as tensors of one floating dtype on one device, or name those that differ.

    PyTorch's own error names none of them.
    """
    tensors = {name: as_tensor(operation, name, array) for name, array in arrays.items()}
    dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
    if len(set(dtypes.values())) > 1 or not next(iter(dtypes.values())).is_floating_point:
        got = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        hint = _attention_shapes.BOOLEAN_BIAS if dtypes.get("bias") == torch.bool else ""
        raise TypeError(f"{operation}: expected one floating dtype for all, got {got}.{hint}")
    devices = {name: tensor.device for name, tensor in tensors.items()}
    if len(set(devices.values())) > 1:
        got = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"{operation}: expected one device for all, got {got}.")
    return list(tensors.values())


def as_mask(operation: str, mask: torch.Tensor | ArrayLike, device: torch.device) -> torch.Tensor:
    """Return `mask` as a boolean tensor on `device`, or say why it is none: 1 and 0 have been used both ways."""
    tensor = as_tensor(operation, "mask", mask, device)
    if tensor.dtype != torch.bool:
        raise TypeError(_attention_shapes.wrong_mask(operation, tensor.dtype, tensor.is_floating_point()))
    return on_device(operation, "mask", tensor, device)


def on_device(operation: str, name: str, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return `tensor`, or say that it is elsewhere than q."""
    if tensor.device != device:
        is_on = "are on" if name.endswith("s") else "is on"
        raise ValueError(f"{operation}: {name} {is_on} {tensor.device}, q is on {device}. Move one to the other.")
    return tensor


def computed_in(tensor: torch.Tensor) -> torch.dtype:
    """Return the dtype to compute in: half precision would be rounded at each step."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def weights(logits: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
    """Return softmax over the last axis of `logits` without what is hidden; zeros where all is."""
    if causal:
        past = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        mask = past if mask is None else mask & past
    if mask is None:
        return logits.softmax(-1)
    # A row of −inf alone would be NaN, and so would its gradient: such a row stays, and its weights go.
    hidden = ~mask & mask.any(-1, keepdim=True)
    return logits.masked_fill(hidden, float("-inf")).softmax(-1).masked_fill(~mask, 0)
