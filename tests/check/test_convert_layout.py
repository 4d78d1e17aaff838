"""The checker of the layout exercise against readers' code, and against the rotation in both layouts."""

import re

import numpy as np
import pytest
import torch

from posenc_lib import check, frequencies
from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch
from posenc_lib.check.convert_layout import EXERCISE

# ---------------------------------------------------------------- right, in several styles


def index(weight, num_heads):
    heads = weight.reshape(num_heads, -1, weight.shape[1])
    return np.concatenate([heads[:, 0::2], heads[:, 1::2]], axis=1).reshape(weight.shape)


def transformers_permute(w, n_heads):
    """As `permute` in transformers' convert_llama_weights_to_hf.py."""
    dim1, dim2 = w.shape
    return w.view(n_heads, dim1 // n_heads // 2, 2, dim2).transpose(1, 2).reshape(dim1, dim2)


def loops(weight, num_heads):
    out = np.empty_like(weight)
    dim = len(weight) // num_heads
    for h in range(num_heads):
        for i in range(dim // 2):
            out[h * dim + i] = weight[h * dim + 2 * i]
            out[h * dim + i + dim // 2] = weight[h * dim + 2 * i + 1]
    return out


def matrix(weight, num_heads):
    dim = len(weight) // num_heads
    order = np.arange(dim).reshape(-1, 2).T.ravel()
    return np.kron(np.eye(num_heads), np.eye(dim)[order]) @ weight


def axes(weight, num_heads):
    return torch.einsum("hpsw->hspw", weight.unflatten(0, (num_heads, -1, 2))).reshape(weight.shape)


def library(weight, num_heads):
    return pe.convert_layout(weight, num_heads, source="interleaved", target="half")


def library_torch(weight, num_heads):
    return pe_torch.convert_layout(weight, num_heads, source="interleaved", target="half")


RIGHT = [index, transformers_permute, loops, matrix, axes, library, library_torch]


@pytest.mark.parametrize("fn", RIGHT, ids=lambda fn: fn.__name__)
def test_a_right_style_passes(fn):
    report = check.convert_layout(fn)
    assert report.passed, str(report)


def test_the_oracle_gives_the_logits_of_the_other_layout():
    heads, dim, width = 3, 8, 5
    rng = np.random.default_rng(0)
    W_q, W_k = rng.standard_normal((2, heads * dim, width))
    x, theta = rng.standard_normal((6, width)), frequencies.rope(dim, base=100.0)

    def logits(W_q, W_k, layout):
        q, k = ((x @ W.T).reshape(6, heads, dim).swapaxes(0, 1) for W in (W_q, W_k))
        q, k = (pe.rope(part, np.arange(6), theta, layout=layout) for part in (q, k))
        return q @ k.swapaxes(1, 2)

    converted = [EXERCISE.formula(W, heads).values for W in (W_q, W_k)]
    np.testing.assert_allclose(logits(*converted, "half"), logits(W_q, W_k, "interleaved"), atol=1e-12)


# ---------------------------------------------------------------- wrong, as readers write it


def by_order(order, size=None):
    """A reader who reorders within pieces: `order` of a piece's size, one piece a head or as many as `size` tells."""

    def fn(weight, num_heads):
        piece = size(weight, num_heads) if size else len(weight) // num_heads
        pieces = weight.reshape(-1, piece, weight.shape[1])
        return pieces[:, order(piece)].reshape(weight.shape)

    return fn


def evens_first(n):
    return [*range(0, n, 2), *range(1, n, 2)]


def llama_back(w, n_heads):
    """From half to interleaved, as llama.cpp's converter permutes."""
    return w.reshape(n_heads, 2, len(w) // n_heads // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def swapped(first, second):
    def fn(weight, num_heads):
        return weight.reshape(num_heads, -1, 2, weight.shape[1]).swapaxes(first, second).reshape(weight.shape)

    return fn


def first_head(weight, num_heads):
    out = weight.copy()
    dim = len(weight) // num_heads
    out[:dim] = weight[evens_first(dim)]
    return out


def of_columns(weight, num_heads):
    return index(weight.T, num_heads).T


def evens_of_all_columns(weight, num_heads):
    return np.concatenate([weight[:, 0::2], weight[:, 1::2]], axis=1)


def both(weight, num_heads):
    return of_columns(index(weight, num_heads), num_heads)


def half_turns(weight, num_heads):
    dim = len(weight) // num_heads
    return pe.convert_layout(weight, num_heads, source="interleaved", target="half", rotary_dim=dim // 4 * 2)


def rotate_half(weight, num_heads):
    moved = index(weight, num_heads).reshape(num_heads, 2, -1, weight.shape[1])
    return (moved * np.array([1, -1])[:, None, None]).reshape(weight.shape)


def axes_left(weight, num_heads):
    return weight.reshape(num_heads, -1, 2, weight.shape[1]).swapaxes(1, 2)


def one_row_lost(weight, num_heads):
    moved = index(weight, num_heads)
    moved[1] = moved[0]
    return moved


WRONG = [
    (lambda weight, num_heads: weight, "not reordered"),
    (llama_back, "the wrong direction"),
    (
        lambda weight, num_heads: pe.convert_layout(weight, num_heads, source="half", target="interleaved"),
        "the wrong direction",
    ),
    (by_order(lambda n: [*range(1, n, 2), *range(0, n, 2)]), "the second of each pair comes first"),
    (by_order(lambda n: [*range(n // 2, n), *range(n // 2)]), "the halves change places"),
    (by_order(lambda n: range(n)[::-1]), "the rows are reversed"),
    (by_order(lambda n: [i ^ 1 for i in range(n)]), "the two of each pair change places"),
    (half_turns, "only half of each head is reordered"),
    (by_order(evens_first, lambda weight, num_heads: len(weight)), "the whole matrix as one head"),
    (by_order(evens_first, lambda weight, num_heads: num_heads), "heads and dimensions are exchanged"),
    (first_head, "only the first head is reordered"),
    (swapped(0, 1), "the axis of heads moves too"),
    (swapped(0, 2), "the axis of heads moves too"),
    (of_columns, "columns instead of rows"),
    (both, "columns too"),
    (evens_of_all_columns, "the whole matrix as one head, and columns instead of rows"),
    (rotate_half, "the second half is negated"),
    (lambda weight, num_heads: index(weight, num_heads).T, "transposed"),
    (lambda weight, num_heads: llama_back(weight, 1), "the wrong direction, and the whole matrix as one head"),
    (axes_left, "axes are left over"),
    (lambda weight, num_heads: index(weight, num_heads).reshape(num_heads, -1, weight.shape[1]), "axes are left over"),
    (lambda weight, num_heads: weight[::2], "rows are missing"),
    (lambda weight, num_heads: index(weight, num_heads).astype(np.float32), "the result is float32"),
    (one_row_lost, "unknown mistake"),
    (lambda weight, num_heads: 2 * index(weight, num_heads), "unknown mistake"),
    (by_order(lambda n: np.roll(np.arange(n), 1)), "unknown mistake"),
]


@pytest.mark.parametrize(("fn", "diagnosis"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_a_wrong_version_is_named(fn, diagnosis):
    report = check.convert_layout(fn)
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)
    if diagnosis != "the result is float32":  # its message says all
        assert len({report.hint(level) for level in (1, 2, 3)}) == 3


def test_the_first_wrong_value_tells_where_it_came_from():
    detail = check.convert_layout(lambda weight, num_heads: weight).detail
    assert detail.startswith("First wrong value, row 1, column 0: got 1.01, expected 2.01")


def test_the_first_hint_gives_no_formula_away():
    for first, _, _ in EXERCISE.hints.values():
        assert not re.search(r"\b(every second|reshape|transpose|2i|even|odd)\b", first), first


def test_strict_raises_for_a_wrong_function_alone():
    assert check.convert_layout(index, strict=True).passed
    with pytest.raises(AssertionError, match="the wrong direction"):
        check.convert_layout(llama_back, strict=True)
