"""The checkers of the shift matrix, the longest wavelength and the relative part, against readers' code."""

import math

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe

torch = pytest.importorskip("torch")

# ---------------------------------------------------------------- shift_matrix


def theta(dim):
    return 10000.0 ** (-np.arange(0, dim, 2) / dim)


def shift_blocks(k, dim):
    result = np.zeros((dim, dim))
    for i, frequency in enumerate(theta(dim)):
        c, s = math.cos(k * frequency), math.sin(k * frequency)
        result[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, s], [-s, c]]
    return result


def shift_diagonals(k, dim):
    angles = np.repeat(k * theta(dim), 2)
    beside = np.sin(angles[:-1]) * (np.arange(dim - 1) % 2 == 0)
    return np.diag(np.cos(angles)) + np.diag(beside, 1) - np.diag(beside, -1)


def shift_solved(k, dim):
    """Solve M P = P' for enough positions to pin M down, pair by pair."""
    here, there = pe.sinusoidal(np.arange(2), dim), pe.sinusoidal(np.arange(2) + k, dim)
    result = np.zeros((dim, dim))
    for i in range(0, dim, 2):
        result[i : i + 2, i : i + 2] = there[:, i : i + 2].T @ np.linalg.inv(here[:, i : i + 2].T)
    return result


def shift_torch(k, dim):
    angles = k * torch.as_tensor(theta(dim))
    blocks = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], -1).reshape(-1, 2, 2)
    return torch.block_diag(*blocks)


def shift_kron(k, dim):
    rotation = np.kron(np.diag(np.cos(k * theta(dim))), np.eye(2))
    return rotation + np.kron(np.diag(np.sin(k * theta(dim))), np.array([[0, 1], [-1, 0]]))


@pytest.mark.parametrize(
    "fn", [shift_blocks, shift_diagonals, shift_solved, shift_torch, shift_kron], ids=lambda fn: fn.__name__
)
def test_a_right_shift_matrix_passes(fn):
    report = check.shift_matrix(fn)
    assert report.passed, str(report)


def fitted(solve, length):
    """Fit M to the codes of `length` positions, all pairs at once."""

    def fn(k, dim):
        here, there = pe.sinusoidal(np.arange(length), dim), pe.sinusoidal(np.arange(length) + k, dim)
        return solve(here, there).T

    return fn


def least_squares(here, there):
    return np.linalg.lstsq(here, there, rcond=None)[0]


def pseudoinverse(here, there):
    return np.linalg.pinv(here) @ there


@pytest.mark.parametrize("solve", [least_squares, pseudoinverse])
def test_a_fit_to_enough_codes_passes_with_a_remark(solve):
    report = check.shift_matrix(fitted(solve, 1000))
    assert report.passed, str(report)
    assert "right up to rounding, with errors below 1e-09" in report.message and "closed form" in report.message


def test_an_exact_matrix_gets_no_remark():
    assert "closed form" not in check.shift_matrix(shift_blocks).message


@pytest.mark.parametrize(("size", "passed"), [(3e-10, True), (1e-8, False)])
def test_an_error_of_one_cell_passes_only_below_the_bound(size, passed):
    def fn(k, dim):
        result = shift_blocks(k, dim)
        result[0, -1] += size
        return result

    assert check.shift_matrix(fn).passed == passed


@pytest.mark.parametrize(
    ("solve", "length"),
    [(least_squares, 16), (least_squares, 100), (least_squares, 300), (pseudoinverse, 16), (pseudoinverse, 300)],
)
def test_a_fit_to_few_codes_is_named(solve, length):
    report = check.shift_matrix(fitted(solve, length))
    assert report.diagnosis == "fitted to codes that do not pin it down", str(report)
    assert report.hint(3)


def test_the_oracle_moves_codes():
    """What the checker expects is what the library's own codes obey, and not a formula of its own alone."""
    for k, dim in [(1, 2), (5, 8), (-7, 6), (100, 16)]:
        moved = shift_blocks(k, dim) @ pe.sinusoidal(np.arange(20), dim).T
        np.testing.assert_allclose(moved, pe.sinusoidal(np.arange(20) + k, dim).T, atol=1e-12)


def transposed(k, dim):
    return shift_blocks(k, dim).T


def backwards_in_time(k, dim):
    return shift_blocks(-k, dim)


def identity(k, dim):
    return np.eye(dim)


def reflection(k, dim):
    return shift_blocks(k, dim) * np.tile([1.0, -1.0], dim // 2)[:, None] * 1.0


def same_signs(k, dim):
    return np.where(np.tri(dim, k=-1, dtype=bool), -1, 1) * shift_blocks(k, dim)


def cosines_alone(k, dim):
    return np.diag(np.diag(shift_blocks(k, dim)))


def half_layout(k, dim):
    c, s = np.diag(np.cos(k * theta(dim))), np.diag(np.sin(k * theta(dim)))
    return np.block([[c, s], [-s, c]])


def one_angle(k, dim):
    return np.kron(np.eye(dim // 2), shift_blocks(k, 2))


def by_one(k, dim):
    return shift_blocks(1, dim)


def by_size(k, dim):
    return shift_blocks(abs(k), dim)


def exponent_i(k, dim):
    return np.kron(np.diag(np.cos(k * np.sqrt(theta(dim)))), np.eye(2)) + np.kron(
        np.diag(np.sin(k * np.sqrt(theta(dim)))), np.array([[0, 1], [-1, 0]])
    )


def sines_on_the_diagonal(k, dim):
    result = np.zeros((dim, dim))
    for i, frequency in enumerate(theta(dim)):
        c, s = math.cos(k * frequency), math.sin(k * frequency)
        result[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[s, c], [-c, s]]
    return result


WRONG_SHIFTS = {
    transposed: "the matrix is transposed",
    backwards_in_time: "the matrix is transposed",
    identity: "the identity",
    reflection: "a reflection instead of a rotation",
    same_signs: "both sines have the same sign",
    cosines_alone: "only the diagonal is filled",
    half_layout: "half layout instead of interleaved",
    one_angle: "all blocks turn by the same angle",
    by_one: "k is ignored",
    by_size: "k loses its sign",
    exponent_i: "exponent i/d instead of 2i/d",
    sines_on_the_diagonal: "sine and cosine are swapped in the blocks",
}


@pytest.mark.parametrize("fn", WRONG_SHIFTS, ids=lambda fn: fn.__name__)
def test_a_wrong_shift_matrix_is_named(fn):
    report = check.shift_matrix(fn)
    assert report.diagnosis == WRONG_SHIFTS[fn], str(report)


# ---------------------------------------------------------------- longest_wavelength


@pytest.mark.parametrize(
    "fn",
    [
        lambda dim, base: 2 * math.pi * base ** ((dim - 2) / dim),
        lambda dim, base: 2 * np.pi / base ** (-2 * (dim // 2 - 1) / dim),
        lambda dim, base: (2 * np.pi / base ** (-np.arange(0, dim, 2) / dim)).max(),
        lambda dim, base: math.tau * math.exp((1 - 2 / dim) * math.log(base)),
        lambda dim, base: 2 * torch.pi * torch.tensor(base, dtype=torch.float64) ** ((dim - 2) / dim),
        lambda dim, base: np.array(2 * np.pi * base * base ** (-2 / dim)),
    ],
)
def test_a_right_wavelength_passes(fn):
    report = check.longest_wavelength(fn)
    assert report.passed, str(report)


WRONG_WAVELENGTHS = {
    "2π · base, which no pair reaches": lambda dim, base: 2 * math.pi * base,
    "a factor 2π is missing": lambda dim, base: base ** ((dim - 2) / dim),
    "half a wave": lambda dim, base: math.pi * base ** ((dim - 2) / dim),
    "a turn of 360": lambda dim, base: 360 * base ** ((dim - 2) / dim),
    "the frequency, not the wavelength": lambda dim, base: 1 / base ** ((dim - 2) / dim),
    "2π times the frequency": lambda dim, base: 2 * math.pi * base ** (-(dim - 2) / dim),
    "turns per position, not positions per turn": lambda dim, base: base ** (-(dim - 2) / dim) / math.tau,
    "the shortest wavelength": lambda dim, base: 2 * math.pi,
    "the second shortest wavelength": lambda dim, base: 2 * math.pi * base ** (2 / dim),
    "exponent (d − 1)/d": lambda dim, base: 2 * math.pi * base ** ((dim - 1) / dim),
    "exponent (d − 2)/(2d)": lambda dim, base: 2 * math.pi * base ** ((dim // 2 - 1) / dim),
    "exponent 1/2": lambda dim, base: 2 * math.pi * base ** ((dim // 2) / dim),
    "exponent 2(d − 1)/d": lambda dim, base: 2 * math.pi * base ** (2 * (dim - 1) / dim),
    "exponent (d − 4)/d": lambda dim, base: 2 * math.pi * base ** ((dim - 4) / dim),
    "the base is ignored": lambda dim, base: 2 * math.pi * 10000 ** ((dim - 2) / dim),
    "2π · base, which no pair reaches, and a factor 2π is missing": lambda dim, base: base,
}


@pytest.mark.parametrize("rounded", [round, int, math.ceil, np.rint, lambda x: x // 1])
def test_a_wavelength_rounded_to_an_integer_is_named(rounded):
    report = check.longest_wavelength(lambda dim, base: rounded(2 * math.pi * base ** ((dim - 2) / dim)))
    assert report.diagnosis == "rounded to an integer", str(report)


@pytest.mark.parametrize("diagnosis", WRONG_WAVELENGTHS)
def test_a_wrong_wavelength_is_named(diagnosis):
    report = check.longest_wavelength(WRONG_WAVELENGTHS[diagnosis])
    assert set(report.diagnosis.split(", and ")) == set(diagnosis.split(", and ")), str(report)


def test_all_wavelengths_instead_of_one_is_a_wrong_shape():
    report = check.longest_wavelength(lambda dim, base: 2 * np.pi * base ** (np.arange(0, dim, 2) / dim))
    assert report.stage == "shape"


# ---------------------------------------------------------------- relative_part


def part_loop(A):
    result = np.zeros_like(A)
    for i in range(0, len(A), 2):
        a, b = (A[i, i] + A[i + 1, i + 1]) / 2, (A[i, i + 1] - A[i + 1, i]) / 2
        result[i : i + 2, i : i + 2] = [[a, b], [-b, a]]
    return result


def part_other_j(A):
    """J = [[0, −1], [1, 0]] spans the same space."""
    result, j = np.zeros_like(A), np.array([[0.0, -1.0], [1.0, 0.0]])
    for i in range(0, len(A), 2):
        block = A[i : i + 2, i : i + 2]
        result[i : i + 2, i : i + 2] = np.trace(block) / 2 * np.eye(2) + np.sum(block * j) / 2 * j
    return result


def part_average(A):
    """Average over the group: R(φ)ᵀ A R(φ) with every pair turned by its own quarter turns."""
    j = np.array([[0.0, 1.0], [-1.0, 0.0]])
    result = np.zeros_like(A)
    for i in range(0, len(A), 2):
        block = A[i : i + 2, i : i + 2]
        result[i : i + 2, i : i + 2] = (block + j.T @ block @ j) / 2
    return result


def part_least_squares(A):
    basis = []
    for i in range(0, len(A), 2):
        for block in (np.eye(2), np.array([[0.0, 1.0], [-1.0, 0.0]])):
            matrix = np.zeros_like(A)
            matrix[i : i + 2, i : i + 2] = block
            basis.append(matrix.ravel())
    columns = np.array(basis).T
    return (columns @ np.linalg.lstsq(columns, A.ravel(), rcond=None)[0]).reshape(A.shape)


def part_torch(A):
    j = torch.kron(torch.eye(len(A) // 2, dtype=A.dtype), torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=A.dtype))
    kept = torch.kron(torch.eye(len(A) // 2, dtype=A.dtype), torch.ones(2, 2, dtype=A.dtype))
    return (A + j.T @ A @ j) / 2 * kept


@pytest.mark.parametrize(
    "fn", [part_loop, part_other_j, part_average, part_least_squares, part_torch], ids=lambda fn: fn.__name__
)
def test_a_right_projection_passes(fn):
    report = check.relative_part(fn)
    assert report.passed, str(report)


def by_blocks(block):
    def fn(A):
        result = np.zeros_like(A)
        for i in range(0, len(A), 2):
            result[i : i + 2, i : i + 2] = block(A[i : i + 2, i : i + 2])
        return result

    return fn


def kept_half(A):
    result, half = np.zeros_like(A), len(A) // 2
    for i in range(half):
        places = np.ix_([i, i + half], [i, i + half])
        result[places] = part_loop(A[places])
    return result


def kept_rest(A):
    result = A.copy()
    for i in range(0, len(A), 2):
        result[i : i + 2, i : i + 2] = part_loop(A[i : i + 2, i : i + 2])
    return result


WRONG_PARTS = {
    "blocks kept whole": by_blocks(lambda b: b),
    "the factor 1/2 is forgotten": by_blocks(lambda b: 2 * part_loop(b)),
    "b has the wrong sign": by_blocks(lambda b: part_loop(b).T),
    "the symmetric part is kept instead of the antisymmetric": by_blocks(
        lambda b: np.trace(b) / 2 * np.eye(2) + (b[0, 1] + b[1, 0]) / 2 * np.array([[0, 1], [1, 0]])
    ),
    "the diagonal only": lambda A: np.diag(np.diag(A)),
    "J is missing": by_blocks(lambda b: np.trace(b) / 2 * np.eye(2)),
    "I is missing": by_blocks(lambda b: (b - b.T) / 2),
    "the diagonal is not averaged": by_blocks(lambda b: (b - b.T) / 2 + np.diag(np.diag(b))),
    "one entry stands for two": by_blocks(lambda b: np.array([[b[0, 0], b[0, 1]], [-b[0, 1], b[0, 0]]])),
    "half layout instead of interleaved": kept_half,
    "the rest is kept": kept_rest,
    "A is returned as it is": lambda A: A,
    "the reflections were kept": by_blocks(lambda b: b - part_loop(b)),
    "divided by √2 instead of 2": by_blocks(lambda b: math.sqrt(2) * part_loop(b)),
}


@pytest.mark.parametrize("diagnosis", WRONG_PARTS)
def test_a_wrong_projection_is_named(diagnosis):
    report = check.relative_part(WRONG_PARTS[diagnosis])
    assert report.diagnosis == diagnosis, str(report)


def test_writing_into_the_matrix_is_seen():
    def fn(A):
        A[...] = part_loop(A)
        return A

    report = check.relative_part(fn)
    assert report.diagnosis == "an input was changed"
    assert "`A`" in report.message


@pytest.mark.parametrize("size", [1e-8, 1e-6, 1e-3])
def test_wrong_entries_that_no_fit_leaves_are_not_named_a_fit(size):
    def noisy(k, dim):
        return shift_blocks(k, dim) + size * np.random.default_rng(k + 10).standard_normal((dim, dim))

    def narrow(k, dim):
        return shift_blocks(k, dim).astype(np.float32).astype(float)

    assert "fitted" not in check.shift_matrix(noisy).diagnosis
    assert check.shift_matrix(narrow).diagnosis == "single precision"
