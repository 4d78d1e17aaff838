"""What may stand for vectors, positions and frequencies where rope and its relatives turn them, in the PyTorch twin."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64
from posenc_lib.torch._positions import as_positions
from posenc_lib.torch._tensors import as_tensor, extremes_on_cpu, one_device


def arguments(
    operation: str,
    x: torch.Tensor | ArrayLike,
    positions: torch.Tensor | ArrayLike | range,
    frequencies: torch.Tensor | ArrayLike,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return all three as tensors, frequencies in float64, or say which is of the wrong kind or on another device."""
    x = as_tensor(operation, "x", x)
    if not x.is_floating_point():
        raise TypeError(f"{operation}: x must be floating, as its result is, got {x.dtype}.")
    return x, *angle_arguments(operation, "x", x, positions, frequencies)


def angle_arguments(
    operation: str,
    name: str,
    x: torch.Tensor,
    positions: torch.Tensor | ArrayLike | range,
    frequencies: torch.Tensor | ArrayLike,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return positions and frequencies likewise; frequencies may lie on the CPU, else both on x's device."""
    one_device(operation, {"positions": positions, name: x})
    if isinstance(frequencies, torch.Tensor) and frequencies.device.type != "cpu":
        one_device(operation, {"frequencies": frequencies, name: x})
    return as_positions(operation, positions, x.device), as_frequencies(operation, frequencies)


def as_frequencies(operation: str, frequencies: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Return `frequencies` in float64, or say why they are none."""
    frequencies = as_tensor(operation, "frequencies", frequencies, device="cpu")
    dtype = frequencies.dtype
    if dtype == torch.bool or dtype.is_complex:
        raise TypeError(f"{operation}: frequencies must be integers or real numbers, got {dtype}.")
    if dtype.is_floating_point and dtype.itemsize < 4:
        raise TypeError(f"{operation}: frequencies are {dtype}, which turns far positions wrongly. Pass float64.")
    if frequencies.device.type in DEVICES_WITHOUT_FLOAT64:
        frequencies = frequencies.cpu()
    frequencies = frequencies.to(torch.float64)
    found = extremes_on_cpu(frequencies, torch.float64)
    if found:
        _arguments.rope.check_range(operation, *found)
    return frequencies
