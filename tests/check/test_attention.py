"""The checkers of attention and causal attention against code as readers write it, right and wrong."""

import math

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe

torch = pytest.importorskip("torch")


def softmax(logits, axis=-1):
    weights = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def t(x):
    return np.swapaxes(x, -1, -2)


def logits(q, k):
    return q @ t(k) / np.sqrt(q.shape[-1])


def lower(length, diagonal=0):
    return np.tril(np.ones((length, length), bool), diagonal)


# ---------------------------------------------------------------- right


def right_matrix(q, k, v):
    return softmax(logits(q, k)) @ v


def right_loop(q, k, v):
    result = np.zeros_like(v)
    for place in np.ndindex(q.shape[:-1]):
        batch, own = place[:-1], q[place]
        scores = np.array([own @ key / math.sqrt(len(own)) for key in k[batch]])
        weights = np.exp(scores - scores.max())
        result[place] = sum(w * value for w, value in zip(weights / weights.sum(), v[batch], strict=True))
    return result


def right_einsum(q, k, v):
    weights = softmax(np.einsum("...md,...nd->...mn", q, k) / q.shape[-1] ** 0.5)
    return np.einsum("...mn,...nd->...md", weights, v)


def right_scaled_first(q, k, v):
    return softmax((q / q.shape[-1] ** 0.25) @ (t(k) / q.shape[-1] ** 0.25)) @ v


def right_log_sum_exp(q, k, v):
    scores = logits(q, k)
    total = np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    return np.exp(scores - total) @ v


def right_torch(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1) @ v


def right_torch_own(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize(
    "fn",
    [
        right_matrix,
        right_loop,
        right_einsum,
        right_scaled_first,
        right_log_sum_exp,
        right_torch,
        right_torch_own,
        pe.attention,
    ],
    ids=lambda fn: fn.__name__,
)
def test_a_right_style_passes(fn):
    report = check.attention(fn)
    assert report.passed, str(report)


def causal_where(q, k, v):
    return softmax(np.where(lower(q.shape[-2]), logits(q, k), -np.inf)) @ v


def causal_added(q, k, v):
    mask = np.triu(np.full((q.shape[-2],) * 2, -np.inf), 1)
    return softmax(logits(q, k) + mask) @ v


def causal_large_number(q, k, v):
    return softmax(np.where(lower(q.shape[-2]), logits(q, k), -1e9)) @ v


def causal_rows(q, k, v):
    rows = [right_matrix(q[..., i : i + 1, :], k[..., : i + 1, :], v[..., : i + 1, :]) for i in range(q.shape[-2])]
    return np.concatenate(rows, axis=-2)


def causal_torch(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(-1) @ v


def causal_torch_own(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def causal_library(q, k, v):
    return pe.attention(q, k, v, causal=True)


@pytest.mark.parametrize(
    "fn",
    [causal_where, causal_added, causal_large_number, causal_rows, causal_torch, causal_torch_own, causal_library],
    ids=lambda fn: fn.__name__,
)
def test_a_right_causal_style_passes(fn):
    report = check.causal_attention(fn)
    assert report.passed, str(report)


# ---------------------------------------------------------------- wrong


def over_queries(q, k, v):
    return softmax(logits(q, k), axis=-2) @ v


def axis_one(q, k, v):
    return softmax(logits(q, k), axis=1) @ v


def over_everything(q, k, v):
    flat = logits(q, k)
    return softmax(flat.reshape(*flat.shape[:-2], -1)).reshape(flat.shape) @ v


def one_sum(q, k, v):
    weights = np.exp(logits(q, k) - logits(q, k).max(-1, keepdims=True))
    return weights / weights.sum() @ v


def one_sum_unshifted(q, k, v):
    weights = np.exp(logits(q, k))
    return weights / np.sum(weights) @ v


def sum_flat(q, k, v):
    weights = np.exp(logits(q, k) - logits(q, k).max(-1, keepdims=True))
    return weights / weights.sum(-1) @ v


def sum_flat_unshifted(q, k, v):
    weights = np.exp(logits(q, k))
    return weights / weights.sum(-1) @ v


def maximum_flat(q, k, v):
    weights = np.exp(logits(q, k) - logits(q, k).max(-1))
    return weights / weights.sum(-1, keepdims=True) @ v


def both_flat(q, k, v):
    weights = np.exp(logits(q, k) - logits(q, k).max(-1))
    return weights / weights.sum(-1) @ v


def torch_flat(q, k, v):
    weights = torch.exp(q @ k.mT / q.shape[-1] ** 0.5)
    return weights / weights.sum(-1) @ v


def no_scale(q, k, v):
    return softmax(q @ t(k)) @ v


def scale_d(q, k, v):
    return softmax(q @ t(k) / q.shape[-1]) @ v


def scale_up(q, k, v):
    return softmax(q @ t(k) * math.sqrt(q.shape[-1])) @ v


def scale_length(q, k, v):
    return softmax(q @ t(k) / math.sqrt(q.shape[-2])) @ v


def scale_of_v(q, k, v):
    return softmax(q @ t(k) / math.sqrt(v.shape[-1])) @ v


def scale_late(q, k, v):
    return softmax(q @ t(k)) / math.sqrt(q.shape[-1]) @ v


def no_transpose(q, k, v):
    return softmax(q @ k / math.sqrt(q.shape[-1])) @ v


def k_first(q, k, v):
    return softmax(logits(k, q)) @ v


def q_with_q(q, k, v):
    return softmax(logits(q, q)) @ v


def unstable(q, k, v):
    weights = np.exp(logits(q, k))
    return weights / weights.sum(-1, keepdims=True) @ v


def one_maximum(q, k, v):
    scores = logits(q, k)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum(-1, keepdims=True) @ v


def no_softmax(q, k, v):
    return logits(q, k) @ v


def no_sum(q, k, v):
    return np.exp(logits(q, k)) @ v


def no_exp(q, k, v):
    return logits(q, k) / logits(q, k).sum(-1, keepdims=True) @ v


def weights_only(q, k, v):
    return softmax(logits(q, k))


def weights_turned(q, k, v):
    return t(softmax(logits(q, k))) @ v


def keys_averaged(q, k, v):
    return softmax(logits(q, k)) @ k


WRONG = {
    over_queries: "softmax over the queries",
    axis_one: "softmax over axis 1",
    over_everything: "softmax over the whole matrix",
    one_sum: "softmax over the whole matrix",
    one_sum_unshifted: "softmax over the whole matrix",
    sum_flat: "the sum lacks keepdims",
    sum_flat_unshifted: "the sum lacks keepdims",
    torch_flat: "the sum lacks keepdims",
    maximum_flat: "the maximum lacks keepdims",
    both_flat: "maximum and sum lack keepdims",
    no_scale: "the scale is missing",
    scale_d: "scaled by d instead of √d",
    scale_up: "multiplied by √d",
    scale_length: "scaled by √T instead of √d",
    scale_of_v: "scaled by the size of v",
    scale_late: "the weights are divided by √d, after the softmax",
    no_transpose: "k is not transposed",
    k_first: "q and k have changed places",
    q_with_q: "q is compared with itself",
    unstable: "the softmax overflows",
    one_maximum: "one maximum for all rows",
    no_softmax: "the softmax is missing",
    no_sum: "the weights are not normalised",
    no_exp: "exp is missing",
    weights_only: "v is forgotten",
    weights_turned: "the weights are transposed",
    keys_averaged: "k is averaged instead of v",
    causal_where: "a causal mask is applied",
}


@pytest.mark.parametrize("fn", WRONG, ids=lambda fn: fn.__name__)
def test_a_wrong_version_is_named(fn):
    report = check.attention(fn)
    assert report.diagnosis == WRONG[fn], str(report)


def test_versions_that_differ_get_messages_that_differ():
    assert len({check.attention(fn).message for fn in WRONG}) == len(set(WRONG.values()))


def masked(q, k, mask, hidden):
    return np.where(mask, logits(q, k), hidden)


def strict_mask(q, k, v):
    return softmax(masked(q, k, lower(q.shape[-2], -1), -np.inf)) @ v


def strict_mask_finite(q, k, v):
    return softmax(masked(q, k, lower(q.shape[-2], -1), -1e9)) @ v


def one_too_many(q, k, v):
    return softmax(masked(q, k, lower(q.shape[-2], 1), -np.inf)) @ v


def future(q, k, v):
    return softmax(masked(q, k, lower(q.shape[-2]).T, -np.inf)) @ v


def future_only(q, k, v):
    return softmax(masked(q, k, ~lower(q.shape[-2]), -1e9)) @ v


def zeros(q, k, v):
    return softmax(logits(q, k) * lower(q.shape[-2])) @ v


def ones_added(q, k, v):
    return softmax(logits(q, k) + lower(q.shape[-2])) @ v


def late(q, k, v):
    return (softmax(logits(q, k)) * lower(q.shape[-2])) @ v


def late_and_normalised(q, k, v):
    weights = softmax(logits(q, k)) * lower(q.shape[-2])
    return weights / weights.sum(-1, keepdims=True) @ v


def unstable_causal(q, k, v):
    weights = np.exp(masked(q, k, lower(q.shape[-2]), -np.inf))
    return weights / weights.sum(-1, keepdims=True) @ v


WRONG_CAUSAL = {
    right_matrix: "the mask is missing",
    strict_mask: "the mask hides the diagonal",
    strict_mask_finite: "the mask hides the diagonal",
    one_too_many: "the mask shows one key too many",
    future: "the mask is the wrong way round",
    future_only: "the mask is the wrong way round",
    zeros: "hidden logits are 0 instead of −∞",
    ones_added: "the mask is added as zeros and ones",
    late: "masked after the softmax",
    late_and_normalised: "masked after the softmax, then normalised again",
    unstable_causal: "the softmax overflows",
}


@pytest.mark.parametrize("fn", WRONG_CAUSAL, ids=lambda fn: fn.__name__)
def test_a_wrong_mask_is_named(fn):
    report = check.causal_attention(fn)
    assert report.diagnosis == WRONG_CAUSAL[fn], str(report)


def hidden_set_to(number):
    return lambda q, k, v: softmax(masked(q, k, lower(q.shape[-2]), number)) @ v


def hidden_raised_by(number):
    return lambda q, k, v: softmax(logits(q, k) + np.triu(np.full((q.shape[-2],) * 2, number), 1)) @ v


READABLE = {-1.0: "−1", -10.0: "−10", -20.0: "−20", -7.25: "−7.25", -1e-9: "−1e−09", 5.0: "5", -25.0: "−25"}


@pytest.mark.parametrize("number", READABLE)
def test_a_finite_mask_that_shows_is_read_off(number):
    said = READABLE[number]
    assert check.causal_attention(hidden_set_to(number)).diagnosis == f"hidden logits are {said} instead of −∞"
    if number != -1.0:  # which is the same function as adding 1 to the visible ones
        assert check.causal_attention(hidden_raised_by(number)).diagnosis == f"the added mask is {said} instead of −∞"


@pytest.mark.parametrize("number", [-31.3, -33.0, -50.0, -100.0, -137.5, -300.0, -500.0, -555.0, -1e3, -2e3, -5e3])
def test_a_finite_mask_that_hides_is_told_without_a_number(number):
    report = check.causal_attention(hidden_set_to(number))
    assert report.diagnosis == "hidden logits are finite instead of −∞"
    assert "set to a finite number" in report.message
    assert check.causal_attention(hidden_raised_by(number)).diagnosis == "the added mask is finite instead of −∞"


@pytest.mark.parametrize(
    ("checker", "fn", "said"),
    [
        (check.attention, over_queries, "for each key, the weights of all queries add up to 1"),
        (check.attention, unstable, "take off the largest"),
        (check.attention, no_transpose, "It runs only where T = d"),
        (check.attention, weights_only, "the values v are not averaged with it"),
        (check.causal_attention, future, "that is the future"),
        (check.causal_attention, zeros, "e^0 = 1"),
        (check.causal_attention, late, "no longer adds up to 1"),
    ],
)
def test_a_message_says_what_was_seen(checker, fn, said):
    assert said in checker(fn).message


def test_a_result_shaped_like_q_is_seen():
    def fn(q, k, v):
        result = np.zeros_like(q)
        result[...] = right_matrix(q, k, v)
        return result

    report = check.attention(fn)
    assert report.diagnosis == "your function raised an error"
    assert "v has another number of features" in report.message


def test_two_mistakes_are_both_named():
    def fn(q, k, v):
        return softmax(q @ t(k), axis=-2) @ v

    assert check.attention(fn).diagnosis == "softmax over the queries, and the scale is missing"


def test_two_roads_to_nan_are_told_apart():
    def one_maximum_turned(q, k, v):
        scores = logits(q, k)
        weights = np.exp(scores - scores.max())
        return t(weights / weights.sum(-1, keepdims=True)) @ v

    def overflow_turned(q, k, v):
        weights = np.exp(masked(q, k, lower(q.shape[-2]), -np.inf))
        return t(weights / weights.sum(-1, keepdims=True)) @ v

    turned = "the weights are transposed"
    assert check.attention(one_maximum_turned).diagnosis == f"one maximum for all rows, and {turned}"
    assert check.causal_attention(overflow_turned).diagnosis == f"the softmax overflows, and {turned}"


def test_a_transpose_that_takes_the_batch_along_is_explained_not_misnamed():
    def fn(q, k, v):
        return softmax(q @ k.T / np.sqrt(q.shape[-1])) @ v

    report = check.attention(fn)
    assert report.diagnosis == "your function raised an error"
    assert ".T reverses all the axes" in report.message


@pytest.mark.parametrize("cut", [lambda x: x.detach(), lambda x: torch.tensor(x.tolist(), dtype=x.dtype)])
def test_a_gradient_that_does_not_flow_is_seen(cut):
    def fn(q, k, v):
        return cut(right_torch(q, k, v))

    assert check.attention(fn).diagnosis == "no gradient flows back"


def test_float32_inside_is_seen():
    def narrow(q, k, v):
        return right_matrix(q, k, v).astype(np.float32)

    def hidden(q, k, v):  # the result looks like float64 again
        return narrow(q, k, v).astype(np.float64)

    assert check.attention(narrow).diagnosis == "the result is float32"
    assert check.attention(hidden).diagnosis == "single precision"


@pytest.mark.filterwarnings("error")
def test_looking_for_a_name_warns_of_nothing():
    def fn(q, k, v):
        return np.full_like(v, np.inf) if np.abs(q).max() > 20 else np.full_like(v, 100.0)

    assert not check.causal_attention(fn).passed


def test_large_logits_alone_wrong_get_hints_about_large_logits():
    report = check.attention(lambda q, k, v: softmax(np.clip(logits(q, k), -500, 500)) @ v)
    assert (report.stage, report.diagnosis) == ("large", "unknown mistake")
    assert "exponential" in report.hint(1)
