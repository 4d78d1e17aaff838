"""How large a head is, and how much of it turns."""

from __future__ import annotations

from collections.abc import Mapping

from posenc_lib.frequencies import _hf_files, _hf_parameters, _layouts
from posenc_lib.frequencies._hf_files import Config

_WIDTHS = ("hidden_size", "n_embd", "d_model", "embed_dim")
_HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
_LAYER_KEYS = {"full_attention": "global_head_dim", "sliding_attention": "swa_head_dim"}


def head_dim_of(operation: str, config: Config, layer_type: str | None) -> int:
    """Return the dimensions of a head, or with MLA of the part of it that turns."""
    if config.get("qk_rope_head_dim") is not None:
        return _hf_parameters.integer(operation, "qk_rope_head_dim", config["qk_rope_head_dim"])
    own = _own_head_dim(operation, config, layer_type)
    if own is not None:
        return own
    if config.get("head_dim") is not None:
        return _hf_parameters.integer(operation, "head_dim", config["head_dim"])
    # Qwen2-VL's vision tower calls hidden_size what it hands over to the language model.
    widths = ("embed_dim", *_WIDTHS) if str(config.get("model_type")).startswith("qwen2_vl") else _WIDTHS
    width_key, heads_key = _hf_files.first_key(config, *widths), _hf_files.first_key(config, *_HEADS)
    if width_key is None or heads_key is None:
        lacking = "hidden_size" if width_key is None else "num_attention_heads"
        raise ValueError(
            f"{operation}: the configuration does not say how large a head is: no head_dim, and no {lacking}."
        )
    width, heads = (_hf_parameters.integer(operation, key, config[key]) for key in (width_key, heads_key))
    if width % heads:
        raise ValueError(
            f"{operation}: {width_key} {width} does not divide into {heads_key} {heads}, and there is no head_dim."
        )
    return width // heads


def _own_head_dim(operation: str, config: Config, layer_type: str | None) -> int | None:
    """A head size that only this kind of layer has."""
    key = _LAYER_KEYS.get(layer_type or "")
    if key and config.get(key) is not None:
        return _hf_parameters.integer(operation, key, config[key])
    changed, kinds = config.get("per_layer_config"), config.get("layer_types")
    if not isinstance(changed, Mapping) or not isinstance(kinds, list):
        return None
    entries = [changed.get(str(layer)) for layer, kind in enumerate(kinds) if kind == layer_type]
    found = {entry.get("head_dim") if isinstance(entry, Mapping) else None for entry in entries}
    if len(found) > 1:
        raise ValueError(
            f"{operation}: per_layer_config gives layers of type {layer_type!r} different head_dim: "
            f"{sorted(map(str, found))}."
        )
    size = found.pop() if found else None
    return None if size is None else _hf_parameters.integer(operation, "head_dim", size)


def rotary_dim_of(
    operation: str, config: Config, parameters: Config, head_dim: int, notes: list[str]
) -> int:
    """Return how many of the `head_dim` dimensions turn."""
    stated = _stated(operation, config, parameters, head_dim)
    if config.get("qk_rope_head_dim") is not None:
        _check_latent(operation, config, parameters, head_dim)
        stated = {"qk_rope_head_dim": head_dim}
    if len(set(stated.values())) > 1:
        raise ValueError(
            f"{operation}: how many of the {head_dim} dimensions turn is contradictory: "
            f"{', '.join(f'{key} says {dims}' for key, dims in stated.items())}."
        )
    if not stated:
        share = _layouts.DEFAULT_FRACTIONS.get(str(config.get("model_type")), 1.0)
        if share != 1:
            notes.append(f"partial_rotary_factor is not given; transformers assumes {share} for this model_type")
        stated = {"partial_rotary_factor": int(head_dim * share)}
    (key, dims), *_ = stated.items()
    if dims % 2 or not 2 <= dims <= head_dim:
        raise ValueError(
            f"{operation}: an even number of dimensions must turn, from 2 to the head's {head_dim}; {key} says {dims}."
        )
    return dims


def fraction_of(operation: str, config: Config, parameters: Config) -> float:
    """Return the share of the pairs that turn under "proportional"."""
    stated = parameters.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    return 1.0 if stated is None else _hf_parameters.number(operation, "partial_rotary_factor", stated)


def _stated(operation: str, config: Config, parameters: Config, head_dim: int) -> dict[str, int]:
    """What every key that says it says, in dimensions."""
    found = {}
    if parameters.get("partial_rotary_factor") is not None:
        share = _hf_parameters.number(operation, "partial_rotary_factor", parameters["partial_rotary_factor"])
        found["rope_parameters' partial_rotary_factor"] = int(head_dim * share)
    for key in ("partial_rotary_factor", "rotary_pct", "rope_pct", "rope_percent"):
        if config.get(key) is not None:
            found[key] = int(head_dim * _hf_parameters.number(operation, key, config[key]))
    if config.get("rotary_dim") is not None:
        found["rotary_dim"] = _hf_parameters.integer(operation, "rotary_dim", config["rotary_dim"])
    return found


def _check_latent(operation: str, config: Config, parameters: Config, rotary_dim: int) -> None:
    """MLA: a share of the head, if there is one, must mean the same dimensions as qk_rope_head_dim."""
    share = parameters.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if share is None:
        return
    share = _hf_parameters.number(operation, "partial_rotary_factor", share)
    plain = config.get("qk_nope_head_dim")
    heads = [rotary_dim, config.get("head_dim"), rotary_dim + plain if isinstance(plain, int) else None]
    if not any(isinstance(head, int) and int(head * share) == rotary_dim for head in heads):
        raise ValueError(
            f"{operation}: partial_rotary_factor {share} and qk_rope_head_dim {rotary_dim} are contradictory: the "
            "first gives no head of this configuration the second's dimensions."
        )
