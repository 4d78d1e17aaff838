"""What may stand for a position in the PyTorch twin."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64

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
    # On a GPU a look at the values would wait for it.
    found = extremes(positions.to(torch.float64)) if positions.device.type == "cpu" else None
    if found and not (found[0] > -LARGEST_EXACT and found[1] < LARGEST_EXACT):
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {found[0]} to {found[1]}."
        )
    return positions


def as_integer_positions(operation: str, positions: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Return `positions` as int64, or say why they cannot number the rows of a table."""
    positions = as_tensor(operation, "positions", positions)
    if positions.numel() == 0:
        return positions.to(torch.int64)
    dtype = positions.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise TypeError(
            f"{operation}: a table has rows at integer positions only, got {dtype}. "
            "Fractional positions need a formula, such as sinusoidal."
        )
    return positions.to(torch.int64)


def extremes(positions: torch.Tensor) -> tuple[float, float] | None:
    """Return the smallest and the largest value, or None where there is none that can be read."""
    if positions.numel() == 0 or torch.compiler.is_compiling():
        return None
    try:
        low, high = torch.aminmax(positions)
        return low.item(), high.item()
    except RuntimeError:  # a meta or fake tensor, or one inside torch.vmap
        return None


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
