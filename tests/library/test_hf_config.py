"""What from_hf_config reads, key by key, what it refuses, and with which words. Numbers are test_hf_oracle's."""

import json
import pathlib

import numpy as np
import pytest

from posenc_lib import frequencies

LLAMA = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 4096}
OPERATION = "frequencies.from_hf_config: "


def read(*parts, **options):
    config = {}
    for part in parts:
        config |= part
    return frequencies.from_hf_config(config, **options)


def refusal_of(*parts, error=ValueError, **options):
    with pytest.raises(error) as refusal:
        read(*parts, **options)
    text = str(refusal.value)
    assert text.startswith(OPERATION)
    return text.removeprefix(OPERATION)


def scaled(**parameters):
    return {**LLAMA, "rope_theta": 1e4, "rope_scaling": parameters}


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}


def test_a_dict_a_string_and_a_path(tmp_path):
    path = tmp_path / "config.json"
    config = {**LLAMA, "rope_theta": 5e5}
    path.write_text(json.dumps(config))
    for given in (config, str(path), path):
        spec = frequencies.from_hf_config(given)
        assert (spec.model_type, spec.rope_type, spec.layout) == ("llama", "default", "half")
        assert (spec.head_dim, spec.rotary_dim, spec.base, spec.max_length) == (8, 8, 5e5, 4096)
        assert (spec.attention_factor, spec.original_length, spec.length_dependent) == (1.0, None, False)
        assert spec.sections is None and spec.interleaved_sections is False and spec.layer_type is None
        assert spec.notes == () and np.array_equal(spec.frequencies, frequencies.rope(8, base=5e5))
        assert dict(spec.parameters) == {"rope_type": "default", "rope_theta": 5e5}
        assert frequencies.hf_layer_types(given) == [None]


def test_what_is_no_configuration(tmp_path):
    with pytest.raises(TypeError) as refusal:
        frequencies.from_hf_config(object())
    assert str(refusal.value) == OPERATION + (
        "config must be a dict or the path of a config.json, got a object. A configuration object of transformers "
        "gives its dict by .to_dict()."
    )
    with pytest.raises(TypeError, match=r"^frequencies.hf_layer_types: config must be a dict"):
        frequencies.hf_layer_types(None)
    path = tmp_path / "config.json"
    path.write_text("[1]")
    with pytest.raises(ValueError) as refusal:
        frequencies.from_hf_config(path)
    assert str(refusal.value) == f"{OPERATION}{path} holds a JSON list; expected an object with keys."
    with pytest.raises(FileNotFoundError):
        frequencies.from_hf_config(tmp_path / "none.json")


def test_a_spec_cannot_be_changed():
    spec = read(LLAMA, {"rope_theta": 1e4})
    with pytest.raises(ValueError, match="read-only"):
        spec.frequencies[0] = 2
    with pytest.raises(AttributeError):
        spec.base = 2
    with pytest.raises(TypeError):
        spec.parameters["rope_theta"] = 2


def test_the_callers_array_stays_writable():
    given = np.ones(2)
    frequencies.RotarySpec("llama", "default", "half", 4, 4, 1e4, given)
    given[0] = 2


# The base.


@pytest.mark.parametrize(
    "keys",
    [
        {"rope_theta": 5e5},
        {"rope_theta": 500000},
        {"rotary_emb_base": 5e5},
        {"rope_parameters": {"rope_theta": 5e5}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "rope_theta": 500000},
        {"rope_theta": 5e5, "rope_scaling": None, "rope_parameters": None},
        {"rope_theta": 5e5, "rope_scaling": {}},
    ],
)
def test_where_the_base_may_stand(keys):
    assert read(LLAMA, keys).base == 5e5
    assert read(LLAMA, keys, base=5e5).base == 5e5
    assert "the argument base is 10000" in refusal_of(LLAMA, keys, base=1e4)


def test_base_stands_in():
    assert read(LLAMA, base=1e4).base == 1e4
    assert refusal_of(LLAMA, base=True, error=TypeError) == "base must be a number, got True (bool)."
    assert "base must be finite and at least 1" in refusal_of(LLAMA, base=0.5)
    assert "base must be finite and at least 1" in refusal_of(LLAMA, {"rope_theta": 0.5})


def test_no_base():
    for family, assumed in (("llama", "10000"), ("qwen2_vl_text", "1e+06"), ("gptj", "10000")):
        assert refusal_of(LLAMA, {"model_type": family}) == (
            f"the configuration has no base (rope_theta). transformers would assume {assumed} for model_type "
            f"{family!r}, in silence; if the model was trained with that, give base={assumed}."
        )
    assert "would assume 1e+06" in refusal_of(
        LLAMA, {"model_type": "gemma3_text", "rope_local_base_freq": 1e4}, layer_type="full_attention"
    )
    for family in ("bert", None):
        assert refusal_of(LLAMA, {"model_type": family}) == (
            f"the configuration has no base (rope_theta), and model_type {family!r} is not known to have a rotary "
            "embedding. If it has one, look its base up in the model's code and give it as base=."
        )


def test_two_bases():
    assert refusal_of(LLAMA, {"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}}) == (
        "the base is contradictory: rope_theta is 10000, rope_parameters' rope_theta is 500000."
    )
    assert refusal_of(LLAMA, {"rope_theta": 1e4, "rotary_emb_base": 5e5}) == (
        "the base is contradictory: rope_theta is 10000, rotary_emb_base is 500000."
    )
    assert refusal_of(LLAMA, {"rope_theta": "1e4"}) == "rope_theta must be a finite number, got '1e4'."
    assert refusal_of(LLAMA, {"rope_theta": True}) == "rope_theta must be a finite number, got True."
    assert refusal_of(LLAMA, {"rope_theta": float("nan")}) == "rope_theta must be a finite number, got nan."


# Types and keys.


@pytest.mark.parametrize("keys", [("type",), ("rope_type",), ("type", "rope_type")])
@pytest.mark.parametrize("outer", ["rope_scaling", "rope_parameters"])
def test_names_of_the_type(keys, outer):
    parameters = {"factor": 4, **dict.fromkeys(keys, "linear")}
    spec = read(LLAMA, {"rope_theta": 1e4, outer: parameters})
    assert spec.rope_type == "linear" and np.array_equal(spec.frequencies, frequencies.rope(8, base=1e4) / 4)
    assert dict(spec.parameters) == {"rope_type": "linear", "rope_theta": 1e4, "factor": 4}


def test_two_types():
    assert refusal_of(scaled(type="linear", rope_type="dynamic", factor=2)) == (
        "rope_type is 'dynamic' and type is 'linear'. type is the old name of rope_type: leave it out."
    )
    assert read(scaled(type="mrope", rope_type="default")).rope_type == "default"  # Qwen2-VL, saved again
    assert read(scaled(rope_type=None)).rope_type == "default"


def test_a_type_that_is_not_known():
    assert refusal_of(scaled(rope_type="ntk", factor=2)) == (
        "rope_type must be one of default, axial, linear, dynamic, proportional, yarn, longrope, llama3; got 'ntk'."
    )


def test_a_key_that_is_not_known():
    assert refusal_of(scaled(rope_type="linear", factor=2, faktor=3)) == (
        "unknown key 'faktor' in the rope parameters (its value is 3). rope_type 'linear' knows factor, interleaved, "
        "mrope_interleaved, mrope_section, partial_rotary_factor, rope_theta, rope_type, type."
    )
    assert "unknown key 'ropetheta'" in refusal_of(scaled(rope_type="default", ropetheta=None))


def test_a_key_of_another_type():
    assert refusal_of(scaled(rope_type="default", low_freq_factor=1.0)) == (
        "low_freq_factor=1.0 means nothing to rope_type 'default'; llama3 reads it. Mend rope_type, or leave "
        "low_freq_factor out."
    )
    assert "dynamic and yarn read it" in refusal_of(scaled(rope_type="linear", factor=2, beta_fast=32))
    # Beside HunYuan's alpha these keys are there and play no part; without it they would be expected to.
    assert "mscale=1.0 means nothing" in refusal_of(scaled(rope_type="dynamic", factor=2, mscale=1.0))


def test_top_level_keys_of_other_things_are_left_alone():
    assert read(LLAMA, {"rope_theta": 1e4, "vocab_size": 7, "faktor": 3, "low_freq_factor": 1}).notes == ()


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("linear", "factor"),
        ("dynamic", "factor"),
        ("longrope", "long_factor and short_factor"),
        ("llama3", "factor and high_freq_factor and low_freq_factor"),
    ],
)
def test_a_key_that_is_missing(kind, missing):
    assert refusal_of(scaled(rope_type=kind)) == f"rope_type {kind!r} needs {missing}, which the parameters lack."
    nulls = dict.fromkeys(missing.split(" and "))
    assert "which the parameters lack" in refusal_of(scaled(rope_type=kind, **nulls))


def test_rope_parameters_and_rope_scaling():
    linear = {"rope_type": "linear", "factor": 2.0}
    both = {"rope_theta": 1e4, "rope_parameters": linear, "rope_scaling": dict(linear)}
    assert read(LLAMA, both).rope_type == "linear"
    both["rope_scaling"] = {**linear, "factor": 4.0}
    assert refusal_of(LLAMA, both) == (
        "factor is 2.0 in rope_parameters and 4.0 in rope_scaling. rope_scaling is the old name of rope_parameters: "
        "leave it out."
    )
    assert refusal_of(LLAMA, {"rope_scaling": "linear"}, error=TypeError) == (
        "rope_scaling must be an object or null, got 'linear'."
    )


@pytest.mark.parametrize("factor", [0.5, 0, -1.0])
@pytest.mark.parametrize("parameters", [{"rope_type": "linear"}, {"rope_type": "dynamic"}, YARN])
def test_a_factor_below_1(factor, parameters):
    assert refusal_of(scaled(**{**parameters, "factor": factor})) == f"factor must be at least 1, got {factor:g}."


# Heads and what of them turns.


def test_the_size_of_a_head():
    assert read(LLAMA, {"rope_theta": 1e4, "head_dim": 16}).head_dim == 16
    assert read(LLAMA, {"rope_theta": 1e4, "head_dim": None}).head_dim == 8
    gpt = {"model_type": "gptj", "n_embd": 64, "n_head": 4, "n_positions": 2048, "rotary_dim": 8}
    spec = read(gpt, base=1e4)
    assert (spec.head_dim, spec.rotary_dim, spec.layout, spec.max_length) == (16, 8, "interleaved", 2048)
    assert refusal_of({"model_type": "llama", "rope_theta": 1e4, "num_attention_heads": 4}) == (
        "the configuration does not say how large a head is: no head_dim, and no hidden_size."
    )
    assert refusal_of({"model_type": "llama", "rope_theta": 1e4, "hidden_size": 4}).endswith("no num_attention_heads.")
    assert refusal_of(LLAMA, {"rope_theta": 1e4, "num_attention_heads": 5}) == (
        "hidden_size 32 does not divide into num_attention_heads 5, and there is no head_dim."
    )
    assert refusal_of(LLAMA, {"rope_theta": 1e4, "head_dim": 8.5}) == (
        "head_dim must be a whole number, 1 or more; got 8.5."
    )


@pytest.mark.parametrize(
    "key",
    ["head_dim", "hidden_size", "n_embd", "d_model", "num_attention_heads", "n_head", "num_heads", "n_heads",
     "qk_rope_head_dim", "rotary_dim", "partial_rotary_factor", "rotary_pct", "rope_pct", "rope_percent"],
)  # fmt: skip
def test_a_size_that_is_no_number_is_named_as_the_file_names_it(key):
    usual = {"n_embd": "hidden_size", "d_model": "hidden_size"}
    usual |= dict.fromkeys(("n_head", "num_heads", "n_heads"), "num_attention_heads")
    given = {**LLAMA, "rope_theta": 1e4, usual.get(key, key): None}
    assert refusal_of({**given, key: "wide"}) == f"{key} must be a finite number, got 'wide'."


def test_a_share_that_is_no_number_is_named_wherever_it_stands():
    inner = {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": "half"}}
    assert refusal_of(LLAMA, inner) == "partial_rotary_factor must be a finite number, got 'half'."
    latent = {**LLAMA, "model_type": "deepseek_v3", "rope_theta": 1e4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 12}
    assert refusal_of(latent, {"partial_rotary_factor": "half"}) == (
        "partial_rotary_factor must be a finite number, got 'half'."
    )
    p_rope = {"rope_parameters": {"rope_type": "proportional", "rope_theta": 1e4, "partial_rotary_factor": "half"}}
    assert refusal_of(LLAMA, {"head_dim": 8}, p_rope) == "partial_rotary_factor must be a finite number, got 'half'."


def test_a_width_that_does_not_divide_is_named_as_the_file_names_it():
    assert refusal_of({"model_type": "gptj", "rope_theta": 1e4, "n_embd": 30, "n_head": 4}) == (
        "n_embd 30 does not divide into n_head 4, and there is no head_dim."
    )


@pytest.mark.parametrize("key", ["partial_rotary_factor", "rotary_pct", "rope_pct", "rope_percent"])
def test_names_of_the_rotary_share(key):
    spec = read(LLAMA, {"rope_theta": 1e4, key: 0.5})
    assert spec.rotary_dim == 4 and np.array_equal(spec.frequencies, frequencies.rope(4, base=1e4))
    inner = {"rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 1e4}}
    assert read(LLAMA, inner, {key: 0.5}).rotary_dim == 4
    assert refusal_of(LLAMA, inner, {key: 0.25}) == (
        f"how many of the 8 dimensions turn is contradictory: rope_parameters' partial_rotary_factor says 4, {key} "
        "says 2."
    )


def test_a_share_that_cannot_be():
    for share, dims in ((1.5, 12), (0, 0), (0.4, 3)):
        assert refusal_of(LLAMA, {"rope_theta": 1e4, "partial_rotary_factor": share}) == (
            f"an even number of dimensions must turn, from 2 to the head's 8; partial_rotary_factor says {dims}."
        )


def test_a_share_that_only_the_family_knows():
    spec = read(LLAMA, {"model_type": "gpt_neox", "rope_theta": 1e4})
    assert spec.rotary_dim == 2
    assert spec.notes == ("partial_rotary_factor is not given; transformers assumes 0.25 for this model_type",)
    assert read(LLAMA, {"model_type": "gpt_neox", "rope_theta": 1e4, "rotary_pct": 1.0}).rotary_dim == 8


def test_latent_attention():
    latent = {**LLAMA, "model_type": "deepseek_v3", "rope_theta": 1e4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 12}
    for more in ({}, {"partial_rotary_factor": 0.25}, {"partial_rotary_factor": 1.0}):
        spec = read(latent, more)
        assert (spec.head_dim, spec.rotary_dim, spec.layout) == (4, 4, "interleaved")
    assert read(latent, {"rope_interleave": False}).layout == "half"
    assert read(latent, {"rope_interleave": True}).layout == "interleaved"
    assert refusal_of(latent, {"partial_rotary_factor": 0.5}) == (
        "partial_rotary_factor 0.5 and qk_rope_head_dim 4 are contradictory: the first gives no head of this "
        "configuration the second's dimensions."
    )
    assert "qk_rope_head_dim must be a whole number" in refusal_of(latent, {"qk_rope_head_dim": 0})


# Lengths.


def test_original_length_inside_and_beside():
    inner = scaled(**YARN)
    assert read(inner).original_length == 1024
    assert read(inner, {"original_max_position_embeddings": 1024}).original_length == 1024
    beside = scaled(rope_type="yarn", factor=4)
    assert read(beside, {"original_max_position_embeddings": 1024.0}).original_length == 1024
    assert refusal_of(inner, {"original_max_position_embeddings": 2048}) == (
        "original_max_position_embeddings is 1024 in the rope parameters and 2048 beside them. Leave one of the two "
        "out."
    )
    spec = read(beside)
    assert spec.original_length == 4096 and spec.notes == (
        "original_max_position_embeddings is not given; transformers takes max_position_embeddings, 4096",
    )
    assert refusal_of(beside, {"max_position_embeddings": None}) == (
        "max_position_embeddings is needed for rope_type 'yarn', and the configuration lacks it."
    )


def test_yarns_factor_and_the_ratio_of_lengths():
    assert read(scaled(**YARN)).notes == ()
    spec = read(scaled(**{**YARN, "factor": 2.0}))
    assert spec.notes == ("factor is 2, max / original length is 4: transformers takes the factor",)
    assert spec.frequencies[-1] == frequencies.rope(8, base=1e4)[-1] / 2
    assert read(scaled(**YARN), {"max_position_embeddings": 1024}).notes == ()  # as Qwen's README has it
    spec = read(scaled(**{**YARN, "factor": None}))
    assert spec.parameters["factor"] == 4
    assert spec.notes == ("factor is not given; transformers takes max / original length, 4",)
    assert refusal_of(scaled(**{**YARN, "factor": None}), {"max_position_embeddings": 512}) == (
        "max_position_embeddings 512 is below original_max_position_embeddings 1024, and there is no factor."
    )


def test_yarns_parameters():
    spec = read(scaled(**YARN, finetuned=True))
    assert dict(spec.parameters) == {
        **YARN, "rope_theta": 1e4, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": True, "finetuned": True
    }
    assert spec.notes == ("finetuned=True plays no part in the frequencies",)
    assert spec.attention_factor == frequencies.yarn_attention_factor(4.0)
    assert read(scaled(**YARN, attention_factor=1.5)).attention_factor == 1.5
    assert refusal_of(scaled(**YARN, attention_factor=0)) == "attention_factor must be above 0, got 0."
    assert refusal_of(scaled(**YARN, truncate=1)) == "truncate must be true or false, got 1."
    assert refusal_of(scaled(**YARN, beta_fast="32")) == "beta_fast must be a finite number, got '32'."


def test_dynamic_and_its_length():
    dynamic = scaled(type="dynamic", factor=2.0)
    spec = read(dynamic)
    assert spec.length_dependent and spec.length == spec.original_length == 4096
    assert spec.notes == ("frequencies depend on the length in use; these are for up to 4096 positions",)
    spec = read(dynamic, length=10000)
    expected = frequencies.dynamic_ntk(8, base=1e4, factor=2.0, original_length=4096, length=10000)
    assert np.array_equal(spec.frequencies, expected) and spec.length == 10000 and spec.notes == ()
    assert read(scaled(**YARN), length=10**6).length is None
    assert refusal_of(dynamic, length=1.5, error=TypeError) == "length must be an integer, got 1.5 (float)."
    assert refusal_of(dynamic, length=0) == "length must be at least 1, got 0."


def test_longrope():
    factors = {"short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 2.0, 4.0, 8]}
    longrope = scaled(type="longrope", original_max_position_embeddings=1024, **factors)
    ladder = frequencies.rope(8, base=1e4)
    for length, name in ((None, "short_factor"), (1024, "short_factor"), (1025, "long_factor")):
        assert np.array_equal(read(longrope, length=length).frequencies, ladder / factors[name])
    for wrong, got in (([1.0], "1"), (2.0, "2.0")):
        assert refusal_of(scaled(type="longrope", **{**factors, "short_factor": wrong})) == (
            f"short_factor must be a list of 4 numbers, one for each pair that turns; got {got}."
        )
    # Phi-3.5-MoE has attention factors of its own.
    longrope["rope_scaling"] |= {"short_mscale": 1.2, "long_mscale": 1.25}
    assert read(longrope).attention_factor == 1.2 and read(longrope, length=1025).attention_factor == 1.25


# Layers.


def test_nested_layers():
    nested = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        "linear_attention": None,
    }
    config = {**LLAMA, "model_type": "gemma3_text", "rope_parameters": nested}
    assert frequencies.hf_layer_types(config) == ["full_attention", "sliding_attention"]
    assert read(config, layer_type="full_attention").base == 1e6
    assert read(config, {"rope_theta": 1e4}, layer_type="sliding_attention").layer_type == "sliding_attention"
    for wrong in (None, "linear_attention"):
        assert refusal_of(config, layer_type=wrong) == (
            "layer_type must be one of 'full_attention', 'sliding_attention', for whose layers the rotary embeddings "
            f"differ; got {wrong!r}."
        )
    assert refusal_of(config, {"rope_theta": 5e5}, layer_type="full_attention") == (
        "rope_theta is 500000.0 beside rope_parameters and {'full_attention': 1000000.0, 'sliding_attention': "
        "10000.0} in its layer types. Leave the outer one out."
    )
    config["rope_parameters"] = {**nested, "factor": 2.0}
    assert refusal_of(config, layer_type="full_attention") == (
        "rope_parameters mixes layer types (full_attention, sliding_attention) with parameters (factor). Move the "
        "parameters into each layer type."
    )
    assert refusal_of(LLAMA, {"rope_theta": 1e4}, layer_type="full_attention") == (
        "layer_type 'full_attention' is not told apart here, all layers are alike. Leave it out."
    )


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        # Hub configurations of Gemma 3, ModernBERT, MiMo-V2-Flash, OLMo 3 and DeepSeek-V4.
        (
            {"model_type": "gemma3_text", "rope_theta": 1e6, "rope_local_base_freq": 1e4},
            {"full_attention": ("linear", 1e6), "sliding_attention": ("default", 1e4)},
        ),
        (
            {"model_type": "modernbert", "global_rope_theta": 1.6e5, "local_rope_theta": 1e4},
            {"full_attention": ("linear", 1.6e5), "sliding_attention": ("linear", 1e4)},
        ),
        (
            {"model_type": "mimo_v2_flash", "rope_theta": 5e6, "swa_rope_theta": 1e4},
            {"full_attention": ("linear", 5e6), "sliding_attention": ("default", 1e4)},
        ),
        (
            {"model_type": "olmo3", "rope_theta": 5e5},
            {"full_attention": ("linear", 5e5), "sliding_attention": ("default", 5e5)},
        ),
        (
            {"model_type": "deepseek_v4", "rope_theta": 1e4, "compress_rope_theta": 1.6e5},
            {"main": ("default", 1e4), "compress": ("linear", 1.6e5)},
        ),
    ],
)
def test_older_configurations_of_two_bases(keys, found):
    config = {**LLAMA, **keys, "rope_scaling": {"type": "linear", "factor": 2.0}}
    assert frequencies.hf_layer_types(config) == list(found)
    specs = [read(config, layer_type=name) for name in found]
    assert [(spec.rope_type, spec.base) for spec in specs] == list(found.values())


def test_deepseek_v4_leaves_yarns_attention_factor_out():
    config = {**LLAMA, "model_type": "deepseek_v4", "rope_theta": 1e4, "compress_rope_theta": 1.6e5}
    spec = read(config, {"rope_scaling": YARN}, layer_type="compress")
    assert spec.attention_factor == 1 and spec.rope_type == "yarn"
    assert any("attention_factor is 1" in note for note in spec.notes)
    assert any("the last rotary_dim dimensions" in note for note in spec.notes)
    old = {**YARN, "type": "yarn"}
    del old["rope_type"]
    assert read(config, {"rope_scaling": old}, layer_type="compress").attention_factor == 1
    stated = read(config, {"rope_scaling": {**YARN, "attention_factor": 0.5}}, layer_type="compress")
    assert stated.attention_factor == 0.5 and not any("attention_factor" in note for note in stated.notes)


def test_heads_of_a_kind_of_layer():
    """Gemma 4: full attention has larger heads, and turns a share of the ladder's pairs."""
    nested = {
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = {**LLAMA, "model_type": "gemma4_text", "head_dim": 8, "rope_parameters": nested}
    kinds = {"layer_types": ["sliding_attention", "full_attention"]}
    for more in ({"global_head_dim": 16}, {"per_layer_config": {"1": {"head_dim": 16}}, **kinds}):
        full = read(config, more, layer_type="full_attention")
        assert full.head_dim == full.rotary_dim == 16
        assert np.array_equal(full.frequencies, frequencies.proportional(16, base=1e6, fraction=0.25))
        assert read(config, more, layer_type="sliding_attention").head_dim == 8
    mixed = {"per_layer_config": {"1": {"head_dim": 16}}, "layer_types": ["full_attention"] * 2}
    assert refusal_of(config, mixed, layer_type="full_attention") == (
        "per_layer_config gives layers of type 'full_attention' different head_dim: ['16', 'None']."
    )


# Parts, axes, layouts.


@pytest.mark.parametrize("part", ["text_config", "llm_config", "language_config", "thinker_config"])
def test_composite_configurations(part):
    inner = {**LLAMA, "rope_theta": 5e5}
    assert read({"model_type": "llava", part: inner}).model_type == "llama"
    assert read({"model_type": "llava", "rope_theta": 5e5, part: inner}).base == 5e5
    assert refusal_of({"model_type": "llava", "rope_theta": 1e4, part: inner}) == (
        f"rope_theta is 10000.0 at the top and 500000.0 in {part}. Leave one of the two out."
    )
    assert read({"thinker_config": {part: inner}}).base == 5e5
    nameless = {key: value for key, value in inner.items() if key != "model_type"}
    assert read({"model_type": "qwen2_vl", part: nameless}).layout == "half"


def test_sections():
    qwen = {**LLAMA, "model_type": "qwen2_vl", "rope_theta": 1e6}
    mrope = {"type": "mrope", "mrope_section": [2, 1, 1]}
    spec = read(qwen, {"rope_scaling": mrope})
    assert (spec.rope_type, spec.sections, spec.interleaved_sections) == ("default", (2, 1, 1), False)
    assert read(qwen, {"rope_scaling": {**mrope, "mrope_interleaved": True}}).interleaved_sections is True
    spec = read(qwen, {"model_type": "qwen3_vl_text", "rope_scaling": mrope})
    assert spec.interleaved_sections is True
    assert spec.notes == ("M-RoPE's axes take turns: transformers' code for this model_type always lets them",)
    told = {**mrope, "mrope_interleaved": True, "interleaved": True}  # Qwen3-Omni has both
    assert read(qwen, {"model_type": "qwen3_vl_text", "rope_scaling": told}).notes == ()
    assert refusal_of(qwen, {"rope_scaling": {**told, "interleaved": False}}) == (
        "mrope_interleaved is True and interleaved is False. Leave one of the two out."
    )
    assert refusal_of(qwen, {"rope_scaling": {**mrope, "mrope_interleaved": 1}}) == (
        "mrope_interleaved must be true or false, got 1."
    )
    assert refusal_of(qwen, {"rope_scaling": {**mrope, "mrope_section": [2, 1, 2]}}) == (
        "mrope_section must add up to the 4 pairs that turn, got [2, 1, 2], which adds up to 5."
    )
    assert refusal_of(qwen, {"rope_scaling": {**mrope, "mrope_section": "211"}}) == (
        "mrope_section must be a list of whole numbers, got '211'."
    )
    assert read(qwen, {"rope_scaling": {**mrope, "mrope_section": [4, 0, 0]}}).sections == (4, 0, 0)
    for count, said in (("2", "'2'"), (-1, "-1")):
        told = refusal_of(qwen, {"rope_scaling": {**mrope, "mrope_section": [count, 1, 1]}})
        assert told.startswith("mrope_section ") and told.endswith(f"got {said}.")
    spec = read(qwen, {"model_type": "ernie4_5_vl_moe_text", "rope_scaling": mrope})
    assert spec.sections is None and "height and width take turns along the first 3 pairs" in spec.notes[0]


def test_axial_by_family():
    spec = read(LLAMA, {"model_type": "qwen2_vl_vision", "rope_theta": 1e4, "embed_dim": 64, "num_heads": 4})
    assert spec.head_dim == 16
    assert spec.rope_type == "axial" and spec.sections == (4, 4)
    assert np.allclose(spec.frequencies, [1, 0.1, 0.01, 0.001] * 2, rtol=1e-15)
    assert spec.notes == ("rope_type 'default' means 'axial' for this model_type",)
    whole = {"model_type": "qwen2_vl_vision", "rope_theta": 1e4, "embed_dim": 64, "num_heads": 4}
    assert read(LLAMA, {**whole, "partial_rotary_factor": 0.5}).rotary_dim == 16  # its code reads no such key


def test_layouts():
    for family, layout in (("llama", "half"), ("cohere", "interleaved"), ("no_such_model", None)):
        assert read(LLAMA, {"model_type": family, "rope_theta": 1e4}).layout == layout
    spec = read(LLAMA, {"model_type": "nanochat", "rope_theta": 1e4})
    assert spec.layout == "half" and "turns the other way round" in spec.notes[0]


def test_alibi():
    assert refusal_of(LLAMA, {"model_type": "falcon", "rope_theta": 1e4, "alibi": True}) == (
        "alibi is true: this model biases its logits and turns nothing."
    )
    assert read(LLAMA, {"model_type": "falcon", "rope_theta": 1e4, "alibi": False}).layout == "half"


RELEASED = sorted((pathlib.Path(__file__).parents[1] / "data" / "configs").glob("*.json"))
# Their base is in their code, or they have no rotary embedding.
WITHOUT_BASE = {"bloom-176b", "gpt-j-6b", "gpt2", "mpt-7b", "t5-small", "whisper-tiny"}


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_configurations_as_released(path):
    for kind in frequencies.hf_layer_types(path):
        if path.stem in WITHOUT_BASE:
            with pytest.raises(ValueError, match=r"has no base|how large a head is"):
                frequencies.from_hf_config(path, layer_type=kind)
        else:
            spec = frequencies.from_hf_config(path, layer_type=kind)
            assert spec.layout and spec.rotary_dim == 2 * len(spec.frequencies) <= spec.head_dim
