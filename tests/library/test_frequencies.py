"""frequencies.rope against 50 digits, and what it refuses."""

import fractions

import mpmath
import numpy as np
import pytest

from posenc_lib import frequencies


@pytest.mark.parametrize("dim", [2, 4, 6, 64, 128, 1000])
@pytest.mark.parametrize("base", [1, 2, 10000.0, 500000.0, 1e15])
def test_ladder_to_50_digits(dim, base):
    found = frequencies.rope(dim, base=base)
    assert found.shape == (dim // 2,) and found.dtype == np.float64
    with mpmath.workdps(50):
        exact = [mpmath.mpf(base) ** (-mpmath.mpf(2 * i) / dim) for i in range(dim // 2)]
        errors = [abs(mpmath.mpf(float(f)) - e) / e for f, e in zip(found, exact, strict=True)]
    # The exponent's own rounding is magnified by ln(base), 34.5 at most here.
    assert max(errors) < 2.3e-16 * (1 + np.log(base) / 2)


def test_first_is_one_radian_and_last_misses_one_over_base():
    """The paper writes of wavelengths up to 10000 · 2π; the ladder stops one step before."""
    ladder = frequencies.rope(512, base=10000.0)
    assert ladder[0] == 1
    assert ladder[-1] == pytest.approx(10000 ** (-510 / 512), rel=1e-15)
    assert 2 * np.pi / ladder[-1] == pytest.approx(60611, abs=0.5)


@pytest.mark.parametrize("dim", [8, np.int64(8), np.uint8(8)])
@pytest.mark.parametrize("base", [16, 16.0, np.float32(16), fractions.Fraction(16)])
def test_any_integer_and_any_real_number(dim, base):
    assert np.array_equal(frequencies.rope(dim, base=base), [1, 0.5, 0.25, 0.125])


@pytest.mark.parametrize(
    ("dim", "use"), [(7, "6 or 8"), (1, "2"), (0, "2"), (-2, "2"), (-3, "2"), (np.uint8(255), "254 or 256")]
)
def test_dim_that_makes_no_pairs(dim, use):
    with pytest.raises(ValueError) as refusal:
        frequencies.rope(dim, base=10000.0)
    assert str(refusal.value) == (
        "frequencies.rope: dim must be even and at least 2, because every angular frequency fills two "
        f"dimensions; got {dim}. Use {use}."
    )


@pytest.mark.parametrize("dim", [4.0, True, np.True_, "4", None, np.array(4)])
def test_dim_that_is_no_integer(dim):
    with pytest.raises(TypeError, match=r"^frequencies.rope: dim must be an integer, got "):
        frequencies.rope(dim, base=10000.0)


@pytest.mark.parametrize("base", [None, True, 1j, "10000", np.array(10000.0)])
def test_base_that_is_no_number(base):
    with pytest.raises(TypeError, match=r"^frequencies.rope: base must be a number, got "):
        frequencies.rope(4, base=base)


@pytest.mark.parametrize("base", [0.5, 0, -10000.0, float("nan"), float("inf")])
def test_base_that_makes_no_falling_ladder(base):
    with pytest.raises(ValueError) as refusal:
        frequencies.rope(4, base=base)
    assert str(refusal.value) == (
        "frequencies.rope: base must be finite and at least 1, so that angular frequencies fall from "
        f"1 radian per position; got {base}. The original Transformer uses 10000."
    )


def test_base_has_no_default():
    with pytest.raises(TypeError, match="base"):
        frequencies.rope(4)
