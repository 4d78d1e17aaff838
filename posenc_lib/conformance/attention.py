"""The suite for whole attention callables: what padding, packing, a cache and a shift do to their output."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.conformance.calling import Callee, Refused, choose_library
from posenc_lib.conformance.report import FAILED, NOT_TESTED, PASSED, WARNING, Finding, Report
from posenc_lib.conformance.subject import Floats, NotTested, failed, gap, judged, passed, run, same

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NAMES = ("q", "k", "v", "query_positions", "key_positions", "mask")
# Softmax and sums in float32, in another order.
ROUNDING = 2e-5
_same = partial(same, limit=ROUNDING)


@dataclass
class Attention:
    """The callable under test: fn(q, k, v, query_positions, key_positions, mask)."""

    fn: Callee
    dim: int
    heads: int
    facts: dict[str, Any] = field(default_factory=dict)

    def tensors(self, length: int, batch: int = 2, seed: int = 0) -> tuple[Floats, Floats, Floats]:
        """Random q, k, v, each (batch, heads, length, dim)."""
        x = np.random.default_rng(seed).standard_normal((3, batch, self.heads, length, self.dim))
        return x[0], x[1], x[2]

    def __call__(
        self,
        qkv: tuple[Floats, Floats, Floats],
        queries: Ints,
        keys: Ints | None = None,
        mask: Bools | None = None,
        dtype: str | None = None,
    ) -> Floats:
        """Call with positions (T,) for all sequences or (batch, T), causal by index unless a mask is given."""
        q, k, v = qkv
        batch, keys = len(q), queries if keys is None else keys
        rows = [np.array(np.broadcast_to(p, (batch, p.shape[-1]))) for p in (queries, keys)]
        seen = causal(q.shape[2], k.shape[2]) if mask is None else mask
        out = self.fn(q, k, v, *rows, np.array(np.broadcast_to(seen, (batch, 1, *seen.shape[-2:]))), dtype=dtype)
        if out.shape != (*q.shape[:-1], v.shape[-1]):
            raise Refused(f"it returned shape {out.shape}; {(*q.shape[:-1], v.shape[-1])} is expected")
        return out


def causal(queries: int, keys: int) -> Bools:
    """The last `queries` of `keys` tokens: each looks at itself and what is before it."""
    return np.tri(queries, keys, keys - queries, dtype=bool)


def attention(fn: Callable[..., Any], *, head_dim: int = 32, heads: int = 4, array: str | None = None) -> Report:
    """Examine ``fn(q, k, v, query_positions, key_positions, mask)``, attention with its positions, whatever they are.

    q, k and v have the shape (batch, heads, tokens, head_dim), q with fewer tokens than k when a cache is used;
    positions are integers (batch, tokens); mask is boolean, (batch, 1, queries, keys), True where a query may look.
    fn turns or biases inside. Write a few lines around a framework's attention that takes them otherwise.

    Parameters
    ----------
    fn : callable
        Returns (batch, heads, queries, head_dim).
    head_dim : int
        The size of a query.
    heads : int
        Of queries, keys and values alike.
    array : str, optional
        "torch" or "numpy": which arrays to pass. Found out by trying, if None.

    Returns
    -------
    Report
        What became of each property.

    Raises
    ------
    TypeError
        `fn` cannot be called, or a number has a wrong type.
    ValueError
        `head_dim`, `heads` or `array` cannot be meant.

    Examples
    --------
    >>> from posenc_lib import conformance, frequencies
    >>> from posenc_lib import numpy as pe
    >>> theta = frequencies.rope(32, base=10000.0)
    >>> def attend(q, k, v, m, n, mask):
    ...     q, k = pe.rope(q, m[:, None], theta), pe.rope(k, n[:, None], theta)
    ...     return pe.attention(q, k, v, bias=np.where(mask, 0, -np.inf))
    >>> conformance.attention(attend).passed
    True
    """
    dim = scalars.even_dim("conformance.attention", head_dim)
    heads = scalars.integer("conformance.attention", "heads", heads, at_least=2)

    def attempt(library: str) -> Floats:
        subject = Attention(Callee(fn, library, NAMES), dim, heads)
        return subject(subject.tensors(6), np.arange(6))

    library = choose_library(fn, array, attempt)
    subject = Attention(Callee(fn, library, NAMES), dim, heads, {"arrays": library})
    findings = [run(CALL, partial(_call, subject))]
    if findings[0].status == FAILED:
        names = (UNTOUCHED, *(name for name, _ in CHECKS))
        findings += [Finding(name, NOT_TESTED, "The first call failed.") for name in names]
        return Report("attention", tuple(findings), subject.facts)
    findings += [run(name, partial(check, subject)) for name, check in CHECKS]
    findings.insert(1, _untouched(subject))
    return Report("attention", tuple(findings), subject.facts)


CALL = "it can be called"


def _call(subject: Attention) -> Finding:
    try:
        out = subject(subject.tensors(6), np.arange(6))
    except Refused as reason:
        return failed(CALL, "it cannot be called", f"With q, k and v (2, {subject.heads}, 6, {subject.dim}) {reason}.")
    if not np.all(np.isfinite(out)):
        return failed(CALL, "not finite", f"{np.mean(~np.isfinite(out)):.0%} of the output is NaN or infinite.")
    return passed(CALL, f"q, k and v (2, {subject.heads}, 6, {subject.dim}), positions (2, 6), mask (2, 1, 6, 6).")


UNTOUCHED = "inputs left alone"


def _untouched(subject: Attention) -> Finding:
    if not subject.fn.written:
        return passed(UNTOUCHED, "No call wrote into its arguments.")
    return failed(
        UNTOUCHED,
        "an input was changed",
        f"A call wrote into {' and '.join(sorted(subject.fn.written))}.",
        effect="A cache that is turned in place is turned again at the next step.",
        mend="Make a new tensor.",
    )


WEIGHTS = "weights add up to 1"


def _weights(subject: Attention) -> Finding:
    q, k, v = subject.tensors(6)
    error = gap(subject((q, k, np.ones_like(v)), np.arange(6)), np.ones_like(v))
    return judged(
        WEIGHTS,
        error,
        ROUNDING,
        f"Values of 1 give 1, up to {error:.1e}.",
        f"Values of 1 give something else, by {error:.1e}.",
        "weights do not add up to 1",
        expected="a softmax over the keys that the mask keeps, of values that are not turned",
        effect="Outputs shrink or grow with the position.",
        mend="Turn queries and keys, not values; take the softmax over the keys.",
    )


VALUES = "values are left as they are"


def _values(subject: Attention) -> Finding:
    """A query that may look at one key gets that key's value."""
    q, k, v = subject.tensors(6)
    out = subject((q, k, v), np.arange(6) + 3, mask=np.eye(6, dtype=bool))
    error = gap(out, v)
    kept = _same(np.linalg.norm(out, axis=-1), np.linalg.norm(v, axis=-1))
    return judged(
        VALUES,
        error,
        ROUNDING,
        f"A query that may look at its own token only gets its value, up to {error:.1e}.",
        f"A query that may look at its own token only gets something else than its value, by {error:.1e}.",
        "values are turned" if kept else "the mask is ignored, or values are changed",
        expected="the value of that token",
        effect="The output depends on where the text stands." if kept else "Tokens see what they should not.",
        mend="Turn queries and keys only." if kept else "Apply the boolean mask before the softmax: True is kept.",
    )


MASK = "hidden keys have no effect"


def _mask(subject: Attention) -> Finding:
    (q, k, v), (_, k2, v2) = subject.tensors(6), subject.tensors(6, seed=1)
    k2[:, :, :4], v2[:, :, :4] = k[:, :, :4], v[:, :, :4]
    before = subject((q, k, v), np.arange(6))[:, :, :4]
    error = gap(subject((q, k2, v2), np.arange(6))[:, :, :4], before)
    return judged(
        MASK,
        error,
        1e-6,
        f"Other tokens after a query change its output by {error:.1e}.",
        f"Other tokens after a query, which the mask hides, change its output by {error:.1e}.",
        "the mask is ignored",
        expected="nothing of hidden keys",
        effect="The model sees the future, padding and other sequences.",
        mend="Apply the boolean mask before the softmax: True is kept.",
    )


USED = "positions are used"


def _used(subject: Attention) -> Finding:
    """All tokens see all others here, so that a bias that is the same on both sides shows the query's position."""
    qkv, positions, everything = subject.tensors(8), np.arange(8), np.ones((8, 8), bool)
    plain = subject(qkv, positions, mask=everything)
    spread = 3 * positions
    both = gap(subject(qkv, spread, mask=everything), plain)
    queries = gap(subject(qkv, spread, positions, everything), plain)
    keys = gap(subject(qkv, positions, spread - 14, everything), plain)
    told = (
        f"Other distances change the output by {both:.1e}, other query positions by {queries:.1e}, "
        f"other key positions by {keys:.1e}."
    )
    if max(both, keys, queries) < ROUNDING:
        return Finding(
            USED,
            WARNING,
            told,
            "positions have no effect",
            both,
            None,
            "an output that changes with the distances",
            "The order of tokens shows through the causal mask only (NoPE).",
            "Pass the positions on, unless this is meant.",
        )
    if keys < ROUNDING:
        return failed(
            USED,
            "key positions are ignored",
            told,
            expected="both sides count",
            effect="Steps with a cache, padding and packing get wrong distances.",
            mend="Use key_positions.",
        )
    if queries < ROUNDING:
        return Finding(
            USED,
            WARNING,
            told,
            "query positions have no effect",
            queries,
            None,
            "both sides count, unless the bias is a line over the keys under a causal mask, as in BLOOM",
            "Steps with a cache get wrong distances, if something is turned.",
            "Use query_positions.",
        )
    return passed(USED, told)


SHIFT = "shift invariance of the output"
SHIFTS = (1, 17, 1000, 10_000)


def _shift(subject: Attention) -> Finding:
    qkv, positions = subject.tensors(8), np.arange(8)
    still = subject(qkv, positions)
    changes: dict[int, float] = {}
    end = ""
    for moved in SHIFTS:
        try:
            changes[moved] = gap(subject(qkv, positions + moved), still)
        except Refused as reason:
            if not changes:
                raise
            end = f" By {moved} {reason}."
            break
    told = (
        "The output changes by "
        + ", ".join(f"{c:.1e} when all positions move by {s}" for s, c in changes.items())
        + f".{end}"
    )
    ratio = max(c / (ROUNDING + 1e-6 * s) for s, c in changes.items())
    return judged(
        SHIFT,
        ratio,
        1.0,
        told,
        told,
        "query positions are ignored" if _ignores_queries(subject) else "the output depends on the absolute position",
        expected=f"at most {ROUNDING:.0e} + 1e-06 · shift, which is float32's rounding",
        effect="What the model learned at one place of the text does not hold at another.",
        mend="Examine what turns or biases on its own: conformance.rotation(fn, keys=…), conformance.bias(fn).",
    )


def _ignores_queries(subject: Attention) -> bool:
    qkv, positions = subject.tensors(8), np.arange(8)
    return _same(subject(qkv, 3 * positions, positions), subject(qkv, positions))


STEPS = "one pass equals step by step"


def _steps(subject: Attention) -> Finding:
    """One query at a time with the keys so far, not yet turned, against one causal pass."""
    length = 8
    q, k, v = subject.tensors(length)
    positions = np.arange(length)
    whole = subject((q, k, v), positions)
    worst, diagnosis = 0.0, ""
    for t in range(1, length):
        step = (q[:, :, t : t + 1], k[:, :, : t + 1], v[:, :, : t + 1])
        out = subject(step, positions[t : t + 1], positions[: t + 1])
        error = gap(out, whole[:, :, t : t + 1])
        if error > worst:
            worst, diagnosis = error, _misplaced(subject, step, t, out)
    return judged(
        STEPS,
        worst,
        ROUNDING,
        f"Eight queries at once and one by one agree up to {worst:.1e}.",
        f"A query on its own, with the keys so far, gives another output than in one pass, by {worst:.1e}.",
        diagnosis,
        expected="the row of one pass",
        effect="Text generated with a cache differs from the same text read in one pass.",
        mend="Take positions from the caller: a new query stands after the cached keys.",
    )


def _misplaced(subject: Attention, step: tuple[Floats, Floats, Floats], t: int, out: Floats) -> str:
    """Which position of the query gives `out`, when the whole context is queried at once."""
    q, k, v = step
    many = (np.repeat(q, t + 1, axis=2), k, v)
    last = np.ones((t + 1, t + 1), bool)
    for other, name in (
        (0, "cache offset ignored"),
        (t - 1, "query off by one with a cache"),
        (t + 1, "query off by one with a cache"),
    ):
        if _same(out, subject(many, np.full(t + 1, other), np.arange(t + 1), last)[:, :, :1]):
            return name
    return "a step differs from one pass"


PADDED = "padded equals unpadded"
TOKENS = np.array([[0, 0, 1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]], bool)


def _padded(subject: Attention) -> Finding:
    """Padding before a sequence and in its middle, where a prompt ended and generation began."""
    q, k, v = subject.tensors(8)
    positions = np.maximum(TOKENS.cumsum(axis=1) - 1, 0)
    # Padding looks at itself, to have something to average.
    mask = (causal(8, 8) & TOKENS[:, None, None]) | np.eye(8, dtype=bool)
    out = subject((q, k, v), positions, mask=mask)
    worst = 0.0
    for b, row in enumerate(TOKENS):
        real = np.flatnonzero(row)
        q1, k1, v1 = (x[b : b + 1, :, real] for x in (q, k, v))
        worst = max(worst, gap(out[b : b + 1, :, real], subject((q1, k1, v1), np.arange(len(real)))))
    counted = _same(out, subject((q, k, v), np.arange(8), mask=mask))
    return judged(
        PADDED,
        worst,
        ROUNDING,
        f"Padding before and within a sequence changes its output by {worst:.1e}.",
        f"Padding before and within a sequence changes its output by {worst:.1e}.",
        "padding counted as tokens" if counted else "padding changes the output",
        expected="the output without padding",
        effect="The same prompt gives other results in a batch with a longer one.",
        mend="Use the positions passed, which count the tokens that the mask keeps, and the mask.",
    )


PACKED = "packed equals separate"


def _packed(subject: Attention) -> Finding:
    """Two sequences in one row, positions from 0 in each, and a mask of blocks."""
    q, k, v = subject.tensors(9)
    sequence = np.repeat([0, 1], [5, 4])
    positions = np.concatenate([np.arange(5), np.arange(4)])
    out = subject((q, k, v), positions, mask=causal(9, 9) & (sequence[:, None] == sequence))
    parts = [tuple(x[:, :, sequence == s] for x in (q, k, v)) for s in (0, 1)]
    separate = [subject((p[0], p[1], p[2]), np.arange(p[0].shape[2])) for p in parts]
    error = gap(out, np.concatenate(separate, axis=2))
    return judged(
        PACKED,
        error,
        ROUNDING,
        f"Sequences of 5 and 4 tokens in one row give what they give on their own, up to {error:.1e}.",
        f"Sequences of 5 and 4 tokens in one row differ from what they give on their own by {error:.1e}.",
        "packing changes the output",
        expected="the output of two calls",
        effect="Documents that share a row see each other, or each other's positions.",
        mend="Use the positions passed and the mask, whole: a causal flag is not enough.",
    )


ROWS = "a row of positions for each sequence"


def _rows(subject: Attention) -> Finding:
    """As many sequences as heads, each with its own distances."""
    batch = subject.heads
    q, k, v = subject.tensors(7, batch)
    positions = np.arange(7) * (1 + np.arange(batch))[:, None]
    out = subject((q, k, v), positions)
    separate = np.concatenate([subject((q[b : b + 1], k[b : b + 1], v[b : b + 1]), positions[b]) for b in range(batch)])
    error = gap(out, separate)
    by_heads = np.stack([subject((q, k, v), positions[h])[:, h] for h in range(subject.heads)], axis=1)
    return judged(
        ROWS,
        error,
        ROUNDING,
        f"Each sequence follows its own row of positions, up to {error:.1e}.",
        f"A sequence of a batch gives another output than on its own, by {error:.1e}.",
        "positions (B, T) taken for heads" if _same(out, by_heads) else "rows of positions are mixed up",
        expected="each sequence by its own row",
        effect="Sequences of a padded batch get each other's positions, and nothing raises.",
        mend="Insert the heads' axis: positions[:, None].",
    )


HALF = "bfloat16"


def _half(subject: Attention) -> Finding:
    """The output in bfloat16 far from 0 against that in float32 near 0, which a shift does not change."""
    if subject.fn.library != "torch":
        raise NotTested("bfloat16 is tested with torch only")
    qkv, positions = subject.tensors(8), np.arange(8)
    near = subject(qkv, positions)
    if gap(subject(qkv, positions + 3001), near) > 0.01:
        raise NotTested("the output depends on the absolute position in float32 already")
    first = gap(subject(qkv, positions, dtype="bfloat16"), near)
    far = gap(subject(qkv, positions + 3001, dtype="bfloat16"), near)
    told = f"Rounding to bfloat16 changes the output by {first:.1e} at positions 0 to 7, by {far:.1e} at 3001 to 3008."
    limit = max(3 * first, 0.03)
    return (
        Finding(HALF, PASSED, told, None, far, limit)
        if far <= limit
        else Finding(
            HALF,
            FAILED,
            told,
            "far positions are wrong in bfloat16",
            far,
            limit,
            "about the same at both places",
            "Neighbouring tokens of a long text get one position.",
            "Keep positions, frequencies and angles out of x.dtype.",
        )
    )


CHECKS: tuple[tuple[str, Callable[[Attention], Finding]], ...] = (
    (WEIGHTS, _weights),
    (VALUES, _values),
    (MASK, _mask),
    (USED, _used),
    (STEPS, _steps),
    (ROWS, _rows),
    (PADDED, _padded),
    (PACKED, _packed),
    (SHIFT, _shift),
    (HALF, _half),
)
