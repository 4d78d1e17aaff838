"""ALiBi, both twins: the slopes that the paper prints, the models that use it, the definition in a loop."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib.torch import _relative


def values(array):
    """As a float64 NumPy array, which holds every smaller dtype exactly."""
    return array.detach().to(torch.float64).numpy() if isinstance(array, torch.Tensor) else np.float64(array)


# Slopes


def exponents(num_heads):
    """The slopes are 2 to minus these: the authors' rule in exact fractions, in words.

    A power of two: 8/H, 16/H, … 8. Else: those of the power of two below, and then, of twice that, the first, third, …
    """
    if num_heads & (num_heads - 1) == 0:
        return [mpmath.mpf(8 * k) / num_heads for k in range(1, num_heads + 1)]
    below = max(p for p in (2**i for i in range(20)) if p < num_heads)
    return exponents(below) + [e for i, e in enumerate(exponents(2 * below)) if i % 2 == 0][: num_heads - below]


def test_printed_in_the_paper(twin):
    """Section 3: 8 heads have 1/2, 1/4, … 1/256; 16 heads have 1/2^0.5, 1/2, 1/2^1.5, … 1/2^8."""
    eight = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    assert values(twin.pe.alibi_slopes(8)).tolist() == eight
    sixteen = values(twin.pe.alibi_slopes(16, dtype=twin.dtypes.float64))
    assert sixteen[1::2].tolist() == eight
    assert np.allclose(sixteen[0::2], np.array(eight) * math.sqrt(2), rtol=3e-16, atol=0)


def test_heads_that_are_no_power_of_two(twin):
    """12 heads, as the authors' own code prints them: those of 8, then the half powers of 16."""
    expected = [2**-1, 2**-2, 2**-3, 2**-4, 2**-5, 2**-6, 2**-7, 2**-8, 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    assert np.allclose(values(twin.pe.alibi_slopes(12, dtype=twin.dtypes.float64)), expected, rtol=3e-16, atol=0)
    assert values(twin.pe.alibi_slopes(1)).tolist() == [2**-8]
    assert values(twin.pe.alibi_slopes(3)).tolist() == [2**-4, 2**-8, 2**-2]


@pytest.mark.parametrize("num_heads", [*range(1, 41), 64, 71, 96, 112, 128, 200, 1000])
def test_slopes_to_50_digits(twin, num_heads):
    with mpmath.workdps(50):
        exact = np.array([float(mpmath.mpf(2) ** -e) for e in exponents(num_heads)])
    found = twin.pe.alibi_slopes(num_heads, dtype=twin.dtypes.float64)
    assert tuple(found.shape) == (num_heads,)
    assert np.allclose(values(found), exact, rtol=2.3e-16, atol=0)
    for dtype in ("float32", "float16"):
        found = twin.pe.alibi_slopes(num_heads, dtype=getattr(twin.dtypes, dtype))
        assert found.dtype == getattr(twin.dtypes, dtype)
        assert np.array_equal(values(found), exact.astype(dtype).astype(np.float64))


@pytest.fixture(scope="module")
def models():
    """The functions of the transformers package that build a model's bias."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor as bloom
    from transformers.models.falcon.modeling_falcon import build_alibi_tensor as falcon
    from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor as mpt

    return {
        # The bias of key 1, whose distance from key 0 is 1, is the slope.
        "bloom": lambda heads: bloom(torch.ones(1, 2, dtype=torch.int64), heads, torch.float32)[:, 0, 1],
        "falcon": lambda heads: falcon(torch.ones(1, 2, dtype=torch.int64), heads, torch.float32)[:, 0, 1],
        "mpt": lambda heads: -mpt(heads, 2)[:, 0, 0],
        "bias of bloom": lambda mask, heads: bloom(mask, heads, torch.float64).unflatten(0, (len(mask), heads)),
    }


@pytest.mark.parametrize(
    ("model", "digits"),
    [("mpt", 1e-7),
     ("bloom", 1e-5),  # raises a base that it has rounded to float32
     ("falcon", 2**-8)],  # rounds slopes to bfloat16
)  # fmt: skip
def test_slopes_of_models(models, twin, model, digits):
    for num_heads in range(1, 131):
        found = values(twin.pe.alibi_slopes(num_heads, dtype=twin.dtypes.float64))
        assert np.allclose(found, values(models[model](num_heads)), rtol=digits, atol=0), num_heads


# The bias


def in_words(num_heads, query_positions, key_positions):
    slopes = [2 ** -float(e) for e in exponents(num_heads)]
    return [[[-slope * abs(m - n) for n in key_positions] for m in query_positions] for slope in slopes]


@pytest.mark.parametrize("num_heads", [1, 2, 5, 8, 12])
@pytest.mark.parametrize(
    ("queries", "keys"),
    [(range(5), range(5)), ([7], range(8)), (range(4, 8), range(8)), ([0.5, -3], [1e-3, 2.25, -4]), ([], [1]),
     ([1], [])],
    ids=repr,
)  # fmt: skip
def test_against_the_definition_in_a_loop(twin, num_heads, queries, keys):
    expected = np.reshape(in_words(num_heads, queries, keys), (num_heads, len(queries), len(keys)))
    found = twin.pe.alibi_bias(num_heads, queries, keys, dtype=twin.dtypes.float64)
    assert tuple(found.shape) == expected.shape
    assert np.allclose(values(found), expected, rtol=1e-15, atol=0)


def test_figure_3_of_the_paper(twin):
    """At and below the diagonal 0, then −1 0, then −2 −1 0, … times the slope."""
    causal = np.tril(values(twin.pe.alibi_bias(8, range(4), range(4)))[0] / 0.5)
    assert causal.tolist() == [[0, 0, 0, 0], [-1, 0, 0, 0], [-2, -1, 0, 0], [-3, -2, -1, 0]]


def test_keys_after_the_query_count_as_the_authors_propose(twin):
    """Issue 5 of their repository: |memory_position − context_position|, times −slope."""
    context, memory = torch.arange(6)[:, None], torch.arange(6)[None, :]
    distance = torch.abs(memory - context).unsqueeze(0).expand(4, -1, -1)
    proposed = torch.tensor([2**-2, 2**-4, 2**-6, 2**-8])[:, None, None] * -1 * distance
    assert np.array_equal(values(twin.pe.alibi_bias(4, range(6), range(6))), values(proposed))


def test_a_sequence_padded_on_the_left_attends_as_in_bloom(models, twin):
    """BLOOM adds slope · n, the same for all queries, with n from the mask; under a causal softmax that is ALiBi."""
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    heads, generator = 6, torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 3, heads, 5, 4, dtype=torch.float64, generator=generator)
    hide = torch.zeros(3, 1, 5, 5, dtype=torch.float64)
    hide.masked_fill_((mask[:, None, None, :] == 0) | torch.ones(5, 5, dtype=torch.bool).triu(1), -math.inf)
    hide.diagonal(dim1=-2, dim2=-1).zero_()  # padding sees itself, to have something to average
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, models["bias of bloom"](mask, heads) + hide)
    positions = twin.array(mask.cumsum(-1).sub(1).numpy())
    bias = twin.pe.alibi_bias(heads, positions, positions, dtype=twin.dtypes.float64) + twin.array(hide.numpy())
    found = twin.pe.attention(*(twin.array(x.numpy()) for x in (q, k, v)), bias=bias)
    real = mask[:, None, :, None].expand_as(v).numpy() == 1
    # BLOOM's slopes have float32's digits.
    assert np.allclose(values(found)[real], expected.numpy()[real], rtol=0, atol=1e-6)


def test_attention_with_it_in_a_loop(twin):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    bias = twin.pe.alibi_bias(2, range(3), range(3), dtype=twin.dtypes.float64)
    found = twin.pe.attention(*[twin.array(x)] * 3, bias=bias)
    for h, slope in enumerate([2**-4, 2**-8]):
        for m in range(3):
            weights = [math.exp(x[h, m] @ x[h, n] / math.sqrt(4) - slope * abs(m - n)) for n in range(3)]
            expected = sum(w * x[h, n] for n, w in enumerate(weights)) / sum(weights)
            assert np.allclose(values(found)[h, m], expected, rtol=0, atol=1e-14)


def test_step_by_step_is_one_pass(twin):
    whole = values(twin.pe.alibi_bias(8, range(6), range(6)))
    for step in range(6):
        row = values(twin.pe.alibi_bias(8, [step], range(step + 1)))
        assert np.array_equal(row, whole[:, step : step + 1, : step + 1])


def test_leading_axes(twin):
    """(B, T) and (B, S) give (B, H, T, S), each sequence on its own."""
    queries, keys = np.array([[0, 1], [7, 8]]), np.array([[0, 1, 2], [6, 7, 8]])
    found = values(twin.pe.alibi_bias(4, queries, keys))
    assert found.shape == (2, 4, 2, 3)
    for b in range(2):
        assert np.array_equal(found[b], values(twin.pe.alibi_bias(4, queries[b], keys[b])))
    assert twin.pe.alibi_bias(4, np.zeros((2, 3, 5)), np.zeros((2, 3, 7))).shape == (2, 3, 4, 5, 7)


def test_the_diagonal_is_no_minus_zero(twin):
    """It would print as −0."""
    for positions in (range(3), [0.5, 1.5]):
        assert not np.signbit(np.diagonal(values(twin.pe.alibi_bias(4, positions, positions)), axis1=1, axis2=2)).any()


HEADS, POSITIONS = st.integers(1, 40), st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5)


@given(HEADS, POSITIONS, POSITIONS, st.integers(-(10**6), 10**6))
def test_only_the_distance_counts(num_heads, queries, keys, shift):
    for twin in (pe, posenc_lib.torch):
        bias = values(twin.alibi_bias(num_heads, queries, keys))
        moved = values(twin.alibi_bias(num_heads, [m + shift for m in queries], [n + shift for n in keys]))
        mirrored = values(twin.alibi_bias(num_heads, [-m for m in queries], [-n for n in keys]))
        assert np.array_equal(bias, moved) and np.array_equal(bias, mirrored)


@given(HEADS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_falls_with_distance_in_every_head(num_heads, near, farther):
    for twin in (pe, posenc_lib.torch):
        bias = values(twin.alibi_bias(num_heads, [0], [near, near + farther, -near - farther]))[:, 0]
        assert (bias[:, 0] > bias[:, 1]).all() and np.array_equal(bias[:, 1], bias[:, 2])
        assert (bias <= 0).all() and bias.shape == (num_heads, 3)


@given(st.integers(1, 130))
def test_every_head_has_a_slope_of_its_own(num_heads):
    slopes = pe.alibi_slopes(num_heads)
    assert len(set(slopes)) == num_heads and (slopes > 0).all() and (slopes < 1).all()
    assert slopes.min() == 2**-8  # the longest reach is the same for any number of heads


# What may be passed, and what comes back

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]


@pytest.mark.parametrize("queries", DTYPES)
@pytest.mark.parametrize("keys", ["uint8", "int64", "float32"])
def test_every_dtype_that_counts(twin, queries, keys):
    """Unsigned positions must not wrap around, nor int8 overflow."""
    m = twin.array([0, 100], dtype=getattr(twin.dtypes, queries))
    n = twin.array([127, 0], dtype=getattr(twin.dtypes, keys))
    assert values(twin.pe.alibi_bias(1, m, n)).tolist() == [[[-127 / 256, 0], [-27 / 256, -100 / 256]]]


def test_distances_keep_their_digits(twin):
    """float32 would see 16777216 in the first, and a distance of 0."""
    near = [16_777_217, 1_000_000_001], [16_777_216, 1_000_000_000]
    found = values(twin.pe.alibi_bias(8, *near))
    assert found[0, 0, 0] == found[0, 1, 1] == -0.5
    assert values(twin.pe.alibi_bias(8, [2**40], [0]))[0, 0, 0] == -(2.0**39)
    mixed = twin.pe.alibi_bias(8, near[0][:1], twin.array([16_777_216.0], dtype=twin.dtypes.float32))
    assert values(mixed)[0, 0, 0] == -0.5
    assert values(twin.pe.alibi_bias(8, [10_000_000.75], [10_000_000.25]))[0, 0, 0] == -0.25


def test_relative_error_in_float32(twin):
    keys = [int(n) for n in np.random.default_rng(0).integers(0, 10**8, 200)]
    exact = np.array(in_words(12, [0], keys))
    error = np.abs(values(twin.pe.alibi_bias(12, [0], keys, dtype=twin.dtypes.float32)) / exact - 1)
    assert error.max() < 2e-7


def test_half_precision_is_for_the_result_alone():
    """bfloat16 holds no 257; a distance rounded first would be off by one in 256, and again after the product."""
    bias = posenc_lib.torch.alibi_bias(12, [0], range(3000), dtype=torch.bfloat16)
    nearest = torch.tensor(in_words(12, [0], range(3000)), dtype=torch.float32).to(torch.bfloat16)
    assert bias.dtype == torch.bfloat16
    assert (bias != nearest).float().mean() < 1e-3  # ties that 1e-7 tips over


def test_dtypes_of_the_result(twin):
    for dtype in ("float16", "float32", "float64"):
        dtype = getattr(twin.dtypes, dtype)
        assert twin.pe.alibi_bias(2, [0], [1], dtype=dtype).dtype == twin.pe.alibi_slopes(2, dtype=dtype).dtype == dtype
    default = np.float64 if twin.pe is pe else torch.float32
    assert twin.pe.alibi_bias(2, [0], [1]).dtype == twin.pe.alibi_slopes(2).dtype == default


# What is refused, and in which words


@pytest.mark.parametrize("num_heads", [0, -8])
def test_no_heads(twin, num_heads):
    with pytest.raises(ValueError, match=rf"^alibi_slopes: num_heads must be at least 1, got {num_heads}\.$"):
        twin.pe.alibi_slopes(num_heads)
    with pytest.raises(ValueError, match=rf"^alibi_bias: num_heads must be at least 1, got {num_heads}\.$"):
        twin.pe.alibi_bias(num_heads, [0], [0])


@pytest.mark.parametrize(
    ("num_heads", "kind"), [(8.0, "float"), (True, "bool"), ("8", "str"), (None, "NoneType"), ([8], "list")]
)
def test_heads_that_are_no_integer(twin, num_heads, kind):
    said = f"num_heads must be an integer, got {num_heads!r} ({kind})."
    with pytest.raises(TypeError) as refusal:
        twin.pe.alibi_slopes(num_heads)
    assert str(refusal.value) == f"alibi_slopes: {said}"
    with pytest.raises(TypeError) as refusal:
        twin.pe.alibi_bias(num_heads, [0], [0])
    assert str(refusal.value) == f"alibi_bias: {said}"


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_result_dtype_that_holds_no_fractions(twin, dtype):
    said = rf": dtype must be .*floating.*, to hold fractions; got .*{dtype}"
    with pytest.raises(TypeError, match="^alibi_slopes" + said):
        twin.pe.alibi_slopes(2, dtype=getattr(twin.dtypes, dtype))
    with pytest.raises(TypeError, match="^alibi_bias" + said):
        twin.pe.alibi_bias(2, [0], [0], dtype=getattr(twin.dtypes, dtype))


NO_TOKENS = "positions need a token axis; write one position as [p]"
LEADING = "the leading axes differ, and broadcasting them could hide a mistake"


@pytest.mark.parametrize(
    ("wrong", "queries", "keys"),
    [(NO_TOKENS, (), (3,)), (NO_TOKENS, (3,), ()), (NO_TOKENS, (), ()), (LEADING, (2, 1), (3,)),
     (LEADING, (3,), (1, 3)), (LEADING, (2, 3), (1, 3)), (LEADING, (2, 3, 1), (3, 2, 1))],
)  # fmt: skip
def test_shapes_that_do_not_fit(twin, wrong, queries, keys):
    with pytest.raises(ValueError) as refusal:
        twin.pe.alibi_bias(2, twin.array(np.zeros(queries)), twin.array(np.zeros(keys)))
    assert str(refusal.value) == (
        f"alibi_bias: {wrong}. Got query_positions {queries}, key_positions {keys}; expected (..., T) and (..., S) "
        "with the same leading axes."
    )


@pytest.mark.parametrize("wrong", [[1j], ["a"], [None], [True]], ids=repr)
def test_positions_that_are_no_numbers(twin, wrong):
    for positions in ((wrong, [0]), ([0], wrong)):
        with pytest.raises(TypeError, match=r"^alibi_bias: positions must be integers or real numbers, got "):
            twin.pe.alibi_bias(2, *positions)


def test_half_precision_positions(twin):
    for positions in ((np.ones(2, np.float16), [0]), ([0], np.ones(2, np.float16))):
        with pytest.raises(TypeError, match=r"^alibi_bias: positions are (torch\.)?float16, which cannot tell 2048 "):
            twin.pe.alibi_bias(2, *positions)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 2**53])
def test_positions_that_float64_cannot_count(twin, wrong):
    for positions in (([wrong], [0]), ([0], [wrong])):
        with pytest.raises(ValueError, match=r"^alibi_bias: positions must be finite and below 2\*\*53 in size"):
            twin.pe.alibi_bias(2, *positions)


# PyTorch alone


def test_device_follows_the_positions():
    there = torch.arange(3, device="meta")
    for positions in ((there, there), (there, range(3)), ([2], there)):
        found = posenc_lib.torch.alibi_bias(4, *positions)
        assert (found.device.type, found.shape[0], found.shape[2]) == ("meta", 4, 3)


def test_devices_that_differ():
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.alibi_bias(4, torch.arange(3), torch.arange(3, device="meta"))
    assert str(refusal.value) == (
        "alibi_bias: query_positions are on cpu, key_positions are on meta. Move one to the other."
    )


def test_default_device_and_dtype():
    with torch.device("meta"):
        assert posenc_lib.torch.alibi_slopes(3).device.type == "meta"
        assert posenc_lib.torch.alibi_bias(3, [0], [0]).device.type == "meta"
        on_cpu = torch.arange(2, device="cpu")
        assert posenc_lib.torch.alibi_bias(3, on_cpu, range(2)).device.type == "cpu"
    torch.set_default_dtype(torch.float64)
    try:
        assert posenc_lib.torch.alibi_slopes(3).dtype == posenc_lib.torch.alibi_bias(3, [0], [0]).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", ["float32", float], ids=repr)
def test_dtype_that_is_no_torch_dtype(dtype):
    with pytest.raises(TypeError) as refusal:
        posenc_lib.torch.alibi_slopes(2, dtype=dtype)
    said = f"alibi_slopes: dtype must be a floating torch.dtype, to hold fractions; got {dtype!r}."
    assert str(refusal.value) == said


def test_device_without_float64(monkeypatch):
    """Apple's has none: real positions must leave it, integers stay. What leaves the meta device is refused."""
    monkeypatch.setattr(_relative, "DEVICES_WITHOUT_FLOAT64", {"meta"})
    there = torch.arange(3, device="meta")
    assert posenc_lib.torch.alibi_bias(4, there, there).device.type == "meta"
    with pytest.raises(NotImplementedError, match="meta"):
        posenc_lib.torch.alibi_bias(4, there.float(), there)


def test_gradients_of_positions():
    m = torch.tensor([0.5, 3.25], dtype=torch.float64, requires_grad=True)
    n = torch.tensor([-1.0, 1.5, 7.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, n: posenc_lib.torch.alibi_bias(3, m, n, dtype=torch.float64), (m, n))


def test_functional_transforms():
    positions = torch.arange(6).reshape(2, 3)
    found = torch.vmap(lambda p: posenc_lib.torch.alibi_bias(4, p, p))(positions)
    assert torch.equal(found, posenc_lib.torch.alibi_bias(4, positions, positions))


def test_fake_tensors():
    with FakeTensorMode():
        assert posenc_lib.torch.alibi_bias(4, torch.arange(3), torch.arange(5)).shape == (4, 3, 5)
