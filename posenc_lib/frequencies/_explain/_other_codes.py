"""The position codes that are not RoPE: which models have them, and their numbers in the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from posenc_lib import _t5_buckets
from posenc_lib.frequencies._explain._explanation import Explanation
from posenc_lib.frequencies._hf_parameters import integer

# transformers' modeling files of these names are the source of the tables below.
_T5 = ("t5", "mt5", "umt5", "switch_transformers")
_TABLE_IN_EVERY_LAYER = ("umt5",)
# Row of the table that holds the first position: OPT and BART keep two rows free, RoBERTa the padding's and one more.
_LEARNED = {
    "gpt2": 0, "gpt_neo": 0, "gpt_bigcode": 0, "bert": 0, "distilbert": 0, "electra": 0,
    "opt": 2, "bart": 2, "roberta": 2, "xlm-roberta": 2,
}  # fmt: skip
_RECURRENT = ("mamba", "mamba2", "falcon_mamba", "rwkv")
_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx")
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_HEAD_KEYS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "dim")


def other_code(config: Mapping[str, object]) -> Explanation | None:
    """Explain a code that is not RoPE, or return None where queries and keys may turn."""
    model_type = config.get("model_type")
    if _says_alibi(config):
        return _alibi(config)
    if model_type == "mpt":
        raise ValueError(
            "frequencies.explain: attn_config switches ALiBi off, and what an MPT has instead stands in its own code, "
            "not in keys that this reads. transformers ignores the switch and adds ALiBi all the same."
        )
    if model_type in _T5:
        return _t5(config)
    if model_type in _LEARNED:
        return _learned(config)
    if model_type == "whisper":
        return _whisper(config)
    if model_type in _RECURRENT:
        return _told(config, "none", {}, "The model is recurrent: the order in which it reads is its position code.")
    if model_type == "jamba":
        return _told(config, "none", {}, "Attention has no position code (NoPE); the Mamba layers between tell order.")
    return None


def max_length(config: Mapping[str, object]) -> int | None:
    """The most positions that the configuration names, under whichever of the usual keys."""
    return _first(config, _LENGTH_KEYS)


def num_layers(config: Mapping[str, object]) -> int | None:
    """The number of layers, under whichever of the usual keys."""
    return _first(config, _LAYER_KEYS)


def _says_alibi(config: Mapping[str, object]) -> bool:
    attention = config.get("attn_config")
    if config.get("model_type") == "mpt":  # transformers' MptConfig: ALiBi unless it is switched off
        return not isinstance(attention, Mapping) or attention.get("alibi", True) is True
    return config.get("model_type") == "bloom" or config.get("alibi") is True


def _alibi(config: Mapping[str, object]) -> Explanation:
    heads, attention = _needed(config, "ALiBi", "the number of heads", _HEAD_KEYS), config.get("attn_config")
    steepness = attention.get("alibi_bias_max", 8) if isinstance(attention, Mapping) else 8
    power = 1 << (heads.bit_length() - 1)
    steepest = 2.0 ** (-steepness / (power if power == heads else 2 * power))
    details = {"heads": heads, "steepest_slope": steepest, "flattest_slope": 2.0**-steepness}
    notes = ["Nothing is added to embeddings, and nothing is trained: each head lowers a logit by slope · distance."]
    if power != heads:
        notes.append(
            f"{heads} heads are no power of two: they take the {power} slopes of {power} heads and every second "
            f"one of {2 * power} heads."
        )
    if config.get("learned_pos_emb") is True:
        notes.append("learned_pos_emb is true, but with ALiBi the model adds no learned positions.")
    return _told(config, "alibi", details, *notes)


def _t5(config: Mapping[str, object]) -> Explanation:
    heads = _needed(config, "T5's bias", "the number of heads", _HEAD_KEYS)
    buckets, farthest = (
        integer("frequencies.explain", key, config.get(key, default))
        for key, default in (("relative_attention_num_buckets", 32), ("relative_attention_max_distance", 128))
    )
    details = {"heads": heads, "buckets": buckets, "max_distance": farthest}
    table = f"a trained table of shape ({buckets}, {heads})"
    whose = "each layer has its own" if config.get("model_type") in _TABLE_IN_EVERY_LAYER else (
        "the first layer of encoder and of decoder holds one, which the other layers share"
    )
    notes = [
        f"The distance picks a row of {table}, which is added to the logits: {whose}.",
        "The encoder halves the buckets for keys before and after; the decoder gives all to keys before.",
    ]
    if begins := _beginning_of_the_last_buckets(buckets, farthest):
        notes.append(
            f"The last bucket of a direction begins at distance {begins}; by the formula it would end at the max "
            "distance, but all beyond are in it too, so no length is too long to compute."
        )
    return _told(config, "t5", details, *notes)


def _beginning_of_the_last_buckets(buckets: int, farthest: int) -> str:
    """The smallest distance in the last bucket, of encoder and decoder, where the formula gives one."""
    shares = {"encoder": buckets // 2, "decoder": buckets}
    return " or ".join(
        f"{_t5_buckets.boundaries(share, farthest)[-1]} ({who})"
        for who, share in shares.items()
        if share >= 2 and share // 2 < farthest
    )


def _learned(config: Mapping[str, object]) -> Explanation:
    kind = config.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise ValueError(
            f"frequencies.explain: position_embedding_type is {kind!r}, which is not known here; "
            '"absolute", a learned table, is.'
        )
    first = _LEARNED[str(config["model_type"])]
    length = _needed(config, "a learned table", "the number of positions", _LENGTH_KEYS)
    usable = length - first if "roberta" in str(config["model_type"]) else length
    details = {"positions": usable, "width": _first(config, _WIDTH_KEYS), "first_row": first}
    notes = [f"A trained vector per position is added to the token's: there is none for position {usable} and later."]
    if first:
        notes.append(f"Position 0 is row {first} of the table.")
    return _told(config, "learned", details, *notes)


def _whisper(config: Mapping[str, object]) -> Explanation:
    frames, tokens = config.get("max_source_positions", 1500), config.get("max_target_positions", 448)
    details = {"encoder_positions": frames, "decoder_positions": tokens, "width": config.get("d_model")}
    return _told(
        config, "sinusoidal", details,
        f"The encoder adds fixed sines and cosines for {frames} frames: all sines first, then all cosines.",
        f"The decoder adds a learned vector for each of {tokens} tokens.",
    )  # fmt: skip


def _told(config: Mapping[str, object], kind: str, details: Mapping[str, object], *notes: str) -> Explanation:
    model_type = config.get("model_type")
    return Explanation(
        model_type=model_type if isinstance(model_type, str) else None, kind=kind, num_layers=num_layers(config),
        max_length=max_length(config), details=dict(details), notes=notes,
    )  # fmt: skip


def _first(config: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    found = (config[key] for key in keys if key in config)
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)


def _needed(config: Mapping[str, object], what: str, name: str, keys: tuple[str, ...]) -> int:
    value = _first(config, keys)
    if value is None or value < 1:
        raise ValueError(
            f"frequencies.explain: {what} needs {name}, a positive integer under one of the keys {', '.join(keys)}; "
            f"the configuration of model_type {config.get('model_type')!r} has none."
        )
    return value
