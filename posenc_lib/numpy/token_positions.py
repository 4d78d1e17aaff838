"""Where each token stands when a batch is padded, packed or continued from a cache."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments


def positions_from_mask(mask: ArrayLike) -> NDArray[np.int64]:
    """Number the tokens that a mask keeps, 0, 1, 2 …, whatever padding stands before, between or after them.

    Padding gets 0, which is as good as any number: attention must not look there, and the mask has to
    tell it so. (The transformers package gives 0 too; older versions of it, and a few of its models, give 1.)

    Parameters
    ----------
    mask : array_like, shape (..., T)
        True or 1 for a token, False or 0 for padding: the attention_mask of a tokenizer, not the
        (T, S) mask that says which query may look at which key.

    Returns
    -------
    numpy.ndarray of int64
        Shape of mask. For x of shape (B, heads, T, dim), `rope` takes positions[:, None, :].

    Raises
    ------
    TypeError
        `mask` holds neither booleans nor integers.
    ValueError
        `mask` has no axis, or an integer other than 0 and 1.

    References
    ----------
    Wolf et al. (2020), "Transformers: State-of-the-Art Natural Language Processing", the package's
    `_prepare_position_ids_for_generation` in generation/utils.py.

    Examples
    --------
    >>> positions_from_mask([[1, 1, 1, 1], [0, 0, 1, 1]])
    array([[0, 1, 2, 3],
           [0, 0, 0, 1]])
    """
    kept = _as_mask(mask)
    return np.where(kept, np.cumsum(kept, axis=-1, dtype=np.int64) - 1, 0)


def positions_from_lengths(lengths: ArrayLike) -> NDArray[np.int64]:
    """Number the tokens of sequences that lie one after another in one row, each sequence from 0.

    Positions alone do not keep packed sequences apart: attention needs `packed_mask` besides.

    Parameters
    ----------
    lengths : array_like of int, shape (sequences,)
        How many tokens each sequence has, not where it ends (the cu_seqlens of attention kernels are
        ends: take np.diff of them). 0 is allowed, and so is no sequence at all.

    Returns
    -------
    numpy.ndarray of int64
        Shape (sum of lengths,).

    Raises
    ------
    TypeError
        Lengths are not integers.
    ValueError
        `lengths` has not one axis, or a length is negative or 2**53 or more.

    References
    ----------
    Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination".

    Examples
    --------
    >>> positions_from_lengths([3, 2])
    array([0, 1, 2, 0, 1])
    """
    lengths = _as_lengths("positions_from_lengths", lengths)
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)


def packed_mask(lengths: ArrayLike) -> NDArray[np.bool_]:
    """Say which tokens of a packed row belong to one sequence and so may look at each other.

    Parameters
    ----------
    lengths : array_like of int, shape (sequences,)
        How many tokens each sequence has, as for `positions_from_lengths`.

    Returns
    -------
    numpy.ndarray of bool
        Shape (N, N), N the sum of lengths: the `mask` of `attention`, which takes `causal` besides.

    Raises
    ------
    TypeError
        Lengths are not integers.
    ValueError
        `lengths` has not one axis, or a length is negative or 2**53 or more.

    References
    ----------
    Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination".

    Examples
    --------
    >>> packed_mask([2, 1])
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    lengths = _as_lengths("packed_mask", lengths)
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    together: NDArray[np.bool_] = sequence[:, None] == sequence
    return together


def positions_after(cached: ArrayLike, count: int) -> NDArray[np.int64]:
    """Number `count` new tokens behind those that a cache of keys and values holds already.

    Parameters
    ----------
    cached : array_like of int, shape (...)
        How many tokens each sequence has in the cache. Padding is none of them: where the cache was
        padded, this is the sum of its mask along the tokens, not the width of the cache.
    count : int
        How many tokens are new, the same for all sequences.

    Returns
    -------
    numpy.ndarray of int64
        Shape (..., count). For x of shape (B, heads, count, dim) and cached of shape (B,), `rope`
        takes positions[:, None, :].

    Raises
    ------
    TypeError
        `cached` holds no integers, or `count` is none.
    ValueError
        One of them is negative, or `cached` 2**53 or more.

    References
    ----------
    Shazeer (2019), "Fast Transformer Decoding: One Write-Head is All You Need": keys and values of
    earlier tokens are kept, so only new tokens need positions.

    Examples
    --------
    >>> positions_after(5, 2)
    array([5, 6])
    >>> positions_after([5, 3], 1)     # two sequences, one of them shorter
    array([[5],
           [3]])
    """
    count = _arguments.scalars.integer("positions_after", "count", count, at_least=0)
    return _as_counts("positions_after", "cached", cached)[..., None] + np.arange(count)


def _as_mask(mask: ArrayLike) -> NDArray[np.bool_]:
    array: NDArray[Any] = np.asarray(mask)
    if array.ndim == 0:
        raise ValueError(_arguments.token_positions.MASK_WITHOUT_AXIS)
    if array.size and array.dtype.kind not in "biu":
        raise TypeError(_arguments.token_positions.mask_of_dtype(array.dtype, floating=array.dtype.kind == "f"))
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(_arguments.token_positions.mask_of_values(array.min(), array.max()))
    return array.astype(np.bool_)


def _as_lengths(operation: str, lengths: ArrayLike) -> NDArray[np.int64]:
    counts = _as_counts(operation, "lengths", lengths)
    _arguments.token_positions.check_one_axis(operation, counts.shape)
    return counts


def _as_counts(operation: str, name: str, counts: ArrayLike) -> NDArray[np.int64]:
    """Return `counts` as int64, or say why they do not count tokens."""
    array: NDArray[Any] = np.asarray(counts)
    if array.size and array.dtype.kind not in "iu":
        boolean = array.dtype.kind == "b"
        raise TypeError(_arguments.token_positions.no_integers(operation, name, array.dtype, boolean=boolean))
    if array.size:
        _arguments.token_positions.check_range(operation, name, array.min(), array.max())
    return array.astype(np.int64)
