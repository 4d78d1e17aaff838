"""The shapes that transformer_xl_bias accepts; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence


def check(
    q: Sequence[int],
    k: Sequence[int],
    content_bias: Sequence[int],
    position_bias: Sequence[int],
    position_weight: Sequence[int],
) -> None:
    """Raise a ValueError that shows all shapes when they do not fit together."""
    q, k, weight = tuple(q), tuple(k), tuple(position_weight)
    u, v = tuple(content_bias), tuple(position_bias)
    if min(len(q), len(k)) < 3:
        wrong = "q and k need axes of heads, tokens and features"
    elif (q[:-2], q[-1]) != (k[:-2], k[-1]):
        wrong = "q and k differ in an axis other than that of the tokens, and broadcasting could hide a mistake"
    elif q[-1] == 0:
        wrong = "the feature axis of q and k is empty"
    elif (u, v) != ((q[-3], q[-1]),) * 2:
        wrong = f"content_bias and position_bias must have the shape (H, d) = {(q[-3], q[-1])}"
    elif len(weight) != 3 or weight[:2] != (q[-3], q[-1]) or weight[2] == 0 or weight[2] % 2:
        wrong = f"position_weight must have the shape (H, d, dim) = ({q[-3]}, {q[-1]}, dim), dim even"
    else:
        return
    raise ValueError(
        f"transformer_xl_bias: {wrong}. Got q {q}, k {k}, content_bias {u}, position_bias {v}, position_weight "
        f"{weight}; expected q (..., H, T, d) and k (..., H, S, d) with the same leading axes, content_bias (H, d), "
        "position_bias (H, d), position_weight (H, d, dim)."
    )
