"""Build the book, and a small specimen book that holds every construct a chapter may use."""

import base64
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from posenc_lib import check

ROOT = Path(__file__).parents[2]
ALT = "A square that fades from black to white, from left to right."


def build(source: Path, target: Path, **environment) -> subprocess.CompletedProcess:
    """Build the book in `source` the way `make book` does; the pages land in ``target/_build/html``."""
    run = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", run, "build", str(source), "--path-output", str(target)]
    variables = {name: value for name, value in os.environ.items() if name != "POSENC_REPOSITORY"}
    return subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        env={**variables, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
    )


def toc_pages() -> list[str]:
    """Return the names of all pages in the table of contents, such as ``book/intro``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]


def notebooks() -> list[str]:
    """Return the names of those pages that are notebooks."""
    return [page for page in toc_pages() if (ROOT / f"{page}.ipynb").exists()]


def write_specimen(folder: Path, *, text: str = "", cells=None):
    """Write a book of one chapter with the real book's settings; `text` is added to its title page."""
    (folder / "book").mkdir(parents=True)
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("_ext", "_static", "_templates", "data"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    (folder / "book/references.bib").write_text(REFERENCE, encoding="utf-8")
    (folder / "book/intro.md").write_text(INTRO + text, encoding="utf-8")
    part = {"caption": "Chapters", "numbered": True, "chapters": [{"file": "book/chapter"}]}
    toc = {"format": "jb-book", "root": "book/intro", "parts": [part]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    notebook = new_notebook(cells=specimen_cells() if cells is None else cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "book/chapter.ipynb")


def specimen_cells() -> list:
    """Return a chapter's cells: theorem, proof, formulas, table, picture, exercise, report, solution, long code."""
    report = check.Report(
        "sinusoidal", "failed", message="Sine and cosine stand in each other's place.", hints=("Look left.",)
    )
    html = new_output(
        "execute_result", {"text/plain": repr(report), "text/html": report._repr_html_()}, execution_count=5
    )
    picture = new_output(
        "display_data", {"image/png": base64.b64encode(_grey_png()).decode(), "text/plain": "<Figure>"}
    )
    return [
        new_markdown_cell(OPENING),
        _code("open('executed', 'w')", tags=["bootstrap", "remove-cell"]),
        new_markdown_cell(BOXES),
        _code("plt.show()", [picture], mystnb={"image": {"alt": ALT}}),
        _code(LONG_LINE, [new_output("stream", name="stdout", text="0.123456 " * 30 + "\n")]),
        new_markdown_cell(":::{exercise} Write it\n:label: ex-write\nWrite `encode` so that $p_0$ is right.\n:::"),
        _code("check.sinusoidal(encode)", [html]),
        new_markdown_cell(":::{solution-start} ex-write\n:label: sol-write\n:class: dropdown\n:::"),
        _code("encode = pe.sinusoidal", tags=["solution"], jupyter={"source_hidden": True}),
        new_markdown_cell(":::{solution-end}\n:::\n\n## The end\n\nA last word."),
    ]


def _code(source, outputs=(), **metadata):
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata=metadata)


def _grey_png(side=64):
    """Return a small greyscale PNG, made by hand so that no drawing library is needed."""
    row = b"\0" + bytes(range(0, 256, 256 // side))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b"")
    )


INTRO = "# A specimen\n\nEvery construct once.\n\n```{bibliography}\n:all:\n```\n\n"

REFERENCE = "@book{euler1748, author={Euler, Leonhard}, title={Introductio}, publisher={Bousquet}, year={1748}}"

LONG_LINE = (
    "encoding = np.concatenate("
    "[np.sin(positions[:, None] * frequencies), np.cos(positions[:, None] * frequencies)], -1)"
)

OPENING = r"""# Kumquat chapter

Inline $p_{m+k} = M_k\,p_m$, a role {math}`\theta_i = b^{-2i/d}`, {prf:ref}`thm-shift`, {eq}`eq-wide`, {ref}`ex-write`
and {cite:t}`euler1748`. One that is too wide for a phone:
$\left(\sin m\theta_0+\cos m\theta_0+\sin m\theta_1+\cos m\theta_1+\sin m\theta_2+\cos m\theta_2\right)^{2}$."""

BOXES = r"""## Boxes and formulas

:::{prf:theorem} A shift is linear
:label: thm-shift
For every $k$ there is a matrix $M_k$ with

$$p_{m+k} = M_k\,p_m .$$ (eq-shift)
:::

:::{prf:proof}
$$
\begin{aligned}
\sin((m+k)\theta) &= \sin m\theta\cos k\theta + \cos m\theta\sin k\theta,\\
\cos((m+k)\theta) &= \cos m\theta\cos k\theta - \sin m\theta\sin k\theta .
\end{aligned}
$$
:::

:::{prf:definition} Encoding
:label: def-encoding
A map $p:\mathbb Z\to\mathbb R^d$.
:::

$$
\langle p_m, p_n\rangle = \sum_{i=0}^{d/2-1}\left(\sin m\theta_i\sin n\theta_i+\cos m\theta_i\cos n\theta_i\right)
= \sum_{i=0}^{d/2-1}\cos\left((m-n)\theta_i\right) = \operatorname{Re}\sum_{i=0}^{d/2-1} e^{\mathrm i (m-n)\theta_i}
$$ (eq-wide)

\begin{align*}
a &= b\\
  &= c
\end{align*}

\begin{align}
d &= e\\
  &= f
\end{align}

| method | longest wavelength | error at $10^7$ |
|---|--:|--:|
| sinusoidal | $2\pi\cdot 10^4$ | 1e-7 |
| learned | none | it ends at the table's last row |

:::{note}
A remark aside.
:::
"""
