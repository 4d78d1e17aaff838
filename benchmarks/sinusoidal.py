"""How long a sinusoidal encoding takes and how wrong it is, side by side in one process.

    python benchmarks/sinusoidal.py

One thread, CPU time of the process, median of rounds in which every candidate has its turn. The unit is
the time that `out.copy_(x)` takes for a float32 tensor of the result's shape, one read and one write:
the ratio to it says more about another machine than milliseconds do. The error is the largest absolute
one against mpmath at positions up to a million. A peer that is not installed is left out.
"""

import functools

import mpmath
import numpy as np
import torch
from timing import medians

from posenc_lib import numpy as plain
from posenc_lib import torch as fast

LENGTH, DIM, LAST = 4096, 512, 1_000_000
ROUNDS = 15
CHECKED = range(0, LENGTH, 331)  # rows compared with mpmath


def exact(positions):
    """The encoding to 50 digits, rounded to float64."""
    with mpmath.workdps(50):
        angles = [[p * mpmath.mpf(10000) ** (-mpmath.mpf(i) / DIM) for i in range(0, DIM, 2)] for p in positions]
        rows = [[f(angle) for angle in row for f in (mpmath.sin, mpmath.cos)] for row in angles]
    return np.array(rows, dtype=np.float64)


def product_in_float32(positions):
    """What most tutorials and models run: position · frequency in float32."""
    frequencies = torch.exp(torch.arange(0, DIM, 2) * (-np.log(10000.0) / DIM))
    angles = positions.float()[:, None] * frequencies
    encoding = torch.empty(len(positions), DIM)
    encoding[:, 0::2], encoding[:, 1::2] = angles.sin(), angles.cos()
    return encoding


def x_transformers(positions):
    """Its ScaledSinusoidalEmbedding, unscaled, its halves interleaved again where the error is measured."""
    from x_transformers.x_transformers import ScaledSinusoidalEmbedding

    module, x = ScaledSinusoidalEmbedding(DIM), torch.empty(1, len(positions), DIM)
    module.requires_grad_(False).scale.fill_(1.0)
    return lambda: module(x, pos=positions)


def candidates(positions):
    """Name → a function of no argument that returns the encoding."""
    compiled = torch.compile(fast.sinusoidal, fullgraph=True)
    ours = functools.partial(fast.sinusoidal, positions, DIM)
    found = {
        "posenc_lib.torch, float32": functools.partial(ours, dtype=torch.float32),
        "posenc_lib.torch, float32, compiled": lambda: compiled(positions, DIM, dtype=torch.float32),
        "posenc_lib.torch, bfloat16": functools.partial(ours, dtype=torch.bfloat16),
        "posenc_lib.torch, bfloat16, compiled": lambda: compiled(positions, DIM, dtype=torch.bfloat16),
        "posenc_lib.numpy, float64": functools.partial(plain.sinusoidal, positions.numpy(), DIM),
        "float32 product": lambda: product_in_float32(positions),
    }
    try:
        found["x-transformers, float32"] = x_transformers(positions)
    except ImportError:
        print("x-transformers is not installed and left out.\n")
    return found


def largest_error(name, encoding, reference):
    rows = torch.as_tensor(encoding)[list(CHECKED)].double().numpy()
    if name.startswith("x-transformers"):
        rows = np.stack(np.split(rows, 2, axis=1), axis=-1).reshape(rows.shape)
    return np.abs(rows - reference).max()


def main():
    torch.set_num_threads(1)
    positions = torch.arange(LAST - LENGTH + 1, LAST + 1)
    x, out = torch.randn(LENGTH, DIM), torch.empty(LENGTH, DIM)
    encoders = candidates(positions)
    reference = exact([int(positions[i]) for i in CHECKED])
    errors = {name: largest_error(name, encode(), reference) for name, encode in encoders.items()}
    times = medians({"out.copy_(x), float32": lambda: out.copy_(x), **encoders}, rounds=ROUNDS)
    unit = times["out.copy_(x), float32"]
    print(f"{LENGTH} positions up to {LAST}, dim {DIM}; torch {torch.__version__}, NumPy {np.__version__}\n")
    print(f"{'':38} {'copies':>7} {'ms':>8} {'error':>9}")
    for name, seconds in times.items():
        error = f"{errors[name]:9.1e}" if name in errors else ""
        print(f"{name:38} {seconds / unit:7.1f} {1000 * seconds:8.2f} {error:>9}")


if __name__ == "__main__":
    main()
