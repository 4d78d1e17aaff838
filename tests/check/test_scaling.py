"""The checkers of position interpolation, NTK-aware scaling and YaRN's ramp, against readers' code."""

import math

import numpy as np
import pytest
import torch

from posenc_lib import check, frequencies
from tests.check.checkers import assert_named

# ---------------------------------------------------------------- right, in several styles


def linear_numpy(dim, base, factor):
    return base ** (-np.arange(0, dim, 2) / dim) / factor


def linear_loops(dim, base, factor):
    return [1 / (factor * base ** (2 * i / dim)) for i in range(dim // 2)]


def linear_float32(dim, base, factor):
    """As transformers computes it."""
    inverse = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim))
    return inverse / factor


def linear_library(dim, base, factor):
    return frequencies.linear(dim, base=base, factor=factor)


def ntk_power(dim, base, factor):
    return base * factor ** (dim / (dim - 2))


def ntk_logarithms(dim, base, factor):
    """From the condition on the last pair, θ' = θ / factor, solved by logarithms."""
    pair = dim // 2 - 1
    last = base ** (-2 * pair / dim) / factor
    return math.exp(-math.log(last) * dim / (2 * pair))


def ntk_tensor(dim, base, factor):
    return torch.tensor(base) * torch.tensor(factor) ** (dim / (dim - 2))


def yarn_clip(dim, base, factor, original_length):
    theta = base ** (-np.arange(0, dim, 2) / dim)
    gamma = np.clip((original_length * theta / (2 * np.pi) - 1) / 31, 0, 1)
    return (1 - gamma) * theta / factor + gamma * theta


def yarn_wavelengths(dim, base, factor, original_length):
    """Pair by pair, as Llama 3.1's released code branches, with the paper's bounds."""
    new = []
    for i in range(dim // 2):
        theta = base ** (-2 * i / dim)
        wavelength = 2 * math.pi / theta
        if wavelength < original_length / 32:
            new.append(theta)
        elif wavelength > original_length / 1:
            new.append(theta / factor)
        else:
            smooth = (original_length / wavelength - 1) / (32 - 1)
            new.append((1 - smooth) * theta / factor + smooth * theta)
    return np.array(new)


def yarn_float32(dim, base, factor, original_length):
    theta = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim)
    gamma = ((original_length * theta / (2 * math.pi) - 1) / 31).clamp(0, 1)
    return gamma * theta + (1 - gamma) * theta / factor


def yarn_library(dim, base, factor, original_length):
    return frequencies.yarn(dim, base=base, factor=factor, original_length=original_length, variant="paper")


RIGHT = [
    (check.linear, linear_numpy),
    (check.linear, lambda dim, base, factor: np.array(linear_loops(dim, base, factor))),
    (check.linear, linear_float32),
    (check.linear, linear_library),
    (check.ntk_base, ntk_power),
    (check.ntk_base, ntk_logarithms),
    (check.ntk_base, ntk_tensor),
    (check.yarn, yarn_clip),
    (check.yarn, yarn_wavelengths),
    (check.yarn, yarn_float32),
    (check.yarn, yarn_library),
]


@pytest.mark.parametrize(("checker", "fn"), RIGHT, ids=lambda f: f.__name__)
def test_a_right_function_passes(checker, fn):
    report = checker(fn)
    assert report.passed, str(report)


# ---------------------------------------------------------------- wrong, as readers write it


def positions_times_factor(dim, base, factor):
    return frequencies.rope(dim, base=base) * factor


def forgot_to_scale(dim, base, factor):
    return frequencies.rope(dim, base=base)


def into_the_base(dim, base, factor):
    return (base * factor) ** (-np.arange(0, dim, 2) / dim)


def half_the_exponent(dim, base, factor):
    return base ** (-np.arange(dim // 2) / dim) / factor


def as_many_as_dimensions(dim, base, factor):
    return np.concatenate([linear_numpy(dim, base, factor)] * 2)


def one_for_each_dimension(dim, base, factor):
    return base ** (-np.arange(dim) / dim) / factor


def times(dim, base, factor):
    return base * factor


def upside_down(dim, base, factor):
    return base * factor ** ((dim - 2) / dim)


def ntk_frequencies(dim, base, factor):
    return frequencies.ntk(dim, base=base, factor=factor)


def as_an_integer(dim, base, factor):
    return int(ntk_power(dim, base, factor))


def both_raised(dim, base, factor):
    return (base * factor) ** (dim / (dim - 2))


def the_code(dim, base, factor, original_length):
    return frequencies.yarn(dim, base=base, factor=factor, original_length=original_length)


def the_code_untruncated(dim, base, factor, original_length):
    return frequencies.yarn(dim, base=base, factor=factor, original_length=original_length, truncate=False)


def llama(dim, base, factor, original_length):
    return frequencies.llama3(
        dim, base=base, factor=factor, original_length=original_length, low_freq_factor=1.0, high_freq_factor=4.0
    )


def radians(dim, base, factor, original_length):
    return yarn_clip(dim, base, factor, original_length * 2 * np.pi)


def swapped(dim, base, factor, original_length):
    theta = frequencies.rope(dim, base=base)
    return theta + theta / factor - yarn_clip(dim, base, factor, original_length)


def long_text(dim, base, factor, original_length):
    return yarn_clip(dim, base, factor, original_length * factor)


def position_interpolation(dim, base, factor, original_length):
    return linear_numpy(dim, base, factor)


def no_clip(dim, base, factor, original_length):
    theta = base ** (-np.arange(0, dim, 2) / dim)
    gamma = (original_length * theta / (2 * np.pi) - 1) / 31
    return gamma * theta + (1 - gamma) * theta / factor


def llama_and_swapped(dim, base, factor, original_length):
    theta = frequencies.rope(dim, base=base)
    return theta + theta / factor - llama(dim, base, factor, original_length)


WRONG = [
    (check.linear, positions_times_factor, "multiplied by the factor"),
    (check.linear, forgot_to_scale, "not scaled"),
    (check.linear, into_the_base, "the base is multiplied by the factor"),
    (check.linear, ntk_frequencies, "NTK-aware scaling"),
    (check.linear, half_the_exponent, "the factor 2 is missing in the exponent"),
    (check.linear, as_many_as_dimensions, "every frequency twice, one half after the other"),
    (check.linear, one_for_each_dimension, "a frequency for every dimension"),
    (check.linear, lambda dim, base, factor: 1 / factor, "wrong shape"),
    (check.ntk_base, times, "base times factor"),
    (check.ntk_base, upside_down, "exponent (d − 2)/d"),
    (check.ntk_base, ntk_frequencies, "the frequencies instead of the base"),
    (check.ntk_base, as_an_integer, "rounded to an integer"),
    (check.ntk_base, both_raised, "the base is raised too"),
    (check.yarn, the_code, "the ramp of the code, over the pair"),
    (check.yarn, the_code_untruncated, "the ramp of the code, without its rounding"),
    (check.yarn, llama, "Llama 3's ramp"),
    (check.yarn, radians, "the 2π is missing"),
    (check.yarn, swapped, "kept and divided are swapped"),
    (check.yarn, long_text, "the turns of the long text"),
    (check.yarn, position_interpolation, "all pairs are divided"),
    (check.yarn, no_clip, "not clipped"),
    (check.yarn, llama_and_swapped, "kept and divided are swapped, and Llama 3's ramp"),
]


@pytest.mark.parametrize(("checker", "fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_function_is_named(checker, fn, diagnosis):
    assert_named(checker, fn, diagnosis)


@pytest.mark.parametrize("method", ["linear", "ntk_base", "yarn"])
def test_the_first_hint_gives_no_formula_away(method):
    def unknown(dim, base, factor, original_length=None):
        return np.full(dim // 2, 0.123) if method != "ntk_base" else 0.123

    report = getattr(check, method)(unknown)
    assert report.diagnosis == "unknown mistake"
    first = report.hint(1)
    assert not any(word in first for word in ("divide by", "power", "2 π", "exponent", "(d − 2)"))


def test_frequencies_are_no_integers():
    def whole(dim, base, factor):
        return np.round(linear_numpy(dim, base, factor)).astype(int)

    assert check.linear(whole).diagnosis == "the result is int64"


@pytest.mark.parametrize(("checker", "fn"), RIGHT[::4], ids=lambda f: f.__name__)
def test_strict_raises_for_a_wrong_function_alone(checker, fn):
    assert checker(fn, strict=True).passed
    with pytest.raises(AssertionError):
        checker(lambda *args: np.zeros(3), strict=True)
