"""Biases, right and wrong ones, and every word that is told of them; small and in NumPy, so that it takes no time."""

import numpy as np
import torch

from posenc_lib import conformance
from tests.conformance.told_texts import assert_told

SLOPES = np.array([1 / 16, 1 / 256])
TWELVE = np.array([*(2.0 ** -(h + 1) for h in range(8)), *(2 ** -(h + 0.5) for h in range(4))])


def distance(m, n):
    return (np.asarray(m, np.float64)[..., :, None] - np.asarray(n, np.float64)[..., None, :])[..., None, :, :]


def alibi(m, n, slopes=SLOPES):
    return -slopes[:, None, None] * np.abs(distance(m, n))


def stairs(m, n):
    return -0.5 * (np.maximum(distance(m, n), 0) // 8 + [[[0.0]], [[1.0]]]) * [[[1.0]], [[2.0]]]


def curve(m, n):
    return -np.log1p(np.abs(distance(m, n)) * [[[0.5]], [[2.0]]])


def bfloat16(m):
    return torch.tensor(m).bfloat16().double().numpy()


def examined(cases, **common):
    """{name: report} of {name: fn, or (fn, keywords)}."""
    pairs = {name: case if isinstance(case, tuple) else (case, {}) for name, case in cases.items()}
    return {name: conformance.bias(fn, **({"array": "numpy"} | common | more)) for name, (fn, more) in pairs.items()}


def test_right_ones_are_told():
    def one_head(m, n):
        return -0.5 * np.abs(np.asarray(m)[..., :, None] - np.asarray(n)[..., None, :])

    def table(m, n):
        if m.ndim > 1 or np.max(n) >= 5000:
            raise IndexError("the table ends")
        return alibi(m, n)

    cases = {
        "right": (alibi, {"heads": 2}),
        "nothing ahead, 38 steps": stairs,
        "seven steps": lambda m, n: -np.minimum(np.maximum(distance(m, n), 0) // 7, 6.0),
        "curve": curve,
        "a line over the keys": lambda m, n: SLOPES[:, None, None] * np.asarray(n)[..., None, None, :],
        "the future is hidden": lambda m, n: np.where(distance(m, n) < 0, -np.inf, alibi(m, n)),
        "other ahead": lambda m, n: np.where(distance(m, n) < 0, 0.3 * distance(m, n) ** 2, alibi(m, n)),
        "one head without an axis": one_head,
        "a table of 5000": table,
        "lengths, as many": lambda m, n: alibi(m, n) if len(m) == len(n) and m.ndim == 1 else 1 / 0,
    }
    assert_told("right biases", examined(cases))


def test_slopes_are_told():
    cases = {
        "twelve heads": lambda m, n: alibi(m, n, TWELVE),
        "the formula for twelve heads": lambda m, n: alibi(m, n, 2.0 ** (-8 * np.arange(1, 13) / 12)),
        "twelve in reverse order": lambda m, n: alibi(m, n, TWELVE[::-1]),
        "twelve sorted": lambda m, n: alibi(m, n, np.sort(TWELVE)[::-1]),
        "twelve in bfloat16": lambda m, n: alibi(m, n, torch.tensor(TWELVE).bfloat16().double().numpy()),
        "twelve nearly": lambda m, n: alibi(m, n, TWELVE * 1.00005),
        "twelve off by 1 in 300": lambda m, n: alibi(m, n, TWELVE * (1 + 1 / 300)),
        "twelve off by 1 in 200": lambda m, n: alibi(m, n, TWELVE * (1 + 1 / 200)),
    }
    assert_told("slopes", examined(cases))


def test_the_library_is_found():
    def on_tensors(m, n):
        return -0.5 * (m[:, None] - n).abs().double()

    found = [conformance.bias(fn).facts["arrays"] for fn in (alibi, on_tensors)]
    assert found == ["numpy", "torch"]


def test_calls_are_told():
    def raises(m, n):
        raise RuntimeError("not this way")

    def writes(m, n):
        m[...], n[...] = 0, 0
        return alibi(m, n)

    def writes_keys(m, n):
        result = alibi(m, n)
        n += 1
        return result

    calls = iter(range(10**6))
    cases = {
        "raises": raises,
        "axes exchanged": lambda m, n: alibi(m, n).swapaxes(-1, -2),
        "one axis": lambda m, n: alibi(m, n)[0, 0],
        "too many keys": lambda m, n: alibi(m, np.append(n, 7)),
        "too many queries": lambda m, n: alibi(np.append(m, 7), n),
        "a head too few": (alibi, {"heads": 3}),
        "NaN": lambda m, n: np.where(distance(m, n) == -1, np.nan, alibi(m, n)),
        "the past is hidden": lambda m, n: np.where(distance(m, n) > 0, -np.inf, alibi(m, n)),
        "writes into both": writes,
        "writes into the keys": writes_keys,
        "drifts": lambda m, n: alibi(m, n) * (1 + 1e-3 * next(calls)),
        "nothing": lambda m, n: 0 * alibi(m, n),
        "the sign of the distance": lambda m, n: stairs(n, m).swapaxes(-1, -2),
        "far keys": lambda m, n: -alibi(m, n),
        "far keys in one head": lambda m, n: alibi(m, n) * [[[1.0]], [[-1.0]]],
    }
    assert_told("calls of biases", examined(cases))


def test_positions_are_told():
    def indices_when_padded(m, n):
        padded = n.ndim == 1 and np.any(np.diff(n) == 0)
        return curve(m, np.arange(len(n)) if padded else n)

    def sorted_keys(m, n):
        return curve(m, np.sort(n))

    cases = {
        "grows with the query": lambda m, n: alibi(m, n) * (1 + np.asarray(m) / 100)[..., None, :, None],
        "a line in bfloat16": lambda m, n: bfloat16(-SLOPES[:, None, None] * np.asarray(n)[..., None, None, :] / 3),
        "a step at 0": lambda m, n: curve(m if m.size > 1 else 0 * m, n),
        "a step one too near": lambda m, n: curve(m if m.size > 1 else m - 1, n),
        "a step one too far": lambda m, n: curve(m if m.size > 1 else m + 1, n),
        "a step grows": lambda m, n: curve(m, n) * (1 if m.size > 1 else 1.0001),
        "indices when padded": indices_when_padded,
        "sorted keys": sorted_keys,
    }
    assert_told("positions of biases", examined(cases))


def test_rows_are_told():
    def rows(pick):
        return lambda m, n: pick(m, n) if m.ndim > 1 else curve(m, n)

    cases = {
        "rows: heads first": rows(lambda m, n: curve(m, n).swapaxes(0, 1)),
        "rows: heads lost": rows(lambda m, n: curve(m, n)[:, 0]),
        "rows: without heads": lambda m, n: curve(m, n)[..., 0, :, :],
        "rows: the first for all": rows(lambda m, n: np.stack([curve(m[0], n[0])] * len(m))),
        "rows refused": rows(lambda m, n: 1 / 0),
        "rows: one query for all": lambda m, n: SLOPES[:, None, None] * np.asarray(n)[..., None, None, :],
    }
    assert_told("rows of biases", examined(cases))


def test_far_positions_are_told():
    def refused_at(at):
        def fn(m, n):
            if np.max(n) == at:
                raise IndexError("not this one")
            return alibi(bfloat16(m), bfloat16(n))

        return fn

    cases = {
        "bfloat16": lambda m, n: alibi(bfloat16(m), bfloat16(n)),
        "bfloat16, 257 refused": refused_at(257),
        "float16": lambda m, n: alibi(np.float16(m), np.float16(n)),
        "clipped at 255": lambda m, n: alibi(np.minimum(m, 255), np.minimum(n, 255)),
        "clipped at 2047": lambda m, n: alibi(np.minimum(m, 2047), np.minimum(n, 2047)),
        "scaled past 1000": lambda m, n: alibi(np.where(m > 1000, m * 2, m), np.where(n > 1000, n * 2, n)),
        "float32 of half": lambda m, n: alibi(np.float32(2 * m + 1), np.float32(2 * n + 1)),
        "float32 of half, far": (
            lambda m, n: alibi(np.float32(2 * m + 1), np.float32(2 * n + 1)), {"max_position": 9_999_991},
        ),
        "float32 of half, one less": (
            lambda m, n: alibi(np.float32(2 * m + 1), np.float32(2 * n + 1)), {"max_position": 9_999_990},
        ),
    }  # fmt: skip
    assert_told("far positions of biases", examined(cases))
