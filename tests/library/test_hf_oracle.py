"""from_hf_config against transformers: every rope type, both key styles, and where transformers disagrees.

transformers computes in float32. So that the comparison sees the formula and not its rounding, its functions also
run in float64 here, by what they call torch.float; attention factors are Python floats there as here.
"""

import copy
import logging
import math
import random

import numpy as np
import pytest
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.glm4.modeling_glm4 import Glm4RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.pixtral.modeling_pixtral import PixtralVisionRotaryEmbedding
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionRotaryEmbedding

from posenc_lib import frequencies

ORDINARY = ["default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional"]


@pytest.fixture(autouse=True)
def quiet():
    """transformers warns of what it then computes all the same."""
    transformers.logging.set_verbosity(logging.CRITICAL)


def drawn_parameters(rng, kind, rotary_dim, max_length):
    """Parameters of one rope type, without base and rotary share."""
    parameters = {}
    if kind in ("linear", "dynamic", "yarn", "llama3"):
        parameters["factor"] = rng.choice([1, 2, 2.5, 4.0, 8, 16.0, 40])
    if kind in ("proportional", "longrope") and rng.random() < 0.5:
        parameters["factor"] = rng.choice([1.0, 2.0, 8])
    if kind in ("yarn", "longrope", "llama3"):
        parameters["original_max_position_embeddings"] = min(rng.choice([512, 2048, 4096, 8192]), max_length)
    if kind == "llama3":
        low = rng.choice([0.5, 1, 1.0, 2.0])
        parameters |= {"low_freq_factor": low, "high_freq_factor": low * rng.choice([1, 1.5, 4, 8.0])}
    if kind == "longrope":
        for name in ("short_factor", "long_factor"):
            parameters[name] = [round(rng.uniform(0.9, 60), 3) for _ in range(rotary_dim // 2)]
    if kind == "yarn":
        parameters |= drawn_options_of_yarn(rng)
    if kind in ("yarn", "longrope") and rng.random() < 0.3:
        parameters["attention_factor"] = rng.choice([1.0, 1.2079441541679836])
    return parameters


def drawn_options_of_yarn(rng):
    options = {}
    if rng.random() < 0.5:
        options |= {"beta_fast": rng.choice([16, 32.0, 64]), "beta_slow": rng.choice([1, 2.0])}
    if rng.random() < 0.5:
        options["truncate"] = rng.random() < 0.5
    if rng.random() < 0.5:
        options |= {"mscale": rng.choice([0.707, 1.0]), "mscale_all_dim": rng.choice([0.5, 0.707, 1.0])}
    return options


def drawn_config(seed):
    """A configuration of one seed, its rope type, and the length to ask for."""
    rng = random.Random(seed)
    kind = ORDINARY[seed % len(ORDINARY)]
    head_dim, heads = rng.choice([32, 64, 80, 96, 128, 256]), rng.choice([2, 4, 8])
    fraction = rng.choice([1.0, 1.0, 0.5, 0.25])
    max_length = rng.choice([4096, 32768, 131072])
    parameters = drawn_parameters(rng, kind, int(head_dim * fraction), max_length)
    base = rng.choice([10000, 10000.0, 5e5, 1e6, 1e7])
    config = {
        # Its code reads partial_rotary_factor for every rope type; llama's does for all but "default".
        "model_type": "glm4",
        "hidden_size": head_dim * heads,
        "num_attention_heads": heads,
        "max_position_embeddings": max_length,
        "head_dim": head_dim,
    }
    if rng.random() < 0.5:  # today's keys
        config["rope_parameters"] = {"rope_type": kind, "rope_theta": base, **parameters}
        config["rope_parameters"]["partial_rotary_factor"] = fraction
    else:
        name = rng.choice(["type", "rope_type"])
        config |= {"rope_theta": base, "partial_rotary_factor": fraction}
        config["rope_scaling"] = None if kind == "default" else {name: kind, **parameters}
    original = parameters.get("original_max_position_embeddings", max_length)
    length = rng.choice([None, 17, original, original + 1, 3 * max_length, 1_000_003])
    return config, kind, length


def theirs(config, kind, length):
    """transformers' frequencies and attention factor."""
    options = {key: value for key, value in copy.deepcopy(config).items() if key != "model_type"}
    read = transformers.Glm4Config(**options)
    if kind == "default":
        found, factor = Glm4RotaryEmbedding.compute_default_rope_parameters(read)
    else:
        found, factor = ROPE_INIT_FUNCTIONS[kind](read, None, seq_len=length)
    return found.numpy(), factor


@pytest.mark.parametrize("seed", range(350))
def test_frequencies_and_attention_factor(seed, monkeypatch):
    config, kind, length = drawn_config(seed)
    untouched = copy.deepcopy(config)
    spec = frequencies.from_hf_config(config, length=length)
    expected, factor = theirs(config, kind, length)
    assert spec.rope_type == kind and config == untouched
    assert spec.frequencies.dtype == np.float64 and spec.frequencies.shape == expected.shape
    assert spec.rotary_dim == 2 * len(expected)
    # Their float32 blends lose digits where a ramp has just begun: llama3 and yarn, by a factor of up to 40 here.
    np.testing.assert_allclose(spec.frequencies, expected, rtol=1e-5 if kind in ("llama3", "yarn") else 1e-6, atol=0)
    assert spec.attention_factor == pytest.approx(factor, rel=1e-12)
    for name in ("float", "float32"):
        monkeypatch.setattr(torch, name, torch.float64)
    expected, _ = theirs(config, kind, length)
    # longrope's exponents stay in float32: it says .float().
    np.testing.assert_allclose(spec.frequencies, expected, rtol=1e-6 if kind == "longrope" else 1e-12, atol=0)


def test_the_draws_cover_what_they_should():
    drawn = [drawn_config(seed) for seed in range(350)]
    assert {kind for _, kind, _ in drawn} == set(ORDINARY)
    styles = {("rope_parameters" in config, kind) for config, kind, _ in drawn}
    assert len(styles) == 2 * len(ORDINARY)
    dynamic = [(length or 0, config["max_position_embeddings"]) for config, kind, length in drawn if kind == "dynamic"]
    assert {length > maximum for length, maximum in dynamic} == {True, False}
    yarns = [config.get("rope_parameters") or config["rope_scaling"] for config, kind, _ in drawn if kind == "yarn"]
    for key in ("truncate", "mscale", "mscale_all_dim", "attention_factor", "beta_fast"):
        assert any(key in parameters for parameters in yarns), key
    assert any(parameters.get("truncate") is False for parameters in yarns)


def test_no_rope_type_of_transformers_is_missing():
    assert set(ROPE_INIT_FUNCTIONS) | {"default", "axial"} == {*ORDINARY, "axial"}


@pytest.mark.parametrize("head_dim", [32, 64, 80])
def test_axial_ladder(head_dim):
    config = transformers.models.qwen3_vl.configuration_qwen3_vl.Qwen3VLVisionConfig(
        hidden_size=4 * head_dim, num_heads=4, rope_parameters={"rope_type": "axial", "rope_theta": 10000.0}
    )
    expected, factor = Qwen3VLVisionRotaryEmbedding.compute_axial_rope_parameters(config)
    spec = frequencies.from_hf_config(config.to_dict())
    n = len(expected)
    assert spec.rope_type == "axial" and spec.layout == "half" and spec.sections == (n, n)
    for axis in (spec.frequencies[:n], spec.frequencies[n:]):
        np.testing.assert_allclose(axis, expected.numpy(), rtol=1e-6)
    assert factor == spec.attention_factor == 1
    np.testing.assert_allclose(frequencies.axial(head_dim, base=10000.0), expected.numpy(), rtol=1e-6)


def test_axial_ladder_of_pixtral_deals_out_one_ladder():
    config = transformers.PixtralVisionConfig(hidden_size=256, num_attention_heads=4)
    expected, _ = PixtralVisionRotaryEmbedding.compute_axial_rope_parameters(config)
    spec = frequencies.from_hf_config(config.to_dict())
    np.testing.assert_allclose(spec.frequencies, expected.numpy(), rtol=1e-6)
    assert spec.sections == (16, 16) and spec.notes


@pytest.mark.parametrize("layer_type", ["full_attention", "sliding_attention"])
@pytest.mark.parametrize("nested", [True, False])
def test_layers_of_gemma3(layer_type, nested):
    """The old keys scale full attention alone; today's nest by layer."""
    old = {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    sizes = {"hidden_size": 256, "num_attention_heads": 4, "head_dim": 64, "num_hidden_layers": 6}
    read = transformers.Gemma3TextConfig(**sizes, **copy.deepcopy(old))
    module = Gemma3RotaryEmbedding(read)
    config = read.to_dict() if nested else {"model_type": "gemma3_text", **sizes, **old}
    spec = frequencies.from_hf_config(config, layer_type=layer_type)
    np.testing.assert_allclose(spec.frequencies, getattr(module, f"{layer_type}_inv_freq").numpy(), rtol=1e-6)
    assert spec.layer_type == layer_type
    assert set(frequencies.hf_layer_types(config)) == {"full_attention", "sliding_attention"}


@pytest.mark.parametrize("long", [False, True])
def test_phi3_with_its_first_type_name_and_an_outer_original_length(long):
    rng = random.Random(0)
    scaling = {"type": "su"} | {
        name: [round(rng.uniform(1, 50), 2) for _ in range(48)] for name in ("short_factor", "long_factor")
    }
    config = {"hidden_size": 384, "num_attention_heads": 4, "max_position_embeddings": 131072, "rope_theta": 1e4}
    config |= {"original_max_position_embeddings": 4096, "rope_scaling": scaling}
    with pytest.raises(KeyError, match="original_max_position_embeddings"):  # its present release cannot read them
        transformers.Phi3Config(**copy.deepcopy(config))
    renamed = copy.deepcopy(config) | {"rope_scaling": {**scaling, "type": "longrope"}}
    read = transformers.Phi3Config(**renamed)
    length = 5000 if long else 4096
    expected, factor = ROPE_INIT_FUNCTIONS["longrope"](read, None, seq_len=length)
    spec = frequencies.from_hf_config({"model_type": "phi3", **config}, length=length)
    assert spec.rope_type == "longrope" and spec.original_length == 4096 and spec.length_dependent
    np.testing.assert_allclose(spec.frequencies, expected.numpy(), rtol=1e-6)
    assert spec.attention_factor == pytest.approx(factor) == pytest.approx(math.sqrt(1 + 5 / 12))
    assert any("'su' is read as 'longrope'" in note for note in spec.notes)


def test_deepseek_v3():
    """MLA turns qk_rope_head_dim dimensions, and the two scales of the attention factor cancel."""
    scaling = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32}
    scaling |= {"beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0}
    config = {"hidden_size": 512, "num_attention_heads": 4, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}
    config |= {"max_position_embeddings": 163840, "rope_theta": 10000, "rope_scaling": scaling}
    read = transformers.DeepseekV3Config(**copy.deepcopy(config))
    expected, factor = ROPE_INIT_FUNCTIONS["yarn"](read, None)
    attention = transformers.models.deepseek_v3.modeling_deepseek_v3.DeepseekV3Attention(read, 0)
    spec = frequencies.from_hf_config({"model_type": "deepseek_v3", **config})
    np.testing.assert_allclose(spec.frequencies, expected.numpy(), rtol=1e-6)
    assert spec.attention_factor == factor == 1 and spec.layout == "interleaved" and spec.rotary_dim == 64
    beside = attention.scaling * math.sqrt(128 + 64)
    assert any(f"multiplies its logits by {beside:.6g} besides" in note for note in spec.notes)


def test_hunyuan_with_a_fixed_alpha():
    module = transformers.models.hunyuan_v1_dense.modeling_hunyuan_v1_dense.HunYuanDenseV1RotaryEmbedding
    scaling = {"type": "dynamic", "alpha": 1000.0, "factor": 1.0, "beta_fast": 32, "beta_slow": 1}
    scaling |= {"mscale": 1.0, "mscale_all_dim": 1.0}
    config = {"hidden_size": 512, "num_attention_heads": 4, "head_dim": 128, "rope_theta": 10000.0}
    config["rope_scaling"] = scaling
    read = transformers.HunYuanDenseV1Config(**copy.deepcopy(config))
    spec = frequencies.from_hf_config({"model_type": "hunyuan_v1_dense", **config})
    np.testing.assert_allclose(spec.frequencies, module(read).inv_freq.numpy(), rtol=1e-6)
    assert not spec.length_dependent


# Where transformers disagrees with itself. from_hf_config does what the configuration says.


def yarn_parameters(**more):
    return {"rope_type": "yarn", "rope_theta": 1e4, "factor": 8.0, "original_max_position_embeddings": 4096, **more}


def test_yarns_truncate_of_a_layer_is_not_read():
    """_compute_yarn_parameters takes every key from the layer's dict, and `truncate` from the outer one."""
    sliding = {"rope_type": "default", "rope_theta": 1e4}
    nested = {"full_attention": yarn_parameters(truncate=False), "sliding_attention": sliding}
    sizes = {"hidden_size": 256, "num_attention_heads": 4, "head_dim": 64, "num_hidden_layers": 6}
    read = transformers.Gemma3TextConfig(**sizes, rope_parameters=copy.deepcopy(nested))
    found, _ = ROPE_INIT_FUNCTIONS["yarn"](read, None, layer_type="full_attention")
    untruncated = frequencies.yarn(64, base=1e4, factor=8.0, original_length=4096, truncate=False)
    truncated = frequencies.yarn(64, base=1e4, factor=8.0, original_length=4096)
    np.testing.assert_allclose(found.numpy(), truncated, rtol=1e-6)
    config = {"model_type": "gemma3_text", **sizes, "rope_parameters": nested}
    assert np.array_equal(frequencies.from_hf_config(config, layer_type="full_attention").frequencies, untruncated)
    assert np.max(untruncated / truncated) > 1.03


def test_llamas_default_rope_does_not_read_the_rotary_share_that_its_linear_rope_reads():
    sizes = {"hidden_size": 256, "num_attention_heads": 4}
    found = {}
    for kind in ("default", "linear"):
        parameters = {"rope_type": kind, "rope_theta": 1e4, "partial_rotary_factor": 0.5}
        parameters |= {"factor": 1.0} if kind == "linear" else {}
        read = transformers.LlamaConfig(**sizes, rope_parameters=copy.deepcopy(parameters))
        found[kind] = len(LlamaRotaryEmbedding(read).inv_freq)
        spec = frequencies.from_hf_config({"model_type": "llama", **sizes, "rope_parameters": parameters})
        assert spec.rotary_dim == 32
    assert found == {"default": 32, "linear": 16}


def test_an_odd_rotary_dimension_is_rounded_up_there_and_refused_here():
    config = {"hidden_size": 256, "num_attention_heads": 4, "head_dim": 64, "rope_theta": 1e4}
    config["partial_rotary_factor"] = 0.4
    read = transformers.Glm4Config(**copy.deepcopy(config))
    assert len(Glm4RotaryEmbedding.compute_default_rope_parameters(read)[0]) == 13  # of 25 dimensions
    with pytest.raises(ValueError, match=r"an even number of dimensions must turn.* says 25"):
        frequencies.from_hf_config({"model_type": "glm4", **config})


def test_olmo3s_base_reaches_full_attention_alone():
    """Its configuration class takes rope_theta out of the keys twice; the second time it is gone."""
    sizes = {"hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4}
    read = transformers.Olmo3Config(**sizes, rope_theta=1e6)
    assert read.rope_parameters["sliding_attention"]["rope_theta"] == 5e5
    config = {"model_type": "olmo3", **sizes, "rope_theta": 1e6}
    for layer_type in ("full_attention", "sliding_attention"):
        assert frequencies.from_hf_config(config, layer_type=layer_type).base == 1e6
    assert read.rope_parameters["full_attention"]["rope_theta"] == 1e6


def test_dynamic_ntk_fails_there_with_one_pair_and_is_refused_here():
    config = {"hidden_size": 8, "num_attention_heads": 4, "head_dim": 2, "partial_rotary_factor": 1.0}
    config |= {"rope_theta": 1e4, "max_position_embeddings": 64}
    config["rope_scaling"] = {"type": "dynamic", "factor": 2.0}
    with pytest.raises(ZeroDivisionError):
        theirs(config, "dynamic", 100)
    with pytest.raises(ValueError, match="dim must be at least 4"):
        frequencies.from_hf_config({"model_type": "glm4", **config}, length=100)


def test_a_factor_below_1_is_computed_there_and_refused_here():
    config = {"hidden_size": 256, "num_attention_heads": 4, "rope_theta": 1e4, "head_dim": 64}
    config["rope_scaling"] = {"type": "linear", "factor": 0.5}
    assert theirs(config, "linear", None)[0][0] == 2
    with pytest.raises(ValueError, match=r"factor must be at least 1, got 0\.5"):
        frequencies.from_hf_config({"model_type": "glm4", **config})


def test_yarn_of_a_short_training_keeps_there_what_the_paper_interpolates():
    """With fewer positions than one turn of the fastest pair, the code's ramp has its ends swapped."""
    config = {"hidden_size": 256, "num_attention_heads": 4, "head_dim": 64, "partial_rotary_factor": 1.0}
    config["rope_parameters"] = yarn_parameters(original_max_position_embeddings=4)
    found, _ = theirs(config, "yarn", None)
    np.testing.assert_allclose(found, frequencies.rope(64, base=1e4), rtol=1e-6)
    paper = frequencies.yarn(64, base=1e4, factor=8.0, original_length=4, variant="paper")
    np.testing.assert_allclose(paper, frequencies.rope(64, base=1e4) / 8, rtol=1e-12)
    with pytest.raises(ValueError, match="original_length=4 puts the code's ramp beyond the pairs"):
        frequencies.from_hf_config({"model_type": "glm4", **config})


def test_one_scale_alone_is_ignored_by_transformers_and_not_by_deepseeks_code():
    config = {"hidden_size": 256, "num_attention_heads": 4, "head_dim": 64, "max_position_embeddings": 4096}
    config["rope_parameters"] = yarn_parameters(mscale=0.707)
    _, factor = theirs(config, "yarn", None)
    spec = frequencies.from_hf_config({"model_type": "glm4", **config})
    assert spec.attention_factor == pytest.approx(factor) == pytest.approx(0.1 * math.log(8) + 1)
    assert any("only where both are given" in note for note in spec.notes)
    # DeepSeek-V2's modeling_deepseek.py: yarn_get_mscale(scale, mscale) / yarn_get_mscale(scale, 0)
    assert 0.1 * 0.707 * math.log(8) + 1 == pytest.approx(1.147, abs=1e-3)
    assert factor == pytest.approx(1.208, abs=1e-3)
