"""The buckets of T5: near distances one by one, far ones together."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _t5_buckets
from posenc_lib.torch._tensors import as_tensor


def t5_bucket(
    relative_position: torch.Tensor | ArrayLike,
    *,
    bidirectional: bool = True,
    num_buckets: int = 32,
    max_distance: int = 128,
) -> torch.Tensor:
    """Return the number of the bucket that each relative position falls into.

    Each direction has B buckets: half of num_buckets when bidirectional, with keys after the query in
    the upper half, else all of them. The first E = ⌊B/2⌋ hold one distance each, 0 … E − 1; the
    L = B − E others share out the distances from E to max_distance on a logarithmic scale::

        bucket(d) = d                                                         for d < E
                    min(B − 1, E + ⌊L · ln(d / E) / ln(max_distance / E)⌋)    from E on

    The floor is that of the exact number, found in integers. T5's code takes the logarithm in
    float32. That gives the same buckets for the settings of the models that use them (32 buckets up
    to 128, WavLM's 320 up to 800), but elsewhere it can miss a boundary: of 17 buckets up to 27, in
    one direction, it puts distance 18 into 13, where 8 + 9 · ln(18/8) / ln(27/8) is 14.

    Parameters
    ----------
    relative_position : torch.Tensor, array_like of int or range, shape (...)
        Key minus query: negative where the key comes first. Of a signed integer dtype.
    bidirectional : bool
        False for a decoder: keys after the query, which its mask hides, count as distance 0.
    num_buckets : int
        At least 2 for each direction; even when bidirectional.
    max_distance : int
        Above E. From here on, and a little before, all distances share one bucket. Where it is so
        small that two boundaries meet, a bucket stays empty.

    Returns
    -------
    torch.Tensor of int64
        Shape (...), on the device of `relative_position`, from 0 to num_buckets − 1.

    Raises
    ------
    TypeError
        Relative positions are no integers or of an unsigned dtype, or `num_buckets` or `max_distance`
        is no integer.
    ValueError
        `num_buckets` is too small, or odd when bidirectional; `max_distance` is not above E, or is
        above 2**31.

    References
    ----------
    Raffel et al. (2020), "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
    Transformer", section 2.1; the formula is in its code, tensorflow/mesh, `_relative_position_bucket`
    in mesh_tensorflow/transformer/transformer_layers.py.

    Examples
    --------
    >>> t5_bucket([0, -1, -7, -8, -11, -12, -1000, 1, 1000])
    tensor([ 0,  1,  7,  8,  8,  9, 15, 17, 31])
    >>> t5_bucket([0, -1, -15, -16, -1000, 1, 1000], bidirectional=False)
    tensor([ 0,  1, 15, 16, 31,  0,  0])
    """
    return bucket_of("t5_bucket", _as_signed(relative_position), bidirectional, num_buckets, max_distance)


def bucket_of(
    operation: str, relative_position: torch.Tensor, bidirectional: bool, num_buckets: int, max_distance: int
) -> torch.Tensor:
    """Return what t5_bucket returns, of int64, for the operation that an error is to name."""
    buckets, max_distance = _t5_buckets.settings(operation, bidirectional, num_buckets, max_distance)
    # Nothing changes beyond max_distance, and the smallest int64 has no absolute value.
    relative_position = relative_position.clamp(-max_distance, max_distance)
    distance = relative_position.abs() if bidirectional else (-relative_position).clamp(min=0)
    # A set needs its member's value: torch.compile, which may hold a number as a symbol, looks it up.
    boundaries = _boundaries(*{buckets}, *{max_distance}).to(distance.device)
    bucket = torch.bucketize(distance, boundaries, right=True)
    return bucket + buckets * (relative_position > 0) if bidirectional else bucket


def _boundaries(buckets: int, max_distance: int) -> torch.Tensor:
    return torch.tensor(_t5_buckets.boundaries(buckets, max_distance), device="cpu")


# A constant for torch.compile; see _frequencies in sinusoidal.py.
_boundaries._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _as_signed(relative_position: torch.Tensor | ArrayLike) -> torch.Tensor:
    relative_position = as_tensor("t5_bucket", "relative_position", relative_position)
    dtype = relative_position.dtype
    signed = dtype in (torch.int8, torch.int16, torch.int32, torch.int64)
    if not signed and relative_position.numel():
        unsigned = not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)
        hint = " An unsigned difference wraps around: subtract in int64." if unsigned else ""
        raise TypeError(
            f"t5_bucket: relative_position must hold signed integers, key minus query, got dtype {dtype}.{hint}"
        )
    return relative_position.to(torch.int64)
