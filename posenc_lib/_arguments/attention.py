"""The shapes that attention accepts; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence

BOOLEAN_BIAS = " Pass a boolean mask as mask=, True where a query may look."


def wrong_mask(operation: str, dtype: object, floating: bool) -> str:
    """Say why an array of this dtype cannot be a mask, and what to pass instead."""
    hint = (
        "An additive mask, 0 or -inf, is a bias: pass it as bias=."
        if floating
        else "If 1 says that a query may look, pass mask == 1; if 1 says that it may not, mask == 0."
    )
    return f"{operation}: mask must be boolean, True where a query may look, got dtype {dtype}. {hint}"


def check(
    operation: str,
    q: Sequence[int],
    k: Sequence[int],
    v: Sequence[int],
    *,
    bias: Sequence[int] | None = None,
    mask: Sequence[int] | None = None,
    causal: bool,
    instead: str = "pass a mask instead, such as mask=key_positions <= query_positions[:, None]",
) -> None:
    """Raise a ValueError that shows all shapes when they do not fit together; `instead` of causal says how."""
    q, k, v = tuple(q), tuple(k), tuple(v)
    over = [
        (name, rows, tuple(shape))
        for name, rows, shape in (("bias", "T", bias), ("mask", "T or 1", mask))
        if shape is not None
    ]
    wrong = _mismatch_of_tokens(q, k, v)
    if not wrong and causal and q[-2] != k[-2]:
        wrong = (
            "causal=True needs as many queries as keys, otherwise it is open which key is the first query's own; "
            f"{instead}"
        )
    for name, rows, shape in over:
        wrong = wrong or _mismatch_of_logits(name, rows, shape, (*q[:-1], k[-2]))
    if wrong:  # the texts are put together here alone, for torch.compile cannot follow them
        got = "".join(f", {name} {shape}" for name, _, shape in over)
        expected = "".join(f", {name} (..., {rows}, S)" for name, rows, _ in over)
        raise ValueError(
            f"{operation}: {wrong}. Got q {q}, k {k}, v {v}{got}; expected q (..., T, d), k (..., S, d), v (..., S, e) "
            f"with the same leading axes{expected}."
        )


def _mismatch_of_tokens(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> str | None:
    if min(len(q), len(k), len(v)) < 2:
        return "q, k and v need a token axis and a feature axis"
    if not q[:-2] == k[:-2] == v[:-2]:
        return "the leading axes differ, and broadcasting them could hide a mistake"
    if q[-1] != k[-1]:
        return "q and k differ in their last axis, so they have no dot product"
    if q[-1] == 0:
        return "the feature axis of q and k is empty"
    if k[-2] != v[-2]:
        return "k and v hold different numbers of tokens"
    if k[-2] == 0:
        return "there is no key to attend to"
    return None


def _mismatch_of_logits(name: str, rows: str, shape: tuple[int, ...], logits: tuple[int, ...]) -> str | None:
    """Say why an array cannot be laid over the logits, whose shape is (..., T, S)."""
    *leading, T, S = logits
    ends = [(T, S), (1, S)] if rows == "T or 1" else [(T, S)]
    if shape[-2:] not in ends:
        return f"{name} must end in ({rows}, S) = ({str(T) + rows[1:]}, {S})"
    given = (1,) * (len(leading) - len(shape[:-2])) + shape[:-2]  # as broadcasting aligns them
    fits = len(given) == len(leading) and all(g in (1, e) for g, e in zip(given, leading, strict=True))
    return None if fits else f"the leading axes of {name} do not fit {tuple(leading)}"
