"""What the checks of a rotation share: the callables, what was measured of them, and how a finding is made."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib.conformance import turns
from posenc_lib.conformance.calling import Callee, Refused
from posenc_lib.conformance.report import FAILED, NOT_TESTED, PASSED, WARNING, Finding

Floats = NDArray[np.float64]

# Largest difference, relative to the largest value, between results that differ by float32's rounding only.
ROUNDING = 1e-5


class NotTested(Exception):
    """A property that this callable gives no way to test; the text says why."""


@dataclass
class Rotation:
    """The callables under test and what is known of them.

    `turn` is measured; `exact` is the same with frequencies free of rounding, where they are known; `queries` and
    `keys` are one Callee where one function serves both.
    """

    queries: Callee
    keys: Callee
    dim: int
    heads: int
    frequencies: Floats | None
    layout: str | None
    max_position: int
    matrices: turns.Matrices | None = None
    turn: turns.Turn | None = None
    exact: turns.Turn | None = None
    ladder: turns.Ladder | None = None
    key_turn: turns.Turn | None = None
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def callees(self) -> tuple[Callee, ...]:
        return (self.queries,) if self.keys is self.queries else (self.queries, self.keys)

    def visible_frequencies(self) -> Floats:
        """Those passed that turn far enough at the farthest probe to be seen."""
        if self.frequencies is None or self.matrices is None:
            return np.zeros(0)
        return self.frequencies[np.abs(self.frequencies) * max(self.matrices.at) > turns.SEEN]

    def need_turn(self) -> turns.Turn:
        if self.turn is None:
            raise NotTested("no pairs of dimensions that turn were found")
        return self.turn

    def need_exact(self) -> turns.Turn:
        self.need_turn()
        if self.exact is None and self.frequencies is not None:
            raise NotTested("the frequencies are not those passed, see above; their exact values are not known")
        if self.exact is None:
            raise NotTested(
                "the frequencies are no ladder base^(−2i/d) with a round base, and float32 does not show them exactly; "
                "pass frequencies="
            )
        return self.exact

    def vectors(self, length: int, batch: int = 2, seed: int = 0) -> Floats:
        """Random x, shape (batch, heads, length, dim)."""
        return np.random.default_rng(seed).standard_normal((batch, self.heads, length, self.dim))

    def one_vector(self, length: int, batch: int = 2) -> Floats:
        """x with the same vector at every token, head and sequence."""
        return np.broadcast_to(self.vectors(1, 1)[:, :1], (batch, self.heads, length, self.dim)).copy()


def gap(found: ArrayLike, expected: ArrayLike) -> float:
    """The largest difference relative to the largest expected value; infinite where one is not finite."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or not (np.all(np.isfinite(found)) and np.all(np.isfinite(expected))):
        return np.inf
    size = max(float(np.abs(expected).max(initial=0.0)), 1e-30)
    return float(np.abs(found - expected).max(initial=0.0) / size)


def same(found: ArrayLike, expected: ArrayLike, limit: float = ROUNDING) -> bool:
    """Whether they differ by rounding at most; what has another shape does not."""
    return gap(found, expected) < limit


def judged(
    check: str,
    measured: float,
    limit: float,
    good: str,
    bad: str,
    diagnosis: str,
    *,
    expected: str = "",
    effect: str = "",
    mend: str = "",
    status: str = FAILED,
) -> Finding:
    """A finding that passes when `measured` is at most `limit`."""
    if measured <= limit:
        return Finding(check, PASSED, good, None, measured, limit)
    return Finding(check, status, bad, diagnosis, measured, limit, expected, effect, mend)


def passed(check: str, found: str) -> Finding:
    """A finding without a number."""
    return Finding(check, PASSED, found)


def failed(check: str, diagnosis: str, found: str, *, expected: str = "", effect: str = "", mend: str = "") -> Finding:
    """A failure without a number."""
    return Finding(check, FAILED, found, diagnosis, expected=expected, effect=effect, mend=mend)


def warned(finding: Finding) -> Finding:
    """The same finding as a warning, where it did not pass."""
    return finding if finding.status == PASSED else replace(finding, status=WARNING)


def run(name: str, check: Callable[[], Finding]) -> Finding:
    """The finding of one check; what it cannot test it says."""
    try:
        return check()
    except (NotTested, Refused) as reason:
        return Finding(name, NOT_TESTED, f"{reason}.")


def which(token: Floats, candidates: Floats) -> int | None:
    """The index, along the first axis, of the candidate that `token` equals."""
    gaps = [gap(token, candidate) for candidate in candidates]
    best = int(np.argmin(gaps))
    return best if gaps[best] < 1e-4 else None


def all_equal(values: Iterable[object]) -> bool:
    """Whether there is one value only."""
    return len(set(values)) == 1
