"""T5's bias, both twins: transformers' compute_bias, the definition in a loop, and what only the distance decides."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch

TABLE = np.random.default_rng(0).standard_normal((32, 5))


@pytest.fixture(scope="module")
def transformers_bias():
    """The bias of the transformers package's T5, for keys 0 … S − 1 and T queries that come after `past` tokens."""
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention

    def bias(table, queries, keys, past, bidirectional, max_distance):
        config = T5Config(
            relative_attention_num_buckets=len(table), relative_attention_max_distance=max_distance,
            num_heads=table.shape[1], is_decoder=not bidirectional,
        )  # fmt: skip
        layer = T5Attention(config, has_relative_attention_bias=True, layer_idx=0).double()
        layer.relative_attention_bias.weight.data.copy_(torch.tensor(table))
        return layer.compute_bias(queries, keys, past_seen_tokens=past)[0].detach().numpy()

    return bias


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (32, 512), (16, 20)])
@pytest.mark.parametrize(("queries", "keys", "past"), [(300, 300, 0), (1, 201, 200), (7, 40, 33)])
def test_as_the_transformers_package(
    twin, transformers_bias, bidirectional, num_buckets, max_distance, queries, keys, past
):
    """Whole sequences, one new token, and several behind a cache."""
    table = TABLE[:num_buckets]
    expected = transformers_bias(table, queries, keys, past, bidirectional, max_distance)
    settings = {"bidirectional": bidirectional, "max_distance": max_distance}
    found = twin.pe.t5_bias(twin.array(table), range(past, past + queries), range(keys), **settings)
    assert tuple(found.shape) == (5, queries, keys) and np.array_equal(found, expected)


def test_settings_of_t5_are_the_defaults(twin, transformers_bias):
    found = twin.pe.t5_bias(twin.array(TABLE), range(300), range(300))
    assert np.array_equal(found, transformers_bias(TABLE, 300, 300, 0, True, 128))


def test_by_hand(twin):
    """Eight buckets in two directions: 0 and 1 for themselves, 2 from 2 on, 3 from 4 on; keys after it in 4 to 7."""
    table = twin.array(np.array([[10.0 * b, -b] for b in range(8)]))
    found = np.asarray(twin.pe.t5_bias(table, [5], [5, 4, 3, 2, 1, 0, 6, 7, 8, 9], max_distance=8))
    expected = [0, 1, 2, 2, 3, 3, 5, 6, 6, 7]
    assert found.tolist() == [[[10.0 * b for b in expected]], [[-b for b in expected]]]
    one_way = np.asarray(twin.pe.t5_bias(table, [5], [5, 4, 3, 2, 1, 0, 6, 9], bidirectional=False, max_distance=16))
    assert one_way[0].tolist() == [[0, 10, 20, 30, 40, 40, 0, 0]]


def test_leading_axes(twin):
    """(B, T) and (B, S) give (B, H, T, S), each sequence on its own."""
    queries, keys = np.array([[0, 1], [70, 90]]), np.array([[0, 1, 2], [6, 70, 8]])
    found = np.asarray(twin.pe.t5_bias(TABLE, twin.array(queries), twin.array(keys)))
    assert found.shape == (2, 5, 2, 3)
    for b in range(2):
        assert np.array_equal(found[b], twin.pe.t5_bias(TABLE, queries[b], keys[b]))
    zeros = np.zeros((2, 3, 5), int), np.zeros((2, 3, 7), int)
    assert twin.pe.t5_bias(TABLE, *zeros).shape == (2, 3, 5, 5, 7)


@pytest.mark.parametrize(("queries", "keys"), [([], [1]), ([1], []), ([], [])])
def test_no_tokens(twin, queries, keys):
    assert twin.pe.t5_bias(TABLE, queries, keys).shape == (5, len(queries), len(keys))


def test_in_attention(twin):
    """T5 does not divide by √d: q times √d undoes the division."""
    q, k, v = np.random.default_rng(1).standard_normal((3, 5, 6, 4))
    bias = twin.pe.t5_bias(TABLE, range(6), range(6))
    found = twin.pe.attention(*(twin.array(x) for x in (q * 2, k, v)), bias=bias)
    weights = np.exp(q @ k.swapaxes(-1, -2) + np.asarray(bias))
    assert np.allclose(found, weights / weights.sum(-1, keepdims=True) @ v, rtol=0, atol=1e-13)


POSITIONS = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5)


@given(POSITIONS, POSITIONS, st.integers(-(2**52), 2**52), st.booleans())
def test_only_the_difference_counts(queries, keys, shift, bidirectional):
    for twin in (pe, posenc_lib.torch):
        bias = np.asarray(twin.t5_bias(TABLE, queries, keys, bidirectional=bidirectional))
        moved = [m + shift for m in queries], [n + shift for n in keys]
        assert np.array_equal(bias, twin.t5_bias(TABLE, *moved, bidirectional=bidirectional))


@given(st.integers(1, 10**6))
def test_directions(distance):
    """An encoder tells the directions apart; to a decoder all keys after the query are like the query itself."""
    for twin in (pe, posenc_lib.torch):
        before, itself, after = np.asarray(twin.t5_bias(TABLE, [0], [-distance, 0, distance]))[:, 0].T
        assert (before != after).all() and (after != itself).all()
        decoder = np.asarray(twin.t5_bias(TABLE, [0], [-distance, 0, distance], bidirectional=False))[:, 0].T
        assert (decoder[0] != decoder[1]).all() and np.array_equal(decoder[1], decoder[2])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_every_integer_dtype(twin, dtype):
    """Unsigned positions must not wrap around, nor int8 overflow."""
    m, n = (twin.array(p, dtype=getattr(twin.dtypes, dtype)) for p in ([0, 100], [127, 0]))
    rows = [[31, 0], [16 + 11, 15]]  # 27 apart lie between 23 and 32
    assert np.array_equal(twin.pe.t5_bias(TABLE, m, n), TABLE.T[:, rows])


# What is refused, and in which words


@pytest.mark.parametrize("wrong", [[0.0], [1.5], np.ones(1, np.float32), np.ones(1, np.float16)], ids=repr)
def test_positions_that_are_no_integers(twin, wrong):
    for name, positions in (("query_positions", (wrong, [0])), ("key_positions", ([0], wrong))):
        with pytest.raises(TypeError) as refusal:
            twin.pe.t5_bias(TABLE, *positions)
        dtype = np.asarray(wrong).dtype
        said = f"t5_bias: {name} must be integers, for only whole distances have a row in the table; got dtype "
        assert str(refusal.value) in {f"{said}{dtype}.", f"{said}torch.{dtype}."}


@pytest.mark.parametrize("wrong", [[1j], ["a"], [None], [True]], ids=repr)
def test_positions_that_are_no_numbers(twin, wrong):
    for positions in ((wrong, [0]), ([0], wrong)):
        with pytest.raises(TypeError, match=r"^t5_bias: positions must be integers or real numbers, got "):
            twin.pe.t5_bias(TABLE, *positions)


def test_positions_that_are_too_large(twin):
    with pytest.raises(ValueError, match=r"^t5_bias: positions must be finite and below 2\*\*53 in size"):
        twin.pe.t5_bias(TABLE, [2**53], [0])


def test_positions_that_do_not_fit(twin):
    with pytest.raises(ValueError, match=r"^t5_bias: the leading axes differ.* Got query_positions \(2, 1\), key_pos"):
        twin.pe.t5_bias(TABLE, twin.array([[0], [1]]), twin.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^t5_bias: positions need a token axis"):
        twin.pe.t5_bias(TABLE, 0, [0])


@pytest.mark.parametrize("shape", [(32,), (), (1, 32, 5), (32, 0)])
def test_table_of_another_shape(twin, shape):
    with pytest.raises(ValueError) as refusal:
        twin.pe.t5_bias(twin.array(np.zeros(shape)), [0], [0])
    assert str(refusal.value) == (
        f"t5_bias: table must have shape (num_buckets, heads), with a head at least, got {shape}."
    )


def test_table_that_holds_no_numbers(twin):
    for dtype in ("bool", "complex64"):
        said = rf"^t5_bias: table must (hold real numbers, got dtype|be floating, as the bias is, got) .*{dtype}\.$"
        with pytest.raises(TypeError, match=said):
            twin.pe.t5_bias(twin.array(np.zeros((32, 1)), dtype=getattr(twin.dtypes, dtype)), [0], [0])


def test_table_of_integers():
    """They count in NumPy; in PyTorch a table is learned."""
    assert pe.t5_bias([[3]] * 4, [0], [0]).dtype == np.float64
    with pytest.raises(TypeError, match=r"^t5_bias: table must be floating, as the bias is, got torch\.int64\.$"):
        posenc_lib.torch.t5_bias([[3]] * 4, [0], [0])


def test_settings_that_t5_bucket_refuses(twin):
    with pytest.raises(ValueError, match=r"^t5_bias: num_buckets must be even when bidirectional.* got 31\. Use 30 or"):
        twin.pe.t5_bias(TABLE[:31], [0], [0])
    with pytest.raises(ValueError, match=r"^t5_bias: num_buckets must be at least 4, got 2\.$"):
        twin.pe.t5_bias(TABLE[:2], [0], [0])
    with pytest.raises(ValueError, match=r"^t5_bias: max_distance must be above 8, .* got 8\.$"):
        twin.pe.t5_bias(TABLE, [0], [0], max_distance=8)
    with pytest.raises(TypeError, match=r"^t5_bias: max_distance must be an integer, got 128\.0 \(float\)\.$"):
        twin.pe.t5_bias(TABLE, [0], [0], max_distance=128.0)


# PyTorch alone


def test_dtype_and_device_follow_the_table():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        table = torch.tensor(TABLE, dtype=dtype)
        found = posenc_lib.torch.t5_bias(table, [3], range(4))
        assert found.dtype == dtype and torch.equal(found[:, 0], table[[3, 2, 1, 0]].T)
    there = torch.zeros(32, 2, device="meta")
    found = posenc_lib.torch.t5_bias(there, range(3), torch.arange(4, device="meta"))
    assert (found.device.type, found.shape) == ("meta", (2, 3, 4))
    with torch.device("meta"):
        assert posenc_lib.torch.t5_bias(torch.tensor(TABLE, device="cpu"), [0], [0]).device.type == "cpu"


def test_devices_that_differ():
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.t5_bias(torch.zeros(32, 2), range(3), torch.arange(4, device="meta"))
    assert str(refusal.value) == "t5_bias: table is on cpu, key_positions are on meta. Move one to the other."


def test_heads_lie_one_after_the_other_in_memory():
    """Attention reads a head's row of keys side by side."""
    assert posenc_lib.torch.t5_bias(torch.tensor(TABLE), range(3), range(4)).is_contiguous()


def test_gradient_is_the_number_of_pairs_in_a_bucket():
    table = torch.zeros(32, 2, requires_grad=True)
    posenc_lib.torch.t5_bias(table, range(4), range(3)).sum().backward()
    counts = {0: 3, 1: 3, 2: 2, 3: 1, 17: 2, 18: 1}
    assert table.grad.tolist() == [[counts.get(b, 0)] * 2 for b in range(32)]


def test_functional_transforms():
    table, positions = torch.tensor(TABLE), torch.arange(600).reshape(2, 300)
    found = torch.vmap(lambda p: posenc_lib.torch.t5_bias(table, p, p))(positions)
    assert torch.equal(found, posenc_lib.torch.t5_bias(table, positions, positions))


def test_fake_tensors():
    with FakeTensorMode():
        assert posenc_lib.torch.t5_bias(torch.zeros(32, 4), torch.arange(3), torch.arange(5)).shape == (4, 3, 5)
