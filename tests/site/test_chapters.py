"""What every chapter carries to the site: its launch and download buttons, and a text for each picture."""

import nbformat
import pytest
from bs4 import BeautifulSoup

from tests.site import books

CHAPTERS = books.notebooks()


def links(site, chapter):
    page = BeautifulSoup((site / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    return {tag["href"] for tag in page.select("a[href]")}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_colab_button_leads_to_this_notebook(site, repository, chapter):
    address = f"https://colab.research.google.com/github/{repository}/blob/main/{chapter}.ipynb"
    assert address in links(site, chapter)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_download_button_serves_this_notebook(site, chapter):
    assert f"../_sources/{chapter}.ipynb" in links(site, chapter)
    served = site / f"_sources/{chapter}.ipynb"
    assert served.read_bytes() == (books.ROOT / f"{chapter}.ipynb").read_bytes()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_cell_with_a_picture_describes_it(chapter):
    notebook = nbformat.read(books.ROOT / f"{chapter}.ipynb", as_version=4)
    for number, cell in enumerate(notebook.cells):
        outputs = cell.get("outputs", [])
        if any(kind.startswith("image/") for output in outputs for kind in output.get("data", {})):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 20, f"{chapter}: cell {number} shows a picture without alt text"


def test_the_toc_names_files_that_exist():
    for page in books.toc_pages():
        assert any((books.ROOT / f"{page}{suffix}").is_file() for suffix in (".ipynb", ".md")), page
