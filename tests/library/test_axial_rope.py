"""axial_rope, both twins: transformers' vision models and rotary-embedding-torch at applied q and k, 50 digits."""

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
from posenc_lib.torch import axial_rope

THETA = frequencies.rope(6, base=100.0)
PER_AXIS = np.stack((THETA, THETA / 3))
GRID = np.indices((3, 5)).reshape(2, -1)
FAR = np.array([[0, 1, -1, 103993, 9_999_991], [0, 7, 0.5, 710, -9_999_991]])


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def single(x):
    return torch.tensor(x, dtype=torch.float32)


# Production models: each returns q and k as it turns them, and what ours needs to do the same


def dinov3(q, k):
    from transformers import DINOv3ViTConfig
    from transformers.models.dinov3_vit import modeling_dinov3_vit as dino

    config = DINOv3ViTConfig(hidden_size=2 * q.shape[-1], num_attention_heads=2, image_size=(48, 80), patch_size=16)
    rotary = dino.DINOv3ViTRopePositionEmbedding(config).eval()  # training moves the grid at random
    cos, sin = rotary(torch.zeros(1, 3, 48, 80))
    coordinates = dino.get_patches_center_coordinates(3, 5, torch.float64, "cpu").T
    return dino.apply_rotary_pos_emb(q, k, cos, sin), coordinates * 2 * torch.pi, rotary.inv_freq, "half"


def pixtral(q, k, factor=1.0):
    from transformers import PixtralVisionConfig
    from transformers.models.pixtral import modeling_pixtral as pixtral

    config = PixtralVisionConfig(hidden_size=2 * q.shape[-1], num_attention_heads=2, head_dim=q.shape[-1])
    rotary = pixtral.PixtralVisionRotaryEmbedding(config)
    rotary.attention_scaling *= factor
    table = rotary(q, torch.tensor(GRID.T))
    turned = pixtral.apply_rotary_pos_emb(q, k, *table, unsqueeze_dim=0)
    theta = frequencies.rope(q.shape[-1], base=config.rope_parameters["rope_theta"])
    return turned, GRID, theta.reshape(-1, 2).T, "half"


def qwen2_vl_images(q, k):
    from transformers.models.qwen2_vl import modeling_qwen2_vl as qwen

    theta = frequencies.axial(q.shape[-1], base=10000.0)
    angles = torch.cat([single(np.outer(axis, theta)) for axis in GRID], dim=-1)
    angles = torch.cat((angles, angles), dim=-1)
    q, k = (x.transpose(-3, -2) for x in (q, k))  # (T, heads, dim)
    turned = qwen.apply_rotary_pos_emb_vision(q, k, angles.cos(), angles.sin())
    return [x.transpose(-3, -2) for x in turned], GRID, theta, "half"


def llama4_images(q, k):
    """A class token comes last and is not turned: ours gives it position 0."""
    from transformers.models.llama4 import modeling_llama4 as llama4

    config = llama4.Llama4VisionConfig(
        hidden_size=2 * q.shape[-1], num_attention_heads=2, image_size=56, patch_size=14,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    table = llama4.Llama4VisionRotaryEmbedding(config).freqs_ci
    q, k = (torch.cat((x, x), dim=-2)[..., :17, :] for x in (q, k))
    turned = llama4.vision_apply_rotary_emb(*(x.transpose(-3, -2)[None] for x in (q, k)), table)
    rows, columns = np.indices((4, 4)).reshape(2, -1) + 1
    positions = np.append([columns, rows], [[0], [0]], axis=1)
    theirs = [x[0].transpose(-3, -2) for x in turned]
    return (theirs, (q, k)), positions, frequencies.axial(q.shape[-1], base=10000.0), "interleaved"


def rotary_embedding_torch(q, k):
    """EVA-02's own code is of the same form: rows, then columns, pairs side by side."""
    from rotary_embedding_torch import RotaryEmbedding, apply_rotary_emb

    rotary = RotaryEmbedding(dim=q.shape[-1] // 2)
    angles = rotary.get_axial_freqs(3, 5).flatten(0, 1)
    return [apply_rotary_emb(angles, x, freqs_seq_dim=0) for x in (q, k)], GRID, rotary.freqs, "interleaved"


def pixtral_scaled(q, k):
    return pixtral(q, k, factor=SCALING)


SCALING = 1.25
MODELS = [dinov3, pixtral, pixtral_scaled, qwen2_vl_images, llama4_images, rotary_embedding_torch]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dim", [16, 64])
def test_production_models_at_applied_queries_and_keys(twin, model, dim):
    given_ = tuple(single(x) for x in draw(2, 2, 15, dim))
    with torch.no_grad():
        theirs, positions, theta, layout = model(*given_)
    if model is llama4_images:
        theirs, given_ = theirs
    positions, theta = (np.asarray(torch.as_tensor(a).detach(), np.float64) for a in (positions, theta))
    for x, expected in zip(given_, theirs, strict=True):
        x = twin.array(x.numpy())
        factor = SCALING if model is pixtral_scaled else 1.0
        found = twin.pe.axial_rope(
            x, twin.array(positions), twin.array(theta), layout=layout, attention_factor=factor
        )
        assert np.allclose(found, expected, rtol=0, atol=1e-5)  # their angles are float32


def test_flux_by_mrope(twin):
    """Flux's 16, 56 and 56 dimensions of three axes, each turned by rope on its own slice."""
    ladders = [frequencies.rope(dim, base=10000.0) for dim in (16, 56, 56)]
    x, positions = draw(2, 7, 128), np.random.default_rng(0).integers(0, 64, (3, 7))
    parts = np.split(x, [16, 72], axis=-1)
    expected = [pe.rope(part, p, theta) for part, p, theta in zip(parts, positions, ladders, strict=True)]
    found = twin.pe.mrope(
        twin.array(x), twin.array(positions), np.concatenate(ladders), sections=(8, 28, 28), layout="interleaved"
    )
    assert np.allclose(found, np.concatenate(expected, axis=-1), rtol=0, atol=1e-13)


# The definition


@pytest.mark.parametrize("theta", [THETA, PER_AXIS], ids=["shared", "per axis"])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("dim", [12, 15])
def test_pair_by_pair_to_50_digits(twin, theta, layout, dim):
    x = draw(5, dim)
    found = np.asarray(twin.pe.axial_rope(twin.array(x), twin.array(FAR), twin.array(theta), layout=layout))
    expected = x.astype(object)
    with mpmath.workdps(50):
        for t, axis, i in np.ndindex(5, 2, 3):
            pair = 3 * axis + i
            a, b = (2 * pair, 2 * pair + 1) if layout == "interleaved" else (pair, pair + 6)
            angle = mpmath.mpf(FAR[axis, t]) * mpmath.mpf(theta[i] if theta.ndim == 1 else theta[axis, i])
            turned = mpmath.mpc(x[t, a], x[t, b]) * mpmath.expj(angle)
            expected[t, a], expected[t, b] = turned.real, turned.imag
        errors = np.abs((found - expected).astype(np.float64)).max(axis=1)
    far = np.maximum(1, np.abs(FAR)).max(axis=0)
    assert np.all(errors < far * 4e-16 * 4)  # pairs are shorter than 4
    assert found[:, 12:].tobytes() == x[:, 12:].tobytes()


@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_the_factor_multiplies_what_turns_alone(twin, layout):
    x, positions = twin.array(draw(5, 15)), twin.array(FAR)
    turned = np.asarray(twin.pe.axial_rope(x, positions, THETA, layout=layout))
    found = np.asarray(twin.pe.axial_rope(x, positions, THETA, layout=layout, attention_factor=1.25))
    assert np.allclose(found[:, :12], 1.25 * turned[:, :12], rtol=0, atol=1e-14)
    assert np.array_equal(found[:, 12:], x[:, 12:])


def test_what_holds_unless_said_otherwise(twin):
    x, positions = twin.array(draw(5, 12)), twin.array(FAR)
    plain = twin.pe.axial_rope(x, positions, THETA)
    said = twin.pe.axial_rope(x, positions, THETA, layout="interleaved", attention_factor=1)
    assert np.array_equal(plain, said)


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_blocks_are_ropes(twin, axes):
    """Side by side, block a is rope of slice a of x."""
    x, positions = draw(2, 7, 6 * axes), np.random.default_rng(0).integers(-99, 99, (axes, 7))
    expected = [pe.rope(part, p, THETA) for part, p in zip(np.split(x, axes, axis=-1), positions, strict=True)]
    found = twin.pe.axial_rope(twin.array(x), twin.array(positions), THETA)
    assert np.allclose(found, np.concatenate(expected, axis=-1), rtol=0, atol=1e-13)


@given(*[st.tuples(st.integers(-999, 999), st.integers(-999, 999))] * 3)
def test_dot_products_see_only_how_far_apart_on_each_axis(m, n, shift):
    q, k = draw(2, 1, 12)
    for module in (pe, posenc_lib.torch):
        def dot(m, n, turn=module.axial_rope):
            turned = [turn(x, np.array(p)[:, None], PER_AXIS) for x, p in ((q, m), (k, n))]
            return (turned[0] * turned[1]).sum()

        assert np.isclose(dot(m, n), dot(np.add(m, shift), np.add(n, shift)), rtol=0, atol=1e-10)
        assert np.isclose(dot(m, n), dot(np.subtract(m, n), (0, 0)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5), (2, 1, 5), (1, 3, 5), (2, 3, 5)])
def test_positions_of_any_axes_that_fit(twin, shape):
    x, positions = draw(2, 3, 5, 12), np.random.default_rng(0).integers(0, 99, (2, *shape))
    everywhere = np.broadcast_to(positions if len(shape) > 1 else positions[:, None, None], (2, 2, 3, 5))
    found = np.asarray(twin.pe.axial_rope(twin.array(x), twin.array(positions), THETA))
    for b, h in np.ndindex(2, 3):
        alone = twin.pe.axial_rope(twin.array(x[b, h]), twin.array(everywhere[:, b, h]), THETA)
        assert np.allclose(found[b, h], alone, rtol=0, atol=1e-15)


def test_containers(twin):
    x = draw(5, 12)
    expected = twin.pe.axial_rope(twin.array(x), twin.array(FAR), PER_AXIS)
    for positions in (FAR.tolist(), tuple(map(tuple, FAR)), np.asfortranarray(FAR)):
        assert np.array_equal(twin.pe.axial_rope(twin.array(x), positions, PER_AXIS.tolist()), expected)


def test_what_was_given_is_left_as_it_was(twin):
    x, positions, theta = twin.array(draw(5, 12)), twin.array(FAR), twin.array(PER_AXIS)
    found = twin.pe.axial_rope(x, positions, theta)
    found += 1
    for given_, before in ((x, draw(5, 12)), (positions, FAR), (theta, PER_AXIS)):
        assert np.array_equal(given_, before)


@pytest.mark.parametrize("shape", [(0, 12), (2, 0, 12), (0, 5, 12)])
def test_nothing_to_turn(twin, shape):
    found = twin.pe.axial_rope(twin.array(np.zeros(shape)), twin.array(np.zeros((2, shape[-2]))), THETA)
    assert tuple(found.shape) == shape


# What is refused, and in which words


def refusal(kind, twin, x=(2, 4, 5, 12), positions=(2, 5), theta=(3,), layout="half"):
    x, positions, theta = (twin.array(np.zeros(a)) if isinstance(a, tuple) else a for a in (x, positions, theta))
    with pytest.raises(kind) as caught:
        twin.pe.axial_rope(x, positions, theta, layout=layout)
    return str(caught.value)


LAST = " Here the axes seem to come last: move them to the front, as np.moveaxis(positions, -1, 0) does."
HEADS = (
    " A row (B, T) for each axis would broadcast over the heads in silence: write (…, B, 1, T), which is "
    "positions[:, :, None, :]."
)


@pytest.mark.parametrize(
    ("positions", "theta", "hint"),
    [*((shape, (3,), "") for shape in [(), (2,), (5,), (2, 4), (2, 1), (2, 3, 1, 5), (2, 2, 1, 1), (0, 5)]),
     ((5, 2), (3,), LAST), ((2, 5, 2), (3,), LAST), ((2, 2, 5), (3,), HEADS), ((2, 4, 5), (2, 3), HEADS),
     ((3, 5), (2, 3), ""), ((5, 2), (2, 3), LAST), ((5, 3), (2, 3), "")],
)  # fmt: skip
def test_positions_that_do_not_fit(twin, positions, theta, hint):
    A = "A" if len(theta) == 1 else 2
    assert refusal(ValueError, twin, positions=positions, theta=theta) == (
        f"axial_rope: positions {positions} do not fit x (2, 4, 5, 12). Pass shape ({A}, 5), a row for each of the {A} "
        f"axes, or {A} and then as many axes as x has before dim, each of x's size or 1, the last 5.{hint}"
    )


@pytest.mark.parametrize("theta", [(), (0,), (2, 0), (0, 3), (1, 2, 3)])
def test_frequencies_of_another_shape(twin, theta):
    assert refusal(ValueError, twin, theta=theta) == (
        "axial_rope: frequencies must have shape (n,), the same for all axes, or (A, n), a row for each, and not be "
        f"empty; got {theta}."
    )


@pytest.mark.parametrize(
    ("dim", "axes", "n", "need", "most"), [(12, 2, 6, 24, 3), (11, 2, 3, 12, 2), (12, 3, 3, 18, 2), (3, 2, 1, 4, 0)]
)
def test_more_frequencies_than_pairs(twin, dim, axes, n, need, most):
    """(12, 2, 6): the frequencies of the whole head were passed for each axis."""
    assert refusal(ValueError, twin, x=(5, dim), positions=(axes, 5), theta=(n,)) == (
        f"axial_rope: every frequency turns two dimensions on each axis; {n} of them on {axes} axes need {need}, and x "
        f"{(5, dim)} has {dim}. Pass at most {most}."
    )


def test_what_rope_refuses_too(twin):
    assert refusal(ValueError, twin, layout="neox").startswith("axial_rope: unknown layout 'neox'. 'interleaved' ")
    assert refusal(ValueError, twin, x=(12,)) == "axial_rope: x must be (..., T, dim), got (12,)."
    assert refusal(ValueError, twin, theta=[1.0, np.inf]).startswith("axial_rope: frequencies must be finite")
    assert refusal(TypeError, twin, theta=[True]).startswith("axial_rope: frequencies must ")
    assert refusal(TypeError, twin, theta=np.ones(3, np.float16)).startswith("axial_rope: frequencies are ")
    assert refusal(TypeError, twin, positions=[["a"] * 5] * 2).startswith("axial_rope: positions must be ")
    assert refusal(ValueError, twin, positions=[[np.nan] * 5] * 2).startswith("axial_rope: positions must be finite")
    assert refusal(TypeError, twin, x=np.ones((5, 12), bool)).startswith("axial_rope: x must ")


def test_numpy_takes_integers_and_gives_float64():
    found = pe.axial_rope([[1, 0]], [[2]], [1])
    assert found.dtype == np.float64
    assert np.allclose(found, [[np.cos(2), np.sin(2)]], rtol=0, atol=1e-15)


# PyTorch alone


LAYOUTS = pytest.mark.parametrize("layout", ["half", "interleaved"])


@LAYOUTS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_exact_value_rounded_once(layout, dtype):
    x, positions = torch.tensor(draw(4, 999, 13)).to(dtype), np.arange(2 * 999).reshape(2, 999) + 9_999_000
    truth = torch.tensor(pe.axial_rope(x.double().numpy(), positions, PER_AXIS, layout=layout))
    found = axial_rope(x, torch.tensor(positions), PER_AXIS, layout=layout)
    assert found.dtype == dtype
    assert (found != truth.to(dtype)).double().mean() < 1e-3  # ties that 1e-7 tips over


@LAYOUTS
def test_float32_out_to_ten_million_positions(layout):
    x = draw(5, 12)
    found = axial_rope(single(x), torch.tensor(FAR), THETA, layout=layout)
    assert found.dtype == torch.float32
    assert np.abs(found.double().numpy() - pe.axial_rope(np.float32(x), FAR, THETA, layout=layout)).max() < 2e-6


@LAYOUTS
@pytest.mark.parametrize("theta", [THETA, PER_AXIS], ids=["shared", "per axis"])
def test_gradients(layout, theta):
    inputs = [torch.tensor(a, requires_grad=True) for a in (draw(2, 3, 13), draw(2, 2, 3), theta)]
    turn = lambda *inputs: axial_rope(*inputs, layout=layout)  # noqa: E731
    assert torch.autograd.gradcheck(turn, inputs)
    assert torch.autograd.gradgradcheck(turn, inputs)


@LAYOUTS
def test_vmap(layout):
    x, positions = torch.tensor(draw(2, 3, 5, 12)), torch.arange(20).reshape(2, 2, 5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        each = torch.vmap(lambda x, p: axial_rope(x, p, THETA, layout=layout))(x, positions)
    whole = axial_rope(x, positions.movedim(1, 0)[:, :, None], THETA, layout=layout)
    assert torch.allclose(each, whole, rtol=0, atol=1e-15)


@LAYOUTS
@pytest.mark.parametrize("theta", [THETA, PER_AXIS], ids=["shared", "per axis"])
def test_one_graph_for_every_length(layout, theta):
    compiled = torch.compile(
        lambda x, p: axial_rope(x, p, theta, layout=layout), fullgraph=True, backend="eager", dynamic=True
    )
    for length in (3, 5, 9):
        x, positions = torch.randn(2, 4, length, 13), torch.randint(0, 10**6, (2, 2, 1, length))
        assert torch.allclose(compiled(x, positions), axial_rope(x, positions, theta, layout=layout), rtol=0, atol=1e-6)


def test_devices():
    x, there = torch.zeros(4, 5, 12, dtype=torch.bfloat16, device="meta"), torch.zeros(2, 5, device="meta")
    for theta in (THETA, torch.tensor(PER_AXIS), there[:, :3]):
        found = axial_rope(x, there, theta)
        assert (found.device.type, found.dtype, found.shape) == ("meta", torch.bfloat16, x.shape)
    with pytest.raises(ValueError, match=r"^axial_rope: positions are on cpu, x is on meta\. Move one to the other\.$"):
        axial_rope(x, torch.zeros(2, 5), THETA)
    with pytest.raises(ValueError, match=r"^axial_rope: frequencies are on meta, x is on cpu\. Move one to the other"):
        axial_rope(torch.zeros(5, 12), FAR, there[0, :3])
    with FakeTensorMode():
        assert axial_rope(torch.zeros(2, 5, 12), torch.zeros(2, 5), THETA).shape == (2, 5, 12)
