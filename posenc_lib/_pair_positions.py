"""How the positions of queries and of keys may lie along the axes of q; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence

from posenc_lib import _position_shapes


def check(
    operation: str, q: Sequence[int], keys: int, query_positions: Sequence[int], key_positions: Sequence[int]
) -> None:
    """Raise a ValueError when positions do not fit q of shape (..., T, d) and this many keys."""
    tokens = tuple(q)[:-1]
    for name, positions, expected in (
        ("query_positions", tuple(query_positions), tokens),
        ("key_positions", tuple(key_positions), (*tokens[:-1], keys)),
    ):
        if not _position_shapes.fit(expected, positions):
            raise ValueError(
                f"{operation}: {name} {positions} do not fit q {tuple(q)} and {keys} keys. Pass one position a token, "
                f"shape {expected[-1:]}, or one for each axis of q before d, such as {expected}."
            )
