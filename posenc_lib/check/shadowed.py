"""Tell a reader which name of theirs holds something else than what their function takes it for."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Iterator, Mapping
from types import ModuleType

from posenc_lib.check.calling import Function

_MODULES = {"np": "numpy", "numpy": "numpy", "torch": "torch", "math": "math"}
_LOCAL = "Something inside the function is called {0} too, which hides the module {0} there. Give it another name."
_MODULE = (
    "The name {} holds a value of type {} by now, not the module: something was assigned to it. Rename that, and run "
    "{} again."
)
_FUNCTION = "The name {} holds a value of type {} by now. If {} is meant, the value needs another name."


def tell(fn: Function, error: Exception) -> str:
    """Return a sentence on a name that explains `error`, or ""."""
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    if code is None:
        return ""
    if isinstance(error, UnboundLocalError):
        return next((_LOCAL.format(name) for name in _MODULES if f"'{name}'" in str(error)), "")
    if not isinstance(error, (AttributeError, TypeError)):
        return ""
    values = getattr(fn, "__globals__", {})
    named = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    held = {name: values[name] for name in named if name in values}
    return next(_hidden(held, "not callable" in str(error)), "")


def _hidden(held: Mapping[str, object], called: bool) -> Iterator[str]:
    """Yield a sentence for each name that cannot be what it is used as."""
    values = {name: value for name, value in held.items() if not isinstance(value, ModuleType)}
    for name in [name for name in _MODULES if name in values]:
        yield _MODULE.format(name, _kind(values[name]), _again(name))
    for name, value in values.items():
        if called and not callable(value):
            meant = "Python's own function" if hasattr(builtins, name) else "a function of yours"
            yield _FUNCTION.format(name, _kind(value), meant)


def _kind(value: object) -> str:
    return type(value).__name__


def _again(name: str) -> str:
    module = _MODULES[name]
    return f"import {module}" + (f" as {name}" if name != module else "")
