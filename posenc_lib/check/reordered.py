"""Check what becomes of attention's output when queries and keys are reordered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Mistake
from posenc_lib.check.report import Report

Order = NDArray[np.intp]


def reordered(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(output, query_order, key_order)``, which predicts attention's output after a reordering.

    Given ``output = attention(q, k, v)`` it must equal ``attention(q[query_order], k[key_order], v[key_order])``.
    With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    output: Array,
    query_order: Order,
    key_order: Order,
    *,
    pick: Callable[[Array, Order, Order], Array] = lambda output, query, key: output[query],
) -> Answer:
    """The predicted output; a mistake of the bank replaces `pick`."""
    return Answer(pick(output, query_order, key_order), 1 + np.abs(output).max())


def _by_keys(output: Array, query: Order, key: Order) -> Array:
    # With more keys than queries this has rows that do not exist; any such answer is wrong already.
    return output[key] if len(key) == len(output) else np.full_like(output, np.nan)


def _keys_then_queries(output: Array, query: Order, key: Order) -> Array:
    return _by_keys(output, query, key)[query]


def _queries_then_keys(output: Array, query: Order, key: Order) -> Array:
    return _by_keys(output[query], query, key)


_KEYS = (
    "A query averages over all keys, and an average does not depend on the order of its terms: key_order plays no part."
)

MISTAKES = (
    Mistake(
        "nothing is reordered",
        "queries",
        "The output comes back as it was. Each query takes its output row along: the rows must follow query_order.",
        {"pick": lambda output, query, key: output},
    ),
    Mistake(
        "the reordering is undone instead of done",
        "queries",
        "Row m of the result must be the output of query query_order[m]. Yours puts output m at row query_order[m], "
        "which is the inverse permutation.",
        {"pick": lambda output, query, key: output[np.argsort(query)]},
    ),
    Mistake(
        "the rows follow the keys", "keys", f"The rows of the output follow key_order. {_KEYS}", {"pick": _by_keys}
    ),
    *(
        Mistake("the rows follow queries and keys", "keys", f"The rows follow key_order too. {_KEYS}", {"pick": pick})
        for pick in (_keys_then_queries, _queries_then_keys)
    ),
    *(
        Mistake(
            "columns are reordered too",
            "queries",
            "The columns moved as well. They are features of a value, not tokens, and stay where they are.",
            {"pick": pick},
        )
        for pick in (
            lambda output, query, key: output[query][:, query % output.shape[1]],
            lambda output, query, key: output[query][:, key % output.shape[1]],
        )
    ),
)

_HINTS = {
    "unknown": (
        "Run attention on three tokens by hand, before and after swapping two queries.",
        "It is about which rows of the output belong to which query.",
        "Each output row belongs to one query and moves with it.",
    ),
    "queries": (
        "Swap two queries, keep the keys: which rows of the output change places?",
        "It is about which rows of the output belong to which query, and in which direction they move.",
        "Row m of the result is the output row of the query that now stands at m.",
    ),
    "keys": (
        "Swap two keys together with their values, keep the queries: what changes?",
        "It is about what an average knows of the order of its terms.",
        "Each output row is a weighted sum over keys, in whatever order; only the queries' order is left.",
    ),
    "shape": (
        "Look at the shape of what you return.",
        "It is about how many queries there are.",
        "There is one output row for each query, as before.",
    ),
}


def _case(queries: int, keys: int) -> Case:
    rng = np.random.default_rng(queries + keys)
    # A rotation by one is no permutation's own inverse beyond two tokens.
    query_order, key_order = np.roll(np.arange(queries), 1), rng.permutation(keys)
    text = f"{queries} queries, {keys} keys, query_order = {query_order.tolist()}, key_order = {key_order.tolist()}"
    return Case("values", (rng.standard_normal((queries, 4)), query_order, key_order), text)


EXERCISE = Exercise(
    method="reordered",
    parameters=("output", "query_order", "key_order"),
    cases=(_case(4, 4), _case(5, 5), _case(3, 7)),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_cell=lambda case, index: f"query {index[0]}, feature {index[1]}",
)
