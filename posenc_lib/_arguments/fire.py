"""What fire_bias says of its numbers and of what its function returned; one wording for both twins."""

from __future__ import annotations

from collections.abc import Sequence


def check_shape(name: str, shape: Sequence[int]) -> None:
    if tuple(shape):
        raise ValueError(f"fire_bias: {name} must be one number, of shape (), got shape {tuple(shape)}.")


def check_value(name: str, value: float) -> None:
    if not 0 < value < float("inf"):  # comparisons that NaN fails
        raise ValueError(
            f"fire_bias: {name} must be above 0 and finite, got {value}. What is learned may leave that range: pass "
            "its absolute value."
        )


def check_output(expected: Sequence[int], found: Sequence[int]) -> None:
    """`expected` is the shape of what the function was given, (..., T, S, 1)."""
    expected, found = tuple(expected), tuple(found)
    if found[:-1] != expected[:-1] or not found[-1:] or not found[-1]:
        raise ValueError(
            f"fire_bias: mlp must turn shape (..., T, S, 1) into (..., T, S, heads); given {expected}, it returned "
            f"{found}."
        )
