"""sinusoidal, both twins: against 50 digits, against numbers printed elsewhere, and as the theorems say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib import frequencies

# The first row is pure cosine and sine of small numbers, the last ones lose most digits to their size;
# 710 and 103993 are numerators of convergents of 2π and π, where a sine is nearly 0.
INTEGERS = [0, 1, 2, 3, 44, 710, 1000, 103993, 999_983, 1_000_000, 9_999_991, 10_000_000]
REALS = [0.5, -0.25, 1e-9, 3.141592653589793, 1234567.891, 9_999_999.5]
RANDOM = [int(p) for p in np.random.default_rng(0).integers(0, 10**7, 40)]
POSITIONS = [*INTEGERS, *(-p for p in INTEGERS), *REALS, *RANDOM]


def values(encoding):
    """As a float64 NumPy array, which holds every smaller dtype exactly."""
    return encoding.to(torch.float64).numpy() if isinstance(encoding, torch.Tensor) else np.float64(encoding)


@pytest.mark.parametrize(("dim", "base"), [(2, 10000), (8, 10000), (64, 10000), (64, 500000), (6, 10)])
def test_to_50_digits(twin, error, dim, base):
    encode = lambda dtype: values(twin.pe.sinusoidal(POSITIONS, dim, base=base, dtype=dtype))  # noqa: E731
    assert error(encode(twin.dtypes.float32), POSITIONS, dim, base).max() < 2e-7
    bound = {"posenc_lib.numpy": 3e-16, "posenc_lib.torch": 4e-16}[twin.pe.__name__]
    errors = error(encode(twin.dtypes.float64), POSITIONS, dim, base)
    assert np.all(errors < bound * np.maximum(1, np.abs(POSITIONS)))


def test_numbers_printed_elsewhere(twin):
    """Sines and cosines of 0, 1, 2 rad and of hundredths, from any table: dim 4 makes θ = 1, 0.01."""
    printed = [
        [0.00000000, 1.00000000, 0.00000000, 1.00000000],
        [0.84147098, 0.54030231, 0.00999983, 0.99995000],
        [0.90929743, -0.41614684, 0.01999867, 0.99980001],
    ]
    assert np.allclose(values(twin.pe.sinusoidal(range(3), 4)), printed, rtol=0, atol=1e-7)


def test_against_the_code_most_tutorials_print(twin):
    """exp(−2i · ln(10000) / d), as in the Annotated Transformer and PyTorch's own tutorial."""
    position, dim = np.arange(50)[:, None], 32
    div_term = np.exp(np.arange(0, dim, 2) * (-np.log(10000.0) / dim))
    table = np.zeros((50, dim))
    table[:, 0::2], table[:, 1::2] = np.sin(position * div_term), np.cos(position * div_term)
    assert np.allclose(values(twin.pe.sinusoidal(range(50), dim)), table, rtol=0, atol=2e-7)


# What may be passed

INTEGER_DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", [*INTEGER_DTYPES, "float32", "float64"])
def test_every_dtype_that_counts(twin, exact, dtype):
    positions = twin.array([0, 1, 5, 127], dtype=getattr(twin.dtypes, dtype))
    assert np.allclose(values(twin.pe.sinusoidal(positions, 4)), exact([0, 1, 5, 127], 4), rtol=0, atol=2e-7)


@pytest.mark.parametrize(
    "positions",
    [range(10, -10, -3), range(0), [3, 1], (2.5,), [], 7, 2.5, np.int16(3), np.float32(3), np.arange(6)[::-2],
     np.arange(12).reshape(2, 3, 2), np.zeros((0, 3)), np.broadcast_to(np.arange(3), (2, 3))],
    ids=repr,
)  # fmt: skip
def test_shapes_and_containers(twin, exact, positions):
    flat = [float(p) for p in np.asarray(positions).ravel()]
    encoding = twin.pe.sinusoidal(positions, 4)
    assert tuple(encoding.shape) == (*np.shape(positions), 4)
    assert np.allclose(values(encoding).reshape(-1, 4), exact(flat, 4), rtol=0, atol=2e-7)


def test_python_floats_keep_their_digits(twin, error):
    """PyTorch reads a list of floats as float32, in which 16777217 is 16777216 and .3 at 1e7 is lost."""
    positions = [16_777_217.0, 10_000_000.3]
    assert error(values(twin.pe.sinusoidal(positions, 4)), positions, 4).max() < 2e-7


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_result_is_the_exact_value_rounded(twin, exact, dtype):
    encoding = twin.pe.sinusoidal(POSITIONS, 64, dtype=getattr(twin.dtypes, dtype))
    assert encoding.dtype == getattr(twin.dtypes, dtype)
    rounded = exact(POSITIONS, 64).astype(dtype)
    if twin.pe is pe:
        assert np.mean(values(encoding) != rounded) < 1e-3  # ties that 3e-16 · |p| tips over
    # float32 angles move a result by 2e-7, over the edge to a neighbour at most.
    unit = np.spacing(np.abs(rounded)).astype(np.float64)
    assert np.all(np.abs(values(encoding) - rounded) <= np.maximum(unit, 2e-7))


def test_bfloat16_is_the_exact_value_rounded(exact):
    encoding = posenc_lib.torch.sinusoidal(POSITIONS, 64, dtype=torch.bfloat16)
    nearest = torch.from_numpy(exact(POSITIONS, 64)).to(torch.bfloat16)
    assert encoding.dtype == torch.bfloat16
    assert (encoding != nearest).float().mean() < 1e-3  # ties that 1e-7 tips over
    assert torch.allclose(encoding.double(), nearest.double(), rtol=2**-7, atol=2e-7)


# What is refused, and in which words


@pytest.mark.parametrize("positions", [[1j], ["a"], "12", [None], None, [True], {1: 2}, [2**70]], ids=repr)
def test_no_real_numbers(twin, positions):
    with pytest.raises(TypeError, match=r"^sinusoidal: positions must be integers or real numbers, got "):
        twin.pe.sinusoidal(positions, 4)


HALF = r"^sinusoidal: positions are {}, which cannot tell {} from {}\. Pass integers, float32 or float64"


def test_half_precision_positions(twin):
    with pytest.raises(TypeError, match=HALF.format(r"(torch\.)?float16", 2048, 2049)):
        twin.pe.sinusoidal(np.ones(2, np.float16), 4)


@pytest.mark.parametrize(("dtype", "merged"), [(torch.bfloat16, 256), (torch.float8_e4m3fn, 16)])
def test_even_fewer_digits(dtype, merged):
    with pytest.raises(TypeError, match=HALF.format(dtype, merged, merged + 1)):
        posenc_lib.torch.sinusoidal(torch.ones(2).to(dtype), 4)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 2**53, -(2**53), -(2**63), 2.0**53])
def test_positions_that_float64_cannot_count(twin, wrong):
    with pytest.raises(ValueError, match=r"^sinusoidal: positions must be finite and below 2\*\*53 in size"):
        twin.pe.sinusoidal([0, wrong], 4)


def test_unsigned_positions_that_float64_cannot_count(twin):
    with pytest.raises(ValueError, match=r"below 2\*\*53 in size.* got values from 9\.?22337203685477"):
        twin.pe.sinusoidal(np.array([2**63 + 5], dtype=np.uint64), 4)


def test_largest_position(twin, error):
    encoding = twin.pe.sinusoidal([2**53 - 1, 1 - 2**53], 4, dtype=twin.dtypes.float64)
    assert error(values(encoding), [2**53 - 1, 1 - 2**53], 4).max() < 4  # only that it is let through
    assert np.all(np.isfinite(values(encoding)))


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_result_dtype_that_holds_no_sines(twin, dtype):
    with pytest.raises(TypeError, match=rf"^sinusoidal: dtype must be .*floating.*, to hold sines; got .*{dtype}"):
        twin.pe.sinusoidal([1], 4, dtype=getattr(twin.dtypes, dtype))


def test_dim_and_base_are_checked_under_this_name(twin):
    with pytest.raises(ValueError, match=r"^sinusoidal: dim must be even and at least 2, .* got 5\. Use 4 or 6\.$"):
        twin.pe.sinusoidal([1], 5)
    with pytest.raises(TypeError, match=r"^sinusoidal: dim must be an integer, got 4\.0 \(float\)\.$"):
        twin.pe.sinusoidal([1], 4.0)
    with pytest.raises(ValueError, match=r"^sinusoidal: base must be finite and at least 1, .* got 0\.5\."):
        twin.pe.sinusoidal([1], 4, base=0.5)
    with pytest.raises(TypeError, match=r"^sinusoidal: base must be a number, got None"):
        twin.pe.sinusoidal([1], 4, base=None)


def test_positions_are_left_as_they_were(twin):
    positions = twin.array([1.0, 2.0], dtype=twin.dtypes.float64)
    twin.pe.sinusoidal(positions, 4)
    assert positions.tolist() == [1.0, 2.0]


# The theorems of the chapter, on drawn inputs

DIMS = st.integers(1, 40).map(lambda half: 2 * half)
BASES = st.floats(1, 1e6)
INTEGER = st.integers(-(10**6), 10**6)


@given(INTEGER, INTEGER, DIMS, BASES)
def test_shift_is_one_linear_map(m, k, dim, base):
    """p_(m+k) = M_k p_m, where M_k rotates each pair (sin, cos) by kθ and knows nothing of m."""
    shift = np.zeros((dim, dim))
    for i, angle in enumerate(k * frequencies.rope(dim, base=base)):
        pair = slice(2 * i, 2 * i + 2)
        shift[pair, pair] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    moved = shift @ pe.sinusoidal(m, dim, base=base)
    assert np.allclose(moved, pe.sinusoidal(m + k, dim, base=base), rtol=0, atol=2e-9)


@given(st.floats(-1e9, 1e9), DIMS, BASES)
def test_norm_is_fixed(p, dim, base):
    assert np.linalg.norm(pe.sinusoidal(p, dim, base=base)) == pytest.approx(np.sqrt(dim / 2), rel=1e-14)


@given(INTEGER, INTEGER, INTEGER, DIMS)
def test_dot_product_sees_the_distance_and_not_the_direction(m, n, k, dim):
    p = lambda position: pe.sinusoidal(position, dim)  # noqa: E731
    assert p(m + k) @ p(n + k) == pytest.approx(p(m) @ p(n), abs=2e-7)
    assert p(m) @ p(n) == pytest.approx(np.cos((m - n) * frequencies.rope(dim, base=10000.0)).sum(), abs=2e-7)
    assert p(n) @ p(0) == pytest.approx(p(-n) @ p(0), abs=2e-7)


@given(st.integers(0, 10**7), st.integers(1, 10**7), DIMS)
def test_integers_have_codes_of_their_own(m, k, dim):
    """Pair 0 alone tells integers apart; 1e7 is nowhere nearer than 1e-8 to a multiple of 2π."""
    assert np.abs(pe.sinusoidal(m, dim) - pe.sinusoidal(m + k, dim)).max() > 1e-9
