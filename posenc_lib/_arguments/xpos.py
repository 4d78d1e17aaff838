"""What xpos accepts besides what rope does; one rule for both twins."""

import math


def sign_of(role: str) -> int:
    """Return the sign of the exponent: queries are multiplied by the factor, keys by its inverse."""
    if role not in ("query", "key"):
        raise ValueError(
            f"xpos: unknown role {role!r}. 'query' multiplies pair i at position m by ζ_i^(m/scale_base), 'key' "
            "divides by it."
        )
    return 1 if role == "query" else -1


def check_reach(smallest: float, largest: float, gamma: float, scale_base: float, tiny: float, dtype: object) -> None:
    """Raise a ValueError where a factor or its inverse is smaller than `tiny`, the smallest normal number of dtype."""
    reach = scale_base * math.log(tiny) / -math.log1p(1 / gamma)
    if max(-smallest, largest) > reach:
        raise ValueError(
            f"xpos: beyond position ±{reach:.0f} the factor ζ_0^(±m/scale_base) is too small or too large for {dtype}, "
            f"got positions from {smallest:g} to {largest:g}. Only differences count: subtract one number, such as the "
            "middle, from the positions of all queries and keys alike."
        )
