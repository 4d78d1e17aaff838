"""Sandwich, both twins: 50 digits, attention-gym's and NeMo's code, and what a sum of cosines must be."""

import functools
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
from posenc_lib.torch import sandwich


def exact(num_heads, dim, queries, keys, base=10000):
    """The sum of cosines to 50 digits, each value rounded once."""
    with mpmath.workdps(50):
        theta = [mpmath.mpf(base) ** (-mpmath.mpf(2 * i) / dim) for i in range(dim // 2)]
        sums = [[mpmath.fsum(mpmath.cos((mpmath.mpf(m) - n) * t) for t in theta) for n in keys] for m in queries]
        ratios = [mpmath.mpf(8 * (h + 1)) / num_heads for h in range(num_heads)]
        return np.array([[[float(s / ratio) for s in row] for row in sums] for ratio in ratios])


@pytest.mark.parametrize(("num_heads", "dim", "base"), [(1, 2, 10000.0), (12, 128, 10000.0), (5, 6, 100.0)])
@pytest.mark.parametrize(
    ("queries", "keys"), [(range(4), range(5)), ([100], [0, 99]), ([0.5, -3], [1e-3, 2.25, -4])], ids=repr
)
def test_to_50_digits(twin, num_heads, dim, base, queries, keys):
    found = twin.pe.sandwich_bias(num_heads, dim, queries, keys, base=base, dtype=twin.dtypes.float64)
    assert tuple(found.shape) == (num_heads, len(queries), len(keys)) and found.dtype == twin.dtypes.float64
    bound = dim * 100 * 3e-16 * num_heads / 8
    assert np.allclose(found, exact(num_heads, dim, queries, keys, base), rtol=1e-15, atol=bound)


def test_far_positions(twin):
    """Ten million away the phases have lost seven of their sixteen digits; float32's result has all of its own."""
    queries, keys = [10_000_000, 9_999_991], [9_999_990, 3, 0]
    expected = exact(8, 64, queries, keys)
    found = twin.pe.sandwich_bias(8, 64, queries, keys, dtype=twin.dtypes.float64)
    assert np.abs(np.asarray(found) - expected).max() < 64 * 1e7 * 3e-16
    found = twin.pe.sandwich_bias(8, 64, queries, keys, dtype=twin.dtypes.float32)
    assert found.dtype == twin.dtypes.float32 and np.abs(np.asarray(found) - expected).max() < 32 * 6e-8 + 2e-7


def test_ten_thousand_is_the_default_base(twin):
    found = twin.pe.sandwich_bias(2, 8, [3], range(4), dtype=twin.dtypes.float64)
    assert np.array_equal(found, twin.pe.sandwich_bias(2, 8, [3], range(4), base=1e4, dtype=twin.dtypes.float64))


def test_as_in_attention_gym(twin):
    """generate_sandwich_bias of meta-pytorch/attention-gym, attn_gym/mods/sandwich.py; in float64 here."""
    heads, length, d_bar = 12, 40, 128
    freqs = 1.0 / 10000 ** (2 * torch.arange(d_bar // 2, dtype=torch.float64) / d_bar)
    distances = torch.arange(2 * length - 1, dtype=torch.float64) - (length - 1)
    rel_bias = torch.cos(distances.abs()[:, None] * freqs).sum(dim=-1)
    head_scale = heads / (8.0 * torch.arange(1, heads + 1, dtype=torch.float64))
    q_idx, kv_idx = torch.arange(length)[:, None], torch.arange(length)[None, :]
    expected = rel_bias[q_idx - kv_idx + length - 1] * head_scale[:, None, None]
    found = twin.pe.sandwich_bias(heads, d_bar, range(length), range(length), dtype=twin.dtypes.float64)
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


def test_where_nemo_differs(twin):
    """NeMo's sandwich_relative_position_embedding.py: its i begins at 1, and dim/2 is taken off."""
    heads, dim, relative = 4, 16, torch.arange(9).double()[:, None] - torch.arange(9)[None, :]
    inv_freq = 1.0 / 10000 ** (2 * torch.arange(1, dim / 2 + 1, dtype=torch.float64) / dim)
    scales = torch.arange(1, heads + 1).double()[:, None, None] * 8 / heads
    nemo = ((relative[:, :, None] * inv_freq).cos().sum(2) - dim / 2) / scales
    ours = torch.as_tensor(twin.pe.sandwich_bias(heads, dim, range(9), range(9), dtype=twin.dtypes.float64))
    assert not torch.allclose((ours - ours[:, :1, :1]), nemo, atol=0.1)
    # Its frequencies are ours without the first, 1 radian, and with one more at the end, 1/base.
    first, last = relative.cos(), (relative / 1e4).cos()
    assert torch.allclose(ours + (last - first) / scales - dim / 2 / scales, nemo, rtol=0, atol=1e-13)


def test_it_is_the_dot_product_of_sinusoidal_codes_that_the_paper_adds_to_logits(twin):
    """Keys and queries that carry the code, in head h divided by its number: attention's logits without √d."""
    code = np.asarray(pe.sinusoidal(range(6), 8))
    v = np.random.default_rng(0).standard_normal((2, 6, 3))
    bias = twin.pe.sandwich_bias(2, 8, range(6), range(6), dtype=twin.dtypes.float64)
    zeros = twin.array(np.zeros((2, 6, 3)))
    found = np.asarray(twin.pe.attention(zeros, zeros, twin.array(v), bias=bias))
    for h, ratio in enumerate((4, 8)):
        weights = np.exp(code @ code.T / ratio)
        assert np.allclose(found[h], weights / weights.sum(-1, keepdims=True) @ v[h], rtol=0, atol=1e-14)


def test_leading_axes(twin):
    """(B, T) and (B, S) give (B, H, T, S), each sequence on its own."""
    queries, keys = np.array([[0, 1], [7, 8]]), np.array([[0, 1, 2], [6, 7, 8]])
    found = np.asarray(twin.pe.sandwich_bias(4, 6, twin.array(queries), twin.array(keys)))
    assert found.shape == (2, 4, 2, 3)
    for b in range(2):
        assert np.allclose(found[b], twin.pe.sandwich_bias(4, 6, queries[b], keys[b]), rtol=1e-6, atol=0)
    assert twin.pe.sandwich_bias(4, 6, [], [1]).shape == (4, 0, 1)


POSITIONS = st.lists(st.integers(-(10**5), 10**5), min_size=1, max_size=5)
SETTINGS = st.tuples(st.integers(1, 20), st.integers(1, 40).map(lambda n: 2 * n))


@given(SETTINGS, POSITIONS, POSITIONS, st.integers(-(10**5), 10**5))
def test_only_the_distance_counts(settings, queries, keys, shift):
    heads, dim = settings
    for twin, dtype in ((pe, np.float64), (posenc_lib.torch, torch.float64)):
        bias, moved, mirrored = (
            np.asarray(
                twin.sandwich_bias(heads, dim, [s * m + t for m in queries], [s * n + t for n in keys], dtype=dtype)
            )
            for s, t in ((1, 0), (1, shift), (-1, 0))
        )
        bound = dim * 2e5 * 6e-16 * heads / 8
        assert np.abs(bias - moved).max() < bound and np.abs(bias - mirrored).max() < bound


@given(SETTINGS, st.integers(1, 10**5))
def test_largest_at_the_query_itself(settings, distance):
    heads, dim = settings
    for twin in (pe, posenc_lib.torch):
        itself, other = np.asarray(twin.sandwich_bias(*settings, [0], [0, distance]))[:, 0].T
        assert np.allclose(itself, [dim / 2 * heads / (8 * (h + 1)) for h in range(heads)], rtol=1e-6, atol=0)
        assert (np.abs(other) <= itself * (1 + 1e-6)).all() and (dim == 2 or (other < itself).all())


def test_it_wavers():
    """No monotone fall, unlike ALiBi and KERPLE; but about the logarithm's over the long run."""
    bias = pe.sandwich_bias(1, 128, [0], range(8192))[0, 0]
    assert (np.diff(bias) > 0).any() and np.argmin(bias) < 8191
    distance = np.array([2**k for k in range(3, 13)])
    means = [bias[d // 2 : 2 * d].mean() for d in distance]
    steps = np.diff(means)
    assert (steps < 0).all() and steps.min() / steps.max() < 1.3


# What may be passed, and what is refused


def test_dtypes_of_the_result(twin):
    for dtype in ("float16", "float32", "float64"):
        dtype = getattr(twin.dtypes, dtype)
        assert twin.pe.sandwich_bias(2, 4, [0], [1], dtype=dtype).dtype == dtype
    default = np.float64 if twin.pe is pe else torch.float32
    assert twin.pe.sandwich_bias(2, 4, [0], [1]).dtype == default


def test_half_precision_is_for_the_result_alone():
    found = posenc_lib.torch.sandwich_bias(8, 128, [0], range(3000), dtype=torch.bfloat16)
    nearest = torch.tensor(pe.sandwich_bias(8, 128, [0], range(3000))).bfloat16()
    assert found.dtype == torch.bfloat16 and torch.equal(found, nearest)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [((0, 4), ValueError, "num_heads must be at least 1, got 0."),
     ((2.0, 4), TypeError, "num_heads must be an integer, got 2.0 (float)."),
     ((2, 4.0), TypeError, "dim must be an integer, got 4.0 (float).")],
)  # fmt: skip
def test_heads_and_dim(twin, arguments, error, said):
    with pytest.raises(error) as refusal:
        twin.pe.sandwich_bias(*arguments, [0], [0])
    assert str(refusal.value) == f"sandwich_bias: {said}"


def test_other_settings(twin):
    with pytest.raises(ValueError, match=r"^sandwich_bias: dim must be even and at least 2, .* got 7\. Use 6 or 8\.$"):
        twin.pe.sandwich_bias(2, 7, [0], [0])
    with pytest.raises(ValueError, match=r"^sandwich_bias: base must be finite and at least 1"):
        twin.pe.sandwich_bias(2, 8, [0], [0], base=0.5)
    with pytest.raises(TypeError, match=r"^sandwich_bias: dtype must be .*floating.*, to hold fractions; got .*int32"):
        twin.pe.sandwich_bias(2, 8, [0], [0], dtype=twin.dtypes.int32)


def test_positions(twin):
    with pytest.raises(ValueError, match=r"^sandwich_bias: the leading axes differ.* Got query_positions \(2, 1\), "):
        twin.pe.sandwich_bias(2, 4, twin.array([[0], [1]]), twin.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^sandwich_bias: positions must be finite"):
        twin.pe.sandwich_bias(2, 4, [0], [math.inf])


# PyTorch alone


def test_device_follows_the_positions():
    there = torch.arange(3, device="meta")
    for positions in ((there, there), (there, range(3)), ([2], there)):
        assert posenc_lib.torch.sandwich_bias(4, 8, *positions).is_meta
    with pytest.raises(ValueError, match=r"^sandwich_bias: query_positions are on cpu, key_positions are on meta\. "):
        posenc_lib.torch.sandwich_bias(4, 8, torch.arange(3), there)


def test_device_without_float64(monkeypatch):
    """Apple's has none; the path is taken on the CPU, in float32."""
    monkeypatch.setattr(sandwich, "DEVICES_WITHOUT_FLOAT64", {"cpu"})
    found = posenc_lib.torch.sandwich_bias(8, 64, torch.arange(50), torch.arange(50))
    error = np.abs(found.numpy() - pe.sandwich_bias(8, 64, range(50), range(50))).max()
    assert 1e-7 < error < 2e-5


def test_gradients_of_positions():
    m = torch.tensor([0.5, 3.25], dtype=torch.float64, requires_grad=True)
    n = torch.tensor([-1.0, 1.5, 7.0], dtype=torch.float64, requires_grad=True)
    bias = functools.partial(posenc_lib.torch.sandwich_bias, 3, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(bias, (m, n))


def test_one_graph_for_every_length():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(posenc_lib.torch.sandwich_bias, fullgraph=True, backend=backend)
    for length in (3, 5, 9, 17):
        positions = torch.arange(length), torch.arange(2 * length)
        assert torch.allclose(compiled(6, 8, *positions), posenc_lib.torch.sandwich_bias(6, 8, *positions), rtol=1e-6)
    assert len(graphs) <= 2


def test_functional_transforms_and_fake_tensors():
    positions = torch.arange(6).reshape(2, 3)
    found = torch.vmap(lambda p: posenc_lib.torch.sandwich_bias(4, 8, p, p))(positions)
    assert torch.allclose(found, posenc_lib.torch.sandwich_bias(4, 8, positions, positions), rtol=1e-6)
    with FakeTensorMode():
        assert posenc_lib.torch.sandwich_bias(4, 8, torch.arange(3), torch.arange(5)).shape == (4, 3, 5)
