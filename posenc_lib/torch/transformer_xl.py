"""Transformer-XL: a key is asked for its content and for its distance, each by the query and by a constant."""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments, frequencies
from posenc_lib.torch._positions import as_positions
from posenc_lib.torch._tensors import as_one_kind, computed_in, one_device
from posenc_lib.torch.rope import rope
from posenc_lib.torch.sinusoidal import sinusoidal


def transformer_xl_bias(
    q: torch.Tensor | ArrayLike,
    k: torch.Tensor | ArrayLike,
    content_bias: torch.Tensor | ArrayLike,
    position_bias: torch.Tensor | ArrayLike,
    position_weight: torch.Tensor | ArrayLike,
    query_positions: torch.Tensor | ArrayLike | range,
    key_positions: torch.Tensor | ArrayLike | range,
    *,
    base: float = 10000.0,
) -> torch.Tensor:
    """Return (q · W R_(m−n) + u · k + v · W R_(m−n)) / √d, what Transformer-XL adds to the logit q · k / √d.

    R_p is `sinusoidal(p, dim)`, u the content bias, v the position bias, W the position weight of a head:
    the paper's terms (b), (c) and (d). With it, `attention` is Transformer-XL's.

    R is never made for each pair of tokens. A sinusoid of m − n is one of n, turned by m: (q + v) W is
    turned as `rope` turns a query, and then meets the encodings of the keys. So positions may be any
    numbers, in any order, without the paper's shift of rows. Differentiable in the five tensors, and in
    positions that are floating.

    Parameters
    ----------
    q : torch.Tensor, shape (..., H, T, d)
        Queries of H heads.
    k : torch.Tensor, shape (..., H, S, d)
        Keys: W_(k,E) times the tokens; in the dtype and on the device of q, as all that follow.
    content_bias : torch.Tensor, shape (H, d)
        u; `r_w_bias` in the paper's code and in XLNet.
    position_bias : torch.Tensor, shape (H, d)
        v; `r_r_bias`.
    position_weight : torch.Tensor, shape (H, d, dim)
        W_(k,R); dim even. The last axis is in the order of `sinusoidal`, sine beside cosine. The paper's
        code and XLNet have all sines before all cosines: reorder their weights, brought to this shape, by
        ``weight[..., torch.arange(dim).reshape(2, -1).T.flatten()]``.
    query_positions : torch.Tensor, array_like or range, shape (T,), or as many axes as q has before d
        Integers or real numbers, negative ones too, below 2**53 in size; not float16 or bfloat16. With more
        than one axis, each has q's size or 1, and the last T: (B, 1, T) gives each sequence of a batch its
        own positions. A tensor lies on q's device. Behind a memory of M tokens: range(M, M + T).
    key_positions : torch.Tensor, array_like or range, shape (S,), or as many axes as q has before d
        Likewise, with S for T. With a memory: range(M + T).
    base : float
        Of the sinusoids, at least 1.

    Returns
    -------
    torch.Tensor
        Shape (..., H, T, S), dtype and device of q; the `bias` of `attention`. Half precision is computed in
        float32 and rounded once.

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating, or positions are no real numbers or have half precision.
    ValueError
        The shapes do not fit, devices differ, `base` is below 1, or a position is not finite or too large
        (looked at on the CPU only).

    References
    ----------
    Dai et al. (2019), "Transformer-XL: Attentive Language Models beyond a Fixed-Length Context", section
    3.3. The paper's terms lack 1/√d, its code (kimiyoung/transformer-xl) has it.

    Examples
    --------
    >>> x, nothing = torch.ones(1, 3, 1), torch.zeros(1, 1)
    >>> weight = torch.tensor([[[1.0, 0.0]]])    # sin(m − n) of the first frequency, 1
    >>> transformer_xl_bias(x, x, nothing, nothing, weight, range(3), range(3)).round(decimals=4) + 0
    tensor([[[ 0.0000, -0.8415, -0.9093],
             [ 0.8415,  0.0000, -0.8415],
             [ 0.9093,  0.8415,  0.0000]]])
    """
    operation = "transformer_xl_bias"
    q, k, u, v, weight = as_one_kind(
        operation,
        {
            "q": q,
            "k": k,
            "content_bias": content_bias,
            "position_bias": position_bias,
            "position_weight": position_weight,
        },
    )
    base = _arguments.scalars.base_of_frequencies(operation, base)
    _arguments.transformer_xl.check(q.shape, k.shape, u.shape, v.shape, weight.shape)
    for name, positions in (("query_positions", query_positions), ("key_positions", key_positions)):
        one_device(operation, {name: positions, "q": q})
    m, n = (as_positions(operation, p, q.device) for p in (query_positions, key_positions))
    _arguments.positions.check_along(operation, q.shape, k.shape[-2], m.shape, n.shape)
    dtype, dim, precision = q.dtype, weight.shape[-1], computed_in(q.dtype)
    q, k, u, v, weight = (x.to(precision) for x in (q, k, u, v, weight))
    scale = 1 / math.sqrt(q.shape[-1])
    # A pair (a, b) of (q + v) W meets a sin((m−n)θ) + b cos((m−n)θ), and that is the product of (−a, b),
    # turned by −mθ, with (sin nθ, cos nθ).
    signs = torch.tensor([-scale, scale], dtype=precision, device=q.device).repeat(dim // 2)
    turned = rope((q + v[:, None]) @ (weight * signs), m, -frequencies.rope(dim, base=base))
    by_distance = turned @ sinusoidal(n, dim, base=base, dtype=precision).mT
    by_content = (k @ (u * scale)[..., None]).mT
    return (by_distance + by_content).to(dtype)
