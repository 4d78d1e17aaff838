"""Which layer is of which kind, and which have no position code at all."""

from __future__ import annotations

from collections.abc import Mapping

# A layer for which `no_rope_layers` holds 0 has no position code. Where the key is missing or empty, these models
# leave out every fourth layer: transformers' configuration classes of that name.
_EVERY_FOURTH_UNTURNED = ("llama4_text", "smollm3", "mistral_large4_text")
# Only layers with a sliding window turn queries and keys: transformers' modeling files of that name.
_ONLY_SLIDING_TURNS = ("cohere2", "exaone4")


def layer_kinds(config: Mapping[str, object]) -> tuple[str, ...] | None:
    """The kind of every layer, first to last, or None where the configuration does not say."""
    listed = config.get("layer_types")
    if isinstance(listed, (list, tuple)):
        return tuple(str(kind) for kind in listed)
    pattern, layers = config.get("sliding_window_pattern"), config.get("num_hidden_layers")
    if not isinstance(pattern, int) or not isinstance(layers, int) or pattern < 1:
        return None
    return tuple("full_attention" if (i + 1) % pattern == 0 else "sliding_attention" for i in range(layers))


def unturned_layers(config: Mapping[str, object], layers: int | None) -> tuple[int, ...]:
    """The layers that neither turn queries and keys nor code position otherwise."""
    listed = config.get("no_rope_layers")
    if isinstance(listed, (list, tuple)) and listed:
        return tuple(i for i, turns in enumerate(listed) if not turns)
    if config.get("model_type") in _EVERY_FOURTH_UNTURNED and layers is not None:
        interval = config.get("no_rope_layer_interval", 4)
        return tuple(i for i in range(layers) if isinstance(interval, int) and (i + 1) % interval == 0)
    if config.get("model_type") in _ONLY_SLIDING_TURNS and config.get("sliding_window"):
        return tuple(i for i, kind in enumerate(layer_kinds(config) or ()) if kind == "full_attention")
    return ()


def window(config: Mapping[str, object], kind: str | None) -> int | None:
    """How many positions a layer of this kind looks back; None for all of them."""
    size = config.get({"chunked_attention": "attention_chunk_size"}.get(kind or "", "sliding_window"))
    sliding = kind in ("sliding_attention", "chunked_attention")
    return size if sliding and isinstance(size, int) else None
