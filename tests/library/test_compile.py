"""torch.compile and torch.export: one graph, any length, and no digit lost."""

import pathlib
import re
import shutil
import sysconfig

import pytest
import torch

from posenc_lib import frequencies
from posenc_lib.torch import Rope, Sinusoidal, alibi_bias, alibi_slopes, attention, learned, rope, sinusoidal, t5_bucket

FAR = [0, 1, 257, 999_983, 9_999_991, 10_000_000]


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


class Graphs:
    """A backend that runs what it is given and keeps it, to count compilations and look at them."""

    def __init__(self):
        self.seen = []

    def __call__(self, graph, _):
        self.seen.append(graph)
        return graph.forward


CAN_COMPILE = shutil.which("g++") and (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists()


@pytest.mark.skipif(not CAN_COMPILE, reason="the default backend needs g++ and Python.h")
def test_digits_survive_the_default_backend(error):
    """The one test that runs generated code: NumPy traced naively is float32, off by 0.1 out here."""
    compiled = torch.compile(lambda p: sinusoidal(p, 64), fullgraph=True)
    assert error(compiled(torch.tensor(FAR)), FAR, 64).max() < 2e-7


def test_digits_survive_tracing(error):
    compiled = torch.compile(lambda p: sinusoidal(p, 64), fullgraph=True, backend=Graphs())
    assert error(compiled(torch.tensor(FAR)), FAR, 64).max() < 2e-7


@pytest.mark.parametrize("dynamic", [None, True])
def test_frequencies_are_a_constant_of_the_graph(dynamic):
    """Else each call raises the base to dim/2 powers, in generated code for every position."""
    graphs = Graphs()
    torch.compile(lambda p: sinusoidal(p, 64), fullgraph=True, dynamic=dynamic, backend=graphs)(torch.arange(3))
    assert len(graphs.seen) == 1 and "pow" not in graphs.seen[0].code


def test_bases_and_dims_of_one_compiled_function(error):
    """From the second value on, the compiler holds a changed number as a symbol."""
    compiled = torch.compile(
        lambda x, p, base: x + sinusoidal(p, x.shape[-1], base=base), fullgraph=True, backend=Graphs()
    )
    for dim, base in [(8, 1e4), (8, 5e5), (16, 1e6), (24, 1e6), (8, 1e4)]:
        found = compiled(torch.zeros(len(FAR), dim), torch.tensor(FAR), base)
        assert error(found, FAR, dim, base).max() < 2e-7


def test_one_graph_for_every_length():
    graphs, module = Graphs(), Sinusoidal(8)
    compiled = torch.compile(module, fullgraph=True, backend=graphs)
    for length in (3, 5, 9, 64, 2):
        x = torch.randn(2, length, 8)
        assert torch.equal(compiled(x), module(x))
    assert len(graphs.seen) <= 2  # the first length as a constant, then any


def test_length_marked_dynamic():
    graphs = Graphs()
    compiled = torch.compile(Sinusoidal(8), fullgraph=True, dynamic=True, backend=graphs)
    for length in (3, 5, 9):
        assert torch.equal(compiled(torch.zeros(2, length, 8)), Sinusoidal(8)(torch.zeros(2, length, 8)))
    assert len(graphs.seen) == 1


def test_step_by_step_in_one_graph():
    graphs, module = Graphs(), Sinusoidal(8)
    compiled = torch.compile(module, fullgraph=True, backend=graphs)
    for step in range(4):
        x = torch.zeros(2, 1, 8)
        assert torch.equal(compiled(x, torch.tensor([step])), module(x, [step]))
    assert len(graphs.seen) == 1


def test_range_of_a_length_inside():
    compiled = torch.compile(lambda x: x + sinusoidal(range(x.shape[0]), 8), fullgraph=True, backend=Graphs())
    for length in (3, 5, 9):
        assert torch.equal(compiled(torch.zeros(length, 8)), sinusoidal(range(length), 8))


def test_gradients_of_positions():
    gradients = []
    for function in (sinusoidal, torch.compile(sinusoidal, fullgraph=True, backend="aot_eager")):
        positions = torch.tensor([0.5, 1000.25], requires_grad=True)
        function(positions, 8).sum().backward()
        gradients.append(positions.grad)
    assert torch.allclose(*gradients)


def test_learned():
    compiled = torch.compile(learned, fullgraph=True, backend=Graphs())
    table = torch.randn(9, 4)
    for length in (3, 5, 9):
        assert torch.equal(compiled(torch.arange(length), table), table[:length])
    for beyond in (-1, 9):
        with pytest.raises(IndexError):  # PyTorch's own
            compiled(torch.tensor([0, beyond]), table)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_attention(causal, with_bias):
    graphs = Graphs()
    compiled = torch.compile(attention, fullgraph=True, backend=graphs)
    for length in (3, 5, 9, 17):
        x, bias = torch.randn(2, length, 4), torch.randn(length, length) if with_bias else None
        eager = attention(x, x, x, bias=bias, causal=causal)
        assert torch.allclose(compiled(x, x, x, bias=bias, causal=causal), eager, atol=1e-6)
    assert len(graphs.seen) <= 2


def test_alibi():
    graphs = Graphs()
    compiled = torch.compile(alibi_bias, fullgraph=True, backend=graphs)
    for length in (3, 5, 9, 17):
        queries, keys = torch.arange(length), torch.arange(2 * length)
        assert torch.equal(compiled(6, queries, keys), alibi_bias(6, queries, keys))
    assert len(graphs.seen) <= 2
    assert "tensor(" not in graphs.seen[0].code, "slopes are a constant of the graph"
    for heads in (1, 8, 12):
        assert torch.equal(compiled(heads, queries, keys), alibi_bias(heads, queries, keys))
        assert torch.equal(torch.compile(alibi_slopes, fullgraph=True, backend=graphs)(heads), alibi_slopes(heads))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_t5_bucket(bidirectional):
    graphs = Graphs()
    compiled = torch.compile(t5_bucket, fullgraph=True, backend=graphs)
    for length in (30, 50, 90, 170):
        relative = torch.arange(length)[None, :] - torch.arange(length)[:, None]
        eager = t5_bucket(relative, bidirectional=bidirectional)
        assert torch.equal(compiled(relative, bidirectional=bidirectional), eager)
    assert len(graphs.seen) <= 2
    assert "tensor(" not in graphs.seen[0].code, "boundaries are a constant of the graph"
    for buckets in (8, 64, 320):
        settings = {"bidirectional": bidirectional, "num_buckets": buckets, "max_distance": 10 * buckets}
        assert torch.equal(compiled(relative, **settings), t5_bucket(relative, **settings))


@pytest.mark.skipif(not CAN_COMPILE, reason="the default backend needs g++ and Python.h")
def test_biases_on_the_default_backend():
    positions = torch.arange(100, 300)
    biases = lambda p: (alibi_bias(12, p, p), t5_bucket(p[None, :] - p[:, None]))  # noqa: E731
    alibi, buckets = torch.compile(biases, fullgraph=True)(positions)
    assert torch.equal(buckets, biases(positions)[1])
    assert torch.allclose(alibi, biases(positions)[0], rtol=2e-7, atol=0)


THETA = frequencies.rope(8, base=10000.0)
LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "half"])


def compiled_rope(layout, backend, **options):
    return torch.compile(lambda x, p, theta=THETA: rope(x, p, theta, layout=layout),
                         fullgraph=True, backend=backend, **options)  # fmt: skip


@LAYOUTS
@pytest.mark.parametrize("theta", [THETA, THETA.tolist(), torch.tensor(THETA)], ids=["array", "list", "tensor"])
@pytest.mark.parametrize("dim", [8, 11])
def test_rope_in_one_graph_for_every_length(layout, theta, dim):
    """Out where float32 angles are off by 0.6."""
    graphs = Graphs()
    compiled = compiled_rope(layout, graphs)
    for length in (3, 5, 9, 64, 2):
        x, positions = torch.randn(2, 3, length, dim), torch.arange(length) + 9_999_000
        eager = rope(x, positions, THETA, layout=layout)
        assert torch.allclose(compiled(x, positions, theta), eager, rtol=0, atol=1e-6)
    assert len(graphs.seen) <= 2  # the first length as a constant, then any
    assert "complex" not in "".join(graph.code for graph in graphs.seen)


@LAYOUTS
def test_rope_in_half_precision_is_rounded_once(layout):
    x, positions = torch.randn(3, 999, 11).bfloat16(), torch.arange(999) + 9_999_000
    found = compiled_rope(layout, Graphs())(x, positions)
    assert found.dtype == torch.bfloat16
    assert (found != rope(x, positions, THETA, layout=layout)).float().mean() < 1e-3  # ties that 1e-7 tips over


@LAYOUTS
def test_rope_step_by_step_with_padding_in_one_graph(layout):
    graphs = Graphs()
    compiled = compiled_rope(layout, graphs)
    for step in range(4):
        x, positions = torch.randn(2, 3, 1, 8), torch.tensor([step, step - 2]).reshape(2, 1, 1)
        assert torch.allclose(compiled(x, positions), rope(x, positions, THETA, layout=layout), rtol=0, atol=1e-6)
    assert len(graphs.seen) == 1


@LAYOUTS
def test_rope_errors_survive_tracing(layout):
    with pytest.raises(Exception, match=r"write \(B, 1, T\), which is positions"):
        compiled_rope(layout, Graphs())(torch.zeros(2, 3, 5, 8), torch.zeros(2, 5))


@LAYOUTS
def test_gradients_of_rope(layout):
    gradients = []
    for function in (compiled_rope(layout, "eager"), compiled_rope(layout, "aot_eager"), None):
        x = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0))
        positions = torch.tensor([0.5, 7, 1000.25])
        x.requires_grad_(), positions.requires_grad_()
        found = function(x, positions) if function else rope(x, positions, THETA, layout=layout)
        found.square().cumsum(0).sum().backward()
        gradients.append((x.grad, positions.grad))
    for found in gradients[:2]:
        assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(found, gradients[2], strict=True))


@LAYOUTS
@pytest.mark.parametrize("in_place", [False, True])
def test_rope_with_a_factor_and_out(layout, in_place):
    graphs = Graphs()
    compiled = torch.compile(rope, fullgraph=True, backend=graphs)
    for length in (3, 5, 9):
        x, positions = torch.randn(2, length, 11), torch.arange(length) + 9_999_000
        eager = rope(x, positions, THETA, layout=layout, attention_factor=1.25)
        out = x if in_place else torch.empty_like(x)
        assert compiled(x, positions, THETA, layout=layout, attention_factor=1.25, out=out) is out
        assert torch.allclose(out, eager, rtol=0, atol=1e-6)
    assert len(graphs.seen) <= 2


@LAYOUTS
@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("dim", [8, 11])
def test_the_module_in_one_graph_for_every_length(layout, dynamic, dim):
    graphs, turn = Graphs(), Rope(THETA, layout=layout, attention_factor=1.25)
    compiled = torch.compile(turn, fullgraph=True, dynamic=dynamic, backend=graphs)
    for length in (3, 5, 9, 64, 2):
        q, k = torch.randn(2, 4, length, dim), torch.randn(2, 2, length, dim)
        positions = torch.arange(length) + 9_999_000
        for found, eager in zip(compiled(q, k, positions), turn(q, k, positions), strict=True):
            assert torch.allclose(found, eager, rtol=0, atol=1e-6)
    assert len(graphs.seen) == (1 if dynamic else 2)  # without a word the first length as a constant, then any
    assert all(graph.code.count(".sin()") == 1 for graph in graphs.seen), "one table for q and k"


@LAYOUTS
def test_the_module_step_by_step_with_padding_in_one_graph(layout):
    graphs, turn = Graphs(), Rope(THETA, layout=layout).bfloat16()
    compiled = torch.compile(turn, fullgraph=True, backend=graphs)
    for step in range(4):
        q, positions = torch.randn(2, 3, 1, 8).bfloat16(), torch.tensor([step, step - 2]).reshape(2, 1, 1)
        for found, eager in zip(compiled(q, q, positions), turn(q, q, positions), strict=True):
            assert torch.allclose(found, eager, rtol=2**-7, atol=0)
    assert len(graphs.seen) == 1


def test_the_module_with_a_cache_of_keys_in_one_graph():
    graphs, turn = Graphs(), Rope(THETA, layout="half")
    compiled = torch.compile(turn, fullgraph=True, dynamic=True, backend=graphs)
    for count in (5, 9, 17):
        inputs = torch.randn(2, 3, 1, 8), torch.randn(2, 3, count, 8), torch.tensor([count - 1]), torch.arange(count)
        for found, eager in zip(compiled(*inputs), turn(*inputs), strict=True):
            assert torch.allclose(found, eager, rtol=0, atol=1e-6)
    assert len(graphs.seen) == 1


@LAYOUTS
def test_gradients_through_the_compiled_module(layout):
    turn, gradients = Rope(THETA, layout=layout), []
    for function in (turn, torch.compile(turn, fullgraph=True, backend="aot_eager")):
        q, k = torch.randn(2, 2, 3, 11, generator=torch.Generator().manual_seed(0)).requires_grad_().unbind()
        q.retain_grad(), k.retain_grad()
        turned_q, turned_k = function(q, k, torch.tensor([0, 7, 9_999_000]))
        (turned_q.square().cumsum(0) * turned_k).sum().backward()
        gradients.append((q.grad, k.grad))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("strict", [False, True])
def test_export_of_the_module_with_any_length(strict):
    turn, length = Rope(THETA, layout="half"), torch.export.Dim("length", min=2, max=10**6)
    inputs = (torch.zeros(1, 3, 8), torch.zeros(1, 3, 8), torch.arange(3))
    exported = torch.export.export(turn, inputs, dynamic_shapes=({1: length}, {1: length}, {0: length}), strict=strict)
    assert exported.state_dict == {}
    q, k = torch.randn(2, 1, len(FAR), 8)
    for found, eager in zip(exported.module()(q, k, torch.tensor(FAR)), turn(q, k, FAR), strict=True):
        assert torch.allclose(found, eager, rtol=0, atol=1e-6)


@pytest.mark.skipif(not CAN_COMPILE, reason="the default backend needs g++ and Python.h")
def test_rope_by_the_default_backend():
    """Generated code: the digits survive, and no loop over the seven heads encloses the table's sines."""
    from torch._inductor.utils import run_and_get_code

    x, positions = torch.randn(7, 40, 8), torch.arange(40) + 9_999_000
    found, [code] = run_and_get_code(torch.compile(rope, fullgraph=True), x, positions, THETA)
    assert torch.allclose(found, rope(x, positions, THETA), rtol=0, atol=1e-6)
    loops = re.findall(r"x\d+<static_cast<int64_t>\((\d+)L\)", code[: code.index("sin(")])
    assert loops and all(int(end) % 7 for end in loops)


@LAYOUTS
def test_export_of_rope_with_any_length(layout):
    class Turn(torch.nn.Module):
        def forward(self, x, positions):
            return rope(x, positions, THETA, layout=layout)

    length = torch.export.Dim("length", min=2, max=10**6)
    exported = torch.export.export(
        Turn(), (torch.zeros(1, 3, 8), torch.arange(3)), dynamic_shapes={"x": {1: length}, "positions": {0: length}}
    )
    x = torch.randn(1, len(FAR), 8)
    found = exported.module()(x, torch.tensor(FAR))
    assert torch.allclose(found, rope(x, FAR, THETA, layout=layout), rtol=0, atol=1e-6)


@pytest.mark.parametrize("strict", [False, True])
def test_export_with_any_length(strict, error):
    length = torch.export.Dim("length", min=2, max=10**6)
    shapes = {"x": {1: length}, "positions": {0: length}}
    exported = torch.export.export(
        Sinusoidal(8), (torch.zeros(1, 3, 8), torch.arange(3)), dynamic_shapes=shapes, strict=strict
    )
    assert exported.state_dict == {}
    found = exported.module()(torch.zeros(1, len(FAR), 8), torch.tensor(FAR))
    assert error(found[0], FAR, 8).max() < 2e-7
