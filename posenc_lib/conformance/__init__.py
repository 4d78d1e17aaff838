"""Examine any callable that rotates, biases or attends, and tell what it gets right, at which numbers.

>>> from posenc_lib import conformance
>>> def rotate(x, positions): ...
>>> conformance.rotation(rotate).diagnosis
'it cannot be called'

`rotation` takes ``fn(x, positions)``, `bias` takes ``fn(query_positions, key_positions)``, and `attention` takes
``fn(q, k, v, query_positions, key_positions, mask)``: a reader's own, or a few lines around a framework's. Each returns
a `Report`: `passed`, `diagnosis`, `findings`, `facts`, `to_dict()`; it prints as text and, in a notebook, as HTML. A
property that a callable gives no way to test is "not tested", with the reason. PyTorch is imported when a callable
wants tensors.

Lines around frameworks: what cannot be passed on must raise, so that it is not tested and does not seem to pass.

transformers' Llama, whose layout and frequencies are those of Mistral, Qwen and most others::

    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    embedding = LlamaRotaryEmbedding(LlamaConfig(head_dim=64))

    def llama(x, positions):
        rows = positions.reshape(-1, x.shape[-2])
        return apply_rotary_pos_emb(x, x, *embedding(x, rows))[0]

    report = conformance.rotation(llama, head_dim=64)

rotary-embedding-torch, which counts in ones from an offset::

    from rotary_embedding_torch import RotaryEmbedding

    rotary = RotaryEmbedding(64)

    def rotate_queries_or_keys(x, positions):
        if positions.ndim != 1 or (positions.diff() != 1).any():
            raise NotImplementedError("counts in ones from an offset")
        return rotary.rotate_queries_or_keys(x, offset=int(positions[0]))

    report = conformance.rotation(rotate_queries_or_keys, head_dim=64)

x-transformers' rotary embedding::

    from x_transformers.x_transformers import RotaryEmbedding, apply_rotary_pos_emb

    rotary = RotaryEmbedding(64)

    def x_transformers(x, positions):
        frequencies, scale = rotary(positions.reshape(-1, x.shape[-2]))
        return apply_rotary_pos_emb(x, frequencies, scale)

    report = conformance.rotation(x_transformers, head_dim=64)

its ALiBi, and its T5 bias, which takes lengths::

    import torch
    from x_transformers.x_transformers import AlibiPositionalBias, RelativePositionBias

    alibi = AlibiPositionalBias(12)
    table = RelativePositionBias(scale=1.0, causal=True, heads=12)

    def relative(query_positions, key_positions):
        T, S = len(query_positions), len(key_positions)
        if not torch.equal(key_positions, torch.arange(S)) or not torch.equal(query_positions, torch.arange(S - T, S)):
            raise NotImplementedError("takes lengths, not positions")
        return table(T, S)

    report = conformance.bias(alibi.forward_custom_pos, heads=12)
    report = conformance.bias(relative, heads=12)

transformers' BLOOM, whose bias comes from the mask, and T5::

    import torch
    from transformers import T5Config
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.t5.modeling_t5 import T5Attention

    def bloom(query_positions, key_positions):
        first = int((key_positions == 0).nonzero().max()) if (key_positions == 0).any() else 0
        mask = (torch.arange(len(key_positions)) >= first).long()
        if not torch.equal((mask.cumsum(0) - 1) * mask, key_positions):
            raise NotImplementedError("positions count from 0, after padding on the left")
        return build_alibi_tensor(mask[None], 12, torch.float32)

    layer = T5Attention(T5Config(num_heads=12, is_decoder=True), has_relative_attention_bias=True)

    def t5(query_positions, key_positions):
        T, S = len(query_positions), len(key_positions)
        if not torch.equal(key_positions, torch.arange(S)) or not torch.equal(query_positions, torch.arange(S - T, S)):
            raise NotImplementedError("takes lengths, not positions")
        return layer.compute_bias(T, S, past_seen_tokens=S - T)

    report = conformance.bias(bloom, heads=12)
    report = conformance.bias(t5, heads=12)
"""

from posenc_lib.conformance.attention import attention
from posenc_lib.conformance.bias import bias
from posenc_lib.conformance.report import Finding, Report
from posenc_lib.conformance.rotation import rotation

__all__ = ["Finding", "Report", "attention", "bias", "rotation"]
