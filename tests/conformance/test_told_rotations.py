"""Rotations, right and wrong ones, and every word that is told of them; small and in NumPy, so that it is quick."""

import functools

import numpy as np
import torch

import posenc_lib.torch
from posenc_lib import conformance
from tests.conformance.told_texts import assert_told

DIM = 8
THETA = 10000.0 ** (-np.arange(0, DIM, 2) / DIM)
WAVY = np.array([1.0, 0.7, 0.1, 0.003])


def turn(x, m, *, theta=THETA, sign=1, mirror=1, layout="interleaved", angle=None, phase=0.0):
    """A right one, with a knob for each mistake; it refuses rows of positions without an axis for heads."""
    if np.ndim(m) == 2:
        raise ValueError("positions (B, T)")
    a = (np.asarray(m, np.float64)[..., None] * theta if angle is None else angle) + phase
    cos, sin, n = np.cos(a), sign * np.sin(a), a.shape[-1]
    y, rest = np.asarray(x, np.float64)[..., : 2 * n], x[..., 2 * n :]
    one, two = (y[..., ::2], y[..., 1::2]) if layout == "interleaved" else (y[..., :n], y[..., n:])
    turned = (one * cos - mirror * two * sin, one * sin + mirror * two * cos)
    turned = np.stack(turned, -1).reshape(y.shape) if layout == "interleaved" else np.concatenate(turned, -1)
    return np.concatenate((turned, rest), -1).astype(x.dtype)


def by(**knobs):
    return functools.partial(turn, **knobs)


def examined(cases, **common):
    """{name: report} of {name: fn, or (fn, keywords)}."""
    given = {"head_dim": DIM, "heads": 2, "frequencies": THETA, "array": "numpy"} | common
    pairs = {name: case if isinstance(case, tuple) else (case, {}) for name, case in cases.items()}
    return {name: conformance.rotation(fn, **(given | keywords)) for name, (fn, keywords) in pairs.items()}


def test_right_ones_are_told():
    def xpos(sign):
        grown = 1.00001 ** (sign * np.arange(1, 5))
        return lambda x, m: turn(x, m) * np.repeat(grown ** np.asarray(m)[..., None], 2, axis=-1)

    none = {"frequencies": None}
    cases = {
        "right": turn,
        "half, part of the head, queries and keys": (
            by(layout="half", theta=THETA[:3]), {"keys": by(layout="half", theta=THETA[:3]), "frequencies": THETA[:3]},
        ),
        "with a factor, not told its frequencies": (lambda x, m: 1.5 * turn(x, m, theta=THETA / 4), none),
        "turns the other way, and last": (
            lambda x, m: np.concatenate((x[..., :2], turn(x[..., 2:], m, theta=THETA[:3], sign=-1)), -1), none,
        ),
        "no ladder": (by(theta=np.array([1.0, 0.5, 0.1, 0.01])), none),
        "exponent doubled, not told its frequencies": (by(theta=THETA**2), none),
        "xPos": (xpos(1), {"keys": xpos(-1)}),
        "frequency 0": (by(theta=THETA * [1, 1, 1, 0], layout="half"), {"frequencies": THETA * [1, 1, 1, 0]}),
        "negative frequencies": (by(sign=-1), {"frequencies": -THETA}),
    }  # fmt: skip
    assert_told("right rotations", examined(cases))


def test_the_library_is_found():
    def on_tensors(x, m):
        return posenc_lib.torch.rope(x.float(), m, THETA)

    found = [conformance.rotation(fn, head_dim=DIM, heads=2).facts["arrays"] for fn in (turn, on_tensors)]
    assert found == ["numpy", "torch"]


def test_calls_are_told():
    def raises(x, m):
        raise RuntimeError("not this way")

    def along_heads(x, m):
        return turn(x.swapaxes(1, 2), m).swapaxes(1, 2)

    def square_only(x, m):
        if x.shape[1] != x.shape[2]:
            raise RuntimeError("not this way")
        return turn(x, m)

    def in_place(x, m):
        x[...] = turn(x, m)
        m[...] = 7
        return x

    def keys_in_place(x, m):
        x *= 2
        return turn(x / 2, m)

    cases = {
        "raises": raises,
        "keys raise": (turn, {"keys": raises}),
        "positions along the heads": along_heads,
        "runs with as many tokens as heads": square_only,
        "an axis lost": lambda x, m: turn(x, m)[0],
        "half of it NaN": lambda x, m: np.where(np.asarray(m)[:, None] > 2, np.nan, turn(x, m)),
        "writes into both": in_place,
        "writes into the keys": (turn, {"keys": keys_in_place}),
    }
    assert_told("calls of rotations", examined(cases))


def test_state_is_told():
    cache, count = {}, iter(range(10**6))

    def by_length(x, m):
        key = (x.shape[-2], m.ndim)
        return turn(x, cache.setdefault(key, m.copy()))

    def drifts(x, m):
        return turn(x, m) * (1 + 1e-3 * next(count))

    cases = {
        "a cache keyed on the length": by_length,
        "drifts": drifts,
        "counts from 0": lambda x, m: turn(x, np.arange(x.shape[-2])),
        "does nothing": lambda x, m: x.copy(),
        "heads numbered": lambda x, m: turn(x.swapaxes(1, 2), np.arange(x.shape[1]) + m.flat[0]).swapaxes(1, 2),
        "heads differ": lambda x, m: turn(x, m) * np.array([1.0, 2.0])[:, None, None],
        "sequences differ": lambda x, m: turn(x, m) * np.array([1.0] + [0.5] * (len(x) - 1))[:, None, None, None],
    }
    assert_told("state of rotations", examined(cases))


def test_steps_are_told():
    cases = {
        "a step one too far": lambda x, m: turn(x, m + (x.shape[-2] == 1)),
        "one too near after a prefix": (lambda x, m: turn(x, m - (m.flat[0] > 0)), {"frequencies": None}),
        "steps at 0": lambda x, m: turn(x, m * (x.shape[-2] > 1)),
        "chunks from 0": lambda x, m: turn(x, m - m[..., :1] * (1 < x.shape[-2] < 7)),
        "steps halved": lambda x, m: turn(x, m / (1 if x.shape[-2] > 1 else 2)),
        "steps a little longer": lambda x, m: turn(x, m) * (1 + 3e-5 * (x.shape[-2] == 1)),
    }
    assert_told("steps of rotations", examined(cases))


def test_padding_and_packing_are_told():
    def rises(x, m):
        return turn(x, m if np.all(np.diff(m) >= 0) else np.arange(len(m)))

    def numbered_when_padded(x, m):
        return turn(x, np.arange(len(m)) if m.ndim == 1 and len(m) > 1 and m[0] == m[1] else m)

    def halves_padding(x, m):
        return turn(x, m / 2 if m.ndim == 1 and len(m) > 1 and m[0] == m[1] else m)

    def halves_packed(x, m):
        return turn(x, m / 2 if m.ndim == 1 and len(m) > 1 and np.any(np.diff(m) < 0) else m)

    def offset_only(x, m):
        if m.ndim > 1 or np.any(np.diff(m) != 1):
            raise NotImplementedError("only from an offset on")
        return turn(x, m)

    cases = {
        "numbered when padded": numbered_when_padded,
        "halved when padded": halves_padding,
        "rising positions": rises,
        "halved when packed": halves_packed,
        "only from an offset on": offset_only,
    }
    assert_told("padding and packing of rotations", examined(cases))


def test_rows_are_told():
    def rows(x, m, pick):
        return np.stack([turn(y, pick(m, b)) for b, y in enumerate(x)]) if m.ndim > 1 else turn(x, m)

    cases = {
        "rows taken for heads": lambda x, m: turn(x, m[None] if m.ndim == 2 else m),
        "rows right": lambda x, m: turn(x, m[:, None] if m.ndim == 2 else m),
        "first row for all": lambda x, m: turn(x, m.reshape(-1, m.shape[-1])[0]),
        "rows exchanged": lambda x, m: rows(x, m, lambda p, b: p.reshape(len(p), -1)[::-1][b]),
        "the keys' first row for all": (turn, {"keys": lambda x, m: turn(x, m.reshape(-1, m.shape[-1])[0])}),
        "the queries' first row for all": (lambda x, m: turn(x, m.reshape(-1, m.shape[-1])[0]), {"keys": turn}),
        "a row too many": lambda x, m: turn(x, m) if m.ndim < 3 else turn(x, m)[None],
    }
    assert_told("rows of rotations", examined(cases))


def test_tables_are_told():
    def table_of(length):
        def table(x, m):
            if np.max(m) >= length:
                raise IndexError("the table ends")
            return turn(x, m)

        return table

    cases = {
        "a table of 64": table_of(64),
        "a table of 2000": table_of(2000),
        "a table of 200 000": table_of(200_000),
    }
    assert_told("tables of rotations", examined(cases))


def test_turns_are_told():
    def adds(x, m):
        return turn(x, m) + 0.1

    def divides(x, m):
        return turn(x, m) * (1 + 0 / np.abs(x).sum(-1, keepdims=True))

    def cosine_of_the_next(x, m):
        a, b = np.asarray(m)[..., None] * THETA, np.asarray(m)[..., None] * np.roll(THETA, -1)
        y = (x[..., ::2] * np.cos(b) - x[..., 1::2] * np.sin(a), x[..., ::2] * np.sin(a) + x[..., 1::2] * np.cos(b))
        return np.stack(y, -1).reshape(x.shape)

    def skew(x, m):
        return turn(x, m) + 0.2 * np.minimum(m, 1)[..., None] * np.roll(turn(x, m), 1, -1)

    def grows(x, m):
        return turn(x, m) * (1 + np.asarray(m)[..., None] / 1e4)

    cases = {
        "adds": adds,
        "divides by the length": divides,
        "mirrored": by(mirror=-1),
        "grows": grows,
        "the cosine of the next pair": cosine_of_the_next,
        "right angles are lost": skew,
        "the rest is doubled": (
            lambda x, m: turn(x, m, theta=THETA[:3]) * [1, 1, 1, 1, 1, 1, 2, 2],
            {"frequencies": THETA[:3]},
        ),
    }
    assert_told("turns", examined(cases))


def test_angles_are_told():
    cases = {
        "clipped at 511": lambda x, m: turn(x, np.minimum(m, 511)),
        "one too far past 512": lambda x, m: turn(x, m + (m > 512)),
        "one too near past 512, which bfloat16 makes of 1009": lambda x, m: turn(x, m - (m > 512)),
        "0 past 512": lambda x, m: turn(x, m * (m <= 512)),
        "too far past 512": lambda x, m: turn(x, m + 100 * (m > 512)),
        "bfloat16": lambda x, m: turn(x, torch.tensor(m).bfloat16().double().numpy()),
        "float16": lambda x, m: turn(x, np.asarray(m, np.float16).astype(float)),
        "clipped at 4095": lambda x, m: turn(x, np.minimum(m, 4095)),
    }
    assert_told("angles", examined(cases))


def test_scales_and_phases_are_told():
    cases = {
        "another scale past 512": lambda x, m: turn(x, np.where(np.asarray(m) > 512, m / 7.3, m)),
        "the root": lambda x, m: turn(x, np.sqrt(m)),
        "from 1 on": lambda x, m: turn(x, m + 1),
        "sine and cosine exchanged": lambda x, m: turn(x, m, sign=-1, phase=-np.pi / 2),
        "0 turns": by(phase=0.3),
    }
    assert_told("scales and phases", examined(cases))


def test_float32_is_told():
    cases = {
        "float32 angles": lambda x, m: turn(x, m, angle=np.float32(m)[..., None] * THETA.astype(np.float32)),
        "float32 angles that must reach far": (
            lambda x, m: turn(x, m, angle=np.float32(m)[..., None] * THETA.astype(np.float32)),
            {"max_position": 9_999_991},
        ),
        "float32 angles that must reach one less": (
            lambda x, m: turn(x, m, angle=np.float32(m)[..., None] * THETA.astype(np.float32)),
            {"max_position": 1_000_002},
        ),
    }  # fmt: skip
    assert_told("float32 angles", examined(cases))


def test_frequencies_are_told():
    cases = {
        "layout": (turn, {"layout": "half"}),
        "layout half": (by(layout="half"), {"layout": "interleaved"}),
        "half of them": by(theta=THETA[::2]),
        "backwards": by(sign=-1),
        "doubled": by(theta=THETA**2),
        "halved": by(theta=THETA**0.5),
        "another base": by(theta=500_000.0 ** (-np.arange(0, DIM, 2) / DIM)),
        "a quarter": by(theta=THETA / 4),
        "in reverse order": by(theta=THETA[::-1]),
        "rounded to bfloat16": by(theta=torch.tensor(THETA).bfloat16().double().numpy()),
        "rounded to float16": by(theta=THETA.astype(np.float16).astype(float)),
        "one of them wrong": by(theta=THETA * [1, 1, 1.5, 1]),
    }
    assert_told("frequencies of rotations", examined(cases))


def test_queries_and_keys_are_told():
    mixed = np.array([[0.0, 1, 0], [-1, 0, 2], [0, -2, 0]])

    def no_pairs(x, m):
        if np.ndim(m) != 1:
            raise ValueError("rows")
        values, vectors = np.linalg.eig(mixed)
        y = np.stack([(vectors * np.exp(values * p / 9)) @ np.linalg.inv(vectors) for p in m]).real
        return np.concatenate((np.einsum("tij,bhtj->bhti", y, x[..., :3]), x[..., 3:]), -1)

    def keys(**knobs):
        return (turn, {"keys": by(**knobs)})

    cases = {
        "no pairs": no_pairs,
        "keys backwards": keys(sign=-1),
        "keys in the other layout": keys(layout="half"),
        "keys with fewer pairs": keys(theta=THETA[:2]),
        "keys with other frequencies": keys(theta=THETA * 1.01),
        "keys from 1 on": keys(phase=THETA),
        "keys without pairs": (turn, {"keys": no_pairs}),
    }
    assert_told("queries and keys", examined(cases))


def in_half(x, m, positions=lambda p, d: p, theta=lambda t, d: t, angles=lambda a, d: a, products=False):
    """In torch and float64, but for what is rounded to the dtype of x."""
    dtype = x.dtype if x.dtype in (torch.float16, torch.bfloat16) else torch.float64
    if m.ndim == 2:
        raise ValueError("positions (B, T)")
    a = positions(m.double(), dtype)[..., None] * theta(torch.tensor(THETA), dtype)
    a = angles(a, dtype)
    to = x.dtype if products else torch.float64
    cos, sin, y = a.cos().to(to), a.sin().to(to), x.to(to)
    one, two = y[..., ::2], y[..., 1::2]
    return torch.stack((one * cos - two * sin, one * sin + two * cos), -1).flatten(-2).to(x.dtype)


def rounds(value, dtype):
    return value.to(dtype).double()


def test_dtypes_are_told():
    def ours(x, m, theta=THETA):
        return posenc_lib.torch.rope(x, m, theta)

    def only_wide(x, m):
        if x.dtype == torch.float16:
            raise TypeError("no float16")
        return ours(x.double() if x.dtype == torch.float32 else x, m)

    kept = {}

    def cached(x, m):
        """The first call of each length fills a cache in the dtype of x."""
        if len(m) > 100 and m.ndim == 1:
            kept.setdefault(len(m), x.dtype)
            return in_half(x.to(torch.float64), m, theta=lambda t, d: t.to(kept[len(m)]).double()).to(x.dtype)
        return in_half(x, m)

    def short(x, m):
        if m.max() > 600:
            raise IndexError("the table ends")
        return in_half(x, m, positions=rounds)

    cases = {
        "right": ours,
        "widens float32, refuses float16": only_wide,
        "positions": functools.partial(in_half, positions=rounds),
        "frequencies": functools.partial(in_half, theta=rounds),
        "positions and frequencies": functools.partial(in_half, positions=rounds, theta=rounds),
        "angles": functools.partial(in_half, angles=rounds),
        "products": functools.partial(in_half, products=True),
        "a cache of the longest call": cached,
        "a table of 600": short,
        "turns from 2 on": lambda x, m: ours(x, (m - 1).clamp(min=0)),
        "no ladder": (lambda x, m: ours(x, m, WAVY), {"frequencies": WAVY}),
        "no ladder, not told": (lambda x, m: ours(x, m, WAVY), {"frequencies": None}),
        "float32 whatever x is": lambda x, m: ours(x.float(), m).to(x.dtype),
        "float32 frequencies": lambda x, m: in_half(x, m, theta=lambda t, d: t.float().double()),
        "nothing turns": lambda x, m: x.clone(),
    }
    assert_told("dtypes of rotations", examined(cases, array="torch"))


def test_dtypes_in_numpy_are_told():
    cases = {
        "float32 for all": lambda x, m: turn(x, m).astype(np.float32),
        "float64 for all": lambda x, m: turn(x.astype(np.float64), m),
        "refuses float32": lambda x, m: turn(x, m) if x.dtype == np.float64 else 1 / 0,
    }
    assert_told("dtypes of rotations in NumPy", examined(cases))
