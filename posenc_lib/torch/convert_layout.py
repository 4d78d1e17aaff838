"""From one layout of rotary pairs to the other, in a model's weights."""

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._tensors import as_tensor


def convert_layout(
    weight: torch.Tensor | ArrayLike, num_heads: int, *, source: str, target: str, rotary_dim: int | None = None
) -> torch.Tensor:
    """Reorder a projection's rows so that `rope` in layout `target` gives the logits that `source` gave.

    In each head the rows of pair i go from the places that `source` has for it to those of `target`,
    interleaved (2i, 2i + 1) and half (i, i + r/2); the rows that do not turn stay. Queries and keys
    are reordered alike, so their dot products do not change. Convert both, their biases too, and
    never the values: the output projection expects those in the old order. Differentiable in `weight`;
    write into a layer under `torch.no_grad()`, with `layer.weight.copy_(...)`.

    Parameters
    ----------
    weight : torch.Tensor or array_like, shape (num_heads · dim, ...)
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
    torch.Tensor
        Shape, dtype and device of weight; a copy.

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
    tensor([0, 2, 4, 1, 3, 5])
    >>> convert_layout([0, 1, 2, 3, 4, 5], 1, source="half", target="interleaved", rotary_dim=4)
    tensor([0, 2, 1, 3, 4, 5])
    """
    weight = as_tensor("convert_layout", "weight", weight)
    num_heads, dim, r = _arguments.convert_layout.check(tuple(weight.shape), num_heads, source, target, rotary_dim)
    columns = weight.shape[1:]
    heads = weight.reshape(num_heads, dim, *columns)
    pairs = heads[:, :r].reshape(num_heads, *((r // 2, 2) if source == "interleaved" else (2, r // 2)), *columns)
    if source != target:
        pairs = pairs.transpose(1, 2)
    return torch.cat((pairs.flatten(1, 2), heads[:, r:]), dim=1).flatten(0, 1)
