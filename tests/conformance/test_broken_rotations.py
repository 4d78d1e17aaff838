"""Rotations that are wrong, each in one way, fail and are named."""

import numpy as np
import pytest
import torch

from posenc_lib import conformance

DIM = 64
THETA = 10000.0 ** (-np.arange(0, DIM, 2) / DIM)
TORCH_THETA = torch.tensor(THETA)


def rotate(x, positions, *, theta=TORCH_THETA, sign=1, layout="interleaved", mirror=1, angle=None, dtype=None):
    """A right one, with a knob for each mistake; (T,) or (B, 1, T) positions."""
    a = positions.to(torch.float64)[..., None] * theta if angle is None else angle
    dtype = dtype or (torch.float64 if x.dtype == torch.float64 else torch.float32)
    cos, sin = a.cos().to(dtype), sign * a.sin().to(dtype)
    n = theta.shape[-1]
    rest = x[..., 2 * n :]
    x, given = x[..., : 2 * n].to(dtype), x.dtype
    a, b = (x[..., ::2], x[..., 1::2]) if layout == "interleaved" else x.chunk(2, dim=-1)
    turned = (a * cos - mirror * b * sin, a * sin + mirror * b * cos)
    turned = torch.stack(turned, -1).flatten(-2) if layout == "interleaved" else torch.cat(turned, -1)
    return torch.cat((turned.to(given), rest), -1)


def test_the_knobs_stand_right():
    report = conformance.rotation(rows_refused(rotate), head_dim=DIM, frequencies=THETA, array="torch")
    assert report.passed and not report.warnings and not report.not_tested, str(report)


def rows_refused(fn):
    def refusing(x, positions):
        if positions.ndim == 2:
            raise ValueError("positions (B, T)")
        return fn(x, positions)

    return refusing


BROKEN = {}


def broken(diagnosis, check, **keywords):
    """Register fn under the name that it must get, at the check that must find it."""

    def register(fn):
        BROKEN[fn.__name__] = (fn, diagnosis, check, keywords)
        return fn

    return register


STEPS, PADDED = "one pass equals step by step", "padded equals unpadded"
ANGLE, ROWS = "angle is position times frequency", "a row of positions for each sequence"


@broken("it cannot be called", "it can be called")
def raises(x, positions):
    raise RuntimeError("not this way")


@broken("tokens and heads exchanged", "it can be called")
def positions_along_the_heads(x, positions):
    return rotate(x.transpose(1, 2), positions).transpose(1, 2)


@broken("tokens and heads exchanged", "all heads and sequences alike")
def positions_along_the_heads_by_counting(x, positions):
    """It never raises: heads are numbered where tokens are meant."""
    return rotate(x.transpose(1, 2), torch.arange(x.shape[1]) + positions.flatten()[0]).transpose(1, 2)


@broken("wrong shape", "it can be called")
def one_axis_lost(x, positions):
    return rotate(x, positions)[0]


@broken("not finite", "it can be called")
def gives_nan(x, positions):
    return rotate(x, positions) / (positions[..., None] > 2)


@broken("an input was changed", "inputs left alone")
def works_in_place(x, positions):
    x.copy_(rotate(x, positions))
    return x


@broken("an input was changed", "inputs left alone")
def moves_the_positions(x, positions):
    positions += 0 if len(positions) == 1 else 3
    positions -= 0 if len(positions) == 1 else 2
    return rotate(x, positions - 1 if len(positions) > 1 else positions)


CACHE = {}


@broken("cache keyed on length", "same call, same result")
def cached_by_length(x, positions):
    key = (x.shape[-2], positions.ndim)
    CACHE.setdefault(key, positions.clone())
    return rotate(x, CACHE[key])


@broken("results change from call to call", "same call, same result")
def drops_out(x, positions):
    return torch.nn.functional.dropout(rotate(x, positions), 0.01)


@broken("positions are ignored", "positions are used")
def counts_from_zero(x, positions):
    return rotate(x, torch.arange(x.shape[-2]))


@broken("positions are ignored", "positions are used")
def subtracts_the_first(x, positions):
    return rotate(x, positions - positions[..., :1])


@broken("nothing turns", "positions are used")
def does_nothing(x, positions):
    return x.clone()


@broken("positions off by one with a cache", STEPS)
def one_too_far_with_a_cache(x, positions):
    return rotate(x, positions + (1 if x.shape[-2] == 1 else 0))


@broken("positions off by one with a cache", STEPS)
def one_too_near_after_a_prefix(x, positions):
    return rotate(x, positions - (1 if positions.flatten()[0] > 0 else 0))


@broken("cache offset ignored", STEPS)
def single_tokens_at_zero(x, positions):
    return rotate(x, positions * (x.shape[-2] > 1))


@broken("cache offset ignored", STEPS)
def short_chunks_from_zero(x, positions):
    """Only a few tokens after a prefix, as in a turn of a chat, go wrong."""
    return rotate(x, positions - positions[..., :1] * (1 < x.shape[-2] < 7))


@broken("padding counted as tokens", PADDED)
def counts_on_from_the_first(x, positions):
    return rotate(x, positions.flatten()[0] + torch.arange(x.shape[-2]))


@broken("padding counted as tokens", PADDED)
def numbers_rows_that_begin_with_padding(x, positions):
    repeated = positions.ndim == 1 and len(positions) > 1 and positions[0] == positions[1]
    return rotate(x, torch.arange(len(positions)) if repeated else positions)


@broken("the second sequence is counted on", "packed equals separate")
def makes_positions_rise(x, positions):
    return rotate(x, positions if (positions.diff() >= 0).all() else torch.arange(x.shape[-2]))


@broken("positions (B, T) taken for heads", ROWS)
def broadcasts_rows_over_heads(x, positions):
    return rotate(x, positions)


@broken("rows of positions are mixed up", ROWS)
def first_row_for_all(x, positions):
    return rotate(x, positions.reshape(-1, positions.shape[-1])[0])


@broken("not linear", "linear")
def adds_a_wave(x, positions):
    return rotate(x, positions) + 0.1 * positions[..., None].cos().to(x.dtype)


@broken("not linear", "linear")
def divides_by_the_length(x, positions):
    """Right, but for a token of zeros, which becomes NaN."""
    size = x.double().norm(dim=-1, keepdim=True)
    return (rotate(x.double() / size, positions) * size).to(x.dtype)


@broken("not linear", "linear")
def normalises(x, positions):
    return torch.nn.functional.normalize(rotate(x, positions).float(), dim=-1).to(x.dtype)


@broken("pairs are mirrored, not turned", "norm kept")
def mirrors(x, positions):
    return rotate(x, positions, mirror=-1)


@broken("lengths depend on the position", "norm kept")
def grows(x, positions):
    return (rotate(x, positions) * (1 + positions[..., None] / 1e4)).to(x.dtype)


@broken("lengths depend on the position", "norm kept")
def cosine_of_the_next_pair(x, positions):
    """(a cos − b sin, a sin + b cos) with the cosine at the next lower frequency."""
    a = positions.to(torch.float64)[..., None] * TORCH_THETA
    b = positions.to(torch.float64)[..., None] * TORCH_THETA.roll(-1)
    y = x.to(torch.float64)
    turned = (y[..., ::2] * b.cos() - y[..., 1::2] * a.sin(), y[..., ::2] * a.sin() + y[..., 1::2] * b.cos())
    return torch.stack(turned, -1).flatten(-2).to(x.dtype)


@broken("positions rounded to bfloat16", ANGLE)
def positions_in_bfloat16(x, positions):
    return rotate(x, positions.to(torch.bfloat16))


@broken("positions clipped or wrapped", ANGLE)
def clipped_at_511(x, positions):
    return rotate(x, positions.clamp(max=511))


@broken("positions clipped or wrapped", ANGLE)
def wraps_at_1000(x, positions):
    return rotate(x, positions % 1000)


@broken("angle is not proportional to the position", ANGLE)
def root_of_the_position(x, positions):
    return rotate(x, positions.sqrt())


@broken("angle is not proportional to the position", ANGLE)
def another_scale_past_512(x, positions):
    far = (positions > 512)[..., None]
    return rotate(x, positions, angle=positions.double()[..., None] * torch.where(far, TORCH_THETA / 7.3, TORCH_THETA))


@broken("positions rounded to float16", "angles at far positions")
def positions_in_float16(x, positions):
    return rotate(x, positions.to(torch.float16))


@broken("positions clipped or wrapped", "angles at far positions")
def clipped_at_4095(x, positions):
    return rotate(x, positions.clamp(max=4095))


@broken("angles lose their digits at far positions", "angles at far positions", max_position=1_000_003)
def angles_in_float32(x, positions):
    return rotate(x, positions, angle=positions.float()[..., None] * TORCH_THETA.float())


@broken("exponent doubled", "frequencies")
def doubles_the_exponent(x, positions):
    return rotate(x, positions, theta=TORCH_THETA**2)


@broken("exponent halved", "frequencies")
def halves_the_exponent(x, positions):
    return rotate(x, positions, theta=TORCH_THETA**0.5)


@broken("32 of 64 dimensions turn", "frequencies")
def half_of_the_dimensions(x, positions):
    return rotate(x, positions, theta=TORCH_THETA[::2])


@broken("another base: exponents times 1.425", "frequencies")
def base_500_000(x, positions):
    return rotate(x, positions, theta=500_000.0 ** (-torch.arange(0, DIM, 2, dtype=torch.float64) / DIM))


@broken("all frequencies times 0.25", "frequencies")
def divides_by_four(x, positions):
    return rotate(x, positions, theta=TORCH_THETA / 4)


@broken("frequencies in reverse order", "frequencies")
def reversed_frequencies(x, positions):
    return rotate(x, positions, theta=TORCH_THETA.flip(0))


@broken("turns in the opposite direction", "frequencies")
def turns_backwards(x, positions):
    return rotate(x, positions, sign=-1)


@broken("layout is half, not interleaved", "layout round trip", layout="interleaved")
def the_other_layout(x, positions):
    return rotate(x, positions, layout="half")


@broken("float32 does not come back as float32", "dtype kept")
def returns_float64(x, positions):
    return rotate(x.double(), positions)


@broken("float16 does not come back as float16", "dtype kept")
def returns_float32_for_half(x, positions):
    return rotate(x if x.dtype == torch.float64 else x.float(), positions)


@broken("positions rounded to bfloat16", "bfloat16")
def positions_in_the_dtype_of_x(x, positions):
    return rotate(x, positions.to(x.dtype))


@broken("frequencies rounded to bfloat16", "bfloat16")
def frequencies_in_the_dtype_of_x(x, positions):
    return rotate(x, positions, theta=TORCH_THETA.to(x.dtype).double())


@broken("angles rounded to bfloat16", "bfloat16")
def angles_in_the_dtype_of_x(x, positions):
    return rotate(x, positions, angle=(positions.double()[..., None] * TORCH_THETA).to(x.dtype).double())


FIRST = {}


@broken("half precision stays in a cache", "later calls after half precision")
def cache_in_the_dtype_of_the_longest_call(x, positions):
    """Right in each call alone: only what is kept for shorter calls is rounded."""
    end = int(positions.max()) + 1
    if end <= FIRST.get("end", 0) and x.dtype == torch.float32:
        return rotate(x, positions, angle=FIRST["angles"][positions])
    if x.shape[-2] > 1 and end > FIRST.get("end", 0) and end < 4000:
        FIRST.update(end=end, angles=(torch.arange(end)[:, None] * TORCH_THETA).to(x.dtype).double())
    return rotate(x, positions)


@pytest.mark.parametrize("name", BROKEN)
def test_is_named(name):
    fn, diagnosis, check, keywords = BROKEN[name]
    # Rows of positions are refused where they are not what is wrong.
    fn = fn if check == ROWS else rows_refused(fn)
    report = conformance.rotation(fn, head_dim=DIM, array="torch", **({"frequencies": THETA} | keywords))
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)
    assert report[check].status == "failed" and report[check].diagnosis == diagnosis
    assert report[check].found


# Two functions


def turned(**knobs):
    return rows_refused(lambda x, positions: rotate(x, positions, **knobs))


@pytest.mark.parametrize(
    ("diagnosis", "keys"),
    [("queries and keys turn in opposite directions", turned(sign=-1)),
     ("queries and keys use different layouts", turned(layout="half")),
     ("queries and keys use different layouts", turned(theta=TORCH_THETA[:16])),
     ("queries and keys have different frequencies", turned(theta=TORCH_THETA * 1.01)),
     ("queries and keys count from different positions", lambda x, positions: turned()(x, positions + 1))],
)  # fmt: skip
def test_queries_and_keys_that_do_not_fit(diagnosis, keys):
    report = conformance.rotation(turned(), keys=keys, head_dim=DIM, array="torch")
    assert report.diagnosis == diagnosis, str(report)
    constant = diagnosis.endswith(("frequencies", "positions", "layouts"))
    moved = report["shift invariance of the logits"]
    assert moved.status == ("passed" if diagnosis.endswith("positions") else "failed"), constant


def test_keys_that_fit():
    report = conformance.rotation(turned(), keys=turned(), head_dim=DIM, frequencies=THETA, array="torch")
    assert report.passed and report["queries and keys agree"].status == "passed" and not report.warnings


def test_a_fault_of_the_keys_alone_is_found():
    """Every check of the queries is one of the keys too."""
    for name in ("drops_out", "counts_from_zero", "single_tokens_at_zero", "counts_on_from_the_first", "adds_a_wave"):
        fn, diagnosis, check, _ = BROKEN[name]
        report = conformance.rotation(turned(), keys=rows_refused(fn), head_dim=DIM, array="torch")
        assert (report.diagnosis, report[check].status) == (diagnosis, "failed"), name


# What is no failure, and is told


def test_positions_from_one_are_a_warning():
    report = conformance.rotation(lambda x, p: turned()(x, p + 1), head_dim=DIM, frequencies=THETA, array="torch")
    assert report.passed and [f.diagnosis for f in report.warnings] == ["positions start at 1"]


def test_sine_and_cosine_exchanged_are_a_warning():
    """Queries and keys share it, so that the logits do not change."""

    def exchanged(x, positions):
        return turned(angle=torch.pi / 2 - positions.double()[..., None] * TORCH_THETA)(x, positions)

    report = conformance.rotation(exchanged, head_dim=DIM, array="torch")
    assert report.passed and "sine and cosine exchanged" in [f.diagnosis for f in report.warnings]


def test_angles_in_float32_are_a_warning_past_max_position():
    report = conformance.rotation(rows_refused(angles_in_float32), head_dim=DIM, array="torch")
    assert report.passed
    assert report["angles at far positions"].diagnosis == "angles lose their digits at far positions (past 131072)"
    assert report["float64"].diagnosis == "float64 keeps float32's angles"


def test_cosines_in_half_precision_are_a_warning():
    def rounded(x, positions):
        return turned(dtype=x.dtype)(x, positions)

    report = conformance.rotation(rounded, head_dim=DIM, array="torch")
    assert report.passed
    assert [f.check for f in report.warnings] == ["bfloat16", "float16"]
    assert all(f.diagnosis == "cosine and sine rounded" and 1.2 < f.measured < 3 for f in report.warnings)


def test_a_doubled_exponent_is_suspected_without_frequencies():
    report = conformance.rotation(rows_refused(doubles_the_exponent), head_dim=DIM, array="torch")
    assert (
        "10000²: is the exponent doubled?" in report["frequencies"].found
        and report["frequencies"].status == "not tested"
    )


def test_positions_that_cannot_be_passed_are_not_tested():
    def from_an_offset(x, positions):
        if positions.ndim > 1 or not torch.equal(positions, torch.arange(len(positions)) + positions[0]):
            raise NotImplementedError("only from an offset on")
        return rotate(x, positions)

    report = conformance.rotation(from_an_offset, head_dim=DIM, frequencies=THETA, array="torch")
    assert report.passed
    assert [f.check for f in report.not_tested] == ["padded equals unpadded", "packed equals separate", ROWS]
    assert all("only from an offset on" in f.found or "one row of positions" in f.found for f in report.not_tested)


def test_one_that_turns_no_pairs():
    """Three dimensions that mix are no pairs: what needs pairs is not tested, what does not, is."""
    generator = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def anywhere(x, positions):
        if positions.ndim != 1:
            raise ValueError("rows")
        turns = torch.linalg.matrix_exp(positions.double()[:, None, None] * (generator - generator.T) / 100)
        return torch.einsum("tij,bhtj->bhti", turns, x.double()).to(x.dtype)

    report = conformance.rotation(anywhere, head_dim=6, array="torch")
    assert report.passed and report["norm kept"].status == "passed", str(report)
    assert report["layout round trip"].found == "no pairs of dimensions that turn were found."
    assert "layout" not in report.facts


# Bad arguments


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [(TypeError, "conformance: fn must be a function to call, got 3 (int).", {"fn": 3}),
     (TypeError, "conformance.rotation: keys must be a function to call, got 3.", {"keys": 3}),
     (ValueError, "conformance: array must be 'torch', 'numpy' or None (find out), got 'jax'.", {"array": "jax"}),
     (ValueError, "conformance.rotation: layout must be 'interleaved', 'half' or None (find out), got 'neox'.",
      {"layout": "neox"}),
     (ValueError, "conformance.rotation: heads must be at least 2, got 1.", {"heads": 1}),
     (ValueError, "conformance.rotation: max_position must be at least 1, got 0.", {"max_position": 0}),
     (ValueError, "conformance.rotation: frequencies must be 1 to 32 finite numbers, one for each pair of 64 "
      "dimensions that turns; got shape (33,).", {"frequencies": np.ones(33)}),
     (ValueError, "conformance.rotation: frequencies must be 1 to 32 finite numbers, one for each pair of 64 "
      "dimensions that turns; got shape (1,).", {"frequencies": [np.nan]})],
)  # fmt: skip
def test_bad_arguments(error, text, arguments):
    with pytest.raises(error) as refusal:
        conformance.rotation(**({"fn": rotate} | arguments))
    assert str(refusal.value) == text


def test_an_odd_head():
    with pytest.raises(ValueError, match=r"^conformance.rotation: dim must be even"):
        conformance.rotation(rotate, head_dim=7)
