"""Angles that stay accurate at any position: reduced to one turn before they lose their digits."""

from __future__ import annotations

import math

import torch

DEVICES_WITHOUT_FLOAT64 = {"mps"}


def reduced_angles(positions: torch.Tensor, frequencies: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return positions · frequencies modulo 2π, within [−π, π], shape (..., len(frequencies)).

    A float32 product of position and angular frequency is off by 0.06 rad at a million positions.
    So the product is taken in float64 and in turns (frequency / 2π), whose nearest integer can be
    subtracted without rounding; only the rest is brought to `dtype`.

    Parameters
    ----------
    positions : torch.Tensor, shape (...)
    frequencies : torch.Tensor, shape (n,)
        float64, on the CPU, radians per position.
    dtype : torch.dtype
        float32 or float64.
    """
    return angles_of_turns(positions, frequencies / (2 * math.pi), dtype)


def angles_of_turns(positions: torch.Tensor, turns: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return what `reduced_angles` does for frequencies in turns per position, which a model can keep."""
    device = positions.device
    if device.type in DEVICES_WITHOUT_FLOAT64:
        positions = positions.cpu()
    phase = positions.to(torch.float64)[..., None] * turns.to(positions.device)
    phase -= phase.round()
    return phase.mul_(2 * math.pi).to(dtype).to(device)
