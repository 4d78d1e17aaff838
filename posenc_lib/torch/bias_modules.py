"""Biases of attention as modules: ALiBi, which learns nothing, and T5's, which learns a table."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments, _t5_buckets
from posenc_lib.torch._tensors import floating
from posenc_lib.torch.alibi import alibi_bias
from posenc_lib.torch.t5_bias import t5_bias


class Alibi(torch.nn.Module):
    """Give attention its ALiBi; `alibi_bias` is the formula.

    It has no parameter, no buffer and no cache, so it adds nothing to a state_dict, cannot go stale, and
    counts distances exactly whatever the model is cast to; only the result is rounded. One module serves
    all layers.

    Parameters
    ----------
    num_heads : int
        H, at least 1; `alibi_slopes` gives the slopes.

    Examples
    --------
    >>> alibi = Alibi(2)
    >>> alibi(range(3), range(3))[0] * 16
    tensor([[ 0., -1., -2.],
            [-1.,  0., -1.],
            [-2., -1.,  0.]])
    >>> alibi([2], range(3), dtype=torch.bfloat16)[0]     # decoding token 2 on its own
    tensor([[-0.1250, -0.0625,  0.0000]], dtype=torch.bfloat16)
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = _arguments.scalars.integer("Alibi", "num_heads", num_heads, at_least=1)

    def forward(
        self,
        query_positions: torch.Tensor | ArrayLike,
        key_positions: torch.Tensor | ArrayLike,
        *,
        dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        """Return `alibi_bias` of these positions, which names what it refuses.

        Parameters
        ----------
        query_positions : torch.Tensor, array_like or range, shape (..., T)
            In a batch that shares them (T,), else (B, T). The result lies on their device.
        key_positions : torch.Tensor, array_like or range, shape (..., S)
            Likewise; with a cache, those of all its tokens.
        dtype : torch.dtype, optional
            Of the result; `torch.get_default_dtype()` by default. `attention` wants that of q.

        Returns
        -------
        torch.Tensor
            Shape (..., num_heads, T, S), the `bias` of `attention`.
        """
        return alibi_bias(self.num_heads, query_positions, key_positions, dtype=dtype)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}"


class T5Bias(torch.nn.Module):
    """Hold T5's learned numbers, one for each bucket of distances and head, and give attention its bias.

    One line loads a released table; the encoder's name is
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"::

        bias.load_state_dict({"weight": checkpoint[name]})

    (As an attribute of that name, `SelfAttention.relative_attention_bias = T5Bias(...)`, it is loaded with
    the rest of the model.) The table begins as zeros, so that a new model prefers no distance; T5 itself begins with
    `torch.nn.init.normal_(bias.weight, std=d_model**-0.5)`.

    Parameters
    ----------
    num_heads : int
        H, at least 1.
    num_buckets : int
        At least 2 for each direction; even when bidirectional.
    max_distance : int
        From here on all distances share one bucket; see `t5_bucket`.
    bidirectional : bool
        True for an encoder, False for a decoder.

    Examples
    --------
    >>> bias = T5Bias(1, num_buckets=4, max_distance=8)
    >>> bias.load_state_dict({"weight": torch.tensor([[0.0], [1.0], [2.0], [3.0]])})
    <All keys matched successfully>
    >>> bias(range(3), range(3))[0].detach()
    tensor([[0., 3., 3.],
            [1., 0., 3.],
            [1., 1., 0.]])
    """

    weight: torch.nn.Parameter

    def __init__(
        self, num_heads: int, *, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.num_heads = _arguments.scalars.integer("T5Bias", "num_heads", num_heads, at_least=1)
        buckets, self.max_distance = _t5_buckets.settings("T5Bias", bidirectional, num_buckets, max_distance)
        self.num_buckets = 2 * buckets if bidirectional else buckets
        self.bidirectional = bidirectional
        self.weight = torch.nn.Parameter(torch.empty(self.num_buckets, self.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the table with zeros: after `to_empty`, which leaves what memory held."""
        torch.nn.init.zeros_(self.weight)

    def forward(
        self,
        query_positions: torch.Tensor | ArrayLike,
        key_positions: torch.Tensor | ArrayLike,
        *,
        dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        """Return `t5_bias` of the table and these positions, which names what it refuses.

        Parameters
        ----------
        query_positions : torch.Tensor, array_like of int or range, shape (..., T)
            In a batch that shares them (T,), else (B, T). A tensor lies on the device of the table.
        key_positions : torch.Tensor, array_like of int or range, shape (..., S)
            Likewise; with a cache, those of all its tokens.
        dtype : torch.dtype, optional
            Of the result; that of the table by default. `attention` wants that of q.

        Returns
        -------
        torch.Tensor
            Shape (..., num_heads, T, S), the `bias` of `attention`.
        """
        bias = t5_bias(
            self.weight,
            query_positions,
            key_positions,
            bidirectional=self.bidirectional,
            max_distance=self.max_distance,
        )
        return bias if dtype is None else bias.to(floating("T5Bias", dtype))

    def extra_repr(self) -> str:
        return (
            f"num_heads={self.num_heads}, num_buckets={self.num_buckets}, max_distance={self.max_distance}, "
            f"bidirectional={self.bidirectional}"
        )
