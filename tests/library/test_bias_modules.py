"""The modules Alibi and T5Bias: what a checkpoint holds of them, dtype, device, gradient, copies and the compiler."""

import copy
import io
import pickle

import pytest
import torch

from posenc_lib.torch import Alibi, T5Bias, alibi_bias, attention, t5_bias


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


def filled(**settings):
    """T5Bias with a table that tells all its entries apart."""
    module = T5Bias(3, **settings)
    torch.nn.init.normal_(module.weight, generator=torch.Generator().manual_seed(0))
    return module


def test_alibi_is_its_formula():
    positions = torch.tensor([[3, 4], [0, 7]]), torch.arange(10).reshape(2, 5)
    assert torch.equal(Alibi(6)(*positions), alibi_bias(6, *positions))
    for dtype in (torch.bfloat16, torch.float64):
        assert torch.equal(Alibi(6)(*positions, dtype=dtype), alibi_bias(6, *positions, dtype=dtype))
    assert repr(Alibi(6)) == "Alibi(num_heads=6)"


@pytest.mark.parametrize("settings", [{}, {"bidirectional": False}, {"num_buckets": 16, "max_distance": 20}], ids=repr)
def test_t5_bias_is_its_formula(settings):
    module = filled(**settings)
    positions = torch.tensor([[150, 4], [0, 179]]), torch.arange(180).repeat(2, 1)
    others = {key: value for key, value in settings.items() if key != "num_buckets"}
    expected = t5_bias(module.weight, *positions, **others)
    assert torch.equal(module(*positions), expected) and expected.unique().numel() > 20
    assert torch.equal(module(*positions, dtype=torch.bfloat16), expected.bfloat16())
    assert module.weight.shape == (settings.get("num_buckets", 32), 3)


def test_settings_are_shown():
    assert repr(T5Bias(3)) == "T5Bias(num_heads=3, num_buckets=32, max_distance=128, bidirectional=True)"
    shown = repr(T5Bias(2, num_buckets=7, max_distance=9, bidirectional=False))
    assert shown == "T5Bias(num_heads=2, num_buckets=7, max_distance=9, bidirectional=False)"


# What a checkpoint holds


def test_alibi_brings_nothing_that_a_checkpoint_must_hold():
    module = Alibi(8)
    assert [*module.parameters(), *module.buffers()] == [] and module.state_dict() == {}


def test_the_table_is_all_that_a_checkpoint_holds_of_t5s():
    module = filled()
    assert [*module.state_dict()] == ["weight"] and [*module.buffers()] == []
    other = T5Bias(3)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(range(9), range(9)), module(range(9), range(9)))


def test_a_released_table_is_loaded_by_one_line():
    from transformers import T5Config, T5EncoderModel

    config = T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=2, num_heads=3, vocab_size=9)
    checkpoint = T5EncoderModel(config).state_dict()
    name = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    bias = T5Bias(3)
    bias.load_state_dict({"weight": checkpoint[name]})
    assert torch.equal(bias.weight, checkpoint[name]) and bias.weight.std() > 0.1


def test_a_new_table_prefers_no_distance():
    assert not T5Bias(4)(range(300), range(300)).any()


@pytest.mark.parametrize("module", [Alibi(3), filled()], ids=["alibi", "t5"])
@pytest.mark.parametrize("way", ["deepcopy", "pickle", "save"])
def test_copies(module, way):
    if way == "save":
        buffer = io.BytesIO()
        torch.save(module, buffer)
        buffer.seek(0)
        other = torch.load(buffer, weights_only=False)
    else:
        other = copy.deepcopy(module) if way == "deepcopy" else pickle.loads(pickle.dumps(module))
    assert torch.equal(other(range(5), range(7)), module(range(5), range(7)))


# Device and dtype


def test_born_without_memory():
    """As large models are: on the meta device, then given memory, then filled."""
    with torch.device("meta"):
        alibi, bias = Alibi(3), T5Bias(3)
    assert bias.weight.is_meta and bias(range(4), range(5)).is_meta
    bias.to_empty(device="cpu")
    torch.nn.init.ones_(bias.weight)
    bias.reset_parameters()
    assert torch.equal(bias(range(4), range(5)), torch.zeros(3, 4, 5))
    assert torch.equal(alibi(range(4), range(5)), Alibi(3)(range(4), range(5)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_cast_to_another_dtype(dtype):
    """Distances stay integers: bfloat16 would take 257 for 256."""
    module = filled(num_buckets=600, max_distance=2000, bidirectional=False)
    found = copy.deepcopy(module).to(dtype)([299], range(300))
    assert found.dtype == dtype and torch.equal(found, module([299], range(300)).to(dtype))
    assert torch.equal(Alibi(3).to(dtype)([1000], range(1000)), Alibi(3)([1000], range(1000)))


def test_positions_that_are_no_tensor_go_to_the_table():
    with torch.device("meta"):
        on_cpu = torch.zeros(32, 3, device="cpu")
    module = T5Bias(3)
    module.load_state_dict({"weight": on_cpu})
    with torch.device("meta"):
        assert module(range(3), [0]).device.type == "cpu"
    with pytest.raises(ValueError, match=r"^t5_bias: table is on cpu, query_positions are on meta\. Move one to the"):
        module(torch.zeros(2, dtype=torch.int64, device="meta"), [0])


# Training


def test_the_table_learns_where_keys_stand():
    """A target that only a table of distances can reach: each token looks at the one before it."""
    module, tokens = T5Bias(1, num_buckets=8, max_distance=16, bidirectional=False), torch.eye(6)
    zeros = torch.zeros(1, 6, 6)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        found = attention(zeros, zeros, tokens[None], bias=module(range(6), range(6)), causal=True)[0]
        loss = (found[1:] - tokens[:-1]).square().sum()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3 and module.weight.argmax() == 1


def test_no_gradient_where_none_is_wanted():
    module = filled()
    with torch.no_grad():
        assert not module(range(3), range(3)).requires_grad
    assert module(range(3), range(3)).requires_grad and not Alibi(3)(range(3), range(3)).requires_grad


# The compiler


class Graphs:
    """A backend that runs what it is given and keeps it, to count compilations."""

    def __init__(self):
        self.seen = []

    def __call__(self, graph, _):
        self.seen.append(graph)
        return graph.forward


@pytest.mark.parametrize("module", [Alibi(6), filled(), filled(bidirectional=False)], ids=["alibi", "t5", "decoder"])
def test_one_graph_for_every_length(module):
    graphs = Graphs()
    compiled = torch.compile(module, fullgraph=True, backend=graphs)
    for length in (30, 50, 90, 170):
        positions = torch.arange(length), torch.arange(2 * length)
        assert torch.equal(compiled(*positions), module(*positions))
    assert len(graphs.seen) <= 2  # the first length as a constant, then any
    assert not any("tensor(" in graph.code for graph in graphs.seen), "slopes and boundaries are constants of the graph"


@pytest.mark.parametrize("module", [Alibi(6), filled(bidirectional=False)], ids=["alibi", "t5"])
def test_step_by_step_in_one_graph(module):
    """A cache of fixed size, as compiled decoding has: the step is a tensor, no number of the graph."""
    graphs = Graphs()
    compiled = torch.compile(module, fullgraph=True, backend=graphs)
    for step in range(4):
        positions = torch.tensor([step]), torch.arange(9)
        assert torch.equal(compiled(*positions), module(*positions))
    assert len(graphs.seen) == 1


def test_compiled_gradient():
    module = filled()
    gradients = []
    for function in (module, torch.compile(module, fullgraph=True, backend="aot_eager")):
        module.zero_grad()
        function(torch.arange(40), torch.arange(50)).square().sum().backward()
        gradients.append(module.weight.grad)
    assert torch.allclose(*gradients)


@pytest.mark.parametrize("module", [Alibi(3), filled()], ids=["alibi", "t5"])
def test_export_with_any_length(module):
    length = torch.export.Dim("length", min=2, max=10**6)
    positions = torch.arange(5), torch.arange(5)
    exported = torch.export.export(module, positions, dynamic_shapes=({0: length}, {0: length}))
    assert set(exported.state_dict) == set(module.state_dict())
    longer = torch.arange(200), torch.arange(200)
    assert torch.equal(exported.module()(*longer), module(*longer))


# What is refused


@pytest.mark.parametrize("module", [Alibi, T5Bias])
def test_heads(module):
    with pytest.raises(ValueError, match=rf"^{module.__name__}: num_heads must be at least 1, got 0\.$"):
        module(0)
    with pytest.raises(TypeError, match=rf"^{module.__name__}: num_heads must be an integer, got 8\.0 \(float\)\.$"):
        module(8.0)


def test_buckets():
    with pytest.raises(ValueError, match=r"^T5Bias: num_buckets must be even when bidirectional"):
        T5Bias(8, num_buckets=33)
    with pytest.raises(ValueError, match=r"^T5Bias: max_distance must be above 8, "):
        T5Bias(8, max_distance=8)
    assert T5Bias(8, num_buckets=33, bidirectional=False).weight.shape == (33, 8)


def test_fractional_positions():
    with pytest.raises(TypeError, match=r"^t5_bias: query_positions must be integers, "):
        T5Bias(8)([0.5], [0])
