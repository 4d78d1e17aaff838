"""The checkers of positions from a mask and of positions behind a cache, against readers' code."""

import re

import numpy as np
import pytest
import torch
from transformers.models.roberta.modeling_roberta import RobertaEmbeddings

from posenc_lib import check
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch
from tests.check.checkers import assert_named, exercise_of

# ---------------------------------------------------------------- right, in several styles


def mask_where(mask):
    return np.where(mask == 1, np.cumsum(mask, axis=-1) - 1, 0)


def mask_product(mask):
    return (mask.cumsum(axis=1) - 1) * mask


def mask_before(mask):
    """How many tokens stand before each, as a sum over earlier places."""
    earlier = np.tri(mask.shape[1], k=-1, dtype=int)
    return mask * (mask @ earlier.T)


def mask_loops(mask):
    out = np.zeros(mask.shape, dtype=int)
    for b, row in enumerate(mask):
        seen = 0
        for t, kept in enumerate(row):
            if kept:
                out[b, t] = seen
                seen += 1
    return out


def mask_scatter(mask):
    out = np.zeros_like(mask)
    for b in range(len(mask)):
        places = np.flatnonzero(mask[b])
        out[b, places] = np.arange(len(places))
    return out


def mask_transformers(mask):
    """As transformers prepares positions for generation."""
    position_ids = mask.long().cumsum(-1) - 1
    return position_ids.masked_fill(mask == 0, 0)


def mask_float32(mask):
    return (mask.float().cumsum(-1) - 1).clamp(min=0) * mask


def after_broadcast(cached, count):
    return cached[:, None] + np.arange(count)


def after_loops(cached, count):
    return np.array([[n + j for j in range(count)] for n in cached])


def after_ranges(cached, count):
    return np.stack([np.arange(n, n + count) for n in cached])


def after_torch(cached, count):
    return cached.unsqueeze(-1) + torch.arange(count, device=cached.device)


def after_outer(cached, count):
    return np.add.outer(cached, np.arange(float(count)))


RIGHT = [
    *((check.positions_from_mask, fn) for fn in (mask_where, mask_product, mask_before, mask_loops, mask_scatter)),
    *((check.positions_from_mask, fn) for fn in (mask_transformers, mask_float32)),
    (check.positions_from_mask, lambda mask: pe.positions_from_mask(mask)),
    (check.positions_from_mask, lambda mask: pe_torch.positions_from_mask(mask)),
    *((check.positions_after, fn) for fn in (after_broadcast, after_loops, after_ranges, after_torch, after_outer)),
    (check.positions_after, lambda cached, count: pe.positions_after(cached, count)),
    (check.positions_after, lambda cached, count: pe_torch.positions_after(cached, count)),
]


@pytest.mark.parametrize(("checker", "fn"), RIGHT, ids=lambda f: f.__name__)
def test_a_right_function_passes(checker, fn):
    report = checker(fn)
    assert report.passed, str(report)


# ---------------------------------------------------------------- wrong, as readers write it


def everything_is_a_token(mask):
    return np.broadcast_to(np.arange(mask.shape[1]), mask.shape).copy()


def roberta(mask):
    """Ids that are 1, RoBERTa's padding, where the mask is 0."""
    return RobertaEmbeddings.create_position_ids_from_input_ids(1 + 4 * mask, padding_idx=1)


def from_the_end(mask):
    return mask * (mask[:, ::-1].cumsum(axis=1)[:, ::-1] - 1)


def less_the_padding(mask):
    return np.arange(mask.shape[1]) - (mask == 0).sum(axis=1, keepdims=True)


def from_the_first(mask):
    return mask * (np.arange(mask.shape[1]) - mask.argmax(axis=1)[:, None])


def inverted(mask):
    at = mask.cumsum(axis=1) - 1
    at[~mask] = 0
    return at


def holes_alone(mask):
    """Right, but for a token behind a hole of two."""
    at = mask_where(mask)
    return at + 5 * (mask[:, :1] == 1) * (mask[:, -1:] == 0) * mask * (at == 2)


def remembers_one_for_all(cached, count):
    return np.tile(np.arange(cached[0], cached[0] + count), (len(cached), 1))


def slots(cached, count):
    return np.tile(cached.max() + np.arange(count), (len(cached), 1))


def by_columns(cached, count):
    return cached + np.arange(count)[:, None]


MASK = [
    (everything_is_a_token, "the index in the row"),
    (lambda mask: np.arange(mask.shape[1]) * mask, "padding is counted too"),
    (lambda mask: np.arange(mask.shape[1]), "one row for all texts"),
    (lambda mask: mask.cumsum(1), "counted from 1, and padding is not set to 0"),
    (lambda mask: mask.cumsum(1) * mask, "counted from 1"),
    (lambda mask: mask.cumsum(1) - 1, "padding is not set to 0"),
    (lambda mask: np.maximum(mask.cumsum(1) - 1, 0), "only negative numbers are set to 0"),
    (lambda mask: mask.cumsum(1) - mask, "padding has the position of the next token"),
    (lambda mask: torch.where(mask == 1, mask.cumsum(1) - 1, 1), "padding has position 1"),
    (lambda mask: np.where(mask, mask.cumsum(1) - 1, -1), "padding has position −1"),
    (lambda mask: np.where(mask == 0, mask.cumsum(1) - 1, 0), "tokens are set to 0 instead of padding"),
    (inverted, "~ of integers"),
    (roberta, "as RoBERTa counts"),
    (from_the_end, "counted from the right"),
    (lambda mask: mask * (mask.cumsum(0) - 1), "counted down the batch"),
    (lambda mask: mask * (mask.cumsum().reshape(mask.shape) - 1), "counted on from text to text"),
    (lambda mask: mask * (mask[0].cumsum() - 1), "the first text's count for all"),
    (lambda mask: less_the_padding(mask) * mask, "how much padding there is"),
    (
        lambda mask: np.maximum(less_the_padding(mask), 0),
        "how much padding there is, and only negative numbers are set to 0",
    ),
    (less_the_padding, "how much padding there is, and padding is not set to 0"),
    (from_the_first, "counted on through padding in the middle"),
    (lambda mask: mask * ((1 - mask).cumsum(1) - 1), "padding is counted instead of tokens"),
    (lambda mask: mask * (mask.sum(1, keepdims=True) - 1), "the number of tokens, not their order"),
    (lambda mask: mask.sum(1), "one number for each text"),
    (lambda mask: np.cumsum(mask) - 1, "the texts stand one behind the other"),
    (lambda mask: mask_transformers(torch.as_tensor(mask)).bfloat16(), "the result is bfloat16"),
    (lambda mask: mask == 1, "not an array of real numbers"),
    (lambda mask: mask_where(mask) + (mask.shape[1] > 200), "unknown mistake"),
    (holes_alone, "unknown mistake"),
    (lambda mask: 3 * mask_where(mask), "unknown mistake"),
]
AFTER = [
    (lambda cached, count: np.tile(np.arange(count), (len(cached), 1)), "counted from 0"),
    (lambda cached, count: np.arange(count), "counted from 0"),
    (slots, "behind the longest text"),
    (lambda cached, count: cached.max() + np.arange(count), "behind the longest text"),
    (lambda cached, count: slots(cached, count) - np.ptp(cached), "behind the shortest text"),
    (remembers_one_for_all, "behind the first text"),
    (lambda cached, count: torch.arange(count) + int(cached[0]), "behind the first text"),
    (lambda cached, count: slots(cached, count) + cached.sum() - cached.max(), "behind all texts together"),
    (lambda cached, count: cached[:, None] + np.arange(1, count + 1), "one too far"),
    (lambda cached, count: cached[:, None] + np.arange(count) - 1, "one short"),
    (lambda cached, count: cached[:, None] - count + np.arange(count), "the new tokens are taken for cached ones"),
    (lambda cached, count: cached[:, None] + count + np.arange(count), "counted behind the new tokens"),
    (lambda cached, count: np.repeat(cached[:, None], count, axis=1), "one position for all new tokens"),
    (lambda cached, count: cached[:, None] + np.arange(count)[::-1], "the new tokens run backwards"),
    (by_columns, "transposed"),
    (lambda cached, count: by_columns(cached, count) + 1, "one too far, and transposed"),
    (lambda cached, count: np.tile(np.arange(1, count + 1), (len(cached), 1)), "unknown mistake"),
    (lambda cached, count: cached, "one position for each text"),
    (lambda cached, count: after_torch(torch.as_tensor(cached), count).half(), "the result is float16"),
    (lambda cached, count: after_broadcast(cached, count) % 1024, "unknown mistake"),
]
WRONG = [*((check.positions_from_mask, *row) for row in MASK), *((check.positions_after, *row) for row in AFTER)]


@pytest.mark.parametrize(("checker", "fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_function_is_named(checker, fn, diagnosis):
    assert_named(checker, fn, diagnosis)


def test_a_message_says_which_text_and_which_slot():
    detail = check.positions_from_mask(lambda mask: mask.cumsum(1) - 1).detail
    assert detail.startswith("First wrong value, text 1, slot 0: got -1, expected 0")
    assert "mask = [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]" in detail
    assert "text 1, new token 0" in check.positions_after(remembers_one_for_all).detail


def test_a_later_stage_says_what_is_new_in_it():
    def on_the_left_alone(mask):
        return mask_where(mask) + 7 * (mask[:, :1] > mask[:, -1:])

    message = check.positions_from_mask(on_the_left_alone).message
    assert message.startswith("Simpler inputs worked") and "on the right" in message


def test_a_mask_written_into_is_seen():
    def in_place(mask):
        mask[:] = mask_where(mask)
        return mask

    assert check.positions_from_mask(in_place).diagnosis == "an input was changed"


@pytest.mark.parametrize("method", ["positions_from_mask", "positions_after"])
def test_the_first_hint_gives_no_formula_away(method):
    for hints in exercise_of(method).hints.values():
        words = set(re.findall(r"\w+", hints[0].lower()))
        assert not {"sum", "subtract", "less", "plus", "minus", "cumsum", "add"} & words


@pytest.mark.parametrize(("checker", "fn"), RIGHT[::4], ids=lambda f: f.__name__)
def test_strict_raises_for_a_wrong_function_alone(checker, fn):
    assert checker(fn, strict=True).passed
    with pytest.raises(AssertionError):
        checker(lambda *args: np.zeros(3), strict=True)
