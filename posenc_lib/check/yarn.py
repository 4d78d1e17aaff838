"""Check YaRN's frequencies as its paper has them: fn(dim, base, factor, original_length) → (dim/2,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posenc_lib.check import engine, ladders
from posenc_lib.check.calling import Function
from posenc_lib.check.exercise import Answer, Array, Case, Exercise, Knobs, mistakes
from posenc_lib.check.report import Report

ALPHA, BETA = 1.0, 32.0


def yarn(fn: Function, *, strict: bool = False) -> Report:
    """Check ``fn(dim, base, factor, original_length)``, YaRN's frequencies with the paper's ramp, α = 1 and β = 32.

    Returns a `Report`. With `strict`, a failure raises AssertionError.
    """
    return engine.run(EXERCISE, fn, strict)


def _turns(theta: Array, factor: float, length: int) -> Array:
    return np.asarray(length * theta / (2 * np.pi))


def _ramp(low: float, high: float) -> Callable[[Array], Array]:
    return lambda turns: np.asarray(np.clip((turns - low) / (high - low), 0, 1))


_PAPER = _ramp(ALPHA, BETA)


def _blend(theta: Array, factor: float, kept: Array) -> Array:
    return np.asarray(kept * theta + (1 - kept) * theta / factor)


def formula(
    dim: int,
    base: float,
    factor: float,
    original_length: int,
    *,
    ladder: ladders.Ladder = ladders.geometric,
    turns: Callable[[Array, float, int], Array] = _turns,
    ramp: Callable[[Array], Array] = _PAPER,
    blend: Callable[[Array, float, Array], Array] = _blend,
    kept: Callable[[int, float, int], Array] | None = None,
) -> Answer:
    """The frequencies in float64; a mistake of the bank replaces one or more of the keyword arguments."""
    theta = ladder(dim, base)
    share = ramp(turns(theta, factor, original_length)) if kept is None else kept(dim, base, original_length)
    values = blend(theta, factor, share)
    return Answer(values, ladders.rounding(values, base))


def _kept(share: Callable[[int, float, int], Array]) -> Knobs:
    """Return the knobs of a ramp that is no function of the turns."""
    return {"kept": share, "turns": None, "ramp": None, "ladder": ladders.geometric}


def _over_pairs(whole_pairs: bool) -> Callable[[int, float, int], Array]:
    """The ramp of the released code, over the number of the pair."""

    def share(dim: int, base: float, length: int) -> Array:
        low, high = (dim * np.log(length / (2 * np.pi * turns)) / (2 * np.log(base)) for turns in (BETA, ALPHA))
        if whole_pairs:
            low, high = np.floor(low), np.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        return np.asarray(1 - np.clip((np.arange(dim // 2) - low) / (high - low), 0, 1))

    return share


_OWN = mistakes(
    (
        "the ramp of the code, over the pair",
        "ramp",
        "This is what YaRN's released code does, and what its models were trained with: γ falls linearly in the number "
        "of the pair. Asked for is the paper's ramp, which is linear in the turns.",
        _kept(_over_pairs(True)),
    ),
    (
        "the ramp of the code, without its rounding",
        "ramp",
        "γ falls linearly in the number of the pair, or, which is the same, in the logarithm of the turns. This is the "
        "ramp of YaRN's released code with truncate off; the paper's is linear in the turns themselves.",
        _kept(_over_pairs(False)),
    ),
    (
        "kept and divided are swapped",
        "blend",
        "Fast pairs are divided and slow ones kept: γ and 1 − γ are swapped, or α and β. The fast ones have seen their "
        "whole circle.",
        {"blend": lambda theta, s, kept: _blend(theta, s, 1 - kept)},
    ),
    (
        "multiplied by the factor",
        "blend",
        "Slow pairs are multiplied by the factor. Interpolation divides.",
        {"blend": lambda theta, s, kept: _blend(theta, 1 / s, kept)},
    ),
    (
        "the wavelengths are blended",
        "blend",
        "The wavelengths are blended, 1/θ and s/θ, and not the frequencies.",
        {"blend": lambda theta, s, kept: theta / (kept + (1 - kept) * s)},
    ),
    (
        "the logarithms are blended",
        "blend",
        "The frequencies are blended as powers, θ s^(γ − 1). The blend is a sum, γθ + (1 − γ)θ/s.",
        {"blend": lambda theta, s, kept: theta * s ** (kept - 1)},
    ),
    (
        "the kept part is not weighed",
        "blend",
        "This is θ + (1 − γ)θ/s: the factor γ is missing before the first θ.",
        {"blend": lambda theta, s, kept: theta + (1 - kept) * theta / s},
    ),
    (
        "the divided part is not weighed",
        "blend",
        "This is γθ + θ/s: the factor 1 − γ is missing before θ/s.",
        {"blend": lambda theta, s, kept: kept * theta + theta / s},
    ),
    (
        "with the attention factor",
        "blend",
        "The frequencies are multiplied by 0.1 ln s + 1. That number goes to queries and keys, not to the angles.",
        {"blend": lambda theta, s, kept: _blend(theta, s, kept) * (0.1 * np.log(s) + 1)},
    ),
    (
        "the 2π is missing",
        "turns",
        "Lθ was taken for the number of turns. That is the angle in radians; a turn has 2π of them.",
        {"turns": lambda theta, s, length: length * theta},
    ),
    (
        "the turns of the long text",
        "turns",
        "The turns are those within the long text, s · L. What counts is what the pair saw in training.",
        {"turns": lambda theta, s, length: _turns(theta, s, length) * s},
    ),
    (
        "the turns of the divided frequency",
        "turns",
        "The turns are those of θ/s. What counts is how often the old pair turned in training.",
        {"turns": lambda theta, s, length: _turns(theta, s, length) / s},
    ),
    (
        "the wavelength over the length",
        "turns",
        "The fraction stands the wrong way up: λ/L instead of L/λ.",
        {"turns": lambda theta, s, length: 1 / _turns(theta, s, length)},
    ),
    (
        "whole turns alone",
        "turns",
        "The turns are rounded down to whole ones. The ramp takes fractions.",
        {"turns": lambda theta, s, length: np.floor(_turns(theta, s, length))},
    ),
    (
        "Llama 3's ramp",
        "ramp",
        "The ramp ends at 4 turns, as Llama 3.1 has it. YaRN's paper has β = 32.",
        {"ramp": _ramp(ALPHA, 4.0)},
    ),
    (
        "α is 0",
        "ramp",
        "The ramp starts at 0 turns: γ is ρ/β. It starts at α = 1.",
        {"ramp": _ramp(0.0, BETA)},
    ),
    (
        "divided by β alone",
        "ramp",
        "γ is (ρ − α)/β. At ρ = β it must reach 1: divide by β − α.",
        {"ramp": lambda turns: np.clip((turns - ALPHA) / BETA, 0, 1)},
    ),
    (
        "not clipped",
        "ramp",
        "γ is not clipped: above β turns it exceeds 1, and below α it is negative.",
        {"ramp": lambda turns: (turns - ALPHA) / (BETA - ALPHA)},
    ),
    (
        "not clipped at 1",
        "ramp",
        "γ exceeds 1 for pairs that turn more than β times.",
        {"ramp": lambda turns: np.maximum((turns - ALPHA) / (BETA - ALPHA), 0)},
    ),
    (
        "not clipped at 0",
        "ramp",
        "γ is negative for pairs that turn less than α times.",
        {"ramp": lambda turns: np.minimum((turns - ALPHA) / (BETA - ALPHA), 1)},
    ),
    (
        "all pairs are divided",
        "ramp",
        "This is position interpolation: all pairs are divided. Those that turned often in training shall stay.",
        _kept(lambda dim, base, length: np.zeros(dim // 2)),
    ),
    (
        "no pair is divided",
        "ramp",
        "This is RoPE's own ladder: no pair is divided. Those that did not complete a turn in training shall be.",
        {**_kept(lambda dim, base, length: np.ones(dim // 2)), "blend": _blend},
    ),
    (
        "a step at α",
        "ramp",
        "All pairs that complete a turn are kept, and all others divided. Between α and β they are blended.",
        {"ramp": lambda turns: (turns >= ALPHA).astype(np.float64)},
    ),
    (
        "a step at β",
        "ramp",
        "Only pairs with β turns or more are kept, and all others divided. Between α and β they are blended.",
        {"ramp": lambda turns: (turns >= BETA).astype(np.float64)},
    ),
)
MISTAKES = _OWN + ladders.MISTAKES

_HINTS = {
    "unknown": (
        "Print your result over RoPE's own ladder: it should start at 1, end at one over the factor, and fall between.",
        "Work in four steps: the ladder, each pair's turns in training, the weight of keeping, the blend.",
        "The turns are length times frequency over 2 π; the weight rises linearly from 0 at one turn to 1 at 32, and "
        "is clipped; it weighs the old frequency, and the rest weighs the divided one.",
    ),
    "turns": (
        "Print the turns that you compute for the first and the last pair, and check them by hand.",
        "It is about how often a pair turns within the texts of training.",
        "It is the training length times the old frequency, over 2 π.",
    ),
    "ramp": (
        "Print γ for the fastest pair, for the slowest, and for one that makes about 16 turns in training.",
        "It is about the way from 0 to 1.",
        "It is linear in the turns, 0 at 1 turn and 1 at 32 turns, and stays within 0 and 1.",
    ),
    "blend": (
        "Look at the two ends: the fastest pair should stay, the slowest be divided in full.",
        "It is about how the old and the divided frequency are mixed.",
        "The old one is weighed by γ, the divided one by 1 − γ, and the two are added.",
    ),
    **ladders.HINTS,
}


def _case(dim: int, base: float, factor: float, length: int) -> Case:
    text = f"dim = {dim}, base = {base:g}, factor = {factor:g}, original_length = {length}"
    return Case("values", (dim, base, factor, length), text)


EXERCISE = Exercise(
    method="yarn",
    parameters=("dim", "base", "factor", "original_length"),
    cases=(
        _case(16, 10000.0, 4.0, 2048),
        _case(128, 10000.0, 16.0, 4096),
        _case(64, 500000.0, 8.0, 8192),
        _case(24, 1000.0, 2.5, 500),
    ),
    formula=formula,
    mistakes=MISTAKES,
    hints=_HINTS,
    tell_shape=ladders.tell_shape,
    tell_cell=lambda case, index: f"pair {index[0]}",
    narrower=True,
)
