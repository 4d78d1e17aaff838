"""Sinusoidal positional encoding, as a function and as a module."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from posenc_lib import _arguments, frequencies
from posenc_lib.torch._angles import reduced_angles
from posenc_lib.torch._positions import as_positions
from posenc_lib.torch._tensors import one_device


def sinusoidal(
    positions: torch.Tensor | ArrayLike, dim: int, *, base: float = 10000.0, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Encode each position p as sin(pθ_0), cos(pθ_0), sin(pθ_1), cos(pθ_1), …, with θ_i = base^(−2i/dim).

    Differentiable in `positions` when they are floating.

    Parameters
    ----------
    positions : torch.Tensor, array_like or range, shape (...)
        Integers or real numbers, negative ones too, below 2**53 in size. One number is one position
        (not a count). Not float16 or bfloat16, which merge neighbours from 2048 or 256 on.
    dim : int
        Size of the code; even.
    base : float
        At least 1; the original Transformer's 10000 by default.
    dtype : torch.dtype, optional
        Of the result; `torch.get_default_dtype()` by default. Angles are reduced in float64 whatever
        it is: up to ten million positions a float32 result is within 2e-7 of the exact one, a float64
        result at any position p within max(1, |p|) · 4e-16.

    Returns
    -------
    torch.Tensor
        Shape (..., dim), on the device of `positions`. Sine stands in dimension 2i, cosine in 2i + 1.

    Raises
    ------
    TypeError
        Positions are no real numbers or have half precision, `dim` is no integer, `dtype` is not
        floating.
    ValueError
        `dim` is odd, `base` is below 1, or a position is not finite or too large (looked at on the
        CPU only: on a GPU the look would wait for the device, and NaN comes out instead).

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", section 3.5.

    Examples
    --------
    >>> sinusoidal(range(2), 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    dim = _arguments.scalars.even_dim("sinusoidal", dim)
    base = _arguments.scalars.base_of_frequencies("sinusoidal", base)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"sinusoidal: dtype must be a floating torch.dtype, to hold sines; got {dtype!r}.")
    positions = as_positions("sinusoidal", positions)
    angle_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    # A set needs its member's value: torch.compile, which may hold a number as a symbol, looks it up.
    angles = reduced_angles(positions, _frequencies(*{dim}, *{base}), angle_dtype)
    encoding = angles.new_empty((*positions.shape, dim), dtype=dtype)
    encoding[..., 0::2] = angles.sin()
    encoding[..., 1::2] = angles.cos()
    return encoding


def _frequencies(dim: int, base: float) -> torch.Tensor:
    return torch.from_numpy(frequencies.rope(dim, base=base))


# A constant for torch.compile, which would otherwise compute the powers anew for every position. The
# flag is all that torch.compiler.assume_constant_result sets, but that imports the compiler: 2 s.
_frequencies._dynamo_marked_constant = True  # type: ignore[attr-defined]


class Sinusoidal(torch.nn.Module):
    """Add the sinusoidal encoding to token embeddings.

    It has no parameter, no buffer and no cache, so it adds nothing to a state_dict, cannot go stale,
    and computes its angles in float64 whatever the model is cast to; only the result is rounded.

    Parameters
    ----------
    dim : int
        Size of the embeddings; even.
    base : float
        At least 1; the original Transformer's 10000 by default.

    Examples
    --------
    >>> embed = Sinusoidal(4)
    >>> embed(torch.zeros(1, 2, 4))[0, 1]
    tensor([0.8415, 0.5403, 0.0100, 0.9999])
    >>> embed(torch.zeros(1, 1, 4), positions=[1])[0, 0]     # decoding token 1 on its own
    tensor([0.8415, 0.5403, 0.0100, 0.9999])
    """

    def __init__(self, dim: int, *, base: float = 10000.0) -> None:
        super().__init__()
        self.dim = _arguments.scalars.even_dim("Sinusoidal", dim)
        self.base = _arguments.scalars.base_of_frequencies("Sinusoidal", base)

    def forward(self, x: torch.Tensor, positions: torch.Tensor | ArrayLike | None = None) -> torch.Tensor:
        """Return x + sinusoidal(positions), in the dtype and on the device of `x`.

        Parameters
        ----------
        x : torch.Tensor, shape (..., T, dim)
            Floating.
        positions : torch.Tensor, array_like or range, optional
            Shape (T,), or as many axes as x has before `dim`, each of x's size or 1. By default
            0 … T − 1: pass them when x continues a sequence, is padded on the left or packed.

        Raises
        ------
        ValueError
            The shapes do not fit, or positions lie on another device than `x`.
        TypeError
            `x` is not floating.
        """
        self._check_input(x)
        if positions is None:
            positions = torch.arange(x.shape[-2], device=x.device)
        else:
            one_device("Sinusoidal", {"positions": positions, "x": x})
            positions = as_positions("Sinusoidal", positions)
            self._check_shape(x, positions)
        return x + sinusoidal(positions, self.dim, base=self.base, dtype=x.dtype).to(x.device)

    def _check_input(self, x: torch.Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(
                f"Sinusoidal: x must hold embeddings, got {x.dtype}. Embed token ids before this module."
            )
        if x.ndim < 2 or x.shape[-1] != self.dim:
            raise ValueError(f"Sinusoidal: x must be (..., T, {self.dim}), got {tuple(x.shape)}.")

    def _check_shape(self, x: torch.Tensor, positions: torch.Tensor) -> None:
        shape, tokens = tuple(positions.shape), tuple(x.shape[:-1])
        if not _arguments.positions.fit(tokens, shape):
            raise ValueError(
                f"Sinusoidal: positions {shape} do not fit x {tuple(x.shape)}. Pass one position a "
                f"token, shape {tokens[-1:]}, or one for each axis of x before dim, such as {tokens}."
            )

    def extra_repr(self) -> str:
        return f"dim={self.dim}, base={self.base}"
