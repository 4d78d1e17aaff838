"""Rotations that are right pass, however they are written: nothing is failed, and what they are is told."""

import math

import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import conformance

DIM, BASE = 64, 10000.0
THETA = BASE ** (-np.arange(0, DIM, 2) / DIM)
TORCH_THETA = torch.tensor(THETA)


def angles(positions, theta=TORCH_THETA):
    """In float64, as a model computes them once for all layers; (T, n) or (B, 1, T, n)."""
    if positions.ndim == 2:
        raise ValueError("positions (B, T) would broadcast over the heads")
    return torch.as_tensor(positions, dtype=torch.float64)[..., None] * theta


def wide(x):
    return x.to(torch.float64 if x.dtype == torch.float64 else torch.float32)


def complex_numbers(x, positions):
    turns = torch.polar(torch.ones((), dtype=torch.float64), angles(positions))
    pairs = torch.view_as_complex(x.to(torch.float64).unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def half(x, positions):
    a = angles(positions)
    cos, sin = (torch.cat((f, f), dim=-1).to(wide(x).dtype) for f in (a.cos(), a.sin()))
    one, two = wide(x).chunk(2, dim=-1)
    return (wide(x) * cos + torch.cat((-two, one), dim=-1) * sin).to(x.dtype)


def interleaved(x, positions):
    a = angles(positions)
    cos, sin = (f.repeat_interleave(2, dim=-1).to(wide(x).dtype) for f in (a.cos(), a.sin()))
    swapped = torch.stack((-wide(x)[..., 1::2], wide(x)[..., ::2]), dim=-1).flatten(-2)
    return (wide(x) * cos + swapped * sin).to(x.dtype)


def matrix(x, positions):
    a = angles(positions)
    blocks = torch.stack((a.cos(), -a.sin(), a.sin(), a.cos()), dim=-1).unflatten(-1, (2, 2))
    matrices = torch.zeros(*a.shape[:-1], DIM, DIM, dtype=torch.float64)
    for i in range(DIM // 2):
        matrices[..., 2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = blocks[..., i, :, :]
    return torch.einsum("...ij,...j->...i", matrices.expand(*x.shape, DIM), x.to(torch.float64)).to(x.dtype)


TABLE = angles(torch.arange(4096))
TABLE = torch.stack((TABLE.cos(), TABLE.sin()))


def table(x, positions):
    """Rows of a table that ends at 4096, which is what many models carry."""
    if positions.ndim == 2:
        raise ValueError("positions (B, T) would broadcast over the heads")
    cos, sin = TABLE[:, positions].to(wide(x).dtype)
    a, b = wide(x)[..., ::2], wide(x)[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2).to(x.dtype)


def on_numpy(x, positions):
    a = positions[..., None] * THETA
    n = DIM // 2
    return np.concatenate(
        (x[..., :n] * np.cos(a) - x[..., n:] * np.sin(a), x[..., :n] * np.sin(a) + x[..., n:] * np.cos(a)), -1
    )


def numpy_rows(x, positions):
    """on_numpy, for positions (T,) and (B, 1, T) only."""
    if positions.ndim == 2:
        raise ValueError("positions (B, T) would broadcast over the heads")
    return on_numpy(x, positions)


def ours_in_torch(x, positions):
    return posenc_lib.torch.rope(x, positions, THETA)


def ours_in_numpy(x, positions):
    return posenc_lib.numpy.rope(x, positions, THETA, layout="half")


STYLES = {
    complex_numbers: "interleaved",
    half: "half",
    interleaved: "interleaved",
    matrix: "interleaved",
    table: "interleaved",
    numpy_rows: "half",
    ours_in_torch: "interleaved",
    ours_in_numpy: "half",
}


@pytest.mark.parametrize(("fn", "layout"), STYLES.items(), ids=[fn.__name__ for fn in STYLES])
def test_passes(fn, layout):
    array = "numpy" if "numpy" in fn.__name__ else "torch"
    report = conformance.rotation(fn, head_dim=DIM, frequencies=THETA, layout=layout, array=array)
    assert report.passed and not report.failures and not report.warnings, str(report)
    assert report.facts["layout"] == layout
    assert (report.facts["base"], report.facts["rotary dimension"], report.facts["direction"]) == (BASE, DIM, "+mθ")
    only_torch = {"float16", "bfloat16", "later calls after half precision"}
    assert {f.check for f in report.not_tested} == (only_torch if array == "numpy" else set())
    assert report["shift invariance of the logits"].measured < 0.1
    wrong_layout = "half" if layout == "interleaved" else "interleaved"
    told = conformance.rotation(fn, head_dim=DIM, frequencies=THETA, layout=wrong_layout, array=array)
    assert told.diagnosis == f"layout is {layout}, not {wrong_layout}"


def test_a_table_says_where_it_ends():
    report = conformance.rotation(table, head_dim=DIM, array="torch")
    assert "At 10007 it raised IndexError" in report["angles at far positions"].found
    assert "10000 could not be tested: it raised IndexError" in report["shift invariance of the logits"].found


@pytest.mark.parametrize("heads", [2, 6, 7])
def test_any_number_of_heads(heads):
    assert conformance.rotation(interleaved, head_dim=DIM, heads=heads, array="torch").passed


@pytest.mark.parametrize("fn", [interleaved, numpy_rows])
def test_the_library_is_found(fn):
    assert conformance.rotation(fn, head_dim=DIM).facts["arrays"] == ("numpy" if fn is numpy_rows else "torch")


# What is measured


@pytest.mark.parametrize("layout", ["interleaved", "half"])
@pytest.mark.parametrize(
    ("dim", "rotary", "base", "factor"),
    [(64, 64, 10_000.0, 1.0), (128, 128, 500_000.0, 1.0), (64, 16, 10_000.0, 1.0), (128, 64, 1e6, 4.0),
     (32, 8, 1234.0, 1.0),
     (256, 256, 1e7, 8.0)],
)  # fmt: skip
def test_frequencies_are_recognised(layout, dim, rotary, base, factor):
    theta = base ** (-np.arange(0, rotary, 2) / rotary) / factor
    report = conformance.rotation(
        lambda x, p: posenc_lib.torch.rope(x, p, theta, layout=layout), head_dim=dim, array="torch"
    )
    facts = report.facts
    assert report.passed, str(report)
    found = (facts["layout"], facts["rotary dimension"], facts["base"], facts["divided by"], facts["exponent"])
    assert found == (layout, rotary, base, factor, f"−2i/{rotary}")
    assert np.allclose(facts["frequencies, rad per position"], theta, rtol=2e-6)


def test_the_exponent_may_count_the_whole_head():
    theta = 10000.0 ** (-np.arange(0, 16, 2) / 64)
    facts = conformance.rotation(lambda x, p: posenc_lib.torch.rope(x, p, theta), head_dim=64, array="torch").facts
    assert (facts["rotary dimension"], facts["base"], facts["exponent"]) == (16, 10000.0, "−2i/64")


def test_a_factor_is_told():
    report = conformance.rotation(lambda x, p: 1.25 * posenc_lib.torch.rope(x, p, THETA), head_dim=DIM, array="torch")
    assert report.facts["factor"] == 1.25 and report["norm kept"].status == "passed"


def test_pairs_of_frequency_zero():
    """Proportional rotary: in the half layout the distance of a pair still tells the rotary dimension."""
    theta = np.where(np.arange(32) < 8, THETA, 0.0)
    report = conformance.rotation(
        lambda x, p: posenc_lib.torch.rope(x, p, theta, layout="half"), head_dim=DIM, frequencies=theta, array="torch"
    )
    assert report.passed and (report.facts["rotary dimension"], report.facts["pairs that turn"]) == (64, 8)


def test_the_rotated_part_may_stand_last():
    """As in DeepSeek's heads."""

    def last(x, positions):
        return torch.cat((x[..., :48], posenc_lib.torch.rope(x[..., 48:], positions, THETA[::4])), dim=-1)

    report = conformance.rotation(last, head_dim=DIM, array="torch")
    assert report.passed, str(report)
    assert (report.facts["first pair"], report.facts["rotary dimension"], report.facts["base"]) == (
        [48, 49],
        16,
        10000.0,
    )


def test_frequencies_that_are_no_ladder_need_to_be_passed():
    theta = np.where(np.arange(32) < 16, THETA, THETA / 8)

    def fn(x, positions):
        return posenc_lib.torch.rope(x, positions, theta)

    told = conformance.rotation(fn, head_dim=DIM, array="torch")
    assert (
        told["angles at far positions"].status == "not tested"
        and "pass frequencies=" in told["angles at far positions"].found
    )
    assert told.facts["base"] is None and told.passed
    known = conformance.rotation(fn, head_dim=DIM, frequencies=theta, array="torch")
    assert known["angles at far positions"].measured < 2e-7 and not known.not_tested


def test_xpos_passes_when_keys_shrink_as_queries_grow():
    zeta = (np.arange(0, DIM, 2) / DIM + 0.4) / 1.4

    def scaled(sign):
        def fn(x, positions):
            power = torch.tensor(zeta) ** (sign * positions[..., None] / 512)
            return (posenc_lib.torch.rope(x, positions, THETA) * power.repeat_interleave(2, dim=-1)).to(x.dtype)

        return fn

    both = conformance.rotation(scaled(1), keys=scaled(-1), head_dim=DIM, array="torch")
    assert "as in xPos" in both["norm kept"].found
    assert both["shift invariance of the logits"].status == "passed"
    assert conformance.rotation(scaled(1), head_dim=DIM, array="torch").diagnosis == "lengths depend on the position"


@pytest.mark.parametrize("position", [1009, 100_003, 9_999_991])
def test_the_error_told_is_the_error(position):
    """Against the definition in float64, for a rotation that multiplies in float32."""

    def in_float32(x, positions):
        a = positions[..., None].float() * TORCH_THETA.float()
        return torch.view_as_real(
            torch.view_as_complex(x.float().unflatten(-1, (-1, 2))) * torch.polar(torch.ones(()), a)
        ).flatten(-2)

    told = conformance.rotation(in_float32, head_dim=DIM, array="torch").facts["angle error, rad"][str(position)]
    a = np.float32(position) * THETA.astype(np.float32)
    exact = np.array([math.remainder(position * theta, 2 * math.pi) for theta in THETA])
    assert math.isclose(told, np.abs(np.exp(1j * a.astype(np.float64)) - np.exp(1j * exact)).max(), rel_tol=0.02)
