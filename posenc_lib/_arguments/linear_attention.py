"""What linear_attention accepts; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence

from posenc_lib._arguments import rope

NORMALIZE = ("unrotated", "rotated")
INSTEAD_OF_CAUSAL = "give q all tokens, or leave causal away where no key is hidden from any query"


def check_settings(layout: str, normalize: str, feature_map: object, positions: object, frequencies: object) -> None:
    """Raise an error when a setting is unknown, or when positions and frequencies do not come together."""
    rope.check_layout("linear_attention", layout)
    if normalize not in NORMALIZE:
        raise ValueError(
            f"linear_attention: unknown normalize {normalize!r}. 'unrotated' divides by the sum of φ(q) · φ(k), as "
            "RoFormer's equation 19 does; 'rotated' by the sum of the rotated weights, which makes their sum 1."
        )
    if not (feature_map is None or callable(feature_map)):
        raise TypeError(f"linear_attention: feature_map must be a function, got {feature_map!r}. None is elu + 1.")
    if (positions is None) != (frequencies is None):
        got, lacks = ("positions", "frequencies") if frequencies is None else ("frequencies", "positions")
        raise ValueError(
            f"linear_attention: {got} turn nothing without {lacks}. Pass both, or neither for no positional encoding."
        )


def check_features(
    q: Sequence[int], k: Sequence[int], query_features: Sequence[int], key_features: Sequence[int]
) -> None:
    """Raise a ValueError when a feature map changed more than the number of features."""
    given = tuple(query_features), tuple(key_features)
    if given[0][:-1] != tuple(q)[:-1] or given[1][:-1] != tuple(k)[:-1] or given[0][-1] != given[1][-1]:
        raise ValueError(
            "linear_attention: feature_map must keep all axes but the last, and make equally many features of q and k. "
            f"Got {given[0]} for q {tuple(q)} and {given[1]} for k {tuple(k)}."
        )


def check_turning(q: Sequence[int], k: Sequence[int]) -> None:
    """Raise a ValueError when positions cannot be those of queries and keys alike."""
    if q[-2] != k[-2]:
        raise ValueError(
            "linear_attention: positions are those of queries and keys alike, which needs as many of the one as of the "
            f"other; got q {tuple(q)}, k {tuple(k)}."
        )
