"""The ramp that NTK-by-parts, YaRN's paper and Llama 3 share, over the turns a pair makes in training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def by_turns(
    ladder: NDArray[np.float64], *, factor: float, original_length: int, low: float, high: float
) -> NDArray[np.float64]:
    """Keep pairs of more than `high` turns, divide pairs of fewer than `low`, blend linearly between."""
    turns = original_length * ladder / (2 * math.pi)
    kept = np.heaviside(turns - high, 1.0) if low == high else np.clip((turns - low) / (high - low), 0, 1)
    return blend(ladder, factor, kept)


def blend(ladder: NDArray[np.float64], factor: float, kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """θ where `kept` is 1, θ / factor where it is 0."""
    return ladder * kept + ladder / factor * (1 - kept)
