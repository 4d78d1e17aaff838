"""The script goes on where it stopped, and repeats to the same numbers."""

import csv
import json

import length_generalisation as script
import pytest
from length import records, training

SETTINGS = training.Settings(steps=4, warmup=2, trials=16)
CHOICE = ["--jobs", "1", "--tasks", "induction", "--methods", "rope", "nope", "--seeds", "0", "1"]


@pytest.fixture
def run(tmp_path):
    def run(*more, settings=SETTINGS):
        where = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "data" / "out.csv")]
        script.main([*CHOICE, *more, *where], settings)
        return tmp_path

    return run


def rows(folder):
    with (folder / "data/out.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_writes_a_line_for_each_method_seed_and_length(run):
    table = rows(run())
    assert list(table[0]) == list(records.COLUMNS)
    found = {(row["method"], row["seed"], row["length"]) for row in table}
    methods = ["rope", "rope-linear", "rope-ntk", "rope-yarn", "nope"]
    wanted = {(m, s, n) for m in methods for s in "01" for n in ("12", "15", "18", "24", "48")}
    assert found == wanted and len(table) == len(wanted)
    assert all(0 <= float(row["exact_match"]) <= float(row["token_accuracy"]) <= 1 for row in table)


def test_a_second_call_does_only_what_is_missing_and_finds_the_same_numbers(run, capsys):
    folder = run()
    first = (folder / "data/out.csv").read_text()
    kept = sorted((folder / "runs").glob("*/*.json"))
    removed, times = kept[0], [path.stat().st_mtime_ns for path in kept]
    removed.unlink()
    run()
    assert "4 runs" in capsys.readouterr().out.splitlines()[-3]
    assert [path.stat().st_mtime_ns for path in kept[1:]] == times[1:]
    assert removed.exists() and (folder / "data/out.csv").read_text() == first


def test_a_broken_run_leaves_no_record(run, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run()
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.csv"))


def test_other_settings_are_other_records(run):
    folder = run()
    before = rows(folder)
    run(settings=training.Settings(steps=8, warmup=2, trials=16))
    assert len(list((folder / "runs").iterdir())) == 2
    assert rows(folder) != before


def test_seeds_differ(run):
    table = rows(run())
    scores = {seed: [row["token_accuracy"] for row in table if row["seed"] == seed] for seed in "01"}
    assert scores["0"] != scores["1"]


def test_provenance_says_how_it_came_about(run):
    found = json.loads((run() / "data/out.json").read_text())
    assert found["command"].startswith("python experiments/length_generalisation.py --jobs 1 --tasks induction")
    assert found["settings_hash"] == records.settings_hash(SETTINGS) and found["settings"]["steps"] == 4
    assert found["runs"] == 4 and found["seeds"] == [0, 1]
    assert all(len(each) == 40 for each in found["commit"])
    assert found["torch"] and found["python"] and found["hardware"] and found["date"]
