"""What the suites measure with: pairs, ladders, kernels and differences, at both sides of each threshold."""

import importlib

import numpy as np
import pytest
import torch

from posenc_lib.conformance import kernels, precision, structure, subject, turns
from posenc_lib.conformance.calling import Callee, Refused

bias = importlib.import_module("posenc_lib.conformance.bias")  # the package calls its function by this name
ONE = np.ones(2)


def turned(frequencies, **changes):
    n = len(frequencies)
    given = {
        "dim": 2 * n, "first": 2 * np.arange(n), "second": 2 * np.arange(n) + 1,
        "frequencies": np.array(frequencies, float), "phase": np.zeros(n), "scale": np.ones(n), "growth": np.ones(n),
    }  # fmt: skip
    return turns.Turn(**(given | changes))


def matrices_of(turn, at=turns.PROBES):
    return turns.Matrices({m: turn.apply(np.eye(turn.dim)[:, None], np.array([m]))[:, 0] for m in (0, *at)})


# Pairs


LAYOUTS = [
    ([(0, 1), (2, 3)], "interleaved", 4), ([(1, 2), (3, 4)], "interleaved", 4), ([(0, 1), (3, 4)], "neither", 4),
    ([(0, 2), (1, 3)], "half", 4), ([(0, 4), (1, 5)], "half", 8), ([(1, 3), (2, 4)], "half", 4),
    ([(0, 1), (3, 2)], "interleaved", 4), ([(0, 3), (1, 4)], "half", 6), ([(0, 2), (2, 4)], "neither", 4),
    ([(0, 3), (1, 2)], "neither", 4), ([(4, 5), (0, 1)], "interleaved", 4),
]  # fmt: skip


def test_layouts():
    for places, layout, rotary in LAYOUTS:
        first, second = np.array(places).T
        turn = turned([1, 0.1], dim=8, first=first, second=second)
        assert (turn.layout, turn.rotary_dim) == (layout, rotary), places
        assert turn.places.tolist() == sorted(sorted(place) for place in places)


def test_sorted_takes_everything_along():
    turn = turned([1, 0.1], first=np.array([3, 0]), second=np.array([2, 1]), phase=np.array([0.3, 0.4]),
                  scale=np.array([2.0, 3.0]), growth=np.array([1.1, 1.2]))  # fmt: skip
    assert [getattr(turn.sorted(), name).tolist() for name in turns._PER_PAIR] == [
        [0, 3], [1, 2], [0.1, 1], [0.4, 0.3], [3, 2], [1.2, 1.1]]  # fmt: skip
    assert not turn.backwards and turned([1, 1, 1], first=np.array([1, 3, 4]), second=np.array([0, 2, 5])).backwards


def test_dimensions_that_mix():
    def connected(value, i=0, j=1):
        matrix = np.eye(3)
        matrix[i, j] = value
        return turns.Matrices({0: np.eye(3), 1: matrix}).connected()

    assert connected(-1.01e-6)[0, 1] and not connected(0.99e-6).any() and not connected(1.0, 1, 1).any()
    assert turns.pairs_of(connected(0.1)) == turns.pairs_of(connected(0.1, 1, 0)) == [(0, 1)]
    assert turns.pairs_of(connected(0.1) | connected(0.1, 1, 2)) is None
    assert turns.pairs_of(connected(0)) == []


def test_turns_that_are_measured():
    given = turned(
        [1, 0.1, 0.003], first=np.array([0, 3, 4]), second=np.array([1, 2, 5]), phase=np.array([0.5, 0.25, 0]),
        scale=np.array([2, 3, 1.5]), growth=np.array([1, 1.0001, 0.9999]),
    )  # fmt: skip
    found = turns.measure(matrices_of(given))
    for name in ("first", "second", "frequencies", "phase", "scale"):
        assert np.allclose(getattr(found, name), getattr(given, name), rtol=1e-9, atol=1e-12), name
    # From the farthest probe, where it has changed the length by 10 %.
    assert np.allclose(found.growth, given.growth, rtol=1e-12)
    assert found.dim == 6


def test_growth_of_more_than_a_thousandth_is_some():
    for growth, some in ((1 + 0.98e-6, False), (1 - 0.98e-6, False), (1 + 1.01e-6, True), (1 - 1.01e-6, True)):
        found = turns.measure(matrices_of(turned([1, 0.1], growth=growth * ONE)))
        assert np.allclose(found.growth, growth if some else 1, rtol=1e-9, atol=0), growth


def test_growth_is_the_same_at_each_position():
    for first_step, steady in ((1 + 0.99e-4, True), (1 + 1.01e-4, False)):
        found = matrices_of(turned([1, 0.1]))
        found.at[1] *= 1.00001 * first_step
        found.at[1009] *= 1.00001**1009
        assert np.allclose(turns.measure(found).growth, 1.00001 if steady else 1, rtol=1e-9, atol=0), first_step


def test_nothing_is_measured_of_numbers_that_are_not_finite_or_of_zeros():
    for position, value in ((64, np.nan), (1, np.inf)):
        found = matrices_of(turned([1, 0.1]))
        found.at[position][0, 1] = value
        assert turns.measure(found) is None
    for position in (0, 1):
        found = matrices_of(turned([1, 0.1]))
        found.at[position][2:4, 2:4] = 0
        assert turns.measure(found) is None
    assert turns.measure(matrices_of(turned([0, 0.0]))) is None


def test_matrices_end_where_a_position_is_refused():
    def fn(x, m):
        if m[0] > 64:
            raise ValueError("the table ends")
        if m[0] == 3 and x.dtype == np.float32:
            raise ValueError("no float32")
        assert x.shape == (4, 2, 1, 4)
        return x * 10 + m[0]

    callee = Callee(fn, "numpy", ("x", "m"))
    found = turns.matrices(callee, 4)
    assert list(found.at) == [0, 1, 2, 3, 64] and (found.at[2] == 10 * np.eye(4) + 2).all()
    assert list(turns.matrices(callee, 4, "float32").at) == [0, 1, 2]
    with pytest.raises(Refused):
        turns.matrices(Callee(lambda x, m: x / (1 - m[0]) if m[0] != 1 else 1 / 0, "numpy", ("x", "m")), 4)


def block(aa, ab, ba, bb):
    return turns.Matrices({0: np.eye(2), 1: np.array([[aa, ab], [ba, bb]], float)})


def test_how_far_pairs_are_from_turns_and_mirrors():
    """A turn has aa = bb and ab = −ba, a mirror aa = −bb and ab = ba; by parts of the length of row (aa, ab)."""

    def defect(*numbers):
        return turns.defect(turns.Matrices({1: block(*numbers).at[1]}), [(0, 1)])

    assert defect(3, 4, -4, 3) == (0, 8 / 5) and defect(3, 4, 4, -3) == (8 / 5, 0)
    assert defect(3, 4, -4, 4) == (1 / 5, 8 / 5) and defect(3, 4, -4, 2) == (1 / 5, 8 / 5)
    assert defect(3, 4, -5, 3) == (1 / 5, 9 / 5) and defect(4, 3, -3, 4) == (0, 8 / 5)
    assert defect(3, 4, 4, -4) == (8 / 5, 1 / 5) and defect(3, 4, 5, -3) == (9 / 5, 1 / 5)
    assert np.isclose(defect(0, 0, 1, 0)[0], 1e30)
    far = turns.Matrices({1: np.eye(2), 2: block(3, 4, 4, -3).at[1], 3: np.eye(2)})
    assert turns.defect(far, [(0, 1)]) == (8 / 5, 2) and turns.defect(far, []) == (0, 0)


# Ladders


def ladder(frequencies, **changes):
    return turns.ladder(turned(frequencies, **changes), np.arange(len(frequencies), dtype=float))


def test_a_ladder_has_round_numbers():
    i = np.arange(4)
    found = ladder(500.0 ** (-i / 4) / 3)
    assert (found.base, found.dim, found.factor) == (500, 8, 3)
    assert np.allclose(found.frequencies, 500.0 ** (-i / 4) / 3, rtol=1e-15)
    assert (
        ladder(500.0 ** (-i / 4) / 3 * (1 + 0.8e-5)) is not None
        and ladder(500.0 ** (-i / 4) / 3 * (1 + 1.2e-5)) is None
    )
    assert ladder((500 * (1 + 0.8e-5)) ** (-i / 4)) is not None and ladder((500 * (1 + 1.2e-5)) ** (-i / 4)) is None
    assert ladder([1.0]) is None and ladder([1, 0.1]).base == 100
    assert ladder([1, 1.0]) is None and ladder([1, 1.5]) is None and ladder([1, 0.0]) is None
    assert ladder([0.1, 1.0]) is None


def test_a_ladder_is_straight():
    straight = 10000.0 ** (-np.arange(4) / 4)
    assert ladder(straight * [1, 1 + 2.9e-6, 1, 1]) is not None and ladder(straight * [1, 1 + 3.1e-6, 1, 1]) is None


def test_indices_may_begin_later():
    found = turns.ladder(turned(10000.0 ** (-np.arange(2, 6) / 4), dim=8), np.arange(2.0, 6.0))
    assert (found.base, found.dim, found.factor) == (10000, 8, 1)


def test_the_rounder_base_is_taken_and_of_two_the_usual_one():
    def of(base, dim, rotary=4, dims=8):
        i = np.arange(rotary)
        return turns.ladder(turned(base ** (-2 * i / dim), dim=dims), i.astype(float))

    # Read with the whole head, 10000^(-2i/8) is 100000000^(-2i/16): both have one digit.
    assert [(found.base, found.dim) for found in (of(10000.0, 8, dims=16), of(10000.0, 16, dims=16))] == [
        (1e4, 8), (1e4, 16)]  # fmt: skip
    assert (of(1000.0, 8, dims=16).base, of(1000.0, 8, dims=16).dim) == (1000, 8)
    assert (of(1234.0, 16, dims=16).base, of(1234.0, 16, dims=16).dim) == (1234, 16)


def test_round_numbers():
    assert turns._round(1234.0 * (1 + 0.9e-5)) == 1234 and turns._round(1234.0 * (1 - 1.1e-5)) is None
    assert [turns._roundness(value) for value in (1000.0, 1200.0, 1230.0, 1234.0)] == [3, 2, 1, 0]


def test_a_phase_of_one_step_keeps_being_one():
    theta = np.array([1, 0.1])
    for off, follows in ((0.9e-5, True), (2.2e-5, False)):
        turn = turned(theta, phase=theta + off)
        assert np.array_equal(turns.with_frequencies(turn, 2 * theta).phase, 2 * theta if follows else turn.phase)
    assert np.array_equal(turns.with_frequencies(turned(theta), 2 * theta).frequencies, 2 * theta)


# Positions


NEAR, FAR = (1009, 1008, 1010, 0, 700, 8192), (
    16383, 16384, 2**23, 2**23 - 1, 99_999 % 2**15, 99_999 % 2**16, 99_998, 99_840, 100_000, 65_504,
)  # fmt: skip


def test_the_position_that_was_used():
    turn, x = turned([1, 0.1, 0.01, 0.0013]), np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    for expected, others in ((1009, NEAR), (99_999, FAR)):
        for seen in others:
            out = turn.apply(x[None], np.array([seen]))[0]
            assert turn.position_of(out, x, expected) == turn.position_of(3 * out, x, expected) == seen
        assert turn.position_of(turn.apply(x[None], np.array([12_345.5]))[0], x, expected) is None
        assert turn.position_of(x * np.nan, x, expected) is None


def test_how_near_a_position_must_be():
    turn, x = turned([1, 0.1, 0.01, 0.0013]), np.ones(8)
    for expected, off, found in ((1009, 2.1e-3, True), (1009, 2.4e-3, False),
                                 (99_999, 2.1e-2, True), (99_999, 2.3e-2, False)):  # fmt: skip
        out = turn.apply(x[None], np.array([expected + off]))[0]
        assert turn.position_of(out, x, expected) == (expected if found else None), (expected, off)


def test_how_a_position_went_wrong():
    for position, seen, name in (
        (1009, 1009, "angles are right, lengths are not"), (1009, 1008, "positions rounded to bfloat16"),
        (2049, 2048, "positions rounded to bfloat16"), (4097, 4096, "positions rounded to bfloat16"),
        (10_007, 10_008, "positions rounded to float16"), (100_003, 65_504, "positions rounded to float16"),
        (10_007, 10_006, "positions off by one"), (100_003, 100_004, "positions off by one"),
        (1009, 0, "position taken as 0"), (1009, 1, "positions clipped or wrapped"),
        (1009, 1007, "positions clipped or wrapped"), (1009, 1011, "wrong position"),
    ):  # fmt: skip
        assert structure.misplaced(position, seen) == name, (position, seen)


def test_half_precision():
    for value in (1.0, 257.0, 258.0, 1009.0, 0.1, -3.3e-5):
        assert turns.bfloat16(value) == precision._rounded(np.array(value), "bfloat16")
        assert turns.bfloat16(value) == torch.tensor(value, dtype=torch.float64).bfloat16().item()
        assert precision._rounded(np.array(value), "float16") == torch.tensor(value, dtype=torch.float64).half().item()


# Differences


def test_gap():
    assert subject.gap([1.0, 4.0], [1.0, 5.0]) == 0.2 and np.isclose(subject.gap([0.5], [0.0]), 0.5e30)
    assert subject.gap([[1.0]], [1.0]) == np.inf and subject.gap([], []) == 0
    assert subject.gap([np.nan], [1.0]) == subject.gap([1.0], [np.inf]) == subject.gap([np.inf], [np.inf]) == np.inf
    assert subject.gap([-6.0], [-4.0]) == 0.5


def test_rms():
    assert precision._rms(np.array([3.0, 4.0])) == np.sqrt(12.5) and precision._rms(np.array([np.nan])) == np.inf


def test_which():
    candidates = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert subject.which(np.array([0.9e-4, 1.0]), candidates) == 1
    assert subject.which(np.array([1.1e-4, 1.0]), candidates) is None


def test_change_of_a_bias():
    plain = np.array([[[0.0, 1.0, 4.0], [2.0, 3.0, 1.0]]])
    bump = np.array([[[0.3, 0, 0], [0, 0, 0]]])
    assert bias._change(plain, plain) == 0 and bias._change(np.add(plain, [[[5.0], [-7.0]]]), plain) == 0
    # The mean of a row's differences does not count: 0.3, 0, 0 become 0.2, −0.1, −0.1, of a range of 4.
    assert np.isclose(bias._change(plain + bump, plain), 0.05) and bias._change(plain, plain[:, :1]) == np.inf
    hidden = np.where(plain == 4, -np.inf, plain)
    assert bias._change(hidden, plain) == bias._change(plain * np.nan, plain) == np.inf
    assert bias._change(hidden, hidden) == 0 and bias._change(plain[:0], plain[:0]) == 0
    assert np.isclose(bias._change(hidden + bump, hidden), 0.15 / 3)
    # Without a range, as it is.
    assert np.isclose(bias._change(0 * plain + bump, 0 * plain), 0.2)


# Kernels


def rows(past):
    """`past`, shape (H, D + 1), distances 0, 1, …, as the bias of keys 0 … D."""
    return np.array(past, float)[:, ::-1]


def kernel(past, ahead=None):
    past = np.array(past, float)
    return kernels.measure(rows(past), past if ahead is None else np.array(ahead, float))


def test_a_line_is_one_to_a_thousandth():
    d = np.arange(11.0)
    found = kernel([7 - d / 2, 3 - d / 4])
    assert (found.kind, found.slopes, found.edges, found.ahead_kind) == ("linear", [0.5, 0.25], [], "as before it")
    assert np.allclose(found.values, [-d / 2, -d / 4])
    bump = np.eye(11)[5]
    assert kernel([-d, -d + 0.0099 * bump]).kind == "linear" and kernel([-d + 0.0101 * bump, -d]).kind == "curve"
    # By parts of each head's own size; one head may do nothing.
    assert kernel([-d, 0.01 * (-d + 0.02 * bump)]).kind == "curve" and kernel([-d, 0 * d]).kind == "linear"
    assert kernel([-d + 0.0099 * bump, -0.01 * d]).kind == "linear"
    assert kernel([1.1e-10 * d]).kind == "linear" and kernel([0.9e-10 * d]).kind == "nothing"


def test_steps_are_fewer_than_half_of_the_distances():
    assert kernel([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]).edges == [0, 2]
    assert kernel([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]]).kind == "curve"
    found = kernel([[0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]])
    assert (found.kind, found.edges, found.slopes) == ("steps", [0, 2, 6], [])
    assert kernel([[0, 0, 1, 1 + 0.9e-6, 1, 1]]).edges == [0, 2]
    assert kernel([[0, 0, 1, 1 + 1.1e-6, 1 + 1.1e-6, 1 + 1.1e-6, 1 + 1.1e-6]]).edges == [0, 2, 3]
    assert kernel([[5, 5, 5]]).kind == "nothing" and kernel([[5, 5, 5]]).edges == []


def test_keys_ahead():
    past = [[0, -1, -2, -3], [0, -2, -4, -6]]

    def ahead(values):
        return kernel(past, values).ahead_kind

    assert ahead(past) == ahead(np.array(past) + 5) == "as before it" and ahead(np.zeros((2, 4))) == "nothing"
    assert ahead(-np.array(past)) == "the line goes on" and ahead([[0, 1, 2, 3], [0, -2, -4, -6]]) == "other"
    assert ahead([[0, 0, -np.inf, 0], [0, 0, 0, 0]]) == ahead([[0, np.nan, 0, 0], [0, 0, 0, 0]]) == "hidden"
    for off, kind in ((5.9e-4, "nothing"), (6.1e-4, "other")):
        assert ahead([[0, 0, 0, off], [0, 0, 0, 0]]) == kind
    assert ahead([[0, 0, 0, 60], [0, 0, 0, 0]]) == "other"
    assert kernel([[0, 0, 0]], [[0, 1, 2]]).ahead_kind == "other"


def test_a_kernel_is_told():
    d = np.arange(101.0)
    assert kernel([-d / 3]).told() == "a line in 1 heads, slopes 0.3333, …"
    assert kernel([-d / 3] * 5).told() == "a line in 5 heads, slopes " + "0.3333, " * 4 + "…"
    assert kernel([-np.floor(d / 20)]).told() == "6 steps, beginning at distances 0, 20, 40, 60, 80, 100"
    shown = ", ".join(str(5 * i) for i in range(20))
    assert kernel([-np.floor(d / 5)]).told() == f"21 steps, beginning at distances {shown}, …"
    assert kernel([-np.floor(d[:100] / 5)]).told() == f"20 steps, beginning at distances {shown}"
    assert kernel([-np.sqrt(d)]).told() == "a curve" and kernel([0 * d]).told() == "nothing"


def test_slopes_against_alibi():
    right = np.array([2.0 ** -(h + 1) for h in range(8)] + [2 ** -(h + 0.5) for h in range(4)])
    assert kernels.against_alibi(right.tolist()) == (0, "")
    error, told = kernels.against_alibi([*right[:-1], right[-1] * 1.25])
    assert np.isclose(error, 0.25) and told == ""
    for others, word in ((2.0 ** (-8 * np.arange(1, 13) / 12), "powers of two only"), (np.sort(right)[::-1], "sorted"),
                         (right[::-1], "reverse")):  # fmt: skip
        for off, said in ((0.9e-4, True), (1.1e-4, False)):
            assert (word in kernels.against_alibi((others * (1 + off)).tolist())[1]) == said
