"""Numbers as text that noise cannot change.

A value is printed to five digits of the largest one beside it, not of itself: the 1e-17 that stands
where an exact sum has 0 prints as 0.0000, on every machine.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

DECIMALS = 4  # after the leading digit of the scale: five digits in all
PROJECTIONS = 3


def number(value: float, scale: float) -> str:
    """``value`` as text, to five digits of ``scale``."""
    if not np.isfinite(value):
        return str(float(value))
    exponent = _exponent(scale)
    # First to ten digits and then to five: noise cannot then push a tie such as 0.12345|5 either way.
    mantissa = Decimal(f"{value / 10.0**exponent:.9f}").quantize(Decimal(10) ** -DECIMALS) + 0
    if -5 < exponent < DECIMALS:
        return f"{mantissa.scaleb(exponent):.{DECIMALS - exponent}f}"
    return f"{mantissa}e{exponent:+03d}"


def numbers(values: ArrayLike, scale: float = 0.0) -> str:
    """Several values as text, to five digits of the largest of them and of ``scale``."""
    values = np.atleast_1d(np.asarray(values, dtype=float))
    scale = max(scale, _largest(values))
    return " ".join(number(value, scale) for value in values)


def summarise(array: ArrayLike, scale: float = 0.0) -> str:
    """An array's shape, extremes, mean, root mean square and projections on fixed random directions.

    The projections depend on the order of the values, so they tell apart what has the same range
    and the same mean: a sine from a cosine, a matrix from its transpose.
    """
    array = np.ma.filled(np.ma.asarray(array).astype(float), np.nan)
    finite = np.isfinite(array)
    shape = "x".join(map(str, array.shape)) or "scalar"
    if not finite.any():
        return f"{shape}: no finite value"
    missing = f", {array.size - finite.sum()} not finite" if not finite.all() else ""
    values, kept = np.where(finite, array, 0.0).ravel(), array[finite]
    facts = [kept.min(), kept.max(), kept.mean(), np.sqrt(np.mean(kept**2))]
    facts += list(_directions(values.size) @ values / np.sqrt(values.size))
    scale = max(scale, _largest(kept))
    low, high, mean, rms, *projections = (number(fact, scale) for fact in facts)
    return f"{shape}{missing}: min {low} max {high} mean {mean} rms {rms} projections {' '.join(projections)}"


def _directions(size: int) -> NDArray[np.float64]:
    # RandomState's stream is frozen: the same numbers under every version of NumPy.
    return np.random.RandomState(0).uniform(-1, 1, (PROJECTIONS, size))


def _largest(values: NDArray[np.float64]) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _exponent(scale: float) -> int:
    """Power of ten of ``scale`` after rounding it, so that 1 and 0.9999999 have the same."""
    return int(f"{scale:.{DECIMALS}e}".split("e")[1])
