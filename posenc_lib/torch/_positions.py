"""What may stand for a position in the PyTorch twin."""

import numpy as np
import torch

from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64

# Above this, float64 no longer tells one integer from the next.
LARGEST_EXACT = 2**53


def as_positions(operation, positions):
    """Return `positions` as a tensor of integers, float32 or float64, or say why they are not positions."""
    positions = _as_tensor(operation, positions)
    dtype = positions.dtype
    if dtype.is_floating_point and dtype.itemsize < 4:
        merged = int(2 / torch.finfo(dtype).eps)
        raise TypeError(
            f"{operation}: positions are {dtype}, which cannot tell {merged} from {merged + 1}. "
            "Pass integers, float32 or float64, and ask for a low precision of the result by dtype."
        )
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(f"{operation}: positions must be integers or real numbers, got {dtype}.")
    # On a GPU a look at the values would wait for it.
    found = extremes(positions.to(torch.float64)) if positions.device.type == "cpu" else None
    if found and not (-LARGEST_EXACT < found[0] and found[1] < LARGEST_EXACT):
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {found[0]} to {found[1]}."
        )
    return positions


def as_integer_positions(operation, positions):
    """Return `positions` as int64, or say why they cannot number the rows of a table."""
    positions = _as_tensor(operation, positions)
    if positions.numel() == 0:
        return positions.to(torch.int64)
    dtype = positions.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise TypeError(
            f"{operation}: a table has rows at integer positions only, got {dtype}. "
            "Fractional positions need a formula, such as sinusoidal."
        )
    return positions.to(torch.int64)


def extremes(positions):
    """Return the smallest and the largest value, or None where there is none that can be read."""
    if positions.numel() == 0 or torch.compiler.is_compiling():
        return None
    try:
        return tuple(end.item() for end in torch.aminmax(positions))
    except RuntimeError:  # a meta or fake tensor, or one inside torch.vmap
        return None


def _as_tensor(operation, positions):
    if isinstance(positions, torch.Tensor):
        return positions
    try:
        if isinstance(positions, range):
            return torch.arange(positions.start, positions.stop, positions.step)
        if isinstance(positions, np.ndarray):
            return torch.as_tensor(positions.copy())  # PyTorch reads no array of negative stride
        tensor = torch.as_tensor(positions)
        if tensor.is_floating_point() and tensor.device.type not in DEVICES_WITHOUT_FLOAT64:
            # Python's floats would become float32, which merges neighbours from 16777216 on.
            tensor = torch.as_tensor(positions, dtype=torch.float64)
        return tensor
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{operation}: positions must be integers or real numbers, got {positions!r} ({error})."
        ) from error
