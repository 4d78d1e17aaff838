"""What a bias does with the distance: a line, steps, a curve or nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenc_lib.numpy.alibi import alibi_slopes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """The bias at distances 0, 1, 2, … before the query, shape (heads, distances), less that at distance 0.

    `slopes` holds what the bias falls by per position, where it is a line; `edges` the first distance of each step.
    """

    values: Floats
    kind: str
    slopes: list[float]
    edges: list[int]
    ahead_kind: str

    def told(self) -> str:
        """One line about it."""
        if self.kind == "linear":
            return f"a line in {len(self.slopes)} heads, slopes {', '.join(f'{s:.4g}' for s in self.slopes[:4])}, …"
        if self.kind == "steps":
            shown = ", ".join(map(str, self.edges[:20])) + (", …" if len(self.edges) > 20 else "")
            return f"{len(self.edges)} steps, beginning at distances {shown}"
        return "a curve" if self.kind == "curve" else "nothing"


def measure(rows: Floats, ahead: Floats) -> Kernel:
    """Measure `rows`, the bias of keys 0 … D for query D, shape (heads, D + 1); `ahead`: keys 0 … D for query 0."""
    past = rows[:, ::-1] - rows[:, -1:]
    kind, slopes, edges = _classify(past)
    return Kernel(past, kind, slopes, edges, _ahead_kind(past, ahead))


def _classify(past: Floats) -> tuple[str, list[float], list[int]]:
    size = float(np.abs(past).max())
    if size < 1e-9:
        return "nothing", [], []
    distances = np.arange(past.shape[1])
    slopes = -past[:, -1] / distances[-1]
    lines = -slopes[:, None] * distances
    if np.all(np.abs(past - lines).max(axis=1) <= 1e-3 * np.abs(past).max(axis=1) + 1e-30):
        return "linear", slopes.tolist(), []
    changes = np.any(np.abs(np.diff(past, axis=1)) > 1e-6 * size, axis=0)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist()]
    # Most distances share the bias of the one before.
    return ("steps", [], edges) if len(edges) < 0.5 * past.shape[1] else ("curve", [], [])


def _ahead_kind(past: Floats, ahead: Floats) -> str:
    """What becomes of keys after the query: nothing, hidden, "as before it", "the line goes on" or "other"."""
    if not np.all(np.isfinite(ahead[:, 1:])):
        return "hidden"
    ahead = ahead - ahead[:, :1]
    size = float(np.abs(past).max())
    for name, other in (("nothing", np.zeros_like(ahead)), ("as before it", past), ("the line goes on", -past)):
        if np.allclose(ahead, other, rtol=0, atol=1e-4 * size):
            return name
    return "other"


def against_alibi(slopes: list[float]) -> tuple[float, str]:
    """The largest relative difference from ALiBi's slopes, and how the slopes found may have come about."""
    found, heads = np.array(slopes), len(slopes)
    right = alibi_slopes(heads)
    error = float(np.abs(found / right - 1).max())
    ladder = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    sayings = (
        (ladder, " They are 2^(−8(h+1)/H), which the authors' code uses for powers of two only."),
        (np.sort(right)[::-1], " They are the right ones, sorted: heads have changed places."),
        (right[::-1], " They are the right ones in reverse order."),
    )
    told = (saying for other, saying in sayings if np.allclose(found, other, rtol=1e-4, atol=0))
    return error, next(told, "")
