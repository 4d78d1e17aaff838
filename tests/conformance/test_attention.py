"""Attention with its positions: right ones pass, wrong ones are named."""

import math

import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import conformance

DIM = 32
THETA = torch.tensor(10000.0 ** (-np.arange(0, DIM, 2) / DIM))
SLOPES = torch.tensor([2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8])[:, None, None]


def turn(x, positions, *, layout="interleaved", sign=1):
    """x (B, H, T, dim), positions (B, T)."""
    a = sign * positions.double()[:, None, :, None] * THETA
    pairs = x.double().unflatten(-1, (-1, 2) if layout == "interleaved" else (2, -1))
    axis = -1 if layout == "interleaved" else -2
    one, two = pairs.unbind(axis)
    return torch.stack((one * a.cos() - two * a.sin(), one * a.sin() + two * a.cos()), axis).flatten(-2).to(x.dtype)


def attend(q, k, v, mask, bias=0.0):
    logits = q @ k.mT / math.sqrt(DIM) + bias
    return (
        logits.masked_fill(~mask, -math.inf).float().softmax(-1).to(v.dtype) if mask is not None else logits.softmax(-1)
    ) @ v


def rotary(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n), v, mask)


def alibi(q, k, v, m, n, mask):
    return attend(q, k, v, mask, bias=(-SLOPES * (m[:, None, :, None] - n[:, None, None, :]).abs()).to(q.dtype))


def ours(q, k, v, m, n, mask):
    q, k = posenc_lib.torch.rope(q, m[:, None], THETA), posenc_lib.torch.rope(k, n[:, None], THETA)
    bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -math.inf)
    return posenc_lib.torch.attention(q, k, v, bias=bias)


def ours_numpy(q, k, v, m, n, mask):
    bias = posenc_lib.numpy.alibi_bias(4, m, n)
    return posenc_lib.numpy.attention(q, k, v, bias=np.where(mask, bias, -np.inf))


@pytest.mark.parametrize("fn", [rotary, alibi, ours, ours_numpy], ids=lambda fn: fn.__name__)
def test_passes(fn):
    report = conformance.attention(fn, head_dim=DIM)
    assert report.passed and not report.warnings, str(report)
    assert [f.check for f in report.not_tested] == (["bfloat16"] if fn is ours_numpy else [])


def test_no_position_is_a_warning():
    report = conformance.attention(lambda q, k, v, m, n, mask: attend(q, k, v, mask), array="torch")
    assert report.passed and [f.diagnosis for f in report.warnings] == ["positions have no effect"]


def test_a_bias_over_the_keys_alone_is_a_warning():
    """BLOOM's form, which only a causal mask makes ALiBi."""

    def bloom(q, k, v, m, n, mask):
        return attend(q.float(), k.float(), v.float(), mask, bias=SLOPES * n[:, None, None, :]).to(q.dtype)

    report = conformance.attention(bloom, head_dim=DIM, array="torch")
    assert report.passed and [f.diagnosis for f in report.warnings] == ["query positions have no effect"], str(report)


BROKEN = {}


def broken(diagnosis, check):
    def register(fn):
        BROKEN[fn.__name__] = (fn, diagnosis, check)
        return fn

    return register


SHIFT = "shift invariance of the output"


@broken("it cannot be called", "it can be called")
def raises(q, k, v, m, n, mask):
    raise RuntimeError("not this way")


@broken("not finite", "it can be called")
def mask_the_other_way(q, k, v, m, n, mask):
    return rotary(q, k, v, m, n, ~mask)


@broken("an input was changed", "inputs left alone")
def turns_the_cache_in_place(q, k, v, m, n, mask):
    k.copy_(turn(k, n))
    return attend(turn(q, m), k, v, mask)


@broken("weights do not add up to 1", "weights add up to 1")
def turns_values(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n), turn(v, n), mask)


@broken("weights do not add up to 1", "weights add up to 1")
def softmax_over_queries(q, k, v, m, n, mask):
    logits = (turn(q, m) @ turn(k, n).mT / math.sqrt(DIM)).masked_fill(~mask, -1e4)
    return logits.softmax(-2) @ v


@broken("values are turned", "values are left as they are")
def permutes_values(q, k, v, m, n, mask):
    return rotary(q, k, v.flip(-1), m, n, mask)


@broken("the mask is ignored, or values are changed", "values are left as they are")
def no_mask(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n), v, torch.ones_like(mask))


@broken("the mask is ignored, or values are changed", "values are left as they are")
def causal_flag_only(q, k, v, m, n, mask):
    T, S = q.shape[2], k.shape[2]
    return rotary(q, k, v, m, n, torch.ones(T, S, dtype=torch.bool).tril(S - T))


@broken("the mask is ignored", "hidden keys have no effect")
def additive_mask_too_small(q, k, v, m, n, mask):
    alone = (mask.sum(-1, keepdim=True) == 1) & mask
    return attend(
        turn(q, m), turn(k, n), v, None, bias=torch.where(alone, 1e4, torch.where(mask, 0.0, -5.0)).to(q.dtype)
    )


@broken("query positions are ignored", SHIFT)
def queries_not_turned(q, k, v, m, n, mask):
    return attend(turn(q, 0 * m), turn(k, n), v, mask)


@broken("key positions are ignored", "positions are used")
def keys_by_index(q, k, v, m, n, mask):
    return rotary(q, k, v, m, torch.arange(n.shape[1]).expand_as(n) + m[:, :1] - (n.shape[1] - m.shape[1]), mask)


@broken("cache offset ignored", "one pass equals step by step")
def single_queries_at_zero(q, k, v, m, n, mask):
    return rotary(q, k, v, m * (q.shape[2] > 1), n, mask)


@broken("query off by one with a cache", "one pass equals step by step")
def one_too_far_with_a_cache(q, k, v, m, n, mask):
    return rotary(q, k, v, m + (q.shape[2] < k.shape[2]), n, mask)


@broken("padding counted as tokens", "padded equals unpadded")
def indices_when_padded(q, k, v, m, n, mask):
    if (n.diff() == 0).any():
        m = n = torch.arange(n.shape[1]).expand_as(n)
    return rotary(q, k, v, m, n, mask)


@broken("packing changes the output", "packed equals separate")
def one_causal_mask_when_packed(q, k, v, m, n, mask):
    if (n.diff() < 0).any():
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril()
    return rotary(q, k, v, m, n, mask)


@broken("positions (B, T) taken for heads", "a row of positions for each sequence")
def rows_over_heads(q, k, v, m, n, mask):
    def over_heads(x, positions):
        rows = positions if len(positions) == 4 else positions[:1].expand(4, -1)
        return turn(x.transpose(0, 1), rows).transpose(0, 1)

    return attend(over_heads(q, m), over_heads(k, n), v, mask)


@broken("the output depends on the absolute position", SHIFT)
def layouts_mixed(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n, layout="half"), v, mask)


@broken("the output depends on the absolute position", SHIFT)
def wrong_sign_on_the_key(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n, sign=-1), v, mask)


@broken("the output depends on the absolute position", SHIFT)
def clipped_at_511(q, k, v, m, n, mask):
    """Only the far shifts show it."""
    return rotary(q, k, v, m.clamp(max=511), n.clamp(max=511), mask)


@broken("far positions are wrong in bfloat16", "bfloat16")
def positions_in_the_dtype_of_x(q, k, v, m, n, mask):
    return attend(turn(q, m.to(q.dtype)), turn(k, n.to(q.dtype)), v, mask)


@broken("far positions are wrong in bfloat16", "bfloat16")
def bias_over_the_keys_in_bfloat16(q, k, v, m, n, mask):
    """As in BLOOM, whose bias is slope · n and not slope · (n − m): the large numbers are rounded."""
    return attend(q, k, v, mask, bias=(SLOPES * n[:, None, None, :]).to(q.dtype))


@pytest.mark.parametrize("name", BROKEN)
def test_is_named(name):
    fn, diagnosis, check = BROKEN[name]
    report = conformance.attention(fn, head_dim=DIM, array="torch")
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)
    assert report[check].status == "failed" and report[check].diagnosis == diagnosis


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [(TypeError, "conformance: fn must be a function to call, got 3 (int).", {"fn": 3}),
     (ValueError, "conformance: array must be 'torch', 'numpy' or None (find out), got 'jax'.", {"array": "jax"}),
     (ValueError, "conformance.attention: heads must be at least 2, got 1.", {"heads": 1})],
)  # fmt: skip
def test_bad_arguments(error, text, arguments):
    with pytest.raises(error) as refusal:
        conformance.attention(**({"fn": rotary} | arguments))
    assert str(refusal.value) == text
