"""Every page of the built site, read as a file: nothing from elsewhere, links lead somewhere, pictures speak."""

import gzip
import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from tests.site import books

# Relations of <link> that make a browser fetch something.
FETCHED = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "modulepreload",
    "manifest",
    "preconnect",
    "dns-prefetch",
}
PAGE_BUDGET = 1_000_000  # bytes of one page with its scripts, style sheets and pictures, as Pages sends them


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    """Return every page but the redirect from the root."""
    return [
        path for path in sorted(site.rglob("*.html")) if path != site / "index.html" and "_static" not in path.parts
    ]


def elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def fetched(page: BeautifulSoup) -> list[str]:
    """Return the addresses that a browser asks for by itself when it shows the page."""
    found = [tag["src"] for tag in page.select("[src]")] + [tag["data"] for tag in page.select("object[data]")]
    found += [tag["href"] for tag in page.select("link[href]") if FETCHED & set(tag.get("rel", []))]
    found += [part.split()[0] for tag in page.select("[srcset]") for part in tag["srcset"].split(",")]
    styles = [tag.get_text() for tag in page.select("style")] + [tag["style"] for tag in page.select("[style]")]
    return found + [address for style in styles for address in css_addresses(style)]


def css_addresses(css: str) -> list[str]:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    named = re.findall(r"""url\(\s*['"]?([^'")]+)""", css) + re.findall(r"""@import\s+['"]([^'"]+)""", css)
    return [address for address in named if not address.startswith("data:")]


def target(site: Path, page: Path, address: str, name: str) -> Path:
    """Return the file that an address on a page leads to; `name` is the folder below which Pages serves the site."""
    path = unquote(urlsplit(address).path)
    if path.startswith(f"/{name}/"):
        return site / path.removeprefix(f"/{name}/")
    return (page.parent / path).resolve() if path else page


@pytest.fixture
def name(repository):
    return repository.split("/")[1]


def test_nothing_is_fetched_from_another_host(site):
    assert pages(site)
    for page in pages(site):
        assert not [address for address in fetched(soup(page)) if elsewhere(address)], page


def test_no_style_sheet_names_another_host(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert not [address for address in css_addresses(sheet.read_text(encoding="utf-8")) if elsewhere(address)], (
            sheet
        )


def test_everything_a_page_fetches_is_there(site, name):
    for page in pages(site):
        for address in fetched(soup(page)):
            assert target(site, page, address, name).is_file(), (page, address)


def test_every_internal_link_and_fragment_leads_somewhere(site, name):
    checked = 0
    for page in pages(site):
        for link in soup(page).select("a[href]"):
            address = link["href"]
            if elsewhere(address) or address == "#" or address.startswith("mailto:"):
                continue
            path = target(site, page, address, name)
            assert path.is_file(), (page, address)
            fragment = unquote(urlsplit(address).fragment)
            assert not fragment or soup(path).find(id=fragment), (page, address)
            checked += bool(fragment)
    assert checked > 20


def test_an_id_stands_once_on_a_page(site, specimen):
    for page in pages(site) + pages(specimen):
        ids = [tag["id"] for tag in soup(page).select("[id]")]
        assert not {one for one in ids if ids.count(one) > 1}, page


@pytest.mark.parametrize("book", ["site", "specimen"])
def test_every_picture_says_what_it_shows(book, request):
    for page in pages(request.getfixturevalue(book)):
        for picture in soup(page).select("article img"):
            alt = picture.get("alt", "")
            assert len(alt) > 20, (page, picture)
            assert not re.search(r"\.(png|svg|jpe?g)\b|_images/", alt), (page, alt)


def test_the_specimens_picture_has_its_text(specimen):
    assert soup(specimen / "book/chapter.html").find("img", alt=books.ALT)


@pytest.mark.parametrize("book", ["site", "specimen"])
def test_every_formula_is_rendered(book, request):
    formulas = 0
    for page in pages(request.getfixturevalue(book)):
        assert not soup(page).select(".math-error, .katex-error"), page
        for formula in soup(page).select(".math"):
            formulas += 1
            assert formula.select_one(".katex-mathml math") and formula.select_one(".katex-html"), (page, formula)
    assert formulas > 10 or book == "site"


@pytest.mark.parametrize("book", ["site", "specimen"])
def test_no_raw_tex_or_markdown_is_left_in_the_text(book, request):
    for page in pages(request.getfixturevalue(book)):
        if "_modules" in page.parts:
            continue
        article = BeautifulSoup(str(soup(page).article), "html.parser")
        for tag in article.select(".math, pre, code, script, .sig"):
            tag.decompose()
        text = article.get_text(" ")
        left = re.search(r"\$|\\[a-zA-Z]{2,}|\{(ref|eq|cite|prf:ref|doc)[^}]*\}|^:::", text, re.M)
        assert not left, (page, text[max(0, left.start() - 60) : left.end() + 60])


def test_numbered_equations_keep_one_number(specimen):
    chapter = soup(specimen / "book/chapter.html")
    numbers = [tag.get_text() for tag in chapter.select("a.eqno")]
    assert numbers == ["(1.1)", "(1.2)", "(1.3)"]
    assert not chapter.select(".katex-html .tag, .katex-html .eqn-num")  # KaTeX adds no numbers of its own
    assert chapter.find("a", href="#equation-eq-wide", string="(1.2)")


def test_the_bootstrap_cell_is_not_shown(specimen):
    assert "executed" not in soup(specimen / "book/chapter.html").article.get_text()


def test_only_the_small_fonts_of_katex_are_on_the_site(site):
    kinds = {path.suffix for path in (site / "_static/katex/fonts").iterdir()}
    assert kinds == {".woff2"}
    assert (site / "_static/katex/LICENSE").is_file()


def test_a_page_is_light(site, name):
    for page in pages(site):
        files = {target(site, page, address, name) for address in fetched(soup(page))}
        weight = sum(len(gzip.compress(path.read_bytes())) for path in [page, *files])
        assert weight < PAGE_BUDGET, (page, weight)
        assert not [path for path in files if re.search("fontawesome|mathjax|thebe|require", path.name)], page


def test_the_search_index_knows_every_page(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))
    assert set(books.toc_pages()) <= set(index["docnames"])
    known = [numbers if isinstance(numbers, list) else [numbers] for numbers in index["terms"].values()]
    for page in books.toc_pages():
        number = index["docnames"].index(page)
        assert sum(number in numbers for numbers in known) > 10, page


def test_the_sitemap_and_the_previews_name_every_page(site, repository):
    owner, name = repository.split("/")
    sitemap = (site / "sitemap.xml").read_text(encoding="utf-8")
    for page in books.toc_pages():
        address = f"https://{owner}.github.io/{name}/{page}.html"
        assert f"<loc>{address}</loc>" in sitemap
        head = soup(site / f"{page}.html").head
        assert head.find("meta", property="og:url")["content"] == address
        assert head.find("link", rel="canonical")["href"] == address


def test_a_page_has_one_title_and_a_language(site):
    for page in pages(site):
        assert soup(page).html["lang"] == "en", page
        assert soup(page).title.get_text().strip(), page
    for page in books.toc_pages():
        assert len(soup(site / f"{page}.html").article.find_all("h1")) == 1, page
