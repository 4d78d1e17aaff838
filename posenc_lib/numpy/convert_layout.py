"""From one layout of rotary pairs to the other, in a model's weights."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib import _arguments
from posenc_lib.numpy._pairs import pairs


def convert_layout(
    weight: ArrayLike, num_heads: int, *, source: str, target: str, rotary_dim: int | None = None
) -> NDArray[Any]:
    """Reorder a projection's rows so that `rope` in layout `target` gives the logits that `source` gave.

    In each head the rows of pair i go from the places that `source` has for it to those of `target`,
    interleaved (2i, 2i + 1) and half (i, i + r/2); the rows that do not turn stay. Queries and keys
    are reordered alike, so their dot products do not change. Convert both, their biases too, and
    never the values: the output projection expects those in the old order.

    Parameters
    ----------
    weight : array_like, shape (num_heads · dim, ...)
        The weight of the query or of the key projection, a row for each output, or its bias, of any
        dtype. Cut a joint projection of queries, keys and values first. What comes between projection
        and rope with a number for each dimension, such as the weight of a norm over each head, is
        reordered too: as one head.
    num_heads : int
        Of this projection: with grouped-query attention keys have fewer heads than queries.
    source : str
        The layout that the model was trained in, "interleaved" or "half"; see `rope`.
    target : str
        The layout that it shall run in.
    rotary_dim : int, optional
        r, how many dimensions of each head turn: the first r. By default all of them.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of weight; a copy.

    Raises
    ------
    TypeError
        `num_heads` or `rotary_dim` is no integer.
    ValueError
        The rows do not share out among the heads, `rotary_dim` is odd or does not fit a head, or a
        layout is unknown.

    References
    ----------
    Wolf et al. (2020), "Transformers: State-of-the-Art Natural Language Processing", the package's
    `permute` in models/llama/convert_llama_weights_to_hf.py, which goes from interleaved to half.

    Examples
    --------
    >>> convert_layout([0, 1, 2, 3, 4, 5], 1, source="interleaved", target="half")
    array([0, 2, 4, 1, 3, 5])
    >>> convert_layout([0, 1, 2, 3, 4, 5], 1, source="half", target="interleaved", rotary_dim=4)
    array([0, 2, 1, 3, 4, 5])
    """
    weight = np.asarray(weight)
    num_heads, dim, r = _arguments.convert_layout.check(weight.shape, num_heads, source, target, rotary_dim)
    rows = np.arange(dim)
    order = rows.copy()
    for new, old in zip(pairs(r // 2, target), pairs(r // 2, source), strict=True):
        order[new] = rows[old]
    return weight.reshape(num_heads, dim, *weight.shape[1:])[:, order].reshape(weight.shape)
