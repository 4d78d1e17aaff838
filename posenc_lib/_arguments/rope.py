"""The shapes, the layouts and the factors that rope accepts; one rule for both twins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from posenc_lib._arguments import scalars
from posenc_lib._arguments.positions import fit

LAYOUTS = ("interleaved", "half")
# At one radian in the last digit of float64, no angle is known.
LARGEST_FREQUENCY = 2.0**53


def check(
    x: Sequence[int],
    positions: Sequence[int],
    frequencies: Sequence[int],
    layout: str,
    *,
    operation: str = "rope",
    name: str = "x",
) -> None:
    """Raise a ValueError that names what does not fit; the first three are shapes, `name` is what x is called."""
    x, positions, frequencies = tuple(x), tuple(positions), tuple(frequencies)
    check_layout(operation, layout)
    if len(x) < 2:
        raise ValueError(f"{operation}: {name} must be (..., T, dim), got {x}.")
    check_frequencies(operation, frequencies)
    n, dim = frequencies[0], x[-1]
    if 2 * n > dim:
        raise ValueError(
            f"{operation}: every frequency turns two dimensions; {n} of them need {2 * n}, and {name} {x} has {dim}. "
            f"Pass at most {dim // 2}."
        )
    if not fit(x[:-1], positions):
        raise ValueError(_misfit(operation, name, x, positions))


def check_layout(operation: str, layout: str) -> None:
    """Raise a ValueError when there is no such layout."""
    if layout not in LAYOUTS:
        raise ValueError(
            f"{operation}: unknown layout {layout!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs "
            "(i, i+r/2), r being twice the number of frequencies."
        )


def check_frequencies(operation: str, frequencies: Sequence[int]) -> None:
    """Raise a ValueError when an array of this shape holds no frequencies."""
    if len(frequencies) != 1:
        raise ValueError(f"{operation}: frequencies must have one axis, got {tuple(frequencies)}.")
    if frequencies[0] == 0:
        raise ValueError(
            f"{operation}: frequencies is empty, so nothing would turn. To leave x as it is, do not call {operation}."
        )


def check_range(operation: str, smallest: float, largest: float) -> None:
    """Raise a ValueError when frequencies from `smallest` to `largest` turn nothing by a known angle."""
    if not (smallest > -math.inf and largest < math.inf):  # comparisons that NaN fails
        raise ValueError(f"{operation}: frequencies must be finite, got values from {smallest} to {largest}.")
    if not (smallest > -LARGEST_FREQUENCY and largest < LARGEST_FREQUENCY):
        raise ValueError(
            f"{operation}: frequencies must be below 2**53 in size, where float64 still counts in radians; got values "
            f"from {smallest} to {largest}."
        )


def positive_factor(operation: str, attention_factor: float) -> float:
    """Return `attention_factor` as a float, or say why nothing can be multiplied by it."""
    hint = " It multiplies queries and keys alike, so logits by its square; 1 leaves them as they are."
    return scalars.positive(operation, "attention_factor", attention_factor, hint)


def _misfit(operation: str, name: str, x: tuple[int, ...], positions: tuple[int, ...]) -> str:
    T, between = x[-2], len(x) - 3
    message = (
        f"{operation}: positions {positions} do not fit {name} {x}. Pass shape ({T},), or as many axes as {name} has "
        f"before dim, each of {name}'s size or 1, the last {T}."
    )
    if len(positions) == 2 and between > 0:
        ones, nones = "1, " * between, "None, " * between
        message += (
            " Two axes (B, T), a row for each sequence, would broadcast over the heads in silence: "
            f"write (B, {ones}T), which is positions[:, {nones}:]."
        )
    return message
