"""The checkers of ALiBi, T5's buckets and Shaw's keys, against readers' code."""

import bisect
import math

import numpy as np
import pytest
import torch

from posenc_lib import check
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch
from tests.check.checkers import assert_named

# ---------------------------------------------------------------- right, in several styles


def alibi_numpy(num_heads, query_positions, key_positions):
    slopes = 2.0 ** (-8 * np.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * np.abs(np.subtract.outer(query_positions, key_positions))


def alibi_loops(num_heads, query_positions, key_positions):
    bias = np.zeros((num_heads, len(query_positions), len(key_positions)))
    for h in range(num_heads):
        for i, m in enumerate(query_positions):
            for j, n in enumerate(key_positions):
                bias[h, i, j] = -(2.0 ** (-8 * (h + 1) / num_heads)) * abs(m - n)
    return bias


def alibi_torch(num_heads, query_positions, key_positions):
    slopes = torch.tensor([2 ** (-8 * (h + 1) / num_heads) for h in range(num_heads)], dtype=torch.float64)
    return -torch.einsum("h,ts->hts", slopes, (query_positions[:, None] - key_positions).abs().double())


def alibi_float32(num_heads, query_positions, key_positions):
    return pe_torch.alibi_bias(num_heads, query_positions, key_positions)


def slopes_recursive(num_heads):
    """The authors' program."""

    def power_of_two(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(num_heads).is_integer():
        return np.array(power_of_two(num_heads))
    closest = 2 ** math.floor(math.log2(num_heads))
    more = slopes_recursive(2 * closest)[0::2][: num_heads - closest]
    return np.concatenate([power_of_two(closest), more])


def reach_search(slope, share):
    r = 0
    while math.exp(-slope * r) > share:
        r += 1
    return r


def reach_float(slope, share):
    return np.ceil(-np.log(share) / slope)


def bucket_transformers(relative_position):
    """As transformers' T5 has it."""
    buckets = (relative_position > 0).long() * 16
    distance = relative_position.abs()
    far = 8 + (torch.log(distance.float() / 8) / math.log(128 / 8) * 8).long()
    return buckets + torch.where(distance < 8, distance, torch.minimum(far, torch.full_like(far, 15)))


def bucket_table(relative_position):
    starts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]

    def one(r):
        return bisect.bisect_right(starts, abs(r)) - 1 + (16 if r > 0 else 0)

    return np.vectorize(one)(relative_position)


def bucket_floats(relative_position):
    return pe.t5_bucket(relative_position).astype(np.float64)


def shaw_gather(q, table):
    length, K = len(q), len(table) // 2
    columns = np.clip(np.arange(length)[None] - np.arange(length)[:, None], -K, K) + K
    return np.take_along_axis(q @ table.T, columns, axis=1) / np.sqrt(q.shape[1])


def shaw_loops(q, table):
    length, K = len(q), len(table) // 2
    bias = np.zeros((length, length))
    for m in range(length):
        for n in range(length):
            bias[m, n] = q[m] @ table[max(-K, min(K, n - m)) + K] / math.sqrt(q.shape[1])
    return bias


def shaw_torch(q, table):
    m, K = torch.arange(len(q)), len(table) // 2
    return torch.einsum("md,mnd->mn", q, table[(m[None] - m[:, None]).clamp(-K, K) + K]) / q.shape[1] ** 0.5


RIGHT = [
    (check.alibi, alibi_numpy),
    (check.alibi, alibi_loops),
    (check.alibi, alibi_torch),
    (check.alibi, alibi_float32),
    (check.alibi, pe.alibi_bias),
    (check.alibi_slopes, slopes_recursive),
    (check.alibi_slopes, pe.alibi_slopes),
    (check.alibi_slopes, pe_torch.alibi_slopes),
    (check.alibi_reach, reach_search),
    (check.alibi_reach, reach_float),
    (check.t5_bucket, bucket_transformers),
    (check.t5_bucket, bucket_table),
    (check.t5_bucket, bucket_floats),
    (check.t5_bucket, pe.t5_bucket),
    (check.t5_bucket, pe_torch.t5_bucket),
    (check.shaw, shaw_gather),
    (check.shaw, shaw_loops),
    (check.shaw, shaw_torch),
    (check.shaw, lambda q, table: pe.shaw_bias(q, table, range(len(q)), range(len(q)))),
]


@pytest.mark.parametrize(("checker", "fn"), RIGHT, ids=lambda f: f.__name__)
def test_a_right_function_passes(checker, fn):
    report = checker(fn)
    assert report.passed, str(report)


# ---------------------------------------------------------------- wrong, as readers write it


def plus(num_heads, query_positions, key_positions):
    return -alibi_numpy(num_heads, query_positions, key_positions)


def signed(num_heads, query_positions, key_positions):
    slopes = 2.0 ** (-8 * np.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * np.subtract.outer(query_positions, key_positions)


def from_zero(num_heads, query_positions, key_positions):
    slopes = 2.0 ** (-8 * np.arange(num_heads) / num_heads)
    return -slopes[:, None, None] * np.abs(np.subtract.outer(query_positions, key_positions))


def no_cache(num_heads, query_positions, key_positions):
    return alibi_numpy(num_heads, np.arange(len(query_positions)), np.arange(len(key_positions)))


def as_a_matrix(num_heads, query_positions, key_positions):
    return alibi_numpy(num_heads, query_positions, key_positions)[0]


def one_formula(num_heads):
    return 2.0 ** (-8 * np.arange(1, num_heads + 1) / num_heads)


def as_sorted(num_heads):
    return np.sort(slopes_recursive(num_heads))[::-1]


def too_few(num_heads):
    return one_formula(2 ** int(math.log2(num_heads)))


def half_as_many(relative_position):
    return pe.t5_bucket(-np.abs(relative_position))


def decoder(relative_position):
    return pe.t5_bucket(relative_position, bidirectional=False)


def other_sign(relative_position):
    return pe.t5_bucket(-relative_position)


def upwards(relative_position):
    distance = np.abs(relative_position)
    far = 8 + np.ceil(8 * np.log(np.maximum(distance, 8) / 8) / np.log(16))
    return np.where(distance < 8, distance, np.minimum(15, far)) + 16 * (relative_position > 0)


def no_end(relative_position):
    distance = np.abs(relative_position)
    far = 8 + np.floor(8 * np.log(np.maximum(distance, 8) / 8) / np.log(16) + 1e-9)
    return np.where(distance < 8, distance, far) + 16 * (relative_position > 0)


def minus(q, table):
    return shaw_gather(q, table[::-1])


def unscaled(q, table):
    return shaw_gather(q, table) * np.sqrt(q.shape[1])


def middle_forgotten(q, table):
    m, K = np.arange(len(q)), len(table) // 2
    rows = np.clip(m[None] - m[:, None], -K, K)
    return np.einsum("md,mnd->mn", q, table[rows]) / np.sqrt(q.shape[1])


def all_products(q, table):
    return q @ table.T


WRONG = [
    (check.alibi, plus, "the sign is wrong"),
    (check.alibi, signed, "the distance has a sign"),
    (check.alibi, from_zero, "heads counted from 0"),
    (check.alibi, no_cache, "positions are ignored"),
    (check.alibi, as_a_matrix, "the heads are missing"),
    (check.alibi_slopes, one_formula, "one formula for all numbers of heads"),
    (check.alibi_slopes, as_sorted, "sorted from steep to flat"),
    (check.alibi_slopes, too_few, "the missing heads have no slope"),
    (check.alibi_slopes, lambda num_heads: 1 / num_heads, "wrong shape"),
    (check.alibi_reach, lambda slope, share: int(math.log(1 / share) / slope), "rounded down"),
    (check.alibi_reach, lambda slope, share: 1 / slope, "not rounded, and the mean distance"),
    (check.t5_bucket, half_as_many, "both directions share their buckets"),
    (check.t5_bucket, decoder, "a decoder's buckets"),
    (check.t5_bucket, other_sign, "query minus key"),
    (check.t5_bucket, upwards, "rounded up"),
    (check.t5_bucket, no_end, "the last bucket is not the last"),
    (check.t5_bucket, lambda relative_position: 0, "one bucket for all"),
    (check.shaw, minus, "query minus key"),
    (check.shaw, unscaled, "the scale is missing"),
    (check.shaw, middle_forgotten, "the middle row is not relative position 0"),
    (check.shaw, all_products, "the products are not picked"),
]


@pytest.mark.parametrize(("checker", "fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_function_is_named(checker, fn, diagnosis):
    assert_named(checker, fn, diagnosis)


def test_buckets_may_be_integers_but_a_bias_may_not():
    assert check.t5_bucket(pe.t5_bucket).passed

    def whole(num_heads, query_positions, key_positions):
        return alibi_numpy(num_heads, query_positions, key_positions).astype(int)

    assert check.alibi(whole).diagnosis == "the result is int64"


@pytest.mark.parametrize(("checker", "fn"), RIGHT[::4], ids=lambda f: f.__name__)
def test_strict_raises_for_a_wrong_function_alone(checker, fn):
    assert checker(fn, strict=True).passed
    with pytest.raises(AssertionError):
        checker(lambda *args: np.zeros(3), strict=True)
