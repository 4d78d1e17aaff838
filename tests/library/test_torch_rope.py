"""What the PyTorch twin of rope adds: dtype, device, strides, autograd and transforms."""

import warnings

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy
from posenc_lib import frequencies
from posenc_lib.torch import _angles, rope

THETA = frequencies.rope(8, base=10000.0)
FAR = torch.arange(9_999_000, 10_000_000)
LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "half"])


def draw(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def exact(x, positions, layout, theta=THETA):
    """The NumPy twin's, which is within 3e-9 of the truth out to ten million."""
    positions = positions.numpy() if isinstance(positions, torch.Tensor) else positions
    return torch.from_numpy(posenc_lib.numpy.rope(x.double().numpy(), positions, theta, layout=layout))


# Precision


@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("dim", [8, 11])
def test_half_precision_is_the_exact_value_rounded_once(layout, dtype, dim):
    x = draw(4, len(FAR), dim).to(dtype)
    truth = exact(x, FAR, layout)
    found = rope(x, FAR, THETA, layout=layout)
    assert found.dtype == dtype
    rms = lambda error: error.double().pow(2).mean().sqrt()  # noqa: E731
    assert rms(found - truth) < 1.001 * rms(truth.to(dtype) - truth)
    assert (found != truth.to(dtype)).double().mean() < 1e-3  # ties that 1e-7 tips over
    assert torch.equal(found[..., 8:], x[..., 8:])


@LAYOUTS
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-6), (torch.float64, 1e-8)])
def test_dtype_of_x_decides_the_precision(layout, dtype, bound):
    """bound: for |x| up to 5, 3e-7 of it, or what float64 angles leave at ten million."""
    x = draw(4, len(FAR), 8, dtype=dtype)
    found = rope(x, FAR, THETA, layout=layout)
    assert found.dtype == dtype
    assert (found - exact(x, FAR, layout)).abs().max() < bound


@LAYOUTS
def test_autocast_leaves_the_turn_alone(layout):
    x = draw(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = rope(x, FAR[:5], THETA, layout=layout)
    assert torch.equal(found, rope(x, FAR[:5], THETA, layout=layout))


def test_float32_frequencies_turn_by_what_they_are():
    theta = torch.tensor(THETA, dtype=torch.float32)
    x = draw(len(FAR), 8)
    assert (rope(x, FAR, theta) - exact(x, FAR, "interleaved", theta.double().numpy())).abs().max() < 2e-6


# Strides: no layout of the memory is refused, and x is copied only where it must be

STRIDES = {
    "heads transposed": lambda: draw(2, 5, 3, 12).transpose(1, 2),
    "dims not adjacent": lambda: draw(2, 3, 12, 5).transpose(2, 3),
    "an odd step from token to token": lambda: draw(2, 3, 5, 13)[..., :12],
    "an odd offset": lambda: draw(2, 3, 5, 14)[..., 1:13],
    "every other dimension": lambda: draw(2, 3, 5, 24)[..., ::2],
    "one token for all": lambda: draw(2, 3, 1, 12).expand(2, 3, 5, 12),
    "a part of q, k and v in one": lambda: draw(2, 5, 3 * 36).unflatten(-1, (3, 36))[..., 12:24].transpose(1, 2),
}


@LAYOUTS
@pytest.mark.parametrize("n", [6, 4])
@pytest.mark.parametrize("make", STRIDES.values(), ids=STRIDES)
def test_strides(layout, n, make):
    x, theta = make(), THETA[0] / np.arange(1, n + 1)
    before = x.clone()
    found = rope(x, range(5), theta, layout=layout)
    assert (found - exact(x, range(5), layout, theta)).abs().max() < 2e-6
    assert torch.equal(x, before)


def test_transposed_heads_are_not_copied():
    """The result lies in memory as x does, so the way back to (B, T, heads · dim) is free too."""
    x = draw(2, 5, 3, 8).transpose(1, 2)
    for layout in ("interleaved", "half"):
        assert rope(x, range(5), THETA, layout=layout).stride() == x.stride()


# Autograd and transforms


@LAYOUTS
@pytest.mark.parametrize("dim", [8, 11])
def test_gradients(layout, dim):
    x = draw(2, 1, 3, dim, dtype=torch.float64).requires_grad_()
    positions = draw(2, 1, 3, dtype=torch.float64).requires_grad_()
    theta = torch.tensor(THETA, requires_grad=True)
    turn = lambda *inputs: rope(*inputs, layout=layout)  # noqa: E731
    assert torch.autograd.gradcheck(turn, (x, positions, theta))
    assert torch.autograd.gradgradcheck(turn, (x, positions, theta))


@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_way_back_is_the_turn_back(layout, dtype):
    """A rotation's transpose is its inverse: the gradient of x is the gradient turned by −m."""
    x, gradient = draw(3, 11, dtype=dtype).requires_grad_(), draw(3, 11).to(dtype)
    rope(x, FAR[:3], THETA, layout=layout).backward(gradient)
    turned_back = rope(gradient, -FAR[:3], THETA, layout=layout)
    assert x.grad.dtype == dtype
    assert torch.allclose(x.grad, turned_back, rtol=torch.finfo(dtype).eps, atol=1e-6)


@LAYOUTS
def test_the_gradient_carries_the_factor(layout):
    """A scaled rotation's transpose is the factor times the turn back; the rest passes as it is."""
    x, gradient = draw(3, 11).requires_grad_(), draw(3, 11)
    rope(x, FAR[:3], THETA, layout=layout, attention_factor=1.5).backward(gradient)
    turned_back = rope(gradient, -FAR[:3], THETA, layout=layout, attention_factor=1.5)
    assert torch.allclose(x.grad, turned_back, rtol=1e-6, atol=1e-6)


@LAYOUTS
def test_gradients_of_learned_frequencies_in_half_precision(layout):
    """Queries are bfloat16, frequencies float64: their gradient is summed in float32, not in bfloat16."""
    theta = torch.tensor(THETA, requires_grad=True)
    x, gradient = draw(4, 500, 11).bfloat16().requires_grad_(), draw(4, 500, 11).bfloat16()
    rope(x, range(500), theta, layout=layout).backward(gradient)
    wide = torch.tensor(THETA, requires_grad=True)
    turned_plainly(x.detach().double(), torch.arange(500), wide, layout).backward(gradient.double())
    assert torch.allclose(theta.grad, wide.grad, rtol=1e-4, atol=1e-2)


@LAYOUTS
def test_the_way_back_is_one_step_and_keeps_no_x(layout):
    """What a step of training must hold: a table, and no query. Learned frequencies need x, and get it."""
    for theta, kept in ((torch.tensor(THETA), 2), (torch.tensor(THETA, requires_grad=True), 3)):
        x = draw(3, 8).requires_grad_()
        step = rope(x, range(3), theta, layout=layout).grad_fn
        assert step.next_functions[0][0].variable is x
        assert len(step.saved_tensors) == kept


def test_no_graph_where_none_is_wanted():
    x = draw(3, 8).requires_grad_()
    assert rope(x, range(3), THETA).requires_grad
    assert not rope(x.detach(), range(3), THETA).requires_grad
    with torch.no_grad():
        assert not rope(x, range(3), THETA).requires_grad
    with torch.inference_mode():
        assert not rope(x, range(3), THETA, layout="half").requires_grad


@LAYOUTS
@pytest.mark.parametrize("dim", [8, 11])
def test_vmap(layout, dim):
    x, positions = draw(2, 3, 5, dim), torch.arange(10).reshape(2, 5)
    whole = rope(x, positions[:, None], THETA, layout=layout)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        each = torch.vmap(lambda x, p: rope(x, p, THETA, layout=layout))(x, positions)
        last = torch.vmap(lambda x: rope(x, range(5), THETA, layout=layout), in_dims=-1)(x.movedim(0, -1))
    assert torch.equal(each, whole)
    assert torch.equal(last, rope(x, range(5), THETA, layout=layout))


@LAYOUTS
def test_forward_mode(layout):
    """Linear in x: the derivative along a direction is the direction turned."""
    x, direction = draw(2, 3, 8)
    turn = lambda x: rope(x, range(3), THETA, layout=layout)  # noqa: E731
    _, slope = torch.func.jvp(turn, (x,), (direction,))
    assert torch.allclose(slope, turn(direction), atol=1e-6)


def turned_plainly(x, positions, theta, layout):
    """The definition in a line each, for derivatives that PyTorch takes by itself."""
    n, angles = len(theta), positions[..., None] * theta
    a, b = (x[..., :n], x[..., n : 2 * n]) if layout == "half" else (x[..., : 2 * n : 2], x[..., 1 : 2 * n : 2])
    turned = torch.stack((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()))
    pairs = torch.cat(tuple(turned), dim=-1) if layout == "half" else turned.movedim(0, -1).flatten(-2)
    return torch.cat((pairs, x[..., 2 * n :]), dim=-1)


TRANSFORMS = {
    "the gradient": lambda f, i: torch.func.grad(f, argnums=i),
    "the Hessian, forward over reverse": lambda f, i: torch.func.hessian(f, argnums=i),
    "the Hessian, reverse over reverse": lambda f, i: torch.func.jacrev(torch.func.jacrev(f, argnums=i), argnums=i),
    "the Hessian, reverse over forward": lambda f, i: torch.func.jacrev(torch.func.jacfwd(f, argnums=i), argnums=i),
    "mixed with x": lambda f, i: torch.func.jacfwd(torch.func.grad(f, argnums=0), argnums=i),
    "mixed with positions": lambda f, i: torch.func.jacrev(torch.func.grad(f, argnums=i), argnums=1),
    "of every sequence": lambda f, i: lambda x, p, t: torch.vmap(torch.func.grad(f, argnums=i), (0, None, None))(
        torch.stack((x, 2 * x)), p, t
    ),
    "of a sum over positions": lambda f, i: torch.func.grad(
        lambda x, p, t: torch.vmap(f, (None, 0, None))(x, torch.stack((p, 2 * p)), t).sum(), argnums=i
    ),
}


@LAYOUTS
@pytest.mark.parametrize("dim", [8, 9])
@pytest.mark.parametrize("argument", [0, 1, 2], ids=["x", "positions", "frequencies"])
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_agree_with_the_definition(layout, dim, argument, transform):
    """A gradient that a transform lost on its way would be a zero, and no error."""
    inputs = draw(3, dim, dtype=torch.float64), torch.tensor([0.5, -2.0, 7.25]).double(), torch.tensor(THETA)
    ours = transform(lambda x, p, t: rope(x, p, t, layout=layout).pow(3).sum(), argument)
    plain = transform(lambda x, p, t: turned_plainly(x, p, t, layout).pow(3).sum(), argument)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        found = ours(*inputs)
    assert torch.allclose(found, plain(*inputs), rtol=1e-9, atol=1e-9)


@LAYOUTS
@pytest.mark.parametrize("shape", [(3, 8), (3, 9), (2, 3, 11)])
def test_forward_mode_of_frequencies_beside_a_graph(layout, shape):
    """x asks for a gradient and the frequencies have a tangent: both go through one call."""
    x, positions = draw(*shape, dtype=torch.float64).requires_grad_(), torch.tensor([0.5, -2.0, 7.25]).double()
    with torch.autograd.forward_ad.dual_level():
        theta = torch.autograd.forward_ad.make_dual(torch.tensor(THETA), torch.ones(4).double())
        found, wanted = (
            torch.autograd.forward_ad.unpack_dual(turn(x, positions, theta, layout=layout)).tangent
            for turn in (rope, turned_plainly)
        )
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)


# out


@LAYOUTS
@pytest.mark.parametrize("dim", [8, 11])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_out_in_other_dtypes(layout, dim, dtype):
    x = draw(2, 3, 5, dim, dtype=dtype)
    wanted = rope(x, FAR[:5], THETA, layout=layout)
    out = torch.full_like(x, torch.nan)
    assert rope(x, FAR[:5], THETA, layout=layout, out=out) is out
    assert torch.allclose(out, wanted, rtol=torch.finfo(dtype).eps, atol=1e-6)
    rope(x, FAR[:5], THETA, layout=layout, out=x)
    assert torch.allclose(x, wanted, rtol=torch.finfo(dtype).eps, atol=1e-6)


@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("make", [make for name, make in STRIDES.items() if name != "one token for all"])
def test_out_of_any_strides(layout, dtype, make):
    x = draw(2, 3, 5, 12).to(dtype)
    wanted = rope(x, range(5), THETA, layout=layout)
    out = torch.empty(0, dtype=dtype).set_(torch.zeros(999, dtype=dtype).untyped_storage(), 1, x.shape, make().stride())
    rope(x, range(5), THETA, layout=layout, out=out)
    assert torch.allclose(out, wanted, rtol=torch.finfo(dtype).eps, atol=1e-6)
    out.copy_(x)
    rope(out, range(5), THETA, layout=layout, out=out)
    assert torch.allclose(out, wanted, rtol=torch.finfo(dtype).eps, atol=1e-6)


@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_out_in_which_tokens_share_memory(layout, dtype):
    """PyTorch refuses to write there, before anything is written."""
    out = torch.zeros(2, 3, 1, 12, dtype=dtype).expand(2, 3, 5, 12)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        rope(draw(2, 3, 5, 12).to(dtype), range(5), THETA, layout=layout, out=out)
    assert not out.any()


@LAYOUTS
def test_queries_in_place_in_a_projection_of_q_k_and_v(layout):
    """A view of x's memory that is another object: in place all the same, and k and v stay."""
    qkv = draw(2, 5, 3 * 8)
    before = qkv.clone()
    rope(qkv[..., :8], range(5), THETA, layout=layout, out=qkv[..., :8])
    assert torch.allclose(qkv[..., :8], rope(before[..., :8], range(5), THETA, layout=layout), rtol=0, atol=1e-6)
    assert torch.equal(qkv[..., 8:], before[..., 8:])


class Allocations(torch.utils._python_dispatch.TorchDispatchMode):
    """The largest fresh tensor that any operation returns."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        seen = {y.untyped_storage()._cdata for y in torch.utils._pytree.tree_leaves((args, kwargs))
                if isinstance(y, torch.Tensor)}  # fmt: skip
        result = function(*args, **(kwargs or {}))
        for y in torch.utils._pytree.tree_leaves(result):
            if isinstance(y, torch.Tensor) and y.untyped_storage()._cdata not in seen:
                self.largest = max(self.largest, y.numel() * y.element_size())
        return result


@pytest.mark.parametrize(("layout", "in_place", "part"), [("interleaved", False, 0), ("interleaved", True, 0),
                                                          ("half", False, 0), ("half", True, 1 / 2)])  # fmt: skip
def test_out_allocates_what_it_says(layout, in_place, part):
    """Of x's 64 heads; the table is that of one head."""
    x = draw(64, 6, 8)
    out = x if in_place else torch.empty_like(x)
    with Allocations() as found:
        rope(x, range(6), THETA, layout=layout, out=out)
    assert max(part, 1 / 32) * x.numel() * 4 >= found.largest >= part * x.numel() * 4


@pytest.mark.parametrize("asking", ["x", "positions", "frequencies", "out"])
def test_out_and_a_gradient(asking):
    x, positions, theta, out = draw(3, 8), torch.arange(3.0), torch.tensor(THETA), torch.empty(3, 8)
    {"x": x, "positions": positions, "frequencies": theta, "out": out}[asking].requires_grad_()
    with pytest.raises(RuntimeError) as refusal:
        rope(x, positions, theta, out=out)
    assert str(refusal.value) == (
        "rope: out= cannot be differentiated, and one of the arguments requires a gradient. "
        "Leave out= away, or call it under torch.no_grad()."
    )
    with torch.no_grad():
        assert torch.equal(rope(x, positions, theta, out=out), rope(x, positions, theta))


def test_out_that_is_refused():
    x = draw(3, 8)
    with pytest.raises(TypeError) as refusal:
        rope(x, range(3), THETA, out=np.zeros((3, 8)))
    assert str(refusal.value) == "rope: out must be a torch.Tensor, got ndarray."
    for out, given in (
        (torch.zeros(1, 8), "(1, 8) torch.float32 on cpu"),
        (torch.zeros(3, 8).double(), "(3, 8) torch.float64 on cpu"),
        (torch.zeros(3, 8, device="meta"), "(3, 8) torch.float32 on meta"),
    ):
        with pytest.raises(ValueError) as refusal:
            rope(x, range(3), THETA, out=out)
        assert str(refusal.value) == (
            f"rope: out must have x's shape, dtype and device, (3, 8) torch.float32 on cpu; got {given}."
        )


@LAYOUTS
def test_out_on_the_meta_device_and_as_fake_tensors(layout):
    x = torch.zeros(2, 3, 9, device="meta")
    for out in (x, torch.zeros_like(x)):
        assert rope(x, range(3), THETA, layout=layout, out=out) is out
    with FakeTensorMode():
        x = torch.zeros(2, 3, 9)
        for out in (x, torch.zeros_like(x)):
            assert rope(x, torch.arange(3), THETA, layout=layout, out=out) is out


# Devices


@LAYOUTS
def test_device_of_x(layout):
    x = torch.zeros(2, 3, 8, device="meta", dtype=torch.bfloat16)
    for positions in (torch.arange(3, device="meta"), range(3), [0.0, 1, 2], np.arange(3)):
        for theta in (THETA, THETA.tolist(), torch.tensor(THETA), torch.tensor(THETA, device="meta")):
            found = rope(x, positions, theta, layout=layout)
            assert (found.device.type, found.dtype, found.shape) == ("meta", torch.bfloat16, x.shape)


def test_default_device_does_not_matter():
    x = draw(3, 8)
    with torch.device("meta"):
        found = [rope(x, p, THETA.tolist()) for p in (range(3), [0.0, 1, 2], np.arange(3))]
    assert all(torch.equal(turned, rope(x, range(3), THETA)) for turned in found)


def test_devices_that_differ():
    x, meta = draw(3, 8), torch.zeros(3, device="meta")
    with pytest.raises(ValueError) as refusal:
        rope(x, meta, THETA)
    assert str(refusal.value) == "rope: positions are on meta, x is on cpu. Move one to the other."
    with pytest.raises(ValueError) as refusal:
        rope(x.to("meta"), torch.arange(3), THETA)
    assert str(refusal.value) == "rope: positions are on cpu, x is on meta. Move one to the other."
    with pytest.raises(ValueError) as refusal:
        rope(x, range(3), meta)
    assert str(refusal.value) == "rope: frequencies are on meta, x is on cpu. Move one to the other."


@LAYOUTS
def test_device_without_float64(monkeypatch, layout):
    """Apple's has none. No such device here: the path is taken on the CPU, and must stay right."""
    monkeypatch.setattr(_angles, "DEVICES_WITHOUT_FLOAT64", {"cpu"})
    x = draw(len(FAR), 8)
    assert (rope(x, FAR, THETA, layout=layout) - exact(x, FAR, layout)).abs().max() < 2e-6


@LAYOUTS
def test_fake_tensors(layout):
    """What torch.export and memory planners run a model with."""
    with FakeTensorMode():
        assert rope(torch.zeros(2, 3, 9), torch.arange(3), THETA, layout=layout).shape == (2, 3, 9)


# What may be passed, and what is refused


def test_x_that_is_no_tensor():
    """Taken as the NumPy twin takes it, in float64, a negative stride included."""
    for x in ([[1.0, 0.0]], np.array([[0.0, 1.0]])[:, ::-1]):
        found = rope(x, [1], [1.0])
        assert found.dtype == torch.float64
        assert torch.equal(found, torch.tensor([[np.cos(1), np.sin(1)]]))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_x_that_is_not_floating(dtype):
    with pytest.raises(TypeError) as refusal:
        rope(torch.ones(3, 8).to(dtype), range(3), THETA)
    assert str(refusal.value) == f"rope: x must be floating, as its result is, got {dtype}."


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_half_precision_frequencies(dtype):
    with pytest.raises(TypeError) as refusal:
        rope(draw(3, 8), range(3), torch.ones(2).to(dtype))
    assert str(refusal.value) == f"rope: frequencies are {dtype}, which turns far positions wrongly. Pass float64."


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex128])
def test_frequencies_that_are_no_real_numbers(dtype):
    with pytest.raises(TypeError) as refusal:
        rope(draw(3, 8), range(3), torch.ones(2).to(dtype))
    assert str(refusal.value) == f"rope: frequencies must be integers or real numbers, got {dtype}."


def test_half_precision_positions():
    with pytest.raises(TypeError, match=r"^rope: positions are torch.bfloat16, which cannot tell 256 from 257\. "):
        rope(draw(3, 8), torch.arange(3).bfloat16(), THETA)
