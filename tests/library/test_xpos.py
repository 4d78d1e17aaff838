"""xpos, both twins: the authors' code, x-transformers and rotary-embedding-torch at applied q and k, and 50 digits."""

import sys
import warnings

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib import frequencies
from posenc_lib.torch import xpos

THETA = frequencies.rope(8, base=10000.0)
FAR = np.array([0, 1, -1, 512, 1000, -1234, 35_000, -35_600, 0.5, -77.25])
ROLES = pytest.mark.parametrize("role", ["query", "key"])
LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "half"])


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


# What others compute. All of them take the exponent from the middle of the sequence, and the angle from its start.


def torchscale(x, role, offset=0):
    """XPOS.forward of microsoft/torchscale, torchscale/component/xpos_relative_position.py; x (B, T, dim)."""
    dim, length = x.shape[-1], x.shape[1]
    min_pos = -(length + offset) // 2
    max_pos = length + offset + min_pos
    scale = (torch.arange(0, dim, 2) + 0.4 * dim) / (1.4 * dim)
    scale = scale ** torch.arange(min_pos, max_pos, 1).to(scale).div(512)[:, None]
    inv_freq = 1.0 / (10000 ** (torch.arange(0, dim // 2) / (dim // 2)))
    angles = torch.einsum("i , j -> i j", torch.arange(0, length + offset, dtype=torch.float), inv_freq)
    sin, cos, scale = angles.sin()[-length:], angles.cos()[-length:], scale[-length:]
    if role == "key":
        scale = 1 / scale
    sin, cos = (torch.repeat_interleave(t * scale, 2, dim=-1) for t in (sin, cos))
    rotated = torch.stack((-x[:, :, 1::2], x[:, :, ::2]), dim=-1).flatten(-2)
    return x * cos + rotated * sin, min_pos


def x_transformers(x, role):
    from x_transformers.x_transformers import RotaryEmbedding, apply_rotary_pos_emb

    angles, scale = RotaryEmbedding(x.shape[-1], use_xpos=True).forward_from_seq_len(x.shape[1])
    return apply_rotary_pos_emb(x, angles, scale if role == "query" else scale**-1.0), -(x.shape[1] // 2)


def rotary_embedding_torch(x, role):
    from rotary_embedding_torch import RotaryEmbedding

    with torch.no_grad():
        both = RotaryEmbedding(x.shape[-1], use_xpos=True).rotate_queries_and_keys(x, x)
    return both[role == "key"], -(x.shape[1] // 2)


@ROLES
@pytest.mark.parametrize("other", [torchscale, x_transformers, rotary_embedding_torch])
@pytest.mark.parametrize("length", [1, 2, 7, 64, 1001])
def test_others_at_applied_queries_and_keys(twin, role, other, length):
    """At m + middle the factor is theirs, and the angle once turned back by the middle."""
    x = torch.tensor(draw(3, length, 32), dtype=torch.float32)
    theirs, middle = other(x, role)
    theta = frequencies.rope(32, base=10000.0)
    found = twin.pe.xpos(twin.array(x.numpy()), range(middle, middle + length), theta, role=role)
    found = np.asarray(pe.rope(found, [-middle] * length, theta))
    assert np.allclose(found, theirs, rtol=0, atol=1e-6 * max(40, length))  # their angles are float32


@pytest.mark.parametrize("offset", [0, 5, 300])
def test_the_authors_logits_with_a_cache(twin, offset):
    """`multihead_attention.py` hands queries the cache's length as offset, and keys none."""
    q, k = (torch.tensor(x, dtype=torch.float32) for x in (draw(2, 4, 32), draw(2, 4 + offset, 32, seed=1)))
    theirs = torchscale(q, "query", offset)[0] @ torchscale(k, "key")[0].transpose(1, 2)
    theta = frequencies.rope(32, base=10000.0)
    new, all_ = range(offset, offset + 4), range(offset + 4)
    q, k = (np.asarray(twin.pe.xpos(twin.array(x.numpy()), positions, theta, role=role))
            for x, positions, role in ((q, new, "query"), (k, all_, "key")))  # fmt: skip
    logits = q @ k.swapaxes(1, 2)
    assert np.allclose(logits, theirs, rtol=0, atol=1e-3)


# The definition


@ROLES
@LAYOUTS
@pytest.mark.parametrize(("scale_base", "gamma"), [(512.0, 0.4), (512, 1), (2000.0, 0.01), (1e6, 30.0)])
@pytest.mark.parametrize("dim", [8, 11])
def test_pair_by_pair_to_50_digits(twin, role, layout, scale_base, gamma, dim):
    x, sign = draw(len(FAR), dim), 1 if role == "query" else -1
    settings = {"role": role, "layout": layout, "scale_base": scale_base, "gamma": gamma}
    found = np.asarray(twin.pe.xpos(twin.array(x), FAR, THETA, **settings))
    for t, i in np.ndindex(len(FAR), 4):
        a, b = (2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + 4)
        with mpmath.workdps(50):
            zeta = (mpmath.mpf(i) / 4 + mpmath.mpf(gamma)) / (1 + mpmath.mpf(gamma))
            factor = zeta ** (sign * mpmath.mpf(FAR[t]) / scale_base)
            exact = factor * mpmath.mpc(x[t, a], x[t, b]) * mpmath.expj(mpmath.mpf(FAR[t]) * mpmath.mpf(THETA[i]))
            wrong = abs(mpmath.mpc(found[t, a], found[t, b]) - exact) / abs(exact)
        assert wrong < max(1, abs(FAR[t])) * 5e-16
    assert found[:, 8:].tobytes() == x[:, 8:].tobytes()


def test_what_holds_unless_said_otherwise(twin):
    x = twin.array(draw(3, 8))
    plain = twin.pe.xpos(x, [1, 500, 1000], THETA, role="query")
    said = twin.pe.xpos(x, [1, 500, 1000], THETA, role="query", scale_base=512.0, gamma=0.4, layout="interleaved")
    assert np.array_equal(plain, said)


@LAYOUTS
@given(st.integers(-3000, 3000), st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_dot_products_see_only_how_far_apart(layout, m, n, shift):
    """Pair by pair they are rope's times ζ_i^((m − n)/512)."""
    q, k = draw(2, 1, 8)
    places = [(2 * i, 2 * i + 1) for i in range(4)] if layout == "interleaved" else [(i, i + 4) for i in range(4)]
    for module in (pe, posenc_lib.torch):
        def turned(m, n, turn=module.xpos):
            return [np.asarray(turn(x, [p], THETA, role=role, layout=layout))[0]
                    for x, p, role in ((q, m, "query"), (k, n, "key"))]  # fmt: skip

        (a, b), (c, d) = turned(m, n), turned(m + shift, n + shift)
        ropes = [np.asarray(module.rope(x, [p], THETA, layout=layout))[0] for x, p in ((q, m), (k, n))]
        for i, pair in enumerate(map(list, places)):
            fading = ((i / 4 + 0.4) / 1.4) ** ((m - n) / 512)
            bound = 1e-11 * max(1, fading)
            assert abs(a[pair] @ b[pair] - fading * (ropes[0][pair] @ ropes[1][pair])) < bound
            assert abs(a[pair] @ b[pair] - c[pair] @ d[pair]) < bound


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5), (2, 1, 5), (1, 3, 5), (2, 3, 5)])
def test_positions_of_any_axes_that_fit(twin, shape):
    x, positions = draw(2, 3, 5, 8), np.random.default_rng(0).integers(0, 999, shape)
    everywhere = np.broadcast_to(positions, (2, 3, 5))
    found = np.asarray(twin.pe.xpos(twin.array(x), twin.array(positions), THETA, role="key"))
    for b, h in np.ndindex(2, 3):
        alone = twin.pe.xpos(twin.array(x[b, h]), twin.array(everywhere[b, h]), THETA, role="key")
        assert np.allclose(found[b, h], alone, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "uint16"])
def test_positions_of_small_dtypes(twin, dtype):
    x, positions = draw(3, 8), np.array([0, 100, 200], dtype)
    found = twin.pe.xpos(twin.array(x), twin.array(positions), THETA, role="key")
    assert np.allclose(found, twin.pe.xpos(twin.array(x), [0, 100, 200], THETA, role="key"), rtol=0, atol=0)


def test_what_was_given_is_left_as_it_was(twin):
    x, positions, theta = twin.array(draw(3, 8)), twin.array(np.arange(3.0)), twin.array(THETA)
    found = twin.pe.xpos(x, positions, theta, role="query")
    found += 1
    assert np.array_equal(x, draw(3, 8)) and positions.tolist() == [0, 1, 2] and np.array_equal(theta, THETA)


@pytest.mark.parametrize("shape", [(0, 8), (2, 0, 8), (0, 5, 8)])
def test_nothing_to_turn(twin, shape):
    assert tuple(twin.pe.xpos(twin.array(np.zeros(shape)), range(shape[-2]), THETA, role="key").shape) == shape


# How far the factors reach


REACH = {"float64": 289_519, "float32": 35_694, "float16": 3966}


@ROLES
@pytest.mark.parametrize(
    ("module", "dtype"), [(pe, "float64"), *((posenc_lib.torch, dtype) for dtype in REACH)], ids=["numpy", *REACH]
)
def test_up_to_the_reach_factors_are_normal_numbers(module, role, dtype):
    """Just within, the exact value; just beyond, a refusal that says what to do. The NumPy twin has float64 alone."""
    x, m = np.array([[1.0, 0.0], [0.0, 1.0]]), REACH[dtype]
    x = x if module is pe else torch.tensor(x, dtype=getattr(torch, dtype))
    found = np.asarray(module.xpos(x, [m, -m], [0.0], role=role)).astype(np.float64).diagonal()
    sign = 1 if role == "query" else -1
    exact = [float(mpmath.mpf(2) / 7) ** (sign * p / 512) for p in (m, -m)]
    assert np.all(np.isfinite(found)) and np.allclose(found, exact, rtol=2e-3 if dtype == "float16" else 3e-6, atol=0)
    for positions, said in (([0, m + 1], f"from 0 to {m + 1}"), ([-m - 1, 0], f"from -{m + 1} to 0")):
        with pytest.raises(ValueError) as caught:
            module.xpos(x, positions, [0.0], role=role)
        assert str(caught.value) == (
            f"xpos: beyond position ±{m} the factor ζ_0^(±m/scale_base) is too small or too large for {x.dtype}, got "
            f"positions {said}. Only differences count: subtract one number, such as the middle, from the positions of "
            "all queries and keys alike."
        )


def test_bfloat16_reaches_as_far_as_float32():
    x = torch.ones(1, 2, dtype=torch.bfloat16)
    assert torch.isfinite(xpos(x, [35_694], [0.0], role="key")).all()
    with pytest.raises(ValueError, match=r"beyond position ±35694 .* for torch\.bfloat16,"):
        xpos(x, [35_695], [0.0], role="key")


def test_scale_base_and_gamma_move_the_reach(twin):
    x = twin.array(np.ones((1, 2)))
    with pytest.raises(ValueError, match="beyond position ±1022 "):
        twin.pe.xpos(x, [1023], [0.0], role="key", scale_base=1.0, gamma=1.0)
    assert np.asarray(twin.pe.xpos(x, [1022], [0.0], role="query", scale_base=1.0, gamma=1.0))[0, 0] == 2.0**-1022


def test_subtracting_the_middle(twin):
    """What the message proposes: the logits of far positions are those of near ones."""
    q, k = (twin.array(x) for x in draw(2, 3, 8))
    far = [twin.pe.xpos(x, [p + 250_000 for p in range(3)], THETA, role=r) for x, r in ((q, "query"), (k, "key"))]
    near = [twin.pe.xpos(x, range(3), THETA, role=r) for x, r in ((q, "query"), (k, "key"))]
    assert np.allclose(far[0] @ far[1].T, near[0] @ near[1].T, rtol=0, atol=1e-8)


# What is refused, and in which words


def refusal(kind, twin, x=(2, 4, 5, 8), positions=(5,), theta=THETA, role="query", **settings):
    x, positions = (twin.array(np.zeros(a)) if isinstance(a, tuple) else a for a in (x, positions))
    with pytest.raises(kind) as caught:
        twin.pe.xpos(x, positions, theta, role=role, **settings)
    return str(caught.value)


@pytest.mark.parametrize("role", ["q", "Query", None, True, "value"], ids=repr)
def test_unknown_role(twin, role):
    assert refusal(ValueError, twin, role=role) == (
        f"xpos: unknown role {role!r}. 'query' multiplies pair i at position m by ζ_i^(m/scale_base), 'key' divides by "
        "it."
    )


@pytest.mark.parametrize("name", ["scale_base", "gamma"])
def test_settings_that_are_not_positive(twin, name):
    for wrong in (0, -1.0, np.inf, np.nan):
        assert refusal(ValueError, twin, **{name: wrong}) == f"xpos: {name} must be finite and above 0, got {wrong}."
    for wrong, kind in (("512", "str"), (None, "NoneType"), (True, "bool"), (1j, "complex")):
        assert refusal(TypeError, twin, **{name: wrong}) == f"xpos: {name} must be a number, got {wrong!r} ({kind})."


def test_what_rope_refuses_too(twin):
    assert refusal(ValueError, twin, layout="neox").startswith("xpos: unknown layout 'neox'. 'interleaved' pairs ")
    assert refusal(ValueError, twin, x=(8,)) == "xpos: x must be (..., T, dim), got (8,)."
    assert refusal(ValueError, twin, theta=[]).startswith("xpos: frequencies is empty, so nothing would turn.")
    assert refusal(ValueError, twin, x=(5, 7)).startswith("xpos: every frequency turns two dimensions; 4 of")
    assert "which is positions[:, None, :]" in refusal(ValueError, twin, positions=(2, 5))
    assert refusal(ValueError, twin, theta=[1.0, np.inf]).startswith("xpos: frequencies must be finite, got values ")
    assert refusal(TypeError, twin, theta=np.ones(4, np.float16)).startswith("xpos: frequencies are ")
    assert refusal(TypeError, twin, positions=["a"] * 5).startswith("xpos: positions must be ")
    assert refusal(ValueError, twin, positions=[np.nan] * 5).startswith("xpos: positions must be finite")
    assert refusal(TypeError, twin, x=np.ones((5, 8), bool)).startswith("xpos: x must ")


def test_numpy_takes_integers_and_gives_float64():
    found = pe.xpos([[1, 0]], [2], [1], role="query", scale_base=1, gamma=1)
    assert found.dtype == np.float64
    assert np.allclose(found, [[np.cos(2) / 4, np.sin(2) / 4]], rtol=0, atol=1e-16)


# PyTorch alone


@ROLES
@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_exact_value_rounded_once(role, layout, dtype):
    x, positions = torch.tensor(draw(4, 999, 11)).to(dtype), np.arange(-500, 499)
    truth = torch.tensor(pe.xpos(x.double().numpy(), positions, THETA, role=role, layout=layout))
    found = xpos(x, torch.tensor(positions), THETA, role=role, layout=layout)
    assert found.dtype == dtype
    assert (found != truth.to(dtype)).double().mean() < 1e-3  # ties that 1e-7 tips over


@ROLES
@LAYOUTS
def test_float32(role, layout):
    x = draw(len(FAR), 8)
    found = xpos(torch.tensor(x, dtype=torch.float32), FAR, THETA, role=role, layout=layout)
    exact = pe.xpos(np.float32(x), FAR, THETA, role=role, layout=layout)
    length = np.abs(pe.xpos(np.float32(x), FAR, 0 * THETA, role=role, layout=layout))
    pairs = length.reshape(-1, 4, 2) if layout == "interleaved" else length.reshape(-1, 2, 4).swapaxes(1, 2)
    errors = np.abs(found.double().numpy() - exact)
    errors = errors.reshape(-1, 4, 2) if layout == "interleaved" else errors.reshape(-1, 2, 4).swapaxes(1, 2)
    assert found.dtype == torch.float32
    assert np.all(np.hypot(*np.moveaxis(errors, -1, 0)) < 4e-7 * np.hypot(*np.moveaxis(pairs, -1, 0)))


@ROLES
@LAYOUTS
def test_gradients(role, layout):
    inputs = [torch.tensor(a, requires_grad=True) for a in (draw(2, 3, 11), draw(2, 3), THETA)]
    turn = lambda *inputs: xpos(*inputs, role=role, layout=layout, scale_base=3.0)  # noqa: E731
    assert torch.autograd.gradcheck(turn, inputs)
    assert torch.autograd.gradgradcheck(turn, inputs)


def test_the_way_back_of_a_query_is_turned_back_and_scaled_alike():
    x, gradient = torch.tensor(draw(3, 11), requires_grad=True), torch.tensor(draw(3, 11, seed=1))
    xpos(x, [1, 500, 900], THETA, role="query").backward(gradient)
    expected = xpos(gradient, [-1, -500, -900], THETA, role="key")
    assert torch.allclose(x.grad, expected, rtol=0, atol=1e-13)


@ROLES
@LAYOUTS
def test_vmap(role, layout):
    x, positions = torch.tensor(draw(2, 3, 5, 8)), torch.arange(10).reshape(2, 5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        each = torch.vmap(lambda x, p: xpos(x, p, THETA, role=role, layout=layout))(x, positions)
    assert torch.allclose(each, xpos(x, positions[:, None], THETA, role=role, layout=layout), rtol=0, atol=1e-15)


@ROLES
@LAYOUTS
def test_one_graph_for_every_length(role, layout):
    compiled = torch.compile(
        lambda x, p: xpos(x, p, THETA, role=role, layout=layout), fullgraph=True, backend="eager", dynamic=True
    )
    for length in (3, 5, 9):
        x, positions = torch.randn(2, 4, length, 11), torch.randint(0, 999, (2, 1, length))
        eager = xpos(x, positions, THETA, role=role, layout=layout)
        assert torch.allclose(compiled(x, positions), eager, rtol=1e-5, atol=1e-5)


def test_devices():
    x, there = torch.zeros(4, 5, 8, dtype=torch.bfloat16, device="meta"), torch.zeros(5, device="meta")
    found = xpos(x, there, torch.tensor(THETA), role="query")
    assert (found.device.type, found.dtype, found.shape) == ("meta", torch.bfloat16, x.shape)
    assert xpos(x, range(5), THETA.tolist(), role="key").device.type == "meta"
    with pytest.raises(ValueError, match=r"^xpos: positions are on cpu, x is on meta\. Move one to the other\.$"):
        xpos(x, torch.arange(5), THETA, role="key")
    with FakeTensorMode():
        assert xpos(torch.zeros(2, 5, 8), torch.arange(5), THETA, role="key").shape == (2, 5, 8)
    with torch.device("meta"):
        assert xpos(torch.zeros(5, 8, device="cpu"), range(5), THETA, role="key").device.type == "cpu"


def test_device_without_float64(monkeypatch):
    """Apple's has none. No such device here: the path is taken on the CPU, and off the meta device, which refuses."""
    module = sys.modules["posenc_lib.torch.xpos"]  # the name in the package is the function's
    x = draw(len(FAR), 8)
    for device in ("cpu", "meta"):
        monkeypatch.setattr(module, "DEVICES_WITHOUT_FLOAT64", {device})
        found = xpos(torch.tensor(x), FAR, THETA, role="key")
        assert np.allclose(found, pe.xpos(x, FAR, THETA, role="key"), rtol=1e-9, atol=0)
    with pytest.raises(NotImplementedError, match="meta"):
        xpos(torch.zeros(5, 8, device="meta"), torch.zeros(5, device="meta"), THETA, role="key")
