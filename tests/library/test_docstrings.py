"""Every public function explains itself, and its examples print what they say."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import posenc_lib
import posenc_lib.numpy
import posenc_lib.torch
from posenc_lib import frequencies

PUBLIC = [
    getattr(module, name)
    for module in (frequencies, posenc_lib.numpy, posenc_lib.torch)
    for name in module.__all__
]
# Their examples are tests/check's and tests/notebooks' affair.
ELSEWHERE = ("posenc_lib.check", "posenc_lib.figures")
MODULES = [
    info.name
    for info in pkgutil.walk_packages(posenc_lib.__path__, "posenc_lib.")
    if not info.name.startswith(ELSEWHERE)
]


@pytest.mark.parametrize("name", ["posenc_lib", *MODULES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("function", PUBLIC, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_sections(function):
    documentation = inspect.getdoc(function)
    wanted = ["Parameters", "Examples"]
    if inspect.isfunction(function):  # a class names these at its methods
        wanted += ["Returns", "Raises", "References"]
    for section in wanted:
        assert f"{section}\n{'-' * len(section)}\n" in documentation, section
    if inspect.isfunction(function):
        references = documentation.split("References\n----------\n")[1].split("Examples\n")[0]
        assert "(20" in references, "a source has a year"
    assert ">>> " in documentation


@pytest.mark.parametrize("function", PUBLIC, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_every_parameter_is_explained(function):
    documentation = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"\n{parameter} : " in documentation, parameter


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys, posenc_lib.numpy, posenc_lib.frequencies\n"
        "sys.exit(', '.join({'torch', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"loaded {result.stderr}"
