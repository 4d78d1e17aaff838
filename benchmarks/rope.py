"""How long rope takes and how wrong it is, side by side in one process.

    python benchmarks/rope.py

One thread, CPU time of the process, median of rounds in which every candidate has its turn. The unit is
the time that `out.copy_(x)` takes for the same x, one read and one write: the ratio to it says more about
another machine than milliseconds do. Angles are computed in each call of ours; the peers get tables that
were computed before. The error is the largest of a pair relative to its length, over the tokens checked,
against the NumPy twin at the same positions, which is within 3e-9 of the truth there. A peer that is not
installed is left out.

Fresh results of 32 MiB and more cost page faults, several times the copy itself, unless the allocator
keeps its blocks as a GPU's does. To measure that case (glibc):

    MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=4000000000 python benchmarks/rope.py
"""

import functools
import statistics
import time

import numpy as np
import torch

from posenc_lib import frequencies
from posenc_lib import numpy as plain
from posenc_lib import torch as fast

LAST = 1_000_000
SHAPES = [(1, 32, 4096, 128), (8, 16, 512, 64), (1, 32, 1, 128)]
ROUNDS = 9


def float32_tables(positions, theta):
    """What most models run: cosine and sine of a float32 product."""
    angles = torch.outer(positions.float(), torch.tensor(theta, dtype=torch.float32))
    return angles.cos(), angles.sin()


def metas_llama(x, cos, sin):
    """view_as_complex in float32, as in Meta's llama repository."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * torch.complex(cos, sin)).flatten(-2).type_as(x)


def transformers_llama(x, cos, sin):
    """rotate_half in the dtype of x, as in the transformers package."""
    cos, sin = (torch.cat((table, table), dim=-1).to(x.dtype) for table in (cos, sin))
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def rotary_embedding_torch(x, theta, positions):
    from rotary_embedding_torch import RotaryEmbedding

    module = RotaryEmbedding(x.shape[-1], custom_freqs=torch.tensor(theta, dtype=torch.float32), cache_if_possible=False)
    module.requires_grad_(False)
    return lambda: module.rotate_queries_or_keys(x, offset=int(positions[0]))


def candidates(x, positions, theta):
    """Name → (layout, a function of no argument that returns the turned x)."""
    tables = float32_tables(positions, theta)
    found = {}
    for layout in ("interleaved", "half"):
        compiled = torch.compile(functools.partial(fast.rope, layout=layout), fullgraph=True, dynamic=False)
        found[f"posenc_lib.torch, {layout}"] = layout, functools.partial(fast.rope, x, positions, theta, layout=layout)
        found[f"posenc_lib.torch, {layout}, compiled"] = layout, functools.partial(compiled, x, positions, theta)
        quarter = theta[: len(theta) // 4]
        found[f"posenc_lib.torch, {layout}, a quarter turns"] = None, functools.partial(
            fast.rope, x, positions, quarter, layout=layout
        )
    found["Meta's llama"] = "interleaved", functools.partial(metas_llama, x, *tables)
    found["transformers' Llama"] = "half", functools.partial(transformers_llama, x, *tables)
    try:
        found["rotary-embedding-torch"] = "interleaved", rotary_embedding_torch(x, theta, positions)
    except ImportError:
        print("rotary-embedding-torch is not installed and left out.")
    if x.dtype == torch.float32:
        found["posenc_lib.numpy, float64"] = None, functools.partial(plain.rope, x.numpy(), positions.numpy(), theta)
    return found


def largest_error(turned, x, positions, theta, layout):
    checked = slice(None, None, 97)
    x = x[:, :1, checked].double().numpy()
    exact = plain.rope(x, positions[checked].numpy(), theta, layout=layout)
    wrong = turned[:, :1, checked].double().numpy() - exact

    def lengths(x):
        halves = (x[..., 0::2], x[..., 1::2]) if layout == "interleaved" else np.split(x, 2, axis=-1)
        return np.hypot(*halves)

    return (lengths(wrong) / lengths(x)).max()


def medians(functions):
    seconds = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.process_time()
            function()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def many(function, times):
    for _ in range(times):
        function()


def compare(shape, dtype):
    torch._dynamo.reset()
    x = torch.randn(shape).to(dtype)
    out, positions = torch.empty_like(x), torch.arange(LAST - shape[-2] + 1, LAST + 1)
    theta = frequencies.rope(shape[-1], base=10000.0)
    turns = candidates(x, positions, theta)
    errors = {
        name: largest_error(turn(), x, positions, theta, layout) for name, (layout, turn) in turns.items() if layout
    }
    times = max(1, 2**19 // x.numel())  # short calls are timed in bunches
    functions = {"out.copy_(x)": lambda: out.copy_(x), **{name: turn for name, (_, turn) in turns.items()}}
    taken = medians({name: functools.partial(many, function, times) for name, function in functions.items()})
    unit = taken["out.copy_(x)"]
    print(f"\n{shape}, {dtype}, positions up to {LAST}; torch {torch.__version__}\n")
    print(f"{'':45} {'copies':>7} {'ms':>9} {'error':>9}")
    for name, seconds in taken.items():
        error = f"{errors[name]:9.1e}" if name in errors else ""
        print(f"{name:45} {seconds / unit:7.2f} {1000 * seconds / times:9.3f} {error:>9}")


def main():
    torch.set_num_threads(1)
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            compare(shape, dtype)


if __name__ == "__main__":
    main()
