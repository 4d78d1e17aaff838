"""The library's pages show every public name of the library, with the signature that the source has."""

import ast
import copy

import pytest
from bs4 import BeautifulSoup

from tests.site import books


def public_names() -> list[tuple[str, str]]:
    """Return (module, name) for every public module's ``__all__``; read, not imported, so that torch may be missing."""
    found = []
    for path in sorted([*books.ROOT.glob("posenc_lib/[!_]*.py"), *books.ROOT.glob("posenc_lib/[!_]*/__init__.py")]):
        module = path.parent.name if path.name == "__init__.py" else path.stem
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                found += [(module, name) for name in ast.literal_eval(node.value)]
    return found


@pytest.fixture(scope="module")
def page(site):
    """All pages about the library, one after the other."""
    pages = sorted((site / "book").glob("api*.html"))
    articles = [BeautifulSoup(each.read_text(encoding="utf-8"), "html.parser").article for each in pages]
    return BeautifulSoup("\n".join(map(str, articles)), "html.parser")


def signature(page, module, name) -> str:
    """Return a name's signature as a reader sees it."""
    term = copy.copy(page.find(id=f"posenc_lib.{module}.{name}"))
    for link in term.select("a"):
        link.extract()
    return " ".join(term.get_text().split())


@pytest.mark.parametrize(("module", "name"), public_names())
def test_every_public_name_is_described(page, module, name):
    term = page.find(id=f"posenc_lib.{module}.{name}")
    assert term, f"no page of book/api*.md shows posenc_lib.{module}.{name}"
    assert term.find_next_sibling("dd").get_text(strip=True), f"posenc_lib.{module}.{name} has no docstring"


def test_the_twins_signatures_read_the_same(page):
    expected = "sinusoidal(positions, dim, *, base=10000.0, dtype=None)"
    assert signature(page, "numpy", "sinusoidal") == f"posenc_lib.numpy.{expected}"
    assert signature(page, "torch", "sinusoidal") == f"posenc_lib.torch.{expected}"


def test_modules_of_torch_read_well_without_torch(page):
    assert signature(page, "torch", "Sinusoidal") == "class posenc_lib.torch.Sinusoidal(dim, *, base=10000.0)"
    assert page.find(id="posenc_lib.torch.Sinusoidal.forward")
    assert "Mock" not in page.get_text() and "object at 0x" not in page.get_text()


def test_a_name_leads_to_its_source(page, site):
    link = page.find(id="posenc_lib.numpy.sinusoidal").select_one("a[href*=_modules]")
    source = (site / "book" / link["href"].split("#")[0]).resolve()
    shown = BeautifulSoup(source.read_text(encoding="utf-8"), "html.parser").article.get_text()
    assert "np.sin(angles" in shown
