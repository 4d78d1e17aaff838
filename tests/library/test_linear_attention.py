"""linear_attention, both twins: the definition with all its T² weights, the recurrence, what its weights are like."""

import math
import tracemalloc

import numpy as np
import pytest
import torch

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib import frequencies
from tests.library.largest_tensor import Largest

THETA = frequencies.rope(8, base=100.0)
NORMALIZE = pytest.mark.parametrize("normalize", ["unrotated", "rotated"])


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def elu_plus_1(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def as_complex(x, m, theta, layout):
    """Pairs as complex numbers, turned by multiplication with e^(imθ); what does not turn, as real numbers."""
    n = len(theta)
    halves = x[..., 0 : 2 * n : 2], x[..., 1 : 2 * n : 2]
    first, second = halves if layout == "interleaved" else (x[..., :n], x[..., n : 2 * n])
    turned = (first + 1j * second) * np.exp(1j * np.multiply.outer(np.asarray(m, dtype=float), theta))
    return np.concatenate([turned, x[..., 2 * n :]], axis=-1)


def in_full(q, k, v, m=None, theta=(), layout="interleaved", normalize="unrotated", phi=elu_plus_1, causal=False):
    """The definition, all weights at once. ⟨R_m a, R_n b⟩ is the real part of a product of complex numbers."""
    q, k = phi(q), phi(k)
    plain = np.einsum("...md,...nd->...mn", q, k)
    weights = plain
    if m is not None:
        a, b = as_complex(q, m, theta, layout), as_complex(k, m, theta, layout)
        weights = np.einsum("...md,...nd->...mn", a, b.conj()).real
    if causal:
        plain, weights = (np.where(np.tri(q.shape[-2], dtype=bool), x, 0) for x in (plain, weights))
    divisor = (weights if normalize == "rotated" else plain).sum(-1, keepdims=True)
    return weights / divisor @ v


# 63, 64, 65, 130: around the chunks of the torch twin.
@pytest.mark.parametrize("length", [1, 2, 5, 63, 64, 65, 130])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layout", ["interleaved", "half"])
@NORMALIZE
def test_against_the_definition(twin, length, causal, layout, normalize):
    q, k, v = draw(length, 10), draw(length, 10, seed=1), draw(length, 3)
    m = range(1000, 1000 + length)
    options = {"layout": layout, "normalize": normalize, "causal": causal}
    found = twin.pe.linear_attention(*map(twin.array, (q, k, v)), positions=m, frequencies=THETA, **options)
    assert tuple(found.shape) == (length, 3)
    # A sum of rotated weights can come near 0, which magnifies rounding.
    expected, allowed = in_full(q, k, v, m, THETA, **options), 1e-10 if normalize == "rotated" else 1e-12
    assert np.allclose(found, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("causal", [False, True])
@NORMALIZE
def test_without_positions(twin, causal, normalize):
    q, k, v = draw(2, 3, 70, 4), draw(2, 3, 70, 4, seed=1), draw(2, 3, 70, 5)
    found = twin.pe.linear_attention(*map(twin.array, (q, k, v)), causal=causal, normalize=normalize)
    assert np.allclose(found, in_full(q, k, v, causal=causal), rtol=0, atol=1e-13)


def test_the_recurrence_of_katharopoulos(twin):
    """Equations 7 and 16 to 20 of "Transformers are RNNs", one number at a time."""
    q, k, v = draw(6, 3), draw(6, 3, seed=1), draw(6, 2)

    def phi(x):
        return [e + 1 if e > 0 else math.exp(e) for e in x]

    s, z, expected = [[0.0] * 2 for _ in range(3)], [0.0] * 3, []
    for i in range(6):
        features, query = phi(k[i]), phi(q[i])
        s = [[s[a][b] + features[a] * v[i][b] for b in range(2)] for a in range(3)]
        z = [z[a] + features[a] for a in range(3)]
        divisor = math.fsum(query[a] * z[a] for a in range(3))
        expected.append([math.fsum(query[a] * s[a][b] for a in range(3)) / divisor for b in range(2)])
    found = twin.pe.linear_attention(*map(twin.array, (q, k, v)), causal=True)
    assert np.allclose(found, expected, rtol=0, atol=1e-14)


def test_more_keys_than_queries(twin):
    q, k, v = draw(2, 3, 4), draw(2, 7, 4), draw(2, 7, 5)
    found = twin.pe.linear_attention(*map(twin.array, (q, k, v)))
    assert np.allclose(found, in_full(q, k, v), rtol=0, atol=1e-14)


def test_positions_of_each_sequence(twin):
    q, k, v = draw(2, 3, 4, 8), draw(2, 3, 4, 8, seed=1), draw(2, 3, 4, 2)
    m = np.array([[[0.5, 1, 7, 3]], [[2, 3, 4, -5]]])
    found = np.asarray(
        twin.pe.linear_attention(*map(twin.array, (q, k, v)), positions=twin.array(m), frequencies=THETA)
    )
    for b in range(2):
        expected = in_full(q[b], k[b], v[b], m[b, 0], THETA)
        assert np.allclose(found[b], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("causal", [False, True])
@NORMALIZE
def test_only_distances_count(twin, causal, normalize):
    q, k, v = (twin.array(draw(9, 8, seed=i)) for i in range(3))
    options = {"frequencies": THETA, "causal": causal, "normalize": normalize}
    near, far, mixed = (
        np.asarray(twin.pe.linear_attention(q, k, v, positions=m, **options))
        for m in (range(9), range(5000, 5009), [3, 1, 2, 9, 0, 4, 5, 8, 7])
    )
    assert np.allclose(near, far, rtol=0, atol=1e-10)
    assert np.abs(near - mixed).max() > 1e-3


def test_nothing_of_the_future_leaks(twin):
    """Not even as a rounding error: 1e9 in the future would show it."""
    q, k, v = draw(70, 8), draw(70, 8, seed=1), draw(70, 2)
    later = [x.copy() for x in (q, k, v)]
    for x in later:
        x[40:] = 1e9
    one, other = (
        np.asarray(twin.pe.linear_attention(*map(twin.array, x), positions=range(70), frequencies=THETA, causal=True))
        for x in ((q, k, v), later)
    )
    assert np.array_equal(one[:40], other[:40])


def test_small_features_keep_their_digits(twin):
    """elu(−30) + 1 is 9e-14, where −1 + 1 would have left 3 digits in float64 and none in float32."""
    q, k, v = np.full((1, 2), -30.0), np.array([[-30.0, -40.0], [-40.0, -30.0], [0.0, 0.0]]), np.eye(3)
    found = np.asarray(twin.pe.linear_attention(*map(twin.array, (q, k, v))))[0]
    a, b = math.exp(-30), math.exp(-40)
    assert np.allclose(found, np.array([a + b, a + b, 2]) / (2 * (a + b) + 2), rtol=1e-12, atol=0)


# What the weights are like: with the unit vectors for values, the output is the weights


def weights(twin, q, k, **options):
    return np.asarray(twin.pe.linear_attention(twin.array(q), twin.array(k), twin.array(np.eye(len(k))), **options))


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_equation_19_are_no_average(twin, seed):
    """The numbers that the docstring gives."""
    q, k = draw(1024, 64, seed=seed), draw(1024, 64, seed=seed + 10)
    options = {"positions": range(1024), "frequencies": frequencies.rope(64, base=10000.0)}
    found = weights(twin, q, k, **options)
    assert 0.028 < (found < 0).mean() < 0.038
    assert 0.15 < found.sum(-1).min() < 0.21 and 0.43 < found.sum(-1).max() < 0.51
    normalised = weights(twin, q, k, **options, normalize="rotated")
    assert np.allclose(normalised.sum(-1), 1, rtol=0, atol=1e-12)
    assert np.array_equal(normalised < 0, found < 0), "the sums happen to be positive, so no sign changes"
    assert "0.18 to 0.47, and 3% of them" in " ".join(twin.pe.linear_attention.__doc__.split())


def test_weights_without_positions_are_an_average(twin):
    found = weights(twin, draw(50, 8), draw(50, 8, seed=1))
    assert (found > 0).all() and np.allclose(found.sum(-1), 1, rtol=0, atol=1e-14)


def test_the_sum_of_rotated_weights_can_vanish(twin):
    """A quarter turn a token: the weights of token 0 are 1, 0 and −1. Equation 19 divides by 3, not by their sum."""
    x, options = np.zeros((3, 2)), {"positions": range(3), "frequencies": [np.pi / 2]}
    assert np.allclose(weights(twin, x, x, **options)[0], [1 / 3, 0, -1 / 3], rtol=0, atol=1e-15)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert not (np.abs(weights(twin, x, x, **options, normalize="rotated")[0]) < 1e9).any(where=[True, False, True])


def test_turned_before_the_feature_map(twin):
    """As the docstring says: an average, but no longer of distances alone."""
    q, k = draw(20, 8), draw(20, 8, seed=1)
    near, far = (
        weights(twin, *(np.asarray(twin.pe.rope(twin.array(x), range(start, start + 20), THETA)) for x in (q, k)))
        for start in (0, 1000)
    )
    assert (near > 0).all() and np.allclose(near.sum(-1), 1, rtol=0, atol=1e-14)
    assert np.abs(near - far).max() > 0.01


# The feature map


@NORMALIZE
def test_feature_map_that_changes_the_number_of_features(twin, normalize):
    """Positive features, twice as many as q has: exp(x) and exp(−x), of which the first 8 turn."""
    q, k, v = draw(5, 6), draw(5, 6, seed=1), draw(5, 3)
    phi = lambda x: np.concatenate([np.exp(x), np.exp(-x)], axis=-1)  # noqa: E731
    given = phi if twin.pe is pe else lambda x: torch.cat([x.exp(), (-x).exp()], dim=-1)
    options = {"normalize": normalize, "causal": True}
    found = twin.pe.linear_attention(
        *map(twin.array, (q, k, v)), positions=range(5), frequencies=THETA, feature_map=given, **options
    )
    assert np.allclose(found, in_full(q, k, v, range(5), THETA, phi=phi, **options), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("features", "said"),
    [(lambda x: x[0], r"Got \(6,\) for q \(5, 6\) and \(6,\) for k \(5, 6\)\.$"),
     (lambda x: x[:3], r"Got \(3, 6\) for q \(5, 6\) and \(3, 6\) for k \(5, 6\)\.$"),
     (lambda x: x[:, : (6 if x[0, 0] > 0 else 4)], r"Got \(5, 6\) for q \(5, 6\) and \(5, 4\) for k \(5, 6\)\.$"),
     (lambda x: x if x[0, 0] > 0 else x[1:], r"Got \(5, 6\) for q \(5, 6\) and \(4, 6\) for k \(5, 6\)\.$")],
)  # fmt: skip
def test_feature_map_that_changes_more(twin, features, said):
    x = twin.array(np.ones((5, 6)))
    rule = "feature_map must keep all axes but the last, and make equally many features of q and k"
    with pytest.raises(ValueError, match=rf"^linear_attention: {rule}\. {said}"):
        twin.pe.linear_attention(x, -x, x, feature_map=features)


def test_feature_map_that_is_none(twin):
    x = twin.array(np.ones((5, 6)))
    with pytest.raises(TypeError) as refusal:
        twin.pe.linear_attention(x, x, x, feature_map="elu")
    assert str(refusal.value) == "linear_attention: feature_map must be a function, got 'elu'. None is elu + 1."
    with pytest.raises(TypeError, match=r"^linear_attention: (what )?feature_map (returns )?must (hold real|return a)"):
        twin.pe.linear_attention(x, x, x, feature_map=lambda x: x + 1j)


# Memory


def test_memory_of_the_numpy_twin_does_not_grow_with_the_square_of_the_length():
    length = 2048
    q, k, v = (draw(length, 8, seed=i) for i in range(3))
    tracemalloc.start()
    pe.linear_attention(q, k, v, positions=range(length), frequencies=THETA, causal=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * q.nbytes < length * length * 8 / 10


@pytest.mark.parametrize("length", [1024, 4096])
def test_memory_of_the_torch_twin_grows_with_the_length(length):
    """Forward and backward: 64 numbers a token at most, for the products within chunks."""
    q, k, v = (torch.randn(length, 16, requires_grad=True) for _ in range(3))
    with Largest() as largest:
        options = {"positions": range(length), "frequencies": THETA, "causal": True}
        posenc_lib.torch.linear_attention(q, k, v, **options).sum().backward()
    assert largest.elements == length * 64


# What is refused, and in which words

FEWER, EQUAL = ((2, 4), (3, 4), (3, 4)), ((3, 4),) * 3


@pytest.mark.parametrize(
    ("shapes", "options", "said"),
    [(((3, 4), (3, 4), (2, 4)), {}, "k and v hold different numbers of tokens. Got q (3, 4), k (3, 4), v (2, 4); "
      "expected q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes."),
     (FEWER, {"causal": True}, "causal=True needs as many queries as keys, otherwise it is open which key is the first "
      "query's own; give q all tokens, or leave causal away where no key is hidden from any query. Got q (2, 4), "
      "k (3, 4), v (3, 4); expected q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes."),
     (FEWER, {"positions": range(2), "frequencies": [1.0]}, "positions are those of queries and keys alike, which "
      "needs as many of the one as of the other; got q (2, 4), k (3, 4)."),
     (EQUAL, {"positions": range(2), "frequencies": [1.0]}, "positions (2,) do not fit the features of q (3, 4)."),
     (EQUAL, {"positions": range(3), "frequencies": [1.0] * 3}, "every frequency turns two dimensions; 3 of them need "
      "6, and the features of q (3, 4) has 4. Pass at most 2."),
     (EQUAL, {"positions": range(3)}, "positions turn nothing without frequencies. Pass both, or neither for no "
      "positional encoding."),
     (EQUAL, {"frequencies": [1.0]}, "frequencies turn nothing without positions. Pass both, or neither for no "
      "positional encoding."),
     (EQUAL, {"layout": "halves"}, "unknown layout 'halves'."),
     (EQUAL, {"normalize": "softmax"}, "unknown normalize 'softmax'. 'unrotated' divides by the sum of φ(q) · φ(k), as "
      "RoFormer's equation 19 does; 'rotated' by the sum of the rotated weights, which makes their sum 1."),
     (EQUAL, {"positions": [0, 1, math.nan], "frequencies": [1.0]}, "positions must be finite and below 2**53"),
     (EQUAL, {"positions": range(3), "frequencies": [math.inf]}, "frequencies must be finite, got values ")],
)  # fmt: skip
def test_values_that_do_not_fit(twin, shapes, options, said):
    with pytest.raises(ValueError) as refusal:
        twin.pe.linear_attention(*(twin.array(np.zeros(shape)) for shape in shapes), **options)
    assert str(refusal.value).startswith(f"linear_attention: {said}")


@pytest.mark.parametrize("name", ["q", "k", "v", "positions", "frequencies"])
def test_no_real_numbers(twin, name):
    good = {"q": np.ones((2, 4)), "k": np.ones((2, 4)), "v": np.ones((2, 3))}
    good |= {"positions": np.arange(2.0), "frequencies": np.ones(2)}
    given = {key: twin.array(value + 1j if key == name else value) for key, value in good.items()}
    with pytest.raises(TypeError, match=rf"^linear_attention: .*{name} .*complex128"):
        twin.pe.linear_attention(**given)


# PyTorch alone


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", [3, 66])
@NORMALIZE
def test_gradients(causal, length, normalize):
    q, k, v = (torch.tensor(draw(length, 2, seed=i), requires_grad=True) for i in range(3))
    m, theta = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (range(length), [0.01]))

    def function(q, k, v, m, theta):
        options = {"normalize": normalize, "causal": causal}
        return posenc_lib.torch.linear_attention(q, k, v, positions=m, frequencies=theta, **options)

    assert torch.autograd.gradcheck(function, (q, k, v, m, theta), fast_mode=length > 9)


def test_gradient_of_the_feature_map_where_it_bends():
    """elu is smooth at 0: its slope is 1 from both sides."""
    q = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    k, v = torch.tensor([[0.0], [1.0]], dtype=torch.float64, requires_grad=True), torch.tensor([[0.0], [1.0]]).double()
    posenc_lib.torch.linear_attention(q, k, v).sum().backward()
    # f = 2 / (φ(k₀) + 2), so ∂f/∂k₀ = −2 φ′(0) / 9
    assert math.isclose(k.grad[0, 0].item(), -2 / 9, rel_tol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("causal", [False, True])
def test_lower_precision_is_rounded_once(dtype, causal):
    """2000 tokens: a sum in bfloat16 would stop growing at 256."""
    q, k, v = (torch.tensor(draw(2000, 16, seed=i)).to(dtype) for i in range(3))
    options = {"positions": range(2000), "frequencies": THETA, "causal": causal}
    found = posenc_lib.torch.linear_attention(q, k, v, **options)
    expected = pe.linear_attention(*(x.double().numpy() for x in (q, k, v)), **options)
    assert found.dtype == dtype
    allowed = torch.finfo(dtype).eps / 2 * 1.001 * abs(expected) + 3e-6
    assert (abs(found.double().numpy() - expected) <= allowed).all()


def test_feature_map_of_half_precision():
    """A module of the model's own dtype is a feature map."""
    layer = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Softplus()).to(torch.bfloat16)
    x = torch.randn(5, 4, dtype=torch.bfloat16)
    found = posenc_lib.torch.linear_attention(x, x, x, positions=range(5), frequencies=[0.1, 1], feature_map=layer)
    features = layer(x).double().detach().numpy()
    expected = in_full(features, features, x.double().numpy(), range(5), np.array([0.1, 1]), phi=lambda x: x)
    assert found.dtype == torch.bfloat16 and np.allclose(found.double().detach(), expected, rtol=0.004, atol=1e-6)


def test_devices():
    x, there = torch.ones(3, 4), torch.ones(3, 4, device="meta")
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.linear_attention(x, there, x)
    assert str(refusal.value) == "linear_attention: q is on cpu, k is on meta. Move one to the other."
    for name, options in (
        ("positions", {"positions": torch.arange(3, device="meta"), "frequencies": [1.0]}),
        ("frequencies", {"positions": range(3), "frequencies": torch.ones(2, device="meta")}),
    ):
        with pytest.raises(ValueError) as refusal:
            posenc_lib.torch.linear_attention(x, x, x, **options)
        assert str(refusal.value) == f"linear_attention: {name} are on meta, q is on cpu. Move one to the other."
    for causal in (False, True):
        for theta in ([1.0], torch.ones(1, device="meta"), torch.ones(1)):
            found = posenc_lib.torch.linear_attention(
                there, there, there, positions=range(3), frequencies=theta, causal=causal
            )
            assert (found.device.type, found.shape) == ("meta", (3, 4))


@pytest.mark.parametrize(("causal", "normalize"), [(False, "unrotated"), (True, "rotated"), (True, "unrotated")])
def test_compiled_in_one_graph(causal, normalize):
    torch._dynamo.reset()
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    def function(q, k, v, m):
        options = {"normalize": normalize, "causal": causal}
        return posenc_lib.torch.linear_attention(q, k, v, positions=m, frequencies=THETA, **options)

    compiled = torch.compile(function, fullgraph=True, backend=keep)
    for length in (3, 65, 70, 200):
        q, k, v = (torch.randn(2, length, 8) for _ in range(3))
        both = [each(q, k, v, torch.arange(length)) for each in (compiled, function)]
        assert torch.allclose(*both, rtol=0, atol=1e-5)
    assert len(graphs) <= 2


def test_gradients_of_the_compiled_function():
    torch._dynamo.reset()
    q, k, v = (torch.randn(70, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    options = {"positions": range(70), "frequencies": THETA, "causal": True}
    compiled = torch.compile(posenc_lib.torch.linear_attention, fullgraph=True, backend="aot_eager")
    gradients = [
        torch.autograd.grad(each(q, k, v, **options).sum(), (q, k, v))
        for each in (compiled, posenc_lib.torch.linear_attention)
    ]
    assert all(torch.allclose(*pair, rtol=0, atol=1e-10) for pair in zip(*gradients, strict=True))
