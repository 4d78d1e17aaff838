"""What the suites tell about the frameworks, through the lines that the package's docstring shows for each."""

import math
import textwrap
import types

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import (
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    eager_attention_forward,
)
from x_transformers.x_transformers import RotaryEmbedding as XRotaryEmbedding
from x_transformers.x_transformers import apply_rotary_pos_emb as x_apply

from posenc_lib import conformance

THETA = 10000.0 ** (-np.arange(0, 64, 2) / 64)
FAR, ROWS = "angles at far positions", "a row of positions for each sequence"
PADDED, PACKED, SHIFT = "padded equals unpadded", "packed equals separate", "shift invariance of the logits"


def shown(title):
    """Run the block under the line of the docstring that begins with `title`; return its names."""
    block = conformance.__doc__.split(f"\n{title}")[1].split("::\n\n", 1)[1]
    lines = []
    for line in block.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line)
    torch.manual_seed(0)
    names = {"conformance": conformance}
    exec(textwrap.dedent("\n".join(lines)), names)
    return types.SimpleNamespace(**names)


def float32_error(position):
    """What float32 frequencies times float32 positions are off by, at most: the definition in float64."""
    angles = (np.float32(position) * THETA.astype(np.float32)).astype(np.float64)
    exact = np.array([math.remainder(position * theta, 2 * math.pi) for theta in THETA])
    return np.abs(np.exp(1j * angles) - np.exp(1j * exact)).max()


def float32_angles(report):
    """The angles are those of float32: right to 0.01 rad at 1e5, wrong at 1e6 and 1e7."""
    errors = report.facts["angle error, rad"]
    for position in (1009, 10_007, 100_003, 1_000_003, 9_999_991):
        assert float32_error(position) / 2 < errors[str(position)] < 2 * float32_error(position), position
    assert errors["1000003"] > 0.02 and errors["9999991"] > 0.2
    assert report[FAR].status == "warning"
    assert report["float64"].status == "warning" and 1e-6 < report["float64"].measured < 1e-4


# Rotations


def test_llama():
    report = shown("transformers' Llama").report
    assert report.passed, str(report)
    facts = report.facts
    assert (facts["layout"], facts["base"], facts["rotary dimension"], facts["direction"]) == (
        "half",
        10000.0,
        64,
        "+mθ",
    )
    assert [f.check for f in report.not_tested] == ["frequencies"]
    float32_angles(report)
    # Its cosines and sines come in the dtype of x: more noise than one rounding makes, and no more than that.
    assert [f.check for f in report.warnings] == [FAR, "float64", "bfloat16", "float16"]
    assert all(report[dtype].diagnosis == "cosine and sine rounded" for dtype in ("float16", "bfloat16"))
    assert 1.3 < report["bfloat16"].measured < 2
    assert report[ROWS].found == "Positions (B, 1, T) right; (B, T) right."


def test_llama_fails_where_its_angles_must_reach_further():
    llama = shown("transformers' Llama").llama
    report = conformance.rotation(llama, frequencies=THETA, max_position=1_000_003)
    assert report.diagnosis == "angles lose their digits at far positions" and report[FAR].status == "failed"


def test_llama_converted_to_bfloat16():
    """module.to(bfloat16) rounds the frequencies too; from_pretrained keeps them."""
    embedding = LlamaRotaryEmbedding(LlamaConfig(head_dim=64)).to(torch.bfloat16)

    def llama(x, positions):
        return apply_rotary_pos_emb(x, x, *embedding(x, positions.reshape(-1, x.shape[-2])))[0]

    report = conformance.rotation(llama, frequencies=THETA)
    assert report.diagnosis == "frequencies rounded to bfloat16"
    assert 1e-3 < report["frequencies"].measured < 2**-8
    assert report[FAR].found == "the frequencies are not those passed, see above; their exact values are not known."


@pytest.mark.parametrize("rope_type", ["llama3", "yarn"])
def test_llama_with_scaled_frequencies(rope_type):
    more = {"low_freq_factor": 1.0, "high_freq_factor": 4.0} if rope_type == "llama3" else {}
    parameters = {
        "rope_type": rope_type,
        "rope_theta": 5e5,
        "factor": 8.0,
        "original_max_position_embeddings": 8192,
        **more,
    }
    embedding = LlamaRotaryEmbedding(
        LlamaConfig(head_dim=64, max_position_embeddings=65536, rope_parameters=parameters)
    )

    def llama(x, positions):
        return apply_rotary_pos_emb(x, x, *embedding(x, positions.reshape(-1, x.shape[-2])))[0]

    report = conformance.rotation(llama, frequencies=embedding.inv_freq.double().numpy())
    assert report.passed and report["frequencies"].status == "passed" and report.facts["base"] is None, str(report)
    factor = 1.0 if rope_type == "llama3" else 0.1 * math.log(8) + 1
    assert report.facts["factor"] == pytest.approx(factor, rel=1e-5)


def test_rotary_embedding_torch():
    """Positions are built in the dtype of x, and a cache keeps what half precision made of them."""
    report = shown("rotary-embedding-torch").report
    assert (report.facts["layout"], report.facts["base"]) == ("interleaved", 10000.0)
    assert [f.check for f in report.failures] == ["bfloat16", "float16", "later calls after half precision"]
    assert report["float16"].diagnosis == "positions rounded to float16"
    assert report["bfloat16"].diagnosis == "positions rounded to bfloat16"
    assert report["bfloat16"].measured > 100
    assert report["later calls after half precision"].diagnosis == "half precision stays in a cache"
    assert report["later calls after half precision"].measured > 0.5
    assert {f.check for f in report.not_tested} == {PADDED, PACKED, ROWS, "frequencies"}
    float32_angles(report)


def test_rotary_embedding_torch_without_its_cache():
    """Without the cache nothing is spoiled later, and half precision is as wrong."""
    names = shown("rotary-embedding-torch")
    names.rotary.cache_if_possible = False
    report = conformance.rotation(names.rotate_queries_or_keys)
    assert [f.check for f in report.failures] == ["bfloat16", "float16"]


def test_rotary_embedding_torch_has_a_good_cache_if_float32_comes_first():
    """Why the suite makes its half-precision calls longer than any before."""
    names = shown("rotary-embedding-torch")
    names.rotary.cached_freqs_seq_len = 0
    names.rotary.rotate_queries_or_keys(torch.zeros(1, 1, 8192, 64))
    report = conformance.rotation(names.rotate_queries_or_keys)
    assert report.passed and report["bfloat16"].status == "passed"


def test_x_transformers():
    report = shown("x-transformers' rotary embedding").report
    assert report.passed, str(report)
    assert (report.facts["layout"], report.facts["base"]) == ("interleaved", 10000.0)
    assert [f.check for f in report.warnings] == [FAR, "float64"]
    assert report[ROWS].found == "Positions (B, 1, T) right; (B, T) right."
    assert report["bfloat16"].measured < 1.05
    float32_angles(report)


def test_x_transformers_xpos_depends_on_the_length():
    """Its scale counts from the middle of the sequence, so that a step with a cache gets another one."""
    rotary = XRotaryEmbedding(64, use_xpos=True)

    def scaled(power):
        def fn(x, positions):
            frequencies, scale = rotary(positions.reshape(-1, x.shape[-2]))
            return x_apply(x, frequencies, scale**power)

        return fn

    report = conformance.rotation(scaled(1), keys=scaled(-1))
    assert report.diagnosis == "a step differs from one pass"
    # At 4 of 8 positions past the middle the lowest pair, 0.4 / 1.4, has shrunk by as much.
    assert report["one pass equals step by step"].measured < 1 - (0.4 / 1.4) ** (8 / 512)
    assert report["one pass equals step by step"].measured > 1e-3


# Biases


def test_alibi_of_x_transformers():
    names = shown("its ALiBi, and its T5 bias")
    report = conformance.bias(names.alibi.forward_custom_pos, heads=12)
    assert report.passed and not report.warnings and not report.not_tested, str(report)
    assert report["slopes"].measured < 1e-6 and report.facts["keys after the query"] == "as before it"


def test_t5_bias_of_x_transformers():
    report = shown("its ALiBi, and its T5 bias").report
    assert report.passed and report.facts["kind"] == "steps" and report.facts["keys after the query"] == "nothing"
    assert "32 steps, beginning at distances 0, 1, 2" in report["positions are used"].found
    assert {f.check for f in report.not_tested} == {PADDED, PACKED, ROWS, SHIFT, "slopes", "near keys are favoured"}


def test_bloom():
    names = shown("transformers' BLOOM")
    report = conformance.bias(names.bloom, heads=12)
    assert report.passed and not report.warnings, str(report)
    assert report.facts["kind"] == "linear" and report.facts["keys after the query"] == "the line goes on"
    assert 1e-8 < report["slopes"].measured < 1e-4  # raises a base that it has rounded to float32
    assert report[PADDED].status == "passed"
    assert {f.check for f in report.not_tested} == {PACKED, ROWS, SHIFT}


def test_bloom_in_bfloat16():
    """slope · n is a large number when n is: neighbours past 256 merge, however near they are to the query."""

    def bloom(query_positions, key_positions):
        if not torch.equal(key_positions, torch.arange(len(key_positions))):
            raise NotImplementedError("from 0")
        return build_alibi_tensor(torch.ones(1, len(key_positions)), 8, torch.bfloat16)

    report = conformance.bias(bloom, heads=8)
    distance = report["only the distance counts"]
    assert (report.diagnosis, distance.status) == ("the bias loses its digits at far positions", "failed")
    # One position in 40, which is the range that is looked at.
    assert 0.5 / 40 < distance.measured < 2 / 40


def test_t5_of_transformers():
    report = shown("transformers' BLOOM").report
    assert report.passed and report.facts["kind"] == "steps"
    assert "32 steps, beginning at distances 0, 1, 2" in report["positions are used"].found


# Attention


def llama_attention(q, k, v, m, n, mask):
    embedding = LlamaRotaryEmbedding(LlamaConfig(head_dim=32))
    q = apply_rotary_pos_emb(q, q, *embedding(q, m))[0]
    k = apply_rotary_pos_emb(k, k, *embedding(k, n))[0]
    module = types.SimpleNamespace(num_key_value_groups=1, training=False)
    hide = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, torch.finfo(q.dtype).min)
    return eager_attention_forward(module, q, k, v, hide, scaling=32**-0.5)[0].transpose(1, 2)


def test_attention_of_llama():
    report = conformance.attention(llama_attention, head_dim=32, array="torch")
    assert report.passed and not report.warnings and not report.not_tested, str(report)
