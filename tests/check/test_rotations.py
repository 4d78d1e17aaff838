"""The checkers of what RoPE gives, its logits, their mean, pointing keys and rotated values, against readers' code."""

import math

import numpy as np
import pytest
import torch

from posenc_lib import check, frequencies
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch
from tests.check.checkers import exercise_of


def theta(d, base=10000.0):
    return frequencies.rope(d, base=base)


def rope(x, positions):
    return pe.rope(x, positions, theta(np.shape(x)[-1]))


def torch_theta(d):
    return 10000.0 ** (-torch.arange(0, d, 2) / d)


def as_complex(x):
    return x[..., 0::2] + 1j * x[..., 1::2]


def torch_rope(x, positions):
    angles = positions[:, None] * torch_theta(x.shape[-1])
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1).flatten(-2)


# ---------------------------------------------------------------- right, in several styles


def logits_closed(q, k, offsets):
    a = q[0::2] * k[0::2] + q[1::2] * k[1::2]
    b = q[0::2] * k[1::2] - q[1::2] * k[0::2]
    angles = np.asarray(offsets)[..., None] * theta(len(q))
    return np.cos(angles) @ a + np.sin(angles) @ b


def logits_by_rotation(q, k, offsets):
    """What they are the logits of: the query at 1000, the key `offset` before it."""
    keys = 1000 - np.ravel(offsets)
    turned = pe.rope(np.broadcast_to(k, (keys.size, len(k))), keys, theta(len(k)))
    return (turned @ pe.rope(q[None], [1000], theta(len(q)))[0]).reshape(np.shape(offsets))


def logits_complex(q, k, offsets):
    turns = np.exp(1j * np.multiply.outer(offsets, theta(len(q))))
    return (turns * as_complex(q) * as_complex(k).conj()).sum(axis=-1).real


def logits_loops(q, k, offsets):
    out = np.zeros(np.shape(offsets))
    for index, r in np.ndenumerate(offsets):
        for i in range(len(q) // 2):
            angle = r * 10000 ** (-2 * i / len(q))
            a = q[2 * i] * k[2 * i] + q[2 * i + 1] * k[2 * i + 1]
            b = q[2 * i] * k[2 * i + 1] - q[2 * i + 1] * k[2 * i]
            out[index] += a * math.cos(angle) + b * math.sin(angle)
    return out


def logits_torch_float32(q, k, offsets):
    a = (q * k).reshape(-1, 2).sum(dim=1)
    b = q[0::2] * k[1::2] - q[1::2] * k[0::2]
    angles = offsets[..., None] * torch_theta(len(q))
    return angles.cos() @ a + angles.sin() @ b


def logits_torch_float64(q, k, offsets):
    angles = offsets[..., None].double() * torch.as_tensor(theta(len(q)))
    q, k = q.double(), k.double()
    a, b = (q * k).reshape(-1, 2).sum(dim=1), q[0::2] * k[1::2] - q[1::2] * k[0::2]
    return (a * angles.cos() + b * angles.sin()).sum(dim=-1)


def mean_closed(offsets, dim, base):
    return np.cos(np.multiply.outer(offsets, theta(dim, base))).mean(axis=-1)


def mean_over_dimensions(offsets, dim, base):
    angles = np.multiply.outer(offsets, np.repeat(base ** (-np.arange(0, dim, 2) / dim), 2))
    return np.cos(angles).sum(axis=-1) / dim


def mean_loops(offsets, dim, base):
    def one(r):
        return 2 / dim * sum(math.cos(r * base ** (-2 * i / dim)) for i in range(dim // 2))

    return np.vectorize(one)(np.asarray(offsets, dtype=float))


def mean_torch(offsets, dim, base):
    return torch.cos(offsets[..., None] * base ** (-torch.arange(0, dim, 2) / dim)).mean(dim=-1)


def mean_of_logits(offsets, dim, base):
    """The logits of a query and a key of ones, over d."""
    ones = np.ones((np.size(offsets), dim))
    return (pe.rope(ones, np.ravel(offsets), theta(dim, base)).sum(axis=-1) / dim).reshape(np.shape(offsets))


def key_closed(q, offset):
    return pe.rope(q[None], [offset], theta(len(q)))[0]


def key_complex(q, offset):
    turned = as_complex(q) * np.exp(1j * offset * theta(len(q)))
    return np.stack([turned.real, turned.imag], axis=-1).ravel()


def key_matrix(q, offset):
    R = np.zeros((len(q), len(q)))
    for i, angle in enumerate(offset * theta(len(q))):
        c, s = math.cos(angle), math.sin(angle)
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -s], [s, c]]
    return R @ q


def key_by_the_gradient(q, offset):
    """The logit is linear in the key: its gradient points where the logit grows most."""
    grow = np.array([logits_closed(q, e, np.array(offset)) for e in np.eye(len(q))])
    return grow * np.linalg.norm(q) / np.linalg.norm(grow)


def key_torch(q, offset):
    return torch_rope(q[None], torch.tensor([offset]))[0]


def values_turned_back(q, k, v, positions):
    q, k, v = rope(q, positions), rope(k, positions), rope(v, positions)
    return rope(pe.attention(q, k, v), -positions)


def values_relative(q, k, v, positions):
    """Each value arrives turned by n − m."""
    logits = rope(q, positions) @ rope(k, positions).T / np.sqrt(q.shape[-1])
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    out = np.zeros(v.shape)
    for m in range(len(q)):
        for n in range(len(k)):
            out[m] += weights[m, n] * rope(v[n : n + 1], [positions[n] - positions[m]])[0]
    return out


def values_torch_float32(q, k, v, positions):
    q, k, v = (torch_rope(x, positions) for x in (q, k, v))
    weights = torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=-1)
    return torch_rope(weights @ v, -positions)


def values_torch_float64(q, k, v, positions):
    def turn(x, m):
        return pe_torch.rope(x, m, theta(x.shape[-1]))

    q, k, v = (turn(x.double(), positions) for x in (q, k, v))
    return turn(torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0], -positions)


RIGHT = [
    (check.rope_logits, logits_closed),
    (check.rope_logits, logits_by_rotation),
    (check.rope_logits, logits_complex),
    (check.rope_logits, logits_loops),
    (check.rope_logits, logits_torch_float32),
    (check.rope_logits, logits_torch_float64),
    (check.mean_cosine, mean_closed),
    (check.mean_cosine, mean_over_dimensions),
    (check.mean_cosine, mean_loops),
    (check.mean_cosine, mean_torch),
    (check.mean_cosine, mean_of_logits),
    (check.pointing_key, key_closed),
    (check.pointing_key, key_complex),
    (check.pointing_key, key_matrix),
    (check.pointing_key, key_by_the_gradient),
    (check.pointing_key, key_torch),
    (check.rotated_values, values_turned_back),
    (check.rotated_values, values_relative),
    (check.rotated_values, values_torch_float32),
    (check.rotated_values, values_torch_float64),
]


@pytest.mark.parametrize(("checker", "fn"), RIGHT, ids=lambda f: f.__name__)
def test_a_right_function_passes(checker, fn):
    report = checker(fn)
    assert report.passed, str(report)


@pytest.mark.parametrize("offset", [0, 1, 5, -3])
def test_the_pointing_key_has_the_largest_logit_of_all_keys_of_its_length(offset):
    """The oracle's own meaning, by trying keys."""
    rng = np.random.default_rng(offset + 10)
    q = rng.standard_normal(8)
    best = logits_by_rotation(q, key_closed(q, offset), np.array(offset))
    for _ in range(300):
        key = rng.standard_normal(8)
        key *= np.linalg.norm(q) / np.linalg.norm(key)
        assert logits_by_rotation(q, key, np.array(offset)) < best
    assert best == pytest.approx(q @ q)


# ---------------------------------------------------------------- wrong, as readers write it


def llama_layout(x):
    """From pairs (i, i + d/2) to neighbours."""
    d = x.shape[-1]
    return x[..., np.stack([np.arange(d // 2), np.arange(d // 2, d)], axis=1).ravel()]


def logits_of_halves(q, k, offsets):
    return logits_closed(llama_layout(q), llama_layout(k), offsets)


def logits_one_term(q, k, offsets):
    a = (q * k).reshape(-1, 2).sum(axis=1)
    return np.cos(np.multiply.outer(offsets, theta(len(q)))) @ a


def logits_of_pairs(q, k, offsets):
    a = (q * k).reshape(-1, 2).sum(axis=1)
    return np.cos(np.multiply.outer(offsets, theta(len(q)))) * a


def key_of_halves(q, offset):
    d = len(q)
    c, s = np.cos(offset * theta(d)), np.sin(offset * theta(d))
    return np.concatenate([q[: d // 2] * c - q[d // 2 :] * s, q[: d // 2] * s + q[d // 2 :] * c])


def values_plain_rope(q, k, v, positions):
    return pe.attention(rope(q, positions), rope(k, positions), v)


def values_stay_turned(q, k, v, positions):
    return pe.attention(rope(q, positions), rope(k, positions), rope(v, positions))


def values_each_turned_back(q, k, v, positions):
    return pe.attention(rope(q, positions), rope(k, positions), rope(rope(v, positions), -positions))


def values_turned_on(q, k, v, positions):
    return rope(values_stay_turned(q, k, v, positions), positions)


def values_not_rotated(q, k, v, positions):
    return rope(values_plain_rope(q, k, v, positions), -positions)


def values_unscaled(q, k, v, positions):
    return values_turned_back(q * np.sqrt(q.shape[-1]), k, v, positions)


def values_causal(q, k, v, positions):
    q, k, v = rope(q, positions), rope(k, positions), rope(v, positions)
    return rope(pe.attention(q, k, v, causal=True), -positions)


def values_numbered(q, k, v, positions):
    return values_turned_back(q, k, v, np.arange(len(q)))


def values_of_halves_in_torch(q, k, v, positions):
    def turn(x, m):
        angles = torch.cat([m[:, None] * torch_theta(x.shape[-1])] * 2, dim=-1)
        first, second = x.chunk(2, dim=-1)
        return x * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()

    q, k, v = (turn(x, positions) for x in (q, k, v))
    return turn(torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=-1) @ v, -positions)


def values_logits_mirrored(q, k, v, positions):
    logits = rope(q, -positions) @ rope(k, -positions).T / np.sqrt(q.shape[-1])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return rope(weights / weights.sum(axis=1, keepdims=True) @ rope(v, positions), -positions)


WRONG = [
    (check.rope_logits, lambda q, k, offsets: logits_closed(k, q, offsets), "the sines have the wrong sign"),
    (check.rope_logits, logits_of_halves, "halves instead of neighbours"),
    (check.rope_logits, logits_one_term, "the sines are missing"),
    (check.rope_logits, logits_of_pairs, "the pairs are not summed"),
    (check.rope_logits, lambda q, k, offsets: q @ k, "one logit for all"),
    (check.rope_logits, lambda q, k, offsets: logits_closed(q, k, np.abs(offsets)), "the offset loses its sign"),
    (check.rope_logits, lambda q, k, offsets: logits_closed(q, k, offsets) / np.sqrt(len(q)), "divided by √d"),
    (check.rope_logits, lambda q, k, offsets: 3 * logits_closed(q, k, offsets), "scaled by 3"),
    (check.rope_logits, lambda q, k, offsets: logits_closed(q, k, 2 * offsets), "the angle is doubled"),
    (
        check.rope_logits,
        lambda q, k, offsets: logits_torch_float64(q.detach(), k, offsets).detach(),
        "no gradient flows back",
    ),
    (
        check.mean_cosine,
        lambda offsets, dim, base: mean_closed(offsets, dim, base) * dim / 2,
        "the sum instead of the mean",
    ),
    (check.mean_cosine, lambda offsets, dim, base: mean_closed(offsets, dim, base) / 2, "divided by d instead of d/2"),
    (check.mean_cosine, lambda offsets, dim, base: mean_closed(offsets, dim, 10000.0), "the base keyword is ignored"),
    (
        check.mean_cosine,
        lambda offsets, dim, base: mean_closed(offsets, dim, np.sqrt(base)),
        "exponent i/d instead of 2i/d",
    ),
    (
        check.mean_cosine,
        lambda offsets, dim, base: np.abs(mean_closed(offsets, dim, base)),
        "the absolute value of the mean",
    ),
    (
        check.mean_cosine,
        lambda offsets, dim, base: mean_closed(offsets, dim, base).mean(),
        "one number for all offsets",
    ),
    (
        check.mean_cosine,
        lambda offsets, dim, base: np.cos(np.multiply.outer(offsets, theta(dim, base))),
        "the pairs are not averaged",
    ),
    (check.pointing_key, lambda q, offset: key_closed(q, -offset), "turned backwards"),
    (check.pointing_key, lambda q, offset: q.copy(), "q itself"),
    (check.pointing_key, key_of_halves, "halves instead of neighbours"),
    (check.pointing_key, lambda q, offset: key_closed(q / np.linalg.norm(q), offset), "the key has length 1"),
    (check.pointing_key, lambda q, offset: key_closed(q, np.degrees(offset)), "degrees instead of radians"),
    (check.pointing_key, lambda q, offset: 0.3 * key_closed(q, offset), "scaled by 0.3"),
    (check.pointing_key, lambda q, offset: key_closed(q, 0.7 * offset), "angles multiplied by 0.7"),
    (
        check.pointing_key,
        lambda q, offset: pe.rope(q[None], [offset], theta(len(q), 777.0))[0],
        "base 777 instead of 10,000",
    ),
    (check.pointing_key, lambda q, offset: key_closed(q, offset)[None], "an axis too many in front"),
    (check.pointing_key, lambda q, offset: np.eye(len(q)), "the matrix is not applied"),
    (check.rotated_values, values_plain_rope, "neither values nor output are turned"),
    (check.rotated_values, values_each_turned_back, "neither values nor output are turned"),
    (check.rotated_values, values_stay_turned, "the output is not turned back"),
    (check.rotated_values, values_turned_on, "the output is turned on instead of back"),
    (check.rotated_values, values_not_rotated, "the values are not rotated"),
    (check.rotated_values, values_unscaled, "the scale is missing"),
    (check.rotated_values, values_causal, "a causal mask is applied"),
    (check.rotated_values, values_logits_mirrored, "queries and keys turn by −m"),
    (
        check.rotated_values,
        lambda q, k, v, positions: values_turned_back(q, k, v, -positions),
        "all turns have the wrong sign",
    ),
    (check.rotated_values, values_numbered, "positions are ignored"),
    (check.rotated_values, values_of_halves_in_torch, "halves instead of neighbours"),
    (check.rotated_values, lambda q, k, v, positions: pe.attention(q, k, v), "nothing is rotated"),
    (
        check.rotated_values,
        lambda q, k, v, positions: values_turned_back(q, k, v, positions).T,
        "the result is transposed",
    ),
]


@pytest.mark.parametrize(("checker", "fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_function_is_named(checker, fn, diagnosis):
    report = checker(fn)
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)


def noise(right):
    def fn(*args):
        result = right(*args)
        return result + 1e-3 * np.random.default_rng(0).standard_normal(np.shape(result))

    return fn


@pytest.mark.parametrize(
    ("checker", "fn"),
    [
        (check.rope_logits, lambda q, k, offsets: noise(logits_closed)(q, k, offsets)),
        (check.mean_cosine, lambda offsets, dim, base: noise(mean_closed)(offsets, dim, base)),
        (check.pointing_key, lambda q, offset: noise(key_closed)(q, offset)),
        (check.rotated_values, lambda q, k, v, positions: noise(values_turned_back)(q, k, v, positions)),
    ],
)
def test_noise_does_not_pass_and_has_no_name(checker, fn):
    assert checker(fn).diagnosis == "unknown mistake"


@pytest.mark.parametrize(("checker", "fn"), RIGHT[::5], ids=lambda f: f.__name__)
def test_strict_raises_for_a_wrong_function_alone(checker, fn):
    assert checker(fn, strict=True).passed
    with pytest.raises(AssertionError):
        checker(lambda *args: np.zeros(7), strict=True)


def test_a_key_is_told_of_its_offset_and_not_of_a_position():
    """Its mistakes are mostly RoPE's, said anew: r for m, and offset 0 for position 0."""
    told = {mistake.name: mistake.message for mistake in exercise_of("pointing_key").mistakes}
    whose = {mistake.name: mistake.message for mistake in exercise_of("rope").mistakes}
    for name, message in told.items():
        assert "mθ" not in message and "position 0" not in message
        if "mθ" in whose.get(name, ""):
            assert "rθ" in message
    assert any("rθ" in message for message in told.values())
