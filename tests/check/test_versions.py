"""What a bank says a mistake is, is what readers' code with that mistake gives, on inputs that no checker tries."""

import numpy as np
import pytest

from posenc_lib.check import arrays
from posenc_lib.check.exercise import Case
from tests.check import test_attention as attention
from tests.check import test_biases as biases
from tests.check import test_matrices_and_wavelength as matrices
from tests.check import test_rope as rope
from tests.check import test_rotations as rotations
from tests.check import test_scaling as scaling
from tests.check import test_sinusoidal as sinusoidal
from tests.check.checkers import exercise_of
from tests.check.test_never_false import HELD_OUT

RNG = np.random.default_rng(11)
MORE = {
    "attention": [tuple(RNG.standard_normal((3, 2, 3, 4))), tuple(RNG.standard_normal((3, 4, 4)))],
    "causal_attention": [tuple(RNG.standard_normal((3, 2, 3, 4)))],
    "rope": [(RNG.standard_normal((3, 2, 3, 6)), np.array([0, 5, 300]))],
    "sinusoidal": [(np.arange(-3.0, 21.0).reshape(2, 3, 4) * 1.7, 6), (np.array(9.0), 8), (np.array([257.0, 4.1]), 4)],
    "mean_cosine": [(np.array(7), 6, 500.0)],
    "yarn": [(64, 10000.0, 4.0, 40), (64, 1e4, 2.0, 10**9)],
    "alibi_slopes": [(8,), (3,), (70,)],
}


def theta(d, base=10000.0):
    return np.array([base ** (-2 * i / d) for i in range(d // 2)])


# ---------------------------------------------------------------- rope, with frequencies and pairs of the reader's


def turned(x, angles, pairs=lambda i, d: (2 * i, 2 * i + 1), to=None):
    """Turn with an angle (T, d) for each dimension, or (T, d/2) for each pair."""
    d = x.shape[-1]
    out = np.empty_like(x)
    for i in range(d // 2):
        (j, k), (left, right) = pairs(i, d), (to or pairs)(i, d)
        one, other = (angles[:, j], angles[:, k]) if angles.shape[-1] == d else (angles[:, i],) * 2
        out[..., left] = x[..., j] * np.cos(one) - x[..., k] * np.sin(one)
        out[..., right] = x[..., j] * np.sin(other) + x[..., k] * np.cos(other)
    return out


def halves(i, d):
    return i, i + d // 2


def with_theta(frequencies):
    return lambda x, m: turned(x, np.outer(m, [frequencies(i, x.shape[-1]) for i in range(x.shape[-1] // 2)]))


def by_dimension(power):
    return lambda x, m: turned(x, np.outer(m, [10000 ** (-power * j / x.shape[-1]) for j in range(x.shape[-1])]))


def at(change):
    return lambda x, m: turned(x, np.outer(change(np.asarray(m, float)), theta(x.shape[-1])))


def bits(m, kept):
    """Round to that many significant bits, ties to even."""
    exponent = np.floor(np.log2(np.where(m == 0, 1, np.abs(m)))) - kept + 1
    return np.rint(m / 2.0**exponent) * 2.0**exponent


def normalised(x, m):
    return turned(x / np.sqrt((x**2).sum(-1))[..., None], np.outer(m, theta(x.shape[-1])))


def in_blocks(x, m):
    return turned(x, np.repeat(np.outer(m, theta(x.shape[-1])), 2, axis=1), halves)


FREQUENCIES = {
    "exponent i/d instead of 2i/d": lambda i, d: 10000 ** (-i / d),
    "exponent 4i/d instead of 2i/d": lambda i, d: 10000 ** (-4 * i / d),
    "pairs counted from 1": lambda i, d: 10000 ** (-2 * (i + 1) / d),
    "exponent 2i/(d − 2) instead of 2i/d": lambda i, d: 10000 ** (-2 * i / (d - 2)),
    "exponent i/(d − 1)": lambda i, d: 10000 ** (-i / (d - 1)),
    "exponent 2i/(d − 1)": lambda i, d: 10000 ** (-2 * i / (d - 1)),
    "the exponent's sign is wrong: frequencies grow": lambda i, d: 10000 ** (2 * i / d),
    "frequencies in reverse order": lambda i, d: 10000 ** (-(d - 2 - 2 * i) / d),
    "integer division in the exponent": lambda i, d: 10000.0 ** (-(2 * i // d)),
    "logarithm with base 10": lambda i, d: np.exp(-2 * i / d * 4),
    "logarithm forgotten": lambda i, d: np.exp(-2 * i / d),
    "frequencies spaced evenly": lambda i, d: 1 - 2 * i / d,
    "base 1,000 instead of 10,000": lambda i, d: 1000 ** (-2 * i / d),
    "base 1,000,000 instead of 10,000": lambda i, d: 1e6 ** (-2 * i / d),
    "angles taken for degrees": lambda i, d: np.radians(10000 ** (-2 * i / d)),
    "angles divided by 2π": lambda i, d: 10000 ** (-2 * i / d) / np.pi / 2,
}
ROPE = {
    **{name: with_theta(frequencies) for name, frequencies in FREQUENCIES.items()},
    "halves instead of neighbours": lambda x, m: turned(x, np.outer(m, theta(x.shape[-1])), halves),
    "pairs (i, d − 1 − i)": lambda x, m: turned(x, np.outer(m, theta(x.shape[-1])), lambda i, d: (i, d - 1 - i)),
    "pairs are read from two halves": lambda x, m: turned(
        x, np.outer(m, theta(x.shape[-1])), halves, lambda i, d: (2 * i, 2 * i + 1)
    ),
    "angles repeated, but pairs of halves": in_blocks,
    "the dimension's number in the exponent": by_dimension(1),
    "the dimension's number, doubled, in the exponent": by_dimension(2),
    "positions in bfloat16": at(lambda m: bits(m, 8)),
    "positions in float16": at(lambda m: bits(m, 11)),
    "x is normalised": normalised,
    "x is not turned": lambda x, m: x,
    "only the first half of the pairs turns": with_theta(lambda i, d: theta(d)[i] if i < (d // 2 + 1) // 2 else 0),
    "only the first half of the dimensions turns, with frequencies of its own": with_theta(
        lambda i, d: 10000 ** (-4 * i / d) if i < (d // 2 + 1) // 2 else 0
    ),
}


# ---------------------------------------------------------------- what stands on rope's frequencies


def encoding(frequencies):
    def fn(m, dim):
        angles = np.multiply.outer(m, [frequencies(i, dim) for i in range(dim // 2)])
        return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(*np.shape(m), dim)

    return fn


def logits(frequencies, conj=np.conj):
    def fn(q, k, offsets):
        waves = np.exp(1j * np.multiply.outer(offsets, [frequencies(i, len(q)) for i in range(len(q) // 2)]))
        return ((q[::2] + 1j * q[1::2]) * conj(k[::2] + 1j * k[1::2]) * waves).sum(-1).real

    return fn


def key(frequencies):
    return lambda q, offset: with_theta(frequencies)(q[None], np.array([offset]))[0]


def values(frequencies):
    turn = with_theta(frequencies)

    def fn(q, k, v, m):
        scores = turn(q, m) @ turn(k, m).T / np.sqrt(q.shape[-1])
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        return turn(weights @ turn(v, m), -m)

    return fn


def of_frequencies(method, make):
    known = {mistake.name for mistake in exercise_of(method).mistakes}
    return {name: make(frequencies) for name, frequencies in FREQUENCIES.items() if name in known}


def waves(offsets, dim, base):
    return np.exp(1j * np.multiply.outer(offsets, theta(dim, base)))


def partial_sums(offsets, dim, base):
    z = waves(offsets, dim, base)
    return sum(np.abs(z[..., : n + 1].sum(-1)) for n in range(dim // 2)) / (dim // 2)


def counted(offsets):
    return np.broadcast_to(np.arange(np.shape(offsets)[-1]), np.shape(offsets)) if np.ndim(offsets) else 0


def ramp(over, low, high):
    """γ falls from 1 to 0 over `low` … `high`."""

    def fn(dim, base, factor, length):
        gamma = np.clip((over(theta(dim, base), length, dim) - low) / (high - low), 0, 1)
        return theta(dim, base) * (gamma + (1 - gamma) / factor)

    return fn


def over_pairs(rounded):
    def fn(dim, base, factor, length):
        new = []
        first, last = (dim / 2 * np.log(length / turns / 2 / np.pi) / np.log(base) for turns in (32, 1))
        if rounded:
            first, last = np.floor(first), np.ceil(last)
        first, last = max(first, 0), min(last, dim - 1)
        for i, old in enumerate(theta(dim, base)):
            kept = 1 - min(max((i - first) / (last - first), 0), 1)
            new.append(old * kept + old / factor * (1 - kept))
        return np.array(new)

    return fn


def turns(frequencies, length, dim):
    return length * frequencies / (2 * np.pi)


def powers(of_two):
    return 2.0 ** (-8 * np.arange(1, of_two + 1) / of_two)


def below(heads):
    return max(2**n for n in range(20) if 2**n <= heads)


def slopes(ladder):
    return lambda heads: np.concatenate([ladder(below(heads)), ladder(2 * below(heads))[0::2][: heads - below(heads)]])


TABLES = {
    "rope": ROPE,
    "sinusoidal": {
        **of_frequencies("sinusoidal", encoding),
        "logarithm with base 2": encoding(lambda i, d: np.exp(-2 * i / d * np.log2(10000))),
        "positions in bfloat16": lambda m, dim: encoding(lambda i, d: theta(d)[i])(bits(np.asarray(m, float), 8), dim),
        "positions in float16": lambda m, dim: encoding(lambda i, d: theta(d)[i])(bits(np.asarray(m, float), 11), dim),
    },
    "rope_logits": {
        **of_frequencies("rope_logits", logits),
        "divided by √d": lambda q, k, r: rotations.logits_closed(q, k, r) / len(q) ** 0.5,
        "the mean over the pairs": lambda q, k, r: rotations.logits_closed(q, k, r) / (len(q) // 2),
        "divided by d": lambda q, k, r: rotations.logits_closed(q, k, r) / len(q),
        "offsets are ignored": lambda q, k, r: rotations.logits_closed(q, k, counted(r)),
    },
    "pointing_key": {
        **of_frequencies("pointing_key", key),
        "each pair has length 1": lambda q, r: rotations.key_closed(
            (q.reshape(-1, 2) / np.hypot(q[::2], q[1::2])[:, None]).ravel(), r
        ),
        "the key has length 1": lambda q, r: rotations.key_closed(q / np.sqrt(q @ q), r),
    },
    "rotated_values": of_frequencies("rotated_values", values),
    "mean_cosine": {
        "the partial sums of RoFormer's bound": partial_sums,
        "the length of the mean of e^(irθ)": lambda r, dim, base: np.abs(waves(r, dim, base).mean(-1)),
        "the cosine of the mean angle": lambda r, dim, base: np.cos(np.asarray(r) * theta(dim, base).mean()),
        "the sum instead of the mean": lambda r, dim, base: waves(r, dim, base).real.sum(-1),
        "offsets are ignored": lambda r, dim, base: waves(counted(r), dim, base).real.mean(-1),
        "squared cosines": lambda r, dim, base: (waves(r, dim, base).real ** 2).mean(-1),
    },
    "yarn": {
        "the ramp of the code, over the pair": over_pairs(True),
        "the ramp of the code, without its rounding": over_pairs(False),
        "Llama 3's ramp": ramp(turns, 1, 4),
        "α is 0": ramp(turns, 0, 32),
        "the 2π is missing": ramp(lambda old, length, dim: length * old, 1, 32),
        "the wavelength over the length": ramp(lambda old, length, dim: 1 / turns(old, length, dim), 1, 32),
        "whole turns alone": ramp(lambda old, length, dim: turns(old, length, dim) // 1, 1, 32),
        "the base is ignored": lambda dim, base, s, length: ramp(turns, 1, 32)(dim, 10000.0, s, length),
    },
    "alibi_slopes": {
        "heads counted from 0": slopes(lambda heads: powers(heads) * 2 ** (8 / heads)),
        "e instead of 2": slopes(lambda heads: np.exp(-8 * np.arange(1, heads + 1) / heads)),
        "the slopes are negative": slopes(lambda heads: -powers(heads)),
        "windows instead of slopes": slopes(lambda heads: 1 / powers(heads)),
        "the next larger power of two, cut off": lambda heads: powers(
            below(heads) * (1 if heads == below(heads) else 2)
        )[:heads],
        "the ladder goes on": lambda heads: np.array([256 ** (-(h + 1) / below(heads)) for h in range(heads)]),
    },
    "linear": {
        "the first pair is kept": lambda dim, base, s: theta(dim, base) / np.where(np.arange(dim // 2) > 0, s, 1),
        "the ladder ends at 1/base": lambda dim, base, s: np.geomspace(1, 1 / base, dim // 2) / s,
        "pairs counted from 1": lambda dim, base, s: theta(dim, base) * base ** (-2 / dim) / s,
        "the exponent is divided by the factor": lambda dim, base, s: theta(dim, base ** (1 / s)),
    },
    "ntk_base": {
        "the frequencies instead of the base": lambda dim, base, s: theta(dim, base * s ** (dim / (dim - 2))),
        "the base to the power of the factor": lambda dim, base, s: base**s,
        "the slowest frequency": lambda dim, base, s: theta(dim, base)[-1] / s,
    },
    "t5_bucket": {
        "keys after the query count as distance 0": lambda r: np.where(r > 0, 16, biases.bucket_table(np.minimum(r, 0)))
    },
    "longest_wavelength": {
        "rounded to an integer": lambda dim, base: np.floor(2 * np.pi * base ** (1 - 2 / dim)),
        "exponent d/(d − 2)": lambda dim, base: 2 * np.pi * base ** (1 / (1 - 2 / dim)),
    },
    "relative_part": {
        "the factor 1/2 is forgotten": matrices.by_blocks(lambda b: 2 * matrices.part_loop(b)),
        "the factor 1/2 is forgotten in a": matrices.by_blocks(
            lambda b: matrices.part_loop(b) + np.trace(b) / 2 * np.eye(2)
        ),
    },
}  # fmt: skip


def from_other_tests():
    """(method, name, function) of what those tests write in NumPy."""
    yield from (("sinusoidal", name, fn) for fn, name in sinusoidal.WRONG.items())
    yield from (("attention", name, fn) for fn, name in attention.WRONG.items())
    yield from (("causal_attention", name, fn) for fn, name in attention.WRONG_CAUSAL.items())
    yield from (("shift_matrix", name, fn) for fn, name in matrices.WRONG_SHIFTS.items())
    yield from (("relative_part", name, fn) for name, fn in matrices.WRONG_PARTS.items())
    yield from (("longest_wavelength", name, fn) for name, fn in matrices.WRONG_WAVELENGTHS.items())
    yield from (("rope", name, fn) for fn, name in rope.WRONG)
    for module in (biases, rotations, scaling):
        yield from ((checker.__name__, name, fn) for checker, fn, name in module.WRONG)


READERS = [(method, name, fn) for method, table in TABLES.items() for name, fn in table.items()]
READERS += [
    (method, name, fn)
    for method, name, fn in from_other_tests()
    if name in {mistake.name for mistake in exercise_of(method).mistakes} and arrays.preferred(fn)[0] == "NumPy"
]
# NumPy reads these otherwise, or refuses them, where there is a batch.
WITHOUT_BATCH = {"the sum lacks keepdims", "the maximum lacks keepdims", "maximum and sum lack keepdims"}


def result(fn, args):
    """What the reader's function gives, or None: some run on square inputs alone."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(fn(*args), dtype=np.float64)
    except (ValueError, TypeError, AttributeError, IndexError, np.exceptions.AxisError):
        return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("method", "name", "fn"), READERS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_version_of_the_bank_is_what_a_reader_writes(method, name, fn):
    exercise, tried = exercise_of(method), 0
    versions = [mistake.knobs for mistake in exercise.mistakes if mistake.name == name]
    for args in (*HELD_OUT[method], *MORE.get(method, [])):
        expected = result(fn, args)
        if expected is None or (name in WITHOUT_BATCH and np.ndim(args[0]) > 2):
            continue
        answers = [exercise.answer(Case("", args, ""), knobs).values for knobs in versions]
        tried += 1
        assert any(
            np.shape(answer) == expected.shape and np.allclose(answer, expected, rtol=1e-6, atol=1e-9, equal_nan=True)
            for answer in answers
        ), args
    assert tried
