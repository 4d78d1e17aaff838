"""Attention, right and wrong, and every word that is told of it; small and in NumPy, so that it takes no time."""

import numpy as np
import torch

from posenc_lib import conformance
from tests.conformance.told_texts import assert_told

DIM = 4
SLOPES = np.array([1 / 4, 1 / 16])[:, None, None]
THETA = np.array([1.0, 0.1])


def turn(x, m, sign=1):
    """x (B, H, T, dim), positions (B, T); pairs (i, i + 2)."""
    a = np.asarray(m, np.float64)[:, None, :, None] * THETA
    one, two = x[..., :2], x[..., 2:]
    return np.concatenate((one * np.cos(a) - sign * two * np.sin(a), sign * one * np.sin(a) + two * np.cos(a)), -1)


def attend(q, k, v, mask, bias=0.0):
    logits = np.where(mask, q @ k.swapaxes(-1, -2) / 2 + bias, -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def rotary(q, k, v, m, n, mask):
    return attend(turn(q, m), turn(k, n), v, mask)


def alibi(q, k, v, m, n, mask):
    return attend(q, k, v, mask, bias=-SLOPES * np.abs(m[:, None, :, None] - n[:, None, None, :]))


def examined(cases, **common):
    given = {"head_dim": DIM, "heads": 2, "array": "numpy"} | common
    return {name: conformance.attention(fn, **given) for name, fn in cases.items()}


def test_right_ones_are_told():
    def table(q, k, v, m, n, mask):
        if np.max(n) > 900:
            raise IndexError("the table ends")
        return rotary(q, k, v, m, n, mask)

    cases = {
        "right": rotary,
        "ALiBi": alibi,
        "no position": lambda q, k, v, m, n, mask: attend(q, k, v, mask),
        "a line over the keys": lambda q, k, v, m, n, mask: attend(q, k, v, mask, bias=SLOPES * n[:, None, None, :]),
        "a table of 900": table,
    }
    assert_told("right attention", examined(cases))


def test_the_library_is_found():
    def on_tensors(q, k, v, m, n, mask):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)

    found = [conformance.attention(fn, head_dim=DIM, heads=2).facts["arrays"] for fn in (rotary, on_tensors)]
    assert found == ["numpy", "torch"]


def test_calls_are_told():
    def raises(*arguments):
        raise RuntimeError("not this way")

    def not_finite(q, k, v, m, n, mask):
        return np.where(m[:, None, :, None] > 3, np.nan, rotary(q, k, v, m, n, mask))

    def writes(q, k, v, m, n, mask):
        k[...] = turn(k, n)
        q[...] = turn(q, m)
        return attend(q, k, v, mask)

    def writes_positions(q, k, v, m, n, mask):
        out = rotary(q, k, v, m, n, mask)
        n += 1
        return out

    def hides_too_little(q, k, v, m, n, mask):
        alone = mask.sum(-1, keepdims=True) == 1
        return attend(turn(q, m), turn(k, n), v, mask | ~alone, bias=np.where(mask, 0.0, -5.0))

    def over_queries(q, k, v, m, n, mask):
        logits = np.where(mask, turn(q, m) @ turn(k, n).swapaxes(-1, -2) / 2, -1e4)
        weights = np.exp(logits - logits.max(-2, keepdims=True))
        return weights / weights.sum(-2, keepdims=True) @ v

    def causal_only(q, k, v, m, n, mask):
        return rotary(q, k, v, m, n, np.tri(q.shape[2], k.shape[2], k.shape[2] - q.shape[2], dtype=bool))

    cases = {
        "raises": raises,
        "an axis lost": lambda q, k, v, m, n, mask: rotary(q, k, v, m, n, mask)[0],
        "heads and queries exchanged": lambda q, k, v, m, n, mask: rotary(q, k, v, m, n, mask).swapaxes(1, 2),
        "not finite": not_finite,
        "writes into q and k": writes,
        "writes into positions": writes_positions,
        "values turned": lambda q, k, v, m, n, mask: attend(turn(q, m), turn(k, n), turn(v, n), mask),
        "softmax over queries": over_queries,
        "values reversed": lambda q, k, v, m, n, mask: rotary(q, k, v[..., ::-1], m, n, mask),
        "values doubled and back": lambda q, k, v, m, n, mask: rotary(q, k, 1 + 2 * (v - 1), m, n, mask),
        "no mask": lambda q, k, v, m, n, mask: rotary(q, k, v, m, n, np.ones_like(mask)),
        "causal only": causal_only,
        "hides too little": hides_too_little,
    }  # fmt: skip
    assert_told("calls of attention", examined(cases))


def test_steps_are_told():
    def steps(at):
        return lambda q, k, v, m, n, mask: rotary(q, k, v, at(m) if q.shape[2] < k.shape[2] else m, n, mask)

    cases = {
        "at 0": steps(lambda m: 0 * m),
        "one too far": steps(lambda m: m + 1),
        "one too near": steps(lambda m: m - 1),
        "elsewhere": steps(lambda m: m + 20),
    }
    assert_told("steps of attention", examined(cases))


def test_positions_are_told():
    def by_index(q, k, v, m, n, mask):
        n = np.broadcast_to(np.arange(n.shape[1]), n.shape) + m[:, :1] - (n.shape[1] - m.shape[1])
        return rotary(q, k, v, m, n, mask)

    cases = {
        "keys by index": by_index,
        "queries not turned": lambda q, k, v, m, n, mask: rotary(q, k, v, 0 * m, n, mask),
        "keys not turned": lambda q, k, v, m, n, mask: rotary(q, k, v, m, 0 * n, mask),
        "keys turn the other way": lambda q, k, v, m, n, mask: attend(turn(q, m), turn(k, n, -1), v, mask),
        "clipped at 511": lambda q, k, v, m, n, mask: rotary(q, k, v, np.minimum(m, 511), np.minimum(n, 511), mask),
        "a little too far": lambda q, k, v, m, n, mask: rotary(q, k, v, m * 1.00001, n, mask),
    }
    assert_told("positions of attention", examined(cases))


def test_batches_are_told():
    def indices_when_padded(q, k, v, m, n, mask):
        if np.any(np.diff(n) == 0):
            m = n = np.broadcast_to(np.arange(n.shape[1]), n.shape)
        return rotary(q, k, v, m, n, mask)

    def doubled_when_padded(q, k, v, m, n, mask):
        times = 2 if np.any(np.diff(n) == 0) else 1
        return rotary(q, k, v, times * m, times * n, mask)

    def causal_when_packed(q, k, v, m, n, mask):
        if np.any(np.diff(n) < 0):
            mask = np.tri(n.shape[1], dtype=bool)
        return rotary(q, k, v, m, n, mask)

    def over_heads(q, k, v, m, n, mask):
        def turned(x, p):
            p = p if len(p) == x.shape[1] else np.repeat(p[:1], x.shape[1], axis=0)
            return turn(x.swapaxes(0, 1), p).swapaxes(0, 1)

        return attend(turned(q, m), turned(k, n), v, mask)

    cases = {
        "indices when padded": indices_when_padded,
        "doubled when padded": doubled_when_padded,
        "one causal mask when packed": causal_when_packed,
        "rows over heads": over_heads,
        "the first row for all": lambda q, k, v, m, n, mask: rotary(q, k, v, 0 * m + m[:1], 0 * n + n[:1], mask),
    }
    assert_told("batches of attention", examined(cases))


def test_half_precision_is_told():
    def tensors(fn):
        """fn of NumPy for tensors, in float64 within."""

        def attention(q, k, v, m, n, mask):
            out = fn(*(x.double().numpy() for x in (q, k, v)), m.numpy(), n.numpy(), mask.numpy(), q.dtype)
            return torch.tensor(out).to(q.dtype)

        return attention

    def rounded(m, dtype):
        return torch.tensor(m).to(dtype).double().numpy()

    cases = {
        "right": tensors(lambda q, k, v, m, n, mask, dtype: rotary(q, k, v, m, n, mask)),
        "positions in the dtype of x": tensors(
            lambda q, k, v, m, n, mask, dtype: rotary(q, k, v, rounded(m, dtype), rounded(n, dtype), mask)
        ),
        "keys turn the other way": tensors(
            lambda q, k, v, m, n, mask, dtype: attend(turn(q, m), turn(k, n, -1), v, mask)
        ),
        "a little noise far away": tensors(
            lambda q, k, v, m, n, mask, dtype: (
                rotary(q, k, v, m, n, mask) * (1 + (0.024 if dtype == torch.bfloat16 and m.max() > 999 else 0))
            )
        ),
        "more noise far away": tensors(
            lambda q, k, v, m, n, mask, dtype: (
                rotary(q, k, v, m, n, mask) * (1 + (0.04 if dtype == torch.bfloat16 and m.max() > 999 else 0))
            )
        ),
    }
    assert_told("attention in half precision", examined(cases, array="torch"))
