"""The shapes that attention accepts; one rule for both twins."""

BOOLEAN_BIAS = " Write a boolean mask as a bias: 0 where a query may look, -inf where it may not."


def check(q, k, v, bias, causal):
    """Raise a ValueError that shows all shapes when they do not fit together."""
    q, k, v = tuple(q.shape), tuple(k.shape), tuple(v.shape)
    bias = None if bias is None else tuple(bias.shape)
    wrong = _first_mismatch(q, k, v, bias, causal)
    if wrong:
        given = f"q {q}, k {k}, v {v}" + ("" if bias is None else f", bias {bias}")
        raise ValueError(
            f"attention: {wrong}. Got {given}; expected q (..., T, d), k (..., S, d), v (..., S, e) "
            "with the same leading axes, and bias (..., T, S)."
        )


def _first_mismatch(q, k, v, bias, causal):
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
    if causal and q[-2] != k[-2]:
        return (
            "causal=True needs as many queries as keys, otherwise it is open which key is the "
            "first query's own; pass a bias of 0 and -inf instead"
        )
    if bias is not None:
        return _bias_mismatch(bias, (*q[:-1], k[-2]))
    return None


def _bias_mismatch(bias, logits):
    if len(bias) < 2 or bias[-2:] != logits[-2:]:
        return f"bias must end in (T, S) = {logits[-2:]}"
    leading, expected = bias[:-2], logits[:-2]
    leading = (1,) * (len(expected) - len(leading)) + leading  # as broadcasting aligns them
    fits = len(leading) == len(expected) and all(
        b in (1, e) for b, e in zip(leading, expected, strict=True)
    )
    return None if fits else f"the leading axes of bias do not fit {expected}"
