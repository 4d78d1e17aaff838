"""mrope, both twins: transformers' Qwen2-VL, Qwen3-VL and GLM-4V at applied q and k, 50 digits, and rope for text."""

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
from posenc_lib.torch import mrope

THETA = frequencies.rope(12, base=10000.0)
SECTIONS = (2, 1, 3)
FAR = np.array([[0, 1, -1, 103993, 9_999_991], [0, 7, 0.5, 710, -9_999_991], [3, 1, 2, 999_983, 10_000_000]])


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def grid(seed=0, rows=2, tokens=30):
    """Positions (3, B, T) as Qwen's processor makes them: text, then a video of 2 × 3 × 4 patches, then text."""
    t, h, w = np.indices((2, 3, 4)).reshape(3, -1) + 3
    text = np.arange(3)
    video = np.concatenate((np.tile(text, (3, 1)), [t, h, w], np.tile(text + 7, (3, 1))), axis=1)
    return np.stack([video + seed + row for row in range(rows)], axis=1)[..., :tokens]


# Transformers


def qwen2(config, q, k, positions):
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLRotaryEmbedding, apply_rotary_pos_emb

    rotary = Qwen2VLRotaryEmbedding(config)
    return apply_rotary_pos_emb(q, k, *rotary(q, positions)), rotary.inv_freq


def qwen3(config, q, k, positions):
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRotaryEmbedding, apply_rotary_pos_emb

    rotary = Qwen3VLTextRotaryEmbedding(config)
    return apply_rotary_pos_emb(q, k, *rotary(q, positions)), rotary.inv_freq


def glm4v(config, q, k, positions):
    from transformers.models.glm4v.modeling_glm4v import Glm4vTextRotaryEmbedding, apply_rotary_pos_emb

    rotary = Glm4vTextRotaryEmbedding(config)
    return apply_rotary_pos_emb(q, k, *rotary(q, positions)), rotary.inv_freq


def config_of(model, dim, sections):
    import transformers as t

    kind = {qwen2: t.Qwen2VLTextConfig, qwen3: t.Qwen3VLTextConfig, glm4v: t.Glm4vTextConfig}[model]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(sections)}
    return kind(hidden_size=2 * dim, num_attention_heads=2, head_dim=dim, rope_parameters=rope)


@pytest.mark.parametrize(
    ("model", "sections", "settings"),
    [(qwen2, (16, 24, 24), {}), (qwen2, (2, 5, 9), {}),
     (qwen3, (24, 20, 20), {"interleaved": True}), (qwen3, (11, 11, 10), {"interleaved": True}),
     (qwen3, (9, 4, 1), {"interleaved": True}), (qwen3, (7, 1, 3), {"interleaved": True}),
     (glm4v, (8, 12, 12), {"layout": "interleaved"}), (glm4v, (1, 2, 3), {"layout": "interleaved"})],
)  # fmt: skip
def test_production_models_at_applied_queries_and_keys(twin, model, sections, settings):
    dim = 2 * sum(sections)
    q, k, positions = *draw(2, 2, 3, 30, dim), grid(seed=11)
    theirs, theta = model(config_of(model, dim, sections), *map(torch.tensor, (q, k, positions)))
    for x, expected in zip((q, k), theirs, strict=True):
        found = twin.pe.mrope(
            twin.array(x), twin.array(positions[:, :, None, :]), theta.numpy(), sections=sections, **settings
        )
        assert np.allclose(found, expected, rtol=0, atol=2e-5)  # their angles are float32


def test_yarn_s_factor_as_qwen_2_5_vl_applies_it(twin):
    """Its context extended: transformers multiplies cosines and sines by what it calls attention_scaling."""
    from transformers import Qwen2_5_VLTextConfig
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen

    rope = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32768}
    config = Qwen2_5_VLTextConfig(
        hidden_size=256, num_attention_heads=2, max_position_embeddings=131072,
        rope_parameters={**rope, "mrope_section": [16, 24, 24]},
    )  # fmt: skip
    q, k, positions = *draw(2, 2, 3, 30, 128), grid(seed=11)
    rotary = qwen.Qwen2_5_VLRotaryEmbedding(config)
    theirs = qwen.apply_rotary_pos_emb(*map(torch.tensor, (q, k)), *rotary(torch.tensor(q), torch.tensor(positions)))
    theta, factor = frequencies.yarn(128, base=1e6, factor=4.0, original_length=32768), rotary.attention_scaling
    assert factor > 1.1
    for x, expected in zip((q, k), theirs, strict=True):
        found = twin.pe.mrope(
            twin.array(x), twin.array(positions[:, :, None, :]), theta, sections=(16, 24, 24), attention_factor=factor
        )
        assert np.allclose(found, expected, rtol=0, atol=2e-5)  # their angles are float32


# The definition


AXES = {  # which axis a pair belongs to, written out
    ((2, 1, 3), False): [0, 0, 1, 2, 2, 2],
    ((2, 2, 2), True): [0, 1, 2, 0, 1, 2],
    ((4, 1, 1), True): [0, 1, 2, 0, 0, 0],
    ((3, 1, 2), True): [0, 1, 2, 0, 0, 2],
    ((2, 4), False): [0, 0, 1, 1, 1, 1],
    ((4, 2), True): [0, 1, 0, 1, 0, 0],
    ((2, 2, 1, 1), True): [0, 1, 2, 3, 0, 1],
    ((6,), True): [0] * 6,
    ((6,), False): [0] * 6,
}


@pytest.mark.parametrize(("sections", "interleaved"), AXES)
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("dim", [12, 15])
def test_pair_by_pair_to_50_digits(twin, sections, interleaved, layout, dim):
    positions = np.concatenate((FAR, FAR[:1] + 5))[: len(sections)]
    x = draw(5, dim)
    found = np.asarray(twin.pe.mrope(twin.array(x), twin.array(positions), THETA, sections=sections,
                                     interleaved=interleaved, layout=layout))  # fmt: skip
    expected = x.astype(object)
    with mpmath.workdps(50):
        for t in range(5):
            for i, axis in enumerate(AXES[sections, interleaved]):
                a, b = (2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + 6)
                angle = mpmath.mpf(positions[axis, t]) * mpmath.mpf(THETA[i])
                turned = mpmath.mpc(x[t, a], x[t, b]) * mpmath.expj(angle)
                expected[t, a], expected[t, b] = turned.real, turned.imag
        errors = np.abs((found - expected).astype(np.float64)).max(axis=1)
    far = np.maximum(1, np.abs(positions)).max(axis=0)
    assert np.all(errors < far * 4e-16 * 4)  # pairs are shorter than 4
    assert found[:, 12:].tobytes() == x[:, 12:].tobytes()


@pytest.mark.parametrize("settings", [{}, {"interleaved": True, "sections": (2, 2, 2), "layout": "interleaved"}])
def test_the_factor_multiplies_what_turns_alone(twin, settings):
    x, positions, settings = twin.array(draw(5, 15)), twin.array(FAR), {"sections": SECTIONS, **settings}
    turned = np.asarray(twin.pe.mrope(x, positions, THETA, **settings))
    found = np.asarray(twin.pe.mrope(x, positions, THETA, **settings, attention_factor=1.25))
    assert np.allclose(found[:, :12], 1.25 * turned[:, :12], rtol=0, atol=1e-14)
    assert np.array_equal(found[:, 12:], x[:, 12:])


def test_what_holds_unless_said_otherwise(twin):
    x, positions = twin.array(draw(5, 12)), twin.array(FAR)
    plain = twin.pe.mrope(x, positions, THETA, sections=SECTIONS)
    said = twin.pe.mrope(x, positions, THETA, sections=SECTIONS, interleaved=False, layout="half", attention_factor=1)
    assert np.array_equal(plain, said)


@given(st.sampled_from(list(AXES)), st.sampled_from(["half", "interleaved"]), st.integers(-(10**6), 10**6))
def test_text_is_rope(shares, layout, first):
    """The same position on all axes."""
    sections, interleaved = shares
    x, positions = draw(2, 4, 13), np.tile(np.arange(first, first + 4), (len(sections), 1))
    for module, array in ((pe, np.asarray), (posenc_lib.torch, torch.tensor)):
        settings = {"sections": sections, "interleaved": interleaved, "layout": layout}
        turned = module.mrope(array(x), array(positions), THETA, **settings)
        assert np.allclose(turned, module.rope(array(x), array(positions[0]), THETA, layout=layout), rtol=0, atol=1e-13)


@given(*[st.tuples(*[st.integers(-999, 999)] * 3)] * 3)
def test_dot_products_see_only_how_far_apart_on_each_axis(m, n, shift):
    q, k = draw(2, 1, 12)
    for module in (pe, posenc_lib.torch):
        def dot(m, n, mrope=module.mrope):
            turned = [mrope(x, np.array(p)[:, None], THETA, sections=SECTIONS) for x, p in ((q, m), (k, n))]
            return (turned[0] * turned[1]).sum()

        moved = (np.add(m, shift), np.add(n, shift))
        assert np.isclose(dot(m, n), dot(*moved), rtol=0, atol=1e-10)
        assert np.isclose(dot(m, n), dot(np.subtract(m, n), (0, 0, 0)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5), (2, 1, 5), (1, 3, 5), (2, 3, 5)])
def test_positions_of_any_axes_that_fit(twin, shape):
    x, positions = draw(2, 3, 5, 12), np.random.default_rng(0).integers(0, 99, (3, *shape))
    everywhere = np.broadcast_to(positions if len(shape) > 1 else positions[:, None, None], (3, 2, 3, 5))
    found = np.asarray(twin.pe.mrope(twin.array(x), twin.array(positions), THETA, sections=SECTIONS))
    for b, h in np.ndindex(2, 3):
        alone = twin.pe.mrope(twin.array(x[b, h]), twin.array(everywhere[:, b, h]), THETA, sections=SECTIONS)
        assert np.allclose(found[b, h], alone, rtol=0, atol=1e-15)


@pytest.mark.parametrize("sections", [[2, 1, 3], np.array([2, 1, 3]), range(1, 4)], ids=repr)
def test_containers(twin, sections):
    x = draw(5, 12)
    found = twin.pe.mrope(twin.array(x), FAR.tolist(), THETA.tolist(), sections=sections)
    expected = twin.pe.mrope(twin.array(x), twin.array(FAR), THETA, sections=tuple(sections))
    assert np.array_equal(found, expected)


def test_x_is_left_as_it_was(twin):
    x, positions = twin.array(draw(5, 12)), twin.array(FAR)
    found = twin.pe.mrope(x, positions, THETA, sections=SECTIONS)
    found += 1
    assert np.array_equal(x, draw(5, 12)) and np.array_equal(positions, FAR)


@pytest.mark.parametrize("shape", [(0, 12), (2, 0, 12), (0, 5, 12)])
def test_nothing_to_turn(twin, shape):
    positions = np.zeros((3, shape[-2]))
    found = twin.pe.mrope(twin.array(np.zeros(shape)), twin.array(positions), THETA, sections=SECTIONS)
    assert tuple(found.shape) == shape


# What is refused, and in which words


def refusal(kind, twin, x=(2, 4, 5, 12), positions=(3, 5), theta=THETA, sections=SECTIONS, **settings):
    x, positions = (twin.array(np.zeros(a)) if isinstance(a, tuple) else a for a in (x, positions))
    with pytest.raises(kind) as caught:
        twin.pe.mrope(x, positions, theta, sections=sections, **settings)
    return str(caught.value)


LAST = " Here the axes seem to come last: move them to the front, as np.moveaxis(positions, -1, 0) does."
HEADS = (
    " A row (B, T) for each axis would broadcast over the heads in silence: write (…, B, 1, T), which is "
    "positions[:, :, None, :]."
)


@pytest.mark.parametrize(
    ("x", "positions", "hint"),
    [*(((2, 4, 5, 12), shape, "") for shape in [(), (3,), (5,), (2, 5), (4, 5), (3, 4), (3, 3, 1, 5), (3, 2, 1, 1),
                                                 (1, 5), (3, 1, 2, 1, 5)]),
     ((2, 4, 5, 12), (5, 3), LAST), ((2, 4, 5, 12), (2, 5, 3), LAST), ((2, 4, 5, 12), (2, 1, 5, 3), LAST),
     ((2, 4, 5, 12), (5, 2), ""), ((5, 12), (5, 3), LAST), ((2, 5, 12), (2, 5, 3), LAST),
     ((2, 4, 5, 12), (3, 2, 5), HEADS), ((2, 4, 5, 12), (3, 4, 5), HEADS), ((2, 4, 5, 12), (3, 1, 5), HEADS),
     ((2, 3, 4, 5, 12), (3, 2, 5), HEADS.replace("1,", "1, 1,").replace("None,", "None, None,")),
     ((2, 5, 12), (3, 3, 5), "")],
)  # fmt: skip
def test_positions_that_do_not_fit(twin, x, positions, hint):
    assert refusal(ValueError, twin, x, positions) == (
        f"mrope: positions {positions} do not fit x {x}. Pass shape (3, 5), a row for each of the 3 axes, or 3 and "
        f"then as many axes as x has before dim, each of x's size or 1, the last 5.{hint}"
    )


@pytest.mark.parametrize(
    ("sections", "hint"), [((2, 1, 2), ""), ((12,), " They count pairs, not dimensions."), ((4, 2, 6), None), ((), "")]
)
def test_sections_that_do_not_sum_to_the_frequencies(twin, sections, hint):
    hint = " They count pairs, not dimensions." if hint is None else hint
    assert refusal(ValueError, twin, sections=sections) == (
        f"mrope: sections must sum to the number of frequencies, 6; {sections} sum to {sum(sections)}.{hint}"
    )


@pytest.mark.parametrize(
    ("sections", "axis", "which", "most"),
    [((1, 2, 3), 2, "2, 5, 8", 2), ((2, 3, 1), 1, "1, 4, 7", 2), ((2, 4), 1, "1, 3, 5", 3),
     ((1, 1, 1, 1, 2), 4, "4, 9, 14", 1)],
)  # fmt: skip
def test_interleaved_sections_that_run_out_of_pairs(twin, sections, axis, which, most):
    assert refusal(ValueError, twin, sections=sections, interleaved=True) == (
        f"mrope: interleaved sections {sections} do not fit 6 frequencies: axis {axis} takes pairs {which}, …, of "
        f"which there are {most}, fewer than its {sections[axis]}."
    )


def test_sections_that_are_no_counts(twin):
    assert refusal(TypeError, twin, sections=6) == "mrope: sections must be a sequence of integers, got 6."
    said = "mrope: each of sections must be an integer, got 1.0 (float)."
    assert refusal(TypeError, twin, sections=(2, 1.0, 3)) == said
    assert refusal(ValueError, twin, sections=(2, 0, 4)) == "mrope: each of sections must be at least 1, got 0."


def test_what_rope_refuses_too(twin):
    assert refusal(ValueError, twin, layout="neox").startswith("mrope: unknown layout 'neox'. 'interleaved' pairs ")
    assert refusal(ValueError, twin, x=(12,)) == "mrope: x must be (..., T, dim), got (12,)."
    assert refusal(ValueError, twin, theta=[]).startswith("mrope: frequencies is empty, so nothing would turn.")
    assert refusal(ValueError, twin, theta=THETA[None]) == "mrope: frequencies must have one axis, got (1, 6)."
    assert refusal(ValueError, twin, x=(5, 11)) == (
        "mrope: every frequency turns two dimensions; 6 of them need 12, and x (5, 11) has 11. Pass at most 5."
    )
    finite = "mrope: frequencies must be finite, got values from "
    assert refusal(ValueError, twin, theta=[np.nan, 1.0]) == finite + "nan to nan."
    assert refusal(ValueError, twin, theta=[-np.inf, 1.0]) == finite + "-inf to 1.0."
    said = refusal(TypeError, twin, theta=np.ones(6, np.float16))
    assert said.startswith("mrope: frequencies are ") and said.endswith(
        "float16, which turns far positions wrongly. Pass float64."
    )
    for theta in ([1j], ["a"], None, [True]):
        assert refusal(TypeError, twin, theta=theta).startswith("mrope: frequencies must ")
    assert refusal(TypeError, twin, positions=np.ones((3, 5), np.float16)).startswith("mrope: positions are ")
    assert refusal(ValueError, twin, positions=[[np.inf] * 5] * 3).startswith("mrope: positions must be finite")


@pytest.mark.parametrize("x", [[[1j, 0]], [[True, False]], [["a", "b"]]], ids=repr)
def test_numpy_x_that_holds_no_real_numbers(x):
    with pytest.raises(TypeError, match=r"^mrope: x must hold real numbers, got dtype [^ ]+\.$"):
        pe.mrope(x, [[0]], [1.0], sections=(1,))


def test_numpy_takes_integers_and_gives_float64():
    for x in ([[1, 0]], np.float32([[1, 0]])):
        found = pe.mrope(x, [[2]], [1.0], sections=(1,))
        assert found.dtype == np.float64
        assert np.allclose(found, [[np.cos(2), np.sin(2)]], rtol=0, atol=1e-15)


# PyTorch alone


SETTINGS = pytest.mark.parametrize(
    "settings", [{"sections": SECTIONS}, {"sections": (2, 2, 2), "interleaved": True, "layout": "interleaved"}], ids=str
)


@SETTINGS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_exact_value_rounded_once(settings, dtype):
    x, positions = torch.tensor(draw(4, 999, 13)).to(dtype), np.arange(3 * 999).reshape(3, 999) + 9_999_000
    truth = torch.tensor(pe.mrope(x.double().numpy(), positions, THETA, **settings))
    found = mrope(x, torch.tensor(positions), THETA, **settings)
    assert found.dtype == dtype
    assert (found != truth.to(dtype)).double().mean() < 1e-3  # ties that 1e-7 tips over


@SETTINGS
def test_float32_out_to_ten_million_positions(settings):
    x = draw(5, 12)
    single = mrope(torch.tensor(x, dtype=torch.float32), torch.tensor(FAR), THETA, **settings)
    assert single.dtype == torch.float32
    assert np.abs(single.double().numpy() - pe.mrope(np.float32(x), FAR, THETA, **settings)).max() < 2e-6


@SETTINGS
def test_gradients(settings):
    x, positions, theta = (torch.tensor(a, requires_grad=True) for a in (draw(2, 3, 13), draw(3, 2, 3), THETA))
    turn = lambda *inputs: mrope(*inputs, **settings)  # noqa: E731
    assert torch.autograd.gradcheck(turn, (x, positions, theta))
    assert torch.autograd.gradgradcheck(turn, (x, positions, theta))


@SETTINGS
def test_vmap(settings):
    x, positions = torch.tensor(draw(2, 3, 5, 12)), torch.arange(30).reshape(2, 3, 5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        each = torch.vmap(lambda x, p: mrope(x, p, THETA, **settings))(x, positions)
    assert torch.allclose(each, mrope(x, positions.movedim(1, 0)[:, :, None], THETA, **settings), rtol=0, atol=1e-15)


@SETTINGS
def test_one_graph_for_every_length(settings):
    compiled = torch.compile(lambda x, p: mrope(x, p, THETA, **settings), fullgraph=True, backend="eager", dynamic=True)
    for length in (3, 5, 9):
        x, positions = torch.randn(2, 4, length, 13), torch.randint(0, 10**6, (3, 2, 1, length))
        assert torch.allclose(compiled(x, positions), mrope(x, positions, THETA, **settings), rtol=0, atol=1e-6)
    with pytest.raises(Exception, match="Here the axes seem to come last"):
        compiled(x, torch.zeros(9, 3))


def test_devices():
    x, there = torch.zeros(4, 5, 12, dtype=torch.bfloat16, device="meta"), torch.zeros(3, 5, device="meta")
    found = mrope(x, there, torch.tensor(THETA), sections=SECTIONS)
    assert (found.device.type, found.dtype, found.shape) == ("meta", torch.bfloat16, x.shape)
    assert mrope(x, FAR, THETA.tolist(), sections=SECTIONS).device.type == "meta"
    with pytest.raises(ValueError, match=r"^mrope: positions are on cpu, x is on meta\. Move one to the other\.$"):
        mrope(x, torch.zeros(3, 5), THETA, sections=SECTIONS)
    with pytest.raises(ValueError, match=r"^mrope: frequencies are on meta, x is on cpu\. Move one to the other\.$"):
        mrope(torch.zeros(5, 12), FAR, torch.zeros(6, device="meta"), sections=SECTIONS)
    with FakeTensorMode():
        assert mrope(torch.zeros(2, 5, 12), torch.zeros(3, 5), THETA, sections=SECTIONS).shape == (2, 5, 12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_x_that_is_not_floating(dtype):
    with pytest.raises(TypeError) as caught:
        mrope(torch.ones(5, 12).to(dtype), FAR, THETA, sections=SECTIONS)
    assert str(caught.value) == f"mrope: x must be floating, as its result is, got {dtype}."
