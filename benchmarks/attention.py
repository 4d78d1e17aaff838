"""Attention with a bias that a formula gives: our dense bias and PyTorch's fused kernel, or flex_attention.

    python benchmarks/attention.py

One thread, CPU time of the process, median of rounds in which every candidate has its turn, forward only: on
the CPU flex_attention has no backward (torch 2.13 raises NotImplementedError). The bias is ALiBi's, causal. "bias
built" is a model that builds it in each layer, "bias given" one that builds it once. The error is the largest of
an output, against the NumPy twin. A causal flex_attention skips the blocks after the diagonal, and it stores no
(T, T) bias; it must be compiled, and anew for every formula and length.

What this decided: attention takes its bias as a tensor and stays on scaled_dot_product_attention, which is
as fast up to 256 tokens, trains, and needs no compiler. For inference on long sequences with a bias that is a
formula, flex_attention is 2 to 4 times faster from 1024 tokens on.
"""

import functools
import statistics
import time

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from posenc_lib import numpy as plain
from posenc_lib import torch as fast

SHAPES = [(1, 8, 256, 64), (1, 8, 1024, 64), (1, 8, 2048, 64)]
ROUNDS = 9


def flexible(q, k, v, slopes, length):
    """flex_attention, compiled, with ALiBi as a function; the blocks after the diagonal are skipped."""
    blocks = create_block_mask(lambda b, h, m, n: m >= n, None, None, length, length, device="cpu")
    compiled = torch.compile(flex_attention, dynamic=False)

    def score(logit, batch, head, m, n):
        return logit - slopes[head] * (m - n)

    return functools.partial(compiled, q, k, v, score_mod=score, block_mask=blocks)


def candidates(q, k, v):
    heads, length, dtype = q.shape[1], q.shape[2], q.dtype
    build = functools.partial(fast.alibi_bias, heads, range(length), range(length), dtype=dtype)
    bias, mask = build(), torch.ones(length, length, dtype=torch.bool).tril()
    hidden = bias.masked_fill(~mask, float("-inf"))
    return {
        "posenc_lib.torch, bias built": lambda: fast.attention(q, k, v, bias=build(), causal=True),
        "posenc_lib.torch, bias given": lambda: fast.attention(q, k, v, bias=bias, causal=True),
        "posenc_lib.torch, bias given with its -inf": lambda: fast.attention(q, k, v, bias=hidden),
        "flex_attention, bias as a function": flexible(q, k, v, fast.alibi_slopes(heads), length),
        "posenc_lib.torch, no bias": lambda: fast.attention(q, k, v, causal=True),
    }


def medians(functions):
    seconds = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.process_time()
            function()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


@torch.no_grad()
def compare(shape, dtype):
    torch._dynamo.reset()
    q, k, v = torch.randn(3, *shape).to(dtype)
    positions = range(shape[-2])
    bias = plain.alibi_bias(shape[1], positions, positions)
    exact = plain.attention(*(x.double().numpy() for x in (q, k, v)), bias=bias, causal=True)
    functions = candidates(q, k, v)
    with_bias = {name: call for name, call in functions.items() if "no bias" not in name}
    errors = {name: abs(call().double().numpy() - exact).max() for name, call in with_bias.items()}
    print(f"\n{shape}, {dtype}; torch {torch.__version__}\n\n{'':45} {'ms':>9} {'error':>9}")
    for name, seconds in medians(functions).items():
        print(f"{name:45} {1000 * seconds:9.2f} " + (f"{errors[name]:9.1e}" if name in errors else ""))


def main():
    torch.set_num_threads(1)
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            compare(shape, dtype)


if __name__ == "__main__":
    main()
