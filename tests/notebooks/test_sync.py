"""``tools/sync.py`` must leave a true notebook alone, mend an untrue one, and never half-write one that fails."""

import copy
import json

import nbformat
import notebook_form
import pytest
import sync
from mutations import WAVE, darker, repaint
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

IMPORTS = (
    "import matplotlib.pyplot as plt\nimport numpy as np\nfrom posenc_lib import figures\n"
    "figures.setup()\nplt.rcParams['figure.dpi'] = 40  # quick\nx = np.arange(20.0)"
)
COUNT = "for _ in range(2):\n    print(0.8415, flush=True)"
PICTURE_CELL, COUNT_CELL, EMPTY_CELL, ERROR_CELL = 2, 3, 4, 5


@pytest.fixture(scope="module")
def synced(tmp_path_factory):
    path = tmp_path_factory.mktemp("sync") / "chapter.ipynb"
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, [IMPORTS, WAVE, COUNT, "", "figures.describe(None)"])]
    cells[ERROR_CELL].metadata["tags"] = ["raises-exception"]
    nbformat.write(new_notebook(cells=cells), path)
    sync.sync(path)
    return path


@pytest.fixture
def chapter(synced, tmp_path):
    """A synced notebook to spoil."""
    return copy_to(synced, tmp_path / "chapter.ipynb")


def copy_to(source, target):
    target.write_bytes(source.read_bytes())
    return target


def cells_of(path):
    return nbformat.read(path, as_version=4).cells


def change(path, mutate):
    notebook = nbformat.read(path, as_version=4)
    mutate(notebook)
    notebook_form.write(notebook, path)


def test_stores_one_run_from_top_to_bottom(synced):
    counts = [cell.execution_count for cell in cells_of(synced) if cell.cell_type == "code"]
    assert counts == [1, 2, 3, None, 4]


def test_stores_a_stream_as_one_output(synced):
    assert [output.text for output in cells_of(synced)[COUNT_CELL].outputs] == ["0.8415\n0.8415\n"]


def test_stores_no_path_and_no_version_of_this_machine(synced):
    text = synced.read_text()
    assert "posenc_lib/figures/facts.py" in text  # in the traceback
    assert str(notebook_form.ROOT) not in text
    assert "site-packages" not in text
    assert "execution\"" not in text  # nbclient's timing
    assert set(json.loads(text)["metadata"]) == {"kernelspec", "language_info"}
    assert "version" not in json.loads(text)["metadata"]["language_info"]


def test_leaves_a_true_notebook_alone_whatever_an_editor_did_to_its_form(chapter):
    # A picture within the tolerance and a last digit are the same output, so they stay as well.
    change(chapter, lambda notebook: repaint(darker(2))(notebook.cells[PICTURE_CELL]))
    change(chapter, lambda notebook: notebook.cells[COUNT_CELL].outputs[0].update(text="0.8416\n0.8415\n"))
    before = chapter.read_bytes()
    spoilt = json.loads(before)
    spoilt["metadata"] = {"widgets": {"state": {}}, "vscode": 1, "kernelspec": {"name": "mine", "display_name": "Mine"}}
    for cell in spoilt["cells"]:
        cell["metadata"].update(execution={"iopub.execute_input": "now"}, scrolled=True)
        if "execution_count" in cell:
            cell["execution_count"] = 7
    chapter.write_text(json.dumps(spoilt, indent=4))
    sync.sync(chapter)
    assert chapter.read_bytes() == before
    written = chapter.stat().st_mtime_ns
    sync.sync(chapter)
    assert chapter.stat().st_mtime_ns == written


def test_mends_what_is_untrue(chapter, synced):
    def spoil(notebook):
        repaint(darker(17))(notebook.cells[PICTURE_CELL])
        notebook.cells[COUNT_CELL].outputs[0].text = "0.8425\n0.8415\n"

    change(chapter, spoil)
    sync.sync(chapter)
    assert chapter.read_bytes() == synced.read_bytes()


def test_a_failing_cell_is_named_and_the_notebook_left_as_it_was(chapter):
    change(chapter, lambda notebook: notebook.cells[COUNT_CELL].update(source="print(1)\nnp.nonsense"))
    before = chapter.read_bytes()
    with pytest.raises(sync.SyncError, match=rf"(?s)cell {COUNT_CELL} failed.*np.nonsense.*AttributeError"):
        sync.sync(chapter)
    assert chapter.read_bytes() == before


def test_a_chapter_cannot_read_files_beside_it(chapter):
    (chapter.parent / "table.txt").write_text("1")
    change(chapter, lambda notebook: notebook.cells[COUNT_CELL].update(source="open('table.txt').read()"))
    with pytest.raises(sync.SyncError, match="FileNotFoundError"):
        sync.sync(chapter)


def test_cells_without_an_id_get_one_that_does_not_change(chapter):
    raw = json.loads(chapter.read_text())
    kept = raw["cells"][0]["id"]
    for cell in raw["cells"][1:]:
        del cell["id"]
    raw["cells"].append(copy.deepcopy(raw["cells"][0]))  # pasted in an editor, with its id
    raw["nbformat_minor"] = 4
    chapter.write_text(json.dumps(raw))
    first, second = ([cell.id for cell in notebook_form.read(chapter).cells] for _ in range(2))
    assert first == second
    assert first[0] == kept
    assert len(set(first)) == len(first)
