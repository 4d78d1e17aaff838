"""shaw_bias and shaw_attention, both twins: the paper's equations in a loop, a model that uses them, memory."""

import math
import tracemalloc

import numpy as np
import pytest
import torch

import posenc_lib.numpy as pe
import posenc_lib.torch
from tests.library.largest_tensor import Largest


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def in_words(q, k, v, key_table, value_table, m, n, visible):
    """Equations 2 to 5 for one sequence, one number at a time: (biases, outputs)."""
    K, d = len(key_table) // 2, len(key_table[0])

    def row(i, j):
        return K + max(-K, min(K, int(n[j]) - int(m[i])))

    biases, outputs = [], []
    for i, query in enumerate(q):
        bias, logits = [], []
        for j, key in enumerate(k):
            a = key_table[row(i, j)]
            bias.append(math.fsum(x * y for x, y in zip(query, a, strict=True)) / math.sqrt(d))
            logits.append(math.fsum(x * (y + z) for x, y, z in zip(query, key, a, strict=True)) / math.sqrt(d))
        weights = [math.exp(logit) if visible(i, j) else 0.0 for j, logit in enumerate(logits)]
        total = math.fsum(weights) or 1.0
        outputs.append(
            [math.fsum(w / total * (v[j][e] + value_table[row(i, j)][e]) for j, w in enumerate(weights))
             for e in range(len(value_table[0]))]
        )  # fmt: skip
        biases.append(bias)
    return biases, outputs


POSITIONS = {
    "all": (range(5), range(5)),
    "the last with a cache": ([4], range(5)),
    "two with a cache": (np.array([3, 4], dtype=np.uint8), range(5)),
    "queries after keys": (range(100, 103), range(4)),
    "in any order": ([3, -7, 3], [2, 10**12, -(10**12), 4, 3]),
    "one key": (range(3), [1]),
    "no query": ([], range(3)),
}


def arguments(positions, K, leading=()):
    m, n = POSITIONS[positions]
    T, S = len(m), len(n)
    return (draw(*leading, T, 4), draw(*leading, S, 4, seed=1), draw(*leading, S, 3),
            draw(2 * K + 1, 4), draw(2 * K + 1, 3), m, n)  # fmt: skip


def as_twin(twin, *arrays):
    return [twin.array(a) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in arrays]


@pytest.mark.parametrize("K", [0, 1, 2, 9])
@pytest.mark.parametrize("positions", POSITIONS)
def test_against_the_equations_in_a_loop(twin, positions, K):
    q, k, v, a, b, m, n = arguments(positions, K)
    bias, output = in_words(q, k, v, a, b, m, n, lambda i, j: True)
    q_, k_, v_, a_, b_ = as_twin(twin, q, k, v, a, b)
    found = twin.pe.shaw_bias(q_, a_, m, n)
    assert tuple(found.shape) == (len(m), len(n)) and np.allclose(found, np.reshape(bias, found.shape), atol=1e-14)
    found = twin.pe.shaw_attention(q_, k_, v_, a_, b_, m, n)
    assert tuple(found.shape) == (len(m), 3) and np.allclose(found, np.reshape(output, found.shape), atol=1e-14)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, [[1, 0, 1, 1]], [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]]])
def test_masks_against_the_equations_in_a_loop(twin, mask, causal):
    q, k, v, a, b = draw(4, 2), draw(4, 2, seed=1), draw(4, 3), draw(5, 2), draw(5, 3)
    seen = np.ones((4, 4), dtype=bool) if mask is None else np.broadcast_to(np.array(mask, dtype=bool), (4, 4))
    _, expected = in_words(q, k, v, a, b, range(4), range(4), lambda i, j: seen[i, j] and not (causal and j > i))
    given = None if mask is None else twin.array(np.array(mask, dtype=bool))
    found = twin.pe.shaw_attention(*as_twin(twin, q, k, v, a, b), range(4), range(4), mask=given, causal=causal)
    assert np.allclose(found, expected, rtol=0, atol=1e-14)


def test_leading_axes(twin):
    """Each head and sequence by itself, positions shared by all, by heads, or by none."""
    q, k, v = draw(2, 3, 5, 4), draw(2, 3, 6, 4), draw(2, 3, 6, 2)
    a, b = draw(5, 4), draw(5, 2)
    rng = np.random.default_rng(0)
    for shape_m, shape_n in (((5,), (6,)), ((2, 1, 5), (2, 1, 6)), ((2, 3, 5), (6,)), ((1, 3, 5), (2, 1, 6))):
        m, n = rng.integers(-5, 5, shape_m), rng.integers(-5, 5, shape_n)
        bias = np.asarray(twin.pe.shaw_bias(*as_twin(twin, q, a), twin.array(m), twin.array(n)))
        output = np.asarray(twin.pe.shaw_attention(*as_twin(twin, q, k, v, a, b), twin.array(m), twin.array(n)))
        assert (bias.shape, output.shape) == ((2, 3, 5, 6), (2, 3, 5, 2))
        m, n = np.broadcast_to(m, (2, 3, 5)), np.broadcast_to(n, (2, 3, 6))
        for i, j in np.ndindex(2, 3):
            one = in_words(q[i, j], k[i, j], v[i, j], a, b, m[i, j], n[i, j], lambda i, j: True)
            assert np.allclose(bias[i, j], one[0], rtol=0, atol=1e-14)
            assert np.allclose(output[i, j], one[1], rtol=0, atol=1e-14)


def test_bias_and_attention_agree(twin):
    """With no vectors for the values, the one function is the other's bias."""
    q, k, v, a, b, m, n = arguments("all", 2, (2, 3))
    q, k, v, a, b = as_twin(twin, q, k, v, a, 0 * b)
    by_bias = twin.pe.attention(q, k, v, bias=twin.pe.shaw_bias(q, a, m, n), causal=True)
    assert np.allclose(by_bias, twin.pe.shaw_attention(q, k, v, a, b, m, n, causal=True), rtol=0, atol=1e-14)


@pytest.mark.parametrize("K", [1, 4, 20])
def test_wav2vec2_bert(K):
    """Its "relative_key" is the paper's without vectors for the values."""
    from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert as model

    config = model.Wav2Vec2BertConfig(
        hidden_size=24, num_attention_heads=3, position_embeddings_type="relative_key", attention_dropout=0.0,
        left_max_position_embeddings=K, right_max_position_embeddings=K, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    layer = model.Wav2Vec2BertSelfAttention(config).double().eval()
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    projections = (layer.linear_q, layer.linear_k, layer.linear_v)
    q, k, v = (project(x).unflatten(-1, (3, 8)).transpose(1, 2) for project in projections)
    bias = posenc_lib.torch.shaw_bias(q, layer.distance_embedding.weight, range(7), range(7))
    assert torch.allclose(bias, model._apply_relative_key_position_encoding(layer, q, k)[1], rtol=0, atol=1e-14)
    found = layer.linear_out(posenc_lib.torch.attention(q, k, v, bias=bias).transpose(1, 2).flatten(2))
    assert torch.allclose(found, layer(x)[0], rtol=0, atol=1e-13)


# Memory

T, HEADS, D, K = 96, 2, 64, 8


def in_full(q, k, v, a, b, rows):
    """The equations as the paper writes them, with vectors for each pair of tokens, (T, S, d)."""
    logits = (np.einsum("hid,hjd->hij", q, k) + np.einsum("hid,ijd->hij", q, a[rows])) / math.sqrt(q.shape[-1])
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return weights @ v + np.einsum("hij,ije->hie", weights, b[rows])


def long_sequence():
    return *draw(3, HEADS, T, D), *draw(2, 2 * K + 1, D)


def peak(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_of_the_numpy_twin():
    q, k, v, a, b = long_sequence()
    rows = np.clip(np.arange(T) - np.arange(T)[:, None], -K, K) + K
    found = pe.shaw_attention(q, k, v, a, b, range(T), range(T))
    assert np.allclose(found, in_full(q, k, v, a, b, rows), rtol=0, atol=1e-13)
    ours, full = (
        peak(lambda: pe.shaw_attention(q, k, v, a, b, range(T), range(T))),
        peak(lambda: in_full(q, k, v, a, b, rows)),
    )
    assert ours < 8 * HEADS * T * T * 8 and full > 8 * T * T * D
    assert full > 2.5 * ours


def test_memory_of_the_torch_twin():
    """Forward and backward: nothing is larger than the logits."""
    arrays = [torch.tensor(x, requires_grad=True) for x in long_sequence()]
    with Largest() as largest:
        posenc_lib.torch.shaw_attention(*arrays, range(T), range(T)).sum().backward()
    assert largest.elements == HEADS * T * T


# What is refused, and in which words

SHAW_BIAS_REFUSED = [
    ("q must have the shape (..., T, d), got (4,).", (4,), (3, 4), (1,), (1,)),
    ("table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long as those of q, "
     "(2, 4). Got (6, 4).", (2, 4), (6, 4), (2,), (2,)),
    ("table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long as those of q, "
     "(2, 4). Got (5, 3).", (2, 4), (5, 3), (2,), (2,)),
    ("table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long as those of q, "
     "(2, 4). Got (8, 5, 4).", (2, 4), (8, 5, 4), (2,), (2,)),
    ("table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long as those of q, "
     "(2, 4). Got ().", (2, 4), (), (2,), (2,)),
    ("query_positions (3,) do not fit q (2, 4) and 5 keys. Pass one position a token, shape (2,), or one for each axis "
     "of q before d, such as (2,).", (2, 4), (5, 4), (3,), (5,)),
    ("query_positions (8, 2) do not fit q (8, 3, 2, 4) and 5 keys. Pass one position a token, shape (2,), or one for "
     "each axis of q before d, such as (8, 3, 2).", (8, 3, 2, 4), (5, 4), (8, 2), (5,)),
    ("key_positions (8, 5) do not fit q (8, 3, 2, 4) and 5 keys. Pass one position a token, shape (5,), or one for "
     "each axis of q before d, such as (8, 3, 5).", (8, 3, 2, 4), (5, 4), (2,), (8, 5)),
    ("key_positions () do not fit q (2, 4) and 1 keys. Pass one position a token, shape (1,), or one for each axis of "
     "q before d, such as (1,).", (2, 4), (5, 4), (2,), ()),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "q", "table", "m", "n"), SHAW_BIAS_REFUSED)
def test_bias_of_shapes_that_do_not_fit(twin, wrong, q, table, m, n):
    m, n = (twin.array(np.zeros(shape, dtype=np.int64)) for shape in (m, n))
    with pytest.raises(ValueError) as refusal:
        twin.pe.shaw_bias(twin.array(np.zeros(q)), twin.array(np.zeros(table)), m, n)
    assert str(refusal.value) == f"shaw_bias: {wrong}"


@pytest.mark.parametrize(
    ("wrong", "changed"),
    [("k and v hold different numbers of tokens. Got q (2, 4), k (3, 4), v (2, 5); expected q (..., T, d), "
      "k (..., S, d), v (..., S, e) with the same leading axes.", {"v": np.zeros((2, 5))}),
     ("value_table must have the shape (2K + 1, 5): a row for each relative position from −K to K, as long as those of "
      "v, (3, 5). Got (7, 4).", {"value_table": np.zeros((7, 4))}),
     ("key_table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long as those of "
      "q, (2, 4). Got (7, 5).", {"key_table": np.zeros((7, 5))}),
     ("key_table and value_table must have as many rows, 2K + 1, got 7 and 9.", {"value_table": np.zeros((9, 5))}),
     ("key_positions (2,) do not fit q (2, 4) and 3 keys. Pass one position a token, shape (3,), or one for each axis "
      "of q before d, such as (3,).", {"key_positions": range(2)}),
     ("mask must end in (T or 1, S) = (2 or 1, 3). Got q (2, 4), k (3, 4), v (3, 5), mask (3, 2); expected "
      "q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes, mask (..., T or 1, S).",
      {"mask": np.ones((3, 2), dtype=bool)}),
     ("causal=True needs as many queries as keys, otherwise it is open which key is the first query's own; pass a mask "
      "instead, such as mask=key_positions <= query_positions[:, None]. Got q (2, 4), k (3, 4), v (3, 5); expected "
      "q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes.", {"causal": True})],
)  # fmt: skip
def test_attention_of_shapes_that_do_not_fit(twin, wrong, changed):
    given = {"q": np.zeros((2, 4)), "k": np.zeros((3, 4)), "v": np.zeros((3, 5))}
    given |= {"key_table": np.zeros((7, 4)), "value_table": np.zeros((7, 5))}
    given |= {"query_positions": range(2), "key_positions": range(3)} | changed
    given = {name: twin.array(value) if isinstance(value, np.ndarray) else value for name, value in given.items()}
    with pytest.raises(ValueError) as refusal:
        twin.pe.shaw_attention(**given)
    assert str(refusal.value) == f"shaw_attention: {wrong}"


def test_positions_that_are_no_integers(twin):
    q, k, v, a, b = as_twin(twin, draw(2, 4), draw(2, 4), draw(2, 3), draw(5, 4), draw(5, 3))
    for m, n in (([0.0, 1.0], range(2)), (range(2), [0.0, 1.0]), ([True, False], range(2))):
        with pytest.raises(TypeError, match=r"^shaw_bias: a table has rows at integer positions only, got "):
            twin.pe.shaw_bias(q, a, m, n)
        with pytest.raises(TypeError, match=r"^shaw_attention: a table has rows at integer positions only, got "):
            twin.pe.shaw_attention(q, k, v, a, b, m, n)


def test_arrays_of_no_real_numbers(twin):
    good = {"q": draw(2, 4), "k": draw(2, 4), "v": draw(2, 3), "key_table": draw(5, 4), "value_table": draw(5, 3)}
    for name in good:
        arrays = {key: twin.array(value + 1j if key == name else value) for key, value in good.items()}
        with pytest.raises(TypeError, match=rf"^shaw_attention: .*{name} .*complex128"):
            twin.pe.shaw_attention(**arrays, query_positions=range(2), key_positions=range(2))
    for q, table in ((good["q"] + 1j, good["key_table"]), (good["q"], good["key_table"] + 1j)):
        with pytest.raises(TypeError, match=r"^shaw_bias: .*complex128"):
            twin.pe.shaw_bias(twin.array(q), twin.array(table), range(2), range(2))
    with pytest.raises(TypeError, match=r"^shaw_attention: mask must be boolean, "):
        twin.pe.shaw_attention(*as_twin(twin, *good.values()), range(2), range(2), mask=twin.array(np.eye(2)))


# PyTorch alone


@pytest.mark.parametrize("mask", [None, [[1, 0, 1]], [[1, 0, 1], [0, 0, 0], [0, 1, 1]]])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients(mask, causal):
    shapes = ((2, 3, 4), (2, 3, 4), (2, 3, 2), (5, 4), (5, 2))
    arrays = [torch.tensor(draw(*shape), requires_grad=True) for shape in shapes]
    mask = None if mask is None else torch.tensor(mask, dtype=torch.bool)

    def function(q, k, v, a, b):
        return posenc_lib.torch.shaw_attention(q, k, v, a, b, range(3), range(3), mask=mask, causal=causal)

    assert torch.autograd.gradcheck(function, arrays)
    bias = lambda q, a: posenc_lib.torch.shaw_bias(q, a, [5, 6, 9], range(3))  # noqa: E731
    assert torch.autograd.gradcheck(bias, (arrays[0], arrays[3]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_lower_precision_is_rounded_once(dtype):
    q, k, v, a, b = (torch.tensor(x).to(dtype) for x in long_sequence())
    exact = [x.double().numpy() for x in (q, k, v, a, b)]
    places = (range(T), range(T))
    for found, expected in (
        (posenc_lib.torch.shaw_attention(q, k, v, a, b, *places), pe.shaw_attention(*exact, *places)),
        (posenc_lib.torch.shaw_bias(q, a, *places), pe.shaw_bias(exact[0], exact[3], *places)),
    ):
        assert found.dtype == dtype
        # Half a unit of the last place, and 1e-6 of float32's own.
        allowed = torch.finfo(dtype).eps / 2 * 1.001 * abs(expected) + 2e-6
        assert (abs(found.double().numpy() - expected) <= allowed).all()


def test_devices():
    x, table, there = torch.ones(2, 4), torch.ones(3, 4), torch.arange(2, device="meta")
    for name, m, n in (("query_positions", there, range(2)), ("key_positions", range(2), there)):
        with pytest.raises(ValueError) as refusal:
            posenc_lib.torch.shaw_bias(x, table, m, n)
        assert str(refusal.value) == f"shaw_bias: {name} are on meta, q is on cpu. Move one to the other."
    for m, n in ((there, there), (range(2), there), (range(2), range(2))):
        x, table = x.to("meta"), table.to("meta")
        assert posenc_lib.torch.shaw_bias(x, table, m, n).device.type == "meta"
        assert posenc_lib.torch.shaw_attention(x, x, x, table, table, m, n, causal=True).device.type == "meta"


def test_compiled_in_one_graph():
    torch._dynamo.reset()
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    def function(q, k, v, a, b, m, n, mask):
        bias = posenc_lib.torch.shaw_bias(q, a, m, n)
        return bias, posenc_lib.torch.shaw_attention(q, k, v, a, b, m, n, mask=mask)

    compiled = torch.compile(function, fullgraph=True, backend=keep)
    for length in (3, 5, 7):
        q, k, v = torch.randn(3, 2, length, 4).unbind()
        a, b = torch.randn(2, 5, 4).unbind()
        m, mask = torch.arange(length), torch.ones(length, length, dtype=torch.bool).tril()
        found, expected = (each(q, k, v, a, b, m, m, mask) for each in (compiled, function))
        assert all(torch.allclose(*pair, rtol=0, atol=1e-6) for pair in zip(found, expected, strict=True))
    assert len(graphs) <= 2
