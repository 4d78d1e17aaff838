"""Which kinds of layers a configuration tells apart, and each one's own rope parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from posenc_lib.frequencies import _hf_files
from posenc_lib.frequencies._hf_files import Config


@dataclass(frozen=True)
class Layer:
    """What one kind of layer has of its own: rope parameters, and the keys beside them that hold its base."""

    parameters: Config
    base_keys: tuple[str, ...] = ("rope_theta", "rotary_emb_base")
    notes: list[str] = field(default_factory=list)


def layers_of(operation: str, config: Config) -> dict[str | None, Layer]:
    """Return the kinds of layers that turn, by name; {None: …} where all layers are alike."""
    if config.get("alibi") is True:
        raise ValueError(f"{operation}: alibi is true: this model biases its logits and turns nothing.")
    merged = _parameters(operation, config)
    nested = {name: value for name, value in merged.items() if isinstance(value, Mapping)}
    if nested:
        flat = [key for key, value in merged.items() if value is not None and key not in nested]
        if flat:
            raise ValueError(
                f"{operation}: rope_parameters mixes layer types ({', '.join(nested)}) with parameters "
                f"({', '.join(flat)}). Move the parameters into each layer type."
            )
        _check_outer_base(operation, config, nested)
        return {name: Layer(value, base_keys=()) for name, value in nested.items()}
    return _split_by_family(config, merged)


def _parameters(operation: str, config: Config) -> dict[str, object]:
    """rope_parameters, or rope_scaling as it was called before version 5 of transformers, or both where they agree."""
    merged: dict[str, object] = {}
    for name in ("rope_parameters", "rope_scaling"):
        found = config.get(name)
        if found is None:
            continue
        if not isinstance(found, Mapping):
            raise TypeError(f"{operation}: {name} must be an object or null, got {found!r}.")
        for key, value in found.items():
            if key in merged and merged[key] != value:
                raise ValueError(
                    f"{operation}: {key} is {merged[key]} in rope_parameters and {value} in rope_scaling. "
                    "rope_scaling is the old name of rope_parameters: leave it out."
                )
            merged[key] = value
    return merged


def _check_outer_base(operation: str, config: Config, nested: Mapping[str, Config]) -> None:
    outer = config.get("rope_theta")
    inner = {name: layer["rope_theta"] for name, layer in nested.items() if layer.get("rope_theta") is not None}
    if outer is not None and len(inner) == len(nested) and outer not in inner.values():
        raise ValueError(
            f"{operation}: rope_theta is {outer} beside rope_parameters and {inner} in its layer types. "
            "Leave the outer one out."
        )


def _split_by_family(config: Config, merged: Config) -> dict[str | None, Layer]:
    """Older configurations that keep a second base, or mean only some layers, under names of their own."""
    if _hf_files.first(config, "rope_local_base_freq") is not None:  # Gemma 3: local layers are not scaled
        return _two(merged, {}, "rope_theta", "rope_local_base_freq")
    if _hf_files.first(config, "global_rope_theta", "local_rope_theta") is not None:  # ModernBERT
        return _two(merged, merged, "global_rope_theta", "local_rope_theta")
    if _hf_files.first(config, "swa_rope_theta") is not None:  # MiMo-V2-Flash
        return _two(merged, {}, "rope_theta", "swa_rope_theta")
    if config.get("model_type") == "olmo3":
        return _two(merged, {}, "rope_theta", "rope_theta")
    if _hf_files.first(config, "compress_rope_theta") is not None:  # DeepSeek-V4
        return _deepseek_v4(merged)
    return {None: Layer(merged)}


def _two(full: Config, sliding: Config, full_key: str, sliding_key: str) -> dict[str | None, Layer]:
    return {
        "full_attention": Layer(full, base_keys=(full_key,)),
        "sliding_attention": Layer(sliding, base_keys=(sliding_key,)),
    }


def _deepseek_v4(merged: Config) -> dict[str | None, Layer]:
    compress, notes = dict(merged), []
    if first_type(compress) == "yarn" and compress.get("attention_factor") is None:
        compress["attention_factor"] = 1.0
        notes.append("attention_factor is 1: DeepSeek-V4's code leaves out YaRN's, and transformers follows it")
    return {
        "main": Layer({}, base_keys=("rope_theta",)),
        "compress": Layer(compress, base_keys=("compress_rope_theta",), notes=notes),
    }


def first_type(parameters: Config) -> object:
    """Return rope_type, or type as it was called first."""
    return _hf_files.first(parameters, "rope_type", "type")
