"""RoPE's ladder of frequencies, and the wrong ladders that readers write: what several exercises build on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check.exercise import Array, Shape, mistakes

Ladder = Callable[[int, float], Array]


def geometric(dim: int, base: float) -> Array:
    """θ_i = base^(−2i/dim) in float64."""
    return _powers(np.arange(0, dim, 2) / dim)(dim, base)


def rounding(values: Array, base: float) -> Array:
    """How many rounding errors each value may carry: a power's grow with the logarithm of its base."""
    return np.asarray(np.abs(values) * (2 + np.log(base)))


def tell_shape(expected: Shape, got: Shape) -> tuple[str, str] | None:
    """Name a result as long as the head."""
    if len(got) == 1 and got[0] == 2 * expected[0]:
        return "a frequency for every dimension", "There is one for every pair: d/2 of them."
    return None


def _powers(exponents: Array) -> Ladder:
    return lambda dim, base: np.asarray(np.float64(base) ** -exponents)


MISTAKES = mistakes(
    (
        "the frequencies rise",
        "ladder",
        "The exponent is positive, so that frequencies rise from pair to pair. Pair 0 is the fastest: −2i/d.",
        {"ladder": lambda dim, base: 1 / geometric(dim, base)},
    ),
    (
        "the factor 2 is missing in the exponent",
        "ladder",
        "The exponent is −i/d. The last pair has i = d/2 − 1, so this ladder ends at the root of what it should. It is "
        "−2i/d.",
        {"ladder": lambda dim, base: np.sqrt(geometric(dim, base))},
    ),
    (
        "the exponent is doubled",
        "ladder",
        "The exponent is −4i/d: twice a number that counted dimensions already, perhaps. It is −2i/d.",
        {"ladder": lambda dim, base: geometric(dim, base) ** 2},
    ),
    (
        "the ladder ends at 1/base",
        "ladder",
        "The exponent runs to 1, as 2i/(d − 2) does. RoPE's stops a step before: 2i/d.",
        {"ladder": lambda dim, base: _powers(np.arange(0, dim, 2) / np.float64(dim - 2))(dim, base)},
    ),
    (
        "pairs counted from 1",
        "ladder",
        "The first frequency is that of pair 1. Pairs are counted from 0, so that the first is 1 before any scaling.",
        {"ladder": lambda dim, base: _powers(np.arange(2, dim + 2, 2) / dim)(dim, base)},
    ),
    (
        "the base is ignored",
        "ladder",
        "The result is that of base 10000, whatever base is passed.",
        {"ladder": lambda dim, base: geometric(dim, 10000.0)},
    ),
    (
        "in reverse order",
        "ladder",
        "The frequencies stand in reverse order: pair 0 is the fastest.",
        {"ladder": lambda dim, base: geometric(dim, base)[::-1]},
    ),
    (
        "in turns, not in radians",
        "ladder",
        "The frequencies are divided by 2π, as turns per position. They are wanted in radians per position.",
        {"ladder": lambda dim, base: geometric(dim, base) / (2 * np.pi)},
    ),
    (
        "every frequency twice, side by side",
        "shape",
        "Every frequency stands twice, side by side, as cosines and sines of interleaved pairs need them. Each is "
        "wanted once.",
        {"ladder": lambda dim, base: np.repeat(geometric(dim, base), 2)},
    ),
    (
        "every frequency twice, one half after the other",
        "shape",
        "The frequencies stand twice, one copy behind the other, as cosines and sines of the half layout need them. "
        "Each is wanted once.",
        {"ladder": lambda dim, base: np.tile(geometric(dim, base), 2)},
    ),
)

HINTS = {
    "ladder": (
        "Look at a text that is not stretched at all: with factor 1 this is RoPE's own ladder. Print it for dim 8.",
        "It is about the frequencies before any scaling.",
        "Pair i, counted from zero, has the base to the power of minus 2 i / dim.",
    ),
    "shape": (
        "Count your numbers.",
        "It is about how many there are.",
        "There is one frequency for each pair, and half as many pairs as dimensions.",
    ),
}
