"""From the parameters of one rope type to frequencies: one function a type."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posenc_lib.frequencies import _hf_parameters
from posenc_lib.frequencies._axial import axial
from posenc_lib.frequencies._hf_files import Config
from posenc_lib.frequencies._linear import linear
from posenc_lib.frequencies._llama3 import llama3
from posenc_lib.frequencies._longrope import longrope, longrope_attention_factor
from posenc_lib.frequencies._ntk import dynamic_ntk, ntk
from posenc_lib.frequencies._proportional import proportional
from posenc_lib.frequencies._rope import rope
from posenc_lib.frequencies._yarn import yarn, yarn_attention_factor


@dataclass(frozen=True)
class Case:
    """What every rule may ask for. `notes` grows as the rules find what a reader should know."""

    operation: str
    model_type: str | None
    dim: int
    base: float
    parameters: Config
    fraction: float
    outer_length: int | None  # original_max_position_embeddings beside the rope parameters
    max_length: int | None
    length: int | None
    notes: list[str]

    def number(self, key: str, default: float | None = None) -> float:
        """The number under `key`; without a default, one that must be there."""
        value = self.parameters.get(key)
        if value is None and default is not None:
            return default
        return _hf_parameters.number(self.operation, key, value)

    def scale(self, key: str = "factor") -> float:
        """A factor, which may not shorten the context."""
        found = self.number(key)
        if found < 1:
            raise ValueError(f"{self.operation}: {key} must be at least 1, got {found:g}.")
        return found

    def maximum(self) -> int:
        """The configuration's own length, where a rule cannot do without."""
        if self.max_length is None:
            raise ValueError(
                f"{self.operation}: max_position_embeddings is needed for rope_type "
                f"{self.parameters.get('rope_type', self.parameters.get('type'))!r}, and the configuration lacks it."
            )
        return self.max_length

    def original_length(self) -> int:
        """Positions in pretraining: from the parameters, or beside them, or else the configuration's length."""
        key = "original_max_position_embeddings"
        inner = self.parameters.get(key)
        if inner is None and self.outer_length is None:
            self.notes.append(f"{key} is not given; transformers takes max_position_embeddings, {self.maximum()}")
            return self.maximum()
        if inner is None:
            return int(self.outer_length or 0)
        found = _hf_parameters.integer(self.operation, key, inner)
        if self.outer_length not in (None, found):
            raise ValueError(
                f"{self.operation}: {key} is {found} in the rope parameters and {self.outer_length} beside them. "
                "Leave one of the two out."
            )
        return found


@dataclass(frozen=True)
class Scaled:
    """What a rule gives: frequencies and what else depends on it."""

    frequencies: NDArray[np.float64]
    attention_factor: float = 1.0
    original_length: int | None = None
    length: int | None = None
    used: dict[str, object] = field(default_factory=dict)


def _default(case: Case) -> Scaled:
    return Scaled(rope(case.dim, base=case.base))


def _linear(case: Case) -> Scaled:
    return Scaled(linear(case.dim, base=case.base, factor=case.scale()))


def _proportional(case: Case) -> Scaled:
    factor = 1.0 if case.parameters.get("factor") is None else case.scale()
    frequencies = proportional(case.dim, base=case.base, fraction=case.fraction, factor=factor)
    return Scaled(frequencies, used={"factor": factor, "partial_rotary_factor": case.fraction})


def _axial(case: Case) -> Scaled:
    if case.model_type == "pixtral":
        ladder = rope(case.dim, base=case.base)
        case.notes.append("Pixtral gives its two axes every other frequency of one ladder")
        return Scaled(np.concatenate([ladder[0::2], ladder[1::2]]))
    return Scaled(np.tile(axial(case.dim, base=case.base), 2))


def _dynamic(case: Case) -> Scaled:
    if case.parameters.get("alpha") is not None:
        case.notes.append("alpha fixes the scaling (HunYuan): the length plays no part, and factor is not read")
        return Scaled(ntk(case.dim, base=case.base, factor=case.scale("alpha")))
    original = case.maximum()
    length = _length_in_use(case, original)
    frequencies = dynamic_ntk(
        case.dim, base=case.base, factor=case.scale(), original_length=original, length=length
    )
    return Scaled(frequencies, original_length=original, length=length)


def _llama3(case: Case) -> Scaled:
    original = case.original_length()
    frequencies = llama3(
        case.dim,
        base=case.base,
        factor=case.scale(),
        original_length=original,
        low_freq_factor=case.number("low_freq_factor"),
        high_freq_factor=case.number("high_freq_factor"),
    )
    return Scaled(frequencies, original_length=original)


def _yarn(case: Case) -> Scaled:
    original = case.original_length()
    factor = _factor_or_ratio(case, original)
    truncate = case.parameters.get("truncate")
    if truncate is not None and not isinstance(truncate, bool):
        raise ValueError(f"{case.operation}: truncate must be true or false, got {truncate!r}.")
    fast, slow, truncate = case.number("beta_fast", 32.0), case.number("beta_slow", 1.0), truncate is not False
    frequencies = yarn(
        case.dim,
        base=case.base,
        factor=factor,
        original_length=original,
        beta_fast=fast,
        beta_slow=slow,
        truncate=truncate,
    )
    used: dict[str, object] = {"factor": factor, "beta_fast": fast, "beta_slow": slow, "truncate": truncate}
    _note_unread(case, "finetuned", "llama_4_scaling_beta", "max_position_embeddings")
    return Scaled(frequencies, _yarn_attention(case, factor), original, used=used)


def _yarn_attention(case: Case, factor: float) -> float:
    mscale, below = (case.parameters.get(key) for key in ("mscale", "mscale_all_dim"))
    if below:
        weight = (0.1 * case.number("mscale_all_dim") * math.log(factor) + 1) ** 2
        case.notes.append(
            f"mscale_all_dim={below}: DeepSeek's attention multiplies its logits by {weight:.6g} besides; "
            "attention_factor does not hold that"
        )
    if case.parameters.get("attention_factor") is not None:
        return _stated_attention_factor(case)
    if mscale and below:
        return yarn_attention_factor(
            factor, mscale=case.number("mscale"), mscale_all_dim=case.number("mscale_all_dim")
        )
    if mscale or below:
        case.notes.append(
            f"mscale={mscale} and mscale_all_dim={below}: transformers reads them only where both are given and not 0"
        )
    return yarn_attention_factor(factor)


def _longrope(case: Case) -> Scaled:
    original = case.original_length()
    length = _length_in_use(case, original)
    key = "long_factor" if length > original else "short_factor"
    divisors = case.parameters[key]
    if not isinstance(divisors, list | tuple) or len(divisors) != case.dim // 2:
        size = f"{len(divisors)}" if isinstance(divisors, list | tuple) else repr(divisors)
        raise ValueError(
            f"{case.operation}: {key} must be a list of {case.dim // 2} numbers, one for each pair that turns; "
            f"got {size}."
        )
    values = [_hf_parameters.number(case.operation, key, value) for value in divisors]
    frequencies = longrope(case.dim, base=case.base, factors=values)
    return Scaled(frequencies, _longrope_attention(case, original, length), original, length)


def _longrope_attention(case: Case, original: int, length: int) -> float:
    own = case.parameters.get("long_mscale" if length > original else "short_mscale")
    if own is not None:  # Phi-3.5-MoE
        return case.number("long_mscale" if length > original else "short_mscale")
    if case.parameters.get("attention_factor") is not None:
        return _stated_attention_factor(case)
    return longrope_attention_factor(_factor_or_ratio(case, original), original)


def _stated_attention_factor(case: Case) -> float:
    found = case.number("attention_factor")
    if found <= 0:
        raise ValueError(f"{case.operation}: attention_factor must be above 0, got {found:g}.")
    return found


def _factor_or_ratio(case: Case, original: int) -> float:
    """The factor, or max_position_embeddings / original length; the factor where both are there and differ."""
    ratio = None if case.max_length is None else case.max_length / original
    if case.parameters.get("factor") is None:
        if case.maximum() < original:
            raise ValueError(
                f"{case.operation}: max_position_embeddings {case.max_length} is below "
                f"original_max_position_embeddings {original}, and there is no factor."
            )
        case.notes.append(f"factor is not given; transformers takes max / original length, {ratio:g}")
        return case.maximum() / original
    factor = case.scale()
    if ratio not in (None, 1.0, factor):
        case.notes.append(
            f"factor is {factor:g}, max / original length is {ratio:g}: transformers takes the factor"
        )
    return factor


def _length_in_use(case: Case, original: int) -> int:
    if case.length is None:
        case.notes.append(f"frequencies depend on the length in use; these are for up to {original} positions")
        return original
    return case.length


def _note_unread(case: Case, *keys: str) -> None:
    for key in keys:
        if case.parameters.get(key) is not None:
            case.notes.append(f"{key}={case.parameters[key]} plays no part in the frequencies")


RULES: dict[str, Callable[[Case], Scaled]] = {
    "default": _default,
    "linear": _linear,
    "proportional": _proportional,
    "axial": _axial,
    "dynamic": _dynamic,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
}
