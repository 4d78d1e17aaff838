"""attention, both twins: against PyTorch's own in float64, against a plain loop, and the text of its errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import posenc_lib.numpy as pe
import posenc_lib.torch

BOOLEAN_BIAS = r"Write a boolean mask as a bias: 0 where a query may look, -inf where it may not\.$"


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def in_words(q, k, v, bias, causal):
    """The definition for one sequence, one number at a time."""
    result = []
    for t, query in enumerate(q):
        visible = range(t + 1) if causal else range(len(k))
        logits = [math.fsum(a * b for a, b in zip(query, k[s], strict=True)) / math.sqrt(len(query)) + bias[t][s]
                  for s in visible]
        weights = [math.exp(logit) for logit in logits]
        result.append([math.fsum(w * v[s][e] for w, s in zip(weights, visible, strict=True)) / math.fsum(weights)
                       for e in range(len(v[0]))])
    return result


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_against_the_definition_in_a_loop(twin, causal, with_bias):
    q, k, v, bias = draw(3, 2), draw(3, 2, seed=1), draw(3, 4), draw(3, 3)
    given_bias = twin.array(bias) if with_bias else None
    found = twin.pe.attention(*map(twin.array, (q, k, v)), bias=given_bias, causal=causal)
    expected = in_words(q, k, v, bias if with_bias else np.zeros((3, 3)), causal)
    assert np.allclose(found, expected, rtol=0, atol=1e-14)


SHAPES = [((5, 8), (5, 8), (5, 8)), ((2, 3, 5, 8), (2, 3, 5, 8), (2, 3, 5, 4)), ((2, 2, 2, 3, 4),) * 3,
          ((2, 3, 8), (2, 7, 8), (2, 7, 1))]  # fmt: skip


@pytest.mark.parametrize(("shapes", "causal"), [*((s, False) for s in SHAPES), *((s, True) for s in SHAPES[:3])])
@pytest.mark.parametrize("bias_axes", ["no bias", "none", "the last", "ones", "all"])
def test_against_pytorchs_own(twin, shapes, causal, bias_axes):
    """bias_axes: which of the leading axes the bias has."""
    q, k, v = (draw(*shape, seed=i) for i, shape in enumerate(shapes))
    *leading, T, _ = shapes[0]
    S = shapes[1][-2]
    axes = {"none": [], "the last": leading[1:], "ones": [1] * len(leading), "all": leading}
    bias = draw(*axes[bias_axes], T, S) if bias_axes in axes else None
    mask = np.zeros((T, S)) if bias is None else bias
    if causal:
        mask = np.where(np.tri(T, dtype=bool), mask, -np.inf)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.tensor, (q, k, v)), attn_mask=torch.tensor(mask)
    )
    found = twin.pe.attention(
        *map(twin.array, (q, k, v)), bias=None if bias is None else twin.array(bias), causal=causal
    )
    assert tuple(found.shape) == (*shapes[0][:-1], shapes[2][-1])
    assert np.allclose(found, expected, rtol=0, atol=1e-13)


def test_large_logits_do_not_overflow(twin):
    """Logits of ±1e6: exp of either is inf or 0."""
    q, v = twin.array([[1e3], [-1e3]]), twin.array([[1.0], [2.0]])
    assert np.asarray(twin.pe.attention(q, q, v)).tolist() == [[1.0], [2.0]]


def test_hidden_keys_have_no_weight(twin):
    x, hide = twin.array(draw(3, 2)), twin.array(np.array([[0.0, -math.inf, 0.0]] * 3))
    swapped = twin.array(draw(3, 2))
    swapped[1] = 1e3
    assert np.allclose(
        twin.pe.attention(x, x, x, bias=hide), twin.pe.attention(x, swapped, swapped, bias=hide), rtol=0, atol=1e-15
    )


def test_nothing_of_the_future_leaks(twin):
    x = draw(4, 2)
    changed = x.copy()
    changed[2:] += 1
    before, after = (np.asarray(twin.pe.attention(*[twin.array(a)] * 3, causal=True)) for a in (x, changed))
    assert np.array_equal(before[:2], after[:2]) and not np.allclose(before[2:], after[2:])


def test_empty_axes(twin):
    empty = twin.pe.attention(twin.array(np.zeros((0, 2))), *[twin.array(draw(3, 2))] * 2)
    assert tuple(empty.shape) == (0, 2)
    assert tuple(twin.pe.attention(*[twin.array(np.zeros((0, 3, 2)))] * 3).shape) == (0, 3, 2)


@given(st.permutations(range(6)), st.integers(0, 9))
def test_a_set_has_no_order(permutation, seed):
    """Permuting the tokens permutes the result; permuting the keys alone changes nothing."""
    x, p = draw(6, 4, seed=seed), list(permutation)
    assert np.allclose(pe.attention(x[p], x[p], x[p]), pe.attention(x, x, x)[p], rtol=0, atol=1e-14)
    assert np.allclose(pe.attention(x, x[p], x[p]), pe.attention(x, x, x), rtol=0, atol=1e-14)


# What is refused, and in which words

REFUSED = [
    ("q, k and v need a token axis and a feature axis", (4,), (3, 4), (3, 4), None, False),
    ("the leading axes differ, and broadcasting them could hide a mistake", (2, 3, 4), (3, 4), (3, 4), None, False),
    ("the leading axes differ, and broadcasting them could hide a mistake", (2, 3, 4), (1, 3, 4), (1, 3, 4), None, False),
    ("q and k differ in their last axis, so they have no dot product", (3, 4), (3, 5), (3, 4), None, False),
    ("the feature axis of q and k is empty", (3, 0), (3, 0), (3, 4), None, False),
    ("k and v hold different numbers of tokens", (3, 4), (3, 4), (2, 4), None, False),
    ("there is no key to attend to", (3, 4), (0, 4), (0, 4), None, False),
    ("causal=True needs as many queries as keys, otherwise it is open which key is the first query's own; "
     "pass a bias of 0 and -inf instead", (2, 4), (3, 4), (3, 4), None, True),
    ("bias must end in (T, S) = (2, 3)", (2, 4), (3, 4), (3, 4), (3, 2), False),
    ("bias must end in (T, S) = (2, 3)", (2, 4), (3, 4), (3, 4), (3,), False),
    ("bias must end in (T, S) = (2, 3)", (2, 4), (3, 4), (3, 4), (1, 3), False),
    ("the leading axes of bias do not fit (5,)", (5, 2, 4), (5, 3, 4), (5, 3, 4), (2, 2, 3), False),
    ("the leading axes of bias do not fit (5,)", (5, 2, 4), (5, 3, 4), (5, 3, 4), (1, 5, 2, 3), False),
    ("the leading axes of bias do not fit (2, 3)", (2, 3, 1, 4), (2, 3, 1, 4), (2, 3, 1, 4), (2, 1, 1), False),
    ("the leading axes of bias do not fit ()", (2, 4), (3, 4), (3, 4), (1, 2, 3), False),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "q", "k", "v", "bias", "causal"), REFUSED)
def test_shapes_that_do_not_fit(twin, wrong, q, k, v, bias, causal):
    arrays = [twin.array(np.zeros(shape)) for shape in (q, k, v)]
    with pytest.raises(ValueError) as refusal:
        twin.pe.attention(*arrays, bias=None if bias is None else twin.array(np.zeros(bias)), causal=causal)
    given_shapes = f"q {q}, k {k}, v {v}" + ("" if bias is None else f", bias {bias}")
    assert str(refusal.value) == (
        f"attention: {wrong}. Got {given_shapes}; expected q (..., T, d), k (..., S, d), v (..., S, e) "
        "with the same leading axes, and bias (..., T, S)."
    )


def test_boolean_mask(twin):
    """PyTorch's own takes one, where True means "may look"; added as a number it would do nearly nothing."""
    x, mask = twin.array(draw(3, 2)), twin.array(np.tri(3, dtype=bool))
    with pytest.raises(TypeError, match=rf"^attention: .*bool\. {BOOLEAN_BIAS}"):
        twin.pe.attention(x, x, x, bias=mask)


@pytest.mark.parametrize("name", ["q", "k", "v", "bias"])
@pytest.mark.parametrize("array", [np.eye(2) + 1j, [["a", "b"]] * 2, [[None] * 2] * 2], ids=["complex", "text", "object"])
def test_numpy_no_real_numbers(name, array):
    arguments = {"q": np.eye(2), "k": np.eye(2), "v": np.eye(2), name: array}
    with pytest.raises(TypeError, match=rf"^attention: {name} must hold real numbers, got dtype [^ ]+\.$"):
        pe.attention(**arguments)


def test_numpy_takes_integers_and_lists():
    assert np.allclose(pe.attention([[1, 0]], [[1, 0]], [[3, 4]]), [[3, 4]])


@pytest.mark.parametrize(
    ("dtypes", "said"),
    [
        ((torch.float32, torch.float64, torch.float32), "q torch.float32, k torch.float64, v torch.float32"),
        ((torch.int64,) * 3, "q torch.int64, k torch.int64, v torch.int64"),
        ((torch.complex64,) * 3, "q torch.complex64, k torch.complex64, v torch.complex64"),
        ((torch.float32, torch.float32, torch.float32, torch.float64),
         "q torch.float32, k torch.float32, v torch.float32, bias torch.float64"),
    ],
)  # fmt: skip
def test_torch_dtypes(dtypes, said):
    q, k, v, *bias = (torch.eye(2).to(dtype) for dtype in dtypes)
    with pytest.raises(TypeError) as refusal:
        posenc_lib.torch.attention(q, k, v, bias=bias[0] if bias else None)
    assert str(refusal.value) == f"attention: expected one floating dtype for all, got {said}."


def test_torch_devices():
    x = torch.eye(2)
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.attention(x, x.to("meta"), x)
    assert str(refusal.value) == "attention: expected one device for all, got q on cpu, k on meta, v on cpu."


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_dtype_and_device_of_the_result(dtype):
    for device in ("cpu", "meta"):
        x = torch.ones(2, 3, 4, dtype=dtype, device=device)
        found = posenc_lib.torch.attention(x, x, x, causal=True)
        assert (found.dtype, found.device.type, found.shape) == (dtype, device, x.shape)


@pytest.mark.parametrize("causal", [False, True])
def test_torch_gradients(causal):
    x = [torch.tensor(draw(3, 2, seed=i), requires_grad=True) for i in range(3)]
    bias = torch.tensor(draw(3, 3), requires_grad=True)
    function = lambda q, k, v, b: posenc_lib.torch.attention(q, k, v, bias=b, causal=causal)  # noqa: E731
    assert torch.autograd.gradcheck(function, (*x, bias))


def test_torch_leaves_the_bias_as_it_was():
    x, bias = torch.eye(2), torch.zeros(2, 2)
    posenc_lib.torch.attention(x, x, x, bias=bias, causal=True)
    assert torch.equal(bias, torch.zeros(2, 2))


def test_a_default_device_leaves_given_tensors_where_they_are():
    q, table = torch.ones(2, 3), torch.ones(4, 3)
    with torch.device("meta"):
        assert posenc_lib.torch.attention(q, q, q).device.type == "cpu"
        assert posenc_lib.torch.learned(torch.tensor([1], device="cpu"), table).device.type == "cpu"
