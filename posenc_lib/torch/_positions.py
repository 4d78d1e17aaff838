"""What may stand for a position in the PyTorch twin."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._tensors import as_tensor, extremes_on_cpu


def as_positions(
    operation: str, positions: torch.Tensor | ArrayLike, device: torch.device | str | None = None
) -> torch.Tensor:
    """Return `positions` as a tensor of integers, float32 or float64, or say why they are not positions.

    `device` is for what is no tensor yet; PyTorch's default if None.
    """
    positions = as_tensor(operation, "positions", positions, device)
    dtype = positions.dtype
    if dtype.is_floating_point and dtype.itemsize < 4:
        merged = int(2 / torch.finfo(dtype).eps)
        raise TypeError(_arguments.positions.low_precision(operation, dtype, merged))
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(_arguments.positions.not_real(operation, dtype))
    found = extremes_on_cpu(positions, torch.float64)
    if found:
        _arguments.positions.check_range(operation, *found)
    return positions


def as_integer_positions(
    operation: str, positions: torch.Tensor | ArrayLike, device: torch.device
) -> torch.Tensor:
    """Return `positions` as int64, what is no tensor on `device`, or say why they cannot number a table's rows."""
    positions = as_tensor(operation, "positions", positions, device)
    if positions.numel() == 0:
        return positions.to(torch.int64)
    dtype = positions.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise TypeError(_arguments.positions.no_rows(operation, dtype))
    return positions.to(torch.int64)
