"""The checker of the conversion between layouts, against readers' code."""

import numpy as np
import pytest
import torch

from posenc_lib import check
from posenc_lib import numpy as pe


def by_index(weight, num_heads):
    dim = len(weight) // num_heads
    order = np.concatenate([np.arange(0, dim, 2), np.arange(1, dim, 2)])
    return weight[np.concatenate([head * dim + order for head in range(num_heads)])]


def as_transformers(weight, num_heads):
    """permute() of transformers' convert_llama_weights_to_hf.py, with torch."""
    w = torch.as_tensor(weight)
    rows, width = w.shape
    return w.view(num_heads, rows // num_heads // 2, 2, width).transpose(1, 2).reshape(rows, width)


def heads_in_a_loop(weight, num_heads):
    return np.concatenate([np.concatenate([head[0::2], head[1::2]]) for head in np.split(weight, num_heads)])


def backwards(weight, num_heads):
    dim = len(weight) // num_heads
    return weight.reshape(num_heads, 2, dim // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def over_all_heads(weight, num_heads):
    return np.concatenate([weight[0::2], weight[1::2]])


def by_columns(weight, num_heads):
    return np.concatenate([weight[:, 0::2], weight[:, 1::2]], axis=1)


def odd_first(weight, num_heads):
    return np.concatenate([np.concatenate([head[1::2], head[0::2]]) for head in np.split(weight, num_heads)])


def unchanged(weight, num_heads):
    return weight


def library(weight, num_heads):
    return pe.convert_layout(weight, num_heads, source="interleaved", target="half")


@pytest.mark.parametrize("fn", [library, by_index, as_transformers, heads_in_a_loop])
def test_a_right_conversion_passes(fn):
    assert check.convert_layout(fn).passed


@pytest.mark.parametrize("fn", [backwards, over_all_heads, by_columns, odd_first, unchanged])
def test_a_common_mistake_gets_a_name_and_hints(fn):
    report = check.convert_layout(fn)
    assert not report.passed
    assert "unknown" not in report.diagnosis, str(report)
    assert all(report.hint(level) for level in (1, 2, 3))


def test_the_names_of_mistakes_differ():
    wrong = [backwards, over_all_heads, by_columns, odd_first, unchanged]
    assert len({check.convert_layout(fn).diagnosis for fn in wrong}) == len(wrong)
