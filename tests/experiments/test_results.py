"""The stored results are complete, of the settings that the code has now, and say how they came about."""

import csv
import json
from pathlib import Path

import pytest
from length import records, tasks, training
from length.model import SCALED, TRAINED

DATA = Path(__file__).resolve().parents[2] / "book/data"


@pytest.fixture(scope="module")
def table():
    with (DATA / "length_generalisation.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def provenance():
    return json.loads((DATA / "length_generalisation.json").read_text())


def test_they_are_of_the_settings_that_stand_in_the_code(provenance):
    """After a change of settings: make experiments."""
    assert provenance["settings_hash"] == records.settings_hash(training.Settings())
    assert provenance["settings"] == records.described(training.Settings())


def test_each_method_task_seed_and_length_has_one_line(table, provenance):
    found = [(row["method"], row["task"], int(row["seed"]), int(row["length"])) for row in table]
    methods = (*TRAINED, *SCALED)
    wanted = {
        (m, t, s, n) for m in methods for t in tasks.TASKS for s in range(5) for n in tasks.tested_lengths(t)
    }
    assert len(found) == len(wanted) and set(found) == wanted
    assert provenance["runs"] == len(TRAINED) * len(tasks.TASKS) * 5
    assert set(provenance["methods"]) == set(methods) and provenance["seeds"] == list(range(5))


def test_scores_are_shares_of_the_trials(table):
    for row in table:
        exact, token, trials = float(row["exact_match"]), float(row["token_accuracy"]), int(row["trials"])
        assert trials == training.Settings().trials
        assert 0 <= exact <= token <= 1
        assert abs(exact * trials - round(exact * trials)) < 1e-3


def test_scaled_rope_is_rope_where_nothing_is_stretched(table):
    at_l = {
        (row["method"], row["task"], row["seed"]): (row["token_accuracy"], row["exact_match"])
        for row in table
        if int(row["length"]) == tasks.TASKS[row["task"]].longest
    }
    for (method, task, seed), scores in at_l.items():
        if method in SCALED:
            assert scores == at_l["rope", task, seed]


def test_they_say_which_commit_versions_and_machine_made_them(provenance):
    assert provenance["command"].startswith("python experiments/length_generalisation.py")
    assert provenance["commit"] and all(len(each) == 40 for each in provenance["commit"])
    assert provenance["uncommitted_changes"] == [False]
    for what in ("python", "numpy", "torch", "hardware", "date"):
        assert provenance[what] and all(provenance[what])
