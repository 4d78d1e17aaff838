"""Numbers and index lists as people write them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence


def number(value: float) -> str:
    """A measured number: up to six digits below a million, three above.

    >>> number(10000.0), number(0.1 * math.log(32) + 1), number(2.0412e7), number(3e9), number(math.inf)
    ('10000', '1.34657', '20.4 million', '3 billion', 'infinite')
    """
    if math.isinf(value):
        return "infinite"
    if value >= 1e12:
        return f"{value:.3g}"
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return f"{value:.6g}"


def exact(value: float) -> str:
    """A number of the configuration, with all its digits.

    >>> exact(11158840.0), exact(0.25), exact(40)
    ('11158840', '0.25', '40')
    """
    return str(int(value)) if value == int(value) else repr(value)


def runs(indices: Sequence[int]) -> str:
    """Say which indices these are: runs as "0–4", steady steps as "3, 7, …, 35", "none" for none.

    >>> runs(range(29)), runs([3, 7, 11, 15]), runs([0, 1, 2, 4, 5, 6]), runs([])
    ('0–28', '3, 7, …, 15', '0–2, 4–6', 'none')
    """
    indices = list(indices)
    if not indices:
        return "none"
    steps = {later - earlier for earlier, later in itertools.pairwise(indices)}
    if len(indices) > 3 and len(steps) == 1 and steps != {1}:
        return f"{indices[0]}, {indices[1]}, …, {indices[-1]}"
    starts = [i for i in range(len(indices)) if i == 0 or indices[i] != indices[i - 1] + 1]
    ends = [*(start - 1 for start in starts[1:]), len(indices) - 1]
    return ", ".join(_run(indices[start], indices[end]) for start, end in zip(starts, ends, strict=True))


def some_of(indices: Sequence[int], total: int) -> str:
    """Say which of 0 … total − 1 these are, by those that are missing where that is shorter.

    >>> some_of(range(32), 32), some_of([0, 1, 2, 4, 5, 6], 8), some_of([i for i in range(36) if i % 4 < 3], 36)
    ('all 32', '0–2, 4–6', 'all but 3, 7, …, 35')
    """
    present = set(indices)
    missing = [i for i in range(total) if i not in present]
    if not missing:
        return f"all {total}"
    without = f"all but {runs(missing)}"
    return min(runs(indices), without, key=len) if indices else "none"


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"
