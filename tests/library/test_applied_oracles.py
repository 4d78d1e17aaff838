"""Turned queries and keys, not tables, against five implementations that others wrote and that are installed here.

ONNX's operator RotaryEmbedding-23 in its reference evaluator and the transformers package have both layouts (GPT-J's
code the interleaved one, Llama's and GPT-NeoX's the halves); rotary-embedding-torch and x-transformers have the
interleaved one.
"""

import numpy as np
import onnx
import pytest
import rotary_embedding_torch
import torch
import x_transformers.x_transformers as x_transformers
from onnx.reference import ReferenceEvaluator
from transformers import GPTJConfig, LlamaConfig
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import frequencies

B, T, DIM = 2, 7, 16


def in_numpy(*arguments, **options):
    return posenc_lib.numpy.rope(*arguments, **options)


def in_torch(x, *arguments, **options):
    return posenc_lib.torch.rope(torch.tensor(x), *arguments, **options).numpy()


def by_the_module(x, positions, theta, *, layout):
    q = torch.tensor(x)
    _, turned = posenc_lib.torch.Rope(theta, layout=layout)(q[:, :1], q, positions)
    return turned.numpy()


OURS = pytest.mark.parametrize("rope", [in_numpy, in_torch, by_the_module])


def angles(positions, theta):
    return np.asarray(positions, dtype=np.float64)[..., None] * theta


def tables(positions, theta, repeat):
    """Cosines and sines (B, T, 2n), as the caller of transformers' functions makes them; `repeat` sets n to 2n."""
    table = repeat(torch.tensor(angles(positions, theta)))
    return table.cos(), table.sin()


# Each takes x (B, heads, T, dim), positions (B, T), frequencies (n,), n ≤ dim / 2, and computes in float64.


def onnx_operator(x, positions, theta, interleaved):
    r = 2 * len(theta)
    names = ["x", "cos", "sin", "ids"]
    node = onnx.helper.make_node("RotaryEmbedding", names, ["y"], interleaved=interleaved, rotary_embedding_dim=r)
    types = dict.fromkeys(names, onnx.TensorProto.DOUBLE) | {"ids": onnx.TensorProto.INT64}
    inputs = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in types.items()]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)
    graph = onnx.helper.make_graph([node], "rope", inputs, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)])
    every = angles(np.arange(positions.max() + 1), theta)
    feeds = {"x": x, "cos": np.cos(every), "sin": np.sin(every), "ids": positions}
    return ReferenceEvaluator(model).run(None, feeds)[0]


def onnx_interleaved(x, positions, theta):
    return onnx_operator(x, positions, theta, 1)


def onnx_half(x, positions, theta):
    return onnx_operator(x, positions, theta, 0)


def lucidrains_module(x, positions, theta):
    """rotary-embedding-torch: its module makes the angles, its function applies them."""
    module = rotary_embedding_torch.RotaryEmbedding(dim=2 * len(theta), custom_freqs=torch.tensor(theta))
    freqs = module(torch.tensor(positions, dtype=torch.float64))[:, None]
    return rotary_embedding_torch.apply_rotary_emb(freqs, torch.tensor(x)).detach().numpy()


def x_transformers_module(x, positions, theta):
    module = x_transformers.RotaryEmbedding(2 * len(theta))
    module.inv_freq = torch.tensor(theta)
    freqs, scale = module(torch.tensor(positions))
    return x_transformers.apply_rotary_pos_emb(torch.tensor(x), freqs, scale).numpy()


def transformers_gpt_neox(x, positions, theta):
    cos, sin = tables(positions, theta, lambda table: torch.cat((table, table), dim=-1))
    x = torch.tensor(x)
    turned = modeling_gpt_neox.apply_rotary_pos_emb(x, x, cos, sin)
    assert torch.equal(*turned)
    return turned[0].numpy()


def transformers_llama(x, positions, theta):
    """Which turns the whole of x: what is left of it stays here, as GPT-NeoX's function has it."""
    cos, sin = tables(positions, theta, lambda table: torch.cat((table, table), dim=-1))
    r = 2 * len(theta)
    part = torch.tensor(x[..., :r])
    return np.concatenate((modeling_llama.apply_rotary_pos_emb(part, part, cos, sin)[1].numpy(), x[..., r:]), axis=-1)


def transformers_gpt_j(x, positions, theta):
    """Heads after tokens, and only the part that turns, as its attention calls it."""
    cos, sin = tables(positions, theta, lambda table: table)
    r = 2 * len(theta)
    part = torch.tensor(x[..., :r]).transpose(1, 2)
    turned = modeling_gptj.apply_rotary_pos_emb(part, sin, cos).transpose(1, 2)
    return np.concatenate((turned.numpy(), x[..., r:]), axis=-1)


THEIRS = {
    "interleaved": [onnx_interleaved, lucidrains_module, x_transformers_module, transformers_gpt_j],
    "half": [onnx_half, transformers_llama, transformers_gpt_neox],
}
PAIRS = [(layout, oracle) for layout, oracles in THEIRS.items() for oracle in oracles]
ORACLES = pytest.mark.parametrize(("layout", "oracle"), PAIRS, ids=[oracle.__name__ for _, oracle in PAIRS])
POSITIONS = {
    "from 0": np.tile(np.arange(T), (B, 1)),
    "padded": np.array([[0, 1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 1, 2, 3]]),
    "with a cache": np.array([[400, 401, 402, 403, 404, 405, 406], [17, 18, 19, 20, 21, 22, 23]]),
}


def queries_and_keys():
    """Four heads of queries and two of keys."""
    random = np.random.default_rng(0)
    return random.standard_normal((B, 4, T, DIM)), random.standard_normal((B, 2, T, DIM))


@OURS
@ORACLES
@pytest.mark.parametrize("n", [DIM // 2, 3], ids=["all turns", "a part turns"])
@pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS)
def test_turned_queries_and_keys(rope, layout, oracle, n, positions):
    theta = frequencies.rope(2 * n, base=10000.0)
    for x in queries_and_keys():
        found = rope(x, positions[:, None], theta, layout=layout)
        assert np.allclose(found, oracle(x, positions, theta), rtol=0, atol=1e-12)


@ORACLES
def test_the_other_layout_is_told_apart(layout, oracle):
    """Else the test above would show nothing."""
    [other] = THEIRS.keys() - {layout}
    theta, (q, _), positions = frequencies.rope(DIM, base=10000.0), queries_and_keys(), POSITIONS["from 0"]
    found = in_numpy(q, positions[:, None], theta, layout=other)
    assert np.abs(found - oracle(q, positions, theta)).max() > 1


# Theirs with the tables that they make themselves, in float32: angles are off by the position's rounding, 406 · 6e-8


def own_llama(x, positions):
    parameters = {"rope_type": "default", "rope_theta": 10000.0}
    config = LlamaConfig(hidden_size=4 * DIM, num_attention_heads=4, rope_parameters=parameters)
    cos, sin = modeling_llama.LlamaRotaryEmbedding(config)(x, positions)
    return modeling_llama.apply_rotary_pos_emb(x, x, cos, sin)[0]


def own_gpt_j(x, positions):
    config = GPTJConfig(n_embd=4 * DIM, n_head=4, rotary_dim=DIM)
    sin, cos = modeling_gptj.GPTJRotaryEmbedding(config)(x, positions)
    return modeling_gptj.apply_rotary_pos_emb(x.transpose(1, 2), sin, cos).transpose(1, 2)


def own_lucidrains(x, positions):
    module = rotary_embedding_torch.RotaryEmbedding(dim=DIM)
    return rotary_embedding_torch.apply_rotary_emb(module(positions)[:, None], x).detach()


def own_x_transformers(x, positions):
    return x_transformers.apply_rotary_pos_emb(x, *x_transformers.RotaryEmbedding(DIM)(positions))


@pytest.mark.parametrize("theirs", [own_llama, own_gpt_j, own_lucidrains, own_x_transformers])
def test_with_their_own_tables(theirs):
    layout = "half" if theirs is own_llama else "interleaved"
    positions = torch.tensor(POSITIONS["with a cache"])
    for x in queries_and_keys():
        x = torch.tensor(x, dtype=torch.float32)
        ours = posenc_lib.torch.rope(x, positions[:, None], frequencies.rope(DIM, base=10000.0), layout=layout)
        assert (ours - theirs(x, positions)).abs().max() < 2e-4
