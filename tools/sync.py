"""Run notebooks and store their outputs: ``python tools/sync.py [notebook ...]``, every chapter by default.

A notebook in which nothing changed stays the same to the byte. A cell that fails is named, and its
notebook is left as it was.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import notebook_form
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from notebook_outputs import faults, settle

CELL_TIMEOUT = 120  # seconds, as in the check

# One thread: the last digits of a sum depend on how many share it.
KERNEL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # This checkout's library before any installed one.
    "PYTHONPATH": os.pathsep.join(filter(None, [str(notebook_form.ROOT), os.environ.get("PYTHONPATH")])),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    chosen = parser.parse_args().notebooks or sorted((notebook_form.ROOT / "book").glob("*.ipynb"))
    for number, path in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {path.name} ", end="", flush=True)
        try:
            sync(path)
        except SyncError as error:
            sys.exit(f"\n{path}: {error}\nThe notebook was left as it was.")


class SyncError(Exception):
    """A notebook that could not be run to its end."""


def sync(path):
    """Run one notebook and store its outputs where they changed."""
    start = time.perf_counter()
    notebook = notebook_form.read(path)
    stored = [cell.get("outputs", []) for cell in notebook.cells]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    run(notebook)
    notebook_form.tidy(notebook)
    for cell, outputs in zip(notebook.cells, stored, strict=True):
        if cell.cell_type == "code":
            cell.outputs = settle(outputs, cell.outputs)
    changed = notebook_form.write(notebook, path)
    print(f" {'rewritten' if changed else 'unchanged'}, {time.perf_counter() - start:.1f} s", flush=True)
    for index, cell in enumerate(notebook.cells):
        for fault in faults(cell.get("outputs", [])):
            print(f"  the tests will reject cell {index}, which {fault}", flush=True)


def run(notebook):
    """Run every cell, one dot each, in an empty folder: no chapter may need files beside it."""
    at = {"cell": 0}

    def tell(cell, cell_index):
        at["cell"] = cell_index
        print(".", end="", flush=True)

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        # Empty but for the tables of book/data, so that a chapter leans on no other file.
        (Path(folder) / "data").symlink_to(notebook_form.ROOT / "book" / "data")
        client = NotebookClient(
            notebook,
            # The kernel of the check: the Python that runs this script, whatever kernels are installed.
            km=AsyncKernelManager(
                kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
            ),
            resources={"metadata": {"path": folder}},
            timeout=CELL_TIMEOUT,
            record_timing=False,
            coalesce_streams=True,
            on_cell_start=tell,
        )
        try:
            client.execute(
                env={**os.environ, **KERNEL_ENVIRONMENT, "IPYTHONDIR": profile},
                stderr=subprocess.DEVNULL,  # the kernel's own log; what a cell writes comes as output
            )
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise SyncError(f"cell {at['cell']} failed:\n{error}") from error


if __name__ == "__main__":
    main()
