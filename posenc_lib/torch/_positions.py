"""What may stand for a position in the PyTorch twin."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib.torch._tensors import as_tensor, extremes_on_cpu

# Above this, float64 no longer tells one integer from the next.
LARGEST_EXACT = 2**53


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
        raise TypeError(
            f"{operation}: positions are {dtype}, which cannot tell {merged} from {merged + 1}. "
            "Pass integers, float32 or float64; the result may have low precision all the same."
        )
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(f"{operation}: positions must be integers or real numbers, got {dtype}.")
    found = extremes_on_cpu(positions, torch.float64)
    if found and not (found[0] > -LARGEST_EXACT and found[1] < LARGEST_EXACT):
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {found[0]} to {found[1]}."
        )
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
        raise TypeError(
            f"{operation}: a table has rows at integer positions only, got {dtype}. "
            "Fractional positions need a formula, such as sinusoidal."
        )
    return positions.to(torch.int64)
