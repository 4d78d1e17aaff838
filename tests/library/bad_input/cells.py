"""The words that the table of bad input is written in; tests/library/test_bad_input.py tries every cell.

A cell says what one public function makes of one kind of bad input: a list of calls, each refused or answered, or a
sentence that says why the kind does not apply. A call takes the twin, `pe`; its NumPy arrays become tensors for
posenc_lib.torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

# The kinds of bad input.
ODD = "odd dim"
RANK = "wrong rank"
POSITIONS = "mismatched positions"
FREQUENCIES = "non-finite or negative frequencies"
DTYPE = "integer or boolean x"
DEVICES = "mixed devices"
EMPTY = "empty sequence"
HEADS = "zero heads"
NAME = "unknown layout or rope type"
FACTOR = "absurd factors"
KINDS = (ODD, RANK, POSITIONS, FREQUENCIES, DTYPE, DEVICES, EMPTY, HEADS, NAME, FACTOR)

nan, inf = np.nan, np.inf


@dataclass(frozen=True)
class Refused:
    """A call that raises `error`, whose text begins with `text`."""

    call: Callable
    error: type[Exception]
    text: str
    twins: tuple[str, ...]


@dataclass(frozen=True)
class Answered:
    """A call that gives `expected`: an array, or a tuple for its shape alone."""

    call: Callable
    expected: object
    twins: tuple[str, ...]


def refused(call, error, text, only=None):
    return Refused(call, error, text, (only,) if only else ("numpy", "torch"))


def answered(call, expected, only=None):
    return Answered(call, expected, (only,) if only else ("numpy", "torch"))


def each(call, error, text, *values, only=None):
    """A refusal of `call(pe, value)` for each value; `text` may hold {value}, {value!r} and {kind}, its type's name."""
    return [
        refused(
            lambda pe, value=value: call(pe, value), error, text.format(value=value, kind=type(value).__name__), only
        )
        for value in values
    ]


def odd_dims(name, call):
    """Refusals of `call(pe, dim)`: an odd size, none, a negative one, and what is no integer."""
    return [
        *each(call, ValueError, f"{name}: dim must be even and at least 2, because every angular frequency", 5, 0, -2),
        *each(call, TypeError, name + ": dim must be an integer, got {value!r} ({kind}).", 4.0, True, None),
    ]


def bad_bases(name, call):
    return [
        *each(
            call,
            ValueError,
            name + ": base must be finite and at least 1, so that angular frequencies fall from 1 radian per position; "
            "got {value}. The original Transformer uses 10000.",
            *(0, -1.0, 0.5, nan, inf),
        ),
        *each(call, TypeError, name + ": base must be a number, got {value!r} ({kind}).", True, "10000", None),
    ]


def bad_numbers_of_heads(name, call):
    return [
        *each(call, ValueError, name + ": num_heads must be at least 1, got {value}.", 0, -1),
        *each(call, TypeError, name + ": num_heads must be an integer, got {value!r} ({kind}).", 2.0, True, None),
    ]


def row(positions):
    """Give positions of (T,) an axis more, of which there is one."""
    return [positions] if isinstance(positions, list) else None if positions is None else positions[None]


def bad_positions(name, call):
    """Refusals of `call(pe, positions)`, for one token: no number, too large a one, and dtypes that lose some."""
    far = f"{name}: positions must be finite and below 2**53 in size, where float64 still counts in ones; got values"
    return [
        *each(call, ValueError, far, [nan], [inf], [2**53]),
        *each(call, TypeError, f"{name}: positions must be integers or real numbers, got", [True], [1j], ["a"]),
        *each(call, TypeError, f"{name}: positions are ", np.ones(1, np.float16)),
    ]


def bad_integer_positions(name, call):
    """Refusals of `call(pe, positions)`, for one token, where a table has a row at whole numbers only."""
    text = f"{name}: a table has rows at integer positions only, got"
    return each(call, TypeError, text, [0.5], [nan], [True], [1j])


def ones(*shape, dtype=float):
    return np.ones(shape, dtype)


def meta(*shape, dtype=torch.float64):
    """A tensor on the meta device, which every machine has beside the CPU."""
    return torch.ones(shape, dtype=dtype, device="meta")


NO_DIM = "No size has to be even."
NO_DEVICE = "It takes numbers and gives a NumPy array, which has no device."
NO_FREQUENCIES = "No frequency goes in."
NO_NAME = "There is no layout and no type to choose."
NO_FACTOR = "Nothing is scaled by a number that the caller gives."
NO_X = "No vectors go in."
NO_HEADS = "It knows nothing of heads: they are axes like any other."
