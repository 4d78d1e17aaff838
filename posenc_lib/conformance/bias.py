"""The suite for callables that bias attention's logits by position."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.conformance import kernels
from posenc_lib.conformance.calling import Callee, Refused, choose_library
from posenc_lib.conformance.report import FAILED, NOT_TESTED, PASSED, WARNING, Finding, Report
from posenc_lib.conformance.subject import ROUNDING, Floats, NotTested, failed, judged, passed, run

Ints = NDArray[np.int64]


class WrongShape(Refused):
    """The result has other axes than queries and keys."""


@dataclass
class Bias:
    """The callable under test, and what is known of it."""

    fn: Callee
    kernel: kernels.Kernel | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __call__(self, queries: Ints, keys: Ints) -> Floats:
        """The bias as (H, T, S), whatever leading axes of size 1 it came with."""
        out = self.fn(queries, keys)
        wanted = (queries.shape[-1], keys.shape[-1])
        if out.ndim < 2 or out.shape[-1] != wanted[1] or out.shape[-2] not in (1, wanted[0]):
            raise WrongShape(f"it returned shape {out.shape}; (..., heads, {wanted[0]}, {wanted[1]}) is expected")
        heads = out.reshape(-1, *out.shape[-2:])
        return np.broadcast_to(heads, (len(heads), *wanted))


def bias(
    fn: Callable[..., Any], *, heads: int | None = None, max_position: int = 131_072, array: str | None = None
) -> Report:
    """Examine ``fn(query_positions, key_positions)``, which returns what is added to attention's logits.

    Positions are integers of shape (T,) and (S,), and once, to see what becomes of them, (batch, T) and (batch, S).
    The result has the shape (T, S), (heads, T, S) or (1, heads, T, S); a query axis of size 1 serves all queries, as in
    BLOOM. Whatever is constant for all keys of a query does not count: softmax does not notice it.

    Parameters
    ----------
    fn : callable
        It may raise for positions that the framework cannot take; the report then says what could not be tested.
    heads : int, optional
        How many heads the bias should have; not judged if None.
    max_position : int
        How far distances must be told apart; errors past it, up to ten million, are warnings.
    array : str, optional
        "torch" or "numpy": which arrays to pass. Found out by trying, if None.

    Returns
    -------
    Report
        `report.facts["kind"]` says what the distance does: "linear" (ALiBi, with its slopes), "steps" (T5's buckets),
        "curve" or "nothing".

    Raises
    ------
    TypeError
        `fn` cannot be called, or a number has a wrong type.
    ValueError
        `heads` or `array` cannot be meant.

    Examples
    --------
    >>> from posenc_lib import conformance
    >>> from posenc_lib import numpy as pe
    >>> report = conformance.bias(lambda m, n: pe.alibi_bias(8, m, n))
    >>> report.passed, report.facts["kind"], report.facts["slopes"][:3]
    (True, 'linear', [0.5, 0.25, 0.125])
    >>> conformance.bias(lambda m, n: -pe.alibi_bias(8, m, n)).diagnosis
    'far keys are favoured'
    """
    if heads is not None:
        heads = scalars.integer("conformance.bias", "heads", heads, at_least=1)
    max_position = scalars.integer("conformance.bias", "max_position", max_position, at_least=1)
    arguments = ("query_positions", "key_positions")
    library = choose_library(fn, array, lambda name: Callee(fn, name, arguments)(np.arange(5), np.arange(5)))
    subject = Bias(Callee(fn, library, arguments), facts={"arrays": library})
    findings = [run(CALL, partial(_call, subject, heads))]
    checks = (
        (REPEATABLE, _repeatable),
        (USED, _used),
        (DISTANCE, _distance),
        (NEAR, _near),
        (SLOPES, _slopes),
        (STEPS, _steps),
        (PADDED, _padded),
        (PACKED, _packed),
        (ROWS, _rows),
        (SHIFT, partial(_shift, max_position=max_position)),
    )
    if findings[0].status == FAILED:
        names = (UNTOUCHED, *(name for name, _ in checks))
        return Report(
            "bias", (*findings, *(Finding(name, NOT_TESTED, "The first call failed.") for name in names)), subject.facts
        )
    findings += [run(name, partial(check, subject)) for name, check in checks]
    findings.insert(1, _untouched(subject))
    return Report("bias", tuple(findings), subject.facts)


CALL = "it can be called"


def _call(subject: Bias, heads: int | None) -> Finding:
    told = "With positions (6,), and with queries 2 to 5 and keys 0 to 5,"
    try:
        square = subject(np.arange(6), np.arange(6))
        cached = _with_fewer_queries(subject)
    except Refused as reason:
        swapped = f"{(4, 6)[::-1]}"[1:-1] in str(reason).split(";")[0]
        name = "query and key axes exchanged" if swapped else "it cannot be called"
        return failed(
            CALL, name, f"{told} {reason}.", mend="Queries stand along axis −2, keys along −1." if swapped else ""
        )
    past = square[:, *np.tril_indices(6)]
    if np.any(np.isnan(square)) or not np.all(np.isfinite(past)):
        return failed(
            CALL,
            "not finite",
            "A key at or before its query has a bias that is NaN or infinite.",
            expected="finite numbers",
            effect="The softmax gives NaN, or the key is never looked at.",
        )
    subject.facts["heads"] = len(square)
    if heads is not None and len(square) != heads:
        return failed(CALL, "wrong number of heads", f"It has {len(square)} heads, {heads} expected.")
    more = "" if cached is None else ", queries (4,) with keys (6,) too"
    return passed(CALL, f"Positions (6,) and (6,) give {len(square)} heads of (6, 6){more}.")


def _with_fewer_queries(subject: Bias) -> Floats | None:
    """Queries 2 to 5 of six tokens; None where they are refused, which is no fault."""
    try:
        return subject(np.arange(2, 6), np.arange(6))
    except WrongShape:
        raise
    except Refused:
        return None


UNTOUCHED = "inputs left alone"


def _untouched(subject: Bias) -> Finding:
    if not subject.fn.written:
        return passed(UNTOUCHED, "No call wrote into its arguments.")
    return failed(
        UNTOUCHED,
        "an input was changed",
        f"A call wrote into {' and '.join(sorted(subject.fn.written))}.",
        mend="Make a new tensor; watch for += and assignment to slices.",
    )


REPEATABLE = "same call, same result"


def _repeatable(subject: Bias) -> Finding:
    short, long = np.arange(4), np.arange(9)
    first = subject(short, short)
    subject(long, long)
    change = _change(subject(short, short), first)
    return judged(
        REPEATABLE,
        change,
        1e-7,
        "The same call twice, a longer one in between, gives the same numbers.",
        f"The same call gave results that differ by {change:.1e} of the bias's range.",
        "results change from call to call",
        effect="Nothing that a model computes can be repeated.",
        mend="Look for a cache of another length, or dropout that is on.",
    )


USED = "positions are used"
FARTHEST = 300


def _used(subject: Bias) -> Finding:
    """Does the distance to keys before the query count? Also measures what it does."""
    whole = subject(np.arange(FARTHEST + 1), np.arange(FARTHEST + 1))
    subject.kernel = kernels.measure(whole[:, -1], whole[:, 0])
    subject.facts["kind"] = subject.kernel.kind
    subject.facts["keys after the query"] = subject.kernel.ahead_kind
    if subject.kernel.kind != "nothing":
        return passed(USED, f"The bias of keys before the query depends on the distance: {subject.kernel.told()}.")
    swapped = subject.kernel.ahead_kind not in ("nothing", "hidden")
    return failed(
        USED,
        "past keys are all alike",
        "All keys at or before the query have the same bias" + (", those after it differ." if swapped else "."),
        expected="a bias that tells near keys from far ones",
        effect="A causal model sees no position at all.",
        mend="The relative position is key minus query; its sign is exchanged."
        if swapped
        else "Use the positions passed.",
    )


DISTANCE = "only the distance counts"


def _distance(subject: Bias) -> Finding:
    """One call: each query sees the keys at the same distances alike. Far from 0 half precision shows."""
    whole = subject(np.arange(FARTHEST + 1), np.arange(FARTHEST + 1))
    first = whole[:, :41, :41]
    near, far = (_change(whole[:, s : s + 41, s : s + 41], first) for s in (7, 260))
    digits = near < 1e-3 < far
    return judged(
        DISTANCE,
        max(near, far),
        1e-3 if digits else ROUNDING * 10,
        f"Queries 260 to 300 see keys at one distance as 0 to 40 do, up to {far:.1e} of the bias's range.",
        f"In one call, 41 queries from 7 on see keys at one distance otherwise than those from 0 on, by {near:.1e} of "
        f"the bias's range, those from 260 on by {far:.1e}.",
        _rounding(subject) if digits else "the bias depends on the absolute position",
        expected="a function of m − n, up to a number for each query",
        effect="What the model learned at one place of the text does not hold at another.",
        mend="Compute it from key minus query, in integers or float32; round the result."
        if digits
        else "Compute it from key minus query alone; look for the query or the length in it, or for axes exchanged.",
    )


NEAR = "near keys are favoured"


def _near(subject: Bias) -> Finding:
    kernel = _kernel(subject)
    if kernel.kind != "linear":
        raise NotTested(f"the bias is no line: {kernel.kind}")
    wrong = [h for h, slope in enumerate(kernel.slopes) if slope < 0]
    if not wrong:
        return passed(NEAR, "In all heads the bias falls with the distance.")
    return failed(
        NEAR,
        "far keys are favoured",
        f"In heads {wrong[:8]} the bias grows with the distance.",
        expected="−slope · (m − n)",
        effect="A model looks at the beginning of the text most; at long inputs nowhere else.",
        mend="Change the sign: bias −slope · distance.",
    )


SLOPES = "slopes"


def _slopes(subject: Bias) -> Finding:
    kernel = _kernel(subject)
    if kernel.kind != "linear":
        raise NotTested(f"the bias is no line: {kernel.kind}")
    subject.facts["slopes"] = [float(f"{slope:.6g}") for slope in kernel.slopes]
    error, rule = kernels.against_alibi(kernel.slopes)
    told = f"They differ from ALiBi's for {len(kernel.slopes)} heads by up to {error:.1e} of themselves."
    if error <= 1e-4:
        return Finding(SLOPES, PASSED, told, None, error, 1e-4)
    return Finding(
        SLOPES,
        WARNING,
        told + rule,
        "slopes rounded to half precision" if error < 2**-8 else "slopes are not ALiBi's",
        error,
        1e-4,
        "2^(−8(h+1)/H), and for other than powers of two the rule of the authors' code",
        "A checkpoint trained with other slopes reads distances wrongly in these heads.",
        "posenc_lib's alibi_slopes follows the authors' code.",
    )


def _kernel(subject: Bias) -> kernels.Kernel:
    if subject.kernel is None:
        raise NotTested("what the distance does could not be measured")
    return subject.kernel


STEPS = "one pass equals step by step"


def _steps(subject: Bias) -> Finding:
    """A new query with the keys so far, against its row of the whole."""
    length = 12
    whole = subject(np.arange(length), np.arange(length))
    worst, where = 0.0, ""
    for t in range(1, length):
        row = subject(np.array([t]), np.arange(t + 1))
        change = _change(row, whole[:, t : t + 1, : t + 1])
        if change > worst:
            worst, where = change, _misplaced(row, whole, t)
    return judged(
        STEPS,
        worst,
        ROUNDING,
        f"Twelve queries at once and one by one agree up to {worst:.1e} of the bias's range.",
        f"A query on its own gets another bias than in one pass, by {worst:.1e} of the range.{where}",
        "query position ignored with a cache" if "query 0" in where else "a step differs from one pass",
        expected="the row of the whole bias",
        effect="Text generated with a cache differs from the same text read in one pass.",
        mend="Take the query's position from the caller; with a cache it is not its index.",
    )


def _misplaced(row: Floats, whole: Floats, t: int) -> str:
    for other in (0, t - 1):
        if other != t and _change(row, whole[:, other : other + 1, : t + 1]) < ROUNDING:
            return f" Query {t} is biased as query {other} is."
    return ""


PADDED = "padded equals unpadded"


def _padded(subject: Bias) -> Finding:
    """Three tokens of padding at position 0 before the sequence."""
    pad, alone = 3, np.arange(6)
    positions = np.concatenate([np.zeros(pad, np.int64), alone])
    change = _change(subject(positions, positions)[:, pad:, pad:], subject(alone, alone))
    return judged(
        PADDED,
        change,
        ROUNDING,
        f"After three tokens of padding, six tokens are biased as without it, up to {change:.1e} of the range.",
        f"Positions 0 0 0 0 1 … 5: the six tokens get another bias than without padding, by {change:.1e} of the range.",
        "padding changes the bias",
        expected="a function of the positions passed",
        effect="The same prompt gives other results in a batch with a longer one.",
        mend="Use the positions, not the indices.",
    )


PACKED = "packed equals separate"


def _packed(subject: Bias) -> Finding:
    """Two sequences in one row, the second counted from 0 again; what is between them is masked."""
    first, second = 5, 4
    positions = np.concatenate([np.arange(first), np.arange(second)])
    whole = subject(positions, positions)
    change = max(
        _change(whole[:, :first, :first], subject(np.arange(first), np.arange(first))),
        _change(whole[:, first:, first:], subject(np.arange(second), np.arange(second))),
    )
    return judged(
        PACKED,
        change,
        ROUNDING,
        f"Sequences of 5 and 4 tokens in one row are biased as on their own, up to {change:.1e} of the range.",
        f"Positions 0 … 4 0 … 3: the tokens get another bias than on their own, by {change:.1e} of the range.",
        "packing changes the bias",
        expected="a function of the positions passed",
        effect="A packed sequence is trained with other distances than it is used with.",
        mend="Use the positions, not the indices.",
    )


ROWS = "a row of positions for each sequence"


def _rows(subject: Bias) -> Finding:
    """Positions (batch, T) and (batch, S), as many sequences as heads."""
    batch = max(int(subject.facts.get("heads", 2)), 2)
    queries = np.arange(4, 7) + 2 * np.arange(batch)[:, None]
    keys = np.arange(7) + 2 * np.arange(batch)[:, None] + (np.arange(7) > 3) * np.arange(batch)[:, None]
    expected = np.stack([subject(queries[b], keys[b]) for b in range(batch)])
    try:
        found = subject.fn(queries, keys)
    except Refused as reason:
        raise NotTested(f"with positions (batch, tokens) {reason}") from reason
    if found.ndim == 3 and expected.shape[1] == 1:
        found = found[:, None]
    if found.ndim == 4 and found.shape[2] == 1:
        found = np.broadcast_to(found, (*found.shape[:2], queries.shape[-1], found.shape[-1]))
    if found.shape != expected.shape:
        return failed(
            ROWS,
            "rows of positions are mixed up",
            f"Positions (batch, T) and (batch, S) gave shape {found.shape}.",
            expected=f"(batch, heads, T, S) = {expected.shape}, or an error",
            effect="Added to the logits of a batch it broadcasts over the heads, or fails.",
            mend="Put the heads' axis at −3.",
        )
    change = max(_change(f, e) for f, e in zip(found, expected, strict=True))
    return judged(
        ROWS,
        change,
        ROUNDING,
        f"Each sequence is biased by its own row, up to {change:.1e} of the range.",
        f"A sequence of a batch gets another bias than on its own, by {change:.1e} of the range.",
        "rows of positions are mixed up",
        expected="(batch, heads, T, S), each sequence by its own row",
        effect="Sequences of a padded batch get each other's distances.",
        mend="Put the heads' axis at −3, after the batch.",
    )


SHIFT = "shift invariance of the logits"
SHIFTS = (1, 1000, 100_000, 9_999_991)


def _shift(subject: Bias, max_position: int) -> Finding:
    """Queries 2 to 9 and keys 0 to 9, all moved by as much."""
    queries, keys = np.arange(2, 10), np.arange(10)
    still = subject(queries, keys)
    changes: dict[int, float] = {}
    end = ""
    for moved in SHIFTS:
        try:
            changes[moved] = _change(subject(queries + moved, keys + moved), still)
        except Refused as reason:
            if not changes:
                raise
            end = f" By {moved} {reason}."
            break
    told = (
        "Change when all positions move: "
        + ", ".join(f"{c:.1e} by {s}" for s, c in changes.items())
        + f" of the range.{end}"
    )
    wrong = [s for s, c in changes.items() if c > 1e-3]
    if not wrong:
        return Finding(SHIFT, PASSED, told, None, max(changes.values()), 1e-3)
    near = wrong[0] <= max_position
    return Finding(
        SHIFT,
        FAILED if near else WARNING,
        told,
        _rounding(subject) + ("" if near else f" (past {max_position})"),
        changes[wrong[0]],
        1e-3,
        f"at most 0.001 of the bias's range up to max_position={max_position}",
        "Distances to the keys of a long text are merged or wrong.",
        "Subtract integer positions, or float64 ones, and round the difference.",
    )


def _rounding(subject: Bias) -> str:
    """Which dtype of positions merges two neighbours that it cannot tell apart."""
    for dtype, merged in (("bfloat16", 257), ("float16", 2049)):
        pair = np.array([merged - 1, merged])
        try:
            found, right = subject(pair, pair), subject(pair - merged + 1, pair - merged + 1)
        except Refused:
            continue
        if _change(found, right) > 1e-3:
            if not np.allclose(found[:, 1], found[:, 0], atol=1e-12):
                return "the bias depends on the absolute position"
            return "positions clipped" if _clipped(subject, merged) else f"positions rounded to {dtype}"
    return "the bias loses its digits at far positions"


def _clipped(subject: Bias, merged: int) -> bool:
    """Whether positions are one that no dtype which merges `merged` and its neighbour would merge."""
    apart = np.array([merged - 1, merged + merged // 8])
    return float(np.ptp(subject(apart, apart), axis=(1, 2)).max()) < 1e-12


def _change(found: Floats, expected: Floats) -> float:
    """The largest difference, but for one number a query, relative to the range; infinite where -inf moved."""
    if found.shape != expected.shape or np.any(np.isnan(found)) or np.any(np.isinf(found) != np.isinf(expected)):
        return np.inf
    if found.size == 0:
        return 0.0
    seen, right = (np.where(np.isfinite(b), b, np.nan) for b in (found, expected))
    with np.errstate(all="ignore"):
        spread = float(np.nanmax(right) - np.nanmin(right))
        difference = seen - right
        difference = difference - np.nanmean(difference, axis=-1, keepdims=True)
        return (
            float(np.nanmax(np.abs(difference)) / max(spread, 1e-30))
            if spread
            else float(np.nanmax(np.abs(difference)))
        )
