"""Models of the transformers package compute the same logits when their position code is replaced by ours.

Tiny BLOOM and T5 of random weights, in float64, so that what remains is the difference of the codes. T5's table is
looked up and nothing else: its logits, up to 20, stay equal but for the order of additions, 1e-10. BLOOM's slopes are
raised from a base rounded to float32 and its softmax is taken in float32, and its row slope · n differs from ours by
a constant that softmax does not notice: 1e-5. Weights are larger than usual, so that attention is far from uniform.
"""

import copy
import types

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, T5Config, T5ForConditionalGeneration
from transformers.models.bloom import modeling_bloom

from posenc_lib.torch import Alibi, T5Bias, positions_from_mask

HEADS = 6  # no power of two
BLOOM, T5 = 1e-5, 1e-10


@pytest.fixture(scope="module")
def bloom():
    torch.manual_seed(0)
    config = BloomConfig(vocab_size=50, hidden_size=48, n_layer=2, n_head=HEADS, initializer_range=0.2)
    return BloomForCausalLM(config).double().eval()


@pytest.fixture(scope="module")
def t5():
    torch.manual_seed(0)
    config = T5Config(vocab_size=50, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=HEADS, dropout_rate=0.0,
                      decoder_start_token_id=0, initializer_factor=3.0)  # fmt: skip
    return T5ForConditionalGeneration(config).double().eval()


def tokens(*shape):
    return torch.randint(1, 50, shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def logits_of(model, **inputs):
    return model(**inputs).logits


def far(found, expected):
    return (found - expected).abs().max().item()


# BLOOM: what `build_alibi_tensor` returns is added to the logits, one row for all queries


def with_our_alibi(model, monkeypatch, sign=1, mask=None):
    """Replace the row by Alibi's bias of each query; `mask` (B, S) is that of all tokens, the queries are the last."""
    alibi = Alibi(model.config.n_head)

    def attention(self, hidden, residual, alibi, attention_mask, layer_past=None, **kwargs):
        past = layer_past.get_seq_length(self.layer_idx) if layer_past is not None else 0
        seen = torch.ones(len(hidden), past + hidden.shape[1], dtype=torch.bool) if mask is None else mask
        keys = positions_from_mask(seen)
        bias = sign * ours(keys[:, past:], keys, dtype=hidden.dtype)
        return original(self, hidden, residual, bias.flatten(0, 1), attention_mask, layer_past=layer_past, **kwargs)

    ours, original = alibi, modeling_bloom.BloomAttention.forward
    monkeypatch.setattr(modeling_bloom.BloomAttention, "forward", attention)


def test_bloom(bloom, monkeypatch):
    ids = tokens(2, 40)
    expected = logits_of(bloom, input_ids=ids)
    with_our_alibi(bloom, monkeypatch)
    assert 0 < far(logits_of(bloom, input_ids=ids), expected) < BLOOM


def test_bloom_padded_on_the_left(bloom, monkeypatch):
    """In float32: in float64 its own mask becomes −∞ on the way to its softmax, and padding NaN."""
    bloom = copy.deepcopy(bloom).float()
    ids, mask = tokens(2, 40), torch.ones(2, 40, dtype=torch.int64)
    mask[1, :13] = 0
    expected = logits_of(bloom, input_ids=ids, attention_mask=mask)[mask == 1]
    with_our_alibi(bloom, monkeypatch, mask=mask)
    assert far(logits_of(bloom, input_ids=ids, attention_mask=mask)[mask == 1], expected) < BLOOM


def test_bloom_with_a_cache(bloom, monkeypatch):
    """Twenty tokens at once, then one by one: as theirs in one pass."""
    ids = tokens(2, 30)
    expected = logits_of(bloom, input_ids=ids)
    with_our_alibi(bloom, monkeypatch)
    cache, found = None, []
    for part in (ids[:, :20], *ids[:, 20:].split(1, dim=1)):
        with torch.no_grad():
            out = bloom(input_ids=part, cache=cache, use_cache=True)
        cache = out.cache
        found.append(out.logits)
    assert far(torch.cat(found, dim=1), expected) < BLOOM


def test_bloom_with_a_wrong_sign(bloom, monkeypatch):
    ids = tokens(2, 40)
    expected = logits_of(bloom, input_ids=ids)
    with_our_alibi(bloom, monkeypatch, sign=-1)
    assert far(logits_of(bloom, input_ids=ids), expected) > 0.1


# T5: `compute_bias` is added to the logits of the first layer, which hands it to the others


def with_our_bias(model, monkeypatch, sign=1):
    """Replace it in encoder and decoder by T5Bias with the model's own table."""
    for stack, bidirectional in ((model.encoder, True), (model.decoder, False)):
        layer = stack.block[0].layer[0].SelfAttention
        bias = T5Bias(HEADS, bidirectional=bidirectional).double()
        bias.load_state_dict({"weight": layer.relative_attention_bias.weight})

        def compute_bias(self, query_length, key_length, device=None, past_seen_tokens=0, *, bias=bias):
            queries = range(past_seen_tokens, past_seen_tokens + query_length)
            signed = bias([sign * m for m in queries], [sign * n for n in range(key_length)])
            return signed[None]

        monkeypatch.setattr(layer, "compute_bias", types.MethodType(compute_bias, layer))
        # Theirs must not be asked any more.
        monkeypatch.setattr(layer.relative_attention_bias, "forward", None)


def both(length, target):
    return {"input_ids": tokens(2, length), "decoder_input_ids": tokens(2, target).flip(1)}


def test_t5(t5, monkeypatch):
    """Beyond 128 tokens, where the last bucket begins."""
    inputs = both(200, 150)
    expected = logits_of(t5, **inputs)
    with_our_bias(t5, monkeypatch)
    assert far(logits_of(t5, **inputs), expected) < T5


def test_t5_with_padding(t5, monkeypatch):
    inputs = both(30, 20)
    inputs["attention_mask"] = (torch.arange(30) < torch.tensor([[30], [17]])).long()
    expected = logits_of(t5, **inputs)
    with_our_bias(t5, monkeypatch)
    assert far(logits_of(t5, **inputs), expected) < T5


def test_t5_decoding_with_a_cache(t5, monkeypatch):
    """One token at a time: as theirs in one pass."""
    inputs = both(30, 25)
    expected = logits_of(t5, **inputs)
    with_our_bias(t5, monkeypatch)
    with torch.no_grad():
        encoded = t5.encoder(input_ids=inputs["input_ids"])
    cache, found = None, []
    for token in inputs["decoder_input_ids"].split(1, dim=1):
        with torch.no_grad():
            out = t5(encoder_outputs=encoded, decoder_input_ids=token, cache=cache, use_cache=True)
        cache = out.cache
        found.append(out.logits)
    assert far(torch.cat(found, dim=1), expected) < T5


def test_t5_with_a_wrong_sign(t5, monkeypatch):
    """Key minus query, not query minus key."""
    inputs = both(40, 30)
    expected = logits_of(t5, **inputs)
    with_our_bias(t5, monkeypatch, sign=-1)
    assert far(logits_of(t5, **inputs), expected) > 0.1
