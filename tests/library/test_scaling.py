"""The scaling rules against 50 digits and against the papers, and what they refuse.

Agreement with transformers is test_hf_oracle's; here are the papers' formulas, written again in mpmath.
"""

import math

import mpmath
import numpy as np
import pytest

from posenc_lib import frequencies

DIMS = [4, 6, 64, 128]
BASES = [10000.0, 500000.0, 1e6]
FACTORS = [1, 2.0, 8, 40.0]


def ladder(dim, base):
    return [mpmath.mpf(base) ** (-mpmath.mpf(2 * i) / dim) for i in range(dim // 2)]


def agrees(found, exact, digits=1e-14):
    assert found.dtype == np.float64 and found.shape == (len(exact),)
    for f, e in zip(found, exact, strict=True):
        assert abs(mpmath.mpf(float(f)) - e) <= digits * abs(e)


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("factor", FACTORS)
class TestAgainstFiftyDigits:
    def test_linear(self, dim, base, factor):
        """Chen et al. (2023): position m becomes m L / L'."""
        agrees(frequencies.linear(dim, base=base, factor=factor), [t / factor for t in ladder(dim, base)])

    def test_ntk(self, dim, base, factor):
        """Peng et al. (2023), NTK-aware: b' = b s^(|D| / (|D| − 2))."""
        stretched = mpmath.mpf(base) * mpmath.mpf(factor) ** (mpmath.mpf(dim) / (dim - 2))
        agrees(frequencies.ntk(dim, base=base, factor=factor), ladder(dim, stretched))

    @pytest.mark.parametrize("length", [1, 2048, 2049, 10000, 10**7])
    def test_dynamic_ntk(self, dim, base, factor, length):
        """emozilla's code: base · ((factor · length / L) − (factor − 1))^(dim / (dim − 2)) once length > L."""
        alpha = mpmath.mpf(factor) * length / 2048 - (factor - 1) if length > 2048 else mpmath.mpf(1)
        found = frequencies.dynamic_ntk(dim, base=base, factor=factor, original_length=2048, length=length)
        agrees(found, ladder(dim, mpmath.mpf(base) * alpha ** (mpmath.mpf(dim) / (dim - 2))))

    def test_yarn_as_the_paper_has_it(self, dim, base, factor):
        """Peng et al. (2023), NTK-by-parts: r = L / λ, γ(r) between α = 1 and β = 32, (1 − γ) θ / s + γ θ."""
        exact = []
        for theta in ladder(dim, base):
            r = 4096 / (2 * mpmath.pi / theta)
            gamma = mpmath.mpf(0) if r < 1 else mpmath.mpf(1) if r > 32 else (r - 1) / (32 - 1)
            exact.append((1 - gamma) * theta / factor + gamma * theta)
        found = frequencies.yarn(dim, base=base, factor=factor, original_length=4096, variant="paper")
        agrees(found, exact)

    @pytest.mark.parametrize("truncate", [True, False])
    def test_yarn_as_its_code_has_it(self, dim, base, factor, truncate):
        """jquesnelle/yarn, LlamaYaRNScaledRotaryEmbedding.py: find_correction_range and linear_ramp_mask."""

        def correction(turns):
            return dim * mpmath.log(mpmath.mpf(2048) / (turns * 2 * mpmath.pi)) / (2 * mpmath.log(base))

        low, high = correction(16), correction(2)
        if truncate:
            low, high = mpmath.floor(low), mpmath.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        high += mpmath.mpf("0.001") if low == high else 0
        exact = []
        for i, theta in enumerate(ladder(dim, base)):
            ramp = min(max((i - low) / (high - low), 0), 1)
            exact.append(theta / factor * ramp + theta * (1 - ramp))
        options = {"beta_fast": 16.0, "beta_slow": 2.0, "truncate": truncate}
        agrees(frequencies.yarn(dim, base=base, factor=factor, original_length=2048, **options), exact, 1e-12)

    @pytest.mark.parametrize("high", [4, 1], ids=["Llama 3.1", "Llama 4 Scout"])
    def test_llama3(self, dim, base, factor, high):
        """apply_scaling of meta-llama/llama-models, by wavelengths as it is written there."""
        exact = []
        for theta in ladder(dim, base):
            wavelength = 2 * mpmath.pi / theta
            if wavelength < mpmath.mpf(8192) / high:
                exact.append(theta)
            elif wavelength > mpmath.mpf(8192) / 1:
                exact.append(theta / factor)
            else:
                smooth = (8192 / wavelength - 1) / (high - 1)
                exact.append((1 - smooth) * theta / factor + smooth * theta)
        options = {"original_length": 8192, "low_freq_factor": 1, "high_freq_factor": float(high)}
        agrees(frequencies.llama3(dim, base=base, factor=factor, **options), exact)

    def test_longrope(self, dim, base, factor):
        """Ding et al. (2024): θ_i / λ_i."""
        divisors = [1 + factor * i / dim for i in range(dim // 2)]
        exact = [theta / mpmath.mpf(divisor) for theta, divisor in zip(ladder(dim, base), divisors, strict=True)]
        agrees(frequencies.longrope(dim, base=base, factors=divisors), exact)

    @pytest.mark.parametrize("fraction", [0, 0.25, 0.5, 1])
    def test_proportional(self, dim, base, factor, fraction):
        """Barbero et al. (2024), p-RoPE: the lowest frequencies do not rotate."""
        turning = math.floor(fraction * dim / 2)
        exact = [theta / factor if i < turning else mpmath.mpf(0) for i, theta in enumerate(ladder(dim, base))]
        agrees(frequencies.proportional(dim, base=base, fraction=fraction, factor=factor), exact)

    def test_attention_factors(self, dim, base, factor):
        """Peng et al. (2023), attention scaling, DeepSeek's yarn_get_mscale, and Phi-3's scaling factor."""
        log = mpmath.log(factor)
        found = frequencies.yarn_attention_factor(factor)
        assert abs(found - (log / 10 + 1)) < 1e-15
        found = frequencies.yarn_attention_factor(factor, mscale=0.5, mscale_all_dim=2)
        assert abs(found - (log / 20 + 1) / (log / 5 + 1)) < 1e-15
        found = frequencies.longrope_attention_factor(factor, 4096)
        assert abs(found - mpmath.sqrt(1 + log / mpmath.log(4096))) < 1e-15


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_axial(axes):
    for n in (1, 2, 16):
        agrees(frequencies.axial(2 * axes * n, base=100.0, axes=axes), ladder(2 * n, 100.0))


def test_papers_yarn_is_up_to_three_times_off_the_codes():
    """jquesnelle/yarn#60. d = 128, base 10000, L = 4096, s = 16: at pair 38."""
    options = {"base": 10000.0, "factor": 16.0, "original_length": 4096}
    ratio = frequencies.yarn(128, **options) / frequencies.yarn(128, variant="paper", **options)
    assert np.argmax(ratio) == 38 and ratio[38] == pytest.approx(3.04, abs=0.005)
    # They agree where both keep or both divide.
    assert np.allclose(ratio[:20], 1) and np.allclose(ratio[46:], 1)


def test_llama3_is_the_ramp_of_yarns_paper():
    options = {"base": 500000.0, "factor": 8.0, "original_length": 8192}
    llama = frequencies.llama3(128, low_freq_factor=1, high_freq_factor=4, **options)
    assert np.array_equal(llama, frequencies.yarn(128, beta_slow=1, beta_fast=4, variant="paper", **options))


def test_llama3_with_equal_bounds_is_a_step():
    """A pair that makes just so many turns stays: Meta's code would refuse it, transformers gives no number."""
    ladder = frequencies.rope(8, base=10000.0)
    turns = 2 * ladder[1] / (2 * math.pi)
    found = frequencies.llama3(
        8, base=10000.0, factor=16.0, original_length=2, low_freq_factor=turns, high_freq_factor=turns
    )
    assert np.array_equal(found, ladder / [1, 1, 16, 16])


def test_ntk_keeps_the_first_pair_and_divides_the_last():
    found = frequencies.ntk(128, base=10000.0, factor=16.0) / frequencies.rope(128, base=10000.0)
    assert found[0] == 1 and found[-1] == pytest.approx(1 / 16, rel=1e-14) and np.all(np.diff(found) < 0)


def test_ntk_does_not_overflow():
    base, factor = 1e150, 1e160  # the stretched base is 10^312.5
    agrees(frequencies.ntk(128, base=base, factor=factor), [
        theta * mpmath.mpf(factor) ** (-mpmath.mpf(2 * i) / 126) for i, theta in enumerate(ladder(128, base))
    ], 1e-12)


def test_yarn_of_one_pair():
    """The step that the code's guard makes where low and high are one pair: pair 0 stays, by either ramp."""
    assert frequencies.yarn(2, base=1e4, factor=8.0, original_length=10, beta_fast=1.5) == pytest.approx([1.0])


def test_yarns_step():
    """base so large that both bounds round to pairs 0 and 1; without truncation the ramp ends before pair 1."""
    found = frequencies.yarn(8, base=1e300, factor=4.0, original_length=4096)
    assert found == pytest.approx(frequencies.rope(8, base=1e300) * [1, 0.25, 0.25, 0.25])


@pytest.mark.parametrize("original_length", [100_000, 700_000])  # a ramp from 5 to 7; a step at 7
def test_yarn_whose_ramp_begins_past_the_last_pair(original_length):
    """The code keeps high within dim − 1, not within dim/2 − 1: up to 7 here, and the last pair is 3."""
    found = frequencies.yarn(8, base=100.0, factor=4.0, original_length=original_length)
    assert np.array_equal(found, frequencies.rope(8, base=100.0))


RULES = {
    "linear": lambda **o: frequencies.linear(8, **{"base": 1e4, "factor": 2.0, **o}),
    "ntk": lambda **o: frequencies.ntk(8, **{"base": 1e4, "factor": 2.0, **o}),
    "dynamic_ntk": lambda **o: frequencies.dynamic_ntk(
        8, **{"base": 1e4, "factor": 2.0, "original_length": 64, "length": 128, **o}
    ),
    "yarn": lambda **o: frequencies.yarn(8, **{"base": 1e4, "factor": 2.0, "original_length": 64, **o}),
    "llama3": lambda **o: frequencies.llama3(
        8,
        **{"base": 1e4, "factor": 2.0, "original_length": 64, "low_freq_factor": 1.0, "high_freq_factor": 4.0, **o},
    ),
    "proportional": lambda **o: frequencies.proportional(8, **{"base": 1e4, "factor": 2.0, "fraction": 0.5, **o}),
    "yarn_attention_factor": lambda **o: frequencies.yarn_attention_factor(**{"factor": 2.0, **o}),
    "longrope_attention_factor": lambda **o: frequencies.longrope_attention_factor(
        **{"factor": 2.0, "original_length": 64, **o}
    ),
}
NUMBERS = [
    *[(rule, "factor") for rule in RULES],
    ("yarn", "beta_fast"),
    ("yarn", "beta_slow"),
    ("llama3", "low_freq_factor"),
    ("llama3", "high_freq_factor"),
    ("proportional", "fraction"),
]
LENGTHS = [
    ("dynamic_ntk", "length", 1),
    ("dynamic_ntk", "original_length", 1),
    ("yarn", "original_length", 1),
    ("llama3", "original_length", 1),
    ("longrope_attention_factor", "original_length", 2),
]


@pytest.mark.parametrize(("rule", "name"), NUMBERS)
@pytest.mark.parametrize("value", [None, "2", True, np.True_, 2j, np.array(2.0)])
def test_what_is_no_number(rule, name, value):
    with pytest.raises(TypeError) as refusal:
        RULES[rule](**{name: value})
    assert str(refusal.value) == (
        f"frequencies.{rule}: {name} must be a number, got {value!r} ({type(value).__name__})."
    )


@pytest.mark.parametrize(("rule", "name"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_what_is_not_finite(rule, name, value):
    with pytest.raises(ValueError) as refusal:
        RULES[rule](**{name: value})
    assert str(refusal.value) == f"frequencies.{rule}: {name} must be finite, got {value}."


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("value", [0.999, 0, -2.0])
def test_a_factor_that_shortens_the_context(rule, value):
    with pytest.raises(ValueError) as refusal:
        RULES[rule](factor=value)
    assert str(refusal.value) == (
        f"frequencies.{rule}: factor must be at least 1, because it says how many times longer the context "
        f"becomes; got {value}. 1 leaves the frequencies as they are."
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_factor_of_1_leaves_the_ladder(rule):
    found = RULES[rule](factor=1)
    if rule == "dynamic_ntk":  # α is length / original_length then
        expected = frequencies.ntk(8, base=1e4, factor=2.0)
    elif rule == "proportional":
        expected = frequencies.rope(8, base=1e4) * [1, 1, 0, 0]
    else:
        expected = 1.0 if "attention" in rule else frequencies.rope(8, base=1e4)
    assert found == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("rule", "name", "least"), LENGTHS)
@pytest.mark.parametrize("value", [64.0, True, "64", None])
def test_a_length_that_is_no_integer(rule, name, least, value):
    with pytest.raises(TypeError) as refusal:
        RULES[rule](**{name: value})
    assert str(refusal.value) == (
        f"frequencies.{rule}: {name} must be an integer, got {value!r} ({type(value).__name__})."
    )


@pytest.mark.parametrize(("rule", "name", "least"), LENGTHS)
def test_a_length_that_is_too_small(rule, name, least):
    with pytest.raises(ValueError) as refusal:
        RULES[rule](**{name: least - 1})
    assert str(refusal.value) == f"frequencies.{rule}: {name} must be at least {least}, got {least - 1}."
    if rule != "yarn":  # which needs more than a turn
        RULES[rule](**{name: least})


@pytest.mark.parametrize("rule", [rule for rule in RULES if "attention" not in rule])
def test_base_is_checked_by_the_operation_that_was_called(rule):
    with pytest.raises(ValueError, match=r"base must be finite and at least 1"):
        RULES[rule](base=0.5)
    with pytest.raises(TypeError, match=r"base must be a number"):
        RULES[rule](base=True)


@pytest.mark.parametrize("rule", ["ntk", "dynamic_ntk"])
def test_ntk_of_one_pair(rule):
    options = {"original_length": 64, "length": 64} if rule == "dynamic_ntk" else {}
    with pytest.raises(ValueError) as refusal:
        getattr(frequencies, rule)(2, base=1e4, factor=2.0, **options)
    assert str(refusal.value) == (
        f"frequencies.{rule}: dim must be at least 4, because the rule keeps the first pair and divides the last by "
        "the factor; got 2, where both are one pair."
    )


@pytest.mark.parametrize(
    ("rule", "low_name", "high_name", "wanted", "refused"),
    [
        ("yarn", "beta_slow", "beta_fast", "be below", [(4.0, 4.0), (4.0, 1.0)]),
        ("llama3", "low_freq_factor", "high_freq_factor", "not be above", [(4.0, 3.5), (4.0, 1.0)]),
    ],
)
def test_bounds_of_a_ramp(rule, low_name, high_name, wanted, refused):
    for low, high in refused:
        with pytest.raises(ValueError) as refusal:
            RULES[rule](**{low_name: low, high_name: high})
        assert str(refusal.value) == (
            f"frequencies.{rule}: {low_name} must {wanted} {high_name}, got {low_name}={low} and {high_name}={high}."
        )
    for low in (0, -1.0):
        with pytest.raises(ValueError) as refusal:
            RULES[rule](**{low_name: low})
        assert str(refusal.value) == f"frequencies.{rule}: {low_name} must be above 0, got {low}."


def test_yarns_variant_and_truncate():
    with pytest.raises(ValueError) as refusal:
        RULES["yarn"](variant="papers")
    assert str(refusal.value) == "frequencies.yarn: variant must be 'code' or 'paper', got 'papers'."
    for truncate in (1, None, "False"):
        with pytest.raises(TypeError) as refusal:
            RULES["yarn"](truncate=truncate)
        assert str(refusal.value) == (
            f"frequencies.yarn: truncate must be True or False, got {truncate!r} ({type(truncate).__name__})."
        )
    assert np.array_equal(RULES["yarn"](truncate=np.False_), RULES["yarn"](truncate=False))


def test_yarns_code_needs_a_base_above_1():
    with pytest.raises(ValueError) as refusal:
        RULES["yarn"](base=1)
    assert str(refusal.value) == (
        "frequencies.yarn: base must be above 1 for variant 'code', which divides by its logarithm; got 1."
    )
    assert np.allclose(RULES["yarn"](base=1, original_length=1000, variant="paper"), 1)


@pytest.mark.parametrize(
    ("original_length", "options", "ends"),
    [
        (1, {"beta_slow": 2.0}, "0 down to -1"),
        (12, {"beta_slow": 2.0, "truncate": False}, "0 down to -0.02003"),
        (10**12, {}, "9 down to 7"),
    ],
)
def test_yarns_code_with_its_ramp_beyond_the_pairs(original_length, options, ends):
    with pytest.raises(ValueError) as refusal:
        RULES["yarn"](original_length=original_length, **options)
    assert str(refusal.value) == (
        f"frequencies.yarn: original_length={original_length} puts the code's ramp beyond the pairs, from {ends}, "
        "where it divides what it should keep. Mend original_length or the betas; variant 'paper' has no such limit."
    )
    kept = 1 if original_length > 100 else 0.5
    found = RULES["yarn"](original_length=original_length, variant="paper", **options)
    assert np.allclose(found, frequencies.rope(8, base=1e4) * kept)


@pytest.mark.parametrize("scales", [{"mscale": 1.0}, {"mscale_all_dim": 1.0}])
def test_one_scale_of_the_attention_factor_alone(scales):
    with pytest.raises(ValueError) as refusal:
        frequencies.yarn_attention_factor(2.0, **scales)
    assert str(refusal.value) == (
        f"frequencies.yarn_attention_factor: mscale and mscale_all_dim go together, got mscale={scales.get('mscale')} "
        f"and mscale_all_dim={scales.get('mscale_all_dim')}. One alone is ignored by transformers and not by "
        "DeepSeek's code: leave it out, or give both."
    )


@pytest.mark.parametrize("name", ["mscale", "mscale_all_dim"])
def test_scales_of_the_attention_factor(name):
    for value, error in ((0, ValueError), (-1.0, ValueError), (True, TypeError), (math.nan, ValueError)):
        with pytest.raises(error, match=rf"^frequencies.yarn_attention_factor: {name} must be "):
            frequencies.yarn_attention_factor(2.0, **{"mscale": 1.0, "mscale_all_dim": 1.0, name: value})


def test_factors_of_longrope():
    def call(factors):
        return frequencies.longrope(4, base=1e4, factors=factors)

    for factors, shape in (([1.0], "(1,)"), ([[1.0, 2.0]], "(1, 2)"), (2.0, "()"), ([1.0, 2.0, 3.0], "(3,)")):
        with pytest.raises(ValueError) as refusal:
            call(factors)
        assert str(refusal.value) == (
            "frequencies.longrope: factors must have shape (2,), one divisor for each of the dim/2 pairs; "
            f"got {shape}."
        )
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError) as refusal:
            call([1.0, wrong])
        assert str(refusal.value) == (
            f"frequencies.longrope: factors must be finite and above 0, got {wrong} at pair 1."
        )
    for factors, dtype in ((["1", "2"], "<U1"), ([True, True], "bool"), ([1j, 2], "complex128")):
        with pytest.raises(TypeError) as refusal:
            call(factors)
        assert str(refusal.value) == f"frequencies.longrope: factors must be real numbers, got an array of {dtype}."
    given = np.array([1.0, 4.0])
    assert np.array_equal(call(given), [1.0, 0.0025]) and np.array_equal(given, [1.0, 4.0])
    assert np.array_equal(call([1, 4]), [1.0, 0.0025])


def test_fraction():
    for fraction in (-0.1, 1.001):
        with pytest.raises(ValueError) as refusal:
            RULES["proportional"](fraction=fraction)
        assert str(refusal.value) == f"frequencies.proportional: fraction must be from 0 to 1, got {fraction}."
    assert np.count_nonzero(RULES["proportional"](fraction=0.74)) == 2  # rounded down from 2.96 pairs


def test_axes():
    for dim, axes, use in ((6, 2, "4 or 8"), (2, 2, "4"), (80, 3, "78 or 84")):
        with pytest.raises(ValueError) as refusal:
            frequencies.axial(dim, base=1e4, axes=axes)
        assert str(refusal.value) == (
            f"frequencies.axial: dim must be a multiple of 2 · axes = {2 * axes}, so that every axis gets whole "
            f"pairs; got {dim}. Use {use}."
        )
    with pytest.raises(TypeError, match=r"^frequencies.axial: axes must be an integer, got 2\.0"):
        frequencies.axial(8, base=1e4, axes=2.0)
    with pytest.raises(ValueError, match=r"^frequencies.axial: axes must be at least 1, got 0\."):
        frequencies.axial(8, base=1e4, axes=0)
    with pytest.raises(ValueError, match=r"^frequencies.axial: dim must be even"):
        frequencies.axial(7, base=1e4)
