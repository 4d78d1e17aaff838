"""Each chapter, whole, with Colab's NumPy, matplotlib and IPython, and the pinned torch on the tests' own Python.

Unlike Colab: Python is the tests' own and torch is our pin (no torch of Colab's version can be had everywhere).
"""

import sys

import colab_environment
import pytest


@pytest.fixture(scope="module")
def environment():
    environment, _ = colab_environment.environments()
    environment.make()
    return environment


def test_only_python_and_torch_differ_from_colab(environment):
    differences = environment.differences()
    print("here, on Colab:", differences)
    own_python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expected = {"torch"} | ({"python"} if own_python != colab_environment.COLAB["python"] else set())
    assert set(differences) == expected


def test_the_chapter_runs_alone(chapter, environment, run_near_colab):
    run_near_colab(chapter, environment)
