"""torch.compile and torch.export: one graph, any length, and no digit lost."""

import pathlib
import shutil
import sysconfig

import pytest
import torch

from posenc_lib.torch import Sinusoidal, attention, learned, sinusoidal

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
