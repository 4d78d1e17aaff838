"""Rotary position embedding as a module of a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from posenc_lib import _arguments
from posenc_lib.torch import _pairs
from posenc_lib.torch._angles import DEVICES_WITHOUT_FLOAT64, angles_of_turns
from posenc_lib.torch._positions import as_positions
from posenc_lib.torch._rotary import as_frequencies
from posenc_lib.torch._tensors import as_one_kind, computed_in, one_device


class Rope(torch.nn.Module):
    """Turn queries and keys by their positions, as `rope` does, with one table of cosines and sines for both.

    It has no parameter, no buffer and no cache, so it adds nothing to a state_dict and cannot go stale
    when sequences grow. Its frequencies follow the model to its device, but stay in float64 whatever
    the model is cast to, and are there after initialisation on the meta device.

    Parameters
    ----------
    frequencies : array_like or torch.Tensor, shape (n,)
        θ_i in radians per position, such as `frequencies.rope(dim, base=…)`; constants. To learn them,
        call `rope` with them as a parameter instead.
    layout : str
        Which dimensions are a pair: "interleaved" (2i, 2i + 1) or "half" (i, i + n). There is no
        default, for weights trained with one are scrambled by the other.
    attention_factor : float
        Multiplies what turns, in queries and in keys; above 0.

    Examples
    --------
    >>> turn = Rope([torch.pi / 2], layout="interleaved")
    >>> q = k = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> turned_q, turned_k = turn(q, k, range(2))
    >>> turned_q.round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    >>> step_q, step_k = turn(q[1:], k[1:], [1])     # decoding token 1 on its own
    >>> torch.equal(step_q, turned_q[1:])
    True
    """

    def __init__(
        self, frequencies: Tensor | ArrayLike, *, layout: str, attention_factor: float = 1.0
    ) -> None:
        super().__init__()
        _arguments.rope.check_layout("Rope", layout)
        theta = as_frequencies("Rope", frequencies)
        _arguments.rope.check_frequencies("Rope", theta.shape)
        if theta.requires_grad:
            raise ValueError(
                "Rope: frequencies require a gradient, and this module keeps them as constants. Make them a "
                "parameter of your own module and call rope(x, positions, frequencies) with it."
            )
        if theta.is_meta:
            raise ValueError("Rope: frequencies are on the meta device, which keeps no values. Pass a NumPy array.")
        # Plain attributes: what is no buffer is neither cast nor emptied. The first keeps the values.
        self.frequencies = theta.detach().cpu().clone()
        self._turns = self.frequencies / (2 * math.pi)
        self.layout = layout
        self.attention_factor = _arguments.rope.positive_factor("Rope", attention_factor)

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        positions: Tensor | ArrayLike | range,
        key_positions: Tensor | ArrayLike | range | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return q and k turned, each in its shape, dtype and device.

        Parameters
        ----------
        q : torch.Tensor, shape (..., T, dim)
            Queries, floating; (B, heads, T, dim) in most models.
        k : torch.Tensor, shape (..., S, dim)
            Keys, of the same dtype and device; they may have fewer heads.
        positions : torch.Tensor, array_like or range
            Shape (T,), or as many axes as q has before dim, such as (B, 1, T). Of q, and of k too
            if `key_positions` are not given.
        key_positions : torch.Tensor, array_like or range, optional
            Those of k, likewise, where they differ.

        Raises
        ------
        TypeError
            q and k are not of one floating dtype, or positions are no real numbers or have half precision.
        ValueError
            Shapes or devices do not fit, or a position is not finite or too large (looked at on the CPU
            only).
        """
        as_one_kind("Rope", {"q": q, "k": k})
        if key_positions is None and q.ndim > 1 and k.ndim > 1 and q.shape[-2] != k.shape[-2]:
            raise ValueError(
                f"Rope: q {tuple(q.shape)} and k {tuple(k.shape)} have different numbers of tokens. "
                "Pass key_positions too."
            )
        table = self._table("q", q, positions)
        turned = _pairs.turn(q, *table, self.layout)
        if key_positions is None or key_positions is positions:
            self._check_shape("k", k, table[0].shape[:-1])
        else:
            table = self._table("k", k, key_positions)
        return turned, _pairs.turn(k, *table, self.layout)

    def _table(self, name: str, x: Tensor, positions: Tensor | ArrayLike | range) -> tuple[Tensor, Tensor]:
        """Return cosines and sines for x at positions, (..., n) each."""
        one_device("Rope", {"positions": positions, name: x})
        positions = as_positions("Rope", positions, x.device)
        self._check_shape(name, x, positions.shape)
        angles = angles_of_turns(positions, self._turns, computed_in(x.dtype))
        return _pairs.table(angles, self.attention_factor)

    def _check_shape(self, name: str, x: Tensor, positions: torch.Size) -> None:
        _arguments.rope.check(x.shape, positions, self._turns.shape, self.layout, operation="Rope", name=name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Rope:
        """Let the frequencies follow the model to another device, but not to another dtype."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = fn(torch.empty(0, dtype=torch.int64, device=self._turns.device)).device
        if device.type not in DEVICES_WITHOUT_FLOAT64:
            self._turns = (self.frequencies / (2 * math.pi)).to(device)
        return self

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{len(self.frequencies)} frequencies, layout={self.layout!r}, attention_factor={self.attention_factor}"
