"""The script goes on where it stopped, and repeats to the same numbers."""

import csv
import json
import shutil

import length_generalisation as script
import pytest
from length import records, training

SETTINGS = training.Settings(steps=4, warmup=2, trials=16)
CHOICE = ["--jobs", "1", "--tasks", "induction", "--methods", "rope", "nope", "--seeds", "0", "1"]


def run(folder, *more, settings=SETTINGS):
    script.main([*CHOICE, *more, "--runs", f"{folder}/runs", "--output", f"{folder}/data/out.csv"], settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder after a run; nothing may change in it."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder


def rows(folder):
    with (folder / "data/out.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_writes_a_line_for_each_method_seed_and_length(finished):
    table = rows(finished)
    assert list(table[0]) == list(records.COLUMNS)
    found = {(row["method"], row["seed"], row["length"]) for row in table}
    methods = ["rope", "rope-linear", "rope-ntk", "rope-yarn", "rope-yarn-paper", "nope"]
    wanted = {(m, s, n) for m in methods for s in "01" for n in ("12", "15", "18", "24", "48")}
    assert found == wanted and len(table) == len(wanted)
    assert all(0 <= float(row["exact_match"]) <= float(row["token_accuracy"]) <= 1 for row in table)


def test_seeds_differ(finished):
    scores = {s: [row["token_accuracy"] for row in rows(finished) if row["seed"] == s] for s in "01"}
    assert scores["0"] != scores["1"]


def test_provenance_says_how_it_came_about(finished):
    found = json.loads((finished / "data/out.json").read_text())
    assert found["command"].startswith("python experiments/length_generalisation.py --jobs 1 --tasks induction")
    assert found["settings_hash"] == records.settings_hash(SETTINGS) and found["settings"]["steps"] == 4
    assert found["runs"] == 4 and found["seeds"] == [0, 1]
    assert all(len(each) == 40 for each in found["commit"])
    assert found["torch"] and found["python"] and found["hardware"] and found["date"]


def test_a_second_call_does_only_what_is_missing_and_finds_the_same_numbers(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    kept = sorted((tmp_path / "runs").glob("*/*.json"))
    removed, times = kept[-1], [path.stat().st_mtime_ns for path in kept]
    removed.unlink()
    (tmp_path / "data/out.csv").unlink()
    run(tmp_path)
    assert "4 runs with settings" in (said := capsys.readouterr().out) and "1 of them to do" in said
    assert [path.stat().st_mtime_ns for path in kept[:-1]] == times[:-1] and removed.exists()
    assert (tmp_path / "data/out.csv").read_text() == (finished / "data/out.csv").read_text()


def test_other_settings_are_other_records(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    run(tmp_path, "--methods", "nope", settings=training.Settings(steps=8, warmup=2, trials=16))
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert rows(tmp_path) != [row for row in rows(finished) if row["method"] == "nope"]


def test_a_broken_run_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path)
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.csv"))
