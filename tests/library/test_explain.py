"""explain(config) beside transformers, which builds each model's own rotation, biases and tables."""

import html.parser
import importlib
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from posenc_lib import frequencies
from posenc_lib.frequencies._explain._numbers import exact, number, runs, some_of
from posenc_lib.frequencies._explain._text import _wrapped

CONFIGS = Path(__file__).resolve().parents[1] / "data" / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.json"))
ROTARY = [name for name in NAMES if name not in ("bloom-176b", "mpt-7b", "t5-small", "gpt2", "whisper-tiny")]
EFFECTS = ("kept", "blended", "divided", "rescaled", "unturned")


def config(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def text_part(name):
    whole = config(name)
    return whole.get("text_config", whole)


def theirs(name):
    """transformers' own configuration object, of the text part."""
    keys = {key: value for key, value in text_part(name).items() if not key.startswith("_")}
    made = AutoConfig.for_model(keys.pop("model_type"), **keys)
    return getattr(made, "text_config", made)


def told(name, **keywords):
    return frequencies.explain(CONFIGS / f"{name}.json", **keywords)


def rotation(name, index=0, **keywords):
    return told(name, **keywords).to_dict()["rotations"][index]


# --- what transformers computes -------------------------------------------------------------------------------


def rotary_module(made):
    """The rotary embedding that the model of this configuration would turn with."""
    module = importlib.import_module(type(made).__module__.replace("configuration_", "modeling_"))
    [name] = [n for n in vars(module) if re.fullmatch(r"\w+RotaryEmbedding", n) and "Vision" not in n]
    return getattr(module, name)(made)


def their_frequencies(name, layer_type):
    """(frequencies, attention factor) of transformers, float32."""
    made = theirs(name)
    if made.model_type == "gptj":  # no module: modeling_gptj.create_sinusoidal_positions, its angles at position 1
        from transformers.models.gptj.modeling_gptj import create_sinusoidal_positions

        sine = create_sinusoidal_positions(2, made.rotary_dim)[1, : made.rotary_dim // 2]
        return torch.asin(sine), 1.0
    rotary = rotary_module(made)
    prefix = f"{layer_type}_" if layer_type else ""
    return getattr(rotary, f"{prefix}inv_freq"), getattr(rotary, f"{prefix}attention_scaling")


@pytest.mark.parametrize("name", ROTARY)
def test_frequencies_and_attention_factor_are_transformers(name):
    for turned in told(name).to_dict()["rotations"]:
        wanted, factor = their_frequencies(name, turned["layer_type"])
        np.testing.assert_allclose(turned["frequencies"], wanted, rtol=2e-6, atol=1e-7 if name == "gpt-j-6b" else 0)
        assert turned["attention_factor"] == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("name", ROTARY)
def test_effects_follow_from_transformers_frequencies(name):
    """kept, blended, divided once more, from its float32 frequencies and a ladder written out here."""
    for turned in told(name).to_dict()["rotations"]:
        wanted = their_frequencies(name, turned["layer_type"])[0].double().numpy()
        ladder = turned["base"] ** (-np.arange(len(wanted)) / len(wanted))
        found = {effect: [] for effect in EFFECTS}
        for pair, (before, after) in enumerate(zip(ladder, wanted, strict=True)):
            between = "blended" if turned["rope_type"] in ("yarn", "llama3") else "rescaled"
            if after == 0:
                effect = "unturned"
            elif math.isclose(before, after, rel_tol=1e-5):
                effect = "kept"
            elif turned["factor"] and math.isclose(before, after * turned["factor"], rel_tol=1e-5):
                effect = "divided"
            else:
                effect = between
            found[effect].append(pair)
        assert {effect: turned[effect] for effect in EFFECTS} == found


# Beside transformers, these are checked by hand: the rules' own formulas, as the papers and the released code have
# them, worked out to where they put the edges.
#   Llama 3.1 (its model.py, apply_scaling): wavelength 2π·b^(i/64) below 8192/4 is kept, above 8192 divided.
#     64·ln(2048/2π)/ln 500000 = 28.2, 64·ln(8192/2π)/ln 500000 = 34.98
#     Llama 4 Scout divides above 8192 and keeps the rest.
#   YaRN (equation 23 and its code): edges at d·ln(L/(2π·β))/(2·ln b), β = 32 and 1, rounded outwards unless
#     truncate is false. DeepSeek-V3: 10.5 and 22.5. gpt-oss: 8.1 and 17.4. Qwen2.5: 23.6 and 39.7.
BY_HAND = {
    "llama-3.1-8b": ("0–28", "29–34", "35–63"),
    "llama-4-scout": ("0–34", "none", "35–63"),
    "deepseek-v3": ("0–10", "11–22", "23–31"),
    "gpt-oss-20b": ("0–8", "9–17", "18–31"),
    "qwen2.5-7b-yarn": ("0–23", "24–39", "40–63"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_edges_by_hand(name):
    turned = rotation(name)
    assert tuple(runs(turned[effect]) for effect in ("kept", "blended", "divided")) == BY_HAND[name]


# The last pair with 2π·b^(2i/d) ≤ L, from i = d/2 · ln(L/2π)/ln b.
FULL_TURNS = {
    "llama-2-7b": 45,  # 64·ln(4096/2π)/ln 1e4 = 45.03
    "llama-3.1-8b": 34,  # 34.98
    "mistral-7b-v0.3": 39,  # 64·ln(32768/2π)/ln 1e6 = 39.65
    "pythia-1.4b": 10,  # 16·ln(2048/2π)/ln 1e4 = 10.05
    "phi-3.5-mini": 33,  # 48·ln(4096/2π)/ln 1e4 = 33.77
    "gpt-j-6b": 20,  # 32·ln(2048/2π)/ln 1e4 = 20.1
}


@pytest.mark.parametrize("name", FULL_TURNS)
def test_pairs_that_turn_fully_in_training(name):
    assert rotation(name)["full_turns"] == list(range(FULL_TURNS[name] + 1))


ATTENTION = {
    "deepseek-v3": (1.0, "(0.1·1·ln 40 + 1) / (0.1·1·ln 40 + 1)"),
    "gpt-oss-20b": (0.1 * math.log(32) + 1, "0.1·ln 32 + 1"),
    "qwen2.5-7b-yarn": (0.1 * math.log(4) + 1, "0.1·ln 4 + 1"),
    "phi-3.5-mini": (math.sqrt(17 / 12), "√(1 + ln 32 / ln 4096)"),
    "llama-3.1-8b": (1.0, "as this rule has none"),
    "llama-2-7b": (1.0, "as this rule has none"),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_factor_and_how_it_came_about(name):
    turned = rotation(name)
    value, source = ATTENTION[name]
    assert turned["attention_factor"] == pytest.approx(value, rel=1e-12)
    assert turned["attention_factor_source"] == source


def test_a_given_attention_factor_is_said_to_be_given():
    given = text_part("gpt-oss-20b")
    given["rope_scaling"]["attention_factor"] = 1.25
    turned = frequencies.explain(given).to_dict()["rotations"][0]
    assert (turned["attention_factor"], turned["attention_factor_source"]) == (1.25, "as the configuration says")


@pytest.mark.parametrize("mscale_all_dim", [1.0, 0.5])
def test_deepseeks_second_scale_is_told(mscale_all_dim):
    """transformers multiplies DeepSeek's logits by mscale² beside the rotation: modeling_deepseek_v3."""
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention

    made, given = theirs("deepseek-v3"), config("deepseek-v3")
    made.hidden_size, made.num_attention_heads, made.q_lora_rank, made.kv_lora_rank = 8, 1, 4, 4
    made.rope_parameters["mscale_all_dim"] = given["rope_scaling"]["mscale_all_dim"] = mscale_all_dim
    extra = DeepseekV3Attention(made, 0).scaling * math.sqrt(made.qk_head_dim)
    assert f"multiplies its logits by {extra:.6g}" in frequencies.explain(given).notes[0]


def test_no_other_model_has_deepseeks_second_scale():
    assert not any("mscale" in note for name in ROTARY if name != "deepseek-v3" for note in told(name).notes)


HEADS = {
    "llama-3.1-8b": (128, 128, "half"),
    "pythia-1.4b": (128, 32, "half"),
    "gpt-j-6b": (256, 64, "interleaved"),
    "phi-3.5-mini": (96, 96, "half"),
    "deepseek-v3": (64, 64, "interleaved"),
    "llama-4-scout": (128, 128, "interleaved"),
}


@pytest.mark.parametrize("name", HEADS)
def test_head_rotary_dim_and_layout(name):
    turned = rotation(name)
    assert (turned["head_dim"], turned["rotary_dim"], turned["layout"]) == HEADS[name]


def test_multimodal_sections():
    for name, sections, interleaved, said in [
        ("qwen2.5-vl-7b", [16, 24, 24], False, "pairs in blocks, turned by time (16), height (24), width (24)"),
        ("qwen3-vl-4b", [24, 20, 20], True, "pairs that take turns, turned by time (24), height (20), width (20)"),
    ]:
        turned = rotation(name)
        assert (turned["sections"], turned["interleaved_sections"]) == (sections, interleaved)
        assert said in " ".join(str(told(name)).split())
    assert rotation("llama-2-7b")["sections"] is None and "M-RoPE" not in str(told("llama-2-7b"))


# --- layers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama-4-scout", "smollm3-3b"])
def test_layers_without_position_code(name):
    wanted = [i for i, turns in enumerate(theirs(name).no_rope_layers) if not turns]
    explained = told(name).to_dict()
    assert explained["unturned_layers"] == wanted and wanted[:2] == [3, 7]
    assert explained["rotations"][0]["layers"] == [i for i in range(explained["num_layers"]) if i not in wanted]


@pytest.mark.parametrize("model_type", ["cohere2", "exaone4"])
def test_full_attention_without_position_code(model_type):
    made = AutoConfig.for_model(model_type, num_hidden_layers=8, sliding_window=64)
    given = {
        "model_type": model_type, "num_hidden_layers": 8, "sliding_window": 64, "layer_types": made.layer_types,
        "hidden_size": 64, "num_attention_heads": 2, "rope_theta": 1e4, "max_position_embeddings": 256,
    }  # fmt: skip
    assert frequencies.explain(given).unturned_layers == tuple(
        i for i, kind in enumerate(made.layer_types) if kind == "full_attention"
    ) != ()  # fmt: skip


@pytest.mark.parametrize("name", ["gemma-3-12b", "gemma-4-e2b"])
def test_kinds_of_layers(name):
    made, explained = theirs(name), told(name).to_dict()
    assert {turned["layer_type"] for turned in explained["rotations"]} == set(made.layer_types)
    for turned in explained["rotations"]:
        assert turned["layers"] == [i for i, kind in enumerate(made.layer_types) if kind == turned["layer_type"]]
        assert turned["base"] == made.rope_parameters[turned["layer_type"]]["rope_theta"]
        slides = turned["layer_type"] == "sliding_attention"
        assert turned["window"] == (made.sliding_window if slides else None)
        assert turned["windowed_layers"] == (turned["layers"] if slides else [])


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("gpt-oss-20b", "sliding_attention", "sliding_window"),
        ("llama-4-scout", "chunked_attention", "attention_chunk_size"),
    ],
)
def test_layers_that_look_back_a_little(name, kind, key):
    made, turned = theirs(name), rotation(name)
    assert turned["windowed_layers"] == [i for i, listed in enumerate(made.layer_types) if listed == kind] != []
    assert turned["window"] == getattr(made, key)
    said = {"gpt-oss-20b": "all 24; in 0, 2, …, 22", "llama-4-scout": "(36 of 48); in each"}[name]
    said += f" a token sees at most {turned['window']} tokens, itself included"
    assert said in " ".join(str(told(name)).split())


def test_a_window_that_reaches_both_ways_is_not_told_as_one_that_looks_back():
    """transformers then takes half of sliding_window on either side, as in Gemma 3's embedding model."""
    both = frequencies.explain({**config("gemma-3-12b"), "use_bidirectional_attention": True})
    assert all(turned.window is None and not turned.windowed for turned in both.rotations)
    one = frequencies.explain({**config("gemma-3-12b"), "use_bidirectional_attention": False})
    assert [turned.window for turned in one.rotations] == [None, 1024]


def test_layers_that_turn_nothing_are_left_out():
    """Qwen3-Next's linear attention has no queries and keys; a null among rope parameters is no rotation."""
    made = AutoConfig.for_model("qwen3_next", num_hidden_layers=8)
    given = {
        "model_type": "qwen3_next", "num_hidden_layers": 8, "layer_types": made.layer_types, "head_dim": 16,
        "rope_theta": 1e4, "partial_rotary_factor": 0.25, "max_position_embeddings": 64,
    }  # fmt: skip
    assert frequencies.explain(given).rotations[0].layers == (3, 7)
    nested = {"full_attention": None, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    kinds = ["sliding_attention", "full_attention"] * 2
    given = {**config("llama-2-7b"), "rope_theta": None, "rope_parameters": nested, "layer_types": kinds}
    explained = frequencies.explain({**given, "num_hidden_layers": 4})
    assert explained.unturned_layers == (1, 3) and explained.rotations[0].layers == (0, 2)
    assert "0, 2 (2 of 4); the other 2 have no position code (NoPE)" in str(explained)


def test_layers_that_the_configuration_does_not_list():
    given = {**config("llama-2-7b"), "model_type": "cohere2", "sliding_window": 64}
    assert frequencies.explain(given).rotations[0].layers is None
    assert "layers            not listed" in str(frequencies.explain(given))
    given = {key: value for key, value in config("llama-2-7b").items() if key != "num_hidden_layers"}
    assert frequencies.explain(given).rotations[0].layers is None


def test_proportional_leaves_slow_pairs_unturned():
    full = next(t for t in told("gemma-4-e2b").to_dict()["rotations"] if t["layer_type"] == "full_attention")
    assert full["unturned"] == list(range(64, 256)) and full["head_dim"] == 512
    assert "512 dimensions, 128 turn: 64 pairs" in str(told("gemma-4-e2b"))


# --- with length ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "factors"), [(4096, "short_factor"), (4097, "long_factor")])
def test_longrope_switches_past_the_original_length(length, factors):
    turned = rotation("phi-3.5-mini", length=length)
    wanted = np.array(config("phi-3.5-mini")["rope_scaling"][factors]) * 10000.0 ** (np.arange(48) / 48)
    np.testing.assert_allclose(turned["frequencies"], 1 / wanted, rtol=1e-12)
    assert turned["length_dependent"] is True and turned["length"] == length


def test_dynamic_grows_its_base():
    """At four times the length and factor 2: base · (2·4 − 1)^(d/(d−2)), Peng et al. (2023), appendix B.2."""
    given = {**config("llama-2-7b"), "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}
    assert frequencies.explain(given).to_dict()["rotations"][0]["kept"] == list(range(64))
    turned = frequencies.explain(given, length=16384).to_dict()["rotations"][0]
    base = 10000.0 * 7 ** (128 / 126)
    np.testing.assert_allclose(turned["frequencies"], base ** (-np.arange(64) / 64), rtol=1e-12)
    assert (turned["kept"], turned["rescaled"]) == ([0], list(range(1, 64)))
    said = " ".join(str(frequencies.explain(given, length=16384)).split())
    assert "beyond 4096 positions the base grows" in said and "Shown: 16384 positions." in said


def test_hunyuans_alpha_fixes_the_scaling():
    given = {**config("llama-2-7b"), "model_type": "hunyuan_v1_dense",
             "rope_scaling": {"type": "dynamic", "alpha": 1000.0, "factor": 1.0}}  # fmt: skip
    explained = frequencies.explain(given, length=8192)
    facts = explained.to_dict()["rotations"][0]
    assert (facts["kept"], facts["rescaled"], facts["factor"]) == ([0], list(range(1, 64)), None)
    assert "rule              dynamic, alpha 1000\n" in str(explained) and "with length       nothing" in str(explained)


def test_other_rules_do_not_change_with_length():
    assert str(told("llama-3.1-8b", length=100000)) == str(told("llama-3.1-8b"))
    assert "with length       nothing changes" in str(told("llama-3.1-8b"))


# --- codes that are not RoPE ----------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, 2, 3, 8, 12, 32, 71, 112, 128])
def test_alibis_slopes(heads):
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

    bloom = build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)[:, 0, 1]
    mpt = -build_mpt_alibi_tensor(heads, 2)[:, 0, 0]
    for given, slopes in [
        ({"model_type": "bloom", "n_head": heads}, bloom),
        ({"model_type": "mpt", "n_heads": heads, "attn_config": {"alibi": True}}, mpt),
        ({"model_type": "falcon", "num_attention_heads": heads, "alibi": True}, bloom),
    ]:
        explained = frequencies.explain(given)
        assert explained.kind == "alibi" and explained.details["heads"] == heads
        assert explained.details["steepest_slope"] == pytest.approx(slopes.max().item(), rel=1e-6)
        assert explained.details["flattest_slope"] == pytest.approx(slopes.min().item(), rel=1e-6)
        assert any("power of two" in note for note in explained.notes) == (heads not in (1, 2, 8, 32, 128))


def test_t5s_table_is_transformers():
    from transformers import T5Config, T5Model

    made = T5Config(**{k: v for k, v in config("t5-small").items() if not k.startswith("_")}, vocab_size=8, d_ff=8)
    with torch.device("meta"):
        model = T5Model(made)
    tables = {name: tuple(p.shape) for name, p in model.named_parameters() if "relative_attention_bias" in name}
    assert set(tables.values()) == {(32, 8)} and all(".block.0." in name for name in tables) and len(tables) == 2
    explained = told("t5-small")
    assert explained.kind == "t5" and explained.details == {"heads": 8, "buckets": 32, "max_distance": 128}
    assert "shape (32, 8)" in explained.notes[0] and "the first layer of encoder and of decoder" in explained.notes[0]
    assert "begins at distance 91 (encoder) or 113 (decoder);" in explained.notes[2]
    umt5 = frequencies.explain({"model_type": "umt5", "num_heads": 6, "relative_attention_num_buckets": 16})
    assert "shape (16, 6)" in umt5.notes[0] and "each layer has its own" in umt5.notes[0]


@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (31, 128), (8, 20), (32, 16), (3, 128), (2, 128), (1, 9)])
def test_where_t5s_last_bucket_begins(buckets, farthest):
    """As transformers buckets; where its formula has no last bucket, nothing is told."""
    from transformers.models.t5.modeling_t5 import T5Attention

    keys = {"relative_attention_num_buckets": buckets, "relative_attention_max_distance": farthest}
    said = " ".join(frequencies.explain({"model_type": "t5", "num_heads": 8, **keys}).notes)
    for both, who, share in ((True, "encoder", buckets // 2), (False, "decoder", buckets)):
        found = re.search(rf"(\d+) \({who}\)", said)
        assert bool(found) == (share >= 2 and share // 2 < farthest)
        if found:
            distances = -torch.arange(2 * farthest)
            theirs = T5Attention._relative_position_bucket(distances, both, buckets, farthest).tolist()
            assert theirs[-1] == share - 1 and theirs.index(share - 1) == int(found[1])


@pytest.mark.parametrize(
    ("model_type", "keys", "table", "first"),
    [("gpt2", {"n_positions": 24}, "wpe", 0), ("bert", {}, "position_embeddings", 0), ("opt", {}, "embed_positions", 2),
     ("roberta", {}, "position_embeddings", 2)],
)  # fmt: skip
def test_learned_tables_are_transformers(model_type, keys, table, first):
    from transformers import AutoModel

    given = {"hidden_size": 12, "num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 24, **keys}
    if model_type == "opt":
        given["word_embed_proj_dim"] = 12
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **given))
    [rows] = [p.shape[0] for name, p in model.named_parameters() if table in name]
    explained = frequencies.explain({"model_type": model_type, **given})
    assert explained.kind == "learned"
    assert explained.details == {"positions": rows - first, "width": 12, "first_row": first}
    assert f"none for position {rows - first} and later" in explained.notes[0]


def test_gpt2_and_whisper():
    assert told("gpt2").details == {"positions": 1024, "width": 768, "first_row": 0}
    whisper = told("whisper-tiny")
    assert whisper.kind == "sinusoidal"
    assert whisper.details == {"encoder_positions": 1500, "decoder_positions": 448, "width": 384}
    assert whisper.notes[-1] == "The decoder adds a learned vector for each of 448 tokens."


def test_pairs_that_never_turn_are_divided_by_nothing():
    scaling = {"type": "proportional", "factor": 2.0}
    with np.errstate(all="raise"):  # 0 / 0 is no factor
        given = {**config("llama-2-7b"), "rope_scaling": scaling, "partial_rotary_factor": 0.25}
        said = str(frequencies.explain(given))
    assert "divided by 2      pairs 0–15 (16)\n  do not turn       pairs 16–63 (48)" in said


def test_whispers_encoder_has_all_sines_first():
    from transformers.models.whisper.modeling_whisper import sinusoids

    assert sinusoids(2, 6)[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert "all sines first, then all cosines" in told("whisper-tiny").notes[0]


@pytest.mark.parametrize("model_type", ["mamba", "jamba", "rwkv"])
def test_none(model_type):
    explained = frequencies.explain({"model_type": model_type, "num_hidden_layers": 4})
    assert explained.kind == "none" and len(explained.notes) == 1 and "no position code" in str(explained)


# --- text -----------------------------------------------------------------------------------------------------

LLAMA = """\
llama: rotary positions (RoPE)

  layers            all 32
  rule              llama3, factor 8
  layout            half: dimension i turns with dimension i + 64
  head              128 dimensions, all turn: 64 pairs
  base              500000
  training length   8192 positions, extended to 131072
  full turns in it  pairs 0–34 (35 of 64)
  kept              pairs 0–28 (29)
  blended           pairs 29–34 (6)
  divided by 8      pairs 35–63 (29)
  attention factor  1, as this rule has none
  longest wave      2.56 million positions per turn; 20.5 million after scaling
  with length       nothing changes"""

GEMMA = """\
gemma3_text: rotary positions (RoPE)

  full_attention
  layers            5, 11, …, 47 (8 of 48)
  rule              linear, factor 8
  layout            half: dimension i turns with dimension i + 128
  head              256 dimensions, all turn: 128 pairs
  base              1000000
  training length   at most 131072 positions, for the original length is not
                    given
  full turns in it  pairs 0–92 (93 of 128)
  divided by 8      pairs 0–127 (128)
  attention factor  1, as this rule has none
  longest wave      5.64 million positions per turn; 45.1 million after scaling
  with length       nothing changes

  sliding_attention
  layers            all but 5, 11, …, 47 (40 of 48); in each a token sees at
                    most 1024 tokens, itself included
  rule              default, no scaling
  layout            half: dimension i turns with dimension i + 128
  head              256 dimensions, all turn: 128 pairs
  base              10000
  training length   131072 positions
  full turns in it  pairs 0–127 (128 of 128)
  attention factor  1, as this rule has none
  longest wave      58469.6 positions per turn
  with length       nothing changes"""


BLOOM = """\
bloom: attention with linear biases (ALiBi)

  heads             112
  steepest slope    0.957603
  flattest slope    0.00390625
  layers            70
  training length   2048 positions

  - Nothing is added to embeddings, and nothing is trained: each head lowers a
    logit by slope · distance.
  - 112 heads are no power of two: they take the 64 slopes of 64 heads and
    every second one of 128 heads."""

GPT2 = """\
gpt2: learned absolute positions

  positions         1024
  width             768
  first row used    0
  layers            12

  - A trained vector per position is added to the token's: there is none for
    position 1024 and later."""


@pytest.mark.parametrize(
    ("name", "wanted"), [("llama-3.1-8b", LLAMA), ("gemma-3-12b", GEMMA), ("bloom-176b", BLOOM), ("gpt2", GPT2)]
)
def test_text(name, wanted):
    assert str(told(name)) == wanted == repr(told(name))


@pytest.mark.parametrize("name", NAMES)
def test_text_is_narrow_and_short(name):
    lines = str(told(name)).splitlines()
    assert max(map(len, lines)) < 80 and len(lines) <= 45
    assert not any(line != line.rstrip() for line in lines)


def test_numbers_are_written_as_people_do():
    assert [number(x) for x in (0, 8.0, 1.25, 999999, 1e6, 1234567, 1e9, 2.5e11, 1e12, math.inf)] == [
        "0", "8", "1.25", "999999", "1 million", "1.23 million", "1 billion", "250 billion", "1e+12", "infinite",
    ]  # fmt: skip
    assert [exact(x) for x in (500000.0, 11158840.0, 0.707, 8)] == ["500000", "11158840", "0.707", "8"]


def test_no_digit_of_the_base_is_lost():
    given = {**config("llama-2-7b"), "rope_theta": 11158840.0}
    assert "base              11158840\n" in str(frequencies.explain(given))


def test_runs():
    assert [runs(i) for i in ([], [4], [4, 5], [0, 2, 4], [0, 2, 4, 6], [0, 1, 5, 7, 8])] == [
        "none", "4", "4–5", "0, 2, 4", "0, 2, …, 6", "0–1, 5, 7–8",
    ]  # fmt: skip
    assert [some_of(i, 8) for i in ([], range(8), [0, 1, 3, 4, 6, 7], [5])] == ["none", "all 8", "all but 2, 5", "5"]


# --- HTML and picture -----------------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    """Every tag with its attributes, and whether all that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", NAMES)
def test_html_is_one_fragment_that_fetches_and_runs_nothing(name):
    fragment = told(name)._repr_html_()
    tags = Tags(fragment)
    assert tags.open == [] and tags.seen[0] == ("div", {"class": "posenc-explain"})
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object", "a"}
    names = {key for _, attributes in tags.seen for key in attributes}
    assert not {key for key in names if key.startswith("on") or key in ("href", "src", "id", "style")}
    assert "url(" not in fragment and fragment.replace('xmlns="http://www.w3.org/2000/svg"', "").count("http") == 0
    rules = re.search("<style>(.*)</style>", fragment).group(1)
    selectors = re.sub(r"\{[^}]*\}", "\n", rules).replace(",", "\n").split("\n")
    assert all(selector.startswith(".posenc-explain") for selector in selectors if selector)
    for _, sentence in re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', fragment):
        assert html.unescape(sentence) in " ".join(str(told(name)).split())
    assert len([tag for tag, _ in tags.seen if tag == "svg"]) == len(told(name).rotations)


def test_html_shows_no_configurations_markup():
    explained = frequencies.explain({**config("llama-2-7b"), "model_type": "<b>llama</b>"})
    assert "<b>" not in explained._repr_html_() and "&lt;b&gt;" in explained._repr_html_()


def pictures(name, **keywords):
    found = re.findall("<svg.*?</svg>", told(name, **keywords)._repr_html_(), flags=re.DOTALL)
    return [ET.fromstring(text.replace('xmlns="http://www.w3.org/2000/svg"', "")) for text in found]


@pytest.mark.parametrize("name", ROTARY)
def test_picture_is_accessible(name):
    for drawn, turned in zip(pictures(name), told(name).to_dict()["rotations"], strict=True):
        assert drawn.get("role") == "img" and drawn.get("aria-label") == drawn[0].text
        assert [child.tag for child in drawn][:2] == ["title", "desc"]
        for effect, word in [("kept", "Kept"), ("blended", "Blended"), ("divided", "Divided")]:
            sentence = f"{word}: pairs {runs(turned[effect])}."
            assert (sentence in drawn[1].text) == bool(turned[effect])


def height(drawn):
    """The wavelength that lies at this height of the picture, read off the axis as a reader would."""
    ticks = {}
    for text in drawn.iter("text"):
        power = text.find("tspan")
        if text.get("text-anchor") == "end" and (power is not None or text.text == "1"):
            ticks[0 if power is None else int(power.text)] = float(text.get("y")) - 4
    low, high = min(ticks), max(ticks)
    slope = (high - low) / (ticks[high] - ticks[low])
    assert len(ticks) > 2 and low == 0
    return lambda y: 10 ** (low + (y - ticks[low]) * slope)


@pytest.mark.parametrize("name", ROTARY)
def test_picture_shows_the_wavelengths_and_lengths(name):
    for drawn, turned in zip(pictures(name), told(name).to_dict()["rotations"], strict=True):
        at = height(drawn)
        marks = [mark for mark in drawn.iter("g") if mark.get("class")]
        places = [tuple(map(float, re.findall(r"[\d.]+", mark.get("transform")))) for mark in marks]
        assert [mark.get("class") for mark in marks] == [
            next(effect for effect in EFFECTS if pair in turned[effect]) for pair in range(len(turned["frequencies"]))
        ]
        assert np.allclose(np.diff([x for x, _ in places]), places[1][0] - places[0][0], atol=0.11)
        for (_, y), frequency in zip(places, turned["frequencies"], strict=True):
            if frequency:
                assert at(y) == pytest.approx(2 * math.pi / frequency, rel=0.02)
        for kind, length in [("training", turned["trained_length"]), ("extended", told(name).max_length)]:
            for line in drawn.iter("path"):
                if line.get("class") == kind:
                    y = float(re.match(r"M[\d.]+ ([\d.]+)H", line.get("d")).group(1))
                    assert at(y) == pytest.approx(length, rel=0.02)
        kinds = {line.get("class") for line in drawn.iter("path") if line.get("class")}
        extended = told(name).max_length != turned["trained_length"]
        assert kinds == ({"training", "extended"} if extended else {"training"})


def test_pictures_line_is_the_ladder_before_scaling():
    for name in ROTARY:
        for drawn, turned in zip(pictures(name), told(name).to_dict()["rotations"], strict=True):
            lines = list(drawn.iter("polyline"))
            assert bool(lines) == any(turned[effect] for effect in ("blended", "divided", "rescaled"))
            for line in lines:
                at, points = height(drawn), [tuple(map(float, p.split(","))) for p in line.get("points").split()]
                for (_, y), frequency in zip(points, turned["unscaled_frequencies"], strict=True):
                    assert at(y) == pytest.approx(2 * math.pi / frequency, rel=0.02)


def test_marks_differ_in_shape_and_stand_out_in_light_and_dark():
    from posenc_lib.frequencies._explain._picture import _MARKS

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert set(_MARKS) == set(EFFECTS)
    assert len({shape for shape, _, _ in _MARKS.values()}) == len({colour for _, colour, _ in _MARKS.values()}) == 5
    for _, colour, _ in _MARKS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # on white
        assert (luminance(colour) + 0.05) / (luminance("#121212") + 0.05) >= 3  # on a notebook's dark


# --- JSON -----------------------------------------------------------------------------------------------------

ROTATION_KEYS = {
    "layer_type", "layers", "window", "windowed_layers", "rope_type", "factor", "layout", "head_dim", "rotary_dim",
    "base", "frequencies", "unscaled_frequencies", "trained_length", "full_turns", *EFFECTS, "attention_factor",
    "attention_factor_source", "length_dependent", "length", "sections", "interleaved_sections",
}  # fmt: skip
KEYS = {"model_type", "kind", "num_layers", "max_length", "unturned_layers", "rotations", "notes"}


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_plain_types_under_keys_that_stay(name):
    facts = told(name).to_dict()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert set(facts) == KEYS | set(told(name).details)
    assert all(set(turned) == ROTATION_KEYS for turned in facts["rotations"])
    assert facts["num_layers"] is not None
    assert (facts["max_length"] is None) == (name == "whisper-tiny")


# --- what it takes and what it refuses ------------------------------------------------------------------------


def test_a_dict_a_string_and_a_path_are_told_alike():
    path = CONFIGS / "qwen3-vl-4b.json"
    facts = frequencies.explain(path).to_dict()
    assert frequencies.explain(str(path)).to_dict() == frequencies.explain(config(path.stem)).to_dict() == facts
    assert facts["model_type"] == "qwen3_vl_text"


def refusal(kind, *arguments, **keywords):
    with pytest.raises(kind) as refused:
        frequencies.explain(*arguments, **keywords)
    return str(refused.value)


def test_refusals(tmp_path):
    assert refusal(TypeError, 3).startswith("frequencies.explain: config must be a dict or the path of a config.json")
    llama = config("llama-2-7b")
    assert refusal(ValueError, llama, length=0) == "frequencies.explain: length must be at least 1, got 0."
    assert refusal(TypeError, llama, length=2.5) == "frequencies.explain: length must be an integer, got 2.5 (float)."
    assert refusal(ValueError, {"model_type": "bloom"}) == (
        "frequencies.explain: ALiBi needs the number of heads, a positive integer under one of the keys "
        "num_attention_heads, n_head, n_heads, num_heads; the configuration of model_type 'bloom' has none."
    )
    assert "position_embedding_type is 'relative_key'" in refusal(
        ValueError, {"model_type": "bert", "max_position_embeddings": 8, "position_embedding_type": "relative_key"}
    )
    assert refusal(ValueError, {**config("smollm3-3b"), "no_rope_layers": [], "no_rope_layer_interval": 0}) == (
        "frequencies.explain: no_rope_layer_interval must be a whole number, 1 or more; got 0."
    )
    assert refusal(ValueError, {**config("gemma-3-12b"), "sliding_window_pattern": 0}) == (
        "frequencies.explain: sliding_window_pattern must be a whole number, 1 or more; got 0."
    )
    listed = tmp_path / "list.json"
    listed.write_text("[1]")
    assert refusal(ValueError, listed) == (
        f"frequencies.explain: {listed} holds a JSON list; expected an object with keys."
    )
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert refusal(ValueError, broken).startswith(f"frequencies.explain: {broken} is no JSON file: ")
    with pytest.raises(FileNotFoundError):
        frequencies.explain(tmp_path / "none.json")


def test_what_from_hf_config_refuses_is_refused():
    assert "nonsense" in refusal(ValueError, {**config("llama-2-7b"), "rope_scaling": {"rope_type": "nonsense"}})
    without = {key: value for key, value in config("llama-2-7b").items() if key != "rope_theta"}
    assert "rope_theta" in refusal(ValueError, without)
    assert str(frequencies.explain(without, base=10000.0)) == str(told("llama-2-7b"))
    assert "contradictory" in refusal(ValueError, config("llama-2-7b"), base=20000.0)


@pytest.mark.parametrize("model_type", ["gptj", "codegen"])
def test_a_base_that_the_models_code_fixes_is_told(model_type):
    module = importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    sine = module.create_sinusoidal_positions(2, 64)[1, :32]  # of the angles at position 1
    explained = frequencies.explain({**config("gpt-j-6b"), "model_type": model_type})
    np.testing.assert_allclose(explained.rotations[0].spec.frequencies, torch.asin(sine), rtol=2e-6, atol=1e-7)
    assert explained.notes == ("The configuration has no base: the model's code fixes it at 10000.",)


# --- the command line -----------------------------------------------------------------------------------------


def command(*arguments, encoding="utf-8"):
    result = subprocess.run(
        [sys.executable, "-m", "posenc_lib", *map(str, arguments)], capture_output=True, text=True, timeout=60,
        env={"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    return result.returncode, result.stdout, result.stderr


PHI = CONFIGS / "phi-3.5-mini.json"


def test_command_on_a_terminal_that_lacks_a_sign():
    said = str(told(PHI.stem)).encode("ascii", errors="replace").decode()
    assert command("explain", PHI, encoding="ascii") == (0, f"{said}\n", "") and "0?33" in said


def test_command_takes_a_base(tmp_path):
    path = tmp_path / "config.json"
    given = config("llama-2-7b")
    path.write_text(json.dumps({key: value for key, value in given.items() if key != "rope_theta"}))
    assert command("explain", path)[0] == 1
    assert command("explain", path, "--base", "10000") == (0, f"{frequencies.explain(given)}\n", "")


def test_command_tells_text_json_and_html():
    assert command("explain", PHI) == (0, f"{told(PHI.stem)}\n", "")
    code, out, err = command("explain", PHI, "--json", "--length", "8192")
    assert (code, err) == (0, "") and json.loads(out) == told(PHI.stem, length=8192).to_dict()
    assert command("explain", PHI, "--html") == (0, told(PHI.stem)._repr_html_() + "\n", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory: "),
        ("{", "is no JSON file: "),
        ('{"model_type": "bloom"}', "ALiBi needs the number of heads"),
        (json.dumps({**config("llama-2-7b"), "rope_scaling": {"type": "nonsense"}}), "nonsense"),
        ("\x80", "is no JSON file: "),
    ],
)  # fmt: skip
def test_command_fails_with_one_line(content, said, tmp_path):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    code, out, err = command("explain", path)
    assert (code, out) == (1, "")
    assert said in err and err.startswith("posenc_lib: ") and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [(), ("explain",), ("explain", PHI, "--json", "--html"), ("explain", PHI, "--length", "x")]
)
def test_command_shows_its_usage(arguments):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "") and err.startswith("usage: python -m posenc_lib") and "Traceback" not in err


def test_an_mpt_without_alibi_is_not_guessed_at():
    config = {"model_type": "mpt", "n_heads": 8, "d_model": 64, "max_seq_len": 512, "attn_config": {"alibi": False}}
    with pytest.raises(ValueError, match=r"^frequencies\.explain: attn_config switches ALiBi off"):
        frequencies.explain(config)
    assert frequencies.explain({**config, "attn_config": {"alibi": True}}).kind == "alibi"


# --- single words ---------------------------------------------------------------------------------------------


def row(explanation, label):
    """What a row of the text says, in one line."""
    lines = " ".join(str(explanation).splitlines())
    return re.search(rf"  {re.escape(label)} +(.*?)(?:  |$)", re.sub(r" {19,}", " ", lines))[1].strip()


def test_a_line_breaks_between_words_alone():
    start, word = "  label             ", "x" * 40 + "-" + "y" * 40
    assert _wrapped(start, f"one {word} two") == [f"{start}one", f"{' ' * 20}{word}", f"{' ' * 20}two"]
    pair = "twenty-letters-" * 3
    assert _wrapped(start, f"{pair} {pair}") == [f"{start}{pair}", f"{' ' * 20}{pair}"]


MPT = {"model_type": "mpt", "n_heads": 8, "d_model": 64, "max_seq_len": 512}


@pytest.mark.parametrize(
    ("attention", "steepness"),
    [({}, 8), ({"alibi_bias_max": 4}, 4), ({"alibi": True, "alibi_bias_max": 16}, 16), (None, 8)],
)
def test_mpts_steepness(attention, steepness):
    details = frequencies.explain({**MPT, "attn_config": attention}).details
    assert (details["steepest_slope"], details["flattest_slope"]) == (2.0 ** (-steepness / 8), 2.0**-steepness)


def test_mpts_learned_positions_are_said_to_be_left_out():
    note = "learned_pos_emb is true, but with ALiBi the model adds no learned positions."
    assert note in frequencies.explain({**MPT, "learned_pos_emb": True}).notes
    assert note not in frequencies.explain({**MPT, "learned_pos_emb": False}).notes
    assert note not in frequencies.explain(MPT).notes


def test_what_t5_and_whisper_leave_out_is_their_default():
    """As transformers' T5Config and WhisperConfig have it."""
    t5 = AutoConfig.for_model("t5")
    details = frequencies.explain({"model_type": "t5", "num_heads": 8}).details
    assert details["buckets"] == t5.relative_attention_num_buckets
    assert details["max_distance"] == t5.relative_attention_max_distance
    whisper = AutoConfig.for_model("whisper")
    details = frequencies.explain({"model_type": "whisper", "d_model": 64}).details
    assert details["encoder_positions"] == whisper.max_source_positions
    assert details["decoder_positions"] == whisper.max_target_positions
    given = {"model_type": "whisper", "d_model": 64, "max_source_positions": 7, "max_target_positions": 5}
    assert list(frequencies.explain(given).details.values()) == [7, 5, 64]
    said = frequencies.explain({"model_type": "t5", "num_heads": 8, "n_positions": 512})
    assert row(said, "training length") == "512 positions"
    assert said.notes[1] == (
        "The encoder halves the buckets for keys before and after; the decoder gives all to keys before."
    )


def llama(**keys):
    return frequencies.explain({**config("llama-2-7b"), **keys})


def test_a_model_without_a_type_and_a_factor_of_2():
    nameless = {"hidden_size": 64, "num_attention_heads": 8, "rope_theta": 1e4, "max_position_embeddings": 128}
    assert str(frequencies.explain(nameless)).startswith("model: rotary positions (RoPE)\n")
    halved = llama(rope_scaling={"rope_type": "linear", "factor": 2.0})
    assert row(halved, "rule") == "linear, factor 2" and row(halved, "divided by 2") == "pairs 0–63 (64)"
    assert row(halved, "training length") == "at most 4096 positions, for the original length is not given"
    plain = llama(rope_scaling={"rope_type": "linear", "factor": 1.0})
    assert row(plain, "rule") == "linear" and row(plain, "training length") == "4096 positions"


def test_no_full_turn_and_two_axes():
    assert row(llama(max_position_embeddings=4), "full turns in it") == "none (0 of 64)"
    two = {"model_type": "qwen2_vl_text", "rope_scaling": {"rope_type": "default", "mrope_section": [40, 24]}}
    assert row(llama(**two), "axes") == "pairs in blocks, turned by height (40), width (24)"
    three = {"model_type": "qwen2_vl_text", "rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20]}}
    assert row(llama(**three), "axes") == "pairs in blocks, turned by time (24), height (20), width (20)"
    four = {"rope_type": "default", "mrope_section": [16] * 4}
    assert "axis 0 (16), axis 1 (16), axis 2 (16), axis 3 (16)" in row(llama(rope_scaling=four), "axes")


def test_whose_attention_factor_it_is():
    phi = config("phi-3.5-mini")
    scaling = {**phi["rope_scaling"], "short_mscale": 1.1, "long_mscale": 1.2}
    said = row(frequencies.explain({**phi, "rope_scaling": scaling}), "attention factor")
    assert said == "1.1, as the configuration's short_mscale and long_mscale say"
    assert row(frequencies.explain(phi), "attention factor").endswith("√(1 + ln 32 / ln 4096)")
    assert row(llama(), "attention factor") == "1, as this rule has none"
