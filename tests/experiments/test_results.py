"""The stored results are complete, of the settings that the code has now, and say how they came about."""

import csv
import json
from pathlib import Path

import pytest
from length import records, tasks, training
from length.model import SCALED, TRAINED

DATA = Path(__file__).resolve().parents[2] / "book/data"


def stored(name):
    with (DATA / f"{name}.csv").open() as file:
        return list(csv.DictReader(file)), json.loads((DATA / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def table():
    return stored("length_generalisation")[0]


@pytest.fixture(scope="module")
def provenance():
    return stored("length_generalisation")[1]


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


def test_an_earlier_run_whose_examples_had_no_first_token():
    """The script of its commit made it; the chapter sets its whole answers beside ours."""
    table, provenance = stored("length_generalisation_no_begin")
    found = {(row["method"], row["task"], int(row["seed"]), int(row["length"])) for row in table}
    lengths = {name: {round(ratio * task.longest) for ratio in tasks.RATIOS} for name, task in tasks.TASKS.items()}
    methods = {*TRAINED, *SCALED} - {"rope-yarn-paper"}  # which was not tried then
    wanted = {(m, t, s, n) for m in methods for t in tasks.TASKS for s in range(5) for n in lengths[t]}
    assert found == wanted and len(found) == len(table)
    assert provenance["commit"] == ["ad2fc0e2b5bf01d34a10e7790714f4eba9d0165f"]
    for name, task in tasks.TASKS.items():
        assert provenance["settings"]["tasks"][name]["trained"] == [task.shortest, task.longest]
        now = [tasks.tokens_at(name, n) for n in sorted(lengths[name])]
        assert provenance["settings"]["tasks"][name]["tokens"] == [count - 1 for count in now]


def test_scores_are_shares_of_the_trials(table):
    for row in table:
        exact, token, trials = float(row["exact_match"]), float(row["token_accuracy"]), int(row["trials"])
        assert trials == training.Settings().trials
        assert 0 <= exact <= 1 and 0 <= token <= 1
        # Of an induction's questions those count beyond L that are about later symbols: another number in each example.
        assert exact <= token or (row["task"] == "induction" and int(row["length"]) > 12)
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
