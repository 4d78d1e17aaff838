"""Read off the finite number that a reader's causal mask has where −∞ belongs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np

from posenc_lib.check.exercise import Array, Case, Mistake

Mask = Callable[[Array], Array]

_SET = "hidden logits are {} instead of −∞"
_ADDED = "the added mask is {} instead of −∞"
_SET_MESSAGE = (
    "The logits of hidden keys are set to {}. Hidden keys then keep a weight, and all of it where the visible logits "
    "are much smaller still. They must be −∞, whose exponential is 0."
)
_ADDED_MESSAGE = (
    "To the logits of hidden keys is added {}. Hidden keys then keep a weight, and nearly all of it "
    "where their logits are larger than the visible ones by more than that. Add −∞, whose exponential is 0."
)
# Errors of a number that was read off: above the first it is not told, above the second it is no number.
_TOLD, _KNOWN = 0.01, 3.0


def causal(logits: Array, diagonal: int = 0, hidden: Array | float = -np.inf) -> Array:
    """Hide the keys after each query."""
    queries, keys = logits.shape[-2:]
    return np.where(np.tri(queries, keys, diagonal, dtype=bool), logits, hidden)


def _added(logits: Array, number: float) -> Array:
    return causal(logits, hidden=logits + number)


def _mistake(name: str, message: str, mask: Mask, said: str) -> Mistake:
    number = "a finite number" if said == "finite" else said
    return Mistake(name.format(said), "mask", message.format(number), {"mask": mask})


# Too small to show a value, except against logits that are smaller still. The numbers stand for all those with which
# the same queries of the cases go wrong.
UNREADABLE = (
    *(_mistake(_SET, _SET_MESSAGE, partial(causal, hidden=h), "finite") for h in (-100.0, -500.0, -1000.0, -5000.0)),
    *(
        _mistake(_ADDED, _ADDED_MESSAGE, partial(_added, number=h), "finite")
        for h in (-100.0, -1000.0, -3000.0, -5000.0)
    ),
)


def fit_set(case: Case, values: Array) -> Mistake | None:
    """Name the number to which hidden logits are set, or return None."""
    number, error = _read(case, values, np.zeros_like)
    return _named(_SET, _SET_MESSAGE, lambda c: partial(causal, hidden=c), number, error)


def fit_added(case: Case, values: Array) -> Mistake | None:
    """Name the number that is added to hidden logits, or return None."""
    number, error = _read(case, values, np.copy)
    return _named(_ADDED, _ADDED_MESSAGE, lambda c: partial(_added, number=c), number, error)


def _named(name: str, message: str, mask: Callable[[float], Mask], number: float, error: float) -> Mistake | None:
    if not error < _KNOWN:
        return None
    if error > _TOLD:
        return _mistake(name, message, mask(number), "finite")
    number = _shortest(number, error)
    return _mistake(name, message, mask(number), f"{number:.12g}".replace("-", "−"))


def _shortest(number: float, error: float) -> float:
    """Return the number of fewest digits within `error`: readers write round ones."""
    rounded = (float(f"{number:.{digits}g}") for digits in range(1, 16))
    return next((each for each in rounded if abs(each - number) <= error), number)


def _read(case: Case, values: Array, base: Callable[[Array], Array]) -> tuple[float, float]:
    """Return the number that `base` of the hidden logits was raised by, and its error, from the row that tells most."""
    q, k, v = cast(tuple[Array, Array, Array], case.args)
    if values.shape != v.shape or v.ndim != 2 or len(v) < 2:
        return np.nan, np.inf
    logits = q @ k.T / np.sqrt(q.shape[-1])
    rows = (_read_row(logits[m], base(logits[m]), v, values[m], m + 1) for m in range(len(v) - 1))
    return min(rows, key=lambda found: found[1])


def _read_row(logits: Array, base: Array, v: Array, output: Array, seen: int) -> tuple[float, float]:
    """An output is between the averages over visible and over hidden keys; where, tells the weight of the hidden."""
    visible_level, visible = _average(logits[:seen], v[:seen])
    hidden_level, hidden = _average(base[seen:], v[seen:])
    way = hidden - visible
    share = float((output - visible) @ way / (way @ way))
    if not 0 < share < 1:
        return np.nan, np.inf
    error = 1e-14 * (1 + np.max(np.abs(logits))) / (share * (1 - share))
    return visible_level - hidden_level + np.log(share / (1 - share)), error


def _average(logits: Array, v: Array) -> tuple[float, Array]:
    """Return the log-sum-exp of `logits` and the average of `v` that they weigh."""
    level = float(np.logaddexp.reduce(logits))
    average: Array = np.exp(logits - level) @ v
    return level, average
