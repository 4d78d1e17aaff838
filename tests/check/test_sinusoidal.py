"""The checker of the sinusoidal encoding against code as readers write it, right and wrong."""

import math

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe

torch = pytest.importorskip("torch")


# ---------------------------------------------------------------- right


def right_loop(positions, dim):
    positions = np.asarray(positions)
    result = np.zeros((*positions.shape, dim))
    for place in np.ndindex(positions.shape):
        for j in range(dim):
            angle = positions[place] / 10000 ** (2 * (j // 2) / dim)
            result[(*place, j)] = math.sin(angle) if j % 2 == 0 else math.cos(angle)
    return result


def right_slices(positions, dim, base=10000.0):
    angles = np.asarray(positions)[..., None] / base ** (np.arange(0, dim, 2) / dim)
    result = np.empty((*angles.shape[:-1], dim))
    result[..., 0::2] = np.sin(angles)
    result[..., 1::2] = np.cos(angles)
    return result


def right_complex(positions, dim):
    waves = np.exp(1j * np.asarray(positions)[..., None] * 10000.0 ** (-np.arange(0, dim, 2) / dim))
    return np.stack([waves.imag, waves.real], axis=-1).reshape(*np.shape(positions), dim)


def right_einsum(positions, dim):
    theta = np.exp(-np.log(10000.0) * np.arange(dim // 2) * 2 / dim)
    angles = np.einsum("...,i->...i", positions, theta)
    return np.stack((np.sin(angles), np.cos(angles)), -1).reshape((*angles.shape[:-1], -1))


def right_phase(positions, dim):
    j = np.arange(dim)
    theta = 10000.0 ** (-(j - j % 2) / dim)
    return np.sin(np.multiply.outer(positions, theta) + np.pi / 2 * (j % 2))


def right_float32(positions, dim):
    return right_slices(positions, dim).astype(np.float32)


def right_torch(positions, dim):
    theta = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.as_tensor(positions).double().unsqueeze(-1) * theta
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def right_torch_float32(positions, dim):
    theta = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(10000.0) / dim))
    angles = positions.float().unsqueeze(-1) * theta
    result = torch.zeros(*positions.shape, dim)
    result[..., 0::2] = torch.sin(angles)
    result[..., 1::2] = torch.cos(angles)
    return result


RIGHT = [
    right_loop,
    right_slices,
    right_complex,
    right_einsum,
    right_phase,
    right_float32,
    right_torch,
    right_torch_float32,
    pe.sinusoidal,
]


@pytest.mark.parametrize("fn", RIGHT, ids=lambda fn: fn.__name__)
def test_a_right_style_passes(fn):
    report = check.sinusoidal(fn)
    assert report.passed, str(report)
    assert report.diagnosis is None


def test_the_torch_twin_passes():
    from posenc_lib import torch as pt

    assert check.sinusoidal(pt.sinusoidal).passed


def test_a_float32_result_is_told_what_it_costs():
    assert "float32" in check.sinusoidal(right_float32).message
    assert "float32" not in check.sinusoidal(right_slices).message


# ---------------------------------------------------------------- wrong, written as a reader would


def _angles(positions, dim):
    return np.asarray(positions)[..., None] / 10000 ** (np.arange(0, dim, 2) / dim)


def _weave(even, odd):
    result = np.empty((*even.shape[:-1], 2 * even.shape[-1]))
    result[..., ::2], result[..., 1::2] = even, odd
    return result


def _of_angles(angles):
    return _weave(np.sin(angles), np.cos(angles))


def swapped(positions, dim):
    result = right_slices(positions, dim)
    result[..., 0::2], result[..., 1::2] = result[..., 1::2].copy(), result[..., 0::2].copy()
    return result


def halves(positions, dim):
    angles = _angles(positions, dim)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def halves_cosine_first(positions, dim):
    angles = _angles(positions, dim)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)


def exponent_i(positions, dim):
    i = np.arange(dim // 2)
    return _of_angles(np.asarray(positions)[..., None] / 10000 ** (i / dim))


def exponent_4i(positions, dim):
    i = np.arange(0, dim, 2)
    return _of_angles(np.asarray(positions)[..., None] / 10000 ** (2 * i / dim))


def exponent_half_dim(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] / 10000 ** (np.arange(dim // 2) * 2 / (dim // 2)))


def counted_from_one(positions, dim):
    i = np.arange(1, dim // 2 + 1)
    return _of_angles(np.asarray(positions)[..., None] / 10000 ** (2 * i / dim))


def d_minus_two(positions, dim):
    i = np.arange(0, dim, 2)
    return _of_angles(np.asarray(positions)[..., None] / 10000 ** (i / (dim - 2)))


def linspace(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] * 10000 ** -np.linspace(0, 1, dim // 2))


def growing(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] * 10000 ** (np.arange(0, dim, 2) / dim))


def base_1000(positions, dim):
    return right_slices(positions, dim, base=1000.0)


def base_777(positions, dim):
    return right_slices(positions, dim, base=777.0)


def next_frequency(positions, dim):
    i = np.arange(dim // 2)
    m = np.asarray(positions)[..., None]
    return _weave(np.sin(m / 10000 ** (2 * i / dim)), np.cos(m / 10000 ** (2 * (i + 1) / dim)))


def column_index(positions, dim):
    positions = np.asarray(positions)
    result = np.zeros((*positions.shape, dim))
    for j in range(dim):
        wave = np.sin if j % 2 == 0 else np.cos
        result[..., j] = wave(positions / 10000 ** (j / dim))
    return result


def column_index_doubled(positions, dim):
    positions = np.asarray(positions)
    result = np.zeros((*positions.shape, dim))
    for i in range(dim):
        angle = positions / np.power(10000, 2 * i / dim)
        result[..., i] = np.sin(angle) if i % 2 == 0 else np.cos(angle)
    return result


def degrees(positions, dim):
    return _of_angles(np.degrees(_angles(positions, dim)))


def from_degrees(positions, dim):
    return _of_angles(np.deg2rad(_angles(positions, dim)))


def turns(positions, dim):
    return _of_angles(2 * np.pi * _angles(positions, dim))


def per_turn(positions, dim):
    return _of_angles(_angles(positions, dim) / (2 * np.pi))


def negative(positions, dim):
    return _of_angles(-_angles(positions, dim))


def from_one(positions, dim):
    return right_slices(np.asarray(positions) + 1, dim)


def normalised(positions, dim):
    positions = np.asarray(positions)
    return right_slices(positions / positions.shape[-1], dim)


def by_the_largest(positions, dim):
    return right_slices(np.asarray(positions) / np.max(positions), dim)


def sines(positions, dim):
    angles = _angles(positions, dim)
    return _weave(np.sin(angles), np.sin(angles))


def cosines(positions, dim):
    return np.repeat(np.cos(_angles(positions, dim)), 2, axis=-1)


def times_root(positions, dim):
    return right_slices(positions, dim) * dim**0.5


def by_root(positions, dim):
    return right_slices(positions, dim) / math.sqrt(dim)


def unit_rows(positions, dim):
    result = right_slices(positions, dim)
    return result / np.linalg.norm(result, axis=-1, keepdims=True)


def times_three(positions, dim):
    return 3 * right_slices(positions, dim)


def inside_the_power(positions, dim):
    return _of_angles((np.asarray(positions)[..., None] / 10000) ** (np.arange(0, dim, 2) / dim))


def places_changed(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] ** (np.arange(0, dim, 2) / dim) / 10000)


def no_parentheses(positions, dim):
    i = np.arange(dim // 2)
    return _of_angles(np.asarray(positions)[..., None] / 10000**2 * i / dim)


def no_power(positions, dim):
    i = np.arange(dim // 2)
    return _of_angles(np.asarray(positions)[..., None] / (10000 * 2 * i / dim))


def integer_division(positions, dim):
    i = np.arange(dim // 2)
    return _of_angles(np.asarray(positions)[..., None] / 10000.0 ** (2 * i // dim))


def rows_renumbered(positions, dim):
    positions = np.asarray(positions)
    rows = np.arange(positions.shape[-1]) if positions.ndim else np.array(0)
    return right_slices(np.broadcast_to(rows, positions.shape), dim)


def truncated(positions, dim):
    return right_slices(np.asarray(positions).astype(int), dim)


def absolute(positions, dim):
    return right_slices(np.abs(positions), dim)


def no_logarithm(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] * np.exp(-np.arange(0, dim, 2) / dim))


def log10(positions, dim):
    return _of_angles(np.asarray(positions)[..., None] * np.exp(-np.log10(10000) * np.arange(0, dim, 2) / dim))


def log_over_d(positions, dim):
    i = np.arange(dim // 2)
    return _of_angles(np.asarray(positions)[..., None] * np.exp(-i * np.log(10000) / dim))


def backwards(positions, dim):
    return _of_angles(_angles(positions, dim)[..., ::-1])


def transposed(positions, dim):
    return right_slices(positions, dim).T


def float32_angles(positions, dim):
    angles = np.asarray(positions, dtype=np.float32)[..., None] / np.float32(10000) ** (
        np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    )
    return _of_angles(angles)


def float32_swapped(positions, dim):
    angles = _angles(positions, dim).astype(np.float32)
    return _weave(np.cos(angles), np.sin(angles))


def float16_positions(positions, dim):
    return right_slices(np.asarray(positions).astype(np.float16).astype(float), dim)


def bfloat16_positions(positions, dim):
    return right_torch(torch.as_tensor(positions).to(torch.bfloat16).to(torch.float64), dim)


def base_ignored(positions, dim, base=10000.0):
    return right_slices(positions, dim)


WRONG = {
    swapped: "sine and cosine are swapped",
    halves: "halves instead of interleaved",
    halves_cosine_first: "halves instead of interleaved, cosine first",
    exponent_i: "exponent i/d instead of 2i/d",
    exponent_4i: "exponent 4i/d instead of 2i/d",
    exponent_half_dim: "exponent 4i/d instead of 2i/d",
    counted_from_one: "pairs counted from 1",
    d_minus_two: "exponent 2i/(d − 2) instead of 2i/d",
    linspace: "exponent 2i/(d − 2) instead of 2i/d",
    growing: "the exponent's sign is wrong: frequencies grow",
    base_1000: "base 1,000 instead of 10,000",
    base_777: "base 777 instead of 10,000",
    next_frequency: "cosine uses the next pair's frequency",
    column_index: "column index in the exponent",
    column_index_doubled: "column index, doubled, in the exponent",
    degrees: "degrees instead of radians",
    from_degrees: "angles taken for degrees",
    turns: "a factor 2π too much",
    per_turn: "angles divided by 2π",
    negative: "the angle's sign is negative",
    from_one: "positions start at 1",
    normalised: "positions divided by the length",
    by_the_largest: "positions divided by the last position",
    sines: "sines only",
    cosines: "cosines only",
    times_root: "scaled by √d",
    by_root: "scaled by 1/√d",
    unit_rows: "scaled by √(2/d)",
    times_three: "scaled by 3",
    inside_the_power: "the position is inside the power",
    places_changed: "base and position have changed places",
    no_parentheses: "the exponent's parentheses are missing",
    no_power: "a product where a power belongs",
    integer_division: "integer division in the exponent",
    rows_renumbered: "positions are ignored",
    truncated: "fractional positions are cut to integers",
    absolute: "negative positions lose their sign",
    no_logarithm: "logarithm forgotten",
    log10: "logarithm with base 10",
    log_over_d: "exponent i/d instead of 2i/d",
    backwards: "frequencies in reverse order",
    transposed: "the result is transposed",
    float32_angles: "single precision",
    float32_swapped: "sine and cosine are swapped, and single precision",
    float16_positions: "positions in float16",
    bfloat16_positions: "positions in bfloat16",
    base_ignored: "the base keyword is ignored",
}


@pytest.mark.parametrize("fn", WRONG, ids=lambda fn: fn.__name__)
def test_a_wrong_version_is_named(fn):
    report = check.sinusoidal(fn)
    assert not report.passed
    assert report.diagnosis == WRONG[fn], str(report)


def test_versions_that_differ_get_messages_that_differ():
    same = {exponent_i: exponent_i, log_over_d: exponent_i, exponent_half_dim: exponent_4i, linspace: d_minus_two}
    messages = {check.sinusoidal(fn).message for fn in WRONG}
    assert len(messages) == len({same.get(fn, fn) for fn in WRONG})


# ---------------------------------------------------------------- two at once, three at once


def halves_exponent_i(positions, dim):
    angles = np.asarray(positions)[..., None] / 10000 ** (np.arange(dim // 2) / dim)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def swapped_from_one(positions, dim):
    return swapped(np.asarray(positions) + 1, dim)


def scaled_and_renumbered(positions, dim):
    return rows_renumbered(positions, dim) * math.sqrt(dim)


def column_index_halves(positions, dim):
    angles = np.asarray(positions)[..., None] / 10000 ** (np.arange(dim) / dim)
    return np.concatenate([np.sin(angles[..., ::2]), np.cos(angles[..., 1::2])], axis=-1)


PAIRS = {
    halves_exponent_i: {"halves instead of interleaved", "exponent i/d instead of 2i/d"},
    swapped_from_one: {"sine and cosine are swapped", "positions start at 1"},
    scaled_and_renumbered: {"scaled by √d", "positions are ignored"},
    column_index_halves: {"halves instead of interleaved", "column index in the exponent"},
}


@pytest.mark.parametrize("fn", PAIRS, ids=lambda fn: fn.__name__)
def test_two_mistakes_are_both_named(fn):
    report = check.sinusoidal(fn)
    assert set(report.diagnosis.split(", and ")) == PAIRS[fn]
    assert "1. " in report.message and "2. " in report.message


def test_three_mistakes_are_honestly_unknown():
    def three(positions, dim):
        angles = (np.asarray(positions)[..., None] + 1) / 500 ** (np.arange(dim // 2) / dim)
        return 3 * np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)

    assert check.sinusoidal(three).diagnosis == "unknown mistake"


def test_a_second_mistake_in_a_later_stage_does_not_hide_the_first():
    def no_batch(positions, dim):
        if np.ndim(positions) != 1:
            raise ValueError("one axis, please")
        return swapped(positions, dim)

    assert check.sinusoidal(no_batch).diagnosis == "sine and cosine are swapped"


# ---------------------------------------------------------------- what the messages say


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (swapped, "At position 0 your code begins 1, 0; the chapter's begins 0, 1."),
        (exponent_i, "your waves turn by 1, 0.3162, 0.1 rad per position in pairs 0, 1, 2; expected are 1, 0.1, 0.01."),
        (base_777, "the fitted base is 777"),
        (column_index, "your cosines turn by 0.3162, 0.03162, 0.003162 rad"),
        (degrees, "57.3 times too fast"),
        (rows_renumbered, "Decoding from position 40 on would then differ from one long pass"),
        (bfloat16_positions, "Positions 256 and 257 collide"),
        (halves, "Both orders are valid and in use, but a model must not mix them."),
        (transposed, "(4, 3); (3, 4) is expected"),
        (d_minus_two, "0.04642"),
    ],
)
def test_a_message_says_what_was_seen(fn, said):
    assert said in check.sinusoidal(fn).message


def test_the_smallest_failing_input_is_shown():
    assert check.sinusoidal(swapped).detail.endswith("positions = [0, 1, 2], dim = 4.")
    assert "[0.5, 1.25, 2, 6.75]" in check.sinusoidal(truncated).detail
    assert "base=500" in check.sinusoidal(base_ignored).detail


@pytest.mark.parametrize(
    ("fn", "stage"),
    [(swapped, "values"), (rows_renumbered, "start"), (absolute, "negative"), (truncated, "fractional")],
)
def test_the_stage_that_stopped_the_check_is_told(fn, stage):
    assert check.sinusoidal(fn).stage == stage


def test_an_unknown_mistake_shows_the_first_wrong_cell_and_a_picture():
    def nudged(positions, dim):
        result = right_slices(positions, dim)
        result[..., 3] += 0.01
        return result

    report = check.sinusoidal(nudged)
    assert report.diagnosis == "unknown mistake"
    assert "position 0, column 3 (cosine of pair 1): got 1.01, expected 1" in report.detail
    assert "Error by row and pair: 3 of 6 cells are wrong." in report.picture


@pytest.mark.parametrize(
    ("reshape", "diagnosis"),
    [
        (lambda p: p[..., : p.shape[-1] // 2], "half of the columns are missing"),
        (lambda p: p.reshape(*p.shape[:-1], -1, 2), "sine and cosine have an axis of their own"),
        (lambda p: p[None], "an axis too many in front"),
        (lambda p: np.concatenate([p, p], axis=-1), "twice too many columns"),
        (lambda p: p[..., :1], "wrong shape"),
    ],
)
def test_a_wrong_shape_has_its_cause_named(reshape, diagnosis):
    def fn(positions, dim):
        return reshape(right_slices(positions, dim))

    report = check.sinusoidal(fn)
    assert (report.stage, report.diagnosis) == ("shape", diagnosis)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_refused(dtype):
    def fn(positions, dim):
        return right_torch(positions, dim).to(getattr(torch, dtype))

    report = check.sinusoidal(fn)
    assert (report.stage, report.diagnosis) == ("dtype", f"the result is {dtype}")
    assert "in bfloat16, 256 and 257 are one number" in report.message


def test_an_integer_result_array_is_told_apart():
    def fn(positions, dim):
        return right_slices(positions, dim).astype(int)

    assert "integer dtype" in check.sinusoidal(fn).message


def test_float32_large_positions_in_a_float64_result_are_seen():
    def fn(positions, dim):  # exact until positions need more than float32's 24 bits
        positions = np.asarray(positions, dtype=np.float64)
        angles = _angles(positions, dim)
        return _of_angles(np.where(positions[..., None] > 1000, angles.astype(np.float32), angles))

    report = check.sinusoidal(fn)
    assert not report.passed
    assert "large" in report.message


def test_the_first_hint_says_the_numbers_of_a_right_code():
    hint = check.sinusoidal(lambda positions, dim: np.zeros((*np.shape(positions), dim))).hint(1)
    zero, one = (", ".join(f"{x:.{digits}f}" for x in pe.sinusoidal(m, 4)) for m, digits in ((0, 0), (1, 4)))
    words = " ".join(hint.split())
    assert zero in words and one in words
    assert f"{pe.sinusoidal(1, 4)[3]:.5f}" in words


@pytest.mark.parametrize(
    ("change", "stage"),
    [(lambda m: m % 10000, "large"), (lambda m: np.where(m < 0, m + 5000, m), "negative")],
)
def test_what_is_right_on_simple_inputs_gets_hints_about_what_is_not(change, stage):
    report = check.sinusoidal(lambda positions, dim: right_slices(change(np.asarray(positions)), dim))
    assert report.stage == stage
    assert report.message.startswith("Simpler inputs worked; here some values are wrong")
    assert "positions" in report.hint(1) and "dim 4" not in report.hint(1)


def test_a_table_that_ends_gets_hints_about_positions():
    report = check.sinusoidal(lambda positions, dim: right_slices(np.arange(5000), dim)[positions])
    assert report.diagnosis == "your function raised an error"
    assert "the formula has no last position" in report.message
    assert "positions" in report.hint(1) and "dim 4" not in report.hint(1)
