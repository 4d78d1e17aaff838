"""YaRN: slow pairs interpolated, fast ones kept, by the code's ramp or the paper's; and its attention factor."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _arguments, _by_parts
from posenc_lib.frequencies._rope import rope


def yarn(
    dim: int,
    *,
    base: float,
    factor: float,
    original_length: int,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    truncate: bool = True,
    variant: Literal["code", "paper"] = "code",
) -> NDArray[np.float64]:
    """YaRN's frequencies: θ_i γ_i + θ_i (1 − γ_i) / factor, with γ falling from 1 to 0 along the pairs.

    Pairs that made more than `beta_fast` turns in pretraining stay (γ = 1), pairs that made fewer
    than `beta_slow` are interpolated (γ = 0). Between the two, paper and code disagree:

    - "paper": γ_i = (r_i − beta_slow) / (beta_fast − beta_slow), linear in the turns
      r_i = original_length · θ_i / 2π;
    - "code": γ_i = 1 − (i − low) / (high − low), linear in the pair's number. low and high are the
      pairs that make `beta_fast` and `beta_slow` turns, dim ln(original_length / (2π β)) /
      (2 ln base), rounded outwards with `truncate` and kept within 0 … dim − 1 as in the code
      (dim/2 − 1 is the last pair there is).

    Every released model was trained with the code's. With dim=128, base=1e4, original_length=4096
    and factor=16 the two differ by up to 3.04 times.

    Parameters
    ----------
    dim : int
        Rotary dimensions of a head; even.
    base : float
        At least 1; above 1 for the code's ramp, which divides by ln base. There is no default.
    factor : float
        How many times longer the context becomes; at least 1.
    original_length : int
        Positions in pretraining. So few that no pair makes `beta_slow` turns, or so many that each
        makes far more than `beta_fast`, and the two ends of the code's ramp change places: refused.
    beta_fast : float
        Turns from which a pair stays as it is; above `beta_slow`.
    beta_slow : float
        Turns up to which a pair is divided by `factor`; above 0.
    truncate : bool
        Whether low and high are rounded to whole pairs. The paper's ramp has nothing to round.
    variant : {"code", "paper"}
        Whose ramp: that of the released code and the models, or that of the paper.

    Returns
    -------
    numpy.ndarray
        Shape (dim/2,), float64, radians per position.

    Raises
    ------
    TypeError
        `dim` or `original_length` is no integer, `truncate` no bool, or another argument no number.
    ValueError
        `dim` is odd or below 2, `base` or `factor` is too small or not finite, `beta_slow` is not
        above 0 or not below `beta_fast`, `original_length` puts the code's ramp beyond the pairs, or
        `variant` is unknown.

    References
    ----------
    Peng et al. (2023), "YaRN: Efficient Context Window Extension of Large Language Models",
    on "NTK-by-parts" interpolation: the ramp γ(r); the code: jquesnelle/yarn, `find_correction_range` and
    `linear_ramp_mask`, which transformers repeats.

    Examples
    --------
    >>> (yarn(8, base=10000.0, factor=8.0, original_length=4096) / rope(8, base=10000.0)).round(4)
    array([1.    , 1.    , 0.5625, 0.125 ])
    >>> paper = yarn(8, base=10000.0, factor=8.0, original_length=4096, variant="paper")
    >>> (paper / rope(8, base=10000.0)).round(4)
    array([1.    , 1.    , 0.2808, 0.125 ])
    """
    operation = "frequencies.yarn"
    ladder = rope(scalars.even_dim(operation, dim), base=scalars.base_of_frequencies(operation, base))
    factor = _arguments.scale(operation, factor)
    original_length = _arguments.length(operation, "original_length", original_length)
    slow, fast = _arguments.ascending(operation, "beta_slow", beta_slow, "beta_fast", beta_fast)
    if not isinstance(truncate, bool | np.bool_):
        raise TypeError(f"{operation}: truncate must be True or False, got {truncate!r} ({type(truncate).__name__}).")
    if variant == "paper":
        return _by_parts.by_turns(ladder, factor=factor, original_length=original_length, low=slow, high=fast)
    if variant != "code":
        raise ValueError(f"{operation}: variant must be 'code' or 'paper', got {variant!r}.")
    if base <= 1:
        raise ValueError(
            f"{operation}: base must be above 1 for variant 'code', which divides by its logarithm; got {base}."
        )
    low, high = (
        dim * math.log(original_length / (2 * math.pi * turns)) / (2 * math.log(base)) for turns in (fast, slow)
    )
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low > high:
        raise ValueError(
            f"{operation}: original_length={original_length} puts the code's ramp beyond the pairs, from {low:.4g} "
            f"down to {high:.4g}, where it divides what it should keep. Mend original_length or the betas; variant "
            "'paper' has no such limit."
        )
    return _by_parts.blend(ladder, factor, 1 - _ramp(dim, low, high))


def _ramp(dim: int, low: float, high: float) -> NDArray[np.float64]:
    """0 up to pair `low`, 1 from pair `high`, as the released code draws it."""
    if low == high:
        high += 0.001  # the code's guard against 0 / 0: a step
    return np.clip((np.arange(dim // 2, dtype=np.float64) - low) / (high - low), 0, 1)


def yarn_attention_factor(
    factor: float, *, mscale: float | None = None, mscale_all_dim: float | None = None
) -> float:
    """What cosine and sine are multiplied by in YaRN: 0.1 ln factor + 1.

    With both scales, as DeepSeek has it, (0.1 mscale ln factor + 1) / (0.1 mscale_all_dim ln factor
    + 1): DeepSeek's attention multiplies its logits by the square of that denominator besides.

    Parameters
    ----------
    factor : float
        How many times longer the context becomes; at least 1. 1 gives 1.
    mscale : float or None
        Weight of the logarithm in the numerator, above 0; needs `mscale_all_dim`.
    mscale_all_dim : float or None
        Weight of the logarithm in the denominator, above 0; needs `mscale`.

    Returns
    -------
    float
        Logits grow by its square.

    Raises
    ------
    TypeError
        An argument is no number.
    ValueError
        `factor` is below 1, a scale is not above 0, a number is not finite, or only one of the two
        scales is given: transformers then ignores it, and DeepSeek's code does not.

    References
    ----------
    Peng et al. (2023), "YaRN", on attention scaling: √(1/t) = 0.1 ln s + 1; DeepSeek-AI (2024),
    "DeepSeek-V2", and `yarn_get_mscale` in its released code, for the two scales.

    Examples
    --------
    >>> yarn_attention_factor(16.0)
    1.2772588722239782
    >>> yarn_attention_factor(40.0, mscale=0.707, mscale_all_dim=0.707)  # DeepSeek-V2
    1.0
    """
    operation = "frequencies.yarn_attention_factor"
    logarithm = math.log(_arguments.scale(operation, factor))
    if mscale is None and mscale_all_dim is None:
        return 0.1 * logarithm + 1
    if mscale is None or mscale_all_dim is None:
        raise ValueError(
            f"{operation}: mscale and mscale_all_dim go together, got mscale={mscale} and "
            f"mscale_all_dim={mscale_all_dim}. One alone is ignored by transformers and not by DeepSeek's code: "
            "leave it out, or give both."
        )
    above = _arguments.positive(operation, "mscale", mscale)
    below = _arguments.positive(operation, "mscale_all_dim", mscale_all_dim)
    return (0.1 * above * logarithm + 1) / (0.1 * below * logarithm + 1)
