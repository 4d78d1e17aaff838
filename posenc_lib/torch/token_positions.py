"""Where each token stands when a batch is padded, packed or continued from a cache."""

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._tensors import as_tensor, extremes_on_cpu


def positions_from_mask(mask: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Number the tokens that a mask keeps, 0, 1, 2 …, whatever padding stands before, between or after them.

    Padding gets 0, which is as good as any number: attention must not look there, and the mask has to
    tell it so. (The transformers package gives 0 too; older versions of it, and a few of its models, give 1.)

    Parameters
    ----------
    mask : torch.Tensor or array_like, shape (..., T)
        True or 1 for a token, False or 0 for padding: the attention_mask of a tokenizer, not the
        (T, S) mask that says which query may look at which key.

    Returns
    -------
    torch.Tensor of int64
        Shape and device of mask. For x of shape (B, heads, T, dim), `rope` takes
        positions[:, None, :].

    Raises
    ------
    TypeError
        `mask` holds neither booleans nor integers.
    ValueError
        `mask` has no axis, or an integer other than 0 and 1 (looked at on the CPU only: on a GPU the
        look would wait for the device; there whatever is not 0 is a token).

    References
    ----------
    Wolf et al. (2020), "Transformers: State-of-the-Art Natural Language Processing", the package's
    `_prepare_position_ids_for_generation` in generation/utils.py.

    Examples
    --------
    >>> positions_from_mask([[1, 1, 1, 1], [0, 0, 1, 1]])
    tensor([[0, 1, 2, 3],
            [0, 0, 0, 1]])
    """
    kept = _as_mask(mask)
    return torch.where(kept, kept.cumsum(-1) - 1, 0)


def positions_from_lengths(lengths: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Number the tokens of sequences that lie one after another in one row, each sequence from 0.

    Positions alone do not keep packed sequences apart: attention needs `packed_mask` besides.

    Parameters
    ----------
    lengths : torch.Tensor or array_like of int, shape (sequences,)
        How many tokens each sequence has, not where it ends (the cu_seqlens of attention kernels are
        ends: take their diff()). 0 is allowed, and so is no sequence at all.

    Returns
    -------
    torch.Tensor of int64
        Shape (sum of lengths,), on the device of `lengths`. A size that depends on values makes a GPU
        wait and breaks the graph of torch.compile: call this where the batch is made, not in the model.

    Raises
    ------
    TypeError
        Lengths are not integers.
    ValueError
        `lengths` has not one axis, or a length is negative or 2**53 or more (on a GPU that error
        is PyTorch's own), or they lie on the meta device, which has no values.

    References
    ----------
    Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination".

    Examples
    --------
    >>> positions_from_lengths([3, 2])
    tensor([0, 1, 2, 0, 1])
    """
    lengths = _as_lengths("positions_from_lengths", lengths)
    starts = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    return torch.arange(len(starts), device=lengths.device) - starts


def packed_mask(lengths: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Say which tokens of a packed row belong to one sequence and so may look at each other.

    Parameters
    ----------
    lengths : torch.Tensor or array_like of int, shape (sequences,)
        How many tokens each sequence has, as for `positions_from_lengths`.

    Returns
    -------
    torch.Tensor of bool
        Shape (N, N), N the sum of lengths, on the device of `lengths`: the `mask` of `attention`,
        which takes `causal` besides. Like `positions_from_lengths`, nothing for inside a compiled model.

    Raises
    ------
    TypeError
        Lengths are not integers.
    ValueError
        `lengths` has not one axis, or a length is negative or 2**53 or more (on a GPU that error
        is PyTorch's own), or they lie on the meta device, which has no values.

    References
    ----------
    Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination".

    Examples
    --------
    >>> packed_mask([2, 1])
    tensor([[ True,  True, False],
            [ True,  True, False],
            [False, False,  True]])
    """
    lengths = _as_lengths("packed_mask", lengths)
    sequence = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
    return sequence[:, None] == sequence


def positions_after(cached: torch.Tensor | ArrayLike, count: int) -> torch.Tensor:
    """Number `count` new tokens behind those that a cache of keys and values holds already.

    Parameters
    ----------
    cached : torch.Tensor or array_like of int, shape (...)
        How many tokens each sequence has in the cache. Padding is none of them: where the cache was
        padded, this is the sum of its mask along the tokens, not the width of the cache.
    count : int
        How many tokens are new, the same for all sequences.

    Returns
    -------
    torch.Tensor of int64
        Shape (..., count), on the device of `cached`. For x of shape (B, heads, count, dim) and
        cached of shape (B,), `rope` takes positions[:, None, :].

    Raises
    ------
    TypeError
        `cached` holds no integers, or `count` is none.
    ValueError
        One of them is negative, or `cached` 2**53 or more (looked at on the CPU only: on a GPU the look
        would wait for the device).

    References
    ----------
    Shazeer (2019), "Fast Transformer Decoding: One Write-Head is All You Need": keys and values of
    earlier tokens are kept, so only new tokens need positions.

    Examples
    --------
    >>> positions_after(5, 2)
    tensor([5, 6])
    >>> positions_after([5, 3], 1)     # two sequences, one of them shorter
    tensor([[5],
            [3]])
    """
    count = _arguments.scalars.integer("positions_after", "count", count, at_least=0)
    counts = _as_counts("positions_after", "cached", cached)
    return counts[..., None] + torch.arange(count, device=counts.device)


def _as_mask(mask: torch.Tensor | ArrayLike) -> torch.Tensor:
    tensor = as_tensor("positions_from_mask", "mask", mask)
    if tensor.ndim == 0:
        raise ValueError(_arguments.token_positions.MASK_WITHOUT_AXIS)
    if tensor.numel() and (tensor.is_floating_point() or tensor.is_complex()):
        raise TypeError(_arguments.token_positions.mask_of_dtype(tensor.dtype, floating=tensor.is_floating_point()))
    found = extremes_on_cpu(tensor, torch.int64)
    if found and not (found[0] >= 0 and found[1] <= 1):
        raise ValueError(_arguments.token_positions.mask_of_values(*found))
    return tensor.to(torch.bool)


def _as_lengths(operation: str, lengths: torch.Tensor | ArrayLike) -> torch.Tensor:
    counts = _as_counts(operation, "lengths", lengths)
    if counts.device.type == "meta":
        raise ValueError(_arguments.token_positions.without_values(operation))
    _arguments.token_positions.check_one_axis(operation, tuple(counts.shape))
    return counts


def _as_counts(operation: str, name: str, counts: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Return `counts` as int64, or say why they do not count tokens."""
    tensor = as_tensor(operation, name, counts)
    boolean = tensor.dtype == torch.bool
    if tensor.numel() and (boolean or tensor.is_floating_point() or tensor.is_complex()):
        raise TypeError(_arguments.token_positions.no_integers(operation, name, tensor.dtype, boolean=boolean))
    found = extremes_on_cpu(tensor, torch.int64)
    if found:
        _arguments.token_positions.check_range(operation, name, *found)
    return tensor.to(torch.int64)
