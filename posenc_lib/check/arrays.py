"""NumPy and PyTorch arrays alike, without importing PyTorch: a torch tensor can only exist if torch is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

NUMPY, TORCH = "NumPy", "torch"


def torch() -> ModuleType | None:
    """Return the torch module if something has imported it, else None."""
    return sys.modules.get("torch")


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether `value` is a torch tensor."""
    module = torch()
    return module is not None and isinstance(value, module.Tensor)


def is_real_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether `value` is a torch tensor through which a gradient can flow."""
    return is_tensor(value) and value.is_floating_point()


def convert(value: object, library: str) -> object:
    """Return a fresh copy of `value` for `library`: an array becomes an array or a tensor, the rest stays."""
    if not isinstance(value, np.ndarray):
        return value
    return sys.modules["torch"].tensor(value) if library == TORCH else value.copy()


def to_numpy(value: object) -> NDArray[np.float64] | None:
    """Return an array, tensor or number as a NumPy array, half precision widened; None if it is none of these."""
    if is_tensor(value):
        value = value.detach()
        # A meta tensor has a shape and no numbers; the device stage turns it down.
        value = value.new_zeros(value.shape, device="cpu") if value.is_meta else value.cpu()
        if dtype_name(value) == "bfloat16":
            value = value.float()
        return value.resolve_conj().resolve_neg().numpy()
    if isinstance(value, (np.ndarray, np.generic, float, int)) and not isinstance(value, bool):
        return np.asarray(value)
    return None


def dtype_name(value: object) -> str:
    """Return "float64", "bfloat16", …, for an array, a tensor or a Python number."""
    if is_tensor(value):
        return str(value.dtype).removeprefix("torch.")
    return str(np.asarray(value).dtype)


def preferred(fn: Callable[..., object]) -> tuple[str, ...]:
    """Return the libraries to try on `fn`, the one its code speaks first."""
    if torch() is None:
        return (NUMPY,)
    return (TORCH, NUMPY) if _speaks_torch(fn) else (NUMPY, TORCH)


def _speaks_torch(fn: object) -> bool:
    """Whether the code of `fn` names torch or something that torch defines."""
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        return False
    defined = getattr(fn, "__globals__", {})
    return any(_from_torch(defined.get(name)) for name in code.co_names)


def _from_torch(value: object) -> bool:
    name = getattr(value, "__name__", "") if type(value) is type(sys) else getattr(value, "__module__", "")
    return isinstance(name, str) and (name == "torch" or name.startswith(("torch.", "posenc_lib.torch")))
