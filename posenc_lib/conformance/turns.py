"""Measure what a rotation does: unit vectors go in, pairs, directions, angles and lengths come out."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posenc_lib.conformance.calling import Callee, Refused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Where the pairs are looked for: pairs of frequency 1e-7 have turned by 1e-4 at the last.
SEEN = 1e-6
PROBES = (1, 2, 3, 64, 257, 1009)


@dataclass(frozen=True)
class Turn:
    """Pair i, at dimensions (first, second), turns by (m + offset) · frequency and grows by scale · growth^m.

    Parameters
    ----------
    dim : int
        The size of the vectors.
    first, second : numpy.ndarray, shape (n,)
        The dimensions of each pair that turns; frequencies are positive, so their order gives the direction.
    frequencies : numpy.ndarray, shape (n,)
        Radians per position.
    phase : numpy.ndarray, shape (n,)
        The angle at position 0.
    scale, growth : numpy.ndarray, shape (n,)
    """

    dim: int
    first: Ints
    second: Ints
    frequencies: Floats
    phase: Floats
    scale: Floats
    growth: Floats

    @property
    def backwards(self) -> bool:
        """Whether most pairs turn by −mθ: from the higher dimension to the lower."""
        return bool(np.mean(self.first > self.second) > 0.5)

    @property
    def places(self) -> Ints:
        """The pairs, lower dimension first, shape (n, 2), sorted."""
        pairs = np.sort(np.stack([self.first, self.second], axis=-1), axis=-1)
        return pairs[np.argsort(pairs[:, 0])]

    @property
    def layout(self) -> str:
        """ "interleaved", "half" or "neither"."""
        pairs = self.places
        apart = pairs[:, 1] - pairs[:, 0]
        if np.all(apart == 1) and np.all(pairs[:, 0] % 2 == pairs[0, 0] % 2):
            return "interleaved"
        if np.all(apart == apart[0]) and pairs[:, 0].max() < pairs[0, 0] + apart[0]:
            return "half"
        return "neither"

    @property
    def rotary_dim(self) -> int:
        """How many dimensions turn, those of frequency 0 among them where the layout shows them."""
        pairs = self.places
        return int(2 * (pairs[0, 1] - pairs[0, 0])) if self.layout == "half" else 2 * len(pairs)

    def sorted(self) -> "Turn":
        """The pairs in the order of their lower dimension."""
        order = np.argsort(np.minimum(self.first, self.second))
        return replace(self, **{name: getattr(self, name)[order] for name in _PER_PAIR})

    def angles(self, positions: NDArray[np.generic]) -> Floats:
        """Angles modulo 2π, shape (*positions, n), the product taken in turns."""
        turns = np.asarray(positions, np.float64)[..., None] * (self.frequencies / (2 * np.pi))
        return np.asarray((turns - np.round(turns)) * 2 * np.pi + self.phase)

    def apply(self, x: Floats, positions: NDArray[np.generic]) -> Floats:
        """What the measured rotation makes of x, shape (..., T, dim), at positions (T,)."""
        m = np.asarray(positions, np.float64)[..., None]
        z = (x[..., self.first] + 1j * x[..., self.second]) * np.exp(1j * self.angles(positions))
        with np.errstate(over="ignore"):  # a growth that is none, carried far
            z = z * self.scale * self.growth**m
        out = np.array(x, np.float64)
        out[..., self.first], out[..., self.second] = z.real, z.imag
        return out

    def position_of(self, out: Floats, x: Floats, expected: float) -> float | None:
        """The position at which the measured rotation turns x, shape (dim,), as `out`; None if none tried does."""
        z = (out[self.first] + 1j * out[self.second]) / (x[self.first] + 1j * x[self.second])
        with np.errstate(all="ignore"):
            seen = z / np.abs(z)
        tried = _candidates(expected)
        gaps = np.abs(np.exp(1j * self.angles(tried)) - seen).max(axis=-1)
        best = int(np.argmin(np.where(np.isnan(gaps), np.inf, gaps)))
        return float(tried[best]) if gaps[best] < 2e-3 + 2e-7 * abs(expected) else None


_PER_PAIR = ("first", "second", "frequencies", "phase", "scale", "growth")


def _candidates(expected: float) -> Floats:
    """The positions that a mistake could have used in the place of `expected`, likelier ones first."""
    near = [expected, expected - 1, expected + 1, bfloat16(expected), float(np.float16(min(expected, 65504.0)))]
    powers = 2.0 ** np.arange(14, 24)
    wrapped = expected % powers
    return np.concatenate([near, np.arange(8193.0), powers - 1, powers, wrapped])


def bfloat16(value: float) -> float:
    """Round to the eight significant bits of bfloat16."""
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.round(mantissa * 256), exponent) / 256)


@dataclass(frozen=True)
class Matrices:
    """fn at the probes as matrices: row j of `at[m]` is what becomes of the unit vector e_j at position m."""

    at: dict[int, Floats]

    def connected(self) -> NDArray[np.bool_]:
        """Which dimensions flow into which others."""
        largest = np.max([np.abs(matrix) for matrix in self.at.values()], axis=0)
        return np.asarray((largest > SEEN) & ~np.eye(len(largest), dtype=bool))


def matrix(fn: Callee, dim: int, position: int, dtype: str | None = None) -> Floats:
    """Row j is what becomes of unit vector j at `position`, passed as the only token."""
    x = np.eye(dim)[:, None, None, :]
    return fn(np.repeat(x, 2, axis=1), np.array([position]), dtype=dtype)[:, 0, 0, :]


def matrices(fn: Callee, dim: int, dtype: str | None = None) -> Matrices:
    """Measure at position 0 and at the probes that are accepted; position 1 must be."""
    at = {m: matrix(fn, dim, m, dtype) for m in (0, 1)}
    for m in PROBES[1:]:
        try:
            at[m] = matrix(fn, dim, m, dtype)
        except Refused:
            break
    return Matrices(at)


def pairs_of(connected: NDArray[np.bool_]) -> list[tuple[int, int]] | None:
    """The pairs (a, b), a < b, of dimensions that mix; None where one mixes with more than one other."""
    both = connected | connected.T
    if np.any(both.sum(axis=1) > 1):
        return None
    return [(int(a), int(b)) for a, b in np.argwhere(np.triu(both))]


def measure(found: Matrices) -> Turn | None:
    """Return the rotation that the matrices show, or None where they show no pairs."""
    pairs = pairs_of(found.connected())
    if not pairs or not all(np.all(np.isfinite(m)) for m in found.at.values()):
        return None
    first, second = np.array(pairs, np.int64).T
    zero, one = (found.at[m][first, first] + 1j * found.at[m][first, second] for m in (0, 1))
    if np.any(zero == 0) or np.any(one == 0):
        return None
    ratio = one / zero
    turned = np.angle(ratio)
    back = turned < 0
    dim = len(found.at[0])
    return Turn(
        dim,
        np.where(back, second, first),
        np.where(back, first, second),
        np.abs(turned),
        np.where(back, -1, 1) * np.angle(zero),
        np.abs(zero),
        _growth(found, first, second, np.abs(ratio)),
    ).sorted()


def _growth(found: Matrices, first: Ints, second: Ints, ratio: Floats) -> Floats:
    """The growth per position from the farthest probe, where rounding counts least; 1 where there is none."""
    far = max(found.at)
    lengths = [np.hypot(found.at[m][first, first], found.at[m][first, second]) for m in (0, far)]
    growth = (lengths[1] / lengths[0]) ** (1 / far)
    steady = np.abs(growth - ratio) < 1e-4
    return np.where(steady & (np.abs(lengths[1] / lengths[0] - 1) > 1e-3), growth, 1.0)


def defect(found: Matrices, pairs: list[tuple[int, int]]) -> tuple[float, float]:
    """How far the pairs are from turns a + bi, and from mirrors, as a part of their length."""
    turned = mirrored = 0.0
    for block in found.at.values():
        for a, b in pairs:
            aa, ab, ba, bb = block[a, a], block[a, b], block[b, a], block[b, b]
            size = max(float(np.hypot(aa, ab)), 1e-30)
            turned = max(turned, abs(aa - bb) / size, abs(ab + ba) / size)
            mirrored = max(mirrored, abs(aa + bb) / size, abs(ab - ba) / size)
    return float(turned), float(mirrored)


@dataclass(frozen=True)
class Ladder:
    """Frequencies base^(−2i/dim) / factor, the exact form of those that were measured."""

    base: float
    dim: int
    factor: float
    frequencies: Floats


def ladder(turn: Turn, indices: Floats) -> Ladder | None:
    """Find the geometric ladder that the measured frequencies follow, if they follow one with round numbers."""
    if len(turn.frequencies) < 2 or np.any(turn.frequencies == 0):
        return None
    logs = np.log(turn.frequencies)
    slope = (logs[-1] - logs[0]) / (indices[-1] - indices[0])
    start = logs[0] - slope * indices[0]
    if slope >= 0 or np.max(np.abs(logs - start - slope * indices)) > 3e-6:
        return None
    factor = _round(np.exp(-start))
    dims = sorted({turn.rotary_dim, turn.dim})
    bases = [(_round(np.exp(-slope * dim / 2)), dim) for dim in dims]
    named = [(base, dim) for base, dim in bases if base is not None]
    if factor is None or not named:
        return None
    base, dim = max(named, key=lambda pair: (_roundness(pair[0]), pair[0] >= 1000, pair[1] == turn.rotary_dim))
    return Ladder(base, dim, factor, base ** (-2 * indices / dim) / factor)


def _round(value: float) -> float | None:
    """The number of four digits that `value` was before rounding errors, if there is one."""
    nearest = float(f"{value:.4g}")
    return nearest if abs(value / nearest - 1) < 1e-5 else None


def _roundness(value: float) -> int:
    """How many digits are not needed to write `value`."""
    return 4 - len(f"{value:.3e}".split("e")[0].replace(".", "").rstrip("0"))


def with_frequencies(turn: Turn, frequencies: Floats) -> Turn:
    """The same rotation with other frequencies; a phase of one step keeps being one."""
    one = np.allclose(turn.phase, turn.frequencies, atol=1e-5)
    return replace(turn, frequencies=frequencies, phase=frequencies if one else turn.phase)
