"""Rope parameters in today's names: every key known, none contradicting another."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence

from posenc_lib.frequencies import _layouts
from posenc_lib.frequencies._hf_files import Config

_FOR_ALL = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
_FOR_ALL |= {"mrope_section", "mrope_interleaved", "interleaved"}
_LENGTH = "original_max_position_embeddings"

REQUIRED = {
    "default": set[str](),
    "axial": set[str](),
    "linear": {"factor"},
    "dynamic": {"factor"},
    "proportional": set[str](),
    "yarn": set[str](),  # a factor, or two lengths
    "longrope": {"short_factor", "long_factor"},
    "llama3": {"factor", "low_freq_factor", "high_freq_factor"},
}
_OPTIONAL = {
    "default": set[str](),
    "axial": set[str](),
    "linear": set[str](),
    # HunYuan's `alpha` fixes the scaling, and comes with YaRN's keys, which its code never reads.
    "dynamic": {"alpha", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"},
    "proportional": {"factor"},
    "yarn": {"factor", _LENGTH, "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"}
    # written by released models, read by other parts of their code or by none
    | {"finetuned", "llama_4_scaling_beta", "max_position_embeddings"},
    "longrope": {_LENGTH, "factor", "attention_factor", "short_mscale", "long_mscale"},
    "llama3": {_LENGTH},
}
_KNOWN = {kind: _FOR_ALL | REQUIRED[kind] | _OPTIONAL[kind] for kind in REQUIRED}
_BESIDE_ALPHA = {"beta_fast", "beta_slow", "mscale", "mscale_all_dim"}


def rope_type_of(operation: str, config: Config, parameters: Config, notes: list[str]) -> str:
    """Return the rope type in transformers' present name."""
    stated = {key: parameters[key] for key in ("rope_type", "type") if parameters.get(key) is not None}
    kinds = {key: _renamed(config, value, notes) for key, value in stated.items()}
    if len(set(kinds.values())) > 1:
        raise ValueError(
            f"{operation}: rope_type is {stated['rope_type']!r} and type is {stated['type']!r}. "
            "type is the old name of rope_type: leave it out."
        )
    kind = next(iter(kinds.values()), "default")
    if kind not in _KNOWN:
        raise ValueError(f"{operation}: rope_type must be one of {', '.join(_KNOWN)}; got {kind!r}.")
    if kind == "default" and config.get("model_type") in _layouts.AXIAL:
        notes.append("rope_type 'default' means 'axial' for this model_type")
        return "axial"
    return kind


def _renamed(config: Config, kind: object, notes: list[str]) -> str:
    family = str(config.get("model_type"))
    if kind == "su" or (kind == "yarn" and family.startswith("phi3")):
        notes.append(f"rope type {kind!r} is read as 'longrope', as transformers does for Phi-3's first uploads")
        return "longrope"
    return "default" if kind == "mrope" else str(kind)


def check_keys(operation: str, kind: str, parameters: Config) -> None:
    """Refuse keys that nobody reads and keys that another rope type reads; ask for those that are missing."""
    known = _KNOWN[kind]
    if kind == "dynamic" and parameters.get("alpha") is None:
        known = known - _BESIDE_ALPHA
    for key, value in parameters.items():
        if key in known:
            continue
        readers = [other for other, keys in _KNOWN.items() if key in keys]
        if readers:
            raise ValueError(
                f"{operation}: {key}={value} means nothing to rope_type {kind!r}; {' and '.join(readers)} "
                f"read{'s' if len(readers) == 1 else ''} it. Mend rope_type, or leave {key} out."
            )
        raise ValueError(
            f"{operation}: unknown key {key!r} in the rope parameters (its value is {value}). rope_type {kind!r} "
            f"knows {', '.join(sorted(known))}."
        )
    missing = sorted(key for key in REQUIRED[kind] if parameters.get(key) is None)
    if missing:
        raise ValueError(f"{operation}: rope_type {kind!r} needs {' and '.join(missing)}, which the parameters lack.")


def number(operation: str, key: str, value: object) -> float:
    """Return a number of the configuration as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{operation}: {key} must be a finite number, got {value!r}.")
    return float(value)


def integer(operation: str, key: str, value: object, *, at_least: int = 1) -> int:
    """Return a whole number of the configuration, 4096.0 being one, as an int."""
    found = number(operation, key, value)
    if found != int(found) or found < at_least:
        raise ValueError(f"{operation}: {key} must be a whole number, {at_least} or more; got {value!r}.")
    return int(found)


def sections_of(
    operation: str, config: Config, parameters: Config, pairs: int, notes: list[str]
) -> tuple[tuple[int, ...] | None, bool]:
    """M-RoPE's pairs by axis, and whether they take turns."""
    stated = {key: parameters[key] for key in ("mrope_interleaved", "interleaved") if parameters.get(key) is not None}
    for key, value in stated.items():
        if not isinstance(value, bool):
            raise ValueError(f"{operation}: {key} must be true or false, got {value!r}.")
    if len(set(stated.values())) > 1:
        raise ValueError(
            f"{operation}: mrope_interleaved is {stated['mrope_interleaved']} and interleaved is "
            f"{stated['interleaved']}. Leave one of the two out."
        )
    sections = parameters.get("mrope_section")
    if sections is None:
        return None, False
    if not isinstance(sections, Sequence) or isinstance(sections, str):
        raise ValueError(f"{operation}: mrope_section must be a list of whole numbers, got {sections!r}.")
    counts = tuple(integer(operation, "mrope_section", count, at_least=0) for count in sections)
    if sum(counts) != pairs:
        raise ValueError(
            f"{operation}: mrope_section must add up to the {pairs} pairs that turn, got {list(counts)}, which "
            f"adds up to {sum(counts)}."
        )
    family = config.get("model_type")
    if str(family).startswith("ernie4_5_vl"):
        notes.append(
            f"mrope_section {list(counts)}: height and width take turns along the first {sum(counts[:2])} pairs, "
            "time has the rest; sections is None, for neither blocks nor turns of all axes say that"
        )
        return None, False
    interleaved = next(iter(stated.values()), None)
    if family in _layouts.INTERLEAVED_SECTIONS and not interleaved:
        notes.append("M-RoPE's axes take turns: transformers' code for this model_type always lets them")
        interleaved = True
    return counts, bool(interleaved)
