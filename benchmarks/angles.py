"""How wrong cosine and sine are at position m, for every rope type, side by side.

    python benchmarks/angles.py

Each type scales the ladder of d = 128, base 10000, as one released model does; axial has half of it to an
axis. The truth is mpmath's cosine and sine of m · θ_i with 60 digits, θ_i the float64 frequencies, times
the attention factor; errors are divided by that factor, which rescales all of float32's rounding. An error
is the largest over all pairs, over cosine and sine, and over the position of its column and the 7 before.
Everyone answers in float32:

- ours: posenc_lib.torch.rope, turning the pairs (1, 0);
- transformers: its Llama's rotary module, its frequencies set to θ_i;
- rotary-embedding-torch: RotaryEmbedding(custom_freqs=θ_i), turning the pairs (1, 0); it has no attention
  factor, so it gets the factor's product.

A peer that is not installed is left out.
"""

import math

import mpmath
import numpy as np
import torch

from posenc_lib import frequencies
from posenc_lib import torch as fast

DIM, BASE, ORIGINAL = 128, 10000.0, 4096
DECADES = (10**3, 10**4, 10**5, 10**6, 10**7)


def every_rope_type():
    """{rope type: (frequencies, attention factor)}, the types that transformers knows."""
    length = {"original_length": ORIGINAL}
    divisors = np.geomspace(1.0, 32.0, DIM // 2)
    llama = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    return {
        "default": (frequencies.rope(DIM, base=BASE), 1.0),
        "linear": (frequencies.linear(DIM, base=BASE, factor=4.0), 1.0),
        "dynamic": (frequencies.dynamic_ntk(DIM, base=BASE, factor=2.0, length=16384, **length), 1.0),
        "yarn": (frequencies.yarn(DIM, base=BASE, factor=16.0, **length), frequencies.yarn_attention_factor(16.0)),
        "longrope": (
            frequencies.longrope(DIM, base=BASE, factors=divisors),
            frequencies.longrope_attention_factor(32.0, ORIGINAL),
        ),
        "llama3": (frequencies.llama3(DIM, base=BASE, **llama, **length), 1.0),
        "proportional": (frequencies.proportional(DIM, base=BASE, fraction=0.25), 1.0),
        "axial": (frequencies.axial(DIM, base=BASE), 1.0),
    }


def positions_of(decade):
    return list(range(decade - 7, decade + 1))


def exact(positions, theta, factor):
    """Cosine and sine to float64's last digit, shape (2, T, n)."""
    with mpmath.workdps(60):
        angles = [[mpmath.mpf(float(f)) * m for f in theta] for m in positions]
        return np.array(
            [[[float(factor * of(angle)) for angle in row] for row in angles] for of in (mpmath.cos, mpmath.sin)]
        )


def ours(positions, theta, factor):
    pairs = torch.tensor([1.0, 0.0]).repeat(len(theta)).expand(len(positions), -1)
    turned = fast.rope(pairs, torch.tensor(positions), theta, attention_factor=factor)
    return torch.stack([turned[:, 0::2], turned[:, 1::2]])


def of_transformers(positions, theta, factor):
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(hidden_size=4 * len(theta), num_attention_heads=2)
    module = LlamaRotaryEmbedding(config)
    module.inv_freq = torch.tensor(theta, dtype=torch.float32)
    module.attention_scaling = factor
    cos, sin = module(torch.zeros(1), torch.tensor(positions)[None])
    return torch.stack([cos[0, :, : len(theta)], sin[0, :, : len(theta)]])


def of_rotary_embedding_torch(positions, theta, factor):
    from rotary_embedding_torch import RotaryEmbedding

    frequencies32 = torch.tensor(theta, dtype=torch.float32)
    module = RotaryEmbedding(2 * len(theta), custom_freqs=frequencies32, cache_if_possible=False).requires_grad_(False)
    pairs = torch.tensor([1.0, 0.0]).repeat(len(theta)).expand(1, 1, len(positions), -1)
    turned = module.rotate_queries_or_keys(pairs, offset=positions[0])[0, 0] * factor
    return torch.stack([turned[:, 0::2], turned[:, 1::2]])


CANDIDATES = {
    "ours": ours,
    "transformers": of_transformers,
    "rotary-embedding-torch": of_rotary_embedding_torch,
}


def errors(decades=DECADES):
    """{(rope type, candidate): [the largest error for each decade]}"""
    table = {}
    for kind, (theta, factor) in every_rope_type().items():
        for decade in decades:
            positions = positions_of(decade)
            truth = exact(positions, theta, factor)
            for name, candidate in CANDIDATES.items():
                try:
                    found = candidate(positions, theta, factor)
                except ImportError:
                    continue
                assert found.dtype == torch.float32
                error = float(np.abs(found.double().numpy() - truth).max()) / factor
                table.setdefault((kind, name), []).append(error)
    return table


def printed(table, decades=DECADES):
    heads = "".join(f"{'10^' + str(round(math.log10(decade))):>10}" for decade in decades)
    lines = [f"{'rope type':14}{'candidate':24}{heads}"]
    lines += [f"{kind:14}{name:24}" + "".join(f"{error:10.1e}" for error in row) for (kind, name), row in table.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(printed(errors()))
