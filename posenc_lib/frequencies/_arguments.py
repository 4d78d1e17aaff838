"""Checks of the numbers that scaling rules take: finite, real, and in the range where the rule means something."""

from __future__ import annotations

import math
import numbers

from posenc_lib._arguments import scalars


def number(operation: str, name: str, value: object) -> float:
    """Return `value` as a float, or say that it is no finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{operation}: {name} must be a number, got {value!r} ({type(value).__name__}).")
    try:
        found = float(value)
    except OverflowError:  # an integer past 1.8e308
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{operation}: {name} must be finite, got {value}.")
    return found


def positive(operation: str, name: str, value: object) -> float:
    """Return `value` as a float above 0."""
    found = number(operation, name, value)
    if found <= 0:
        raise ValueError(f"{operation}: {name} must be above 0, got {value}.")
    return found


def scale(operation: str, value: object, name: str = "factor") -> float:
    """Return a factor by which the context grows: 1 or more."""
    found = number(operation, name, value)
    if found < 1:
        raise ValueError(
            f"{operation}: {name} must be at least 1, because it says how many times longer the context "
            f"becomes; got {value}. 1 leaves the frequencies as they are."
        )
    return found


def length(operation: str, name: str, value: int, *, at_least: int = 1) -> int:
    """Return a number of positions as an int."""
    return scalars.integer(operation, name, value, at_least=at_least)


def dim_of_two_pairs(operation: str, dim: int) -> int:
    """Return `dim`, at least 4, for rules that leave the first pair alone and divide the last."""
    found = scalars.even_dim(operation, dim)
    if found < 4:
        raise ValueError(
            f"{operation}: dim must be at least 4, because the rule keeps the first pair and divides the last "
            f"by the factor; got {dim}, where both are one pair."
        )
    return found


def ascending(
    operation: str, low_name: str, low: object, high_name: str, high: object, *, may_meet: bool = False
) -> tuple[float, float]:
    """Return two bounds above 0, the first below the second, or equal where they `may_meet`."""
    found = positive(operation, low_name, low), positive(operation, high_name, high)
    if found[0] > found[1] or (found[0] == found[1] and not may_meet):
        wanted = "not be above" if may_meet else "be below"
        raise ValueError(
            f"{operation}: {low_name} must {wanted} {high_name}, got {low_name}={low} and {high_name}={high}."
        )
    return found
