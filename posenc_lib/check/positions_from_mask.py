"""Check positions of padded texts: fn(mask) → 0, 1, 2 … for the tokens of each row, 0 for padding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import engine
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report

Integers = NDArray[np.int64]


def positions_from_mask(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(mask)``, the positions of the tokens in a batch of padded texts; return a `Report`.

    mask has the shape ``(B, T)``, integers, 1 for a token and 0 for padding, which may stand anywhere; so have the
    positions, with 0 for padding. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def formula(
    mask: Integers,
    *,
    count: Callable[[Integers], Integers] = lambda mask: np.cumsum(mask, axis=-1),
    start: int = 0,
    padding: Callable[[Integers, Integers], Integers] = lambda at, mask: np.where(mask == 1, at, 0),
) -> Answer:
    """The positions; a mistake of the bank replaces one or more of the keyword arguments.

    `count` numbers the tokens from 1; a token's position is one less, plus `start`.
    """
    at = np.broadcast_to(count(mask), mask.shape) + (start - 1)
    return Answer(padding(at, mask).astype(np.float64))


def _index(mask: Integers) -> Integers:
    return np.arange(1, mask.shape[-1] + 1)


def _from_the_right(mask: Integers) -> Integers:
    return np.asarray(np.cumsum(mask[:, ::-1], axis=-1)[:, ::-1])


def _less_padding(mask: Integers) -> Integers:
    return np.asarray(_index(mask) - (1 - mask).sum(axis=-1, keepdims=True))


def _from_the_first_token(mask: Integers) -> Integers:
    return np.asarray(_index(mask) - mask.argmax(axis=-1, keepdims=True))


def _as_counted(at: Integers, mask: Integers) -> Integers:
    return at


def _rows_by_tilde(at: Integers, mask: Integers) -> Integers:
    out = at.copy()
    out[~mask] = 0
    return out


MISTAKES = mistakes(
    (
        "the index in the row",
        "count",
        "The positions are the places in the row, padding counted, as if no text had any. Ask the mask which of them "
        "are tokens.",
        {"count": _index, "padding": _as_counted},
    ),
    (
        "padding is counted too",
        "count",
        "Padding itself has position 0, but tokens are numbered by their place in the row, as if padding were tokens "
        "of the text.",
        {"count": _index},
    ),
    (
        "padding is counted instead of tokens",
        "count",
        "The zeros of the mask are counted. Tokens are its ones.",
        {"count": lambda mask: np.cumsum(1 - mask, axis=-1)},
    ),
    (
        "counted from the right",
        "count",
        "The last token of each text is the first that is counted. A text begins on the left.",
        {"count": _from_the_right},
    ),
    (
        "counted down the batch",
        "count",
        "The tokens are counted along the wrong axis, from text to text at one place of the row.",
        {"count": lambda mask: np.cumsum(mask, axis=0)},
    ),
    (
        "counted on from text to text",
        "count",
        "The count runs on from one text into the next, as if the batch were a single row. Each text starts anew.",
        {"count": lambda mask: np.cumsum(mask).reshape(mask.shape)},
    ),
    (
        "the first text's count for all",
        "count",
        "All texts are counted by the mask of the first. Each has its own row of it.",
        {"count": lambda mask: np.cumsum(mask[0])},
    ),
    (
        "how much padding there is",
        "count",
        "The number of padded places in the row is taken away from the index. That is right for padding on the left "
        "alone; behind a token, or between two, it must not be taken away.",
        {"count": _less_padding},
    ),
    (
        "counted on through padding in the middle",
        "count",
        "The index is counted from the first token on, so that padding between tokens is counted as well. The token "
        "behind such a hole continues where the text stopped.",
        {"count": _from_the_first_token},
    ),
    (
        "the number of tokens, not their order",
        "count",
        "All tokens of a text have one number, made from how many there are. It is a running count that is wanted.",
        {"count": lambda mask: mask.sum(axis=-1, keepdims=True)},
    ),
    (
        "as RoBERTa counts",
        "start",
        "Padding has position 1, and the first token 2: so RoBERTa and its kin count, whose padding token has the "
        "number 1. Here the first token has 0, and so has padding.",
        {"start": 2, "padding": lambda at, mask: np.where(mask == 1, at, 1)},
    ),
    (
        "counted from 1",
        "start",
        "The first token of a text has position 1. Positions start at 0: it has no token before it.",
        {"start": 1},
    ),
    (
        "one short",
        "start",
        "The first token of a text has position −1, as if one were taken away twice.",
        {"start": -1},
    ),
    (
        "padding is not set to 0",
        "padding",
        "Padding keeps the number that the count has at its place. It shall be 0, wherever the padding stands.",
        {"padding": _as_counted},
    ),
    (
        "only negative numbers are set to 0",
        "padding",
        "Negative numbers are raised to 0, and nothing else is done about padding. That is enough for padding in "
        "front; elsewhere the count is not negative any more.",
        {"padding": lambda at, mask: np.maximum(at, 0)},
    ),
    (
        "padding has the position of the next token",
        "padding",
        "Padding has the position of a token that would come next. In front of the text that is 0, elsewhere it is "
        "not.",
        {"padding": lambda at, mask: at + 1 - mask},
    ),
    (
        "padding has position 1",
        "padding",
        "Padding has position 1, which some models want. Here it shall be 0.",
        {"padding": lambda at, mask: np.where(mask == 1, at, 1)},
    ),
    (
        "padding has position −1",
        "padding",
        "Padding has position −1. A table that is looked up would give its last row for it; here it shall be 0.",
        {"padding": lambda at, mask: np.where(mask == 1, at, -1)},
    ),
    (
        "tokens are set to 0 instead of padding",
        "padding",
        "The tokens have position 0, and padding has numbers: the condition is turned over.",
        {"padding": lambda at, mask: np.where(mask == 1, 0, at)},
    ),
    (
        "~ of integers",
        "padding",
        "`~` turns the integers 0 and 1 into −1 and −2, and with such an index whole texts, counted from the end, are "
        "set to 0. Compare with 0 instead.",
        {"padding": _rows_by_tilde},
    ),
)

_HINTS = {
    "unknown": (
        "Write down by hand what a text of three tokens should get, first alone, then with two of padding in front.",
        "For each token, ask how many tokens of its text stand before it.",
        "Add up the mask along the row; a token's position is the sum up to itself, less one. Padding gets 0.",
    ),
    "count": (
        "Move the padding of one text to another place. Does any token change its position? None should.",
        "It is about what is counted, and along which axis.",
        "The running sum of the mask along each row numbers its tokens.",
    ),
    "start": (
        "Look at the first token of each text.",
        "It is about the number that counting starts with.",
        "The running sum is 1 at the first token, so subtract one.",
    ),
    "padding": (
        "Look at the places where the mask is 0: in front, behind, and between tokens.",
        "It is about what padding gets, whatever the count says there.",
        "Where the mask is 1 take the count less one, elsewhere 0.",
    ),
    "shape": (
        "Look at the shape of what you return.",
        "It is about one position for each place of each text.",
        "The positions have the shape of the mask.",
    ),
}


def _case(stage: str, *rows: str) -> Case:
    mask = np.array([[int(kept) for kept in row] for row in rows])
    text = f"mask = {mask.tolist()}" if mask.shape[1] < 10 else f"a mask of shape {mask.shape}"
    return Case(stage, (mask,), text)


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got == expected[1:]:
        return "one row for all texts", "Each text of the batch has positions of its own."
    if got in (expected[:1], (*expected[:1], 1)):
        return "one number for each text", "Each of its tokens has a position, and padding too."
    if got == (expected[0] * expected[1],):
        return "the texts stand one behind the other", "Is an axis missing in a sum? Keep the shape of the mask."
    return None


EXERCISE = Exercise(
    method="positions_from_mask",
    parameters=("mask",),
    cases=(
        _case("values", "11111", "00111", "00001"),
        _case("values", "0011", "0111"),
        _case("right", "1100", "1110", "1000"),
        _case("holes", "011001", "100110", "101011", "110101"),
        _case("empty", "000", "011"),
        _case("one token", "1", "0"),
        _case("long", "0" * 20 + "1" * 280, "1" * 290 + "0" * 10),
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"text {index[0]}, slot {index[1]}",
    narrower=True,
    whole=True,
    precision_note="Positions are whole, and float32 holds whole numbers up to 16 million.",
    stage_notes={
        "right": "Here the padding stands on the right.",
        "holes": "Here padding stands between tokens too, as where a prompt was padded before an answer was added.",
        "empty": "Here a text has no token at all.",
        "one token": "Here there is a single slot.",
        "long": "Here there are 300 slots, more than some number formats can tell apart.",
    },
)
