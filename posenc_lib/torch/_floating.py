"""The dtype that a caller asks of a result, in the PyTorch twin."""

from __future__ import annotations

import torch


def floating(operation: str, dtype: torch.dtype | None) -> torch.dtype:
    """Return `dtype`, the default if None, or say that it holds no fractions."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"{operation}: dtype must be a floating torch.dtype, to hold fractions; got {dtype!r}.")
    return dtype


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to compute a result of `dtype` in: half precision is for the result alone."""
    return torch.float64 if dtype == torch.float64 else torch.float32
