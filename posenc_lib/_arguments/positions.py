"""Which numbers may be positions, and how they may lie along the axes of tensors and beside each other."""

from __future__ import annotations

from collections.abc import Sequence

# Above this, float64 no longer tells one integer from the next.
LARGEST_EXACT = 2**53


def low_precision(operation: str, dtype: object, merged: int) -> str:
    """Say why positions of this dtype are none: it cannot tell `merged` from the next integer."""
    return (
        f"{operation}: positions are {dtype}, which cannot tell {merged} from {merged + 1}. "
        "Pass integers, float32 or float64; the result may have low precision all the same."
    )


def not_real(operation: str, dtype: object) -> str:
    """Say that an array of this dtype holds no positions."""
    return f"{operation}: positions must be integers or real numbers, got dtype {dtype}."


def no_rows(operation: str, dtype: object) -> str:
    """Say that an array of this dtype cannot number the rows of a table."""
    return (
        f"{operation}: a table has rows at integer positions only, got dtype {dtype}. "
        "Fractional positions need a formula, such as sinusoidal."
    )


def no_distances(operation: str, name: str, dtype: object) -> str:
    """Say that the distances of positions of this dtype cannot number the rows of a table."""
    return (
        f"{operation}: {name} must be integers, for only whole distances have a row in the table; got dtype {dtype}."
    )


def check_range(operation: str, smallest: float, largest: float) -> None:
    """Raise a ValueError when positions from `smallest` to `largest` are not exact."""
    if not (smallest > -LARGEST_EXACT and largest < LARGEST_EXACT):  # comparisons that NaN fails
        raise ValueError(
            f"{operation}: positions must be finite and below 2**53 in size, where float64 still "
            f"counts in ones; got values from {smallest} to {largest}."
        )


def fit(tokens: tuple[int, ...], positions: tuple[int, ...]) -> bool:
    """Say whether positions of shape `positions` fit tokens of shape `tokens`, x's axes before dim.

    Either one position a token, (T,), or as many axes as tokens has, each of its size or 1, the last T.
    """
    if len(positions) == 1:
        return positions == tokens[-1:]
    return (
        len(positions) == len(tokens)
        and positions[-1] == tokens[-1]
        and all(p in (1, t) for p, t in zip(positions, tokens, strict=True))
    )


def check_along(
    operation: str, q: Sequence[int], keys: int, query_positions: Sequence[int], key_positions: Sequence[int]
) -> None:
    """Raise a ValueError when positions do not fit q of shape (..., T, d) and this many keys."""
    tokens = tuple(q)[:-1]
    for name, positions, expected in (
        ("query_positions", tuple(query_positions), tokens),
        ("key_positions", tuple(key_positions), (*tokens[:-1], keys)),
    ):
        if not fit(expected, positions):
            raise ValueError(
                f"{operation}: {name} {positions} do not fit q {tuple(q)} and {keys} keys. Pass one position a token, "
                f"shape {expected[-1:]}, or one for each axis of q before d, such as {expected}."
            )


def check_beside(operation: str, query_positions: Sequence[int], key_positions: Sequence[int]) -> None:
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
