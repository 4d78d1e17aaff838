"""The shapes that alibi_bias accepts; one rule for both twins."""


def check(query_positions, key_positions):
    """Raise a ValueError that shows both shapes when they do not fit together."""
    query, key = tuple(query_positions.shape), tuple(key_positions.shape)
    if not query or not key:
        wrong = "positions need a token axis; write one position as [p]"
    elif query[:-1] != key[:-1]:
        wrong = "the leading axes differ, and broadcasting them could hide a mistake"
    else:
        return
    raise ValueError(
        f"alibi_bias: {wrong}. Got query_positions {query}, key_positions {key}; expected (..., T) and "
        "(..., S) with the same leading axes."
    )
