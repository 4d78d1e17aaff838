"""The positions of queries and keys together, and how far apart they lie."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64
from posenc_lib.torch._positions import as_positions
from posenc_lib.torch._tensors import as_tensor, one_device


def as_pair(
    operation: str,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    **beside: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both as tensors on one device, shapes (..., T) and (..., S), or say why they are no such positions.

    What is no tensor goes to the device of what is one. `beside` are the other arguments of the operation that
    may be tensors, by name: they must lie on that device too.
    """
    device = one_device(operation, {**beside, "query_positions": query_positions, "key_positions": key_positions})
    m, n = (as_positions(operation, p, device) for p in (query_positions, key_positions))
    _arguments.positions.check_beside(operation, m.shape, n.shape)
    return m, n


def as_integer_pair(
    operation: str,
    query_positions: torch.Tensor | ArrayLike,
    key_positions: torch.Tensor | ArrayLike,
    **beside: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both in int64, likewise."""
    for name, positions in (("query_positions", query_positions), ("key_positions", key_positions)):
        given = as_tensor(operation, "positions", positions, "cpu")
        if given.is_floating_point() and given.numel():
            raise TypeError(_arguments.positions.no_distances(operation, name, given.dtype))
    m, n = as_pair(operation, query_positions, key_positions, **beside)
    return m.to(torch.int64), n.to(torch.int64)


def distances(m: torch.Tensor, n: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return |m − n| for each query and key, shape (..., T, S): subtracted exactly, then rounded to `dtype`."""
    device = m.device
    floating = m.is_floating_point() or n.is_floating_point()
    if floating and device.type in DEVICES_WITHOUT_FLOAT64:
        m, n = m.cpu(), n.cpu()
    exact = torch.float64 if floating else torch.int64
    return (m.to(exact)[..., :, None] - n.to(exact)[..., None, :]).abs().to(dtype).to(device)
