"""Where the buckets of T5 begin, in integers; one rule for both twins.

Integers, because a logarithm lands beside a boundary that it should hit: in float64
log(16 / 4) / log(128 / 4) · 5 is 1.9999999999999998, and on another device it may be something else.
"""

import functools
import math

from posenc_lib._arguments import scalars

LARGEST_DISTANCE = 2**31


def settings(operation: str, bidirectional: bool, num_buckets: int, max_distance: int) -> tuple[int, int]:
    """Return (buckets for one direction, max_distance) as ints, or say why there are no such buckets."""
    directions = 2 if bidirectional else 1
    num_buckets = scalars.integer(operation, "num_buckets", num_buckets, at_least=2 * directions)
    max_distance = scalars.integer(operation, "max_distance", max_distance, at_least=1)
    if num_buckets % directions:
        raise ValueError(
            f"{operation}: num_buckets must be even when bidirectional, half of it for each direction; "
            f"got {num_buckets}. Use {num_buckets - 1} or {num_buckets + 1}."
        )
    buckets = num_buckets // directions
    if not buckets // 2 < max_distance <= LARGEST_DISTANCE:
        raise ValueError(
            f"{operation}: max_distance must be above {buckets // 2}, where the buckets of one distance "
            f"end, and at most 2**31; got {max_distance}."
        )
    return buckets, max_distance


@functools.cache
def boundaries(buckets: int, max_distance: int) -> tuple[int, ...]:
    """Return the smallest distance of bucket 1, 2, … for one direction, as a tuple of ints.

    The first half of the buckets holds one distance each. From there on the boundaries grow
    geometrically towards max_distance: E · (max_distance / E)^(j/L), rounded up.
    """
    exact = buckets // 2
    rest = buckets - exact
    return (*range(1, exact + 1), *(_boundary(exact, max_distance, j, rest) for j in range(1, rest)))


def _boundary(exact: int, max_distance: int, j: int, rest: int) -> int:
    """Return the smallest integer n ≥ exact · (max_distance / exact)^(j / rest)."""
    near: float = exact * (max_distance / exact) ** (j / rest)
    n = round(near)
    if abs(near - n) > 1e-12 * near:  # far enough from n: `near` has 14 digits at least
        return math.ceil(near)
    return n if n**rest >= max_distance**j * exact ** (rest - j) else n + 1
