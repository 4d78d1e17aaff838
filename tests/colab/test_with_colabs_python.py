"""Each chapter, less its torch cells, with Colab's Python, NumPy, matplotlib and IPython. Unlike Colab: no torch."""

import colab_environment
import pytest


@pytest.fixture(scope="module")
def environment():
    _, environment = colab_environment.environments()
    if environment is None:
        pytest.skip(f"no Python {colab_environment.COLAB['python']} (Colab's) on this machine")
    environment.make()
    return environment


def test_only_torch_differs_from_colab(environment):
    assert environment.differences() == {"torch": (None, colab_environment.COLAB["torch"])}


def test_the_chapter_runs_alone_without_torch(chapter, environment, run_near_colab):
    run_near_colab(chapter, environment, without={"torch"})
