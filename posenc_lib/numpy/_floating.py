"""The dtype that a caller asks of a result, in the NumPy twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike


def floating(operation: str, dtype: DTypeLike | None) -> DTypeLike:
    """Return `dtype`, float64 if None, or say that it holds no fractions."""
    found = np.dtype(np.float64 if dtype is None else dtype)
    if found.kind != "f":
        raise TypeError(f"{operation}: dtype must be floating, to hold fractions; got {found}.")
    return found
