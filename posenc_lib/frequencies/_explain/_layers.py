"""Which layer is of which kind, and which have no position code at all."""

from __future__ import annotations

from collections.abc import Mapping

from posenc_lib.frequencies._hf_parameters import integer

# A layer for which `no_rope_layers` holds 0 has no position code. Where the key is missing or empty, these models
# leave out every fourth layer: transformers' configuration classes of that name.
_EVERY_FOURTH_UNTURNED = ("llama4", "llama4_text", "smollm3", "mistral_large4_text")
# Only layers with a sliding window turn queries and keys: transformers' modeling files of that name.
_ONLY_SLIDING_TURNS = ("cohere2", "exaone4")
# In these, a layer that turns attends within chunks of `attention_chunk_size` positions, if that is set.
_CHUNKED = ("llama4", "llama4_text")
# Kinds of layers without queries and keys that a rotation could turn, in transformers' names, old and new.
_NEVER_TURNING = ("linear_attention", "mamba", "conv", "moe")


def turning_layers(
    config: Mapping[str, object], layer_type: str | None, layers: int | None, unturned: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The layers of this kind, or all that turn where `layer_type` is None; None where that cannot be told."""
    kinds = layer_kinds(config)
    if layer_type is not None:
        found = tuple(i for i, kind in enumerate(kinds or ()) if kind == layer_type and i not in unturned)
        return found or None
    if kinds is not None:
        return tuple(i for i, kind in enumerate(kinds) if kind not in _NEVER_TURNING and i not in unturned)
    if layers is None or _only_sliding_turns(config):
        return None
    return tuple(i for i in range(layers) if i not in unturned)


def layer_kinds(config: Mapping[str, object]) -> tuple[str, ...] | None:
    """The kind of every layer, first to last, or None where the configuration does not say."""
    listed = config.get("layer_types")
    if isinstance(listed, (list, tuple)):
        return tuple(str(kind) for kind in listed)
    pattern, layers = config.get("sliding_window_pattern"), config.get("num_hidden_layers")
    if not isinstance(layers, int):
        return None
    if isinstance(pattern, int):
        pattern = integer("frequencies.explain", "sliding_window_pattern", pattern)
        return tuple("full_attention" if (i + 1) % pattern == 0 else "sliding_attention" for i in range(layers))
    if config.get("model_type") in _CHUNKED:
        full = unturned_layers(config, layers)
        return tuple("full_attention" if i in full else "chunked_attention" for i in range(layers))
    return None


def unturned_layers(config: Mapping[str, object], layers: int | None) -> tuple[int, ...]:
    """The layers that neither turn queries and keys nor code position otherwise."""
    listed = config.get("no_rope_layers")
    if isinstance(listed, (list, tuple)) and listed:
        return tuple(i for i, turns in enumerate(listed) if not turns)
    if config.get("model_type") in _EVERY_FOURTH_UNTURNED and layers is not None:
        given = config.get("no_rope_layer_interval", 4)
        interval = integer("frequencies.explain", "no_rope_layer_interval", given)
        return tuple(i for i in range(layers) if (i + 1) % interval == 0)
    without = {"full_attention"} if _only_sliding_turns(config) else _without_parameters(config)
    return tuple(i for i, kind in enumerate(layer_kinds(config) or ()) if kind in without)


def _only_sliding_turns(config: Mapping[str, object]) -> bool:
    return config.get("model_type") in _ONLY_SLIDING_TURNS and bool(config.get("sliding_window"))


def _without_parameters(config: Mapping[str, object]) -> set[str]:
    """The kinds of layers whose rope parameters are null, beside others that have some."""
    parameters = config.get("rope_parameters")
    return {key for key, value in parameters.items() if value is None} if isinstance(parameters, Mapping) else set()


def window_of(config: Mapping[str, object], layers: tuple[int, ...] | None) -> tuple[int | None, tuple[int, ...]]:
    """How many tokens one sees at most, itself included, in some of these layers, and in which; or (None, ())."""
    if config.get("use_bidirectional_attention") is True:
        return None, ()  # half of it lies on either side
    kinds = layer_kinds(config) or ()
    for kind, key in (("sliding_attention", "sliding_window"), ("chunked_attention", "attention_chunk_size")):
        size, those = config.get(key), tuple(i for i in layers or () if i < len(kinds) and kinds[i] == kind)
        if those and isinstance(size, int):
            return size, those
    return None, ()
