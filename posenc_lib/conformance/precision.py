"""Checks of numbers: layout and frequencies as measured, angles at far positions, dtypes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from posenc_lib.conformance import turns
from posenc_lib.conformance.calling import Refused
from posenc_lib.conformance.report import FAILED, PASSED, WARNING, Finding
from posenc_lib.conformance.structure import misplaced
from posenc_lib.conformance.subject import ROUNDING, Floats, NotTested, Rotation, failed, gap, judged, passed

LAYOUT = "layout round trip"


def layout(subject: Rotation) -> Finding:
    """Carry random x to the other layout, turn it there by the measured angles, carry it back: fn(x) must come out."""
    turn = subject.need_turn()
    if subject.layout not in (None, turn.layout):
        return failed(
            LAYOUT,
            f"layout is {turn.layout}, not {subject.layout}",
            f"The first pair is {tuple(turn.places[0].tolist())}.",
            expected=f"the {subject.layout} layout",
            effect="Weights trained with the other layout are scrambled.",
            mend="Reorder the rows of the query and key projections, or turn in the other layout.",
        )
    x, positions = subject.vectors(9), np.arange(9)
    there, carried = _other_layout(turn)
    back = np.argsort(there)
    error = gap(carried.apply(x[..., there], positions)[..., back], subject.queries(x, positions))
    other = "half" if turn.layout == "interleaved" else "interleaved"
    return judged(
        LAYOUT,
        error,
        2 * ROUNDING,
        f"It is the {turn.layout} layout; carried to {other}, turned and carried back, x agrees up to {error:.1e}.",
        f"Its pairs show the {turn.layout} layout; carried to {other}, turned and carried back, x is {error:.1e} off.",
        "more happens than pairs that turn",
        expected="fn(x) is told by its pairs, angles and factor",
        effect="Weights cannot be converted to other code.",
    )


def _other_layout(turn: turns.Turn) -> tuple[turns.Ints, turns.Turn]:
    """The order in which the other layout wants the dimensions, and the measured rotation for it."""
    n = len(turn.first)
    rest = np.setdiff1d(np.arange(turn.dim), turn.places)
    if turn.layout == "interleaved":
        order, first, second = [turn.first, turn.second], np.arange(n), np.arange(n) + n
    else:
        order, first, second = (
            [np.stack([turn.first, turn.second], axis=-1).ravel()],
            2 * np.arange(n),
            2 * np.arange(n) + 1,
        )
    return np.concatenate([*order, rest]), replace(turn, first=first, second=second)


FREQUENCIES = "frequencies"


def frequencies(subject: Rotation) -> Finding:
    """The measured frequencies against those that were passed."""
    turn = subject.need_turn()
    if subject.frequencies is None:
        raise NotTested(f"{_told(subject)}; pass frequencies= to compare")
    wanted = np.abs(subject.visible_frequencies())
    if len(wanted) != len(turn.first):
        return failed(
            FREQUENCIES,
            f"{2 * len(turn.first)} of {2 * len(wanted)} dimensions turn",
            f"{_told(subject)}.",
            expected=f"{len(wanted)} pairs, as many as frequencies",
            effect="The rest of the head carries no position.",
            mend="Count pairs: dim/2 frequencies turn dim dimensions.",
        )
    if turn.backwards != bool(np.mean(subject.frequencies) < 0):
        return failed(
            FREQUENCIES,
            "turns in the opposite direction",
            "Pair (a, b) turns by −mθ: a cos + b sin comes first.",
            expected="+mθ: (a cos − b sin, a sin + b cos)",
            effect="Harmless where queries and keys share it; weights trained by other code are used mirrored.",
            mend="Change the sign of the sine.",
        )
    error = float(np.abs(turn.frequencies / wanted - 1).max())
    worst = int(np.argmax(np.abs(turn.frequencies / wanted - 1)))
    return judged(
        FREQUENCIES,
        error,
        ROUNDING,
        f"{_told(subject)}; they agree with those passed up to {error:.1e} of themselves.",
        f"Pair {worst} turns by {turn.frequencies[worst]:.4g} rad per position, {wanted[worst]:.4g} expected. "
        f"{_told(subject)}.",
        _name(turn.frequencies, wanted),
        expected="the frequencies passed",
        effect="Distances mean something else than the weights learned: fluent text that loses the thread.",
        mend="Frequency i is base^(−2i/d), d being the number of dimensions that turn; see posenc_lib.frequencies.",
    )


def _told(subject: Rotation) -> str:
    turn = subject.need_turn()
    if subject.ladder is None:
        return (
            f"{len(turn.first)} pairs turn by {turn.frequencies[0]:.4g} to {turn.frequencies[-1]:.4g} rad per position"
        )
    at = subject.ladder
    told = f"{len(turn.first)} pairs turn by {at.base:g}^(−2i/{at.dim})"
    if at.factor != 1:
        told += f" / {at.factor:g}"
    root = round(np.sqrt(at.base))
    return f"{told} ({root}²: is the exponent doubled?)" if at.base == root**2 and root in (10_000, 500_000) else told


def _name(found: Floats, wanted: Floats) -> str:
    ratio = found / wanted
    if np.allclose(ratio, ratio[0], rtol=1e-4):
        return f"all frequencies times {ratio[0]:.4g}"
    with np.errstate(all="ignore"):
        exponents = np.log(found) / np.log(wanted)
    exponents = exponents[np.isfinite(exponents) & (np.abs(np.log(wanted)) > 1e-9)]
    if len(exponents) and np.allclose(exponents, exponents[0], rtol=1e-4):
        power = float(exponents[0])
        if abs(power - 2) < 1e-3:
            return "exponent doubled"
        return "exponent halved" if abs(power - 0.5) < 1e-3 else f"another base: exponents times {power:.4g}"
    if np.allclose(found, wanted[::-1], rtol=1e-4):
        return "frequencies in reverse order"
    for dtype in LENGTHS:
        if np.allclose(found, _rounded(wanted, dtype), rtol=1e-6):
            return f"frequencies rounded to {dtype}"
    return "other frequencies"


FAR = "angles at far positions"
# Primes, that half precision cannot hold; all below 2^24, where float32 still counts in ones.
FAR_POSITIONS = (1009, 10_007, 100_003, 1_000_003, 9_999_991)
FAR_LIMIT = 0.01


def far(subject: Rotation) -> Finding:
    """Errors of the angles against turns counted in float64, position by position."""
    exact = subject.need_exact()
    x = subject.one_vector(1, batch=1)
    errors: dict[int, float] = {}
    end = ""
    for m in FAR_POSITIONS:
        try:
            errors[m] = _pair_error(exact, subject.queries(x, np.array([m])), x, m)
        except Refused as reason:
            if not errors:
                raise
            end = f" At {m} {reason}."
            break
    subject.facts["angle error, rad"] = {str(m): float(f"{error:.2g}") for m, error in errors.items()}
    told = "Largest error of an angle: " + ", ".join(f"{e:.1e} rad at {m}" for m, e in errors.items()) + f".{end}"
    wrong = [m for m, e in errors.items() if e > FAR_LIMIT]
    if not wrong:
        return Finding(FAR, PASSED, told, None, max(errors.values()), FAR_LIMIT)
    seen = exact.position_of(subject.queries(x, np.array([wrong[0]]))[0, 0, 0], x[0, 0, 0], wrong[0])
    near = wrong[0] <= subject.max_position
    misread = seen is not None and seen != wrong[0]
    if misread:
        told += f" Position {wrong[0]} turns as {seen:g} should."
    name = misplaced(wrong[0], seen) if misread and seen is not None else "angles lose their digits at far positions"
    if not near:
        name += f" (past {subject.max_position})"
    return Finding(
        FAR,
        FAILED if near else WARNING,
        told,
        name,
        errors[wrong[0]],
        FAR_LIMIT,
        f"at most {FAR_LIMIT} rad up to max_position={subject.max_position}",
        "Neighbouring tokens of a long text change places or merge.",
        "Keep position and frequency in float64, or count in turns and drop whole turns, before the cosine; "
        "float32 products are off by 0.06 rad at a million.",
    )


def _pair_error(exact: turns.Turn, out: Floats, x: Floats, m: int) -> float:
    """The largest error of the direction of a pair; that of an angle, where it is small."""
    wanted = exact.apply(x, np.array([m]))
    with np.errstate(all="ignore"):
        seen, right = (y[..., exact.first] + 1j * y[..., exact.second] for y in (out, wanted))
        error = float(np.abs(seen / np.abs(seen) - right / np.abs(right)).max())
    return error if np.isfinite(error) else np.inf


KEPT = "dtype kept"
# Tokens of a call: past the first position that each merges, 2049 or 257; for a table that ends sooner, fewer.
LENGTHS = {"bfloat16": (1000, 300), "float16": (2500, 500)}


def kept(subject: Rotation) -> Finding:
    """The dtype that goes in comes out."""
    torch = subject.queries.library == "torch"
    dtypes = ("float32", "float64", "float16", "bfloat16") if torch else ("float32", "float64")
    told, changed = [], []
    x, positions = subject.vectors(3), np.arange(3)
    for fn in subject.callees:
        for dtype in dtypes:
            try:
                fn(x, positions, dtype=dtype)
            except Refused:
                told.append(f"{dtype} is refused")
                continue
            told.append(f"{dtype} gives {fn.dtype}")
            widened = not torch and fn.dtype == "float64"  # NumPy's own habit
            if fn.dtype != dtype and not widened:
                changed.append(dtype)
    text = f"{', '.join(dict.fromkeys(told))}."
    if not changed:
        return passed(KEPT, text)
    return failed(
        KEPT,
        f"{changed[0]} does not come back as {changed[0]}",
        text,
        expected="the dtype of x",
        effect="Attention refuses q and k of different dtypes, or runs at twice the memory.",
        mend="Turn in float32 and return .to(x.dtype).",
    )


def half(subject: Rotation, dtype: str) -> Finding:
    """x in half precision, at positions that half precision cannot hold, against one rounding of the exact result."""
    turn = subject.exact or subject.need_turn()
    if subject.queries.library != "torch":
        raise NotTested(f"{dtype} is tested with torch only")
    x, out = _long_call(subject, dtype)
    positions = np.arange(x.shape[2])
    wanted = turn.apply(x, positions)
    floor = _rms(_rounded(wanted, dtype) - wanted)
    if floor == 0:
        raise NotTested("position 1 does not turn, so that no angle is known")
    ratio = _rms(out - wanted) / floor
    told = f"Up to position {len(positions) - 1} the error is {ratio:.2f} times that of one rounding to {dtype}."
    if ratio < 1.2:
        return Finding(dtype, PASSED, f"Angles and products keep float32. {told}", None, ratio, 1.2)
    if ratio < 10:
        return Finding(
            dtype,
            WARNING,
            f"Angles keep float32; the cosine, the sine and the products are rounded to {dtype}. {told}",
            "cosine and sine rounded",
            ratio,
            1.2,
            "1.0 times: round once, at the end",
            "A little more noise in every logit.",
            "Turn x.float() and round the result.",
        )
    return Finding(
        dtype,
        FAILED,
        told,
        _name_rounding(turn, x, out, floor, dtype),
        ratio,
        1.2,
        "angles in float32 or better, whatever the dtype of x",
        "Neighbouring tokens get one position, far ones a wrong one; mixed-precision runs differ from float32 ones.",
        f"Never build positions, frequencies or angles in x.dtype; integers and float32 do, {dtype} does not.",
    )


def _long_call(subject: Rotation, dtype: str, called_in: str | None = None) -> tuple[Floats, Floats]:
    """x that `dtype` holds exactly, and what becomes of it in one call from position 0 on.

    The call is longer than any before, so that no cache filled in float32 answers it.
    """
    long, short = (_rounded(subject.vectors(length, batch=1)[:, :1], dtype) for length in LENGTHS[dtype])
    try:
        return long, subject.queries(long, np.arange(long.shape[2]), dtype=called_in or dtype)
    except Refused:
        return short, subject.queries(short, np.arange(short.shape[2]), dtype=called_in or dtype)


def _name_rounding(turn: turns.Turn, x: Floats, out: Floats, floor: float, dtype: str) -> str:
    positions = np.arange(x.shape[2])
    merged = _rounded(positions.astype(np.float64), dtype)
    if _rms(out - turn.apply(x, merged)) < 10 * floor:
        return f"positions rounded to {dtype}"
    rounded = replace(turn, frequencies=_rounded(turn.frequencies, dtype))
    for name, used in (
        (f"frequencies rounded to {dtype}", positions),
        (f"positions and frequencies rounded to {dtype}", merged),
    ):
        if _rms(out - rounded.apply(x, used)) < 10 * floor:
            return name
    return f"angles rounded to {dtype}"


def _rounded(values: Floats, dtype: str) -> Floats:
    if dtype == "float16":
        return np.asarray(values, np.float16).astype(np.float64)
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 256) / 256, exponent))


def _rms(values: Floats) -> float:
    rms = float(np.sqrt(np.mean(values**2)))
    return rms if np.isfinite(rms) else np.inf


AFTER = "later calls after half precision"


def after(subject: Rotation) -> Finding:
    """The positions of the half-precision calls once more, in float32."""
    turn = subject.exact or subject.need_turn()
    if subject.queries.library != "torch":
        raise NotTested("half precision is tested with torch only")
    error = 0.0
    for dtype in LENGTHS:
        x, out = _long_call(subject, dtype, "float32")
        error = max(error, gap(out, turn.apply(x, np.arange(x.shape[2]))))
    return judged(
        AFTER,
        error,
        1e-3,
        f"float32 calls after those in half precision are off by {error:.1e}.",
        f"After calls in half precision, a float32 call is off by {error:.1e}.",
        "half precision stays in a cache",
        expected="angles of a float32 call in float32",
        effect="One call under autocast spoils the positions of every later call, until the module is made anew.",
        mend="Fill caches in float32, whatever the dtype of x.",
    )


WIDE = "float64"


def wide(subject: Rotation) -> Finding:
    """x in float64: are the angles?"""
    exact, m = subject.need_exact(), 1009
    x = subject.one_vector(1, batch=1)
    error = _pair_error(exact, subject.queries(x, np.array([m]), dtype="float64"), x, m)
    result = judged(
        WIDE,
        error,
        1e-11,
        f"With float64 in, the angle at {m} is off by {error:.1e}.",
        f"With float64 in, the angle at {m} is off by {error:.1e}: it was computed in float32.",
        "float64 keeps float32's angles",
        expected="about 1e-13",
        effect="Tests and gradient checks in float64 see float32's noise.",
        mend="Keep frequencies in float64 and compute angles in the wider of float32 and x.dtype.",
    )
    return replace(result, status=WARNING) if result.status == FAILED and error < FAR_LIMIT else result


Checks = tuple[tuple[str, Callable[[Rotation], Finding]], ...]
ANGLES: Checks = ((LAYOUT, layout), (FREQUENCIES, frequencies), (FAR, far))
DTYPES: Checks = (
    (KEPT, kept),
    (WIDE, wide),
    # In an order in which caches cannot hide what half precision does, nor spread it.
    ("bfloat16", partial(half, dtype="bfloat16")),
    ("float16", partial(half, dtype="float16")),
    (AFTER, after),
)
