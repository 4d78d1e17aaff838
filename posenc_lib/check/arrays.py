"""NumPy and PyTorch arrays alike, without importing PyTorch: a torch tensor can only exist if torch is loaded."""

import sys

import numpy as np

NUMPY, TORCH = "NumPy", "torch"


def torch():
    """Return the torch module if something has imported it, else None."""
    return sys.modules.get("torch")


def is_tensor(value):
    """Whether `value` is a torch tensor."""
    return torch() is not None and isinstance(value, torch().Tensor)


def convert(value, library):
    """Return a fresh copy of `value` for `library`: an array becomes an array or a tensor, the rest stays."""
    if not isinstance(value, np.ndarray):
        return value
    return torch().tensor(value) if library == TORCH else value.copy()


def to_numpy(value):
    """Return an array, tensor or number as a NumPy array, half precision widened; None if it is none of these."""
    if is_tensor(value):
        value = value.detach()
        # A meta tensor has a shape and no numbers; the device stage turns it down.
        value = torch().zeros_like(value, device="cpu") if value.is_meta else value.cpu()
        if value.dtype == torch().bfloat16:
            value = value.float()
        return value.resolve_conj().resolve_neg().numpy()
    if isinstance(value, (np.ndarray, np.generic, float, int)) and not isinstance(value, bool):
        return np.asarray(value)
    return None


def dtype_name(value):
    """Return "float64", "bfloat16", …, for an array, a tensor or a Python number."""
    if is_tensor(value):
        return str(value.dtype).removeprefix("torch.")
    return str(np.asarray(value).dtype)


def preferred(fn):
    """Return the libraries to try on `fn`, the one its code speaks first."""
    if torch() is None:
        return (NUMPY,)
    return (TORCH, NUMPY) if _speaks_torch(fn) else (NUMPY, TORCH)


def _speaks_torch(fn):
    """Whether the code of `fn` names torch or something that torch defines."""
    fn = getattr(fn, "__func__", fn)
    if not hasattr(fn, "__code__"):
        return False
    named = [fn.__globals__.get(name) for name in fn.__code__.co_names]
    return any(_from_torch(value) for value in named)


def _from_torch(value):
    name = getattr(value, "__name__", "") if type(value) is type(sys) else getattr(value, "__module__", "")
    return isinstance(name, str) and (name == "torch" or name.startswith(("torch.", "posenc_lib.torch")))
