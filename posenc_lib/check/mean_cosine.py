"""Check the mean cosine: fn(offsets, dim, base) → (2/dim) Σ_i cos rθ_i."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check import rotary
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Shape, mistakes
from posenc_lib.check.report import Report
from posenc_lib.check.sinusoidal_bank import Theta


def mean_cosine(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(offsets, dim, base)``, the mean of cos rθ_i over all pairs; return a `Report`.

    Offsets have any shape, and so has the result. With `strict`, a failure raises AssertionError.
    """
    return rotary.run(EXERCISE, EXERCISE, fn, strict)


def _mean(waves: Array) -> Array:
    """The mean over the pairs, NaN of none."""
    return np.asarray(waves.sum(axis=-1) / np.float64(waves.shape[-1]))


def formula(
    offsets: NDArray[np.int64],
    dim: int,
    base: float,
    *,
    offset: Callable[[Array], Array] = lambda r: r,
    pairs: Callable[[int], int] = lambda dim: dim // 2,
    theta: Theta = rotary.falling,
    keep_base: Callable[[float], float] = lambda base: base,
    turn: float = 1.0,
    wave: Callable[[Array], Array] = np.cos,
    mean: Callable[[Array], Array] = _mean,
    scale: Callable[[int], float] = lambda dim: 1.0,
) -> Answer:
    """The mean in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    frequencies = theta(np.arange(pairs(dim)), dim, keep_base(base))
    angles = turn * np.multiply.outer(offset(np.asarray(offsets, dtype=np.float64)), frequencies)
    values = scale(dim) * mean(wave(angles))
    return Answer(
        np.asarray(values), 4 * max(1.0, scale(dim)) * (1 + np.abs(angles).sum(axis=-1) / max(1, len(frequencies)))
    )


def _partial_sums(waves: Array) -> Array:
    """The mean length of the partial sums, over the number of pairs."""
    return _mean(np.abs(np.cumsum(waves, axis=-1)))


_MEANS = mistakes(
    (
        "the sum instead of the mean",
        "mean",
        "This is the sum over the pairs, d/2 times too much: at offset 0 it is d/2. The mean there is 1.",
        {"scale": lambda dim: dim / 2},
    ),
    (
        "divided by d instead of d/2",
        "mean",
        "The sum is divided by d, but there are d/2 pairs: at offset 0 the mean is 1, not ½.",
        {"scale": lambda dim: 0.5},
    ),
    (
        "twice too much",
        "mean",
        "The values are doubled: at offset 0 the mean is 1, not 2.",
        {"scale": lambda dim: 2.0},
    ),
    (
        "multiplied by d",
        "mean",
        "This is twice the sum over the pairs. The factor is 2/d, so that offset 0 gives 1.",
        {"scale": lambda dim: float(dim)},
    ),
    (
        "divided by √d",
        "mean",
        "The sum is divided by √d. It is a mean over d/2 pairs, so that offset 0 gives 1.",
        {"scale": lambda dim: np.sqrt(dim) / 2},
    ),
    (
        "sines instead of cosines",
        "wave",
        "These are sines: offset 0 gives 0. The mean of cosines is 1 there.",
        {"wave": np.sin},
    ),
    (
        "cosines and sines together",
        "wave",
        "Sines are added to the cosines. They are wanted in no place here: opposite offsets have the same mean.",
        {"wave": lambda a: np.cos(a) + np.sin(a)},
    ),
    (
        "squared cosines",
        "wave",
        "The cosines are squared, so that none is below 0. They stand as they are.",
        {"wave": lambda a: np.cos(a) ** 2},
    ),
    (
        "absolute cosines",
        "wave",
        "The absolute values of the cosines are averaged. Cosines of both signs cancel, and that is the point.",
        {"wave": lambda a: np.abs(np.cos(a))},
    ),
    (
        "the absolute value of the mean",
        "wave",
        "An absolute value is taken at the end. The mean is below 0 at some offsets.",
        {"mean": lambda waves: np.abs(_mean(waves))},
    ),
    (
        "the length of the mean of e^(irθ)",
        "wave",
        "This is the length of the mean of the complex numbers e^(irθ). Its real part is asked for, the mean of the "
        "cosines.",
        {"wave": lambda a: np.exp(1j * a), "mean": lambda waves: np.abs(_mean(waves))},
    ),
    (
        "the partial sums of RoFormer's bound",
        "wave",
        "These are the mean lengths of the partial sums, which the RoFormer paper draws as an upper bound. The mean of "
        "the cosines itself is asked for.",
        {"wave": lambda a: np.exp(1j * a), "mean": _partial_sums},
    ),
    (
        "the cosine of the mean angle",
        "wave",
        "First the angles are averaged, then a cosine is taken. Take the cosine of each, then the mean.",
        {"wave": lambda a: a, "mean": lambda waves: np.cos(_mean(waves))},
    ),
    (
        "a product instead of a mean",
        "mean",
        "The cosines are multiplied with each other. Their mean is asked for.",
        {"mean": lambda waves: waves.prod(axis=-1)},
    ),
)

_PAIRS = mistakes(
    (
        "the last pair is missing",
        "pairs",
        "The last pair, the slowest, is left out. There are dim/2 of them.",
        {"pairs": lambda dim: dim // 2 - 1},
    ),
    (
        "the last pair is missing",
        "pairs",
        "The last pair, the slowest, is left out of the sum, which is divided by dim/2 all the same.",
        {"pairs": lambda dim: dim // 2 - 1, "mean": lambda waves: waves.sum(axis=-1) / (waves.shape[-1] + 1)},
    ),
    (
        "pairs run to d",
        "pairs",
        "There is a cosine for each of i = 0 … d − 1 with exponent 2i/d. Pairs are half as many.",
        {"pairs": lambda dim: dim},
    ),
    (
        "a frequency for each dimension",
        "pairs",
        "There is a cosine for each dimension j, with exponent j/d. The two of a pair share a frequency, so that there "
        "are half as many.",
        {"pairs": lambda dim: dim, "theta": lambda i, dim, base: base ** (-i / dim)},
    ),
)

_OFFSETS = mistakes(
    (
        "offsets are off by one",
        "offset",
        "This is the mean for offset r + 1. At offset 0 it is 1.",
        {"offset": lambda r: r + 1},
    ),
    (
        "offsets are ignored",
        "offset",
        "The offsets are numbered 0, 1, 2, … whatever is passed. Use the values in offsets.",
        {"offset": rotary.numbered},
    ),
    (
        "negative offsets are set to 0",
        "offset",
        "Negative offsets have the mean of offset 0. A cosine is even, so that they have that of the positive ones.",
        {"offset": lambda r: np.maximum(r, 0)},
    ),
    (
        "the angle is doubled",
        "angle",
        "Every angle is 2rθ; the angle is offset times frequency.",
        {"turn": 2.0},
    ),
)


# In a mean the order does not matter.
_FREQUENCIES = tuple(m for m in rotary.FREQUENCIES if m.name != "frequencies in reverse order")


def _case(offsets: NDArray[np.int64], dim: int, base: float, stage: str = "values") -> Case:
    said = f"[{offsets[0]}, ..., {offsets[-1]}]" if offsets.ndim == 1 else str(offsets.tolist())
    return Case(stage, (offsets, dim, base), f"offsets = {said}, dim = {dim}, base = {base:g}")


_HINTS = rotary.HINTS | {
    "unknown": (
        "At offset 0 every cosine is 1, and so is their mean. Is yours?",
        "With dim = 2 there is one pair, and the mean is the cosine of the offset.",
        "Offsets with frequencies are angles; take the cosine of each, and the mean over the pairs.",
    ),
    "mean": (
        "Look at offset 0, where every cosine is 1.",
        "It is about what the sum is divided by.",
        "Divide the sum over the pairs by their number, which is half of dim.",
    ),
    "wave": (
        "Look at offset 0, and then at offsets where some cosines are below zero.",
        "It is about what is averaged.",
        "Take the cosine of each angle, with its sign, and average those.",
    ),
    "pairs": (
        "Count the frequencies for dim = 8: there are 4.",
        "It is about the number of pairs.",
        "Pairs are counted from zero to half of dim, the last one excluded.",
    ),
    "offset": (
        "Compare offsets 2, 0 and −2.",
        "It is about the number that goes with the frequencies.",
        "The angle is the offset, as it is passed, with the pair's frequency.",
    ),
    "shape": (
        "Look at the shapes of your arrays, one line at a time.",
        "It is about offsets of any shape, each with a mean over the pairs.",
        "The result has the shape of the offsets: add an axis for the pairs behind it, and average over that.",
    ),
}
_HINTS |= {"batch": _HINTS["shape"]}


def _tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    if got[:-1] == expected and len(got) == len(expected) + 1:
        return "the pairs are not averaged", "Each offset has one number: average over the pairs."
    if got == () and expected:
        return "one number for all offsets", "Average over the pairs, not over the offsets too."
    return None


EXERCISE = Exercise(
    method="mean_cosine",
    parameters=("offsets", "dim", "base"),
    cases=(
        _case(np.arange(-3, 6), 4, 10000.0),
        _case(np.arange(0, 40, 3), 8, 10000.0),
        _case(np.arange(10, 18), 6, 500.0),
        _case(np.arange(-4, 4), 2, 100.0),
        _case(np.arange(0, 3000, 117), 128, 500_000.0),
        _case(np.arange(-6, 6).reshape(3, 4), 8, 100.0, "batch"),
        _case(np.array(11), 8, 10000.0, "batch"),
    ),
    formula=formula,
    mistakes=(*_MEANS, *_FREQUENCIES, rotary.BASE_IGNORED, *rotary.ANGLES, *_PAIRS, *_OFFSETS),
    hints=_HINTS,
    tell_shape=_tell_shape,
    tell_cell=lambda case, index: f"offset {cast(Array, case.args[0])[index]}",
    narrower=True,
    stage_notes={
        "values": "dim and base change from call to call: there are dim // 2 pairs.",
        "batch": "Offsets may have any shape, even (); so has the result.",
    },
)
