"""The library passes a strict type checker, and tells a caller's checker what it takes and returns."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def mypy(*arguments):
    """Run mypy with the settings of pyproject.toml and its cache in .mypy_cache."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-color-output", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_library_passes_the_strict_checker():
    found = mypy()
    assert found.returncode == 0, found.stdout + found.stderr


CALLER = """
from typing import assert_type
import numpy as np
import torch
from numpy.typing import NDArray
import posenc_lib.numpy, posenc_lib.torch

assert_type(posenc_lib.numpy.sinusoidal(range(3), 4), NDArray[np.float64])
assert_type(posenc_lib.torch.sinusoidal(range(3), 4), torch.Tensor)
posenc_lib.torch.sinusoidal(range(3), "4")
"""


def test_a_caller_learns_the_types(tmp_path):
    """One call in the snippet is wrong, and only that one is named."""
    (tmp_path / "caller.py").write_text(CALLER)
    found = mypy(str(tmp_path / "caller.py"))
    assert [line.partition("caller.py:")[2] for line in found.stdout.splitlines()] == [
        '10: error: Argument 2 to "sinusoidal" has incompatible type "str"; expected "int"  [arg-type]'
    ], found.stdout + found.stderr
