"""What may stand for numbers, masks and dtypes in the PyTorch twin, and on which device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64


def as_tensor(
    operation: str, name: str, values: torch.Tensor | ArrayLike, device: torch.device | str | None = None
) -> torch.Tensor:
    """Return `values` as a tensor, Python's floats in float64 where the device has it, or say why it cannot be."""
    if isinstance(values, torch.Tensor):
        return values
    try:
        if isinstance(values, range):
            return torch.arange(values.start, values.stop, values.step, device=device)
        if isinstance(values, np.ndarray):
            return torch.as_tensor(values.copy(), device=device)  # PyTorch reads no array of negative stride
        tensor = torch.as_tensor(values, device=device)
        if tensor.is_floating_point() and tensor.device.type not in DEVICES_WITHOUT_FLOAT64:
            # Python's floats would become float32, which merges neighbours from 16777216 on.
            tensor = torch.as_tensor(values, dtype=torch.float64, device=device)
        return tensor
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{operation}: {name} must be integers or real numbers, got {values!r} ({error})."
        ) from error


def as_one_kind(operation: str, arrays: Mapping[str, torch.Tensor | ArrayLike]) -> list[torch.Tensor]:
    """Return the arrays as tensors of one floating dtype on one device, or name those that differ.

    PyTorch's own error names none of them.
    """
    tensors = {name: as_tensor(operation, name, array) for name, array in arrays.items()}
    dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
    if len(set(dtypes.values())) > 1 or not next(iter(dtypes.values())).is_floating_point:
        got = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        hint = _arguments.attention.BOOLEAN_BIAS if dtypes.get("bias") == torch.bool else ""
        raise TypeError(f"{operation}: expected one floating dtype for all, got {got}.{hint}")
    one_device(operation, tensors)
    return list(tensors.values())


def as_mask(operation: str, mask: torch.Tensor | ArrayLike, q: torch.Tensor) -> torch.Tensor:
    """Return `mask` as a boolean tensor on q's device, or say why it is none: 1 and 0 have been used both ways."""
    tensor = as_tensor(operation, "mask", mask, q.device)
    if tensor.dtype != torch.bool:
        raise TypeError(_arguments.attention.wrong_mask(operation, tensor.dtype, tensor.is_floating_point()))
    one_device(operation, {"mask": tensor, "q": q})
    return tensor


def one_device(operation: str, arguments: Mapping[str, object]) -> torch.device | None:
    """Return the device of those arguments that are tensors, None if none is, or say which two lie apart."""
    tensors = [(name, value.device) for name, value in arguments.items() if isinstance(value, torch.Tensor)]
    if not tensors:
        return None
    (first, device), *rest = tensors
    for name, other in rest:
        if other != device:
            raise ValueError(
                f"{operation}: {first} {_are(first)} on {device}, {name} {_are(name)} on {other}. "
                "Move one to the other."
            )
    return device


def _are(name: str) -> str:
    return "are" if name.endswith("s") and not name.endswith("bias") else "is"


def extremes(tensor: torch.Tensor) -> tuple[float, float] | None:
    """Return the smallest and the largest value, or None where there is none that can be read."""
    if tensor.numel() == 0 or torch.compiler.is_compiling():
        return None
    try:
        low, high = torch.aminmax(tensor)
        return low.item(), high.item()
    except RuntimeError:  # a meta or fake tensor, or one inside torch.vmap
        return None


def extremes_on_cpu(tensor: torch.Tensor, dtype: torch.dtype) -> tuple[float, float] | None:
    """Return the extremes in `dtype`, or None on another device: a look at the values of a GPU would wait for it."""
    return extremes(tensor.to(dtype)) if tensor.device.type == "cpu" else None


def floating(operation: str, dtype: torch.dtype | None) -> torch.dtype:
    """Return the dtype asked for a result, the default if None, or say that it holds no fractions."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"{operation}: dtype must be a floating torch.dtype, to hold fractions; got {dtype!r}.")
    return dtype


def computed_in(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to compute a result of `dtype` in: half precision would be rounded at each step."""
    return torch.float64 if dtype == torch.float64 else torch.float32
