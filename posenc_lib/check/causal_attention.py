"""Check causal attention: attention in which query m sees the keys 0 to m only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from posenc_lib.check import engine
from posenc_lib.check.attention import EXERCISE as PLAIN
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Mistake
from posenc_lib.check.finite_mask import UNREADABLE, causal, fit_added, fit_set
from posenc_lib.check.report import Report


def causal_attention(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(q, k, v)``, attention with a causal mask; return a `Report`.

    Query m sees the keys n ≤ m. Otherwise as `attention`.
    """
    return engine.run(EXERCISE, fn, strict)


def _causal_formula(q: Array, k: Array, v: Array, **knobs: object) -> Answer:
    return PLAIN.formula(q, k, v, **{"mask": causal, **knobs})


def _triangle(weights: Array) -> Array:
    return weights * np.tri(*weights.shape[-2:])


def _renormalised(weights: Array) -> Array:
    seen = _triangle(weights)
    shares: Array = seen / seen.sum(axis=-1, keepdims=True)
    return shares


def _future(logits: Array, diagonal: int = 0, hidden: float = -np.inf) -> Array:
    return np.swapaxes(causal(np.swapaxes(logits, -1, -2), diagonal, hidden), -1, -2)


_WRONG_WAY = (
    "The mask is the wrong way round: query m sees the keys from m on, that is the future. It may see the keys 0 to m."
)
_WRONG_WAY_STRICT = (
    "The mask is the wrong way round: it hides the keys 0 to m and shows the future. Query m may see the keys 0 to m."
)
_STRICT = (
    "Query m sees the keys before m but not key m itself; the first query then sees nothing. The mask keeps the "
    "diagonal: n ≤ m."
)
_MASKS = tuple(
    Mistake(name, "mask", message, knobs)
    for name, message, knobs in (
        ("the mask is missing", "Every query sees every key. Query m may see the keys 0 to m only.", {"mask": None}),
        ("the mask hides the diagonal", _STRICT, {"mask": partial(causal, diagonal=-1)}),
        ("the mask hides the diagonal", _STRICT, {"mask": partial(causal, diagonal=-1, hidden=-1e9)}),
        (
            "the mask shows one key too many",
            "Query m sees the keys 0 to m + 1, one step into the future. The mask ends at the diagonal: n ≤ m.",
            {"mask": partial(causal, diagonal=1)},
        ),
        ("the mask is the wrong way round", _WRONG_WAY, {"mask": _future}),
        ("the mask is the wrong way round", _WRONG_WAY_STRICT, {"mask": partial(_future, diagonal=-1)}),
        ("the mask is the wrong way round", _WRONG_WAY_STRICT, {"mask": partial(_future, diagonal=-1, hidden=-1e9)}),
        (
            "hidden logits are 0 instead of −∞",
            "The logits of hidden keys are set to 0, which still leaves them a weight, for e^0 = 1. They must be −∞, "
            "whose exponential is 0.",
            {"mask": partial(causal, hidden=0.0)},
        ),
        (
            "the mask is added as zeros and ones",
            "The mask of ones and zeros is added to the logits: it favours the past, it does not hide the future. "
            "Add 0 and −∞.",
            {"mask": lambda s: s + np.tri(*s.shape[-2:])},
        ),
        (
            "masked after the softmax",
            "The weights of hidden keys are set to 0 after the softmax, so that the rest of a row no longer adds up "
            "to 1. Hide the logits before the softmax.",
            {"mask": None, "reweigh": _triangle},
        ),
        (
            "masked after the softmax, then normalised again",
            "Hiding after the softmax and dividing by the row's sum is right on paper, but where a hidden logit is by "
            "far the largest, all that is left is 0, and 0/0 is nan. Hide the logits before the softmax.",
            {"mask": None, "reweigh": _renormalised},
        ),
    )
)

_HINTS = {
    **PLAIN.hints,
    "unknown": (
        "Look at the first output: query 0 sees key 0 alone, so it must be the first row of v.",
        "Print the weights: all above the diagonal are zero, each row adds up to one.",
        "Set the logits of the keys after the query to minus infinity, then take the softmax over the keys.",
    ),
    "mask": (
        "Look at the first output: query 0 sees key 0 alone, so it must be the first row of v.",
        "It is about which logits are hidden, what they are set to, and when.",
        "Before the softmax, set to minus infinity the logits of the keys whose number is larger than the query's.",
    ),
}

EXERCISE = replace(
    PLAIN,
    method="causal_attention",
    formula=_causal_formula,
    mistakes=(*_MASKS, *UNREADABLE, *(m for m in PLAIN.mistakes if m.area != "mask")),
    hints=_HINTS,
    fits=(fit_set, fit_added),
)
