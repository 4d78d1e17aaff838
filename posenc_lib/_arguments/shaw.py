"""The shapes that shaw_bias and shaw_attention accept; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence


def clip_of_table(operation: str, name: str, table: Sequence[int], owner: str, tokens: Sequence[int]) -> int:
    """Return K for a table of shape (2K + 1, d), d as in the tokens' shape (..., T, d), or say what is wrong."""
    table, tokens = tuple(table), tuple(tokens)
    if len(tokens) < 2:
        raise ValueError(f"{operation}: {owner} must have the shape (..., T, d), got {tokens}.")
    if tokens[-1] == 0:
        raise ValueError(f"{operation}: the feature axis of {owner} is empty, {tokens}.")
    if len(table) != 2 or table[0] % 2 == 0 or table[1] != tokens[-1]:
        raise ValueError(
            f"{operation}: {name} must have the shape (2K + 1, {tokens[-1]}): a row for each relative position from "
            f"−K to K, as long as those of {owner}, {tokens}. Got {table}."
        )
    return table[0] // 2


def check_tables(operation: str, key_table: Sequence[int], value_table: Sequence[int]) -> None:
    """Raise a ValueError when the tables differ in K."""
    if key_table[0] != value_table[0]:
        raise ValueError(
            f"{operation}: key_table and value_table must have as many rows, 2K + 1, got {key_table[0]} and "
            f"{value_table[0]}."
        )
