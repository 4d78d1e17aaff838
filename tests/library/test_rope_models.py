"""Small random models of the transformers package, whose logits do not change when our rope takes the place of theirs.

Two things are replaced in each: the module that makes cosines and sines from position ids, which hands the ids on
instead, and the function that applies them, which gives them to our code. Everything else is theirs: masks, caches,
where heads and tokens lie.
"""

import pytest
import torch
from transformers import GPTJConfig, GPTJForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

from posenc_lib import frequencies
from posenc_lib.torch import Rope, positions_from_mask, rope

SIZES = {
    "vocab_size": 50,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.2,  # ten times the usual: attention must not be the same for all tokens
}
LENGTH = 24
# Both sides compute in float32, theirs from float32 angles too, which are off by up to 2e-6 rad at position 24.
# Logits are up to 7, and differ by 2e-5 at most; another layout, direction or factor moves them by 2 and more.
CLOSE, FAR_OFF = 1e-4, 1.0


class HandOnPositions(torch.nn.Module):
    """In the place of the module that makes cosines and sines: both are the position ids, (B or 1, T)."""

    def forward(self, x, position_ids):
        return position_ids, position_ids


def llama(scaling):
    rope_parameters = {"rope_theta": 10000.0, **scaling}
    options = {"intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 128}
    return LlamaForCausalLM(LlamaConfig(**SIZES, **options, rope_parameters=rope_parameters))


def use_ours_in_llama(monkeypatch, model, theta, layout, factor, modeling=modeling_llama):
    turn = Rope(theta, layout=layout, attention_factor=factor)
    model.base_model.rotary_emb = HandOnPositions()
    monkeypatch.setattr(modeling, "apply_rotary_pos_emb", lambda q, k, ids, _: turn(q, k, ids[:, None]))


def gpt_neox(scaling):
    """A quarter of each head turns."""
    rope_parameters = {"rope_theta": 10000.0, "partial_rotary_factor": 0.25, **scaling}
    return GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES, intermediate_size=64, rope_parameters=rope_parameters))


def use_ours_in_gpt_neox(*arguments):
    use_ours_in_llama(*arguments, modeling=modeling_gpt_neox)


def gpt_j(scaling):
    """Twelve of sixteen dimensions turn. It keeps tokens before heads when it turns them."""
    assert not scaling
    names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    return GPTJForCausalLM(GPTJConfig(**{names.get(name, name): size for name, size in SIZES.items()}, rotary_dim=12))


def use_ours_in_gpt_j(monkeypatch, model, theta, layout, factor):
    def turn(x, ids, _):
        return rope(x.transpose(1, 2), ids[:, None], theta, layout=layout, attention_factor=factor).transpose(1, 2)

    model.base_model.rotary_emb = HandOnPositions()
    monkeypatch.setattr(modeling_gptj, "apply_rotary_pos_emb", turn)


YARN = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 16,
          "low_freq_factor": 1.0, "high_freq_factor": 4.0}  # fmt: skip
YARN_FACTOR = frequencies.yarn_attention_factor(8.0)

# name: (their model, how ours gets into it, its scaling, our frequencies, layout, attention factor)
FAMILIES = {
    "Llama": (llama, use_ours_in_llama, {"rope_type": "default"}, frequencies.rope(16, base=1e4), "half", 1.0),
    "Llama with YaRN": (llama, use_ours_in_llama, YARN,
                        frequencies.yarn(16, base=1e4, factor=8.0, original_length=16), "half", YARN_FACTOR),
    "Llama 3": (llama, use_ours_in_llama, LLAMA3,
                frequencies.llama3(16, base=1e4, factor=8.0, original_length=16, low_freq_factor=1.0,
                                   high_freq_factor=4.0), "half", 1.0),
    "GPT-NeoX": (gpt_neox, use_ours_in_gpt_neox, {"rope_type": "default"}, frequencies.rope(4, base=1e4), "half", 1.0),
    "GPT-J": (gpt_j, use_ours_in_gpt_j, {}, frequencies.rope(12, base=1e4), "interleaved", 1.0),
}  # fmt: skip
MODELS = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def model_and_tokens(family):
    torch.manual_seed(0)
    return family[0](family[2]).eval(), torch.randint(50, (2, LENGTH))


def use_ours(monkeypatch, model, family, **instead):
    _, use, _, theta, layout, factor = family
    ours = {"theta": theta, "layout": layout, "factor": factor, **instead}
    use(monkeypatch, model, *ours.values())


@torch.no_grad()
def whole(model, tokens, **options):
    return model(tokens, **options).logits


@torch.no_grad()
def with_a_cache(model, tokens):
    """The first ten tokens at once, then three, then one by one."""
    logits, cache = [], None
    for piece in tokens.split([10, 3] + [1] * (LENGTH - 13), dim=1):
        found = model(piece, cache=cache, use_cache=True)
        logits, cache = [*logits, found.logits], found.cache
    return torch.cat(logits, dim=1)


def difference(a, b):
    return (a - b).abs().max().item()


@MODELS
def test_logits_do_not_change(monkeypatch, family):
    model, tokens = model_and_tokens(family)
    theirs = whole(model, tokens)
    use_ours(monkeypatch, model, family)
    assert difference(whole(model, tokens), theirs) < CLOSE


@MODELS
def test_logits_with_a_cache_do_not_change(monkeypatch, family):
    model, tokens = model_and_tokens(family)
    theirs = with_a_cache(model, tokens)
    assert difference(theirs, whole(model, tokens)) < CLOSE
    use_ours(monkeypatch, model, family)
    assert difference(with_a_cache(model, tokens), theirs) < CLOSE


@MODELS
def test_logits_with_padding_on_the_left_do_not_change(monkeypatch, family):
    """The second sequence has seven tokens of padding; its logits are those that it has alone."""
    model, tokens = model_and_tokens(family)
    mask = torch.ones_like(tokens)
    mask[1, :7] = 0
    ids = positions_from_mask(mask)
    kept = mask.bool()
    theirs = whole(model, tokens, attention_mask=mask, position_ids=ids)
    use_ours(monkeypatch, model, family)
    ours = whole(model, tokens, attention_mask=mask, position_ids=ids)
    assert difference(ours[kept], theirs[kept]) < CLOSE
    assert difference(ours[1:, 7:], whole(model, tokens[1:, 7:])) < CLOSE


@MODELS
def test_the_other_layout_changes_the_logits(monkeypatch, family):
    model, tokens = model_and_tokens(family)
    theirs = whole(model, tokens)
    other = {"half": "interleaved", "interleaved": "half"}[family[4]]
    use_ours(monkeypatch, model, family, layout=other)
    assert difference(whole(model, tokens), theirs) > FAR_OFF


@MODELS
def test_turning_the_other_way_changes_the_logits(monkeypatch, family):
    """Else the tests above would pass for anything."""
    model, tokens = model_and_tokens(family)
    theirs = whole(model, tokens)
    use_ours(monkeypatch, model, family, theta=-family[3])
    assert difference(whole(model, tokens), theirs) > FAR_OFF


def test_without_its_factor_yarn_changes_the_logits(monkeypatch):
    family = FAMILIES["Llama with YaRN"]
    model, tokens = model_and_tokens(family)
    theirs = whole(model, tokens)
    use_ours(monkeypatch, model, family, factor=1.0)
    assert difference(whole(model, tokens), theirs) > FAR_OFF
