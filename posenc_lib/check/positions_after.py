"""Check positions behind a cache: fn(cached, count) → cached, cached + 1, … for the new tokens of each text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report

Integers = NDArray[np.int64]


def positions_after(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(cached, count)``, positions of shape ``(B, count)`` for new tokens; return a `Report`.

    cached has the shape ``(B,)``, integers: how many tokens each text of the batch has in the cache. count is an int:
    how many are new. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    cached: Integers,
    count: int,
    *,
    start: Callable[[Integers, int], Integers] = lambda cached, count: cached,
    step: Callable[[int], Integers] = np.arange,
    finish: Callable[[Integers], Integers] = lambda at: at,
) -> Answer:
    """The positions; a mistake of the bank replaces one or more of the keyword arguments."""
    at = np.broadcast_to(start(cached, count), cached.shape)[:, None] + step(count)
    return Answer(finish(at).astype(np.float64))


def _from_zero(cached: Integers, count: int) -> Integers:
    return 0 * cached


def _largest(cached: Integers, count: int) -> Integers:
    return np.asarray(cached.max(keepdims=True))


def _smallest(cached: Integers, count: int) -> Integers:
    return np.asarray(cached.min(keepdims=True))


def _first(cached: Integers, count: int) -> Integers:
    return cached[:1]


def _total(cached: Integers, count: int) -> Integers:
    return np.asarray(cached.sum(keepdims=True))


# The same start for all texts is written with a row for each text, or as one row.
_ONE_START = tuple(
    (name, "texts", message, knobs)
    for name, message, start in (
        (
            "counted from 0",
            "The new tokens are numbered from 0, as if nothing were cached. They stand behind the tokens that are.",
            _from_zero,
        ),
        (
            "behind the longest text",
            "All texts continue where the longest one ends: that is a slot of the cache, padding counted. Each text "
            "continues behind its own tokens.",
            _largest,
        ),
        (
            "behind the shortest text",
            "All texts continue where the shortest one ends. Each text continues behind its own tokens.",
            _smallest,
        ),
        (
            "behind the first text",
            "All texts continue where the first one of the batch ends. Each continues behind its own tokens.",
            _first,
        ),
        (
            "behind all texts together",
            "The cached tokens of all texts are added up. Texts of a batch know nothing of each other.",
            _total,
        ),
    )
    for knobs in ({"start": start}, {"start": start, "finish": lambda at: at[0]})
)

MISTAKES = mistakes(
    *_ONE_START,
    (
        "one too far",
        "start",
        "Each position is one too large. Counted from 0, the token behind n others has position n.",
        {"start": lambda cached, count: cached + 1},
    ),
    (
        "one short",
        "start",
        "Each position is one too small: the first new token gets the position that the last cached one has.",
        {"start": lambda cached, count: cached - 1},
    ),
    (
        "the new tokens are taken for cached ones",
        "start",
        "Each position is too small by the number of new tokens, as if they had been counted in the cache already.",
        {"start": lambda cached, count: cached - count},
    ),
    (
        "counted behind the new tokens",
        "start",
        "Each position is too large by the number of new tokens: so many are behind them, not before.",
        {"start": lambda cached, count: cached + count},
    ),
    (
        "one position for all new tokens",
        "step",
        "All new tokens of a text have one position. Each stands behind the one before.",
        {"step": lambda count: np.zeros(count, np.int64)},
    ),
    (
        "the new tokens run backwards",
        "step",
        "The positions fall from one new token to the next. They rise.",
        {"step": lambda count: np.arange(count)[::-1]},
    ),
    (
        "transposed",
        "shape",
        "The rows are new tokens and the columns texts. Texts come first.",
        {"finish": np.transpose},
    ),
)

_HINTS = {
    "unknown": (
        "Take one text with three tokens in the cache. Which positions do they have, and which comes next?",
        "It is about how many tokens of the same text stand before a token.",
        "The first new token has as its position the number of cached ones; each further one has one more.",
    ),
    "texts": (
        "Try a batch of two texts, one with five tokens in the cache and one with three.",
        "It is about which entry of `cached` belongs to which text.",
        "Each text's own count is where its new tokens start.",
    ),
    "start": (
        "Try an empty cache: which position has the first token of a text?",
        "It is about the position of the first new token.",
        "The first new token's position is the number of cached tokens, no more and no less.",
    ),
    "step": (
        "Compare the positions of two new tokens of one text.",
        "It is about how positions go on from the first new token.",
        "They are the first one's plus 0, 1, 2 and so on.",
    ),
    "shape": (
        "Look at the shape of what you return.",
        "It is about which axis holds texts, and which the new tokens.",
        "Give `cached` a second axis behind its own, and let the steps lie along it.",
    ),
}


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got == expected[1:]:
        return "one row for all texts", "Each text of the batch has positions of its own."
    if got in (expected[:1], (*expected[:1], 1)):
        return "one position for each text", "Each text has `count` new tokens, and each of them a position."
    return None


def _case(stage: str, cached: list[int], count: int) -> Case:
    return Case(stage, (np.array(cached), count), f"cached = {cached}, count = {count}")


EXERCISE = Exercise(
    method="positions_after",
    parameters=("cached", "count"),
    cases=(
        _case("values", [5, 3, 8], 2),
        _case("values", [4, 0, 6, 1], 3),
        _case("values", [2, 7, 4], 3),
        _case("one token", [5, 3, 9], 1),
        _case("one text", [6], 4),
        _case("empty", [0, 0], 3),
        _case("long", [300, 1023], 3),
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"text {index[0]}, new token {index[1]}",
    narrower=True,
    whole=True,
    precision_note="Positions are whole, and float32 holds whole numbers up to 16 million.",
    stage_notes={
        "one token": "Here a single token is new, as in decoding.",
        "one text": "Here the batch is a single text.",
        "empty": "Here the cache is still empty.",
        "long": "Here the positions are larger than some number formats can tell apart.",
    },
)
