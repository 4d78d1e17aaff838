"""The buckets of T5: near distances one by one, far ones together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _t5_buckets


def t5_bucket(
    relative_position: ArrayLike, *, bidirectional: bool = True, num_buckets: int = 32, max_distance: int = 128
) -> NDArray[np.int64]:
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
    relative_position : array_like of int or range, shape (...)
        Key minus query: negative where the key comes first. Of a signed dtype.
    bidirectional : bool
        False for a decoder: keys after the query, which its mask hides, count as distance 0.
    num_buckets : int
        At least 2 for each direction; even when bidirectional.
    max_distance : int
        Above E. From here on, and a little before, all distances share one bucket. Where it is so
        small that two boundaries meet, a bucket stays empty.

    Returns
    -------
    numpy.ndarray of int64
        Shape (...), from 0 to num_buckets − 1.

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
    array([ 0,  1,  7,  8,  8,  9, 15, 17, 31])
    >>> t5_bucket([0, -1, -15, -16, -1000, 1, 1000], bidirectional=False)
    array([ 0,  1, 15, 16, 31,  0,  0])
    """
    return bucket_of("t5_bucket", _as_signed(relative_position), bidirectional, num_buckets, max_distance)


def bucket_of(
    operation: str, relative_position: NDArray[np.int64], bidirectional: bool, num_buckets: int, max_distance: int
) -> NDArray[np.int64]:
    """Return what t5_bucket returns, of int64, for the operation that an error is to name."""
    buckets, max_distance = _t5_buckets.settings(operation, bidirectional, num_buckets, max_distance)
    # Nothing changes beyond max_distance, and the smallest int64 has no absolute value.
    relative: NDArray[np.int64] = np.clip(relative_position, -max_distance, max_distance)
    distance = np.abs(relative) if bidirectional else np.maximum(-relative, 0)
    bucket: NDArray[np.int64] = np.searchsorted(_t5_buckets.boundaries(buckets, max_distance), distance, side="right")
    return bucket + buckets * (relative > 0) if bidirectional else bucket


def _as_signed(relative_position: ArrayLike) -> NDArray[np.int64]:
    relative_position = np.asarray(relative_position)
    kind = relative_position.dtype.kind
    if kind != "i" and relative_position.size:
        hint = " An unsigned difference wraps around: subtract in int64." if kind == "u" else ""
        raise TypeError(
            "t5_bucket: relative_position must hold signed integers, key minus query, got dtype "
            f"{relative_position.dtype}.{hint}"
        )
    return relative_position.astype(np.int64)
