"""Who still works on inputs longer than in training? Small transformers, one for each method, task and seed.

    python experiments/length_generalisation.py

trains what has no record yet, two at a time, and writes book/data/length_generalisation.csv, which the chapter reads,
and beside it how that came about. Interrupt it whenever you like: the next call goes on. It takes about an hour of two
cores. Records of single runs lie in experiments/runs, in a folder for their settings; changed settings start afresh.

Each model learns lengths up to L and is tested at L, 1.25 L, 1.5 L, 2 L and 4 L, and copies at every length between.
RoPE's weights are tested again with frequencies scaled for the longer input, without further training.
`length/tasks.py` says what the tasks are, `length/model.py` what the models are, `length/training.py` how they learn.
"""

import argparse
import functools
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments")]  # this checkout, whatever is installed

from length import model, records, tasks, training  # noqa: E402

Job = tuple[str, str, int]  # method, task, seed


def run(job: Job, settings: training.Settings, folder: Path, device: str) -> str:
    """Train and test one model and keep its record; return a line that says so."""
    method, task, seed = job
    torch.set_num_threads(1)  # sums split over threads would make other numbers on other machines
    started = time.perf_counter()
    shown = functools.partial(_show, f"{task} {method} {seed}", settings.steps)
    trained = training.train(method, task, seed, settings, device, shown)
    rows = list(tested(trained, task, seed, settings, device))
    seconds = time.perf_counter() - started
    record = {"rows": rows, "seconds": seconds, "origin": records.origin(device)}
    records.write(records.path_of(folder, settings, method, task, seed), json.dumps(record, indent=1) + "\n")
    return f"{task:9} {method:10} seed {seed}: {rows[0]['exact_match']:.2f} in range, {seconds:.0f} s"


def tested(trained: model.Transformer, task: str, seed: int, settings: training.Settings, device: str):
    """Test a model at all lengths; RoPE once more with each way of scaling. A row for each method and length."""
    longest, *_ = lengths = tasks.tested_lengths(task)
    for method in (trained.method, *(model.SCALED if trained.method == "rope" else ())):
        for n in lengths:
            if method in model.SCALED:
                factor = model.scaled_rope(method, tasks.tokens_at(task, longest), tasks.tokens_at(task, n))
                trained.set_rope(*factor)
            scores = training.evaluate(trained, task, n, settings, device)
            yield {"method": method, "task": task, "seed": seed, "length": n, "trials": settings.trials, **scores}


def _show(name: str, steps: int, step: int) -> None:
    if step % 300 == 0 and step < steps:
        print(f"  {name}: step {step} of {steps}", flush=True)


def main(arguments: list[str] | None = None, settings: training.Settings | None = None) -> None:
    """Run the command line; the settings are for tests, which have less time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:1")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at a time (default 2)")
    parser.add_argument("--tasks", nargs="+", choices=tasks.TASKS, default=list(tasks.TASKS))
    parser.add_argument("--methods", nargs="+", choices=model.TRAINED, default=list(model.TRAINED))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--runs", type=Path, default=ROOT / "experiments/runs", help="where records of runs are kept")
    parser.add_argument("--output", type=Path, default=ROOT / "book/data/length_generalisation.csv")
    chosen = parser.parse_args(arguments)
    settings = settings or training.Settings()
    # Seed after seed, so that an interrupted experiment has compared all methods on fewer seeds.
    jobs = [(m, t, s) for s in chosen.seeds for t in chosen.tasks for m in chosen.methods]
    missing = [job for job in jobs if not records.path_of(chosen.runs, settings, *job).exists()]
    print(f"{len(jobs)} runs with settings {records.settings_hash(settings)}, {len(missing)} of them to do", flush=True)
    work = functools.partial(run, settings=settings, folder=chosen.runs, device=chosen.device)
    for done, line in enumerate(_each(work, missing, chosen.jobs), start=1):
        print(f"[{done} of {len(missing)}] {line}", flush=True)
    paths = [records.path_of(chosen.runs, settings, *job) for job in sorted(jobs, key=_order)]
    command = " ".join(["python experiments/length_generalisation.py", *(arguments or sys.argv[1:])])
    records.collect(paths, settings, command, chosen.output)
    print(f"{chosen.output} and .json beside it are written")


def _each(work: Callable[[Job], str], jobs: list[Job], at_a_time: int) -> Iterator[str]:
    """Do the jobs, in processes of their own where there are several at a time."""
    if at_a_time == 1:
        yield from map(work, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(at_a_time) as pool:
        yield from pool.imap_unordered(work, jobs)


def _order(job: Job) -> tuple[int, int, int]:
    """Of the lines in the table: task, method, seed."""
    method, task, seed = job
    return list(tasks.TASKS).index(task), model.TRAINED.index(method), seed


if __name__ == "__main__":
    main()
