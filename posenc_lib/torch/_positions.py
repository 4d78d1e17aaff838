"""What may stand for a position in the PyTorch twin."""

import torch

# Above this, float64 no longer tells one integer from the next.
LARGEST_EXACT = 2**53


def as_positions(operation, positions):
    """Return `positions` as a tensor of integers, float32 or float64, or say why they are not positions."""
    positions = _as_tensor(positions)
    dtype = positions.dtype
    if dtype in (torch.float16, torch.bfloat16):
        first = 257 if dtype == torch.bfloat16 else 2049
        raise TypeError(
            f"{operation}: positions are {dtype}, which cannot tell {first - 1} from {first}. "
            "Pass integers, float32 or float64, and ask for a low precision of the result by dtype."
        )
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(f"{operation}: positions must be integers or real numbers, got {dtype}.")
    if _values_can_be_read(positions) and not bool((positions.abs() < LARGEST_EXACT).all()):
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {positions.min()} to {positions.max()}."
        )
    return positions


def as_integer_positions(operation, positions):
    """Return `positions` as int64, or say why they cannot number the rows of a table."""
    positions = _as_tensor(positions)
    if positions.numel() == 0:
        return positions.to(torch.int64)
    dtype = positions.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise TypeError(
            f"{operation}: a table has rows at integer positions only, got {dtype}. "
            "Fractional positions need a formula, such as sinusoidal."
        )
    return positions.to(torch.int64)


def _as_tensor(positions):
    if isinstance(positions, range):
        return torch.arange(positions.start, positions.stop, positions.step)
    return torch.as_tensor(positions)


def _values_can_be_read(positions):
    """On a GPU a look at the values would wait for it; while compiling there are none."""
    return positions.device.type == "cpu" and not torch.compiler.is_compiling()
