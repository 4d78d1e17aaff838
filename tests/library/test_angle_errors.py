"""Cosine and sine in float32 against mpmath up to ten million positions, for every rope type, beside the peers'."""

import importlib.util
import itertools
import pathlib

import numpy as np
import pytest
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

PATH = pathlib.Path(__file__).parents[2] / "benchmarks" / "angles.py"


@pytest.fixture(scope="module")
def angles():
    specification = importlib.util.spec_from_file_location("angles", PATH)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(angles):
    return angles.errors()


def test_every_rope_type_of_transformers_and_every_candidate_is_in_the_table(angles, table):
    kinds = {*ROPE_INIT_FUNCTIONS, "default", "axial"}
    assert set(table) == {(kind, name) for kind in kinds for name in angles.CANDIDATES}
    assert angles.DECADES == (10**3, 10**4, 10**5, 10**6, 10**7)
    assert all(len(row) == len(angles.DECADES) for row in table.values())
    lines = angles.printed(table).splitlines()
    assert len(lines) == 1 + len(table) and lines[0].split()[-5:] == ["10^3", "10^4", "10^5", "10^6", "10^7"]


def test_ours_stays_within_2e_7(table):
    for (kind, name), row in table.items():
        if name == "ours":
            assert max(row) < 2e-7, (kind, row)


def test_peers_lose_digits_with_the_position(table):
    """What the table is for; and proof that it would see a wrong angle."""
    for (kind, name), row in table.items():
        if name != "ours":
            assert row[0] > 5e-6 and row[-1] > 0.1, (kind, name, row)
            assert all(earlier < later for earlier, later in itertools.pairwise(row)), (kind, name)


def test_the_types_differ(angles):
    """Eight names for one ladder would pass the test above."""
    found = [theta for theta, _ in angles.every_rope_type().values()]
    assert all(
        a.shape != b.shape or not np.allclose(a, b, rtol=0.01) for i, a in enumerate(found) for b in found[:i]
    )
    assert sorted(factor != 1 for _, factor in angles.every_rope_type().values()) == [False] * 6 + [True] * 2
