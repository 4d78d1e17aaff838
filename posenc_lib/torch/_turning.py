"""Pairs turned by angles that are given: what the relatives of rope share."""

import torch
from numpy.typing import ArrayLike

from posenc_lib.torch._positions import as_positions, as_tensor
from posenc_lib.torch.rope import as_frequencies


def arguments(
    operation: str,
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike,
    frequencies: torch.Tensor | ArrayLike,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return all three as tensors, frequencies in float64, or say which is of the wrong kind or on another device."""
    x = as_tensor(operation, "x", x)
    if not x.is_floating_point():
        raise TypeError(f"{operation}: x must be floating, as its result is, got {x.dtype}.")
    for name, value, elsewhere in (("positions", positions, None), ("frequencies", frequencies, "cpu")):
        if isinstance(value, torch.Tensor) and value.device != x.device and value.device.type != elsewhere:
            raise ValueError(f"{operation}: {name} are on {value.device}, x is on {x.device}. Move one to the other.")
    return x, as_positions(operation, positions, x.device), as_frequencies(operation, frequencies)


def precision(x: torch.Tensor) -> torch.dtype:
    """What pairs turn in: float64 if x has it, else float32, half precision too."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32
