"""The wrong versions of RoPE: each a name, a message, and the part of `posenc_lib.check.rope.formula` it replaces.

Order matters: of two versions that are the same function, the first gives the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import rotary
from posenc_lib.check.exercise import Array, Case, Mistake, Shape, mistakes
from posenc_lib.check.sinusoidal_bank import bfloat16, float16


def _dimensions(sequence: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    """Lay the angles along all d dimensions, and give those of the even and of the odd ones."""

    def spread(angles: Array) -> tuple[Array, Array]:
        along = sequence(angles)
        return along[..., 0::2], along[..., 1::2]

    return spread


def _tiled(angles: Array) -> Array:
    return np.concatenate([angles, angles], axis=-1)


def _repeated_in_halves(angles: Array) -> tuple[Array, Array]:
    along = np.repeat(angles, 2, axis=-1)
    return along[..., : angles.shape[-1]], along[..., angles.shape[-1] :]


def _by_dimension(power: float) -> Callable[[Array], tuple[Array, Array]]:
    """Give each dimension j the exponent power·j/d, from pair angles with exponent 2i/d."""

    def spread(angles: Array) -> tuple[Array, Array]:
        d = 2 * angles.shape[-1]
        i = np.arange(d // 2)
        return (
            angles * rotary.BASE ** ((2 - 2 * power) * i / d),
            angles * rotary.BASE ** (((2 - 2 * power) * i - power) / d),
        )

    return spread


def _along_axis_0(angles: Array, shape: Shape) -> Array:
    """Lay the tokens along the first axis; where that has another size, nothing can be computed."""
    if len(angles) != shape[0]:
        return np.full_like(angles, np.nan)
    return angles.reshape(len(angles), *(1,) * (len(shape) - 2), -1)


def _first_head(x: Array) -> Array:
    return np.broadcast_to(x[..., :1, :, :], x.shape) if x.ndim > 2 else x


def _unit(x: Array) -> Array:
    unit: Array = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit


PAIRS = mistakes(
    (
        "halves instead of neighbours",
        "pairs",
        "Your pairs are (i, i + d/2), as in GPT-NeoX and in the transformers package's Llama. That is valid elsewhere, "
        "and used by many models, but it is not this chapter's: here pair i is (2i, 2i + 1). The two must not be "
        "mixed.",
        {"layout": rotary.halves},
    ),
    (
        "pairs (i, d − 1 − i)",
        "pairs",
        "Your pairs are (i, d − 1 − i): the second half is read backwards. Pair i is (2i, 2i + 1).",
        {"layout": rotary.ends},
    ),
    (
        "pairs are written to two halves",
        "pairs",
        "The pairs are read as (2i, 2i + 1) and turned rightly, but then all first members are written into the first "
        "half and all second ones into the second. Each goes back to the dimension that it came from.",
        {"written": rotary.halves},
    ),
    (
        "pairs are read from two halves",
        "pairs",
        "The pairs are read as (i, i + d/2) and written as (2i, 2i + 1), so that at position 0 the output is not the "
        "input. Read them where they are written.",
        {"layout": rotary.halves, "written": rotary.neighbours},
    ),
    (
        "angles tiled instead of repeated",
        "pairs",
        "The angles run θ₀, θ₁, …, θ₀, θ₁, … along the dimensions, which belongs to pairs (i, i + d/2), but the pairs "
        "are (2i, 2i + 1). Their angles run θ₀, θ₀, θ₁, θ₁, …: repeat each, do not tile.",
        {"spread": _dimensions(_tiled)},
    ),
    (
        "angles repeated, but pairs of halves",
        "pairs",
        "The angles run θ₀, θ₀, θ₁, θ₁, … along the dimensions, which belongs to pairs (2i, 2i + 1), but the pairs are "
        "(i, i + d/2): the two of a pair turn by different angles.",
        {"layout": rotary.halves, "spread": _repeated_in_halves},
    ),
    (
        "only the first half of the pairs turns",
        "pairs",
        "The second half of the dimensions comes back unturned. All pairs turn.",
        {"still": lambda n: (n + 1) // 2},
    ),
    (
        "only the first half of the dimensions turns, with frequencies of its own",
        "pairs",
        "Only the first d/2 dimensions turn, with the frequencies of a vector of size d/2 (partial rotary). All pairs "
        "turn, and the exponent divides by d.",
        {"still": lambda n: (n + 1) // 2, "theta": lambda i, d, base: base ** (-4.0 * i / d)},
    ),
)

BLOCKS = mistakes(
    (
        "turned by −mθ",
        "sign",
        "Every pair turns by −mθ, the other way round. If queries and keys both do it, logits depend on the distance "
        "alone just as well, but the chapter's sign is +: (a, b) → (a cos mθ − b sin mθ, a sin mθ + b cos mθ).",
        {"sign": -1.0},
    ),
    (
        "sine and cosine are swapped",
        "waves",
        "Sine stands where cosine belongs and the other way round: at position 0, where nothing turns, the output is "
        "not the input.",
        {"waves": lambda c, s: (s, c)},
    ),
    (
        "cosines only",
        "waves",
        "Each dimension is multiplied by the cosine, and the other one of its pair plays no part: a cos mθ, b cos mθ. "
        "The norm shrinks.",
        {"waves": lambda c, s: (c, 0 * s)},
    ),
    (
        "cosine in place of sine",
        "waves",
        "The cosine stands where the sine belongs too.",
        {"waves": lambda c, s: (c, c)},
    ),
    (
        "sine in place of cosine",
        "waves",
        "The sine stands where the cosine belongs too, so that position 0 gives zeros.",
        {"waves": lambda c, s: (s, s)},
    ),
    (
        "the minus sign is missing",
        "sign",
        "Both sines have a plus: a cos mθ + b sin mθ beside a sin mθ + b cos mθ. One needs a minus, or norms are not "
        "kept.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca + b * sa, a * sb + b * cb)},
    ),
    (
        "two minus signs",
        "sign",
        "Both sines have a minus: a cos mθ − b sin mθ beside b cos mθ − a sin mθ. The second one needs a plus, or "
        "norms are not kept.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca - b * sa, b * cb - a * sb)},
    ),
    (
        "a reflection instead of a rotation",
        "sign",
        "The pair is reflected: a cos mθ + b sin mθ, a sin mθ − b cos mθ. Norms are kept, but two of these do not make "
        "a third, and position 0 turns b over.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca + b * sa, a * sb - b * cb)},
    ),
    (
        "a reflection instead of a rotation",
        "sign",
        "The pair is reflected: a cos mθ − b sin mθ, −a sin mθ − b cos mθ. Norms are kept, but two of these do not "
        "make a third, and position 0 turns b over.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca - b * sa, -a * sb - b * cb)},
    ),
    (
        "the two of each pair come back swapped",
        "pairs",
        "The pair is turned rightly, but its second member stands first: imaginary part before real part.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * sa + b * ca, a * cb - b * sb)},
    ),
    (
        "x itself where the turned x belongs",
        "sign",
        "This is x cos mθ + x sin mθ. The sine multiplies the other one of the pair: (−b, a), not (a, b).",
        {"block": lambda a, b, ca, sa, cb, sb: (a * (ca + sa), b * (cb + sb))},
    ),
    (
        "the second line uses the new a",
        "overwritten",
        "The first of each pair is overwritten before the second is computed, which then starts from the new value. "
        "Compute both from the old ones.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca - b * sa, (a * ca - b * sa) * sb + b * cb)},
    ),
    (
        "the first line uses the new b",
        "overwritten",
        "The second of each pair is overwritten before the first is computed, which then starts from the new value. "
        "Compute both from the old ones.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * ca - (a * sb + b * cb) * sa, a * sb + b * cb)},
    ),
    (
        "the sinusoidal encoding is added",
        "waves",
        "Sine and cosine are added to x. That is the sinusoidal encoding; RoPE adds nothing, it turns each pair.",
        {"block": lambda a, b, ca, sa, cb, sb: (a + sa, b + cb)},
    ),
    (
        "the sinusoidal encoding multiplies",
        "waves",
        "Each pair is multiplied by (sine, cosine), one number each. Turning mixes the two of a pair.",
        {"block": lambda a, b, ca, sa, cb, sb: (a * sa, b * cb)},
    ),
)

DIMENSION = mistakes(
    (
        "the dimension's number in the exponent",
        "exponent",
        "The exponent is j/d with j the dimension, so that the two of a pair turn by different angles. Both share the "
        "exponent 2i/d, where i counts pairs.",
        {"spread": _by_dimension(1.0)},
    ),
    (
        "the dimension's number, doubled, in the exponent",
        "exponent",
        "The exponent is 2j/d with j the dimension. In 2i/d the letter i counts pairs: it runs from 0 to d/2 − 1, and "
        "both of a pair share it.",
        {"spread": _by_dimension(2.0)},
    ),
)

_TURNS = mistakes(
    ("x is not turned", "angle", "The output is the input: no pair turns.", {"turn": 0.0}),
    (
        "turned twice",
        "angle",
        "Every pair turns by 2mθ, as if the rotation had been applied twice, or the 2 of the exponent had slipped in "
        "front.",
        {"turn": 2.0},
    ),
)

_POSITIONS = mistakes(
    (
        "positions start at 1",
        "position",
        "Each token is turned as the next one should be: positions are counted from 1. At position 0 nothing turns.",
        {"position": lambda m: m + 1},
    ),
    (
        "positions are one too small",
        "position",
        "Each token is turned as the one before it should be. At position 0 nothing turns.",
        {"position": lambda m: m - 1},
    ),
    (
        "positions are ignored",
        "position",
        "The tokens are numbered 0, 1, 2, … whatever positions are passed. One long pass is then right, and decoding "
        "step by step differs from its second token on. Use the values in positions.",
        {"position": lambda m: np.arange(float(len(m)))},
    ),
    (
        "positions start again at 0",
        "position",
        "The first position is taken off all of them. Decoding step by step then differs from one long pass.",
        {"position": lambda m: m - m[0]},
    ),
    (
        "all tokens turn alike",
        "position",
        "Every token turns by θ, whatever its position. The angle is position times frequency.",
        {"position": np.ones_like},
    ),
    (
        "positions divided by the length",
        "position",
        "Positions are divided by their number, so that a token turns differently in a longer sequence.",
        {"position": lambda m: m / len(m)},
    ),
    (
        "positions in bfloat16",
        "precision",
        "Positions 256 and 257 collide: positions were rounded to bfloat16, which keeps eight significant bits. Keep "
        "them integers, or in float32 at least, until the angle is computed.",
        {"position": bfloat16},
    ),
    (
        "positions in float16",
        "precision",
        "Positions from 2049 on collide, and those above 65,504 are infinite: positions were rounded to float16. Keep "
        "them integers, or in float32 at least, until the angle is computed.",
        {"position": float16},
    ),
    (
        "positions run along another axis",
        "axes",
        "With an axis in front, positions are laid along the first axis, the batch or the heads. Tokens are the last "
        "axis but one; the angles, of shape (T, d/2), are broadcast from the end.",
        {"place": _along_axis_0},
    ),
)

_SCALES = mistakes(
    ("multiplied by √d", "scale", "The output is √d times too large. Turning keeps norms.", {"scale": np.sqrt}),
    (
        "divided by √d",
        "scale",
        "The output is divided by √d. That scale belongs to the logits; turning keeps norms.",
        {"scale": lambda d: 1 / np.sqrt(d)},
    ),
    (
        "x is normalised",
        "scale",
        "Every vector comes back with length 1. Turning keeps the length that the vector has.",
        {"prepare": _unit},
    ),
    (
        "only the first head is turned",
        "axes",
        "All heads get the first head's vectors, turned. Each head has vectors of its own.",
        {"prepare": _first_head},
    ),
)

MISTAKES = (
    *PAIRS,
    *BLOCKS,
    *rotary.FREQUENCIES,
    *DIMENSION,
    *rotary.BASES,
    *_TURNS,
    *rotary.ANGLES,
    *_POSITIONS,
    *_SCALES,
)


# ---------------------------------------------------------------- what was seen, in numbers


def _angle(case: Case, values: Array, pair: int) -> float:
    """The angle by which `pair` was turned at position 1 of a plain case; NaN where there is none."""
    x, positions = cast(tuple[Array, NDArray[np.int64]], case.args)
    if case.stage != "values" or values.shape != x.shape or positions[1] != 1 or x.shape[-1] < 2 * pair + 2:
        return np.nan
    return rotary.angle_between(x[1], values[1], pair)


def fit_base(case: Case, values: Array) -> Mistake | None:
    """Read the base off pair 1 at position 1, where everything but the base is right."""
    return rotary.other_base(_angle(case, values, 1), cast(Array, case.args[0]).shape[-1])


def fit_turn(case: Case, values: Array) -> Mistake | None:
    """Read a common factor of all angles off pair 0 at position 1, which turns by 1 rad."""
    return rotary.other_turn(_angle(case, values, 0))


def fit_factor(case: Case, values: Array) -> Mistake | None:
    """Read a common factor of all values off position 0, where nothing turns."""
    x = cast(Array, case.args[0]).astype(np.float64)
    if case.stage != "values" or values.shape != x.shape:
        return None
    factor = float(f"{float(values[0] @ x[0] / (x[0] @ x[0])):.6g}")
    if not np.isfinite(factor) or factor in (0.0, 1.0):
        return None
    message = f"The output is {factor:g} times the right one. Turning keeps norms."
    return Mistake(f"scaled by {factor:g}", "scale", message, {"scale": lambda d: factor})


# ---------------------------------------------------------------- hints

HINTS = rotary.HINTS | {
    "unknown": (
        "Turn one token with d = 2: at position 0 it stays, and (1, 0) at position 1 becomes (0.5403, 0.8415).",
        "Take one thing at a time: the angle of each pair, its cosine and sine, which two dimensions are a pair, and "
        "where they are written.",
        "Pair i, dimensions 2i and 2i plus one, turns counterclockwise by the position times the pair's frequency, "
        "which is ten thousand raised to minus 2i over d.",
    ),
    "pairs": (
        "Turn a vector of zeros with a single one in it: in which two dimensions does it come back?",
        "It is about which dimensions make a pair, when you read them and when you write them.",
        "Dimensions 2i and 2i plus one are pair i, turn by one angle, and are written back where they were read.",
    ),
    "sign": (
        "Turn (1, 0) and (0, 1) at position 1, with d = 2.",
        "It is about the two sines: what they multiply, and with which signs.",
        "The new first is the old first with the cosine, minus the old second with the sine; the new second is the old "
        "first with the sine, plus the old second with the cosine.",
    ),
    "waves": (
        "Look at position 0, where every angle is zero.",
        "It is about where cosine and sine stand.",
        "The cosine multiplies a dimension itself, the sine the other one of its pair; nothing else is added.",
    ),
    "overwritten": (
        "Look at the order in which the two of a pair are written.",
        "It is about what the second line reads.",
        "Take both of a pair out of x first, then compute both new ones from them.",
    ),
    "axes": (
        "Try x with an axis for the heads in front, all heads equal: all heads must come back equal.",
        "It is about which axis holds the tokens.",
        "Tokens stand on the last axis but one; cosines and sines have the shape tokens by pairs, and broadcasting "
        "carries them over all axes in front.",
    ),
    "scale": (
        "Compare the length of a vector before and after.",
        "It is about the size of the values.",
        "A rotation leaves the length of each pair as it is; no factor stands in front.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about the result, which has the shape of x.",
        "Each pair gives two numbers, which go to the two dimensions that they came from.",
    ),
}
# Where plain positions work, the question is what becomes of others.
HINTS |= {"start": HINTS["position"], "far": HINTS["precision"], "batch": HINTS["axes"]}
