"""What may stand for numbers, masks and dtypes in the NumPy twin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posenc_lib import _arguments


def as_real(operation: str, name: str, array: ArrayLike) -> NDArray[np.float64]:
    """Return `array` in float64, itself if it has it, or say why it holds no real numbers."""
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind not in "iuf":
        hint = _arguments.attention.BOOLEAN_BIAS if kind == "b" and name == "bias" else ""
        raise TypeError(f"{operation}: {name} must hold real numbers, got dtype {array.dtype}.{hint}")
    return array.astype(np.float64, copy=False)


def as_mask(operation: str, mask: ArrayLike) -> NDArray[np.bool_]:
    """Return `mask` as a boolean array, or say why it is none: 1 and 0 have been used both ways."""
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise TypeError(_arguments.attention.wrong_mask(operation, array.dtype, array.dtype.kind == "f"))
    return array.astype(np.bool_, copy=False)


def floating(operation: str, dtype: DTypeLike | None) -> DTypeLike:
    """Return the dtype asked for a result, float64 if None, or say that it holds no fractions."""
    found = np.dtype(np.float64 if dtype is None else dtype)
    if found.kind != "f":
        raise TypeError(f"{operation}: dtype must be floating, to hold fractions; got {found}.")
    return found
