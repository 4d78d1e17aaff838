"""No wrong function passes, and no name is given that is not true of the function as a whole."""

import itertools
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posenc_lib import check, frequencies
from posenc_lib import numpy as pe
from tests.check.checkers import exercise_of

ONCE = hypothesis.settings(deadline=None, derandomize=True, database=None, max_examples=30)


def _attention_inputs(seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((6, features)) for features in (5, 5, 7))


# Inputs that no checker tries. A name is true when the wrong version it names gives the reader's values here too.
HELD_OUT = {
    "alibi": [(2, np.array([5, 1, 2]), np.array([0, 3, 9, 4])), (32, np.arange(3), np.arange(5))],
    "alibi_slopes": [(5,), (10,), (112,)],
    "alibi_reach": [(0.3, 0.02), (0.7, 0.3), (0.05, 0.004)],
    "rope": [
        (np.random.default_rng(91).standard_normal((2, 5, 8)), np.array([0, 300, 257, 2, 3001])),
        (np.random.default_rng(90).standard_normal((6, 2, 6, 4)), np.arange(6)),
        (np.random.default_rng(89).standard_normal((7, 10)), np.arange(7)),
    ],
    "rope_logits": [
        (*np.random.default_rng(88).standard_normal((2, 8)), np.array([0, 3, -11, 290])),
        (*np.random.default_rng(87).standard_normal((2, 12)), np.array([[5, -2], [-40, 7]])),
    ],
    "mean_cosine": [(np.array([0, 3, -11, 290]), 8, 10000.0), (np.array([[1, -2], [-40, 7]]), 12, 3000.0)],
    "pointing_key": [
        (np.random.default_rng(86).standard_normal(8), 17),
        (np.random.default_rng(85).standard_normal(10), -4),
    ],
    "rotated_values": [
        (*np.random.default_rng(84).standard_normal((3, 5, 8)), np.array([0, 300, 257, 2, 31])),
        (*np.random.default_rng(83).standard_normal((3, 4, 6)), np.arange(4)),
    ],
    "shaw": [
        (np.random.default_rng(95).standard_normal((10, 6)), np.random.default_rng(94).standard_normal((7, 6))),
        (np.random.default_rng(93).standard_normal((4, 2)), np.random.default_rng(92).standard_normal((3, 2))),
    ],
    "t5_bucket": [(np.arange(-70, 90),), (np.array([[5, -200], [9, -8]]),)],
    "sinusoidal": [(np.array([0, 2, 9, 31]), 12), (np.array([2.5, -1.5, 8.0]), 10), (np.arange(600, 640), 4)],
    "attention": [_attention_inputs(99)],
    "causal_attention": [_attention_inputs(98)],
    "shift_matrix": [(4, 6), (-3, 10), (17, 4)],
    "longest_wavelength": [(32, 10000.0), (10, 300.0)],
    "positions_from_mask": [
        (np.array([[0, 1, 0, 0, 1, 1, 0], [1, 1, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0]]),),
        (np.array([[1, 1, 1, 0], [0, 1, 1, 1]]),),
    ],
    "positions_after": [(np.array([9, 2, 40, 3, 5]), 4), (np.array([1, 11]), 6)],
    "convert_layout": [
        (np.random.default_rng(82).standard_normal((40, 30)), 5),
        (np.random.default_rng(81).standard_normal((24, 8)), 2),
    ],
    "linear": [(10, 300.0, 3.0), (32, 10000.0, 1.5)],
    "ntk_base": [(10, 300.0, 4.0), (32, 10000.0, 1.5)],
    "yarn": [(32, 10000.0, 8.0, 1000), (10, 300.0, 3.0, 400), (96, 1e6, 4.0, 32768)],
    "relative_part": [(np.random.default_rng(97).standard_normal((10, 10)),)],
    "reordered": [
        (np.random.default_rng(96).standard_normal((6, 5)), np.array([3, 0, 5, 1, 2, 4]), np.array([1, 2, 0, 5, 3, 4]))
    ],
}
# These can only be seen where T = d, so that they hide a partner elsewhere.
_ONE_SHAPE = {"k is not transposed"}


def reader(exercise, knobs):
    """A reader's function that makes the given mistakes."""

    def fn(*args, **keywords):
        with np.errstate(all="ignore"):
            return exercise.formula(*args, **keywords, **knobs).values

    names = ", ".join(exercise.parameters)
    if exercise.method == "sinusoidal":
        return eval(f"lambda {names}, base=10000.0: fn({names}, base=base)", {"fn": fn})
    return eval(f"lambda {names}: fn({names})", {"fn": fn})


def same_function(exercise, knobs, others):
    """Whether two sets of knobs give the same values on held-out inputs."""
    fn, other = reader(exercise, knobs), reader(exercise, others)
    return all(
        np.allclose(fn(*args), other(*args), rtol=1e-6, atol=1e-9, equal_nan=True) for args in HELD_OUT[exercise.method]
    )


def named(exercise, diagnosis):
    """Yield the knobs of each way to read a diagnosis: some names stand for several versions."""
    parts = diagnosis.split(", and ")
    if diagnosis in {m.name for m in exercise.mistakes}:
        parts = [diagnosis]
    choices = [[m for m in exercise.mistakes if m.name == part] for part in parts]
    for mistakes in itertools.product(*choices):
        yield {name: knob for mistake in mistakes for name, knob in mistake.knobs.items()}


def assert_true_or_unknown(exercise, knobs):
    """Check the function that `knobs` make; return its diagnosis, which must be true of it."""
    report = getattr(check, exercise.method)(reader(exercise, knobs))
    assert not report.passed
    if report.diagnosis in ("unknown mistake", "values that are not finite"):
        return report.diagnosis
    ways = list(named(exercise, report.diagnosis))
    assert any(same_function(exercise, knobs, way) for way in ways), report.diagnosis
    return report.diagnosis


METHODS = list(HELD_OUT)


@pytest.mark.parametrize("method", METHODS)
def test_every_version_in_the_bank_is_named(method):
    exercise = exercise_of(method)
    for mistake in exercise.mistakes:
        if mistake.name not in _ONE_SHAPE:
            assert getattr(check, method)(reader(exercise, mistake.knobs)).diagnosis == mistake.name


# Where pairs are many, every third, fifth or seventh is tried: they are spread over all mistakes.
STRIDE = {"sinusoidal": 3, "causal_attention": 3, "rope": 5, "rope_logits": 3, "pointing_key": 5, "rotated_values": 7}
# Of all pairs, the share that is named exactly; the rest are one function under two names, or unknown.
EXACT = {
    "alibi": 0.95,
    "alibi_slopes": 1.0,
    "alibi_reach": 1.0,
    "rope": 0.92,
    "rope_logits": 0.90,
    "mean_cosine": 0.90,
    "pointing_key": 0.90,
    "rotated_values": 0.90,
    "shaw": 0.95,
    "t5_bucket": 0.90,
    "sinusoidal": 0.97,
    "attention": 0.90,
    "causal_attention": 0.85,  # a finite mask that shows only against large logits hides beside other mistakes
    "shift_matrix": 0.90,
    "longest_wavelength": 1.0,
    "positions_from_mask": 0.90,
    "positions_after": 0.90,
    "convert_layout": 0.85,  # where rows are not reordered, their heads do not show
    "linear": 1.0,
    "ntk_base": 0.95,
    "yarn": 0.90,
    "relative_part": 0.90,
    "reordered": None,  # its bank has one knob, so no pairs
}


@pytest.mark.parametrize("method", METHODS)
def test_pairs_are_named_exactly_or_truly_or_not_at_all(method):
    exercise = exercise_of(method)
    pairs = [
        (one, other)
        for one, other in itertools.combinations(exercise.mistakes, 2)
        if not set(one.knobs) & set(other.knobs) and not {one.name, other.name} & _ONE_SHAPE
    ]
    pairs = pairs[:: STRIDE.get(method, 1)]
    exact = 0
    for one, other in pairs:
        diagnosis = assert_true_or_unknown(exercise, {**one.knobs, **other.knobs})
        exact += diagnosis == f"{one.name}, and {other.name}"
    assert (exact / len(pairs) if pairs else None) == EXACT[method] or exact / len(pairs) >= EXACT[method]


# ---------------------------------------------------------------- random perturbations


def _attention(q, k, v):
    return pe.attention(q, k, v)


RIGHT = {
    "sinusoidal": lambda positions, dim: pe.sinusoidal(positions, dim),
    "attention": _attention,
    "causal_attention": lambda q, k, v: pe.attention(q, k, v, causal=True),
    "rope": lambda x, positions: pe.rope(x, positions, frequencies.rope(x.shape[-1], base=10000.0)),
}


@pytest.mark.parametrize("method", RIGHT)
@ONCE
@given(
    size=st.floats(-7, 0).map(lambda e: 10**e),
    sign=st.sampled_from([-1, 1]),
    row=st.integers(0, 2),
    column=st.integers(0, 1),
)
def test_one_wrong_cell_never_passes_and_has_no_name(method, size, sign, row, column):
    right, exercise = RIGHT[method], exercise_of(method)

    def fn(*args):
        result = right(*args)
        if result.ndim >= 2:
            result[..., row, column] += sign * size
        return result

    names = ", ".join(exercise.parameters)
    report = getattr(check, method)(eval(f"lambda {names}: fn({names})", {"fn": fn}))
    assert report.diagnosis == "unknown mistake", str(report)


@pytest.mark.parametrize("method", RIGHT)
@ONCE
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(-3, 1).map(lambda e: 10**e))
def test_noise_never_passes_and_has_no_name(method, seed, size):
    right, exercise = RIGHT[method], exercise_of(method)

    def fn(*args):
        result = right(*args)
        return result + size * np.random.default_rng(seed).standard_normal(result.shape)

    names = ", ".join(exercise.parameters)
    report = getattr(check, method)(eval(f"lambda {names}: fn({names})", {"fn": fn}))
    assert report.diagnosis == "unknown mistake", str(report)


@ONCE
@given(base=st.floats(1.5, 1e8).filter(lambda b: abs(b / 1e4 - 1) > 1e-3))
def test_a_wrong_base_never_passes(base):
    rounded = float(f"{base:.4g}")
    report = check.sinusoidal(lambda positions, dim: pe.sinusoidal(positions, dim, base=rounded))
    assert not report.passed
    if report.diagnosis.startswith("base "):
        assert float(report.diagnosis.split()[1].replace(",", "")) == rounded
    else:  # a base that is another exponent's, or that is no wave at all
        assert rounded in (1e2, 1e8)


@ONCE
@given(factor=st.floats(-5, 5).filter(lambda x: abs(x) > 1e-3 and abs(x - 1) > 1e-3))
def test_a_wrong_factor_never_passes_and_is_read_off(factor):
    report = check.sinusoidal(lambda positions, dim: factor * pe.sinusoidal(positions, dim))
    assert report.diagnosis.startswith(("scaled by", "the sign of all values"))


# ---------------------------------------------------------------- the book's words


@pytest.mark.parametrize("method", METHODS)
def test_a_query_stands_at_m_and_a_key_at_n(method):
    """As in every chapter: t and s name no position, and a distance has no direction."""
    exercise = exercise_of(method)
    told = [m.message for m in exercise.mistakes] + [hint for hints in exercise.hints.values() for hint in hints]
    told += exercise.stage_notes.values()
    for text in told:
        assert not re.search(
            r"\b(query|key|keys|output|row) [ts]\b|\bto t\b|\(t, s\)|s ≤ t|table by eye|distances to", text
        ), text
