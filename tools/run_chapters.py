"""Run chapters as a reader on Colab does: alone, in an empty directory, from a bare notebook file.

    python tools/run_chapters.py book/*.ipynb      each in this Python's own kernel, as its cells stand

tests/colab calls run_chapter with environments near Colab's; the weekly workflow calls this in Colab's own image.
It needs nbformat and nbclient in the Python that calls it, and ipykernel in the Python that runs the cells.
"""

import json
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager


def kernel_manager(python, folder):
    """A manager that starts a kernel in this Python, whatever kernels are registered on this machine."""
    spec = folder / "chapter"
    spec.mkdir()
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "chapter", "language": "python"}))
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="chapter", kernel_spec_manager=specs)


def run_chapter(path, python=sys.executable, *, without=(), rewrite=lambda source: source):
    """Run a notebook in an empty directory and return it with its new outputs; a failing cell raises.

    without: tags of cells to leave out. rewrite: what to do to the bootstrap cell first.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not set(without) & set(cell.metadata.get("tags", ()))]
    for cell in notebook.cells:
        if "bootstrap" in cell.metadata.get("tags", ()):
            cell.source = rewrite(cell.source)
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as specs:
        manager = kernel_manager(python, Path(specs))
        nbclient.NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": empty}}).execute()
    return notebook


def main(paths):
    """Run each chapter; the exit status says whether all of them ran."""
    failed = []
    for path in paths:
        print(f"==> {path}", flush=True)
        try:
            run_chapter(path)
        except nbclient.exceptions.CellExecutionError as error:
            failed.append(path)
            print(error, flush=True)
    print(f"{len(paths) - len(failed)} of {len(paths)} chapters ran. Failed: {', '.join(failed) or 'none'}.")
    return bool(failed) or not paths


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
