"""The module Rope: what the function says, once for q and k, and frequencies that nothing done to a model changes."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy
from posenc_lib import frequencies
from posenc_lib.torch import Rope, _angles, rope, rope_module

THETA = frequencies.rope(8, base=10000.0)
LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "half"])
FAR = torch.arange(9_999_000, 9_999_005)


def draw(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def module(layout="half", **options):
    return Rope(THETA, layout=layout, **options)


def exact(x, positions, layout="half", factor=1.0):
    """The NumPy twin's, which is within 3e-9 of the truth at these positions."""
    turned = posenc_lib.numpy.rope(
        x.detach().double().numpy(), np.asarray(positions), THETA, layout=layout, attention_factor=factor
    )
    return torch.from_numpy(turned)


# What it returns


@LAYOUTS
@pytest.mark.parametrize("dim", [8, 11])
@pytest.mark.parametrize("factor", [1.0, 1.25])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-8), (torch.float32, 3e-6), (torch.bfloat16, 0.04)])
def test_q_and_k_turn_as_rope_turns_them(layout, dim, factor, dtype, bound):
    q, k = draw(2, 4, 5, dim, dtype=dtype), draw(2, 1, 5, dim, dtype=dtype, seed=1)
    found = module(layout, attention_factor=factor)(q, k, FAR)
    for x, turned in zip((q, k), found, strict=True):
        assert turned.dtype == dtype and turned.shape == x.shape
        assert (turned - exact(x, FAR, layout, factor)).abs().max() < bound
        assert torch.equal(turned, rope(x, FAR, THETA, layout=layout, attention_factor=factor))


@pytest.mark.parametrize("keys", [range(9), torch.arange(9), np.arange(9.0), list(range(9))], ids=type)
def test_keys_at_positions_of_their_own(keys):
    """One query over nine keys, as with a cache that keeps keys unturned."""
    q, k = draw(2, 4, 1, 8), draw(2, 2, 9, 8, seed=1)
    turned_q, turned_k = module()(q, k, [8], keys)
    assert torch.equal(turned_q, rope(q, [8], THETA, layout="half"))
    assert torch.equal(turned_k, rope(k, range(9), THETA, layout="half"))


def test_the_same_positions_for_keys_of_another_shape():
    q, k, positions = draw(2, 4, 5, 8), draw(5, 8, seed=1), torch.arange(5)
    turned_q, turned_k = module()(q, k, positions, positions)
    assert torch.equal(turned_q, rope(q, positions, THETA, layout="half"))
    assert torch.equal(turned_k, rope(k, positions, THETA, layout="half"))


def test_left_padding_and_step_by_step():
    q, k = draw(2, 4, 6, 8), draw(2, 2, 6, 8, seed=1)
    positions = torch.tensor([[0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 3]])[:, None]
    turn = module()
    whole = turn(q, k, positions)
    assert torch.equal(whole[0], rope(q, positions, THETA, layout="half"))
    for t in range(6):
        step = turn(q[:, :, t : t + 1], k[:, :, t : t + 1], positions[:, :, t : t + 1])
        for now, all_at_once in zip(step, whole, strict=True):
            assert torch.allclose(now, all_at_once[:, :, t : t + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("key_positions", "tables"), [((), 1), ((FAR,), 1), ((FAR.clone(),), 2)], ids=["none", "the same", "others"]
)
def test_sines_are_computed_once_where_that_will_do(monkeypatch, key_positions, tables):
    computed = []
    once = lambda *arguments: computed.append(1) or _angles.angles_of_turns(*arguments)  # noqa: E731
    monkeypatch.setattr(rope_module, "angles_of_turns", once)
    module()(draw(2, 4, 5, 8), draw(2, 4, 5, 8), FAR, *key_positions)
    assert len(computed) == tables


def test_gradients_reach_what_came_before():
    q, k = draw(2, 5, 8).requires_grad_(), draw(2, 5, 8, seed=1).requires_grad_()
    turned_q, turned_k = module()(q, k, FAR)
    gradient = draw(2, 5, 8, seed=2)
    torch.autograd.backward((turned_q, turned_k), (gradient, 2 * gradient))
    back = exact(gradient, -FAR)
    assert torch.allclose(q.grad.double(), back, atol=3e-6) and torch.allclose(k.grad.double(), 2 * back, atol=6e-6)


def test_gradients_of_positions():
    q, k, m = (draw(*shape, dtype=torch.float64, seed=seed) for seed, shape in enumerate([(3, 8), (3, 8), (3,)]))
    assert torch.autograd.gradcheck(lambda m: module()(q, k, m), m.requires_grad_())


# What is done to a model


def in_a_model():
    """As the only child of a model that has a parameter, so that casts and moves find something to do."""
    return torch.nn.ModuleDict({"linear": torch.nn.Linear(8, 8), "rope": module()})


CASTS = {
    "half": torch.nn.Module.half,
    "bfloat16": torch.nn.Module.bfloat16,
    "to": lambda model: model.to(torch.bfloat16),
    "to a device and a dtype": lambda model: model.to("cpu", torch.float16),
    "type": lambda model: model.type(torch.float16),
    "float": torch.nn.Module.float,
}


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS)
def test_no_cast_rounds_the_frequencies(cast):
    """bfloat16 frequencies would be off by tens of turns out here."""
    model = cast(in_a_model())
    q = draw(2, 5, 8)
    assert torch.equal(model["rope"](q, q, FAR)[0], module()(q, q, FAR)[0])
    assert model["rope"].frequencies.dtype == torch.float64


def test_nothing_in_the_state_dict():
    model = in_a_model()
    assert set(model.state_dict()) == {"linear.weight", "linear.bias"}
    assert not list(model["rope"].parameters()) and not list(model["rope"].buffers())
    model.load_state_dict(torch.nn.ModuleDict({"linear": torch.nn.Linear(8, 8)}).state_dict())  # an older checkpoint


@pytest.mark.parametrize("theta", [THETA, THETA.tolist(), torch.tensor(THETA)], ids=type)
def test_made_on_the_meta_device(theta):
    """As large models are: made there, then given memory, whose content is whatever it was."""
    with torch.device("meta"):
        model = torch.nn.ModuleDict({"linear": torch.nn.Linear(8, 8), "rope": Rope(theta, layout="half")})
        q = torch.zeros(2, 5, 8, dtype=torch.bfloat16)
        turned, _ = model["rope"](q, q, range(5))
        assert (turned.device.type, turned.dtype, turned.shape) == ("meta", torch.bfloat16, q.shape)
    model.to_empty(device="cpu")
    q = draw(2, 5, 8)
    assert torch.equal(model["rope"](q, q, FAR)[0], module()(q, q, FAR)[0])


def test_follows_the_model_to_a_device_and_back():
    """Else a GPU would be sent the frequencies in each call."""
    model = in_a_model().to("meta")
    assert model["rope"]._turns.is_meta
    assert model["rope"].frequencies.tolist() == THETA.tolist()
    model.to_empty(device="cpu")
    q = draw(2, 5, 8)
    assert torch.equal(model["rope"](q, q, FAR)[0], module()(q, q, FAR)[0])


def test_input_on_a_device_where_the_model_was_not_moved():
    q = torch.zeros(2, 5, 8, device="meta")
    assert module()(q, q, torch.arange(5, device="meta"))[1].is_meta


def test_default_device_does_not_matter():
    q = draw(2, 5, 8)
    with torch.device("meta"):
        found = module()(q, q, range(5), [0.0, 1, 2, 3, 4])
    assert all(torch.equal(turned, rope(q, range(5), THETA, layout="half")) for turned in found)


def test_a_parameter_that_someone_adds_is_cast_as_ever():
    turn = module()
    turn.scale = torch.nn.Parameter(torch.ones(1))
    assert turn.half() is turn and turn.scale.dtype == torch.float16


def test_device_without_float64(monkeypatch):
    """Apple's has none: the frequencies stay on the CPU, and so do the angles. Taken here as if meta were one."""
    monkeypatch.setattr(rope_module, "DEVICES_WITHOUT_FLOAT64", {"meta"})
    assert module().to("meta")._turns.device.type == "cpu"
    monkeypatch.setattr(_angles, "DEVICES_WITHOUT_FLOAT64", {"cpu"})
    q = draw(2, 5, 8)
    assert (module()(q, q, FAR)[0] - exact(q, FAR)).abs().max() < 3e-6


def through_torch_save(turn):
    file = io.BytesIO()
    torch.save(turn, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "torch.save": through_torch_save,
}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
def test_copies(again):
    turn = module("interleaved", attention_factor=1.5)
    q = draw(2, 5, 8)
    copied = again(turn)
    assert all(torch.equal(a, b) for a, b in zip(copied(q, q, FAR), turn(q, q, FAR), strict=True))


def test_the_caller_s_frequencies_are_not_shared():
    theta = torch.tensor(THETA)
    turn, q = Rope(theta, layout="half"), draw(2, 5, 8)
    theta.zero_()
    assert turn.frequencies.tolist() == THETA.tolist()
    assert torch.equal(turn(q, q, FAR)[0], module()(q, q, FAR)[0])


def test_fake_tensors_and_inference_mode():
    with FakeTensorMode(allow_non_fake_inputs=True):
        q = torch.zeros(2, 5, 8)
        assert module()(q, q, torch.arange(5))[0].shape == q.shape
    with torch.inference_mode():
        q = draw(2, 5, 8)
        assert not module()(q, q, FAR)[0].requires_grad


def test_printed():
    assert repr(module(attention_factor=1.5)) == "Rope(4 frequencies, layout='half', attention_factor=1.5)"


# What is refused, and in which words


def test_layout_has_no_default():
    with pytest.raises(TypeError, match="layout"):
        Rope(THETA)
    with pytest.raises(ValueError, match=r"^Rope: unknown layout 'neox'\. 'interleaved' pairs dimensions "):
        Rope(THETA, layout="neox")


@pytest.mark.parametrize(
    ("theta", "error", "said"),
    [
        ([], ValueError, "Rope: frequencies is empty, so nothing would turn. To leave x as it is, do not call Rope."),
        ([[1.0]], ValueError, "Rope: frequencies must have one axis, got (1, 1)."),
        ([np.nan], ValueError, "Rope: frequencies must be finite, got values from nan to nan."),
        (np.float16([1]), TypeError,
         "Rope: frequencies are torch.float16, which turns far positions wrongly. Pass float64."),
        (torch.ones(1, device="meta"), ValueError,
         "Rope: frequencies are on the meta device, which keeps no values. Pass a NumPy array."),
        (torch.ones(1, requires_grad=True), ValueError,
         "Rope: frequencies require a gradient, and this module keeps them as constants. Make them a parameter of "
         "your own module and call rope(x, positions, frequencies) with it."),
    ],
    ids=["none", "a matrix", "NaN", "half precision", "meta", "learned"],
)  # fmt: skip
def test_frequencies_that_are_refused(theta, error, said):
    with pytest.raises(error) as refusal:
        Rope(theta, layout="half")
    assert str(refusal.value) == said


def test_attention_factor_that_is_refused():
    with pytest.raises(ValueError, match=r"^Rope: attention_factor must be finite and above 0, got 0\."):
        module(attention_factor=0)


@pytest.mark.parametrize(
    ("k", "kind", "said"),
    [
        (torch.zeros(2, 5, 8).bfloat16(), TypeError,
         "expected one floating dtype for all, got q torch.float32, k torch.bfloat16."),
        (torch.zeros(2, 5, 8, device="meta"), ValueError, "q is on cpu, k is on meta. Move one to the other."),
    ],
)  # fmt: skip
def test_q_and_k_that_differ(k, kind, said):
    with pytest.raises(kind) as refusal:
        module()(torch.zeros(2, 5, 8), k, range(5))
    assert str(refusal.value) == f"Rope: {said}"


def test_q_and_k_that_are_not_floating():
    with pytest.raises(TypeError) as refusal:
        module()(torch.ones(5, 8).long(), torch.ones(5, 8).long(), range(5))
    assert str(refusal.value) == "Rope: expected one floating dtype for all, got q torch.int64, k torch.int64."


def test_keys_of_another_length_without_positions():
    with pytest.raises(ValueError) as refusal:
        module()(torch.zeros(2, 1, 8), torch.zeros(2, 5, 8), [4])
    assert str(refusal.value) == (
        "Rope: q (2, 1, 8) and k (2, 5, 8) have different numbers of tokens. Pass key_positions too."
    )


@pytest.mark.parametrize("name", ["q", "k"])
@pytest.mark.parametrize("key_positions", [(), (range(5),)], ids=["shared", "given"])
def test_shapes_that_do_not_fit_are_named(name, key_positions):
    shapes = {"q": (2, 3, 5, 8), "k": (2, 3, 5, 8)}
    shapes[name] = (2, 3, 5, 7)
    with pytest.raises(ValueError, match=rf"^Rope: every frequency turns .* and {name} \(2, 3, 5, 7\) has 7\."):
        module()(*(torch.zeros(shape) for shape in shapes.values()), range(5), *key_positions)


def test_positions_of_every_head_do_not_fit_fewer():
    with pytest.raises(ValueError, match=r"^Rope: positions \(2, 4, 5\) do not fit k \(2, 2, 5, 8\)\."):
        module()(torch.zeros(2, 4, 5, 8), torch.zeros(2, 2, 5, 8), torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match=r"^Rope: positions \(2, 5\) do not fit q .* write \(B, 1, T\)"):
        module()(torch.zeros(2, 4, 5, 8), torch.zeros(2, 4, 5, 8), torch.zeros(2, 5))


@pytest.mark.parametrize("shape", [(), (8,)])
def test_q_or_k_without_a_token_axis(shape):
    for q, k, name in ((shape, (1, 8), "q"), ((1, 8), shape, "k")):
        with pytest.raises(ValueError) as refusal:
            module()(torch.zeros(q), torch.zeros(k), [0])
        assert str(refusal.value) == f"Rope: {name} must be (..., T, dim), got {shape}."


def test_positions_that_are_refused():
    q, meta = torch.zeros(2, 5, 8), torch.arange(5, device="meta")
    for positions, name in (((meta,), "q"), ((range(5), meta), "k")):
        with pytest.raises(ValueError) as refusal:
            module()(q, q, *positions)
        assert str(refusal.value) == f"Rope: positions are on meta, {name} is on cpu. Move one to the other."
    with pytest.raises(TypeError, match=r"^Rope: positions are torch.bfloat16, which cannot tell 256 from 257\."):
        module()(q, q, torch.arange(5).bfloat16())
    with pytest.raises(ValueError, match=r"^Rope: positions must be finite and below 2\*\*53"):
        module()(q, q, [0, 1, 2, 3, np.inf])
