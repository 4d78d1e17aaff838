"""Checks of what one call does: inputs left alone, linear, pairs that turn by angles that grow with the position."""

import numpy as np

from posenc_lib.conformance import turns
from posenc_lib.conformance.calling import Callee, Refused
from posenc_lib.conformance.report import Finding
from posenc_lib.conformance.subject import ROUNDING, NotTested, Rotation, failed, gap, judged, passed, same, warned

LENGTH = 6
CALL = "it can be called"


def call(subject: Rotation) -> Finding:
    """One plain call with more tokens than heads; nothing else is tested when it fails."""
    length = subject.heads + 2
    for fn in subject.callees:
        x = subject.vectors(length)
        try:
            out = fn(x, np.arange(length))
        except Refused as reason:
            return _cannot_be_called(subject, fn, str(reason), x.shape)
        if out.shape != x.shape:
            return failed(
                CALL,
                "wrong shape",
                f"x of shape {x.shape} came back as {out.shape}.",
                expected="the shape of x",
                mend="Return x turned, in the shape in which it came.",
            )
        if not np.all(np.isfinite(out)):
            return failed(
                CALL,
                "not finite",
                f"{np.mean(~np.isfinite(out)):.0%} of the values are NaN or infinite.",
                expected="finite numbers for finite x",
                effect="Every logit of the token is NaN, and the loss with it.",
            )
    return passed(CALL, f"x (batch, heads, tokens, dim) = {x.shape}, positions {(length,)}.")


def _cannot_be_called(subject: Rotation, fn: Callee, reason: str, shape: tuple[int, ...]) -> Finding:
    try:
        square = fn(subject.one_vector(subject.heads), np.arange(subject.heads))
    except Refused:
        square = None
    if square is not None and not same(np.broadcast_to(square[:, :1], square.shape), square):
        return failed(
            CALL,
            "tokens and heads exchanged",
            f"With x of shape {shape} {reason}. With as many tokens as heads it runs, and each head turns by its own "
            "angle: positions run along the heads.",
            expected="the token axis last but one: (batch, heads, tokens, dim)",
            effect="Tokens carry no position, and heads differ for no reason.",
            mend="Align the positions with axis −2 of x; transpose (batch, tokens, heads, dim) first.",
        )
    return failed(CALL, "it cannot be called", f"With x of shape {shape} and positions (tokens,) {reason}.")


UNTOUCHED = "inputs left alone"


def untouched(subject: Rotation) -> Finding:
    """After all other calls: was an argument written into?"""
    written = sorted(set().union(*(fn.written for fn in subject.callees)))
    if not written:
        return passed(UNTOUCHED, "No call wrote into its arguments.")
    return failed(
        UNTOUCHED,
        "an input was changed",
        f"A call wrote into {' and '.join(written)}.",
        expected="x and positions as they were",
        effect="What else uses the tensor (the residual stream, a second call, the gradient) sees turned numbers.",
        mend="Make a new tensor; watch for +=, mul_, out= and assignment to slices.",
    )


REPEATABLE = "same call, same result"


def repeatable(subject: Rotation) -> Finding:
    """The same call twice, with a call of the same length at other positions in between.

    Lengths and positions are used here for the first time, so that a cache has no other calls to remember.
    """
    a, b = np.arange(5, 12), np.arange(90, 97)
    x = subject.one_vector(len(a) + 1, batch=1)
    short = x[:, :, :-1]
    for fn in subject.callees:
        first, second, other = fn(short, a), fn(short, b), fn(x, np.arange(90, 98))
        again = fn(short, a)
        if same(second, first) and not same(other[:, :, :-1], first):
            return failed(
                REPEATABLE,
                "cache keyed on length",
                "Positions 90 to 96 got the angles of 5 to 11, asked for before with as many tokens; eight did not.",
                expected="angles of the positions that are passed, whatever was called before",
                effect="A second sequence, or a step with a cache, gets the angles of the first one of its length.",
                mend="Key the cache on the positions, or compute the angles anew: it costs less than reading q and k.",
            )
        difference = gap(again, first)
        if difference > ROUNDING:
            return failed(
                REPEATABLE,
                "results change from call to call",
                f"The same call gave results that differ by {difference:.1e}.",
                expected="the same numbers",
                effect="Nothing that a model computes can be repeated.",
                mend="Look for state that a call leaves behind, or for dropout that is on.",
            )
    return passed(REPEATABLE, "The same call twice, another one in between, gives the same numbers.")


USED = "positions are used"


def used(subject: Rotation) -> Finding:
    """Do other positions give another result?"""
    x = subject.vectors(LENGTH + 3)
    for fn in subject.callees:
        near, far = (fn(x, np.arange(LENGTH + 3) + start) for start in (0, 40))
        if same(far, near, 1e-4):
            alone = same(near, x, 1e-4)
            what = "x comes back as it was" if alone else "tokens are numbered from 0 whatever is passed"
            return failed(
                USED,
                "nothing turns" if alone else "positions are ignored",
                f"Positions 40 to 48 give what 0 to 8 give: {what}.",
                expected="angles that follow the positions passed",
                effect="Decoding with a cache, padding and packing all get wrong positions.",
                mend="Compute the angles from the positions argument, not from x.shape.",
            )
    return passed(USED, "Positions 40 to 48 turn x otherwise than 0 to 8.")


LINEAR = "linear"


def linear(subject: Rotation) -> Finding:
    """fn(2x − 3y) = 2 fn(x) − 3 fn(y)."""
    x, y, positions = subject.vectors(LENGTH), subject.vectors(LENGTH, seed=1), np.arange(LENGTH)
    x[:, :, 0] = y[:, :, 0] = 0  # a token of zeros stays one
    error = max(
        gap(fn(2 * x - 3 * y, positions), 2 * fn(x, positions) - 3 * fn(y, positions)) for fn in subject.callees
    )
    return judged(
        LINEAR,
        error,
        ROUNDING,
        f"fn(2x − 3y) = 2 fn(x) − 3 fn(y) up to {error:.1e}.",
        f"fn(2x − 3y) and 2 fn(x) − 3 fn(y) differ by {error:.1e} of the largest value.",
        "not linear",
        expected="a matrix for each position, the same whatever x is",
        effect="Logits no longer depend on the distance alone: something is added, clipped or rounded on the way.",
        mend="Only multiply and add: no bias, no normalisation, no rounding of x.",
    )


NORM = "norm kept"


def norm(subject: Rotation) -> Finding:
    """The rows of each matrix keep the lengths they have at position 0, and stay orthogonal."""
    found = _matrices(subject)
    pairs = turns.pairs_of(found.connected())
    turned, mirrored = turns.defect(found, pairs or [])
    if pairs and mirrored < 1e-4 < turned:
        return failed(
            NORM,
            "pairs are mirrored, not turned",
            "Each pair (a, b) becomes (a cos + b sin, a sin − b cos).",
            expected="(a cos − b sin, a sin + b cos)",
            effect="Lengths are kept, but the logits depend on m + n and not on m − n.",
            mend="Mend one sign.",
        )
    at_zero = np.linalg.norm(found.at[0], axis=1)
    lengths = max(float(np.abs(np.linalg.norm(m, axis=1) / at_zero - 1).max()) for m in found.at.values())
    angles = max(_skew(m) for m in found.at.values())
    if (
        subject.turn is not None
        and subject.key_turn is not None
        and _inverse(subject.turn, subject.key_turn) < ROUNDING
    ):
        return passed(NORM, "Queries grow and keys shrink with the position by inverse factors, as in xPos.")
    growing = lengths > angles
    return judged(
        NORM,
        max(lengths, angles),
        ROUNDING,
        f"Lengths and right angles are kept up to {max(lengths, angles):.1e}.",
        f"Lengths change by up to {lengths:.1e}, right angles by {angles:.1e}, up to position {max(found.at)}.",
        "lengths depend on the position" if growing else "right angles are not kept",
        expected="the same factor at every position (1, or an attention factor)",
        effect="Logits grow or shrink with the position itself, not with the distance.",
        mend="Sine and cosine of a pair need the same angle; a factor must not depend on the position, "
        "unless keys get its inverse (pass keys=).",
    )


def _skew(matrix: turns.Floats) -> float:
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return float(np.abs(rows @ rows.T - np.eye(len(rows))).max())


def _inverse(queries: turns.Turn, keys: turns.Turn) -> float:
    """How far growth of queries and keys are from being inverse, where there is any."""
    if np.all(queries.growth == 1) or queries.growth.shape != keys.growth.shape:
        return np.inf
    return float(np.abs(queries.growth * keys.growth - 1).max())


def _matrices(subject: Rotation) -> turns.Matrices:
    if subject.matrices is None:
        raise NotTested("it was refused with one token")
    return subject.matrices


ANGLE = "angle is position times frequency"


def angle(subject: Rotation) -> Finding:
    """At the probes the angles must be those of position 1, times the position."""
    turn, found = subject.exact or subject.need_turn(), _matrices(subject)
    errors = {m: _angle_error(turn, found, m) for m in found.at}
    worst = max(errors, key=lambda m: errors[m])
    # A measured frequency has float32's digits.
    limit = ROUNDING + 4e-7 * worst
    if errors[worst] > limit:
        return _not_proportional(turn, found, worst, errors[worst], limit)
    return _starts_at_zero(subject, turn, errors[worst], limit)


def _angle_error(turn: turns.Turn, found: turns.Matrices, m: int) -> float:
    return gap(found.at[m], turn.apply(np.eye(turn.dim)[:, None, :], np.array([m]))[:, 0])


def _not_proportional(turn: turns.Turn, found: turns.Matrices, worst: int, error: float, limit: float) -> Finding:
    x = np.ones(turn.dim)
    seen = turn.position_of(x @ found.at[worst], x, worst)
    where = "" if seen in (None, worst) else f" It turns as position {seen:g} should."
    return judged(
        ANGLE,
        error,
        limit,
        "",
        f"At position {worst} the pairs are off by {error:.1e} from {worst} times the angle at 1.{where}",
        "angle is not proportional to the position" if seen is None else misplaced(worst, seen),
        expected="angle mθ at position m",
        effect="Logits depend on where two tokens stand, not only on their distance.",
        mend="Multiply the position, unrounded and unclipped, by the frequency.",
    )


def misplaced(position: float, seen: float) -> str:
    """Name the mistake that puts `position` at `seen`."""
    if seen == position:
        return "angles are right, lengths are not"
    if seen == turns.bfloat16(position):
        return "positions rounded to bfloat16"
    if seen == float(np.float16(min(position, 65504.0))):
        return "positions rounded to float16"
    if seen in (position - 1, position + 1):
        return "positions off by one"
    if seen == 0:
        return "position taken as 0"
    return "positions clipped or wrapped" if seen < position else "wrong position"


def _starts_at_zero(subject: Rotation, turn: turns.Turn, error: float, limit: float) -> Finding:
    offset = float(np.abs(np.exp(1j * turn.phase) - 1).max())
    good = f"Angles at positions {', '.join(map(str, _matrices(subject).at))} agree with mθ up to {error:.1e}."
    if offset <= ROUNDING:
        return judged(ANGLE, error, limit, good, "", "")
    one = bool(np.allclose(turn.phase, turn.frequencies, atol=1e-5))
    quarter = bool(np.allclose(np.abs(turn.phase), np.pi / 2, atol=1e-5))
    what = "that of position 1" if one else "a quarter turn" if quarter else f"{np.abs(turn.phase).max():.3g} rad"
    name = "positions start at 1" if one else "sine and cosine exchanged" if quarter else "position 0 turns"
    return warned(
        judged(
            ANGLE,
            offset,
            ROUNDING,
            "",
            f"At position 0 pairs turn by {what}; from there on angles grow by θ a position.",
            name,
            expected="nothing turns at position 0",
            effect="Logits stay right where queries and keys share it; weights and caches of other code do not fit.",
            mend="Count positions from 0, and multiply a by the cosine and b by minus the sine.",
        )
    )


HEADS = "all heads and sequences alike"


def heads(subject: Rotation) -> Finding:
    """The same vector in every head and sequence must come out the same, also with as many tokens as heads."""
    worst, mixed = 0.0, False
    for fn in subject.callees:
        for length, batch in ((subject.heads, 2), (LENGTH + 2, subject.heads), (subject.heads, subject.heads)):
            out = fn(subject.one_vector(length, batch), np.arange(length))
            error = gap(out, np.broadcast_to(out[:1, :1], out.shape))
            worst, mixed = max(worst, error), mixed or same(out, np.broadcast_to(out[:, :, :1], out.shape))
    return judged(
        HEADS,
        worst,
        ROUNDING,
        f"One vector in all heads and sequences comes out alike up to {worst:.1e}.",
        f"One vector, repeated in all heads and sequences, comes out different by {worst:.1e}.",
        "tokens and heads exchanged" if mixed else "heads or sequences differ",
        expected="positions act along the token axis alone",
        effect="Heads, or sequences of a batch, see different positions.",
        mend="Align the positions with axis −2 of x, (batch, heads, tokens, dim).",
    )


QUERIES_AND_KEYS = "queries and keys agree"


def queries_and_keys(subject: Rotation) -> Finding:
    """Two functions must turn the same pairs the same way."""
    q, k = subject.need_turn(), subject.key_turn
    if k is None:
        raise NotTested("no pairs of dimensions that turn were found in keys")
    layouts = f"Queries: {q.layout}, {len(q.first)} pairs; keys: {k.layout}, {len(k.first)} pairs."
    if not np.array_equal(q.places, k.places):
        return failed(
            QUERIES_AND_KEYS,
            "queries and keys use different layouts",
            layouts,
            expected="the same pairs",
            effect="A query meets a key whose dimensions have turned by other angles: logits are scrambled.",
            mend="Use one layout for both; convert the weights of one projection if they come from elsewhere.",
        )
    if np.any((q.first > q.second) != (k.first > k.second)):
        return failed(
            QUERIES_AND_KEYS,
            "queries and keys turn in opposite directions",
            "Queries turn by mθ, keys by −nθ, or the reverse.",
            expected="the same direction",
            effect="Logits depend on m + n, so on where the text stands.",
            mend="Mend the sign of the sine in one of them.",
        )
    rates = float(np.abs(k.frequencies / q.frequencies - 1).max())
    shift = float(np.abs(np.exp(1j * k.phase) - np.exp(1j * q.phase)).max())
    name = (
        "queries and keys have different frequencies"
        if rates > shift
        else "queries and keys count from different positions"
    )
    return judged(
        QUERIES_AND_KEYS,
        max(rates, shift),
        ROUNDING,
        f"{layouts} The angles agree up to {max(rates, shift):.1e}.",
        f"The frequencies differ by up to {rates:.1e} of themselves, the angles at position 0 by {shift:.1e} rad.",
        name,
        expected="one angle at one position",
        effect="Each query sees its keys at wrong distances.",
        mend="Give both the same frequencies, and positions counted from the same token.",
    )
