"""How long rope takes, there and back, and how wrong it is, side by side in one process.

    python benchmarks/rope.py

One thread, CPU time of the process, median of rounds in which every candidate has its turn. The unit is
the time that `out.copy_(x)` takes for the same x, one read and one write: the ratio to it says more about
another machine than milliseconds do. "and back" is the same call with a graph and the gradient of x by it,
where there is one. Angles are computed in each call of ours; the peers get tables that were computed before.
The error is the largest of a pair relative to its length, over the tokens checked, against the NumPy twin at
the same positions, which is within 3e-9 of the truth there. A peer that is not installed is left out.

Fresh results of 32 MiB and more cost page faults, several times the copy itself, unless the allocator
keeps its blocks as a GPU's does. To measure that case (glibc):

    export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=4000000000
    python benchmarks/rope.py
"""

import functools

import numpy as np
import torch
from timing import medians

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


def rotary_embedding_torch(theta, positions):
    from rotary_embedding_torch import RotaryEmbedding

    theta = torch.tensor(theta, dtype=torch.float32)
    module = RotaryEmbedding(2 * len(theta), custom_freqs=theta, cache_if_possible=False).requires_grad_(False)
    return lambda x: module.rotate_queries_or_keys(x, offset=int(positions[0]))


def candidates(positions, theta, out):
    """Name → (layout, a function that returns x turned, for x that looks like `out`)."""
    cos, sin = float32_tables(positions, theta)
    found = {}
    for layout in ("interleaved", "half"):
        ours = functools.partial(fast.rope, positions=positions, frequencies=theta, layout=layout)
        compiled = torch.compile(ours, fullgraph=True, dynamic=False)
        found[f"posenc_lib.torch, {layout}"] = layout, ours
        found[f"posenc_lib.torch, {layout}, compiled"] = layout, compiled
        found[f"posenc_lib.torch, {layout}, out="] = layout, functools.partial(ours, out=out)
        quarter = functools.partial(ours, frequencies=theta[: len(theta) // 4])
        found[f"posenc_lib.torch, {layout}, a quarter turns"] = None, quarter
    found["Meta's llama"] = "interleaved", functools.partial(metas_llama, cos=cos, sin=sin)
    found["transformers' Llama"] = "half", functools.partial(transformers_llama, cos=cos, sin=sin)
    try:
        found["rotary-embedding-torch"] = "interleaved", rotary_embedding_torch(theta, positions)
    except ImportError:
        print("rotary-embedding-torch is not installed and left out.")
    if out.dtype == torch.float32:
        found["posenc_lib.numpy, float64"] = None, lambda x: plain.rope(x.numpy(), positions.numpy(), theta)
    return found


def there_and_back(turn, x, gradient):
    return torch.autograd.grad(turn(x), x, gradient)


def largest_error(turned, x, positions, theta, layout):
    checked = slice(None, None, 97)
    x = x[:, :1, checked].double().numpy()
    exact = plain.rope(x, positions[checked].numpy(), theta, layout=layout)
    wrong = turned[:, :1, checked].double().numpy() - exact

    def lengths(x):
        halves = (x[..., 0::2], x[..., 1::2]) if layout == "interleaved" else np.split(x, 2, axis=-1)
        return np.hypot(*halves)

    return (lengths(wrong) / lengths(x)).max()


def compare(shape, dtype):
    torch._dynamo.reset()
    x = torch.randn(shape).to(dtype)
    out, positions = torch.empty_like(x), torch.arange(LAST - shape[-2] + 1, LAST + 1)
    theta = frequencies.rope(shape[-1], base=10000.0)
    turns = candidates(positions, theta, torch.empty_like(x))
    errors = {
        name: largest_error(turn(x), x, positions, theta, layout) for name, (layout, turn) in turns.items() if layout
    }
    learned = x.clone().requires_grad_()
    functions = {"out.copy_(x)": lambda: out.copy_(x)}
    for name, (_, turn) in turns.items():
        functions[name] = functools.partial(turn, x)
        if "numpy" not in name and "out=" not in name:
            functions[name + " and back"] = functools.partial(there_and_back, turn, learned, out)
    taken = medians(functions, rounds=ROUNDS, times=max(1, 2**19 // x.numel()))
    report(f"{shape}, {dtype}, positions up to {LAST}; torch {torch.__version__}", taken, errors)


def report(title, taken, errors):
    unit = taken["out.copy_(x)"]
    print(f"\n{title}\n\n{'':45} {'copies':>7} {'ms':>9} {'error':>9} {'and back':>9} {'ms':>9}")
    for name, seconds in taken.items():
        if name.endswith(" and back"):
            continue
        error = f"{errors[name]:9.1e}" if name in errors else " " * 9
        back = taken.get(name + " and back")
        both = f"{back / unit:9.2f} {1000 * back:9.3f}" if back else ""
        print(f"{name:45} {seconds / unit:7.2f} {1000 * seconds:9.3f} {error} {both}".rstrip())


def step(dtype):
    """One token of a sequence, 32 heads of queries and 8 of keys: what decoding pays in each layer."""
    q, k, positions = torch.randn(1, 32, 1, 128).to(dtype), torch.randn(1, 8, 1, 128).to(dtype), torch.tensor([LAST])
    theta = frequencies.rope(128, base=10000.0)
    functions = {}
    for layout in ("interleaved", "half"):
        turn = functools.partial(fast.rope, positions=positions, frequencies=theta, layout=layout)
        functions[f"rope twice, {layout}"] = lambda turn=turn: (turn(q), turn(k))
        functions[f"Rope, {layout}"] = functools.partial(fast.Rope(theta, layout=layout), q, k, positions)

    def theirs(form):
        tables = float32_tables(positions, theta)
        return form(q, *tables), form(k, *tables)

    functions["Meta's llama, with the table"] = functools.partial(theirs, metas_llama)
    functions["transformers' Llama, with the table"] = functools.partial(theirs, transformers_llama)
    print(f"\nOne token, q and k, {dtype}\n")
    for name, seconds in medians(functions, rounds=ROUNDS, times=300).items():
        print(f"{name:45} {1000 * seconds:7.3f} ms")


def main():
    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.bfloat16):
        step(dtype)
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            compare(shape, dtype)


if __name__ == "__main__":
    main()
