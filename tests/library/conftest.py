"""The oracle: sines and cosines to 50 digits, computed by mpmath from the definition and not from our code."""

import functools
import os
import types

import hypothesis
import mpmath
import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch

hypothesis.settings.register_profile("library", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile(  # for tools/mutants.py: fewer examples, and none made smaller
    "mutants",
    hypothesis.settings.get_profile("library"),
    max_examples=15,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("mutants" if "MUTANTS" in os.environ else "library")


@functools.cache
def _theta(dim, i, base):
    return mpmath.mpf(base) ** (-mpmath.mpf(2 * i) / dim)


@functools.cache
def _exact(position, dim, base):
    with mpmath.workdps(50):
        values = [f(mpmath.mpf(position) * _theta(dim, i, base))
                  for i in range(dim // 2) for f in (mpmath.sin, mpmath.cos)]
        rounded = [float(value) for value in values]
        return rounded, [float(value - near) for value, near in zip(values, rounded, strict=True)]


@pytest.fixture(scope="session")
def exact():
    """exact(positions, dim, base) is the encoding, each value rounded once, to float64."""

    def encoding(positions, dim, base=10000):
        return np.array([_exact(p, dim, base)[0] for p in positions]).reshape(-1, dim)

    return encoding


@pytest.fixture(scope="session")
def error():
    """error(encoding, positions, dim, base) is the largest absolute error at each position."""

    def largest(encoding, positions, dim, base=10000):
        near, rest = np.array([_exact(p, dim, base) for p in positions]).swapaxes(0, 1)
        return np.abs((np.asarray(encoding, dtype=np.float64) - near) - rest).max(axis=1)

    return largest


NUMPY = types.SimpleNamespace(pe=posenc_lib.numpy, array=np.asarray, dtypes=np)
TORCH = types.SimpleNamespace(pe=posenc_lib.torch, array=torch.tensor, dtypes=torch)


@pytest.fixture(params=[NUMPY, TORCH], ids=["numpy", "torch"])
def twin(request):
    """Each twin in turn: .pe, the maker of its arrays, and where its dtypes are named."""
    return request.param
