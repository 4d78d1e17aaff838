"""Learned absolute positional encoding: a table with one row a position."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib.torch._positions import as_integer_positions
from posenc_lib.torch._tensors import as_tensor, extremes, one_device


def learned(positions: torch.Tensor | ArrayLike, table: torch.Tensor | ArrayLike) -> torch.Tensor:
    """Look up the row of `table` at each position; gradients flow to the rows used.

    As a layer of a model, `torch.nn.Embedding` holds such a table.

    Parameters
    ----------
    positions : torch.Tensor of an integer dtype, array_like of int or range, shape (...)
        From 0 to L − 1, on the device of `table`. A negative position is refused.
    table : torch.Tensor, shape (L, dim)
        The rows that a model has learned, one for each position.

    Returns
    -------
    torch.Tensor
        Shape (..., dim), dtype and device of `table`.

    Raises
    ------
    IndexError
        A position has no row: it is negative, or past the end of the table. (Inside a compiled
        function or torch.vmap PyTorch's own check takes over, with its own message.)
    TypeError
        Positions are not integers.
    ValueError
        `table` is not two-dimensional, or lies on another device than `positions`.

    References
    ----------
    Gehring et al. (2017), "Convolutional Sequence to Sequence Learning", section 3.1.

    Examples
    --------
    >>> learned([1, 0], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    tensor([[2., 3.],
            [0., 1.]])
    """
    table = as_tensor("learned", "table", table)
    if table.ndim != 2:
        raise ValueError(f"learned: table must have shape (length, dim), got {tuple(table.shape)}.")
    one_device("learned", {"positions": positions, "table": table})
    positions = as_integer_positions("learned", positions, table.device)
    found = extremes(positions)
    if found and not (found[0] >= 0 and found[1] < len(table)):
        raise IndexError(
            f"learned: the table has rows for positions 0 to {len(table) - 1}, got positions from "
            f"{found[0]} to {found[1]}. A learned table ends where its training did."
        )
    return torch.nn.functional.embedding(positions, table)
