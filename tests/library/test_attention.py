"""attention, both twins: against PyTorch's own in float64, against a plain loop, and the text of its errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import posenc_lib.numpy as pe
import posenc_lib.torch

BOOLEAN_BIAS = r"Pass a boolean mask as mask=, True where a query may look\.$"


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def in_words(q, k, v, bias, causal, mask=None):
    """The definition for one sequence, one number at a time."""
    result = []
    for t, query in enumerate(q):
        visible = [s for s in range(len(k)) if not (causal and s > t) and (mask is None or mask[t][s])]
        if not visible:
            result.append([0.0] * len(v[0]))
            continue
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


MASKS = {"some": [[1, 0, 1], [0, 1, 0], [1, 0, 0]], "a query sees nothing": [[0, 1, 1], [0, 0, 0], [1, 1, 1]],
         "one row": [[0, 1, 1]], "all": np.ones((3, 3)), "none": np.zeros((3, 3))}  # fmt: skip


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_masks_against_the_definition_in_a_loop(twin, mask, causal, with_bias):
    q, k, v, bias, mask = draw(3, 2), draw(3, 2, seed=1), draw(3, 4), draw(3, 3), np.array(MASKS[mask], dtype=bool)
    given_bias = twin.array(bias) if with_bias else None
    found = twin.pe.attention(*map(twin.array, (q, k, v)), bias=given_bias, mask=twin.array(mask), causal=causal)
    expected = in_words(q, k, v, bias if with_bias else np.zeros((3, 3)), causal, np.broadcast_to(mask, (3, 3)))
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


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("mask_shape", [(5, 7), (1, 7), (3, 5, 7), (1, 1, 7), (2, 3, 5, 7), (2, 1, 1, 7), (1, 3, 5, 7)])
def test_masks_against_pytorchs_own(twin, mask_shape, with_bias):
    q, k, v = draw(2, 3, 5, 8), draw(2, 3, 7, 8), draw(2, 3, 7, 4)
    bias, mask = draw(3, 5, 7), draw(*mask_shape) > 0
    added = np.where(mask, bias if with_bias else 0, -np.inf)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.tensor, (q, k, v)), attn_mask=torch.tensor(added)
    )
    arguments = {"mask": twin.array(mask)} | ({"bias": twin.array(bias)} if with_bias else {})
    found = twin.pe.attention(*map(twin.array, (q, k, v)), **arguments)
    assert tuple(found.shape) == (2, 3, 5, 4)
    assert np.allclose(found, expected, rtol=0, atol=1e-13)


def test_causal_and_a_mask_of_all_heads(twin):
    """Padding of the second sequence, at its end."""
    x = draw(2, 3, 4, 2)
    padding = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=bool)[:, None, None]
    found = np.asarray(twin.pe.attention(*[twin.array(x)] * 3, mask=twin.array(padding), causal=True))
    alone = np.asarray(twin.pe.attention(*[twin.array(x[1, :, :2])] * 3, causal=True))
    assert np.allclose(found[0], pe.attention(x[0], x[0], x[0], causal=True), rtol=0, atol=1e-14)
    assert np.allclose(found[1, :, :2], alone, rtol=0, atol=1e-14)


def test_a_query_that_sees_nothing_gets_zeros(twin):
    """As PyTorch's own gives since 2.5, be the keys hidden by a mask or by a bias of -inf."""
    x = twin.array(draw(2, 3))
    hidden = np.array([[True, True], [False, False]])
    by_mask = twin.pe.attention(x, x, x, mask=twin.array(hidden))
    by_bias = twin.pe.attention(x, x, x, bias=twin.array(np.where(hidden, 0.0, -np.inf)))
    for found in (by_mask, by_bias):
        assert np.asarray(found)[1].tolist() == [0.0] * 3
        assert np.allclose(found[:1], twin.pe.attention(x[:1], x, x), rtol=0, atol=1e-15)


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


def test_nope_leaks_order(twin):
    """Where the same token comes first and last, only the mask tells the places apart, and what was before."""
    x, order = draw(4, 2), [2, 0, 3, 1]
    unmasked, masked = (
        [np.asarray(twin.pe.attention(*[twin.array(each)] * 3, causal=causal)) for each in (x, x[order])]
        for causal in (False, True)
    )
    assert np.allclose(unmasked[1], unmasked[0][order], rtol=0, atol=1e-15)
    assert np.abs(masked[1] - masked[0][order]).max() > 0.1
    # One token that marks the beginning, and all others alike: then place m reads 1 / (m + 1).
    begin = np.zeros((4, 1))
    begin[0] = 1
    found = twin.pe.attention(*map(twin.array, (np.zeros((4, 2)), np.zeros((4, 2)), begin)), causal=True)
    assert np.allclose(np.asarray(found)[:, 0], [1, 1 / 2, 1 / 3, 1 / 4], rtol=0, atol=1e-15)


# What is refused, and in which words

LEADING = "the leading axes differ, and broadcasting them could hide a mistake"
REFUSED = [
    ("q, k and v need a token axis and a feature axis", (4,), (3, 4), (3, 4), None, False),
    ("q, k and v need a token axis and a feature axis", (3, 4), (4,), (3, 4), None, False),
    ("q, k and v need a token axis and a feature axis", (3, 4), (3, 4), (4,), None, False),
    (LEADING, (2, 3, 4), (3, 4), (3, 4), None, False),
    (LEADING, (2, 3, 4), (1, 3, 4), (1, 3, 4), None, False),
    ("q and k differ in their last axis, so they have no dot product", (3, 4), (3, 5), (3, 4), None, False),
    ("the feature axis of q and k is empty", (3, 0), (3, 0), (3, 4), None, False),
    ("the feature axis of q and k is empty", (2, 3, 0), (2, 3, 0), (2, 3, 4), None, False),
    ("k and v hold different numbers of tokens", (3, 4), (3, 4), (2, 4), None, False),
    ("there is no key to attend to", (3, 4), (0, 4), (0, 4), None, False),
    ("causal=True needs as many queries as keys, otherwise it is open which key is the first query's own; "
     "pass a mask instead, such as mask=key_positions <= query_positions[:, None]", (2, 4), (3, 4), (3, 4), None, True),
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
        "with the same leading axes" + ("." if bias is None else ", bias (..., T, S).")
    )


@pytest.mark.parametrize(
    ("wrong", "mask"),
    [("mask must end in (T or 1, S) = (2 or 1, 3)", (3,)), ("mask must end in (T or 1, S) = (2 or 1, 3)", (2, 1)),
     ("mask must end in (T or 1, S) = (2 or 1, 3)", (3, 2)), ("the leading axes of mask do not fit (5,)", (2, 2, 3)),
     ("the leading axes of mask do not fit (5,)", (1, 5, 2, 3))],
)  # fmt: skip
def test_masks_that_do_not_fit(twin, wrong, mask):
    q, k, bias = (twin.array(np.zeros(shape)) for shape in ((5, 2, 4), (5, 3, 4), (2, 3)))
    with pytest.raises(ValueError) as refusal:
        twin.pe.attention(q, k, k, bias=bias, mask=twin.array(np.ones(mask, dtype=bool)))
    assert str(refusal.value) == (
        f"attention: {wrong}. Got q (5, 2, 4), k (5, 3, 4), v (5, 3, 4), bias (2, 3), mask {mask}; expected "
        "q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes, bias (..., T, S), "
        "mask (..., T or 1, S)."
    )


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [("float32", "An additive mask, 0 or -inf, is a bias: pass it as bias=."),
     ("int64", "If 1 says that a query may look, pass mask == 1; if 1 says that it may not, mask == 0.")],
)  # fmt: skip
def test_masks_that_are_not_boolean(twin, dtype, hint):
    x = twin.array(np.eye(2))
    with pytest.raises(TypeError) as refusal:
        twin.pe.attention(x, x, x, mask=twin.array(np.eye(2, dtype=dtype)))
    dtype = f"torch.{dtype}" if twin.pe is posenc_lib.torch else dtype
    assert str(refusal.value) == (
        f"attention: mask must be boolean, True where a query may look, got dtype {dtype}. {hint}"
    )


def test_boolean_bias(twin):
    """Added as a number it would do nearly nothing; as q it is a mistake of another kind."""
    x, mask = twin.array(draw(3, 2)), twin.array(np.tri(3, dtype=bool))
    with pytest.raises(TypeError, match=rf"^attention: .*bool\. {BOOLEAN_BIAS}"):
        twin.pe.attention(x, x, x, bias=mask)
    with pytest.raises(TypeError, match="bool") as refusal:
        twin.pe.attention(mask, x, x)
    assert "mask=" not in str(refusal.value)


@pytest.mark.parametrize("name", ["q", "k", "v", "bias"])
@pytest.mark.parametrize(
    "array", [np.eye(2) + 1j, [["a", "b"]] * 2, [[None] * 2] * 2], ids=["complex", "text", "object"]
)
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
    assert str(refusal.value) == "attention: q is on cpu, k is on meta. Move one to the other."
    with pytest.raises(ValueError) as refusal:
        posenc_lib.torch.attention(x, x, x, mask=torch.ones(2, 2, dtype=torch.bool, device="meta"))
    assert str(refusal.value) == "attention: mask is on meta, q is on cpu. Move one to the other."


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_dtype_and_device_of_the_result(dtype):
    for device in ("cpu", "meta"):
        x = torch.ones(2, 3, 4, dtype=dtype, device=device)
        bias, mask = x[..., :3], torch.ones(3, 3, dtype=torch.bool, device=device)
        for arguments in ({}, {"bias": bias}, {"mask": mask}, {"bias": bias, "mask": mask}):
            found = posenc_lib.torch.attention(x, x, x, causal=True, **arguments)
            assert (found.dtype, found.device.type, found.shape) == (dtype, device, x.shape)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_torch_masks_in_half_precision(dtype):
    x, bias, mask = torch.randn(3, 5, 8).to(dtype), torch.randn(5, 5).to(dtype), torch.ones(5, 5).tril(-1).bool()
    found = posenc_lib.torch.attention(x, x, x, bias=bias, mask=mask)
    expected = pe.attention(*[x.double()] * 3, bias=bias.double(), mask=mask)
    assert np.allclose(found.double(), expected, rtol=0, atol=4 * torch.finfo(dtype).eps) and not found[:, 0].any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, *MASKS])
def test_torch_gradients(causal, mask):
    x = [torch.tensor(draw(3, 2, seed=i), requires_grad=True) for i in range(3)]
    bias = torch.tensor(draw(3, 3), requires_grad=True)
    mask = None if mask is None else torch.tensor(np.array(MASKS[mask], dtype=bool))

    def function(q, k, v, bias):
        return posenc_lib.torch.attention(q, k, v, bias=bias, mask=mask, causal=causal)

    assert torch.autograd.gradcheck(function, (*x, bias))


def test_torch_leaves_bias_and_mask_as_they_were():
    x, bias, mask = torch.eye(2), torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool)
    posenc_lib.torch.attention(x, x, x, bias=bias, mask=mask, causal=True)
    assert torch.equal(bias, torch.zeros(2, 2)) and mask.all()


@pytest.mark.parametrize(("causal", "with_bias"), [(False, False), (True, True)])
def test_torch_masks_compiled_in_one_graph(with_bias, causal):
    torch._dynamo.reset()
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(posenc_lib.torch.attention, fullgraph=True, backend=keep)
    for length in (3, 5, 9):
        x, bias = torch.randn(2, length, 4), torch.randn(length, length) if with_bias else None
        mask = torch.rand(length, length) > 0.5
        arguments = {"bias": bias, "mask": mask, "causal": causal}
        eager = posenc_lib.torch.attention(x, x, x, **arguments)
        assert torch.allclose(compiled(x, x, x, **arguments), eager, atol=1e-6)
    assert len(graphs) <= 2


def test_a_default_device_leaves_given_tensors_where_they_are():
    q, table = torch.ones(2, 3), torch.ones(4, 3)
    with torch.device("meta"):
        assert posenc_lib.torch.attention(q, q, q).device.type == "cpu"
        assert posenc_lib.torch.learned(torch.tensor([1], device="cpu"), table).device.type == "cpu"
