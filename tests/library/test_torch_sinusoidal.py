"""What the PyTorch twin of sinusoidal adds: device, dtype, autograd, transforms, and the module Sinusoidal."""

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from posenc_lib.torch import Sinusoidal, _angles, sinusoidal


def test_device_and_default_dtype():
    found = sinusoidal(torch.zeros(2, 3, dtype=torch.int64, device="meta"), 4)
    assert (found.device.type, found.dtype, found.shape) == ("meta", torch.float32, (2, 3, 4))
    torch.set_default_dtype(torch.float64)
    try:
        assert sinusoidal([0.5], 4).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_default_device_holds_for_what_is_no_tensor():
    with torch.device("meta"):
        assert sinusoidal(range(3), 4).device.type == "meta"
        assert sinusoidal([0.5], 4).device.type == "meta"


def test_device_without_float64(monkeypatch, error):
    """Apple's has none. No such device here: the path is taken on the CPU, and must ask it for no float64."""
    monkeypatch.setattr(_angles, "DEVICES_WITHOUT_FLOAT64", {"cpu"})
    positions = [0, 1, 9_999_991]
    assert error(sinusoidal(torch.tensor(positions), 8), positions, 8).max() < 2e-7


@pytest.mark.parametrize("dtype", ["float32", torch.int64, torch.complex64, float], ids=repr)
def test_dtype_that_is_no_floating_torch_dtype(dtype):
    with pytest.raises(TypeError) as refusal:
        sinusoidal([1], 4, dtype=dtype)
    assert str(refusal.value) == f"sinusoidal: dtype must be a floating torch.dtype, to hold sines; got {dtype!r}."


def test_gradients():
    positions = torch.tensor([0.0, 0.5, -3.0, 1000.25], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: sinusoidal(p, 6, dtype=torch.float64), positions)
    assert torch.autograd.gradgradcheck(lambda p: sinusoidal(p, 6, dtype=torch.float64), positions)


def test_no_graph_where_none_is_wanted():
    positions = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not sinusoidal(positions, 4).requires_grad
    with torch.inference_mode():
        assert not sinusoidal(positions, 4).requires_grad
    assert not sinusoidal(torch.arange(3), 4).requires_grad


def test_functional_transforms():
    positions, expected = torch.arange(3.0), sinusoidal(range(3), 4)
    assert torch.equal(torch.vmap(lambda p: sinusoidal(p, 4))(positions), expected)
    assert torch.equal(torch.vmap(lambda p: sinusoidal(p, 4))(torch.arange(3)), expected)
    slope = torch.func.jacfwd(lambda p: sinusoidal(p, 4))(torch.tensor(1.0))
    assert torch.allclose(slope, torch.tensor([0.54030231, -0.84147098, 0.00999950, -0.00009999833]))


def test_fake_tensors():
    """What torch.export and memory planners run a model with."""
    with FakeTensorMode():
        assert sinusoidal(torch.arange(3), 4).shape == (3, 4)


def test_autocast_leaves_the_angles_alone():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(sinusoidal([9_999_991], 8), sinusoidal([9_999_991], 8, dtype=torch.float32))


# The module


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.encode, self.head = torch.nn.Embedding(5, 8), Sinusoidal(8), torch.nn.Linear(8, 5)

    def forward(self, tokens, positions=None):
        return self.head(self.encode(self.embed(tokens), positions))


def test_adds_the_encoding():
    x = torch.randn(2, 3, 8)
    assert torch.equal(Sinusoidal(8)(x), x + sinusoidal(range(3), 8))
    assert torch.equal(Sinusoidal(8, base=100)(x), x + sinusoidal(range(3), 8, base=100))
    assert repr(Sinusoidal(8, base=1234567)) == "Sinusoidal(dim=8, base=1234567.0)"


def test_brings_nothing_that_a_checkpoint_must_hold():
    model, module = Model(), Sinusoidal(8)
    assert [*module.parameters(), *module.buffers()] == [] and module.state_dict() == {}
    assert set(model.state_dict()) == {"embed.weight", "head.weight", "head.bias"}
    other, tokens = Model(), torch.tensor([[1, 2, 3]])
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(other(tokens), model(tokens))


def saved_and_loaded(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), saved_and_loaded])
def test_copies(duplicate):
    module, x = Sinusoidal(8, base=500.0), torch.zeros(2, 8)
    module(x)
    assert torch.equal(duplicate(module)(x), module(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_casting_the_model_rounds_only_the_result(dtype, exact):
    positions = [0, 1, 257, 2049, 9_999_991]
    found = Sinusoidal(8).to(dtype)(torch.zeros(5, 8, dtype=dtype), positions)
    assert found.dtype == dtype
    error = (found.double() - torch.from_numpy(exact(positions, 8))).abs().max()
    assert error <= torch.finfo(dtype).eps / 4 + (1e-8 if dtype == torch.float64 else 1.5e-7)


def test_positions_left_out_are_counted_in_integers_beside_x():
    """In bfloat16 they would stop at 256; on the default device they would miss x."""
    x = torch.zeros(300, 8, dtype=torch.bfloat16)
    with torch.device("meta"):
        found = Sinusoidal(8)(x)
    assert torch.equal(found, sinusoidal(range(300), 8, dtype=torch.bfloat16))


def test_step_by_step_is_one_pass():
    x, module = torch.randn(2, 6, 8), Sinusoidal(8)
    steps = [module(x[:, t : t + 1], torch.tensor([t])) for t in range(6)]
    assert torch.equal(torch.cat(steps, dim=1), module(x))
    assert torch.equal(module(x[:, 4:], range(4, 6)), module(x)[:, 4:])


def test_no_stale_cache():
    module, x = Sinusoidal(8), torch.zeros(20, 8)
    short, long, short_again = module(x[:3]), module(x), module(x[:3])
    assert torch.equal(long[:3], short) and torch.equal(short_again, short)
    assert torch.equal(long, sinusoidal(range(20), 8))
    assert torch.equal(module(x[:3].double()), sinusoidal(range(3), 8, dtype=torch.float64))


def test_padding_on_the_left():
    """Positions (B, T): the token after the padding is at 0 again."""
    module, x = Sinusoidal(8), torch.zeros(2, 4, 8)
    padded = module(x, torch.tensor([[0, 1, 2, 3], [0, 0, 0, 1]]))
    assert torch.equal(padded[0], module(x)[0])
    assert torch.equal(padded[1, 2:], module(x)[0, :2])


def test_positions_of_size_one_stand_for_every_sequence():
    x = torch.randn(2, 3, 5, 8)
    positions = torch.arange(5).reshape(1, 1, 5)
    assert torch.equal(Sinusoidal(8)(x, positions), Sinusoidal(8)(x))


@pytest.mark.parametrize("shape", [(3, 0, 8), (0, 3, 8), (0, 8)])
def test_nothing_to_encode(shape):
    assert Sinusoidal(8)(torch.zeros(shape)).shape == shape


def test_input_that_is_not_contiguous_and_is_left_alone():
    x = torch.randn(8, 3, 2).permute(2, 1, 0)
    before = x.clone()
    assert torch.equal(Sinusoidal(8)(x), x.contiguous() + sinusoidal(range(3), 8))
    assert torch.equal(x, before)


def test_gradients_pass_through():
    x = torch.randn(2, 3, 8, requires_grad=True)
    Sinusoidal(8)(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(2, 3, 8))


def test_meta_device():
    x = torch.zeros(2, 3, 8, device="meta")
    assert Sinusoidal(8)(x).device.type == "meta"
    assert Sinusoidal(8)(x, [5, 6, 7]).device.type == "meta"


# Errors


@pytest.mark.parametrize("shape", [(2, 3, 6), (8,), ()])
def test_input_of_another_shape(shape):
    with pytest.raises(ValueError) as refusal:
        Sinusoidal(8)(torch.zeros(shape))
    assert str(refusal.value) == f"Sinusoidal: x must be (..., T, 8), got {shape}."


def test_token_ids():
    with pytest.raises(TypeError) as refusal:
        Sinusoidal(8)(torch.zeros(2, 8, dtype=torch.int64))
    assert str(refusal.value) == (
        "Sinusoidal: x must hold embeddings, got torch.int64. Embed token ids before this module."
    )


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (2, 1), (3, 3), (1, 2, 3), (2, 3, 1)])
def test_positions_that_would_broadcast_or_do_not_fit(shape):
    """(1,), (2, 1) and () broadcast: every token would silently get one position."""
    with pytest.raises(ValueError) as refusal:
        Sinusoidal(8)(torch.zeros(2, 3, 8), torch.zeros(shape))
    assert str(refusal.value) == (
        f"Sinusoidal: positions {shape} do not fit x (2, 3, 8). Pass one position a token, shape (3,), "
        "or one for each axis of x before dim, such as (2, 3)."
    )


def test_positions_on_another_device():
    with pytest.raises(ValueError) as refusal:
        Sinusoidal(8)(torch.zeros(3, 8), torch.zeros(3, device="meta"))
    assert str(refusal.value) == "Sinusoidal: positions are on meta, x is on cpu. Move one to the other."


def test_positions_in_half_precision():
    with pytest.raises(TypeError, match=r"^Sinusoidal: positions are torch.bfloat16, which cannot tell 256 from 257"):
        Sinusoidal(8)(torch.zeros(3, 8), torch.zeros(3, dtype=torch.bfloat16))


def test_dim_and_base_are_checked_when_it_is_made():
    with pytest.raises(ValueError, match=r"^Sinusoidal: dim must be even and at least 2"):
        Sinusoidal(7)
    with pytest.raises(ValueError, match=r"^Sinusoidal: base must be finite and at least 1"):
        Sinusoidal(8, base=0)


def test_importing_the_twin_does_not_import_the_compiler():
    code = "import sys, posenc_lib.torch; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
