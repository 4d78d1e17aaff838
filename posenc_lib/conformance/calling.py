"""Call what is examined: arrays of its library in, float64 NumPy out, and what happened on the way."""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib.check import arrays
from posenc_lib.check.calling import describe_error

LIBRARIES = ("torch", "numpy")


class Refused(Exception):
    """The callable raised, or gave nothing that can be judged; the text says what."""


@dataclass
class Callee:
    """A callable, and what its calls gave away.

    Parameters
    ----------
    fn : callable
    library : str
        "torch" or "numpy": whose arrays it is given.
    names : tuple of str
        Of its arguments.
    """

    fn: Callable[..., Any]
    library: str
    names: tuple[str, ...]
    written: set[str] = field(default_factory=set)  # arguments that a call changed
    dtype: str = ""  # of the last result

    @property
    def usual_dtype(self) -> str:
        """What models compute in, or what NumPy does."""
        return "float32" if self.library == "torch" else "float64"

    def __call__(self, *args: ArrayLike, dtype: str | None = None) -> NDArray[np.float64]:
        """Return fn(*args) in float64; floats go in as `dtype`, integers as int64. Raises Refused."""
        given = [self._own(np.asarray(a), dtype or self.usual_dtype) for a in args]
        before = [np.array(arrays.to_numpy(a)) for a in given]
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                result = self.fn(*given)
        except Exception as error:
            raise Refused(f"it raised {describe_error(self.fn, error)}") from error
        for name, was, is_now in zip(self.names, before, given, strict=True):
            if not np.array_equal(np.asarray(arrays.to_numpy(is_now)), was):
                self.written.add(name)
        return self._read(result)

    def _own(self, array: NDArray[Any], dtype: str) -> Any:
        """A fresh array or tensor."""
        floating = array.dtype.kind == "f"
        if self.library == "numpy":
            return array.astype(dtype if floating else array.dtype)
        torch = importlib.import_module("torch")
        tensor = torch.tensor(array)
        return tensor.to(getattr(torch, dtype)) if floating else tensor

    def _read(self, result: Any) -> NDArray[np.float64]:
        values = arrays.to_numpy(result)
        kind = type(result).__name__
        if values is None or arrays.is_tensor(result) != (self.library == "torch"):
            wanted = "a torch tensor" if self.library == "torch" else "a NumPy array"
            raise Refused(f"it returned a value of type {kind}; {wanted} is expected")
        self.dtype = arrays.dtype_name(result)
        if values.dtype.kind not in "fiu":
            raise Refused(f"it returned dtype {self.dtype}; real numbers are expected")
        return np.asarray(values, np.float64)


def choose_library(fn: Callable[..., Any], array: str | None, attempt: Callable[[str], object]) -> str:
    """Return `array`, or else the first library with which `attempt` is not refused."""
    if not callable(fn):
        raise TypeError(f"conformance: fn must be a function to call, got {fn!r} ({type(fn).__name__}).")
    if array is not None:
        if array not in LIBRARIES:
            raise ValueError(f"conformance: array must be 'torch', 'numpy' or None (find out), got {array!r}.")
        return array
    preferred = [name.lower() for name in arrays.preferred(fn)]
    for library in preferred:
        try:
            attempt(library)
        except Refused:
            continue
        return library
    return preferred[0]
