"""The checker of the reordering exercise against readers' code and against attention itself."""

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe
from posenc_lib.check.reordered import EXERCISE


def rows(output, query_order, key_order):
    return output[query_order]


def loop(output, query_order, key_order):
    return np.array([output[query] for query in query_order])


def matrix(output, query_order, key_order):
    return np.eye(len(output))[query_order] @ output


@pytest.mark.parametrize("fn", [rows, loop, matrix], ids=lambda fn: fn.__name__)
def test_a_right_style_passes(fn):
    report = check.reordered(fn)
    assert report.passed, str(report)


def test_the_oracle_is_what_attention_does():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((5, 3)), rng.standard_normal((7, 3)), rng.standard_normal((7, 4))
    queries, keys = rng.permutation(5), rng.permutation(7)
    expected = pe.attention(q[queries], k[keys], v[keys])
    np.testing.assert_allclose(EXERCISE.formula(pe.attention(q, k, v), queries, keys).values, expected, atol=1e-14)


def undone(output, query_order, key_order):
    result = np.empty_like(output)
    result[query_order] = output
    return result


@pytest.mark.parametrize(
    ("fn", "diagnosis"),
    [
        (lambda output, query_order, key_order: output, "nothing is reordered"),
        (undone, "the reordering is undone instead of done"),
        (lambda output, query_order, key_order: output[key_order], "the rows follow the keys"),
        (lambda output, query_order, key_order: output[key_order][query_order], "the rows follow queries and keys"),
        (lambda output, query_order, key_order: output[query_order][key_order], "the rows follow queries and keys"),
        (lambda output, query_order, key_order: output[query_order][:, key_order], "columns are reordered too"),
        (lambda output, query_order, key_order: output[query_order] + 1, "unknown mistake"),
    ],
)
def test_a_wrong_version_is_named(fn, diagnosis):
    report = check.reordered(fn)
    assert report.diagnosis == diagnosis, str(report)
