"""FIRE, both twins: 50 digits, published code, and that it alone depends on where the query stands."""

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


def share(value):
    """The function that gives back what it was given: the bias is then the share itself, in one head."""
    return value


def exact(queries, keys, c, threshold):
    """ψ(m − n) / ψ(max(L, m)) to 50 digits, each value rounded once."""
    with mpmath.workdps(50):
        psi = lambda x: mpmath.log(mpmath.mpf(c) * x + 1)  # noqa: E731
        longest = [psi(max(mpmath.mpf(threshold), mpmath.mpf(m))) for m in queries]
        return [[float(psi(abs(mpmath.mpf(m) - n)) / p) for n in keys] for m, p in zip(queries, longest, strict=True)]


@pytest.mark.parametrize(("c", "threshold"), [(0.1, 512.0), (1.0, 1.0), (25.0, 3.5), (1e-6, 1e6)])
@pytest.mark.parametrize(
    ("queries", "keys"),
    [(range(5), range(5)), ([700], [0, 3, 699, 700, 5000]), ([0.5, 3], [1e-3, 2.25]), ([10**9], [0, 10**9 - 1])],
    ids=repr,
)
def test_to_50_digits(twin, c, threshold, queries, keys):
    found = twin.pe.fire_bias(share, queries, keys, c=c, threshold=threshold, dtype=twin.dtypes.float64)
    assert tuple(found.shape) == (1, len(queries), len(keys)) and found.dtype == twin.dtypes.float64
    assert np.allclose(found[0], exact(queries, keys, c, threshold), rtol=1e-14, atol=0)


class Published(torch.nn.Module):
    """FIRE of mcleish7/arithmetic, cramming/architectures/embeddings.py, without its drawn positions."""

    def __init__(self, num_heads=12, mlp_width=32, init_c=0.1, init_L=512.0, eps=1e-6):
        super().__init__()
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(1, mlp_width), torch.nn.ReLU(), torch.nn.Linear(mlp_width, num_heads)
        )
        self.c, self.L_multiplier = torch.nn.Parameter(torch.tensor(init_c)), torch.nn.Parameter(torch.tensor(1.0))
        self.init_L, self.eps = init_L, eps

    def forward(self, seq_length):
        positions = torch.arange(seq_length, dtype=self.c.dtype)
        rel_distance = positions[:, None] - positions[None, :]
        threshold = torch.abs(self.L_multiplier * self.init_L)
        pos_normalizer = torch.max(positions, threshold)[:, None]
        rel_distance = torch.log(torch.abs(self.c * rel_distance) + 1)
        pos_normalizer = torch.log(torch.abs(self.c * pos_normalizer) + 1)
        return self.mlp((rel_distance / (pos_normalizer + self.eps)).unsqueeze(-1)).permute(2, 0, 1)


@pytest.mark.parametrize(("eps", "tolerance"), [(0.0, 1e-14), (1e-6, 1e-6)])
def test_as_published(eps, tolerance):
    """In its direction for keys after the query too; its 10⁻⁶ in the denominator is not in the paper, nor here."""
    torch.manual_seed(0)
    model = Published(num_heads=3, init_c=0.3, init_L=20.0, eps=eps).double()
    found = posenc_lib.torch.fire_bias(model.mlp, range(50), range(50), c=model.c, threshold=model.L_multiplier * 20)
    assert found.dtype == torch.float64 and torch.allclose(found, model(50), rtol=0, atol=tolerance)
    model(50).square().sum().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    posenc_lib.torch.fire_bias(
        model.mlp, range(50), range(50), c=model.c, threshold=model.L_multiplier * model.init_L
    ).square().sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3 if eps else 1e-9, atol=1e-9)


def test_several_heads_and_leading_axes(twin):
    """(B, T) and (B, S) give (B, H, T, S), each sequence on its own."""
    queries, keys = np.array([[0, 1], [70, 8]]), np.array([[0, 1, 2], [6, 7, 8]])
    heads = twin.array(np.array([1.0, -2.0, 3.0, 0.5]))

    def mlp(value):
        assert tuple(value.shape)[-1] == 1
        return value * heads

    settings = {"c": 0.5, "threshold": 4.0, "dtype": twin.dtypes.float64}
    found = np.asarray(twin.pe.fire_bias(mlp, twin.array(queries), twin.array(keys), **settings))
    assert found.shape == (2, 4, 2, 3)
    for b in range(2):
        for h, factor in enumerate((1.0, -2.0, 3.0, 0.5)):
            expected = factor * np.array(exact(queries[b].tolist(), keys[b].tolist(), 0.5, 4.0))
            assert np.allclose(found[b, h], expected, rtol=1e-14, atol=0)
    assert twin.pe.fire_bias(mlp, [], [1], **settings).shape == (4, 0, 1)


# What it must be

C, L = st.floats(1e-3, 10), st.floats(0.5, 1000)
POSITIONS = st.lists(st.integers(0, 1000), min_size=1, max_size=5)


@given(C, st.integers(0, 10**5), st.integers(1, 10**5), st.data())
def test_a_causal_query_asks_for_shares_from_0_to_1(c, query, threshold, data):
    """At any length, which is the point of it; its own key is 0, and beyond L the first key is 1."""
    key = data.draw(st.integers(0, query))
    for twin in (pe, posenc_lib.torch):
        own, some, first = np.asarray(twin.fire_bias(share, [query], [query, key, 0], c=c, threshold=threshold))[0, 0]
        assert own == 0 and 0 <= some <= first <= 1 + 1e-6
        assert query < threshold or first == pytest.approx(1, abs=1e-6)


@given(C, L, st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000))
def test_shares_grow_with_distance(c, threshold, query, near, farther):
    for twin in (pe, posenc_lib.torch):
        keys = [query + near, query + near + farther, query - near - farther]
        small, large, mirrored = np.asarray(twin.fire_bias(share, [query], keys, c=c, threshold=threshold))[0, 0]
        assert small < large == mirrored


@given(C, POSITIONS, POSITIONS, st.integers(1, 1000))
def test_up_to_the_threshold_only_the_distance_counts(c, queries, keys, shift):
    settings = {"c": c, "threshold": 2000.0}
    for twin in (pe, posenc_lib.torch):
        bias = np.asarray(twin.fire_bias(share, queries, keys, **settings))
        moved = np.asarray(twin.fire_bias(share, [m + shift for m in queries], [n + shift for n in keys], **settings))
        assert np.array_equal(bias, moved)


@given(C, st.integers(10, 1000), st.integers(1, 10), st.integers(1, 1000))
def test_beyond_it_the_query_counts_too(c, query, distance, shift):
    """The same distance is a smaller share of what a later query sees."""
    for twin, dtype in ((pe, np.float64), (posenc_lib.torch, torch.float64)):
        settings = {"c": c, "threshold": 5.0, "dtype": dtype}
        bias = np.asarray(twin.fire_bias(share, [query], [query - distance], **settings)).item()
        moved = np.asarray(twin.fire_bias(share, [query + shift], [query + shift - distance], **settings)).item()
        assert moved < bias


def test_step_by_step_is_one_pass(twin):
    whole = np.asarray(twin.pe.fire_bias(share, range(9), range(9), c=0.1, threshold=4.0))
    for step in range(9):
        row = np.asarray(twin.pe.fire_bias(share, [step], range(step + 1), c=0.1, threshold=4.0))
        assert np.array_equal(row, whole[:, step : step + 1, : step + 1])


# What is refused, and in which words


@pytest.mark.parametrize("name", ["c", "threshold"])
@pytest.mark.parametrize("wrong", [0.0, -1.5, math.inf, math.nan])
def test_numbers_out_of_range(twin, name, wrong):
    settings = {"c": 0.1, "threshold": 512.0, name: twin.array(wrong)}
    with pytest.raises(ValueError) as refusal:
        twin.pe.fire_bias(share, [0], [0], **settings)
    assert str(refusal.value) == (
        f"fire_bias: {name} must be above 0 and finite, got {wrong}. What is learned may leave that range: pass its "
        "absolute value."
    )


@pytest.mark.parametrize("name", ["c", "threshold"])
def test_more_than_one_number(twin, name):
    settings = {"c": 0.1, "threshold": 512.0, name: [1.0, 2.0]}
    with pytest.raises(ValueError) as refusal:
        twin.pe.fire_bias(share, [0], [0], **settings)
    assert str(refusal.value) == f"fire_bias: {name} must be one number, of shape (), got shape (2,)."


@pytest.mark.parametrize("name", ["c", "threshold"])
@pytest.mark.parametrize("wrong", [True, 1j, "1", None])
def test_no_numbers(twin, name, wrong):
    settings = {"c": 0.1, "threshold": 512.0, name: wrong}
    with pytest.raises(TypeError, match=rf"^fire_bias: {name} must (be|hold) "):
        twin.pe.fire_bias(share, [0], [0], **settings)


@pytest.mark.parametrize("pick", [(..., 0), (0,), (..., slice(0, 0)), (slice(0, 1),), (0, 0, 0, 0)], ids=repr)
def test_function_that_returns_another_shape(twin, pick):
    given = np.zeros((2, 3, 4, 1))
    with pytest.raises(ValueError) as refusal:
        twin.pe.fire_bias(lambda value: value[pick], np.zeros((2, 3)), np.zeros((2, 4)), c=0.1, threshold=512.0)
    assert str(refusal.value) == (
        "fire_bias: mlp must turn shape (..., T, S, 1) into (..., T, S, heads); given (2, 3, 4, 1), it returned "
        f"{given[pick].shape}."
    )


def test_positions(twin):
    with pytest.raises(ValueError, match=r"^fire_bias: the leading axes differ.* Got query_positions \(2, 1\), "):
        twin.pe.fire_bias(share, twin.array([[0], [1]]), twin.array([0, 1, 2]), c=0.1, threshold=512.0)
    with pytest.raises(ValueError, match=r"^fire_bias: positions must be finite"):
        twin.pe.fire_bias(share, [0], [math.inf], c=0.1, threshold=512.0)


def test_result_dtype_that_holds_no_fractions(twin):
    with pytest.raises(TypeError, match=r"^fire_bias: dtype must be .*floating.*, to hold fractions; got .*int64"):
        twin.pe.fire_bias(share, [0], [0], c=0.1, threshold=512.0, dtype=twin.dtypes.int64)


# dtypes


def test_dtypes_of_what_the_function_is_given(twin):
    for dtype in ("float16", "float32", "float64"):
        dtype = getattr(twin.dtypes, dtype)
        assert twin.pe.fire_bias(share, [0], [1], c=0.1, threshold=512.0, dtype=dtype).dtype == dtype
    default = np.float64 if twin.pe is pe else torch.float32
    assert twin.pe.fire_bias(share, [0], [1], c=0.1, threshold=512.0).dtype == default


def test_dtype_of_what_is_learned():
    half, whole = torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(7)
    assert posenc_lib.torch.fire_bias(share, [9], [1], c=half, threshold=whole).dtype == torch.bfloat16
    assert posenc_lib.torch.fire_bias(share, [9], [1], c=1, threshold=half).dtype == torch.bfloat16
    assert posenc_lib.torch.fire_bias(share, [9], [1], c=1, threshold=whole).dtype == torch.float32
    given = posenc_lib.torch.fire_bias(share, [9], [1], c=half, threshold=whole, dtype=torch.float64)
    assert given.dtype == torch.float64 and np.allclose(given, exact([9], [1], 0.5, 7), rtol=1e-15)


def test_half_precision_is_for_the_share_alone():
    """bfloat16 holds no 257."""
    found = posenc_lib.torch.fire_bias(share, [1000], range(1001), c=0.1, threshold=512.0, dtype=torch.bfloat16)
    nearest = torch.tensor(exact([1000], range(1001), 0.1, 512.0)).bfloat16()
    assert (found[0] != nearest).float().mean() < 1e-2  # ties that 1e-7 tips over


# PyTorch alone


def test_gradients():
    c, threshold = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.3, 4.0))

    def bias(c, threshold):
        return posenc_lib.torch.fire_bias(share, [2, 9], range(10), c=c, threshold=threshold)

    assert torch.autograd.gradcheck(bias, (c, threshold))


def test_device_follows_the_numbers():
    there = torch.tensor(0.5, device="meta")
    assert posenc_lib.torch.fire_bias(share, range(3), [0], c=there, threshold=2.0).is_meta
    assert posenc_lib.torch.fire_bias(share, range(3), [0], c=0.5, threshold=there).is_meta
    with pytest.raises(ValueError, match=r"^fire_bias: threshold is on meta, key_positions are on cpu\. Move one to "):
        posenc_lib.torch.fire_bias(share, [0], torch.arange(3), c=0.5, threshold=there)


def test_one_graph_for_every_length():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    torch.manual_seed(0)
    model = Published(num_heads=3)

    def bias(queries, keys):
        return posenc_lib.torch.fire_bias(model.mlp, queries, keys, c=model.c, threshold=model.L_multiplier * 512)

    compiled = torch.compile(bias, fullgraph=True, backend=backend)
    for length in (3, 5, 9, 17):
        positions = torch.arange(length), torch.arange(2 * length)
        assert torch.allclose(compiled(*positions), bias(*positions), rtol=0, atol=1e-6)
    assert len(graphs) <= 2


def test_functional_transforms_and_fake_tensors():
    positions, settings = torch.arange(6).reshape(2, 3), {"c": 0.1, "threshold": 2.0}
    found = torch.vmap(lambda p: posenc_lib.torch.fire_bias(share, p, p, **settings))(positions)
    assert torch.equal(found, posenc_lib.torch.fire_bias(share, positions, positions, **settings))
    with FakeTensorMode():
        assert posenc_lib.torch.fire_bias(share, torch.arange(3), torch.arange(5), **settings).shape == (1, 3, 5)
