"""Pairs of dimensions turned by angles whose cosines and sines are given; rope's arithmetic, without its checks."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


def table(angles: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Return factor · cos and factor · sin of the angles."""
    cos, sin = angles.cos(), angles.sin()
    if factor != 1.0:
        cos, sin = cos * factor, sin * factor
    if torch.compiler.is_compiling():
        # Stacked, so that the compiler stores them: it would compute sines anew in every head otherwise.
        cos, sin = torch.stack((cos, sin)).unbind()
    return cos, sin


def turn(x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
    """Return x, its pair i = (a, b) replaced by (a cos_i − b sin_i, a sin_i + b cos_i), the rest as it is.

    Parameters
    ----------
    x : torch.Tensor, shape (..., T, dim)
        Floating; the result has its dtype, rounded once, and lies in memory as x does.
    cos, sin : torch.Tensor, shape (..., T, n)
        float64 if x has it, else float32; the leading axes broadcast to x's. 2n ≤ dim.
    layout : str
        "interleaved" or "half".
    """
    if torch.compiler.is_compiling():
        return _turned_in_one_graph(x, cos, sin, layout)
    if x.requires_grad:
        turned: Tensor = _Turn.apply(x, cos, sin, layout)  # type: ignore[no-untyped-call]
        return turned
    return _turned(x, cos, sin, layout)


def turn_into(out: Tensor, x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
    """Write what `turn` returns to `out`, which has x's shape and dtype and may be x, and return `out`."""
    if torch.compiler.is_compiling():  # which writes to out without a copy
        return out.copy_(_turned_in_one_graph(x, cos, sin, layout))
    if x.dtype != cos.dtype:
        wide = x.to(cos.dtype)
        return out.copy_(turn_into(wide, wide, cos, sin, layout))
    shared = out.untyped_storage()._cdata == x.untyped_storage()._cdata
    in_place = shared and out.storage_offset() == x.storage_offset() and out.stride() == x.stride()
    if shared and not in_place:
        x = x.clone()  # they may overlap, and what is written here would be read there
    r = 2 * cos.shape[-1]
    if layout == "interleaved":
        _turn_interleaved_into(out[..., :r], x[..., :r], cos, sin)
    else:
        _turn_half_into(out, x, cos, sin, in_place)
    if not in_place:
        out[..., r:].copy_(x[..., r:])
    return out


class _Context(Protocol):
    """What _Turn keeps for its derivatives."""

    layout: str
    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...
    def save_for_forward(self, *tensors: Tensor) -> None: ...


class _Turn(torch.autograd.Function):
    """The turn, whose derivatives are turns: of x by the transpose, which turns back, and of cos and sin by linearity.

    Left to itself, PyTorch would undo one by one the steps of "half", which write in place: five times the work.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
        return _turned(x, cos, sin, layout)

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[Tensor, Tensor, Tensor, str], output: Tensor) -> None:
        x, cos, sin, ctx.layout = inputs
        ctx.save_for_forward(x, cos, sin)
        of_table = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        ctx.save_for_backward(cos, sin, *((x,) if of_table else ()))

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        cos, sin, *kept = ctx.saved_tensors
        of_x = turn(gradient, cos, -sin, ctx.layout)
        if not kept:
            return of_x, None, None, None
        n, dtype = cos.shape[-1], cos.dtype
        a, b = pairs(kept[0].to(dtype), n, ctx.layout)
        c, d = pairs(gradient.to(dtype), n, ctx.layout)
        return of_x, (a * c + b * d).sum_to_size(cos.shape), (a * d - b * c).sum_to_size(sin.shape), None

    @staticmethod
    def jvp(ctx: _Context, of_x: Tensor, of_cos: Tensor, of_sin: Tensor, _: None) -> Tensor:
        x, cos, sin = ctx.saved_tensors
        r = 2 * cos.shape[-1]
        by_table = turn(x[..., :r], of_cos, of_sin, ctx.layout)
        return turn(of_x, cos, sin, ctx.layout) + torch.nn.functional.pad(by_table, (0, x.shape[-1] - r))


def pairs(x: Tensor, n: int, layout: str) -> tuple[Tensor, Tensor]:
    """Return views of the first and of the second members of x's n pairs, each (..., n)."""
    if layout == "interleaved":
        return x[..., : 2 * n : 2], x[..., 1 : 2 * n : 2]
    return x[..., :n], x[..., n : 2 * n]


def _turned(x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
    turned = _turned_interleaved if layout == "interleaved" else _turned_half
    return turned(x.to(cos.dtype), cos, sin).to(x.dtype)


def _turned_interleaved(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """A pair side by side is a complex number, and a turn its product with another: one pass."""
    r = 2 * cos.shape[-1]
    try:
        numbers = _as_complex(x[..., :r])
    except RuntimeError:  # its strides are odd, as those of an odd dim are
        numbers = _as_complex(x[..., :r].clone(memory_format=torch.contiguous_format))
    turned = torch.view_as_real(numbers * torch.complex(cos, sin)).flatten(-2)
    return _with_rest(turned, x)


def _turned_half(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x · cos in one pass, in which the rest is multiplied by 1; then each half takes from the other.

    Fewest passes over memory, but no batching rule: torch.vmap warns that it loops. It is not needed
    here, for every leading axis of x is a batch already.
    """
    n, rest = cos.shape[-1], x.shape[-1] - 2 * cos.shape[-1]
    ones = (cos.new_ones((*cos.shape[:-1], rest)),) if rest else ()
    turned = x * torch.cat((cos, cos, *ones), dim=-1)
    turned[..., :n].addcmul_(x[..., n : 2 * n], sin, value=-1)
    turned[..., n : 2 * n].addcmul_(x[..., :n], sin)
    return turned


def _turned_in_one_graph(x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
    """Real arithmetic, which torch.compile fuses; for complex numbers it has no code of its own."""
    n = cos.shape[-1]
    shape, axis = ((n, 2), -1) if layout == "interleaved" else ((2, n), -2)
    a, b = torch.unflatten(x[..., : 2 * n], -1, shape).unbind(axis)
    # Half precision times float32 is float32; rounded before they are joined, no float32 copy is stored.
    turned = ((a * cos - b * sin).to(x.dtype), (a * sin + b * cos).to(x.dtype))
    return _with_rest(torch.stack(turned, dim=axis).flatten(-2), x)


def _turn_interleaved_into(out: Tensor, x: Tensor, cos: Tensor, sin: Tensor) -> None:
    try:
        source, target = _as_complex(x), _as_complex(out)
    except RuntimeError:  # the strides of one are odd
        out.copy_(_turned_interleaved(x, cos, sin))
        return
    torch.mul(source, torch.complex(cos, sin), out=target)


def _turn_half_into(out: Tensor, x: Tensor, cos: Tensor, sin: Tensor, in_place: bool) -> None:
    n = cos.shape[-1]
    (a, b), (to_a, to_b) = pairs(x, n, "half"), pairs(out, n, "half")
    a = a.clone() if in_place else a  # b takes from it after it was overwritten
    torch.mul(a, cos, out=to_a).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=to_b).addcmul_(a, sin)


def _as_complex(x: Tensor) -> Tensor:
    """Return a view of pairs side by side as complex numbers; a RuntimeError where the strides have none."""
    return torch.view_as_complex(torch.unflatten(x, -1, (x.shape[-1] // 2, 2)))


def _with_rest(turned: Tensor, x: Tensor) -> Tensor:
    r = turned.shape[-1]
    return turned if r == x.shape[-1] else torch.cat((turned, x[..., r:]), dim=-1)
