"""An error names the operation and the argument that it is about, and says the numbers that would do."""

import math

import numpy as np
import pytest
import torch

from posenc_lib import _arguments
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch

X = np.ones((3, 4))
TABLE = np.ones((3, 4))
THETA = np.ones(2)
N = np.arange(3)
WEIGHT = np.ones((8, 4))
# Operation, the names of its arrays, and a call of the twin with one array for each name.
CALLS = [
    ("attention", {"q": X, "k": X, "v": X}, lambda t, q, k, v: t.attention(q, k, v)),
    ("attention", {"bias": np.ones((3, 3))}, lambda t, bias: t.attention(*like(t, X, X, X), bias=bias)),
    (
        "linear_attention",
        {"q": X, "k": X, "v": X},
        lambda t, q, k, v: t.linear_attention(q, k, v, positions=N, frequencies=THETA),
    ),
    ("rope", {"x": X}, lambda t, x: t.rope(x, N, THETA)),
    ("learned", {"table": TABLE}, lambda t, table: t.learned(N, table)),
    ("kerple_bias", {"r1": THETA, "r2": THETA}, lambda t, r1, r2: t.kerple_bias(r1, r2, N, N)),
    ("t5_bias", {"table": np.ones((32, 2))}, lambda t, table: t.t5_bias(table, N, N)),
    (
        "convert_layout",
        {"weight": WEIGHT},
        lambda t, weight: t.convert_layout(weight, 2, source="half", target="interleaved"),
    ),
]
CASES = [
    (operation, name, arrays, call, wrong)
    for operation, arrays, call in CALLS
    for name in arrays
    for wrong in ("text", "complex")
    if wrong == "text" or operation not in ("learned", "convert_layout")  # which move rows of any dtype
]


def like(twin, *arrays):
    return [torch.as_tensor(array) if twin is pe_torch else array for array in arrays]


@pytest.mark.parametrize("twin", [pe, pe_torch], ids=["numpy", "torch"])
@pytest.mark.parametrize(("operation", "name", "arrays", "call", "wrong"), CASES)
def test_the_argument_is_named(twin, operation, name, arrays, call, wrong):
    given = dict(zip(arrays, like(twin, *arrays.values()), strict=True))
    try:
        call(twin, **given)
    except TypeError as error:
        pytest.fail(f"the call itself is wrong: {error}")
    given[name] = "text" if wrong == "text" else like(twin, arrays[name] * 1j)[0]
    with pytest.raises((TypeError, ValueError)) as caught:
        call(twin, **given)
    text = str(caught.value)  # torch lists what dtypes all of them have
    assert text.startswith(f"{operation}: {name} ") or f"{name} torch.complex128" in text, text


@pytest.mark.parametrize(
    ("dim", "use"),
    [(-3, "Use 2."), (0, "Use 2."), (1, "Use 2."), (3, "Use 2 or 4."), (7, "Use 6 or 8."), (-2, "Use 2.")],
)
def test_the_even_numbers_beside_an_odd_one_are_told(dim, use):
    with pytest.raises(ValueError) as caught:
        _arguments.scalars.even_dim("f", dim)
    assert str(caught.value).endswith(f"; got {dim}. {use}")
    assert _arguments.scalars.even_dim("f", 2) == 2


@pytest.mark.parametrize("base", [math.inf, math.nan, 0.99, -1.0])
def test_a_base_is_finite_and_at_least_1(base):
    with pytest.raises(ValueError, match=f"^f: base must be finite and at least 1, .* got {base}. The"):
        _arguments.scalars.base_of_frequencies("f", base)
    assert _arguments.scalars.base_of_frequencies("f", 1) == 1.0


TOKENS = "q, k and v need a token axis and a feature axis"


@pytest.mark.parametrize(
    ("q", "k", "v", "said"),
    [
        ((4,), (3, 4), (3, 5), TOKENS),
        ((3, 4), (4,), (3, 5), TOKENS),
        ((3, 4), (3, 4), (5,), TOKENS),
        ((3, 0), (3, 0), (3, 5), "the feature axis of q and k is empty"),
        ((2, 0, 4), (2, 3, 4), (2, 3, 5), None),
        ((0, 3, 4), (0, 3, 4), (0, 3, 5), None),
        ((3, 4), (0, 4), (0, 5), "there is no key to attend to"),
        ((3, 4), (2, 4), (3, 5), "k and v hold different numbers of tokens"),
        ((3, 4), (3, 5), (3, 5), "q and k differ in their last axis, so they have no dot product"),
    ],
)
def test_shapes_that_do_not_fit_are_told(q, k, v, said):
    if said is None:
        _arguments.attention.check("f", q, k, v, causal=False)
        return
    with pytest.raises(ValueError) as caught:
        _arguments.attention.check("f", q, k, v, causal=False)
    assert str(caught.value) == (
        f"f: {said}. Got q {q}, k {k}, v {v}; expected q (..., T, d), k (..., S, d), v (..., S, e) with the same "
        "leading axes."
    )
