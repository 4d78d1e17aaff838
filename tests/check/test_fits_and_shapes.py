"""What is read off a reader's values, which wrong shapes have names, and how much rounding each checker forgives."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from posenc_lib.check import finite_mask, rope_bank, rotary, sinusoidal_bank
from posenc_lib.check.exercise import Case
from tests.check.checkers import exercise_of
from tests.check.test_stages import EXERCISE as DOUBLE

BANKS = {name: sys.modules[f"posenc_lib.check.{name}"] for name in ("pointing_key", "rope_logits")}


def told(mistake):
    return None if mistake is None else (mistake.name, mistake.area, mistake.message, sorted(mistake.knobs))


def knob(mistake, *arguments):
    (value,) = mistake.knobs.values()
    return value(*arguments) if callable(value) else value


# ---------------------------------------------------------------- fits


def base_is(base, said="the chapter's is 10,000."):
    message = f"The exponent is right, the fitted base is {base}; {said}"
    return f"base {base} instead of 10,000", "base", message, ["keep_base"]


def turned_by(factor):
    message = f"All angles are {factor} times the right ones. The angle is position times frequency, nothing else."
    return f"angles multiplied by {factor}", "angle", message, ["turn"]


@pytest.mark.parametrize(
    ("angle", "dim", "base"),
    [
        (777.0 ** (-2 / 8), 8, "777"),
        (777.0 ** (-2 / 4), 4, "777"),
        (123456.0 ** (-2 / 12), 12, "123456"),
        (10000.2 ** (-2 / 8), 8, "10000.2"),
        (10000.04 ** (-2 / 8), 8, None),
        (0.1, 8, None),  # 10,000 itself
        (1.0, 8, None),  # base 1
        (1.2, 8, None),  # less than 1
        (1e9 ** (-2 / 8), 8, None),
        (0.99e9 ** (-2 / 8), 8, "9.9e+08"),
        (0.0, 8, None),
        (-0.1, 8, None),
        (np.pi, 8, None),
        (np.nan, 8, None),
    ],
)
def test_a_base_is_read_off_an_angle(angle, dim, base):
    found = rotary.other_base(angle, dim)
    assert told(found) == (base and base_is(base))
    assert found is None or knob(found, 10000.0) == float(base)


@pytest.mark.parametrize(
    ("angle", "factor"),
    [
        (0.5, "0.5"),
        (2.5, "2.5"),
        (1.00002, "1.00002"),
        (1.000004, None),
        (1.0, None),
        (2.0, "2"),
        (0.0, None),
        (np.pi, None),
        (-0.5, None),
        (np.nan, None),
    ],
)
def test_a_factor_of_all_angles_is_read_off(angle, factor):
    found = rotary.other_turn(angle)
    assert told(found) == (factor and turned_by(factor))
    assert found is None or knob(found) == float(factor)


@pytest.mark.parametrize("angle", [0.3, 2.8, -1.2, -3.0])
def test_the_angle_between_two_pairs(angle):
    before = np.array([9.0, 9.0, 2.0, -1.0], dtype=np.float32)
    turned = complex(2, -1) * np.exp(1j * angle) * 3
    after = np.array([7.0, 7.0, turned.real, turned.imag])
    assert rotary.angle_between(before, after, 1) == pytest.approx(angle)


X = np.random.default_rng(5).standard_normal((3, 8))


def turned(x, angles):
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.asarray(angles))
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def rows(angles, x=X):
    return np.stack([turned(row, m * np.asarray(angles)) for m, row in enumerate(x)])


LADDER = 10000.0 ** (-np.arange(4) / 4)
BASE_777 = 777.0 ** (-np.arange(4) / 4)


def plain(x=X, positions=(0, 1, 2), stage="values"):
    return Case(stage, (x, np.array(positions)), "")


@pytest.mark.parametrize(
    ("case", "values", "base", "turn"),
    [
        (plain(), rows(BASE_777), base_is("777"), None),
        (plain(), rows(0.5 * LADDER), base_is("160000"), turned_by("0.5")),
        (plain(X.astype(np.float32)), rows(BASE_777), base_is("777"), None),
        (plain(X[:, :4]), rows(BASE_777[[0, 2]], X[:, :4]), base_is("777"), None),
        (plain(X[:, :2]), rows([0.5], X[:, :2]), None, turned_by("0.5")),
        (plain(X[:2], (5, 1)), rows(0.5 * LADDER, X[:2]), base_is("160000"), turned_by("0.5")),
        (plain(stage="start"), rows(0.5 * LADDER), None, None),
        (plain(positions=(0, 2, 4)), rows(0.5 * LADDER), None, None),
        (plain(positions=(1, 2, 1)), rows(0.5 * LADDER), None, None),
        (plain(), rows(0.5 * LADDER)[:, :4], None, None),
    ],
)
def test_rope_is_read_off_position_1(case, values, base, turn):
    assert told(rope_bank.fit_base(case, values)) == base
    assert told(rope_bank.fit_turn(case, values)) == turn


def scaled_by(factor, said, knob_name="scale"):
    return f"scaled by {factor}", "scale", said.format(factor), [knob_name]


ROPE_SCALED = "The output is {} times the right one. Turning keeps norms."


@pytest.mark.parametrize(
    ("case", "values", "factor"),
    [
        (plain(), 3 * rows(LADDER), "3"),
        (plain(), -0.25 * rows(LADDER), "-0.25"),
        (plain(X.astype(np.float32)), 1.5 * X.astype(np.float32), "1.5"),
        (plain(), 2 * rows(LADDER), "2"),
        (plain(), rows(LADDER), None),
        (plain(), 0 * X, None),
        (plain(), np.inf * X, None),
        (plain(), 3 * X[:2], None),
        (plain(stage="batch"), 3 * X, None),
    ],
)
def test_a_factor_of_rope_is_read_off_position_0(case, values, factor):
    found = rope_bank.fit_factor(case, values)
    assert told(found) == (factor and scaled_by(factor, ROPE_SCALED))
    assert found is None or knob(found, 8) == float(factor)


Q, K = X[0], X[1]


@pytest.mark.parametrize(
    ("offset", "values", "base", "turn"),
    [
        (1, turned(Q, BASE_777), base_is("777"), None),
        (1, turned(Q, 0.5 * LADDER), base_is("160000"), turned_by("0.5")),
        (2, turned(Q, 0.5 * LADDER), None, None),
        (1, turned(Q, 0.5 * LADDER)[:6], None, None),
    ],
)
def test_a_pointing_key_is_read_off_offset_1(offset, values, base, turn):
    case, bank = Case("values", (Q, offset), ""), BANKS["pointing_key"]
    assert told(bank._fit_base(case, values)) == base
    assert told(bank._fit_turn(case, values)) == turn


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        (3 * turned(Q, LADDER), "3"),
        (0.5 * Q, "0.5"),
        (2 * Q, "2"),
        (Q, None),
        (0 * Q, None),
        (np.inf * Q, None),
        (3 * Q[:4], None),
    ],
)
def test_a_factor_of_a_pointing_key_is_read_off_its_length(values, factor):
    found = BANKS["pointing_key"]._fit_factor(Case("values", (Q, 3), ""), values)
    said = "The key is {} times too long. It is to have the length of q."
    assert told(found) == (factor and scaled_by(factor, said))
    assert found is None or knob(found, 8) == float(factor)


def logits(offsets):
    z = (Q[0::2] + 1j * Q[1::2]) * (K[0::2] - 1j * K[1::2])
    return np.array([(z * np.exp(1j * r * LADDER)).sum().real for r in offsets])


@pytest.mark.parametrize(("factor", "said"), [(3, "3"), (-0.5, "-0.5"), (2, "2"), (1, None), (0, None), (np.inf, None)])
def test_a_factor_of_rope_logits_is_read_off(factor, said):
    offsets = np.array([-2, 0, 5])
    case, values = Case("values", (Q, K, offsets), ""), factor * logits(offsets)
    found = BANKS["rope_logits"]._fit_factor(case, values)
    assert (None if found is None else (found.name, found.area)) == (said and (f"scaled by {said}", "scale"))
    if found is not None:
        exercise = exercise_of("rope_logits")
        np.testing.assert_allclose(exercise.answer(case, found.knobs).values, values)
        assert said in found.message


P = np.arange(3.0)


def encoded(base=10000.0, dim=8, positions=P):
    angles = np.multiply.outer(positions, base ** (-np.arange(0, dim, 2) / dim))
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(*np.shape(positions), dim)


@pytest.mark.parametrize(
    ("dim", "values", "keywords", "base"),
    [
        (8, encoded(777.0), {}, "777"),
        (8, encoded(777.0)[:2], {}, "777"),
        (12, encoded(500.0, 12), {}, "500"),
        (8, encoded(20000.0), {}, "20000"),
        (8, encoded(10000.2), {}, "10000.2"),
        (8, encoded(10000.04), {}, None),
        (8, encoded(), {}, None),
        (8, encoded(777.0), {"base": 500.0}, None),
        (6, encoded(777.0, 6), {}, None),
        (8, encoded(777.0)[:1], {}, None),
        (8, encoded(777.0)[:, :6], {}, None),
        (8, encoded(777.0)[None], {}, None),
        (8, -encoded(), {}, None),
        (8, np.zeros((3, 8)), {}, None),
        (8, np.full((3, 8), np.nan), {}, None),
        (200, np.eye(3, 200, 2) + 1e-9, {}, None),  # so flat that the base is infinite
    ],
)
def test_the_base_of_an_encoding_is_read_off_position_1(dim, values, keywords, base):
    found = sinusoidal_bank.fit_base(Case("values", (P, dim), "", keywords), values)
    assert told(found) == (base and base_is(base))
    assert found is None or (knob(found, 10000.0), knob(found, 500.0)) == (float(base), 500.0)


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        (3 * encoded(), "3"),
        (2 * encoded(), "2"),
        (-0.125 * encoded(), "-0.125"),
        (encoded(), None),
        (0 * encoded(), None),
        (np.nan * encoded(), None),
        (3 * encoded()[:, :6], None),
        (3 * encoded()[None], None),
        (3 * encoded()[0], None),
    ],
)
def test_a_factor_of_an_encoding_is_read_off_its_first_cosine(values, factor):
    found = sinusoidal_bank.fit_scale(Case("values", (P, 8), ""), values)
    assert (found and (found.name, found.area)) == (factor and (f"scaled by {factor}", "scale"))
    if found is not None:
        assert found.message.startswith(f"All values are {factor} times the right ones.")
        assert knob(found, 8) == float(factor)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"turn": 2.0}, "your waves turn by 2, 0.2, 0.02 rad"),
        ({"keep_base": lambda b: b / 625}, "your waves turn by 1, 0.5, 0.25 rad"),
        ({"theta": lambda i, dim, base: i / np.zeros(1)}, "your waves turn by nan, inf, inf rad"),
        ({"theta": lambda i, dim, base: (base + i) / dim}, "your waves turn by 1250, 1250, 1250 rad"),
        ({"theta_cos": lambda i, dim, base: i + dim, "turn": 0.5}, "your cosines turn by 4, 4.5, 5 rad"),
        ({"turn": 1.0}, None),
        ({"keep_base": lambda b: b}, None),
        ({"waves": None}, None),
        ({"turn": 2.0, "phase": None}, None),
        ({}, None),
    ],
)
def test_the_frequencies_seen_are_told(knobs, said):
    expected = said and f"At dim 8 {said} per position in pairs 0, 1, 2; expected are 1, 0.1, 0.01."
    assert sinusoidal_bank.observe(knobs) == (expected or "")


# ---------------------------------------------------------------- a finite mask


def attended(q, k, v, hide):
    out = []
    for m in range(len(q)):
        scores = [q[m] @ k[n] / np.sqrt(len(q[m])) for n in range(len(k))]
        weights = np.exp([s if n <= m else hide(s) for n, s in enumerate(scores)])
        out.append(weights / weights.sum() @ v)
    return np.array(out)


QKV = tuple(np.random.default_rng(9).standard_normal((3, 4, 6))[:, :, :5])


@pytest.mark.parametrize("length", [2, 4])
@pytest.mark.parametrize(("number", "said"), [(-3.0, "−3"), (-7.25, "−7.25"), (1.5, "1.5"), (-18.0, "−18")])
def test_a_finite_mask_is_read_off(length, number, said):
    q, k, v = (x[:length] for x in QKV)
    case = Case("values", (q, k, v), "")
    for fit, hide, name in (
        (finite_mask.fit_set, lambda s: number, "hidden logits are {} instead of −∞"),
        (finite_mask.fit_added, lambda s: s + number, "the added mask is {} instead of −∞"),
    ):
        found = fit(case, attended(q, k, v, hide))
        assert (found.name, found.area) == (name.format(said), "mask")
        assert said in found.message
        raw = np.array([[1.0, 2.0], [3.0, 4.0]])
        assert found.knobs["mask"](raw).tolist() == [[1.0, hide(2.0)], [3.0, 4.0]]


def test_a_mask_that_hides_all_or_is_none_is_not_read_off():
    case = Case("values", QKV, "")
    q, k, v = QKV
    assert finite_mask.fit_set(case, attended(q, k, v, lambda s: -np.inf)) is None
    assert finite_mask.fit_set(case, attended(q, k, v, lambda s: 1e6)) is None
    assert finite_mask.fit_set(case, v[:, :3]) is None
    assert finite_mask.fit_set(Case("values", (q[:1], k[:1], v[:1]), ""), v[:1]) is None
    assert finite_mask.fit_set(Case("batch", (q[None], k[None], v[None]), ""), v[None]) is None
    unsure = finite_mask.fit_set(case, attended(q, k, v, lambda s: -33.0))
    assert unsure.name == "hidden logits are finite instead of −∞"


@pytest.mark.parametrize(
    ("number", "error", "shortest"),
    [(-3.0000001, 1e-3, -3.0), (-7.256, 0.006, -7.26), (0.75, 0.25, 0.8), (0.1 + 0.2, 0.0, 0.1 + 0.2), (-2.5, 0.5, -2)],
)
def test_a_number_has_as_few_digits_as_its_error_allows(number, error, shortest):
    assert finite_mask._shortest(number, error) == shortest


# ---------------------------------------------------------------- shapes and cells

SHAPES = [
    ("alibi_slopes", (12,), (8,), "the missing heads have no slope"),
    ("alibi_slopes", (12,), (16,), "too many slopes"),
    ("alibi_slopes", (12,), (24,), None),
    ("alibi_slopes", (12,), (32,), None),
    ("alibi_slopes", (12,), (16, 1), None),
    ("alibi_slopes", (12,), (8, 1), None),
    ("alibi_slopes", (8,), (8, 2), None),
    ("attention", (4, 3), (4, 4), "v is forgotten"),
    ("attention", (2, 4, 3), (2, 4, 4), "v is forgotten"),
    ("attention", (5, 2, 4, 3), (5, 2, 4, 4), "v is forgotten"),
    ("attention", (2, 4, 3), (4, 4), None),
    ("attention", (4, 3), (3, 4), "the result is transposed"),
    ("attention", (2, 4, 3), (2, 3, 4), "the result is transposed"),
    ("attention", (2, 4, 3), (3, 4), None),
    ("attention", (2, 4, 3), (4,), None),
    ("causal_attention", (4, 3), (4, 4), "v is forgotten"),
    ("rope", (5, 6, 8), (5, 6, 4), "half of the dimensions are missing"),
    ("rope", (6, 8), (6, 16), "twice too many dimensions"),
    ("rope", (6, 8), (6, 4, 2), "pairs have an axis of their own"),
    ("rope", (6, 8), (6, 2, 4), "pairs have an axis of their own"),
    ("rope", (6, 8), (2, 6, 4), "pairs have an axis of their own"),
    ("rope", (3, 6, 8), (2, 3, 6, 4), "pairs have an axis of their own"),
    ("rope", (6, 8), (3, 6, 4), None),
    ("rope", (6, 8), (6, 8, 8), "the matrices are not applied"),
    ("rope", (6, 8), (8, 8), "the matrices are not applied"),
    ("rope", (6, 8), (8, 6), "the result is transposed"),
    ("rope", (3, 6, 8), (3, 8, 6), "the result is transposed"),
    ("rope", (3, 6, 8), (6, 8), "the axes in front are lost"),
    ("rope", (6, 8), (6, 7), None),
    ("rope_logits", (5,), (5, 4), "the pairs are not summed"),
    ("rope_logits", (2, 5), (2, 5, 4), "the pairs are not summed"),
    ("rope_logits", (), (4,), "the pairs are not summed"),
    ("rope_logits", (2, 5), (2, 5, 4, 4), None),
    ("rope_logits", (5,), (4, 5), None),
    ("rope_logits", (5,), (), "one logit for all"),
    ("rope_logits", (5,), (4,), None),
    ("mean_cosine", (5,), (5, 4), "the pairs are not averaged"),
    ("mean_cosine", (2, 5), (2, 5, 4), "the pairs are not averaged"),
    ("mean_cosine", (2, 5), (2, 5, 4, 4), None),
    ("mean_cosine", (5,), (), "one number for all offsets"),
    ("mean_cosine", (5,), (4,), None),
    ("pointing_key", (8,), (4, 2), "pairs have an axis of their own"),
    ("pointing_key", (8,), (2, 4), "pairs have an axis of their own"),
    ("pointing_key", (8,), (3, 4), None),
    ("pointing_key", (8,), (1, 8), "an axis too many in front"),
    ("pointing_key", (8,), (8, 8), "the matrix is not applied"),
    ("pointing_key", (8,), (7,), None),
    ("shaw", (6, 6), (6, 6, 4), "the vectors are not multiplied"),
    ("shaw", (6, 6), (6, 5), "the products are not picked"),
    ("shaw", (6, 6), (5, 5), None),
    ("shaw", (6, 6), (5, 6, 4), None),
    ("shaw", (6, 6), (6, 6, 4, 1), None),
    ("sinusoidal", (6, 8), (8, 6), "the result is transposed"),
    ("sinusoidal", (2, 6, 8), (8, 6, 2), "the result is transposed"),
    ("sinusoidal", (6, 8), (6, 4), "half of the columns are missing"),
    ("sinusoidal", (2, 6, 8), (2, 6, 4), "half of the columns are missing"),
    ("sinusoidal", (6, 8), (6, 16), "twice too many columns"),
    ("sinusoidal", (2, 6, 8), (2, 6, 4, 2), "sine and cosine have an axis of their own"),
    ("sinusoidal", (6, 8), (6, 2, 4), "sine and cosine have an axis of their own"),
    ("sinusoidal", (6, 8), (2, 6, 4), "sine and cosine have an axis of their own"),
    ("sinusoidal", (6, 8), (1, 6, 8), "an axis too many in front"),
    ("sinusoidal", (6, 8), (6, 7), None),
    ("t5_bucket", (5,), (), "one bucket for all"),
    ("t5_bucket", (5,), (4,), None),
    ("linear", (4,), (8,), "a frequency for every dimension"),
    ("linear", (4,), (5,), None),
    ("linear", (4,), (8, 1), None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "expected", "got", "name"), SHAPES)
def test_a_wrong_shape_is_named(method, expected, got, name):
    found = exercise_of(method).tell_shape(expected, got)
    assert (found and found[0]) == name
    assert found is None or found[1].endswith(".") or found == ("an axis too many in front", "")


CELLS = [
    ("rope", (X, np.array([5, 7, 9])), (1, 6), "position 7, dimension 6 (pair 3)"),
    ("rope", (X[None], np.array([5, 7, 9])), (0, 2, 3), "batch and head (0,), position 9, dimension 3 (pair 1)"),
    ("sinusoidal", (np.array([0.5, 1e6]), 8), (1, 5), "position 1000000, column 5 (cosine of pair 2)"),
    ("sinusoidal", (np.array([0.5, 1e6]), 8), (0, 6), "position 0.5, column 6 (sine of pair 3)"),
    ("attention", (), (1, 2), "position 1, feature 2"),
    ("attention", (), (3, 4, 1, 2), "batch 3, 4, position 1, feature 2"),
]


@pytest.mark.parametrize(("method", "args", "index", "said"), CELLS)
def test_a_cell_is_told(method, args, index, said):
    assert exercise_of(method).tell_cell(Case("values", args, ""), index) == said


@pytest.mark.parametrize("method", ["rope", "attention", "causal_attention", "rotated_values"])
def test_the_picture_is_that_of_the_first_slice_that_is_wrong(method):
    error = np.zeros((2, 3, 4, 6))
    error[1, 0, 2, 3], error[1, 2, 0, 0], error[0, 1] = 7.0, 9.0, 0.5
    allowed = np.full(error.shape, 0.5)
    allowed[1, 0, 2, 2] = 1.0
    wrong, limit = exercise_of(method).grid(error, allowed)
    pairs = method == "rope"
    expected = np.zeros((4, 3 if pairs else 6))
    expected[2, 1 if pairs else 3] = 7.0
    assert wrong.tolist() == expected.tolist()
    assert limit[2].tolist() == ([0.5, 1.0, 0.5] if pairs else [0.5, 0.5, 1.0, 0.5, 0.5, 0.5])
    flat, _ = exercise_of(method).grid(error[1, 0], allowed[1, 0])
    assert flat.tolist() == expected.tolist()


def test_the_picture_of_an_encoding_has_all_positions():
    error = np.arange(24.0).reshape(2, 3, 4)
    wrong, limit = exercise_of("sinusoidal").grid(error, error + 1)
    assert wrong.tolist() == [[4 * row + 1, 4 * row + 3] for row in range(6)]
    assert (limit - wrong == 1).all()


# ---------------------------------------------------------------- rounding

ONES = np.ones(4)
TABLE = np.array([[2.0, 0.0], [0.0, -3.0], [1.0, 1.0]])
# The condition of an answer, from what magnifies rounding there: angles, sizes, logarithms of a base.
CONDITIONS = [
    ("alibi", (2, np.array([0]), np.array([4, 8])), {}, 1 + 8 / 16),
    ("alibi_slopes", (12,), {}, 1.0),
    ("alibi_reach", (0.5, 0.1), {}, 1 + 5),
    ("linear", (4, 100.0, 2.0), {}, [(2 + np.log(100)) / 2, (2 + np.log(100)) / 20]),
    ("yarn", (4, 100.0, 2.0, 1000), {}, [2 + np.log(100), None]),
    ("longest_wavelength", (4, 100.0), {}, 1 + 20 * np.pi),
    ("ntk_base", (4, 100.0, 3.0), {}, 4 * 900),
    ("mean_cosine", (np.array([0, 3]), 4, 100.0), {}, [4, 4 * (1 + 3.3 / 2)]),
    ("mean_cosine", (np.array([3]), 4, 100.0), {"scale": lambda dim: 2.0}, [8 * (1 + 3.3 / 2)]),
    ("mean_cosine", (np.array([3]), 4, 100.0), {"scale": lambda dim: 0.5}, [4 * (1 + 3.3 / 2)]),
    ("mean_cosine", (np.array([3]), 2, 100.0), {"pairs": lambda dim: 0}, [4]),
    ("mean_cosine", (np.array([3]), 2, 100.0), {}, [4 * (1 + 3)]),
    ("rope", (np.array([[1.0, -2.0]]), np.array([3])), {}, [[4 * 4, 4 * 4]]),
    ("rope", (np.array([[1.0, -2.0]]), np.array([3])), {"scale": lambda d: -2.0}, [[32, 32]]),
    ("rope", (np.array([[1.0, -2.0]]), np.array([-3])), {"scale": lambda d: 0.5}, [[16, 16]]),
    ("pointing_key", (np.array([1.0, -2.0]), 3), {}, [16, 16]),
    ("rope_logits", (np.array([3.0, 4.0]), np.array([0.0, -2.0]), np.array([0, -3])), {}, [40, 160]),
    ("shaw", (np.array([[1.0, -5.0], [2.0, 2.0], [0.0, 1.0]]), TABLE), {}, 1 + 2 * 5 * 3),
    ("shift_matrix", (-3, 2), {}, 4.0),
    ("shift_matrix", (3, 2), {"scale": -2.0}, 8.0),
    ("shift_matrix", (0, 2), {"scale": 0.5}, 1.0),
    ("relative_part", (np.array([[1.0, -2.0], [0.0, 1.5]]),), {}, 12.0),
    ("sinusoidal", (np.array([0, -3]), 2), {}, [[1, 1], [4, 4]]),
    ("sinusoidal", (np.array([3]), 2), {"scale": lambda d: -2.0}, [[8, 8]]),
    ("sinusoidal", (np.array([3]), 2), {"scale": lambda d: 0.5}, [[4, 4]]),
    ("attention", (2 * ONES[:, None], ONES[:, None], -5 * ONES[:, None]), {}, (1 + 2) * 1.25**2 * 6),
    (
        "attention",
        (2 * ONES[:, None], ONES[:, None], -5 * ONES[:, None]),
        {"weights": lambda logits: 999 * logits},
        3 * 1999 * 1000 * 6,
    ),
    ("rotated_values", (*[ONES.reshape(2, 2)] * 3, np.array([0, -3])), {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "args", "knobs", "condition"), CONDITIONS)
def test_how_much_rounding_is_forgiven(method, args, knobs, condition):
    exercise = exercise_of(method)
    seen = np.asarray(exercise.formula(*args, **knobs).condition, dtype=float)
    if method == "rotated_values":
        r = [np.array([[1, 1], [np.cos(-3) - np.sin(-3), np.sin(-3) + np.cos(-3)]])] * 3
        shares = np.exp(r[0] @ r[1].T / np.sqrt(2))
        row = 1 + (shares / shares.sum(1, keepdims=True)).max(1, keepdims=True)
        largest = np.abs(r[2]).max()
        condition = 8 * (1 + (r[0] @ r[1].T).max() / np.sqrt(2)) * row**2 * (1 + largest) * (1 + 3)
    wanted = np.array([s if c is None else c for c, s in zip(np.ravel(condition), np.ravel(seen), strict=False)])
    np.testing.assert_allclose(np.ravel(seen)[: wanted.size], wanted.astype(float), rtol=1e-12)


def test_each_row_of_attention_has_its_own_condition():
    q, v = np.array([[2.0], [0.0]]), np.array([[1.0], [1.0]])
    k = np.array([[100.0], [np.inf]])
    condition = exercise_of("attention").formula(q, k, v, logits=lambda q, k: q @ np.array([[1.0, -np.inf]]) + [[0, 0]])
    assert condition.condition.shape == (2, 1)
    other = exercise_of("attention").formula(q, np.array([[3.0], [0.0]]), v)
    large = 1 / (1 + np.exp(-6))
    np.testing.assert_allclose(other.condition, (1 + 6) * np.array([[1 + large], [1.5]]) ** 2 * 2)


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("rope", (X, np.array([0, 1, 9]))),
        ("rope_logits", (Q, K, np.array([1, 2]))),
        ("pointing_key", (Q, 3)),
        ("rotated_values", (X, X, X, np.array([0, 1, 9]))),
    ],
)
def test_inputs_in_float32_are_computed_with_in_float64(method, args):
    narrow = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in args]
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in narrow]
    exercise = exercise_of(method)
    values = exercise.formula(*narrow).values
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, exercise.formula(*wide).values, rtol=1e-13, atol=1e-14)


# ---------------------------------------------------------------- in either precision


class Doubles:
    """A reader's function in torch that does one thing with float64 and another with float32, and counts its calls."""

    def __init__(self, wide, narrow):
        self.does, self.seen = {torch.float64: wide, torch.float32: narrow}, []

    def fn(self):
        def double(x, y):
            torch.is_tensor(x)
            self.seen.append(x.dtype)
            return self.does[x.dtype](x, y)

        return double


def right(x, y):
    return 2 * x + y


def rounded(x, y):
    return (2 * x + y) * (1 + 1e-8)


def thrice(x, y):
    return 3 * x + y


def raising(x, y):
    raise RuntimeError("expected other dtypes")


def unknown(x, y):
    return x + y + 3.14159


@pytest.mark.parametrize(
    ("wide", "narrow", "diagnosis"),
    [
        (right, raising, None),
        (unknown, right, None),
        (raising, right, None),
        (raising, thrice, "tripled"),
        (rounded, thrice, "tripled"),
        (thrice, unknown, "tripled"),
        (unknown, thrice, "unknown mistake"),
        (thrice, raising, "tripled"),
    ],
)
def test_the_run_in_float32_counts_where_it_passes_or_float64_says_little(wide, narrow, diagnosis):
    exercise = rotary_double()
    report = rotary.run(exercise, rotary.in_float32(exercise), Doubles(wide, narrow).fn(), strict=False)
    assert report.diagnosis == diagnosis, str(report)


def rotary_double():
    return replace(DOUBLE, narrower=True, stage_notes={})


def test_what_passes_or_speaks_numpy_runs_once():
    exercise = rotary_double()
    single = rotary.in_float32(exercise)
    passing = Doubles(right, right)
    assert rotary.run(exercise, single, passing.fn(), strict=True).passed
    assert torch.float32 not in passing.seen
    kinds = []

    def in_numpy(x, y):
        kinds.append(np.asarray(x).dtype)
        return np.multiply(x, 3) + y

    assert not rotary.run(exercise, single, in_numpy, strict=False).passed
    assert kinds.count(np.dtype("f4")) == 1  # to see which library it speaks
    assert rotary.run(exercise, single, dots, strict=False).status == "not started"
    assert rotary.run(exercise, single, 3, strict=False).stage == "signature"
    assert [case.args[0].dtype for case in single.cases] == [np.float32] * 4
    assert [case.args[1] for case in single.cases] == [case.args[1] for case in exercise.cases]


def dots(x, y): ...
