"""Linear attention: similarities that factor, so that keys and values are summed once for all queries."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments
from posenc_lib.torch import _pairs, _rotary
from posenc_lib.torch._angles import reduced_angles
from posenc_lib.torch._tensors import as_one_kind, computed_in

# So many tokens are summed at once by a (tokens, tokens) product; between them sums are kept, (D, e) each.
CHUNK = 64


def linear_attention(
    q: torch.Tensor | ArrayLike,
    k: torch.Tensor | ArrayLike,
    v: torch.Tensor | ArrayLike,
    *,
    positions: torch.Tensor | ArrayLike | range | None = None,
    frequencies: torch.Tensor | ArrayLike | None = None,
    layout: str = "interleaved",
    normalize: str = "unrotated",
    feature_map: Callable[[torch.Tensor], torch.Tensor] | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """Sum the values, weighted by (R_m φ(q_m)) · (R_n φ(k_n)), and divide by the sum that `normalize` names.

    R_m turns the features at position m as `rope` turns a query; without positions it does nothing. Then
    the weights are positive and sum to 1, as in softmax attention. Turned features keep their length and
    not their sign: some weights are negative, and what they sum to depends on what they are divided by.

    RoFormer's equation 19 divides by the weights before the turn. The quotients do not sum to 1: for elu + 1,
    Gaussian q and k of d = 64, 1024 tokens and base 10000 their sums go from 0.18 to 0.47, and 3% of them are
    negative. Divided by their own sum they do sum to 1, but nothing keeps that sum from 0. To turn before
    the feature map instead, pass ``rope(q, …)`` and ``rope(k, …)`` without positions: weights stay positive and
    sum to 1, but they depend on m and n, not on m − n alone.

    The products φ(k_n) v_nᵀ are added up once for all queries, or for `causal` one chunk of 64 tokens after
    another: O(T D e) operations, and no tensor of shape (T, S) or (T, D, e). Differentiable in q, k, v,
    and in positions and frequencies where they are floating tensors that ask for it.

    Parameters
    ----------
    q : torch.Tensor, shape (..., T, d)
        Queries.
    k : torch.Tensor, shape (..., S, d)
        Keys, in the dtype and on the device of q.
    v : torch.Tensor, shape (..., S, e)
        Values, likewise.
    positions : torch.Tensor, array_like or range, shape (T,), or as many axes as q has before d, optional
        Of queries and keys alike; needs T = S. As in `rope`.
    frequencies : array_like or torch.Tensor, shape (n,), optional
        θ_i in radians per position, as in `rope`; the first 2n of the D features turn. With positions.
    layout : str
        Which features are a pair: "interleaved" (2i, 2i + 1) or "half" (i, i + n).
    normalize : str
        What the weighted sum is divided by. "unrotated": Σ_n φ(q_m) · φ(k_n), as in equation 19.
        "rotated": Σ_n (R_m φ(q_m)) · (R_n φ(k_n)), the sum of the weights themselves.
    feature_map : callable, optional
        φ, which takes q, then k, and returns features, (..., T, D) and (..., S, D); elu(x) + 1 by default.
        It should be positive: nothing else keeps the divisor from 0. Half precision reaches a map of
        yours as it is; the default's is brought to float32.
    causal : bool
        Let query m see the keys 0 to m only. Needs T = S.

    Returns
    -------
    torch.Tensor
        Shape (..., T, e), dtype and device of q. Sums are taken in float32 (in float64 if q has it), and half
        precision is rounded once, at the end. NaN or ±∞ where the divisor is 0, as where all features
        of a query underflow.

    Raises
    ------
    TypeError
        Dtypes differ, or are not floating, positions or frequencies are no real numbers or have half precision,
        or `feature_map` is no function.
    ValueError
        The shapes do not fit, devices differ, positions come without frequencies or these without them, there is no
        frequency, a position or frequency is not finite or too large (looked at on the CPU
        only), or `layout` or `normalize` is unknown.

    References
    ----------
    Su et al. (2021), "RoFormer", equation 19; Katharopoulos et al. (2020), "Transformers are RNNs: Fast
    Autoregressive Transformers with Linear Attention", equations 5, 7 and 12.

    Examples
    --------
    >>> x = torch.zeros(3, 2)
    >>> values = torch.tensor([[1.0], [2.0], [6.0]])
    >>> linear_attention(x, x, values, causal=True)                    # plain means, for all features are 1
    tensor([[1.0000],
            [1.5000],
            [3.0000]])
    >>> eye = torch.eye(3)                                             # the weights themselves
    >>> linear_attention(x, x, eye, positions=range(3), frequencies=[torch.pi / 2]).round(decimals=4) + 0
    tensor([[ 0.3333,  0.0000, -0.3333],
            [ 0.0000,  0.3333,  0.0000],
            [-0.3333,  0.0000,  0.3333]])
    """
    _arguments.linear_attention.check_settings(layout, normalize, feature_map, positions, frequencies)
    q, k, v = as_one_kind("linear_attention", {"q": q, "k": k, "v": v})
    _arguments.attention.check(
        "linear_attention",
        q.shape,
        k.shape,
        v.shape,
        causal=causal,
        instead=_arguments.linear_attention.INSTEAD_OF_CAUSAL,
    )
    plain = _features(q, feature_map), _features(k, feature_map)
    _arguments.linear_attention.check_features(q.shape, k.shape, plain[0].shape, plain[1].shape)
    turned = plain if positions is None or frequencies is None else _turned(*plain, positions, frequencies, layout)
    weighted = _summed(*turned, v.to(computed_in(q.dtype)), causal)
    divided_by = turned if normalize == "rotated" else plain
    return (weighted / _summed_weights(*divided_by, causal)).to(q.dtype)


def _features(x: torch.Tensor, feature_map: Callable[[torch.Tensor], torch.Tensor] | None) -> torch.Tensor:
    if feature_map is None:
        x = x.to(computed_in(x.dtype))
        return torch.where(x > 0, x + 1, x.clamp(max=0).exp())  # exp(x) − 1 + 1 would round small values off
    features = feature_map(x)
    if not (isinstance(features, torch.Tensor) and features.is_floating_point()):
        got = features.dtype if isinstance(features, torch.Tensor) else type(features).__name__
        raise TypeError(f"linear_attention: feature_map must return a floating tensor, got {got}.")
    return features.to(computed_in(x.dtype))


def _turned(
    q: torch.Tensor,
    k: torch.Tensor,
    positions: torch.Tensor | ArrayLike | range,
    frequencies: torch.Tensor | ArrayLike,
    layout: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    positions, frequencies = _rotary.angle_arguments("linear_attention", "q", q, positions, frequencies)
    _arguments.linear_attention.check_turning(q.shape, k.shape)
    _arguments.rope.check(
        q.shape, positions.shape, frequencies.shape, layout, operation="linear_attention", name="the features of q"
    )
    cos, sin = _pairs.table(reduced_angles(positions, frequencies, q.dtype), 1.0)
    return _pairs.turn(q, cos, sin, layout), _pairs.turn(k, cos, sin, layout)


def _summed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """Return Σ_n (q_m · k_n) v_n for each m; over n ≤ m where causal."""
    if not causal:
        return q @ (k.mT @ v)
    length = q.shape[-2]
    q, k, v = (_chunks(x) for x in (q, k, v))
    products = (k.mT @ v).cumsum(-3)
    # What came before a chunk is what its predecessor ends with: subtracting its own would leak rounding errors.
    before = torch.nn.functional.pad(products[..., :-1, :, :], (0, 0, 0, 0, 1, 0))
    within = (q @ k.mT).tril() @ v
    return (q @ before + within).flatten(-3, -2)[..., :length, :]


def _chunks(x: torch.Tensor) -> torch.Tensor:
    """Split the tokens, (..., T, d) → (..., chunks, CHUNK, d); tokens of zeros, which add nothing, fill the last."""
    length = x.shape[-2]
    filled = torch.nn.functional.pad(x, (0, 0, 0, -length % CHUNK))
    return filled.reshape(*x.shape[:-2], -(-length // CHUNK), CHUNK, x.shape[-1])


def _summed_weights(q: torch.Tensor, k: torch.Tensor, causal: bool) -> torch.Tensor:
    """Return Σ_n q_m · k_n for each m, shape (..., T, 1)."""
    if causal:
        return (q * k.cumsum(-2)).sum(-1, keepdim=True)
    return q @ k.sum(-2)[..., None]
