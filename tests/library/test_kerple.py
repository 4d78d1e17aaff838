"""KERPLE, both twins: 50 digits, the authors' code, ALiBi as its special case, and what its kernels must be."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch

KINDS = pytest.mark.parametrize("kind", ["logarithmic", "power"])
R1, R2 = np.array([0.01, 0.7, 2.0, 13.0]), np.array([0.01, 0.9, 1.5, 2.0])


def exact(r1, r2, queries, keys, kind):
    """The definition to 50 digits, each value rounded once."""
    with mpmath.workdps(50):
        shape = {
            "logarithmic": lambda r, distance: mpmath.log(1 + mpmath.mpf(r) * distance),
            "power": lambda r, distance: mpmath.mpf(distance) ** mpmath.mpf(r),
        }[kind]
        return [
            [[float(-mpmath.mpf(a) * shape(b, abs(mpmath.mpf(m) - n))) for n in keys] for m in queries]
            for a, b in zip(r1.tolist(), r2.tolist(), strict=True)
        ]


@KINDS
@pytest.mark.parametrize(
    ("queries", "keys"),
    [(range(5), range(5)), ([7], range(8)), ([0.5, -3], [1e-3, 2.25, -4]), ([10**6 + 1], [10**6, 3, -(2**40)])],
    ids=repr,
)
def test_to_50_digits(twin, kind, queries, keys):
    found = np.asarray(twin.pe.kerple_bias(twin.array(R1), twin.array(R2), queries, keys, kind=kind))
    assert found.shape == (4, len(queries), len(keys)) and found.dtype == np.float64
    assert np.allclose(found, exact(R1, R2, queries, keys, kind), rtol=1e-14, atol=0)


def test_logarithmic_is_the_default(twin):
    found = twin.pe.kerple_bias(R1, R2, range(3), range(4))
    assert np.allclose(found, exact(R1, R2, range(3), range(4), "logarithmic"), rtol=1e-14, atol=0)


def released(kind, bias_a, bias_p, length):
    """ParallelKerpleLog and ParallelKerplePower of chijames/KERPLE, megatron/mpu/layers.py: p and a change roles."""
    diff = torch.tril(torch.arange(length).view(length, 1).repeat(1, length) + torch.arange(0, -length, -1))
    diff = diff.to(bias_a.dtype)
    bias_a, bias_p = bias_a[:, None, None], bias_p[:, None, None]
    if kind == "logarithmic":
        return -bias_p * torch.log(1 + bias_a * diff)
    return -diff.pow(bias_p) * bias_a


@KINDS
def test_as_released(twin, kind):
    """Below the diagonal, which is all that a causal mask leaves."""
    r1, r2 = torch.tensor(R1), torch.tensor(R2)
    a, p = (r2, r1) if kind == "logarithmic" else (r1, r2)
    found = np.asarray(twin.pe.kerple_bias(twin.array(R1), twin.array(R2), range(50), range(50), kind=kind))
    assert np.allclose(np.tril(found), released(kind, a, p, 50).tril().numpy(), rtol=1e-14, atol=0)


def test_alibi_is_a_special_case(twin):
    slopes = twin.pe.alibi_slopes(6, dtype=twin.dtypes.float64)
    found = twin.pe.kerple_bias(slopes, slopes * 0 + 1, range(2, 9), range(9), kind="power")
    expected = twin.pe.alibi_bias(6, range(2, 9), range(9), dtype=twin.dtypes.float64)
    assert np.allclose(found, expected, rtol=1e-15, atol=0)


@KINDS
def test_leading_axes(twin, kind):
    """(B, T) and (B, S) give (B, H, T, S), each sequence on its own."""
    queries, keys = np.array([[0, 1], [7, 8]]), np.array([[0, 1, 2], [6, 7, 8]])
    found = np.asarray(twin.pe.kerple_bias(R1, R2, twin.array(queries), twin.array(keys), kind=kind))
    assert found.shape == (2, 4, 2, 3)
    for b in range(2):
        assert np.array_equal(found[b], twin.pe.kerple_bias(R1, R2, queries[b], keys[b], kind=kind))


def test_no_tokens(twin):
    assert twin.pe.kerple_bias(R1, R2, [], [1]).shape == (4, 0, 1)


@KINDS
def test_the_diagonal_is_no_minus_zero(twin, kind):
    found = np.asarray(twin.pe.kerple_bias(R1, R2, range(3), range(3), kind=kind))
    assert not np.signbit(np.diagonal(found, axis1=1, axis2=2)).any()


POSITIONS = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5)
SETTINGS = st.tuples(st.sampled_from(["logarithmic", "power"]), st.floats(1e-2, 10), st.floats(1e-2, 2))


@given(SETTINGS, POSITIONS, POSITIONS, st.integers(-(10**6), 10**6))
def test_only_the_distance_counts(settings, queries, keys, shift):
    kind, r1, r2 = settings
    for twin in (pe, posenc_lib.torch):
        bias, moved, mirrored = (
            np.asarray(twin.kerple_bias([r1], [r2], [s * m + t for m in queries], [s * n + t for n in keys], kind=kind))
            for s, t in ((1, 0), (1, shift), (-1, 0))
        )
        assert np.array_equal(bias, moved) and np.array_equal(bias, mirrored)


@given(SETTINGS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_falls_with_distance(settings, near, farther):
    kind, r1, r2 = settings
    for twin in (pe, posenc_lib.torch):
        keys = [near, near + farther, -near - farther]
        bias = np.asarray(twin.kerple_bias([r1], [r2], [0], keys, kind=kind))[0, 0]
        assert bias[0] > bias[1] == bias[2] and bias[0] <= 0


@given(SETTINGS, st.lists(st.integers(-100, 100), min_size=2, max_size=8, unique=True))
def test_its_kernels_are_conditionally_positive_definite(settings, positions):
    """Section 3 of the paper: x·Kx ≥ 0 for every x whose entries add up to 0."""
    kind, r1, r2 = settings
    kernel = pe.kerple_bias([r1], [r2], positions, positions, kind=kind)[0]
    centred = np.eye(len(positions)) - 1 / len(positions)
    assert np.linalg.eigvalsh(centred @ kernel @ centred).min() >= -1e-12 * np.abs(kernel).max()


def test_beyond_the_range_they_are_not():
    """Why r2 ends at 2: −|m − n|³ is no such kernel."""
    kernel = -np.abs(np.subtract.outer(range(4), range(4))) ** 3.0
    centred = np.eye(4) - 1 / 4
    assert np.linalg.eigvalsh(centred @ kernel @ centred).min() < -0.1


def test_distances_keep_their_digits(twin):
    """float32 would see 16777216 in the first, and a distance of 0."""
    found = np.asarray(twin.pe.kerple_bias([1.0], [1.0], [16_777_217], [16_777_216]))
    assert found.item() == pytest.approx(-math.log(2), rel=1e-15)


# What is refused, and in which words


@pytest.mark.parametrize("kind", ["log", "Power", None, 1])
def test_unknown_kind(twin, kind):
    with pytest.raises(ValueError) as refusal:
        twin.pe.kerple_bias(R1, R2, [0], [0], kind=kind)
    assert str(refusal.value) == (
        f"kerple_bias: unknown kind {kind!r}. 'logarithmic' is -r1 · log(1 + r2 · |m - n|), 'power' is "
        "-r1 · |m - n|^r2."
    )


@pytest.mark.parametrize(("r1", "r2"), [((2,), (3,)), ((), ()), ((2, 1), (2, 1)), ((1,), ()), ((0,), (0,))])
def test_shapes_of_r(twin, r1, r2):
    with pytest.raises(ValueError) as refusal:
        twin.pe.kerple_bias(twin.array(np.ones(r1)), twin.array(np.ones(r2)), [0], [0])
    assert str(refusal.value) == (
        f"kerple_bias: r1 and r2 must have shape (heads,), a number for each head, got r1 {r1}, r2 {r2}."
    )


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "wanted"),
    [("logarithmic", "r1", 0.0, "above 0 and finite"), ("logarithmic", "r2", -1.0, "above 0 and finite"),
     ("logarithmic", "r1", math.inf, "above 0 and finite"), ("logarithmic", "r2", math.nan, "above 0 and finite"),
     ("power", "r1", -0.5, "above 0 and finite"), ("power", "r2", 0.0, "above 0 and at most 2"),
     ("power", "r2", 2.5, "above 0 and at most 2"), ("power", "r2", math.nan, "above 0 and at most 2")],
)  # fmt: skip
def test_ranges_of_r(twin, kind, name, wrong, wanted):
    r = {"r1": np.array([1.0, 1.0]), "r2": np.array([1.0, 1.0])}
    r[name][1] = wrong
    ends = "nan to nan" if math.isnan(wrong) else f"{min(1.0, wrong)} to {max(1.0, wrong)}"
    with pytest.raises(ValueError) as refusal:
        twin.pe.kerple_bias(twin.array(r["r1"]), twin.array(r["r2"]), [0], [0], kind=kind)
    assert str(refusal.value) == (
        f"kerple_bias: {name} must be {wanted}, for a bias that falls with the distance; got values from {ends}. "
        "The authors' code clamps what it learns to the range, from 0.01 on."
    )


def test_what_the_range_allows(twin):
    """r1 and the logarithm's r2 may be as large as they like, the power's r2 may be 2."""
    assert np.asarray(twin.pe.kerple_bias([1e9], [1e9], [0], [1])).item() < -1e9
    assert np.asarray(twin.pe.kerple_bias([1e9], [2.0], [0], [3], kind="power")).item() == -9e9


def test_what_holds_no_numbers(twin):
    for r in ((["a"], [1.0]), ([1.0], [True])):
        with pytest.raises(TypeError, match=r"^kerple_bias: "):
            twin.pe.kerple_bias(*r, [0], [0])


def test_positions(twin):
    with pytest.raises(ValueError, match=r"^kerple_bias: the leading axes differ.* Got query_positions \(2, 1\), "):
        twin.pe.kerple_bias(R1, R2, twin.array([[0], [1]]), twin.array([0, 1, 2]))
    with pytest.raises(TypeError, match=r"^kerple_bias: positions are (torch\.)?float16"):
        twin.pe.kerple_bias(R1, R2, [0], np.ones(1, np.float16))


# PyTorch alone


@KINDS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_for_the_result_alone(kind, dtype):
    """bfloat16 holds no 257; a distance rounded first would be off by one in 256, and again after the logarithm."""
    r1, r2 = (torch.tensor([0.75, 1.5], dtype=dtype) for _ in range(2))
    found = posenc_lib.torch.kerple_bias(r1, r2, [0], range(300), kind=kind)
    expected = pe.kerple_bias([0.75, 1.5], [0.75, 1.5], [0], range(300), kind=kind)
    assert found.dtype == dtype
    if dtype == torch.float32:
        assert np.allclose(found, expected, rtol=5e-7, atol=0)
    else:
        nearest = torch.tensor(expected, dtype=torch.float32).to(dtype)
        assert (found != nearest).float().mean() < 1e-2  # ties that 1e-7 tips over


@KINDS
def test_gradients(kind):
    """At distance 0 too, where a power's logarithm is infinite."""
    r1, r2 = (torch.tensor(r, requires_grad=True) for r in (R1[1:3], R2[1:3]))

    def bias(r1, r2):
        return posenc_lib.torch.kerple_bias(r1, r2, [3, 4], range(6), kind=kind)

    assert torch.autograd.gradcheck(bias, (r1, r2))
    gradients = torch.autograd.grad(bias(r1, r2).sum(), (r1, r2))
    assert all(g.isfinite().all() and (g < 0).all() for g in gradients[:1])


@KINDS
def test_one_graph_for_every_length(kind):
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    r1, r2 = torch.tensor(R1), torch.tensor(R2)
    compiled = torch.compile(posenc_lib.torch.kerple_bias, fullgraph=True, backend=backend)
    for length in (3, 5, 9, 17):
        positions = torch.arange(length), torch.arange(2 * length)
        eager = posenc_lib.torch.kerple_bias(r1, r2, *positions, kind=kind)
        assert torch.equal(compiled(r1, r2, *positions, kind=kind), eager)
    assert len(graphs) <= 2


def test_device_follows_the_numbers():
    there = torch.ones(2, device="meta")
    assert posenc_lib.torch.kerple_bias(there, there, range(3), [0]).shape == (2, 3, 1)
    assert posenc_lib.torch.kerple_bias(there, there, range(3), [0]).is_meta
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.kerple_bias(there, there, torch.arange(3), [0])
    assert str(refusal.value) == "kerple_bias: r1 is on meta, query_positions are on cpu. Move one to the other."


def test_dtypes_that_differ():
    with pytest.raises(TypeError, match=r"^kerple_bias: expected one floating dtype for all, got r1 .*32, r2 .*64\.$"):
        posenc_lib.torch.kerple_bias(torch.ones(2), torch.ones(2).double(), [0], [0])


def test_functional_transforms_and_fake_tensors():
    positions = torch.arange(6).reshape(2, 3)
    found = torch.vmap(lambda p: posenc_lib.torch.kerple_bias(R1, R2, p, p))(positions)
    assert torch.equal(found, posenc_lib.torch.kerple_bias(R1, R2, positions, positions))
    with FakeTensorMode():
        assert posenc_lib.torch.kerple_bias(torch.ones(4), torch.ones(4), torch.arange(3), [0]).shape == (4, 3, 1)
