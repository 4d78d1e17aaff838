"""transformer_xl_bias, both twins: the paper's terms in a loop, the paper's shift of rows, models that use them."""

import math

import numpy as np
import pytest
import torch

import posenc_lib.numpy as pe
import posenc_lib.torch
from tests.library.largest_tensor import Largest


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def parameters(heads=2, d=3, dim=6):
    """u, v and W."""
    return draw(heads, d), draw(heads, d, seed=1), draw(heads, d, dim)


def in_words(q, k, u, v, weight, m, n, base):
    """Terms (b), (c) and (d) of section 3.3 for one head, one number at a time, divided by √d."""
    d, dim = weight.shape
    bias = np.empty((len(m), len(n)))
    for i, j in np.ndindex(bias.shape):
        angles = [(float(m[i]) - float(n[j])) / base ** (2 * p / dim) for p in range(dim // 2)]
        R = [f(angle) for angle in angles for f in (math.sin, math.cos)]
        WR = [math.fsum(w * r for w, r in zip(weight[row], R, strict=True)) for row in range(d)]
        b, c, e = (math.fsum(x * y for x, y in zip(*pair, strict=True)) for pair in ((q[i], WR), (u, k[j]), (v, WR)))
        bias[i, j] = (b + c + e) / math.sqrt(d)
    return bias


POSITIONS = {
    "all": (range(4), range(4)),
    "behind a memory": (range(3, 5), range(5)),
    "the last": ([4], range(5)),
    "small unsigned": (np.arange(2, dtype=np.uint8), np.arange(3, dtype=np.uint8)),
    "in any order": ([3.5, -7, 3], [2, 0.25, -100, 4]),
    "no query": ([], range(3)),
    "no key": (range(3), []),
}


@pytest.mark.parametrize("base", [10000.0, 7])
@pytest.mark.parametrize("positions", POSITIONS)
def test_against_the_paper_in_a_loop(twin, positions, base):
    m, n = POSITIONS[positions]
    q, k, (u, v, weight) = draw(2, len(m), 3), draw(2, len(n), 3), parameters()
    found = twin.pe.transformer_xl_bias(*map(twin.array, (q, k, u, v, weight)), m, n, base=base)
    assert tuple(found.shape) == (2, len(m), len(n))
    for h in range(2):
        expected = in_words(q[h], k[h], u[h], v[h], weight[h], m, n, base)
        assert np.allclose(found[h], expected, rtol=0, atol=1e-13)


def test_base_of_the_paper_by_default(twin):
    q, k, (u, v, weight) = draw(2, 3, 3), draw(2, 4, 3), parameters()
    arrays = [twin.array(x) for x in (q, k, u, v, weight)]
    default = twin.pe.transformer_xl_bias(*arrays, range(3), range(4))
    assert np.array_equal(default, twin.pe.transformer_xl_bias(*arrays, range(3), range(4), base=1e4))


def test_leading_axes(twin):
    q, k, (u, v, weight) = draw(3, 2, 4, 3), draw(3, 2, 5, 3), parameters()
    rng = np.random.default_rng(0)
    for shape_m, shape_n in (((4,), (5,)), ((3, 1, 4), (3, 1, 5)), ((3, 2, 4), (5,)), ((1, 2, 4), (3, 1, 5))):
        m, n = rng.integers(-9, 9, shape_m), rng.integers(-9, 9, shape_n)
        found = np.asarray(twin.pe.transformer_xl_bias(*map(twin.array, (q, k, u, v, weight, m, n))))
        assert found.shape == (3, 2, 4, 5)
        m, n = np.broadcast_to(m, (3, 2, 4)), np.broadcast_to(n, (3, 2, 5))
        for b, h in np.ndindex(3, 2):
            expected = in_words(q[b, h], k[b, h], u[h], v[h], weight[h], m[b, h], n[b, h], 10000)
            assert np.allclose(found[b, h], expected, rtol=0, atol=1e-13)


def as_released(weight):
    """From sine beside cosine to the order of released weights, all sines first: spelt out, one axis at a time."""
    pairs = range(weight.shape[-1] // 2)
    return torch.stack([weight[..., 2 * i] for i in pairs] + [weight[..., 2 * i + 1] for i in pairs], -1)


def test_the_papers_code():
    """kimiyoung/transformer-xl, pytorch/mem_transformer.py: [sin | cos], terms AC and BD, _rel_shift, a memory."""
    T, memory, heads, d, dim = 4, 3, 2, 3, 6
    S = memory + T
    q, k, values = (torch.tensor(draw(heads, length, d, seed=i)) for i, length in enumerate((T, S, S)))
    u, v, weight = map(torch.tensor, parameters(heads, d, dim))
    frequencies = 1 / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(S - 1, -1, -1, dtype=torch.float64), frequencies)
    r_head_k = torch.einsum("ndr,jr->njd", as_released(weight), torch.cat([angles.sin(), angles.cos()], dim=-1))
    AC = torch.einsum("nid,njd->nij", q + u[:, None], k)
    BD = torch.einsum("nid,njd->nij", q + v[:, None], r_head_k)
    BD = torch.cat([BD.new_zeros(heads, T, 1), BD], dim=-1).view(heads, S + 1, T)[:, 1:].reshape(heads, T, S)
    seen = torch.ones(T, S).tril(memory).bool()
    expected = ((AC + BD) / math.sqrt(d)).masked_fill(~seen, -math.inf).softmax(-1) @ values
    bias = posenc_lib.torch.transformer_xl_bias(q, k, u, v, weight, range(memory, S), range(S))
    found = posenc_lib.torch.attention(q, k, values, bias=bias, mask=seen)
    assert torch.allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("memory", [0, 3])
def test_xlnet(memory):
    """Its released layout, put into ours by the line that the docstring gives."""
    from transformers.models.xlnet import modeling_xlnet as model

    T, heads, d, dim = 5, 2, 4, 8
    S = memory + T
    config = model.XLNetConfig(d_model=dim, n_head=heads, d_head=d, n_layer=1, d_inner=8, vocab_size=9, dropout=0.0)
    torch.manual_seed(0)
    network = model.XLNetModel(config).eval()
    layer = network.layer[0].rel_attn
    for each in layer.parameters():
        torch.nn.init.normal_(each)
    encoding = network.relative_positional_encoding(T, S, bsz=3)
    k_head_r = torch.einsum("ibh,hnd->ibnd", encoding, layer.r)
    q, k, values = (torch.randn(length, 3, heads, d) for length in (T, S, S))
    with torch.no_grad():
        expected = layer.rel_attn_core(q, k, values, k_head_r)

    weight = layer.r.permute(1, 2, 0)[..., torch.arange(dim).reshape(2, -1).T.flatten()]
    q, k, values = (x.permute(1, 2, 0, 3) for x in (q, k, values))
    bias = posenc_lib.torch.transformer_xl_bias(
        q, k, layer.r_w_bias, layer.r_r_bias, weight, range(memory, S), range(S)
    )
    found = posenc_lib.torch.attention(q, k, values, bias=bias).permute(2, 0, 1, 3)
    assert torch.allclose(found, expected, rtol=0, atol=5e-6)


def test_the_docstrings_line_puts_released_weights_into_our_order(twin):
    released = ["sin0", "sin1", "sin2", "cos0", "cos1", "cos2"]
    for order in (np.arange(6).reshape(2, -1).T.ravel(), torch.arange(6).reshape(2, -1).T.flatten()):
        assert [released[i] for i in order] == ["sin0", "cos0", "sin1", "cos1", "sin2", "cos2"]
    for module, line in (
        (pe, "weight[..., np.arange(dim).reshape(2, -1).T.ravel()]"),
        (posenc_lib.torch, "weight[..., torch.arange(dim).reshape(2, -1).T.flatten()]"),
    ):
        assert line in module.transformer_xl_bias.__doc__


def test_wav2vec2_bert():
    """Its "relative" is Transformer-XL's, with sine beside cosine as here."""
    from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert as model

    config = model.Wav2Vec2BertConfig(
        hidden_size=24, num_attention_heads=3, position_embeddings_type="relative", attention_dropout=0.0,
        max_source_positions=20, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    layer = model.Wav2Vec2BertSelfAttention(config).eval()
    for each in (layer.pos_bias_u, layer.pos_bias_v):
        torch.nn.init.normal_(each)
    x = torch.randn(2, 7, 24)
    projections = (layer.linear_q, layer.linear_k, layer.linear_v)
    q, k, v = (project(x).unflatten(-1, (3, 8)).transpose(1, 2) for project in projections)
    bias = posenc_lib.torch.transformer_xl_bias(
        q, k, layer.pos_bias_u, layer.pos_bias_v, layer.linear_pos.weight.unflatten(0, (3, 8)), range(7), range(7)
    )
    found = layer.linear_out(posenc_lib.torch.attention(q, k, v, bias=bias).transpose(1, 2).flatten(2))
    expected = layer(x, relative_position_embeddings=model.Wav2Vec2BertRelPositionalEmbedding(config)(x))[0]
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)


# What is refused, and in which words

FITTING = {"q": (5, 2, 3, 4), "k": (5, 2, 6, 4)}
FITTING |= {"content_bias": (2, 4), "position_bias": (2, 4), "position_weight": (2, 4, 8)}
AXES = "q and k need axes of heads, tokens and features"
DIFFER = "q and k differ in an axis other than that of the tokens, and broadcasting could hide a mistake"
BIASES = "content_bias and position_bias must have the shape (H, d) = (2, 4)"
WEIGHT = "position_weight must have the shape (H, d, dim) = (2, 4, dim), dim even"


@pytest.mark.parametrize(
    ("wrong", "changed"),
    [(AXES, {"q": (3, 4)}), (AXES, {"k": (6, 4)}), (AXES, {"q": (3, 4), "k": (6, 4)}),
     (DIFFER, {"k": (1, 2, 6, 4)}), (DIFFER, {"k": (2, 6, 4)}), (DIFFER, {"k": (5, 2, 6, 3)}),
     ("the feature axis of q and k is empty", {"q": (5, 2, 3, 0), "k": (5, 2, 6, 0)}),
     (BIASES, {"content_bias": (4,)}), (BIASES, {"position_bias": (4,)}), (BIASES, {"content_bias": (1, 4)}),
     (BIASES, {"position_bias": (2, 1)}),
     (WEIGHT, {"position_weight": (8, 8)}), (WEIGHT, {"position_weight": (4, 2, 8)}),
     (WEIGHT, {"position_weight": (2, 4, 7)}), (WEIGHT, {"position_weight": (2, 4, 0)})],
)  # fmt: skip
def test_shapes_that_do_not_fit(twin, wrong, changed):
    shapes = FITTING | changed
    with pytest.raises(ValueError) as refusal:
        twin.pe.transformer_xl_bias(*(twin.array(np.zeros(s)) for s in shapes.values()), range(3), range(6))
    got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    assert str(refusal.value) == (
        f"transformer_xl_bias: {wrong}. Got {got}; expected q (..., H, T, d) and k (..., H, S, d) with the same "
        "leading axes, content_bias (H, d), position_bias (H, d), position_weight (H, d, dim)."
    )


@pytest.mark.parametrize(
    ("positions", "error", "said"),
    [((range(2), range(6)), ValueError, "query_positions (2,) do not fit q (5, 2, 3, 4) and 6 keys. Pass one position "
      "a token, shape (3,), or one for each axis of q before d, such as (5, 2, 3)."),
     ((range(3), np.zeros((5, 6))), ValueError, "key_positions (5, 6) do not fit q (5, 2, 3, 4) and 6 keys. Pass one "
      "position a token, shape (6,), or one for each axis of q before d, such as (5, 2, 6)."),
     (([0, 1, math.nan], range(6)), ValueError, "positions must be finite and below 2**53 in size, where float64 still "
      "counts in ones; got values from nan to nan."),
     ((range(3), np.zeros(6, bool)), TypeError, "positions must be integers or real numbers, got ")],
)  # fmt: skip
def test_positions_that_do_not_fit(twin, positions, error, said):
    m, n = (twin.array(p) if isinstance(p, np.ndarray) else p for p in positions)
    with pytest.raises(error) as refusal:
        twin.pe.transformer_xl_bias(*(twin.array(np.zeros(s)) for s in FITTING.values()), m, n)
    assert str(refusal.value).startswith(f"transformer_xl_bias: {said}")


def test_what_is_no_number(twin):
    for name in FITTING:
        arrays = {key: twin.array(np.zeros(s, complex if key == name else float)) for key, s in FITTING.items()}
        with pytest.raises(TypeError, match=rf"^transformer_xl_bias: .*{name} .*complex128"):
            twin.pe.transformer_xl_bias(*arrays.values(), range(3), range(6))
    arrays = [twin.array(np.zeros(s)) for s in FITTING.values()]
    with pytest.raises(ValueError, match=r"^transformer_xl_bias: base must be finite and at least 1, .* got 0\.5\."):
        twin.pe.transformer_xl_bias(*arrays, range(3), range(6), base=0.5)
    with pytest.raises(TypeError, match=r"^transformer_xl_bias: base must be a number"):
        twin.pe.transformer_xl_bias(*arrays, range(3), range(6), base="1")


# PyTorch alone


def test_gradients():
    shapes = ((2, 2, 3, 3), (2, 2, 4, 3), (2, 3), (2, 3), (2, 3, 4))
    arrays = [torch.tensor(draw(*shape), requires_grad=True) for shape in shapes]
    m, n = (torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in ([0.5, 7, 2], [1.0, -3, 2, 0]))
    assert torch.autograd.gradcheck(posenc_lib.torch.transformer_xl_bias, (*arrays, m, n))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_lower_precision_is_rounded_once_at_far_positions(dtype):
    shapes = ((2, 9, 8), (2, 11, 8), (2, 8), (2, 8), (2, 8, 16))
    arrays = [torch.tensor(draw(*shape)).to(dtype) for shape in shapes]
    m, n = range(10**6, 10**6 + 9), range(10**6, 10**6 + 11)
    found = posenc_lib.torch.transformer_xl_bias(*arrays, m, n)
    expected = pe.transformer_xl_bias(*(x.double().numpy() for x in arrays), m, n)
    allowed = torch.finfo(dtype).eps / 2 * 1.001 * abs(expected) + 1e-5
    assert found.dtype == dtype and (abs(found.double().numpy() - expected) <= allowed).all()


def test_nothing_is_stored_for_each_pair_of_tokens_but_the_bias():
    """The largest of the bias (H, T, S) and of the queries' turned images, (H, T, dim)."""
    for T, dim in ((64, 16), (16, 64)):
        shapes = ((2, T, 8), (2, T, 8), (2, 8), (2, 8), (2, 8, dim))
        arrays = [torch.tensor(draw(*shape), requires_grad=True) for shape in shapes]
        with Largest() as largest:
            posenc_lib.torch.transformer_xl_bias(*arrays, range(T), range(T)).sum().backward()
        assert largest.elements == 2 * T * max(T, dim)


def test_devices():
    arrays = [torch.zeros(shape) for shape in FITTING.values()]
    there = torch.arange(6, device="meta")
    for name, m, n in (("query_positions", there[:3], range(6)), ("key_positions", range(3), there)):
        with pytest.raises(ValueError) as refusal:
            posenc_lib.torch.transformer_xl_bias(*arrays, m, n)
        assert str(refusal.value) == f"transformer_xl_bias: {name} are on meta, q is on cpu. Move one to the other."
    arrays = [x.to("meta") for x in arrays]
    for m, n in ((there[:3], there), (range(3), there), (range(3), range(6))):
        found = posenc_lib.torch.transformer_xl_bias(*arrays, m, n)
        assert (found.device.type, found.shape) == ("meta", (5, 2, 3, 6))


def test_compiled_in_one_graph():
    torch._dynamo.reset()
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(posenc_lib.torch.transformer_xl_bias, fullgraph=True, backend=keep)
    for length in (3, 5, 7):
        shapes = ((2, length, 4), (2, length, 4), (2, 4), (2, 4), (2, 4, 8))
        arrays, positions = [torch.randn(*shape) for shape in shapes], torch.arange(length)
        eager = posenc_lib.torch.transformer_xl_bias(*arrays, positions, positions)
        assert torch.allclose(compiled(*arrays, positions, positions), eager, rtol=0, atol=1e-5)
    assert len(graphs) <= 2
