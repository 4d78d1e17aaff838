"""The wrong versions of the sinusoidal encoding: each a name, a message, and the part of the formula it replaces.

The knobs are the keyword arguments of `posenc_lib.check.sinusoidal.formula`. Order matters: of two
versions that are the same function, the first gives the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check.exercise import Array, Case, Knobs, Mistake

# The numbers of the pairs, 0 … dim/2 − 1.
Indices = NDArray[np.int64]
Theta = Callable[[Indices, int, float], Array]
Row = tuple[str, str, str, Knobs]


def _halves(first: Array, second: Array) -> Array:
    return np.concatenate([first, second], axis=-1)


def _rows_for(sequence: Callable[[int], Array]) -> Callable[[Array], Array]:
    """Number the last axis of positions anew, as code does that looks at the shape alone."""
    return lambda m: np.broadcast_to(sequence(m.shape[-1] if m.ndim else 1).reshape(m.shape[-1:]), m.shape)


def bfloat16(x: Array) -> Array:
    """Round float64 to bfloat16: eight significant bits, ties to even."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


def float16(x: Array) -> Array:
    return x.astype(np.float16).astype(np.float64)


def _integer_division(i: Indices, dim: int, base: float) -> Array:
    return base ** (-(2 * i // dim)) * np.ones(len(i))


def _power_minus(numerator: Callable[[Indices, int], Array]) -> Theta:
    """Return the knob theta = base^(−numerator(i, dim))."""
    return lambda i, dim, base: base ** (-numerator(i, dim))


def _angle(phase: Callable[[Array, Indices, int, float], Array]) -> Knobs:
    """Return the knobs of an angle of another form, in which no frequency stands."""
    return {"phase": phase, "theta": None, "theta_cos": None}


_TURN = 2 * np.pi

# name, area of the hints, message, knobs
_WAVES: list[Row] = [
    (
        "sine and cosine are swapped",
        "waves",
        "Cosine stands in the even dimensions and sine in the odd ones; the chapter has them the other way round. At "
        "position 0 your code begins 1, 0; the chapter's begins 0, 1.",
        {"waves": lambda s, c: (c, s)},
    ),
    (
        "halves instead of interleaved",
        "layout",
        "All sines stand in the first half and all cosines in the second. The chapter interleaves them: dimensions 2i "
        "and 2i + 1 belong to pair i. Both orders are valid and in use, but a model must not mix them.",
        {"layout": _halves},
    ),
    (
        "halves instead of interleaved, cosine first",
        "layout",
        "All cosines stand in the first half and all sines in the second. The chapter interleaves them, sine first: "
        "dimension 2i is the sine of pair i, dimension 2i + 1 its cosine.",
        {"layout": _halves, "waves": lambda s, c: (c, s)},
    ),
    (
        "sines only",
        "waves",
        "Both dimensions of each pair hold the sine. The odd dimension holds the cosine of the same angle; without it "
        "a shift of positions is no linear map.",
        {"waves": lambda s, c: (s, s)},
    ),
    (
        "cosines only",
        "waves",
        "Both dimensions of each pair hold the cosine. The even dimension holds the sine of the same angle; without it "
        "positions m and −m look the same.",
        {"waves": lambda s, c: (c, c)},
    ),
    (
        "the angle's sign is negative",
        "angle",
        "The angle is −position · frequency: cosines are right, sines have the wrong sign. Pairs turn the other "
        "way round.",
        {"turn": -1.0},
    ),
    (
        "cosines have the wrong sign",
        "waves",
        "Sines are right, cosines have the wrong sign: at position 0 they are −1 and should be 1.",
        {"waves": lambda s, c: (s, -c)},
    ),
]

_FREQUENCIES: list[Row] = [
    (
        "exponent i/d instead of 2i/d",
        "exponent",
        "The exponent is i/d; the chapter's is 2i/d, with i counting pairs. (Base 100 with exponent 2i/d is the same.)",
        {"theta": _power_minus(lambda i, d: i / d)},
    ),
    (
        "exponent 4i/d instead of 2i/d",
        "exponent",
        "The exponent is 4i/d; the chapter's is 2i/d. This happens when i already counts in steps of two and is "
        "doubled again, or when d is divided by two a second time.",
        {"theta": _power_minus(lambda i, d: 4 * i / d)},
    ),
    (
        "pairs counted from 1",
        "exponent",
        "The exponent is 2(i + 1)/d: pairs are counted from 1. The first pair has i = 0, and turns by 1 rad per "
        "position.",
        {"theta": _power_minus(lambda i, d: 2 * (i + 1) / d)},
    ),
    (
        "exponent 2i/(d − 2) instead of 2i/d",
        "exponent",
        "The exponent is 2i/(d − 2), so that the last pair has frequency exactly 1/base. The chapter divides by d; the "
        "last pair stops one step before 1/base.",
        {"theta": _power_minus(lambda i, d: 2 * i / np.float64(d - 2))},
    ),
    (
        "exponent i/(d − 1)",
        "exponent",
        "The exponent is i/(d − 1); the chapter's is 2i/d, with i counting pairs.",
        {"theta": _power_minus(lambda i, d: i / (d - 1))},
    ),
    (
        "exponent 2i/(d − 1)",
        "exponent",
        "The exponent is 2i/(d − 1); the chapter's is 2i/d.",
        {"theta": _power_minus(lambda i, d: 2 * i / (d - 1))},
    ),
    (
        "the exponent's sign is wrong: frequencies grow",
        "exponent",
        "The frequency is base^(+2i/d): it grows from pair to pair. It must fall, from 1 down to nearly 1/base, so "
        "that each pair is slower than the one before.",
        {"theta": lambda i, d, b: b ** (2 * i / d)},
    ),
    (
        "frequencies in reverse order",
        "exponent",
        "The frequencies are the right ones in reverse order: the slowest pair comes first. Pair 0 is the fastest, "
        "with 1 rad per position.",
        {"theta": lambda i, d, b: b ** (-2 * i[::-1] / d)},
    ),
    (
        "cosine uses the next pair's frequency",
        "exponent",
        "Sines are right, but the cosine beside each sine turns with the frequency of pair i + 1. Both waves of a pair "
        "share one angle.",
        {"theta_cos": _power_minus(lambda i, d: 2 * (i + 1) / d)},
    ),
    (
        "column index in the exponent",
        "exponent",
        "The exponent is j/d with j the column (j = 2i for the sine, 2i + 1 for the cosine): sines are right, and each "
        "cosine turns slower than its sine. Both columns of a pair share the exponent 2i/d.",
        {"theta_cos": _power_minus(lambda i, d: (2 * i + 1) / d)},
    ),
    (
        "column index, doubled, in the exponent",
        "exponent",
        "The exponent is 2j/d with j the column (j = 2i for the sine, 2i + 1 for the cosine). In 2i/d the letter i "
        "counts pairs: it runs from 0 to d/2 − 1, and both columns of a pair share it.",
        {
            "theta": _power_minus(lambda i, d: 4 * i / d),
            "theta_cos": _power_minus(lambda i, d: 2 * (2 * i + 1) / d),
        },
    ),
    (
        "integer division in the exponent",
        "exponent",
        "All pairs turn by 1 rad per position: 2i // d is 0 for every pair. Divide with /.",
        {"theta": _integer_division},
    ),
    (
        "logarithm with base 10",
        "base",
        "The frequency is e^(−2i/d · log10(base)); a power written with exp needs the natural logarithm, np.log.",
        {"theta": lambda i, d, b: np.exp(-2 * i / d * np.log10(b))},
    ),
    (
        "logarithm with base 2",
        "base",
        "The frequency is e^(−2i/d · log2(base)); a power written with exp needs the natural logarithm, np.log.",
        {"theta": lambda i, d, b: np.exp(-2 * i / d * np.log2(b))},
    ),
    (
        "logarithm forgotten",
        "base",
        "The frequency is e^(−2i/d), whatever the base: a power b^x written with exp is e^(x · log b).",
        {"theta": lambda i, d, b: np.exp(-2 * i / d)},
    ),
    (
        "frequencies spaced evenly",
        "exponent",
        "The frequency is 1 − 2i/d: frequencies fall by equal differences. They must fall by equal ratios.",
        {"theta": lambda i, d, b: 1 - 2 * i / d},
    ),
    (
        "a product where a power belongs",
        "exponent",
        "The angle is position / (base · 2i/d): the base is multiplied by 2i/d. It must be raised to that power.",
        {"theta": lambda i, d, b: 1 / (b * 2 * i / d)},
    ),
    (
        "the exponent's parentheses are missing",
        "exponent",
        "The angle is position / (base² · i / d): Python reads base**2*i/d as (base**2)·i/d. Put parentheses around "
        "the exponent.",
        {"theta": lambda i, d, b: 1 / (b**2 * i / d)},
    ),
    (
        "the exponent's parentheses are missing",
        "exponent",
        "The angle is position / base² · i / d: Python reads base**2*i/d as (base**2)·i/d. Put parentheses around the "
        "exponent.",
        {"theta": lambda i, d, b: i / (b**2 * d)},
    ),
    (
        "the exponent's parentheses are missing",
        "exponent",
        "The frequency is base^(−2) · i / d: Python reads base**-2*i/d as (base**-2)·i/d. Put parentheses around the "
        "exponent.",
        {"theta": lambda i, d, b: b**-2.0 * i / d},
    ),
    (
        "the position is inside the power",
        "exponent",
        "The angle is (position / base)^(2i/d). Only the base is raised to the power; the position then divides.",
        _angle(lambda m, i, d, b: (m / b) ** (2 * i / d)),
    ),
    (
        "base and position have changed places",
        "exponent",
        "The angle is position^(2i/d) / base. It is the base that is raised to the power 2i/d; the position is divided "
        "by it.",
        _angle(lambda m, i, d, b: m ** (2 * i / d) / b),
    ),
    (
        "base and position have changed places",
        "exponent",
        "The angle is base / position^(2i/d). It is the base that is raised to the power 2i/d; the position is divided "
        "by it.",
        _angle(lambda m, i, d, b: b / m ** (2 * i / d)),
    ),
    (
        "the position is raised to a power",
        "exponent",
        "The angle is position^(−2i/d), without the base. The base is raised to that power; the position multiplies.",
        _angle(lambda m, i, d, b: m ** (-2 * i / d)),
    ),
    (
        "the base keyword is ignored",
        "base",
        "Your function takes a base but its values are those of base 10000, whatever base it gets.",
        {"keep_base": lambda b: 10000.0},
    ),
    *(
        (
            f"base {base:,} instead of 10,000".replace(",", ","),
            "base",
            f"The exponent is right, the base is {base:,}; the chapter's is 10,000.",
            {"keep_base": (lambda wrong: lambda b: float(wrong) if b == 10000.0 else b)(base)},
        )
        for base in (1_000, 100_000, 500_000, 1_000_000)
    ),
]

_ANGLES: list[Row] = [
    (
        "degrees instead of radians",
        "angle",
        "The angles were converted to degrees before the sine and cosine, which take radians: everything turns 57.3 "
        "times too fast.",
        {"turn": 180 / np.pi},
    ),
    (
        "angles taken for degrees",
        "angle",
        "The angles were converted from degrees to radians, but position times frequency is in radians already: "
        "everything turns 57.3 times too slowly.",
        {"turn": np.pi / 180},
    ),
    (
        "a factor 2π too much",
        "angle",
        "There is a factor 2π in the angles, as if the frequencies counted turns per position. They are angular "
        "frequencies, in radians per position.",
        {"turn": _TURN},
    ),
    (
        "angles divided by 2π",
        "angle",
        "The angles are divided by 2π, so they count turns; sine and cosine take radians.",
        {"turn": 1 / _TURN},
    ),
    (
        "a factor π too much",
        "angle",
        "There is a factor π in the angles. The angle is position times frequency, nothing else.",
        {"turn": np.pi},
    ),
]

_POSITIONS: list[Row] = [
    (
        "positions start at 1",
        "position",
        "Each row is the code of the next position: positions are counted from 1. The code of position 0 is 0, 1, 0, "
        "1, …",
        {"position": lambda m: m + 1},
    ),
    (
        "positions divided by the length",
        "position",
        "Positions are divided by their number, so that the same position gets another code in a longer sequence.",
        {"position": lambda m: m / (m.shape[-1] if m.ndim else 1)},
    ),
    (
        "positions divided by the last position",
        "position",
        "Positions are divided by the largest of them, so that the same position gets another code in a longer "
        "sequence.",
        {"position": lambda m: m / np.max(m)},
    ),
    (
        "positions are ignored",
        "position",
        "The rows are numbered 0, 1, 2, … whatever positions are passed; only their number is used. Decoding from "
        "position 40 on would then differ from one long pass. Use the values in positions.",
        {"position": _rows_for(lambda n: np.arange(float(n)))},
    ),
    (
        "fractional positions are cut to integers",
        "position",
        "Position 1.25 got the code of position 1. The waves are defined between the integers too: keep the positions "
        "real.",
        {"position": np.trunc},
    ),
    (
        "fractional positions are rounded",
        "position",
        "Fractional positions got the code of the nearest integer. The waves are defined between the integers too: "
        "keep the positions real.",
        {"position": np.round},
    ),
    (
        "negative positions lose their sign",
        "position",
        "Position −3 got the code of position 3. Sine is odd, so that the two differ in the sign of every sine.",
        {"position": np.abs},
    ),
    (
        "negative positions are set to 0",
        "position",
        "Every negative position got the code of position 0.",
        {"position": lambda m: np.maximum(m, 0)},
    ),
    (
        "positions in bfloat16",
        "precision",
        "Positions 256 and 257 collide: positions were rounded to bfloat16, which keeps eight significant bits. Keep "
        "them integers or in float64 until the angle is computed.",
        {"position": bfloat16},
    ),
    (
        "positions in float16",
        "precision",
        "Positions from 2049 on collide, and those above 65,504 are infinite: positions were rounded to float16. Keep "
        "them integers or in float64 until the angle is computed.",
        {"position": float16},
    ),
    (
        "positions clipped at 512",
        "position",
        "Positions from 512 on all got the same code. The formula has no largest position.",
        {"position": lambda m: np.minimum(m, 511)},
    ),
]

_SCALES: list[tuple[str, str, Callable[[int], float]]] = [
    ("scaled by √d", "All values are √d times too large.", lambda d: np.sqrt(d)),
    ("scaled by 1/√d", "All values are divided by √d.", lambda d: 1 / np.sqrt(d)),
    (
        "scaled by √(2/d)",
        "All values are multiplied by √(2/d), which makes each row's length 1.",
        lambda d: np.sqrt(2 / d),
    ),
    ("scaled by 2", "All values are doubled.", lambda d: 2.0),
    ("scaled by 1/2", "All values are halved.", lambda d: 0.5),
    ("the sign of all values is wrong", "All values have the wrong sign.", lambda d: -1.0),
]
_SCALE_ADVICE = " Sines and cosines stand as they are: where a model scales anything, it scales the token embeddings."

MISTAKES = (
    *(Mistake(*row) for row in (*_WAVES, *_FREQUENCIES, *_ANGLES, *_POSITIONS)),
    *(Mistake(name, "scale", text + _SCALE_ADVICE, {"scale": scale}) for name, text, scale in _SCALES),
)


# ---------------------------------------------------------------- what was seen, in numbers


def fit_base(case: Case, values: Array) -> Mistake | None:
    """Read the base off pair 1 at position 1, where everything but the base is right; None if that gives none."""
    dim = cast(int, case.args[1])
    if case.keywords or dim < 8 or values.shape[-1:] != (dim,) or values.ndim != 2 or len(values) < 2:
        return None
    angle = np.arctan2(values[1, 2], values[1, 3])
    if not 0 < angle < np.pi:
        return None
    base = float(angle ** (-dim / 2))
    nearest = float(f"{base:.6g}")
    if not np.isfinite(nearest) or not nearest or abs(nearest / 10000 - 1) < 1e-5:
        return None
    return Mistake(
        f"base {nearest:g} instead of 10,000",
        "base",
        f"The exponent is right, the fitted base is {nearest:g}; the chapter's is 10,000.",
        {"keep_base": lambda b: nearest if b == 10000.0 else b},
    )


def fit_scale(case: Case, values: Array) -> Mistake | None:
    """Read a common factor off the first cosine, which is 1 at position 0."""
    if values.shape[-1:] != (case.args[1],) or values.ndim != 2:
        return None
    factor = float(f"{float(values[0, 1]):.12g}")
    if not np.isfinite(factor) or factor in (0.0, 1.0):
        return None
    return Mistake(
        f"scaled by {factor:g}", "scale", f"All values are {factor:g} times the right ones.{_SCALE_ADVICE}",
        {"scale": lambda dim: factor},
    )


def observe(knobs: Knobs) -> str:
    """Say the frequencies of pairs 0 and 1 at dim 8, seen against expected, where a mistake changes them."""
    if not {"theta", "theta_cos", "turn", "keep_base"} & set(knobs) or "phase" in knobs:
        return ""
    dim, i = 8, np.arange(4)
    base = cast(Callable[[float], float], knobs.get("keep_base", float))(10000.0)
    right = 10000.0 ** (-2 * i / dim)
    theta = knobs.get("theta", _power_minus(lambda i, d: 2 * i / d))
    wave = "cosine" if "theta_cos" in knobs else "wave"
    with np.errstate(all="ignore"):
        seen = cast(float, knobs.get("turn", 1.0)) * cast(Theta, knobs.get("theta_cos", theta))(i, dim, base)
    if np.allclose(seen, right):
        return ""
    return (
        f"At dim 8 your {wave}s turn by {_radians(seen)} rad per position in pairs 0, 1, 2; expected are "
        f"{_radians(right)}."
    )


def _radians(frequencies: Array) -> str:
    return ", ".join(f"{float(f):.4g}" for f in frequencies[:3])


HINTS = {
    "unknown": (
        "Print the codes of positions 0 and 1 with dim 4. They must be 0, 1, 0, 1 and, rounded to four decimals, "
        "0.8415, 0.5403, 0.0100, 1.0000 (the last is 0.99995).",
        "Take one thing at a time: the angle of each pair, then its sine and cosine, then the order of the columns.",
        "Each pair's angle is the position times the pair's frequency; the frequency is the base raised to minus twice "
        "the pair's number over dim; the sine goes into the even column, the cosine into the odd one after it.",
    ),
    "waves": (
        "Look at the row of position 0, where every angle is zero.",
        "It is about which of the two waves stands in which column of a pair.",
        "The even column of a pair is the sine of the pair's angle, the odd column after it the cosine of the same "
        "angle.",
    ),
    "layout": (
        "Look at the order of the columns.",
        "It is about which two columns make a pair: neighbours, or columns half the width apart.",
        "Columns alternate: sine and cosine of pair zero, sine and cosine of pair one, and so on.",
    ),
    "exponent": (
        "Look at where the frequencies are computed, before any sine.",
        "It is about the exponent of the base: how it depends on the pair's number and on dim.",
        "The frequency of a pair is the base raised to minus twice the pair's number, divided by dim; pairs are "
        "counted from zero, and both waves of a pair share it.",
    ),
    "base": (
        "Look at where the frequencies are computed, before any sine.",
        "It is about the number that is raised to a power.",
        "The frequency is a power of ten thousand, or of the base that the caller passes; written with the exponential "
        "function, the exponent is multiplied by the natural logarithm of the base.",
    ),
    "angle": (
        "Look at what goes into the sine and the cosine.",
        "It is about the angle's unit and sign.",
        "The angle, in radians, is the position times the pair's frequency, with no other factor.",
    ),
    "position": (
        "Look at what your function does with positions before anything else.",
        "It is about which numbers are multiplied by the frequencies.",
        "Multiply the positions exactly as they are passed, whatever they are and however many, by the frequencies.",
    ),
    "scale": (
        "Look at what happens after the sine and the cosine.",
        "It is about the size of the values: which sum of squares does a pair have?",
        "The squares of the two values of a pair add up to one, with no factor in front.",
    ),
    "precision": (
        "Look at the number types on the way, not at the formula.",
        "It is about the dtype of positions, frequencies and angles.",
        "Compute positions, frequencies and angles in double precision; round only the finished sines and cosines.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about the last axis, which has one entry for each dimension.",
        "Positions keep their shape; a new last axis of length dim comes behind it.",
    ),
}
