"""convert_layout, both twins: transformers' permutation, and logits by the code of its GPT-J and GPT-NeoX."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import posenc_lib.numpy as pe
from posenc_lib.torch import convert_layout

TO_HALF = {"source": "interleaved", "target": "half"}
TO_INTERLEAVED = {"source": "half", "target": "interleaved"}
BOTH_WAYS = pytest.mark.parametrize("way", [TO_HALF, TO_INTERLEAVED], ids=["to half", "to interleaved"])


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def metas_to_transformers(w, heads):
    """`permute` of transformers' models/llama/convert_llama_weights_to_hf.py."""
    dim1, dim2 = w.shape
    return w.view(heads, dim1 // heads // 2, 2, dim2).transpose(1, 2).reshape(dim1, dim2)


@pytest.mark.parametrize(("heads", "dim"), [(1, 2), (4, 8), (3, 16), (2, 128)])
def test_the_permutation_of_transformers(twin, heads, dim):
    meta = draw(heads * dim, 5)
    expected = metas_to_transformers(torch.tensor(meta), heads).numpy()
    assert np.array_equal(twin.pe.convert_layout(twin.array(meta), heads, **TO_HALF), expected)
    assert np.array_equal(twin.pe.convert_layout(twin.array(expected), heads, **TO_INTERLEAVED), meta)


def test_rows_of_two_heads(twin):
    rows = np.arange(16)
    found = twin.pe.convert_layout(twin.array(rows), 2, rotary_dim=6, **TO_HALF)
    assert found.tolist() == [0, 2, 4, 1, 3, 5, 6, 7, 8, 10, 12, 9, 11, 13, 14, 15]
    found = twin.pe.convert_layout(twin.array(rows), 2, rotary_dim=6, **TO_INTERLEAVED)
    assert found.tolist() == [0, 3, 1, 4, 2, 5, 6, 7, 8, 11, 9, 12, 10, 13, 14, 15]


# Logits: the theorem that the conversion rests on


def logits_of_gptj(q, k, angles):
    """Interleaved, by transformers' GPT-J, which takes (B, T, heads, dim)."""
    from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb

    r = 2 * angles.shape[-1]
    q, k = (
        torch.cat((apply_rotary_pos_emb(x[..., :r], angles.sin()[None], angles.cos()[None]), x[..., r:]), dim=-1)
        for x in (q, k)
    )
    return torch.einsum("bthd,bshd->bhts", q, k)


def logits_of_neox(q, k, angles):
    """Half, by transformers' GPT-NeoX, which takes (B, heads, T, dim)."""
    from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb

    angles = torch.cat((angles, angles), dim=-1)[None]
    q, k = apply_rotary_pos_emb(q.transpose(1, 2), k.transpose(1, 2), angles.cos(), angles.sin())
    return q @ k.transpose(2, 3)


LOGITS = {"interleaved": logits_of_gptj, "half": logits_of_neox}


@BOTH_WAYS
@pytest.mark.parametrize(("dim", "rotary_dim"), [(8, None), (8, 8), (8, 6), (11, 4)])
def test_logits_by_transformers_do_not_change(twin, way, dim, rotary_dim):
    heads, model, tokens = 3, 10, 7
    weights, biases, x = draw(2, heads * dim, model), draw(2, heads * dim), torch.tensor(draw(2, tokens, model))
    theta = torch.tensor(draw((rotary_dim or dim) // 2))
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * theta

    def logits(weights, biases, layout):
        q, k = ((x @ torch.as_tensor(w).T + torch.as_tensor(b)).unflatten(-1, (heads, dim))
                for w, b in zip(weights, biases, strict=True))  # fmt: skip
        return LOGITS[layout](q, k, angles)

    convert = lambda w: twin.pe.convert_layout(twin.array(w), heads, rotary_dim=rotary_dim, **way)  # noqa: E731
    before = logits(weights, biases, way["source"])
    after = logits(map(convert, weights), map(convert, biases), way["target"])
    assert torch.allclose(after, before, rtol=0, atol=1e-12)
    assert not torch.allclose(logits(weights, biases, way["target"]), before, atol=0.1), "unconverted"


@BOTH_WAYS
def test_rope_turns_converted_rows_as_it_turned_the_old(twin, way):
    """With rope itself, partial rotary, and a norm of each head between projection and rope."""
    x, norm, theta = draw(5, 3, 4, 10), draw(10), [1.0, 0.3, 0.1]
    convert = lambda w: np.asarray(twin.pe.convert_layout(w, 1, rotary_dim=6, **way))  # noqa: E731
    before = twin.pe.rope(twin.array(x * norm), range(4), theta, layout=way["source"])
    columns = np.moveaxis(convert(np.moveaxis(x, -1, 0)), 0, -1)
    after = twin.pe.rope(twin.array(columns * convert(norm)), range(4), theta, layout=way["target"])
    assert np.allclose(convert(np.moveaxis(np.asarray(before), -1, 0)), np.moveaxis(np.asarray(after), -1, 0),
                       rtol=0, atol=1e-14)  # fmt: skip


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.sampled_from([(), (1,), (2, 3)]))
def test_there_and_back(heads, pairs, rest, columns):
    weight = draw(heads * (2 * pairs + rest), *columns)
    for convert, array in ((pe.convert_layout, np.asarray), (convert_layout, torch.tensor)):
        there = convert(array(weight), heads, rotary_dim=2 * pairs, **TO_HALF)
        assert np.array_equal(convert(there, heads, rotary_dim=2 * pairs, **TO_INTERLEAVED), weight)
        for layout in ("interleaved", "half"):
            same = convert(array(weight), heads, source=layout, target=layout, rotary_dim=2 * pairs)
            assert np.array_equal(same, weight)


@pytest.mark.parametrize("layout", ["interleaved", "half"])
@pytest.mark.parametrize("way", [TO_HALF, TO_INTERLEAVED, "same"], ids=["to half", "to interleaved", "same"])
def test_a_copy(twin, way, layout):
    way = {"source": layout, "target": layout} if way == "same" else way
    weight = twin.array(np.arange(8.0))
    found = twin.pe.convert_layout(weight, 2, **way)
    found += 1
    assert weight.tolist() == list(range(8))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "float16", "float32", "complex64"])
def test_any_dtype(twin, dtype):
    weight = twin.array(np.arange(8), dtype=getattr(twin.dtypes, dtype))
    found = twin.pe.convert_layout(weight, 2, **TO_HALF)
    assert found.dtype == weight.dtype
    assert found.tolist() == weight[[0, 2, 1, 3, 4, 6, 5, 7]].tolist()


# What is refused, and in which words


def refusal(kind, function, *arguments, **options):
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("layout", ["neox", None, 1, "Half"], ids=repr)
def test_unknown_layouts(twin, layout):
    for name in ("source", "target"):
        options = {**TO_HALF, name: layout}
        assert refusal(ValueError, twin.pe.convert_layout, np.ones(8), 2, **options) == (
            f"convert_layout: unknown {name} {layout!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs "
            "(i, i+r/2), r being rotary_dim."
        )


@pytest.mark.parametrize(("shape", "heads"), [((10, 4), 4), ((8,), 3), ((2, 6), 6), ((), 1)])
def test_rows_that_heads_cannot_share(twin, shape, heads):
    assert refusal(ValueError, twin.pe.convert_layout, twin.array(np.ones(shape)), heads, **TO_HALF) == (
        f"convert_layout: weight must have num_heads · dim rows, got shape {shape} and {heads} heads. With "
        "grouped-query attention keys have fewer heads than queries; of a weight stored as (in, out), pass "
        "the transpose."
    )


@pytest.mark.parametrize(
    ("rows", "rotary_dim", "said"),
    [(16, 3, "3"), (16, 10, "10"), (14, None, "7 (the whole head, for want of another)"),
     (0, None, "0 (the whole head, for want of another)"), (0, 2, "2")],
)  # fmt: skip
def test_dimensions_that_make_no_pairs(twin, rows, rotary_dim, said):
    weight = twin.array(np.ones((rows, 5)))
    assert refusal(ValueError, twin.pe.convert_layout, weight, 2, rotary_dim=rotary_dim, **TO_HALF) == (
        "convert_layout: rotary_dim must be even, for dimensions turn in pairs, and from 2 to the size of a head; got "
        f"{said}, and weight {(rows, 5)} with 2 heads has {rows // 2} dimensions in each."
    )


def test_numbers_that_are_none(twin):
    convert = lambda heads, r: twin.pe.convert_layout(np.ones(8), heads, rotary_dim=r, **TO_HALF)  # noqa: E731
    assert refusal(TypeError, convert, 2.0, 4) == "convert_layout: num_heads must be an integer, got 2.0 (float)."
    assert refusal(TypeError, convert, 2, "4") == "convert_layout: rotary_dim must be an integer, got '4' (str)."
    assert refusal(ValueError, convert, 0, 4) == "convert_layout: num_heads must be at least 1, got 0."
    assert refusal(ValueError, convert, 2, 0) == "convert_layout: rotary_dim must be at least 2, got 0."


# PyTorch alone


def test_device_and_low_precision():
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):
        found = convert_layout(torch.arange(8.0).to(dtype), 2, **TO_HALF)
        assert found.dtype == dtype
        assert found.float().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    found = convert_layout(torch.ones(8, 3, device="meta"), 2, **TO_HALF)
    assert (found.device.type, found.shape) == ("meta", (8, 3))


@BOTH_WAYS
def test_gradients_and_transforms(way):
    weight = torch.tensor(draw(10, 2), requires_grad=True)
    convert = lambda w: convert_layout(w, 2, rotary_dim=4, **way)  # noqa: E731
    assert torch.autograd.gradcheck(convert, (weight,))
    assert torch.equal(torch.vmap(convert, in_dims=-1, out_dims=-1)(weight), convert(weight))
    assert torch.equal(torch.compile(convert, fullgraph=True, backend="eager")(weight), convert(weight))


def test_a_layer_is_converted_in_place():
    layer = torch.nn.Linear(3, 8)
    weight = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(convert_layout(layer.weight, 1, **TO_HALF))
    assert torch.equal(layer.weight, weight[[0, 2, 4, 6, 1, 3, 5, 7]])


@pytest.mark.parametrize("make", [lambda w: w.T.clone().T, lambda w: w.repeat_interleave(2, 1)[:, ::2]])
def test_strides(make):
    weight = torch.tensor(draw(8, 4))
    assert torch.equal(convert_layout(make(weight), 2, **TO_HALF), convert_layout(weight, 2, **TO_HALF))
