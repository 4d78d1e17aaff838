"""What every chapter has in common: where things stand, and what each cell carries beside its code.

Each rule takes a notebook and returns what breaks it, in words for the author.
"""

import ast
import re
from pathlib import Path

from notebook_outputs import drawn_by, has_picture

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = (ROOT / "tools" / "bootstrap_cell.py").read_text().rstrip("\n")
PINNED_MATPLOTLIB = re.search(r"^matplotlib==(\d+\.\d+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
MOST_LINES, MOST_COLUMNS = 40, 88
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for JupyterLab, for Colab
VERDICT = re.compile(r"check\.\w+: (.*)")
AWAITED = {"a solution": "Passed", "an exercise": "Nothing to check yet"}
SOLUTION_GATE = re.compile(r"\{solution-(start|end)\}")


def opening(notebook):
    """Title, bootstrap cell, imports: the order that Colab and the site rely on."""
    title, bootstrap, imports = notebook.cells[:3]
    if title.cell_type != "markdown" or not re.search("^# ", title.source, re.MULTILINE):
        yield "cell 0 must be markdown with the chapter's title, a line that starts with '# '"
    if bootstrap.source != BOOTSTRAP:
        yield "cell 1 must be the text of tools/bootstrap_cell.py"
    if tags(bootstrap) != {"bootstrap", "remove-cell"}:
        yield "cell 1 must have the tags bootstrap and remove-cell"
    if bootstrap.get("outputs"):
        yield "cell 1 must be silent"
    if imports.cell_type != "code" or imports.source.rstrip().splitlines()[-1] != "figures.setup()":
        yield "cell 2 must hold the imports and end with figures.setup()"


def pictures(notebook):
    """Each picture is described to those who do not see it, and drawn by the pinned matplotlib."""
    for index, cell in code_cells(notebook):
        drawn = [output for output in cell.outputs if has_picture(output)]
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if drawn and not is_sentence(alt):
            yield f"cell {index} needs mystnb.image.alt in its metadata: a sentence that says what its picture shows"
        if drawn and cell.source.rstrip().splitlines()[-1] != "plt.show()":
            yield f"cell {index} has a picture and must end with plt.show()"
        for version in {drawn_by(output) for output in drawn} - {PINNED_MATPLOTLIB}:
            yield f"cell {index} has a picture drawn by matplotlib {version}, not {PINNED_MATPLOTLIB}: run `make sync`"


def is_sentence(alt):
    return len(alt) > 20 and len(alt.split()) > 3 and alt[-1] in ".!?" and ".png" not in alt


def code_size(notebook):
    """Code fits a laptop's screen and a page's column."""
    for index, cell in code_cells(notebook):
        lines = cell.source.splitlines()
        if len(lines) > MOST_LINES:
            yield f"cell {index} has {len(lines)} lines, more than {MOST_LINES}"
        for number, line in enumerate(lines, start=1):
            if len(line) > MOST_COLUMNS:
                yield f"cell {index} line {number} has {len(line)} characters, more than {MOST_COLUMNS}"


def solutions(notebook):
    """A solution stands closed: between its gates on the site, and hidden in JupyterLab and Colab."""
    inside = False
    for index, cell in enumerate(notebook.cells):
        for gate in SOLUTION_GATE.findall(cell.source) if cell.cell_type == "markdown" else []:
            inside = gate == "start"
            if inside and ":class: dropdown" not in cell.source:
                yield f"cell {index} starts a solution without :class: dropdown"
        if cell.cell_type != "code":
            continue
        if inside and "solution" not in tags(cell):
            yield f"cell {index} is part of a solution and needs the tag solution"
        if "solution" in tags(cell):
            if not inside:
                yield f"cell {index} has the tag solution, but stands outside solution-start and solution-end"
            if any(cell.metadata.get(key) != value for key, value in HIDDEN.items()):
                yield f"cell {index} is a solution and needs the metadata {HIDDEN}"
    if inside:
        yield "the last solution is not closed by solution-end"


def verdicts(notebook):
    """A solution passes its check, and the exercise before it waits to be begun."""
    for index, cell in code_cells(notebook):
        kind = "a solution" if "solution" in tags(cell) else "an exercise"
        for output in cell.outputs:
            said = VERDICT.match(output.get("data", {}).get("text/plain", ""))
            if said and said[1] != AWAITED[kind]:
                yield f"cell {index} is {kind} and says {said[1]!r}, not {AWAITED[kind]!r}"


def torch_tags(notebook):
    """A cell that needs torch says so, for places that have none."""
    bound = set()
    for index, cell in code_cells(notebook):
        tree = ast.parse(cell.source)
        imported = set(_names_from_torch(tree))
        bound |= imported
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & bound
        if (imported or used) and "torch" not in tags(cell):
            yield f"cell {index} uses {', '.join(sorted(imported | used))} and needs the tag torch"


def _names_from_torch(tree):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            path = f"{getattr(node, 'module', None) or ''}.{alias.name}".strip(".").split(".")
            if "torch" in (path[0], path[1] if path[0] == "posenc_lib" and path[1:] else None):
                yield alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else path[0])


def tags(cell):
    return set(cell.metadata.get("tags", []))


def code_cells(notebook):
    """The chapter's own code cells, numbered as in the notebook: all but the bootstrap cell, which nobody reads."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "bootstrap" not in tags(cell):
            yield index, cell


RULES = [opening, pictures, code_size, solutions, verdicts, torch_tags]
