"""The configurations of "How today's models do it" are those in tests/data/configs, which transformers agrees with.

tests/library/test_explain.py compares the frequencies and factors of those files with the models of transformers.
"""

import json

import nbformat
import numpy as np
import pytest
from chapter_rules import ROOT, code_cells
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from posenc_lib import frequencies

CONFIGS = ROOT / "tests" / "data" / "configs"
FILES = {
    "Llama 3.1 8B": "llama-3.1-8b",
    "GPT-2 124M": "gpt2",
    "Whisper tiny": "whisper-tiny",
    "T5 small": "t5-small",
    "BLOOM 176B": "bloom-176b",
    "GPT-J 6B": "gpt-j-6b",
    "Pythia 1.4B": "pythia-1.4b",
    "Llama 2 7B": "llama-2-7b",
    "Mistral 7B v0.3": "mistral-7b-v0.3",
    "Phi-3.5 mini": "phi-3.5-mini",
    "Qwen2.5 7B, YaRN": "qwen2.5-7b-yarn",
    "DeepSeek-V3": "deepseek-v3",
    "Gemma 3 12B": "gemma-3-12b",
    "Gemma 4 E2B": "gemma-4-e2b",
    "gpt-oss 20B": "gpt-oss-20b",
    "Llama 4 Scout": "llama-4-scout",
    "SmolLM3 3B": "smollm3-3b",
    "Qwen2.5-VL 7B": "qwen2.5-vl-7b",
    "Qwen3-VL 4B": "qwen3-vl-4b",
}


def names_of(chapter, until):
    """What the cells of a chapter define, up to and with the first that contains `until`."""
    names = {}
    for _, cell in code_cells(nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)):
        exec(cell.source, names)
        if until in cell.source:
            return names
    raise AssertionError(f"no cell of {chapter}.ipynb contains {until!r}")


@pytest.fixture(scope="module")
def models():
    return names_of("models", until='"Qwen3-VL 4B": {')["models"]


def test_every_model_has_its_file(models):
    assert models.keys() == FILES.keys()


def same(told, wanted):
    """Equal, numbers up to what float32 leaves of them: a configuration has them in that format."""
    if isinstance(wanted, dict):
        return told.keys() == wanted.keys() and all(same(told[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], float):
        return len(told) == len(wanted) and np.allclose(told, wanted, rtol=5e-7, atol=0)
    if isinstance(wanted, list):
        return len(told) == len(wanted) and all(map(same, told, wanted))
    return told == wanted


@pytest.mark.parametrize("name", FILES)
def test_it_says_what_the_file_says(models, name):
    wanted = frequencies.explain(CONFIGS / f"{FILES[name]}.json").to_dict()
    assert same(frequencies.explain(models[name]).to_dict(), wanted)


@pytest.mark.parametrize("name", FILES)
def test_no_value_was_made_up(models, name):
    whole = json.loads((CONFIGS / f"{FILES[name]}.json").read_text())
    wanted = whole.get("text_config", whole)
    for key, value in models[name].items():
        if key != "rope_scaling" or name != "Phi-3.5 mini":  # the file's divisors carry errors of float32
            assert wanted[key] == value, key


# The ladders that "Past the training length" plots: d = 128, b = 10000, L = 4096, s = 16.
RULES = {
    "interpolated": {"rope_type": "linear", "factor": 16.0},
    "ntk": {"rope_type": "dynamic", "factor": 16.0},
    "code": {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096},
    "llama3": {
        "rope_type": "llama3",
        "factor": 16.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 4096,
    },
}


@pytest.fixture(scope="module")
def ladders():
    return names_of("scaling", until="paper = frequencies.yarn(")


@pytest.mark.parametrize("rule", RULES)
def test_the_ladders_of_the_chapter_on_scaling_are_transformers(ladders, rule):
    extended = 4096 if rule == "ntk" else 65536
    config = LlamaConfig(
        head_dim=128,
        max_position_embeddings=extended,
        rope_parameters={**RULES[rule], "rope_theta": 10000.0},
    )
    # Dynamic scaling stretches by factor · length / max − (factor − 1): 16 is reached at 31/16 of the length.
    found, _ = ROPE_INIT_FUNCTIONS[RULES[rule]["rope_type"]](config, None, seq_len=4096 * 31 // 16)
    np.testing.assert_allclose(ladders[rule], found, rtol=1e-5)
