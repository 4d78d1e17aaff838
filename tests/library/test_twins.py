"""posenc_lib.numpy and posenc_lib.torch are interchangeable: same names, signatures and results.

A new name needs a call in CALLS below, or the walk fails.
"""

import inspect

import numpy as np
import pytest
import torch

import posenc_lib.numpy
import posenc_lib.torch

FLOAT64 = {"dtype": "float64"}
X = np.random.default_rng(0).standard_normal((3, 2, 4, 6))

# name: (positional arguments, keyword arguments), each once. Arrays become the twin's own, dtypes too.
CALLS = {
    "alibi_bias": [
        ((8, range(5), range(5)), FLOAT64),
        ((12, [3], range(4)), FLOAT64),
        ((3, np.array([[0, 1], [5, 6]]), np.array([[0, 1, 2], [4, 5, 6]])), FLOAT64),
        ((2, [0.25], [-7, 1.5]), FLOAT64),
    ],
    "alibi_slopes": [((8,), FLOAT64), ((112,), FLOAT64), ((1,), FLOAT64)],
    "attention": [
        ((*X,), {}),
        ((*X,), {"causal": True}),
        ((*X,), {"bias": X[0, :1, :, :4]}),
        ((*X,), {"bias": X[0, 0, :, :4], "causal": True}),
        ((*X,), {"mask": X[0, :1, :, :4] > 0}),
        ((*X,), {"mask": X[0, :1, :1, :4] > 0, "bias": X[0, 0, :, :4], "causal": True}),
        ((X[0], X[1, :, :3], X[2, :, :3]), {}),
    ],
    "axial_rope": [
        ((X, np.arange(8).reshape(2, 4), [0.7]), {}),
        ((X, np.arange(24).reshape(2, 3, 1, 4), np.array([[1.0], [-0.1]])), {"layout": "half"}),
        ((X, np.arange(12).reshape(3, 4) / 3, [1.0]), {"layout": "interleaved", "attention_factor": 1.25}),
    ],
    "convert_layout": [
        ((X[0, 0].T, 1), {"source": "interleaved", "target": "half"}),
        ((X[0].reshape(8, 6), 2), {"source": "half", "target": "interleaved", "rotary_dim": 2}),
        ((X.reshape(-1), 9), {"source": "half", "target": "half"}),
    ],
    "fire_bias": [
        ((lambda share: share[..., [0, 0]] ** 2 / 8, range(6), range(6)), {**FLOAT64, "c": 0.5, "threshold": 3}),
        ((lambda share: share / 8, np.array([[700], [2]]), np.array([[1, 2], [3, 4.5]])),
         {**FLOAT64, "c": 0.1, "threshold": 512.0}),
    ],
    "kerple_bias": [
        (([0.5, 2.0], [0.25, 1.0], range(3), range(4)), {}),
        (([0.5, 2.0], np.array([0.25, 2.0]), np.array([[0], [7]]), np.array([[1, 2], [3, 4.5]])), {"kind": "power"}),
        (([0.5], [0.25], [10**9], [0, -7]), {"kind": "logarithmic"}),
    ],
    "learned": [
        ((range(4), X[0, 0]), {}),
        ((np.array([[3, 0], [1, 1]]), X[0, 0]), {}),
        ((2, X[0, 0]), {}),
    ],
    "linear_attention": [
        ((*X,), {}),
        ((X[0], X[1, :, :3], X[2, :, :3]), {}),
        ((*X,), {"causal": True, "positions": range(4), "frequencies": [1.0, 0.1, 0.01]}),
        ((*X,), {"positions": np.array([[7, 8, 9, 3.5]] * 2), "frequencies": (0.1, 0.3), "layout": "half"}),
        ((*X,), {"positions": range(4), "frequencies": [0.1], "normalize": "rotated", "causal": True}),
    ],
    "mrope": [
        ((X, np.arange(12).reshape(3, 4), [1.0, 0.1, 0.01]), {"sections": (1, 1, 1)}),
        ((X, np.arange(24).reshape(2, 3, 1, 4), np.array([1.0, -0.1])), {"sections": [1, 1], "layout": "interleaved"}),
        ((X, np.arange(8).reshape(2, 4) / 3, [1.0, 0.1, 0.01]), {"sections": (2, 1), "interleaved": True}),
        ((X, np.arange(8).reshape(2, 4), [1.0, 0.1]), {"sections": (1, 1), "attention_factor": 1.25}),
    ],
    "packed_mask": [(([3, 0, 2],), {}), ((np.array([4]),), {})],
    "positions_after": [((5, 3), {}), ((np.array([[1, 2], [3, 4]]), 2), {})],
    "positions_from_lengths": [(([3, 0, 2],), {}), ((np.array([4]),), {})],
    "positions_from_mask": [((np.array([[0, 1, 1], [1, 0, 1]]),), {}), (([True, False],), {})],
    "rope": [
        ((X, range(4), [1.0, 0.1, 0.01]), {}),
        ((X, np.arange(24).reshape(3, 2, 4), np.array([1.0, 0.1])), {"layout": "half"}),
        ((X, np.arange(12).reshape(3, 1, 4), (0, -0.5)), {"layout": "interleaved"}),
        ((X[0, 0, :0], [], [1.0]), {}),
        ((X, [0.25, -7, 12345.678, 10_000], [1.0, 0.1, 0.01]), {"layout": "half"}),
        ((X, range(4), [1.0, 0.1]), {"attention_factor": 1.25}),
        ((X, range(4), [1.0, 0.1]), {"layout": "half", "attention_factor": 2}),
    ],
    "sandwich_bias": [
        ((4, 16, range(3), range(4)), FLOAT64),
        ((3, 6, np.array([[0], [7]]), np.array([[1, 2], [3, 4.5]])), {**FLOAT64, "base": 100}),
    ],
    "shaw_attention": [
        ((*X[:, 0], X[0, 1, :3], X[1, 1, :3], range(4), range(4)), {}),
        ((X[0], X[1, :, :3], X[2, :, :3], X[0, 1, :3], X[1, 1, :3], np.array([[7, 8, 9, 3], [0, 1, 2, 3]]), [8, 1, 2]),
         {"mask": X[0, :, :, :3] > 0}),
        ((*X[:, 0], X[0, 1, :3], X[1, 1, :3], range(4), range(4)), {"causal": True}),
    ],
    "shaw_bias": [
        ((X, X[0, 1, :3], range(4), range(6)), {}),
        ((X[0, 0, :1], X[0, 1, :1], [7], range(8)), {}),
    ],
    "sinusoidal": [
        ((range(5), 8), FLOAT64),
        ((range(5, -5, -3), 6), {**FLOAT64, "base": 500}),
        (([0.25, -7, 12345.678], 2), FLOAT64),
        ((np.arange(6).reshape(2, 3), 4), {**FLOAT64, "base": 1}),
        ((10_000, 64), FLOAT64),
    ],
    "t5_bias": [
        ((X[0].reshape(8, 6), range(5), range(7)), {}),
        ((X[0].reshape(8, 6)[:5], np.array([[9], [40]]), np.array([[0, 9, 8], [0, 1, 50]])), {"bidirectional": False}),
        ((X.reshape(72, 2), [1000], range(0, 1000, 7)), {"max_distance": 500}),
    ],
    "t5_bucket": [
        ((np.arange(-200, 200),), {}),
        ((np.arange(-200, 200).reshape(8, 50),), {"bidirectional": False}),
        ((range(-999, 999, 7),), {"num_buckets": 320, "max_distance": 800}),
        ((-18,), {"bidirectional": False, "num_buckets": 17, "max_distance": 27}),
    ],
    "transformer_xl_bias": [
        ((X[0], X[1], X[0, :, 0], X[1, :, 0], X[2].reshape(2, 6, 4), range(4), range(4)), {}),
        ((X[:, :, :2], X, X[0, :, 0], X[1, :, 0], X[2].reshape(2, 6, 4), [7.5, 3], range(4)), {"base": 9}),
    ],
    "xpos": [
        ((X, range(4), [1.0, 0.1, 0.01]), {"role": "query"}),
        ((X, np.arange(12).reshape(3, 1, 4), np.array([1.0, 0.1])), {"role": "key", "layout": "half"}),
        ((X, [0.5, -7, 300, 2000.25], [1.0, 0.1, 0.01]), {"role": "key", "scale_base": 1000, "gamma": 1}),
    ],
}

# Of the results, where they are not float64.
DTYPES = {
    "packed_mask": np.bool_,
    "positions_after": np.int64,
    "positions_from_lengths": np.int64,
    "positions_from_mask": np.int64,
    "t5_bucket": np.int64,
}


def public(twin):
    """A twin's public functions; names in capitals are modules, which PyTorch alone has."""
    return {name for name in twin.__all__ if name[0].islower()}


def test_the_same_names():
    assert public(posenc_lib.torch) == public(posenc_lib.numpy) == set(CALLS)
    for twin in (posenc_lib.numpy, posenc_lib.torch):
        for name in twin.__all__:
            assert getattr(twin, name).__module__.startswith(twin.__name__), "a twin's function is its own"


def signature(function):
    """Return (name, kind, default) for each parameter; the types differ, arrays here and tensors there."""
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", CALLS)
def test_the_same_signature(name):
    assert signature(getattr(posenc_lib.numpy, name)) == signature(getattr(posenc_lib.torch, name))


def as_tensor(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(("name", "args", "kwargs"), [(n, *call) for n, calls in CALLS.items() for call in calls])
def test_the_same_results(name, args, kwargs):
    expected = getattr(posenc_lib.numpy, name)(*args, **kwargs)
    torch_kwargs = {key: getattr(torch, v) if key == "dtype" else as_tensor(v) for key, v in kwargs.items()}
    found = getattr(posenc_lib.torch, name)(*map(as_tensor, args), **torch_kwargs)
    assert expected.dtype == DTYPES.get(name, np.float64)
    assert found.dtype == getattr(torch, expected.dtype.name)
    assert tuple(found.shape) == expected.shape
    assert np.allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", CALLS)
def test_the_torch_twin_takes_what_the_numpy_twin_takes(name):
    """A reader changes one import line; arrays stay NumPy's."""
    for args, kwargs in CALLS[name]:
        kwargs = {key: value for key, value in kwargs.items() if key != "dtype"}
        expected, found = (getattr(t, name)(*args, **kwargs) for t in (posenc_lib.numpy, posenc_lib.torch))
        assert np.allclose(found, expected, rtol=0, atol=2e-7)
