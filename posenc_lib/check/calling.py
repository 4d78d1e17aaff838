"""Call the reader's function and record what came back."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from posenc_lib.check import arrays
from posenc_lib.check.exercise import Array, Case, Exercise

Function = Callable[..., object]


@dataclass
class Outcome:
    """What one call gave: the raw value, its NumPy form, or the error."""

    case: Case
    library: str
    raw: object = None
    numbers: Array | None = None
    error: Exception | None = None
    changed: str = ""  # name of an argument that the call wrote into
    device_moved: bool = False
    detached: bool = False

    @property
    def real(self) -> bool:
        """Whether real numbers came back."""
        return self.numbers is not None and self.numbers.dtype.kind in "fiu"

    @property
    def values(self) -> Array:
        """The numbers that came back, of a call that gave some."""
        assert self.numbers is not None
        return self.numbers

    @property
    def dtype(self) -> str:
        """The precision that the values claim, "float32" or "float64"."""
        return "float32" if self.values.dtype == np.float32 else "float64"


def call(exercise: Exercise, fn: Function, case: Case, library: str) -> Outcome:
    """Call `fn` on fresh copies of the case's arguments."""
    args = [arrays.convert(value, library) for value in case.args]
    if exercise.differentiable and library == arrays.TORCH:
        args = [a.requires_grad_() if case.stage == "gradient" and arrays.is_real_tensor(a) else a for a in args]
    outcome = Outcome(case, library)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            outcome.raw = fn(*args, **case.keywords)
    except Exception as error:  # noqa: BLE001 - whatever the reader's code raises is news for the reader
        outcome.error = error
        return outcome
    outcome.numbers = arrays.to_numpy(outcome.raw)
    outcome.changed = _changed(exercise.parameters, args, case.args)
    raw = outcome.raw
    if arrays.is_tensor(raw):
        tensors = [a for a in args if arrays.is_tensor(a)]
        outcome.device_moved = any(a.device != raw.device for a in tensors)
        outcome.detached = any(a.requires_grad for a in tensors) and not raw.requires_grad
    return outcome


def _changed(names: Iterable[str], args: Iterable[object], originals: Iterable[object]) -> str:
    for name, after, before in zip(names, args, originals, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(np.asarray(arrays.to_numpy(after)), before):
            return name
    return ""


def choose_library(exercise: Exercise, fn: Function, case: Case) -> str:
    """Return the library whose arrays `fn` takes, or the one its code speaks when it takes neither."""
    libraries = arrays.preferred(fn)
    if not any(isinstance(value, np.ndarray) for value in case.args):
        return arrays.NUMPY
    for library in libraries:
        if call(exercise, fn, case, library).error is None:
            return library
    return libraries[0]


def accepts(fn: Function, keyword: str) -> bool:
    """Whether `fn` takes `keyword` by name."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(p.kind is p.VAR_KEYWORD or (p.name == keyword and p.kind in named) for p in parameters)


def describe_error(fn: Function, error: Exception) -> str:
    """Return the error's type, message and line in the reader's function, free of addresses and paths."""
    text = " ".join(str(error).split())
    text = re.sub(r"\s*(at )?0x[0-9a-fA-F]+", "", text)
    text = re.sub(r"""(?<![\w.])(?:[A-Za-z]:)?[\\/](?:[\w.\-]+[\\/])+[\w.\-]*""", "(a file)", text)
    line = _line_of(fn, error)
    place = f" in line {line} of your function" if line else ""
    return f"{type(error).__name__}{place}: {text[:300]}" if text else f"{type(error).__name__}{place}"


def _line_of(fn: Function, error: Exception) -> int | None:
    """Return the line, counted from the function's `def`, in which the error left the reader's code."""
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    found = None
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code is code:
            found = trace.tb_lineno - code.co_firstlineno + 1
        trace = trace.tb_next
    return found


def is_stub(fn: Function) -> bool:
    """Whether nothing but a docstring, `...`, `pass`, `return None` or NotImplementedError is in the body."""
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    if code is None:
        return False
    return code.co_code in {blank.__code__.co_code for blank in _blanks()}


def _blanks() -> tuple[Callable[[], None], ...]:
    def dots() -> None: ...

    def blank() -> None:
        return None

    def documented() -> None:
        """Nothing."""

    return dots, blank, documented
