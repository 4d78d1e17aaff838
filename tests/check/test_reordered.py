"""check.reordered: each wrong prediction gets its own name."""

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe


def right(output, query_order, key_order):
    return output[query_order]


def test_the_accepted_answer_is_what_attention_does():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((5, 3)), rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    query_order, key_order = np.array([3, 0, 4, 1, 2]), rng.permutation(7)
    shuffled = pe.attention(q[query_order], k[key_order], v[key_order])
    np.testing.assert_allclose(right(pe.attention(q, k, v), query_order, key_order), shuffled, rtol=1e-12)
    assert check.reordered(right).passed


def test_other_right_styles_pass():
    def by_matrix(output, query_order, key_order):
        return np.eye(len(output))[query_order] @ output

    assert check.reordered(by_matrix).passed
    assert check.reordered(lambda o, q, k: np.take(o, q, axis=0)).passed
    assert check.reordered(lambda o, q, k: np.stack([o[m] for m in q])).passed


def inverse(output, query_order, key_order):
    result = np.empty_like(output)
    result[query_order] = output
    return result


WRONG = {
    "nothing is reordered": lambda o, q, k: o.copy(),
    "the reordering is undone instead of done": inverse,
    "the rows follow the keys": lambda o, q, k: o[k],
    "the rows follow queries and keys": lambda o, q, k: o[k][q],
    "columns are reordered too": lambda o, q, k: o[q][:, q],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_gets_its_own_name(name):
    report = check.reordered(WRONG[name])
    assert not report.passed
    assert report.diagnosis == name, report


def test_a_stub_is_not_started():
    def stub(output, query_order, key_order): ...

    assert check.reordered(stub).status == "not started"
