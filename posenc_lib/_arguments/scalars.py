"""Argument checks that NumPy code and PyTorch code share: plain Python numbers only.

Each takes the name of the calling operation first, so that the error can say who refused and why.
"""

import math
import numbers


def even_dim(operation: str, dim: int) -> int:
    """Return `dim` as an int, or say why it cannot be the size of a code made of pairs."""
    if isinstance(dim, bool) or not isinstance(dim, numbers.Integral):
        raise TypeError(f"{operation}: dim must be an integer, got {dim!r} ({type(dim).__name__}).")
    dim = int(dim)
    if dim < 2 or dim % 2:
        smaller, larger = max(2, dim - dim % 2), max(2, dim + dim % 2)
        use = str(larger) if smaller == larger else f"{smaller} or {larger}"
        raise ValueError(
            f"{operation}: dim must be even and at least 2, because every angular frequency fills "
            f"two dimensions; got {dim}. Use {use}."
        )
    return dim


def base_of_frequencies(operation: str, base: float) -> float:
    """Return `base` as a float, or say why no geometric ladder of frequencies has it."""
    if isinstance(base, bool) or not isinstance(base, numbers.Real):
        raise TypeError(f"{operation}: base must be a number, got {base!r} ({type(base).__name__}).")
    if not 1 <= base < math.inf:  # comparisons only: torch.compile can follow them
        raise ValueError(
            f"{operation}: base must be finite and at least 1, so that angular frequencies fall from "
            f"1 radian per position; got {base}. The original Transformer uses 10000."
        )
    return float(base)


def integer(operation: str, name: str, value: int, *, at_least: int) -> int:
    """Return `value` as an int, or say that it is none, or too small."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{operation}: {name} must be an integer, got {value!r} ({type(value).__name__}).")
    if value < at_least:
        raise ValueError(f"{operation}: {name} must be at least {at_least}, got {value}.")
    return int(value)


def positive(operation: str, name: str, value: float, hint: str = "") -> float:
    """Return `value` as a float, or say that it is no positive number; `hint` says what it is for."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{operation}: {name} must be a number, got {value!r} ({type(value).__name__}).")
    if not 0 < value < math.inf:  # comparisons only: torch.compile can follow them
        raise ValueError(f"{operation}: {name} must be finite and above 0, got {value}.{hint}")
    return float(value)
