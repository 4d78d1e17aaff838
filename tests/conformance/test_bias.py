"""Biases: right ones pass and are told apart, wrong ones are named."""

import math

import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import conformance

EIGHT = [2.0 ** -(h + 1) for h in range(8)]
TWELVE = [*EIGHT, *(2 ** -(h + 0.5) for h in range(4))]
SLOPES = torch.tensor(EIGHT, dtype=torch.float64)[:, None, None]


def distance(m, n):
    return m[..., :, None] - n[..., None, :]


def alibi(m, n, slopes=SLOPES):
    """(B, T) positions give (B, H, T, S)."""
    return -slopes * distance(m, n).abs()[..., None, :, :].double() if m.ndim > 1 else -slopes * distance(m, n).abs()


BUCKETS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))


def buckets(m, n):
    """T5's rule for decoders, as in its paper: 16 exact buckets, then by the logarithm up to 128."""
    d = distance(m, n).clamp(min=0)
    far = 16 + (torch.log(d.clamp(min=1).double() / 16) / math.log(128 / 16) * 16).long()
    return BUCKETS[torch.where(d < 16, d, far.clamp(max=31))].movedim(-1, -3)


def logarithm(m, n):
    """KERPLE's: −r1 log(1 + r2 |m − n|)."""
    r = torch.tensor([[[0.5]], [[2.0]]])
    return -r * torch.log1p(r * distance(m, n).abs().unsqueeze(-3))


def bloom_like(m, n):
    """slope · n, one row for all queries."""
    return SLOPES * n[..., None, None, :].double()


def hides_the_future(m, n):
    return alibi(m, n).masked_fill(distance(m, n).unsqueeze(-3) < 0, -math.inf)


def numpy_one_head(m, n):
    """A bias without an axis for heads."""
    return -0.5 * np.abs(m[..., :, None] - n[..., None, :])


def ours(m, n):
    return posenc_lib.torch.alibi_bias(8, m, n)


def ours_numpy(m, n):
    return posenc_lib.numpy.alibi_bias(12, m, n)


@pytest.mark.parametrize(
    ("fn", "heads", "kind", "ahead"),
    [(alibi, 8, "linear", "as before it"), (buckets, 4, "steps", "nothing"), (logarithm, 2, "curve", "as before it"),
     (bloom_like, 8, "linear", "the line goes on"), (hides_the_future, 8, "linear", "hidden"),
     (ours, 8, "linear", "as before it"),
     (ours_numpy, 12, "linear", "as before it")],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_passes(fn, heads, kind, ahead):
    report = conformance.bias(fn, heads=heads, array="numpy" if "numpy" in fn.__name__ else "torch")
    assert report.passed and not report.warnings, str(report)
    assert (report.facts["heads"], report.facts["kind"], report.facts["keys after the query"]) == (heads, kind, ahead)
    untested = [] if kind == "linear" else ["near keys are favoured", "slopes"]
    assert [f.check for f in report.not_tested] == untested


def test_one_head_without_an_axis():
    report = conformance.bias(numpy_one_head, array="numpy")
    assert report.passed and report.facts["slopes"] == [0.5]
    assert [f.diagnosis for f in report.warnings] == ["slopes are not ALiBi's"]  # one head has 1/256


def test_slopes_and_steps_are_measured():
    assert conformance.bias(alibi, array="torch").facts["slopes"] == pytest.approx(EIGHT, rel=1e-6)
    steps = conformance.bias(buckets, array="torch")
    first = [d for d in range(300) if d == 0 or _bucket(d) != _bucket(d - 1)]
    assert f"{len(first)} steps, beginning at distances 0, 1, 2, 3" in steps["positions are used"].found
    assert f"15, 16, {first[17]}, {first[18]}, {first[19]}, …" in steps["positions are used"].found


def _bucket(d):
    return d if d < 16 else min(31, 16 + int(math.log(d / 16) / math.log(8) * 16))


BROKEN = {}


def broken(diagnosis, check, **keywords):
    def register(fn):
        BROKEN[fn.__name__] = (fn, diagnosis, check, keywords)
        return fn

    return register


DISTANCE, SHIFT = "only the distance counts", "shift invariance of the logits"


@broken("it cannot be called", "it can be called")
def raises(m, n):
    raise RuntimeError("not this way")


@broken("query and key axes exchanged", "it can be called")
def transposed(m, n):
    return alibi(m, n).swapaxes(-1, -2)


@broken("wrong number of heads", "it can be called", heads=8)
def six_heads(m, n):
    return alibi(m, n)[..., :6, :, :]


@broken("not finite", "it can be called")
def nan_at_distance_zero(m, n):
    return alibi(m, n) * 0 / distance(m, n).unsqueeze(-3)


@broken("not finite", "it can be called")
def hides_the_past(m, n):
    return alibi(m, n).masked_fill(distance(m, n).unsqueeze(-3) > 0, -math.inf)


@broken("an input was changed", "inputs left alone")
def works_in_place(m, n):
    m -= n.max()
    return alibi(m, n - n.max())


@broken("results change from call to call", "same call, same result")
def drops_out(m, n):
    return torch.nn.functional.dropout(alibi(m, n), 0.1)


LONGEST = {}


@broken("results change from call to call", "same call, same result")
def cut_from_the_longest(m, n):
    """A cache that grows, and that a shorter call reads from its beginning to its end with a step."""
    if len(n) > LONGEST.get("length", 0):
        LONGEST.update(length=len(n), bias=alibi(torch.arange(len(n)), torch.arange(len(n))))
    step = max(1, LONGEST["length"] // len(n))
    return LONGEST["bias"][:, ::step, ::step][:, len(n) - len(m) : len(n), : len(n)]


@broken("past keys are all alike", "positions are used")
def sign_of_the_relative_position(m, n):
    return buckets(n, m).swapaxes(-1, -2)


@broken("past keys are all alike", "positions are used")
def nothing_at_all(m, n):
    return 0 * alibi(m, n)


@broken("the bias depends on the absolute position", DISTANCE)
def grows_with_the_query(m, n):
    return alibi(m, n) * (1 + m[..., None, :, None] / 100)


@broken("the bias depends on the absolute position", DISTANCE)
def divides_by_the_length(m, n):
    return -SLOPES * (distance(m, n).abs() / (1 + m)[..., :, None]).unsqueeze(-3)


@broken("far keys are favoured", "near keys are favoured")
def wrong_sign(m, n):
    return -alibi(m, n)


@broken("query position ignored with a cache", "one pass equals step by step")
def counts_queries_from_zero(m, n):
    return buckets(torch.arange(m.shape[-1]) if m.ndim == 1 and len(m) == 1 else m, n)


@broken("a step differs from one pass", "one pass equals step by step")
def step_one_too_far(m, n):
    return buckets(m + (m.shape[-1] == 1), n)


@broken("padding changes the bias", "padded equals unpadded")
def numbers_keys_that_repeat(m, n):
    return logarithm(m, torch.arange(n.shape[-1]) if n.ndim == 1 and (n.diff() == 0).any() else n)


@broken("packing changes the bias", "packed equals separate")
def sorts_the_keys(m, n):
    return logarithm(m, n.sort().values)


@broken("rows of positions are mixed up", "a row of positions for each sequence")
def rows_over_heads(m, n):
    return -SLOPES * distance(m, n).abs() if m.ndim > 1 and len(m) != 8 else _over_heads(m, n)


def _over_heads(m, n):
    return (-SLOPES * distance(m, n).abs()).expand(len(m), 8, -1, -1) if m.ndim > 1 else alibi(m, n)


@broken("positions rounded to bfloat16", SHIFT)
def in_bfloat16(m, n):
    return alibi(m.bfloat16(), n.bfloat16())


@broken("positions rounded to float16", SHIFT)
def in_float16(m, n):
    return alibi(m.half(), n.half())


@broken("the bias loses its digits at far positions", SHIFT, max_position=10**7)
def slope_times_key_in_float32(m, n):
    """BLOOM's form with slopes that are no powers of two: differences of large numbers."""
    return 0.7**0.5 * SLOPES.float() * n[..., None, None, :].float()


@broken("positions clipped", SHIFT)
def clips_positions(m, n):
    return alibi(m.clamp(max=255), n.clamp(max=255))


@pytest.mark.parametrize("name", BROKEN)
def test_is_named(name):
    fn, diagnosis, check, keywords = BROKEN[name]
    report = conformance.bias(fn, array="torch", **keywords)
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)
    assert report[check].status == "failed" and report[check].diagnosis == diagnosis


# Warnings


@pytest.mark.parametrize(
    ("slopes", "diagnosis", "said"),
    [([2 ** (-8 * (h + 1) / 12) for h in range(12)], "slopes are not ALiBi's", "for powers of two only"),
     (TWELVE[::-1], "slopes are not ALiBi's", "in reverse order"),
     (sorted(TWELVE, reverse=True), "slopes are not ALiBi's", "heads have changed places"),
     (torch.tensor(TWELVE).bfloat16().tolist(), "slopes rounded to half precision", "")],
)  # fmt: skip
def test_slopes_for_twelve_heads(slopes, diagnosis, said):
    slopes = torch.tensor(slopes, dtype=torch.float64)[:, None, None]
    report = conformance.bias(lambda m, n: alibi(m, n, slopes), array="torch")
    assert report.passed and report["slopes"].status == "warning"
    assert report["slopes"].diagnosis == diagnosis and said in report["slopes"].found


def test_float32_positions_are_a_warning_past_max_position():
    """From 2^24 on float32 merges neighbours: past ten million plus ten it does not yet."""
    report = conformance.bias(lambda m, n: alibi(2 * m.float() + 1, 2 * n.float() + 1, SLOPES / 2), array="torch")
    assert report.passed and report[SHIFT].status == "warning"
    assert report[SHIFT].diagnosis.endswith("(past 131072)")


def test_positions_that_cannot_be_passed_are_not_tested():
    def from_lengths(m, n):
        if not (torch.equal(n, torch.arange(len(n))) and torch.equal(m, n[len(n) - len(m) :])):
            raise NotImplementedError("lengths only")
        return alibi(m, n)

    report = conformance.bias(from_lengths, array="torch")
    assert report.passed
    rest = ["padded equals unpadded", "packed equals separate", "a row of positions for each sequence", SHIFT]
    assert [f.check for f in report.not_tested] == rest
    assert all("lengths only" in f.found for f in report.not_tested)


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [(TypeError, "conformance: fn must be a function to call, got 3 (int).", {"fn": 3}),
     (ValueError, "conformance: array must be 'torch', 'numpy' or None (find out), got 'jax'.", {"array": "jax"}),
     (ValueError, "conformance.bias: heads must be at least 1, got 0.", {"heads": 0}),
     (ValueError, "conformance.bias: max_position must be at least 1, got 0.", {"max_position": 0})],
)  # fmt: skip
def test_bad_arguments(error, text, arguments):
    with pytest.raises(error) as refusal:
        conformance.bias(**({"fn": alibi} | arguments))
    assert str(refusal.value) == text
