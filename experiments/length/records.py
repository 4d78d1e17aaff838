"""Where results are kept: one file a run while they come in, one table and one page of provenance at the end."""

import csv
import dataclasses
import datetime
import hashlib
import io
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy
import torch
from length import model, tasks
from length.training import Settings

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("method", "task", "seed", "length", "token_accuracy", "exact_match", "trials")


def described(settings: Settings) -> dict[str, object]:
    """Return all that decides a run's numbers besides its method, task and seed, and the code that runs."""
    shape = {"layers": model.LAYERS, "width": model.WIDTH, "heads": model.HEADS, "rope_base": model.BASE}
    lengths = {
        name: {
            "trained": [task.shortest, task.longest],
            "tested": tasks.tested_lengths(name),
            "tokens": [tasks.tokens_at(name, n) for n in tasks.tested_lengths(name)],
        }
        for name, task in tasks.TASKS.items()
    }
    return {**dataclasses.asdict(settings), **shape, "symbols": tasks.SYMBOLS, "tasks": lengths}


def settings_hash(settings: Settings) -> str:
    """Return a name for these settings, so that runs of different ones are never mixed."""
    return hashlib.sha256(json.dumps(described(settings), sort_keys=True).encode()).hexdigest()[:12]


def path_of(folder: Path, settings: Settings, method: str, task: str, seed: int) -> Path:
    """Return where the record of a run lies: a folder for these settings, a file a run."""
    return folder / settings_hash(settings) / f"{task}-{method}-{seed}.json"


def write(path: Path, text: str) -> None:
    """Write the whole file or nothing, whenever the program ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


def origin(device: str) -> dict[str, object]:
    """Return what a run was made with: commit, versions, hardware."""
    command = ["git", "-C", str(ROOT)]
    # What was changed and not committed counts where it decides numbers: here and in the library.
    changed = subprocess.check_output([*command, "status", "--porcelain", "experiments", "posenc_lib"], text=True)
    return {
        "commit": subprocess.check_output([*command, "rev-parse", "HEAD"], text=True).strip(),
        "uncommitted_changes": bool(changed.strip()),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "hardware": torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    for line in listed.read_text().splitlines() if listed.exists() else []:
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, one thread a run"
    return f"{platform.processor() or platform.machine()}, one thread a run"


def collect(paths: Iterable[Path], settings: Settings, command: str, target: Path) -> None:
    """Write the table `target`, a line for each method, task, seed and length, and its provenance beside it, .json."""
    records = [json.loads(path.read_text()) for path in paths]
    origins = [record["origin"] for record in records]
    provenance = {
        "command": command,
        "settings_hash": settings_hash(settings),
        "settings": described(settings),
        **{key: sorted({each[key] for each in origins}) for key in origins[0]},
        "methods": list(dict.fromkeys(row["method"] for record in records for row in record["rows"])),
        "seeds": sorted({row["seed"] for record in records for row in record["rows"]}),
        "runs": len(records),
        "training_seconds": round(sum(record["seconds"] for record in records)),
    }
    lines = [COLUMNS, *(_line(row) for record in records for row in record["rows"])]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(lines)
    write(target, table.getvalue())
    write(target.with_suffix(".json"), json.dumps(provenance, indent=1) + "\n")


def _line(row: dict[str, object]) -> list[object]:
    """A row of the table; scores are counts divided by thousands at most, so six digits hold them."""
    return [round(value, 6) if isinstance(value, float) else value for value in (row[name] for name in COLUMNS)]
