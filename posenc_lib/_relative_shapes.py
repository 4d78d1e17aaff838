"""How the positions of queries and of keys may lie beside each other; one rule for all biases, in both twins."""

from __future__ import annotations

from collections.abc import Sequence


def check(operation: str, query_positions: Sequence[int], key_positions: Sequence[int]) -> None:
    """Raise a ValueError that shows both shapes when they do not fit together."""
    query, key = tuple(query_positions), tuple(key_positions)
    if not query or not key:
        wrong = "positions need a token axis; write one position as [p]"
    elif query[:-1] != key[:-1]:
        wrong = "the leading axes differ, and broadcasting them could hide a mistake"
    else:
        return
    raise ValueError(
        f"{operation}: {wrong}. Got query_positions {query}, key_positions {key}; expected (..., T) and "
        "(..., S) with the same leading axes."
    )
