"""Positions from masks, lengths and caches, both twins: transformers' rule, loops, and what a model sees."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import posenc_lib.numpy as pe
import posenc_lib.torch
from posenc_lib import frequencies
from posenc_lib.torch import packed_mask, positions_after, positions_from_lengths, positions_from_mask

THETA = frequencies.rope(8, base=10000.0)


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def integers(found, shape):
    """As a list, having looked at the dtype and the shape."""
    assert found.dtype in (np.int64, torch.int64) and tuple(found.shape) == shape
    return found.tolist()


# Against others, and in words


@pytest.mark.parametrize("seed", range(5))
def test_mask_against_transformers(twin, seed):
    from transformers import GenerationMixin

    mask = np.random.default_rng(seed).integers(0, 2, (4, 9))
    theirs = GenerationMixin._prepare_position_ids_for_generation(
        None, torch.zeros(4, 9), {"attention_mask": torch.tensor(mask)}
    )
    assert integers(twin.pe.positions_from_mask(twin.array(mask)), (4, 9)) == theirs.tolist()


@given(st.lists(st.booleans(), max_size=12))
def test_mask_in_words(mask):
    expected = [sum(mask[:t]) if kept else 0 for t, kept in enumerate(mask)]
    for module in (pe, posenc_lib.torch):
        assert integers(module.positions_from_mask(mask), (len(mask),)) == expected


LENGTHS = st.lists(st.integers(0, 5), max_size=6)


@given(LENGTHS)
def test_lengths_in_words(lengths):
    expected = [position for length in lengths for position in range(length)]
    owner = [sequence for sequence, length in enumerate(lengths) for _ in range(length)]
    for module in (pe, posenc_lib.torch):
        assert integers(module.positions_from_lengths(lengths), (sum(lengths),)) == expected
        mask = module.packed_mask(lengths)
        assert mask.dtype in (np.bool_, torch.bool) and tuple(mask.shape) == (sum(lengths),) * 2
        assert mask.tolist() == [[a == b for b in owner] for a in owner]


@given(LENGTHS)
def test_packed_mask_is_block_diagonal(lengths):
    expected = torch.block_diag(*(torch.ones(n, n, dtype=torch.bool) for n in lengths))
    assert torch.equal(packed_mask(lengths), expected.reshape(sum(lengths), sum(lengths)))


@given(st.integers(0, 10**12), st.integers(0, 5))
def test_cache_in_words(cached, count):
    for module in (pe, posenc_lib.torch):
        assert integers(module.positions_after(cached, count), (count,)) == list(range(cached, cached + count))


def test_cache_of_many_sequences(twin):
    found = twin.pe.positions_after(twin.array([[7, 0], [2, 3], [9, 9]]), 3)
    assert integers(found, (3, 2, 3)) == [
        [[7, 8, 9], [0, 1, 2]], [[2, 3, 4], [3, 4, 5]], [[9, 10, 11], [9, 10, 11]],
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_long_masks_of_small_dtypes(twin, dtype):
    """A sum in the mask's own dtype would wrap around at 128 or 256."""
    mask = twin.array(np.ones(70_000), dtype=getattr(twin.dtypes, dtype))
    assert integers(twin.pe.positions_from_mask(mask), (70_000,)) == list(range(70_000))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_counts_of_small_dtypes(twin, dtype):
    counts = twin.array([100, 120], dtype=getattr(twin.dtypes, dtype))
    expected = [*range(100), *range(120)]
    assert integers(twin.pe.positions_from_lengths(counts), (220,)) == expected
    assert integers(twin.pe.positions_after(counts, 200), (2, 200))[1][-1] == 319


@pytest.mark.parametrize("values", [[1, 0], (1, 0), range(1, -1, -1), np.array([0, 1])[::-1]], ids=repr)
def test_containers(twin, values):
    assert integers(twin.pe.positions_from_mask(values), (2,)) == [0, 0]
    assert integers(twin.pe.positions_from_lengths(values), (1,)) == [0]
    assert integers(twin.pe.positions_after(values, 2), (2, 2)) == [[1, 2], [0, 1]]


def test_what_was_given_is_left_as_it_was(twin):
    mask, lengths = twin.array(np.array([0, 1, 1])), twin.array(np.array([2, 3]))
    for found in (twin.pe.positions_from_mask(mask), twin.pe.positions_after(lengths, 1)):
        found += 1
    assert mask.tolist() == [0, 1, 1] and lengths.tolist() == [2, 3]


# What a model sees: padded, packed and continued as if alone


def attend(rope, x, positions, seen):
    """Self-attention of turned queries and keys, by PyTorch; `seen` is its mask."""
    x = torch.tensor(x)
    turned = torch.as_tensor(rope(x, positions, THETA))
    return torch.nn.functional.scaled_dot_product_attention(turned, turned, x, attn_mask=torch.as_tensor(seen)).numpy()


def alone(rope, x):
    return attend(rope, x, range(len(x)), np.tri(len(x), dtype=bool))


@pytest.mark.parametrize("mask", [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]], ids=str)
def test_padded_is_unpadded(twin, mask):
    x, kept = draw(5, 8), np.array(mask, dtype=bool)
    seen = np.tri(5, dtype=bool) & (kept | np.eye(5, dtype=bool))  # padding sees itself, to have no NaN
    padded = attend(twin.pe.rope, x, twin.pe.positions_from_mask(mask), seen)
    assert np.allclose(padded[kept], alone(twin.pe.rope, x[kept]), rtol=0, atol=1e-14)


def test_packed_is_separate(twin):
    x, lengths = draw(9, 8), [3, 1, 5]
    seen = np.asarray(twin.pe.packed_mask(lengths)) & np.tri(9, dtype=bool)
    packed = attend(twin.pe.rope, x, twin.pe.positions_from_lengths(lengths), seen)
    separate = np.concatenate([alone(twin.pe.rope, part) for part in np.split(x, np.cumsum(lengths)[:-1])])
    assert np.allclose(packed, separate, rtol=0, atol=1e-14)
    turned = twin.pe.rope(twin.array(x), twin.pe.positions_from_lengths(lengths), THETA)
    ours = twin.pe.attention(turned, turned, twin.array(x), mask=twin.pe.packed_mask(lengths), causal=True)
    assert np.allclose(ours, separate, rtol=0, atol=1e-14)


def test_continued_with_padding_in_the_cache(twin):
    """Two prompts, the second padded on the left; both go on by two tokens."""
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
    whole = np.asarray(twin.pe.positions_from_mask(mask))
    new = twin.pe.positions_after(mask[:, :4].sum(axis=-1), 2)
    assert integers(new, (2, 2)) == whole[:, 4:].tolist()


# What is refused, and in which words


def refusal(kind, function, *arguments):
    with pytest.raises(kind) as caught:
        function(*arguments)
    return str(caught.value)


def name_of(twin, dtype):
    return str(twin.array(np.zeros(1, dtype)).dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.complex64])
def test_mask_that_is_a_bias(twin, dtype):
    hint = " A bias of 0 and −inf as attention adds it becomes a mask by bias == 0." if dtype != np.complex64 else ""
    for mask in (np.ones(2, dtype), np.ones((2, 1, 2), dtype)):
        assert refusal(TypeError, twin.pe.positions_from_mask, twin.array(mask)) == (
            "positions_from_mask: mask must hold booleans, or the integers 0 and 1, got dtype "
            f"{name_of(twin, dtype)}.{hint}"
        )


@pytest.mark.parametrize(("mask", "said"), [([0, 2], "0 to 2"), ([[1, -1]], "-1 to 1"), ([2, 3], "2 to 3")])
def test_mask_that_is_none(twin, mask, said):
    assert refusal(ValueError, twin.pe.positions_from_mask, twin.array(mask)) == (
        f"positions_from_mask: mask must hold 1 for a token and 0 for padding, got integers from {said}. "
        "Token ids become a mask by ids != pad."
    )


@pytest.mark.parametrize("mask", [True, 1, 1.0])
def test_mask_without_an_axis(twin, mask):
    assert refusal(ValueError, twin.pe.positions_from_mask, mask) == (
        "positions_from_mask: mask needs a token axis; write the mask of one token as [True]."
    )


EACH_COUNTER = pytest.mark.parametrize(
    ("operation", "name"),
    [("positions_from_lengths", "lengths"), ("packed_mask", "lengths"), ("positions_after", "cached")],
)


def call(twin, operation, counts):
    function = getattr(twin.pe, operation)
    return function(counts, 1) if operation == "positions_after" else function(counts)


@EACH_COUNTER
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.bool_])
def test_counts_that_are_no_integers(twin, operation, name, dtype):
    hint = " Booleans are a mask: its sum along the tokens counts them." if dtype is np.bool_ else ""
    assert refusal(TypeError, call, twin, operation, twin.array(np.ones(2, dtype))) == (
        f"{operation}: {name} must hold integers, numbers of tokens, got dtype {name_of(twin, dtype)}.{hint}"
    )


@EACH_COUNTER
def test_counts_that_are_negative(twin, operation, name):
    assert refusal(ValueError, call, twin, operation, twin.array([3, -1, 2])) == (
        f"{operation}: {name} must be numbers of tokens, 0 or more, got -1."
    )


@EACH_COUNTER
@pytest.mark.parametrize("wrong", ["3", None, ["a"], [None]], ids=repr)
def test_counts_that_are_no_numbers(twin, operation, name, wrong):
    with pytest.raises(TypeError, match=f"^{operation}: {name} must (hold|be) integers"):
        call(twin, operation, wrong)


@pytest.mark.parametrize("operation", ["positions_from_lengths", "packed_mask"])
@pytest.mark.parametrize(
    ("lengths", "said"),
    [(3, "; write one sequence as [length]. Got shape ()."), ([[3, 2]], ". Got shape (1, 2).")],
)
def test_lengths_of_another_rank(twin, operation, lengths, said):
    assert refusal(ValueError, call, twin, operation, lengths) == (
        f"{operation}: lengths must have one axis, an entry for each sequence{said}"
    )


def test_count_of_new_tokens(twin):
    assert refusal(ValueError, twin.pe.positions_after, [3], -1) == "positions_after: count must be at least 0, got -1."
    assert refusal(TypeError, twin.pe.positions_after, [3], 1.0) == (
        "positions_after: count must be an integer, got 1.0 (float)."
    )


def test_nothing_at_all(twin):
    assert integers(twin.pe.positions_from_mask([]), (0,)) == []
    assert integers(twin.pe.positions_from_mask(np.zeros((2, 0), bool)), (2, 0)) == [[], []]
    assert integers(twin.pe.positions_from_lengths([]), (0,)) == integers(twin.pe.positions_from_lengths([0, 0]), (0,))
    assert tuple(twin.pe.packed_mask([]).shape) == tuple(twin.pe.packed_mask([0]).shape) == (0, 0)
    assert integers(twin.pe.positions_after([], 2), (0, 2)) == []


# PyTorch alone


def test_device_of_what_is_given():
    there = torch.ones(2, 3, dtype=torch.int64, device="meta")
    assert positions_from_mask(there).device.type == positions_after(there, 4).device.type == "meta"
    with torch.device("meta"):
        on_cpu = torch.tensor([2, 3], device="cpu")
        found = [positions_from_lengths(on_cpu), packed_mask(on_cpu), positions_after(on_cpu, 1)]
    assert [each.device.type for each in found] == ["cpu"] * 3
    assert found[0].tolist() == [0, 1, 0, 1, 2]


def test_functional_transforms_and_fake_tensors():
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert torch.equal(torch.vmap(positions_from_mask)(mask), positions_from_mask(mask))
    assert torch.equal(torch.vmap(lambda c: positions_after(c, 2))(mask), positions_after(mask, 2))
    with FakeTensorMode():
        assert positions_from_mask(torch.ones(2, 3, dtype=torch.bool)).shape == (2, 3)
        assert positions_after(torch.ones(2, dtype=torch.int64), 3).shape == (2, 3)


def test_compiled():
    """In one graph, whatever the length; lengths whose values decide a size are another matter."""
    decode = torch.compile(
        lambda mask, x: positions_from_mask(mask)[:, -1:] + positions_after(mask.sum(-1), x.shape[0]),
        fullgraph=True, backend="eager",
    )  # fmt: skip
    for length in (2, 3, 5):
        mask = torch.ones(2, length, dtype=torch.int64)
        assert decode(mask, torch.zeros(length)).tolist() == [list(range(2 * length - 1, 3 * length - 1))] * 2
