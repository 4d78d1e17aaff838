"""What the build promises: warnings are errors, nothing is executed, a fork gets its own addresses."""

import pytest

from tests.site import books

FAULTS = {
    r"A typo: $\thetaa_i$.": r"Undefined control sequence: \thetaa",
    "$$\n\\begin{aligned} a &= b \\\\\n$$": r"Expected & or \\ or \cr or \end",
    "See {ref}`nowhere`.": "undefined label: 'nowhere'",
    "See {eq}`eq-nowhere`.": "eq-nowhere",
    "See {prf:ref}`thm-nowhere`.": "thm-nowhere",
    "See {cite}`nobody1900`.": "nobody1900",
    "See {py:func}`posenc_lib.numpy.nothing`.": "posenc_lib.numpy.nothing",
    "See [there](missing.md).": "missing.md",
}


def build_text(folder, text, **environment):
    """Build a specimen whose title page says `text` and whose chapter is empty."""
    books.write_specimen(folder / "source", text=text, cells=[books.new_markdown_cell("# Empty")])
    return books.build(folder / "source", folder, **environment)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The result of one build with every fault."""
    return build_text(tmp_path_factory.mktemp("faulty"), "\n\n".join(FAULTS))


@pytest.mark.parametrize("complaint", FAULTS.values())
def test_a_fault_is_a_warning_that_names_the_page(faulty, complaint):
    lines = [line for line in faulty.stderr.splitlines() if complaint in line and "intro" in line]
    assert lines, faulty.stderr


def test_a_bad_formula_alone_fails_the_build_and_is_quoted(tmp_path):
    result = build_text(tmp_path, r"Good $\theta$, bad $\thetaa_i$.")
    assert result.returncode != 0
    assert r"\thetaa_i" in result.stderr
    assert "1 warning" in result.stdout + result.stderr


def test_a_wrong_repository_name_is_refused(tmp_path):
    result = build_text(tmp_path, "", POSENC_REPOSITORY="https://github.com/a/b")
    assert result.returncode != 0
    assert "owner/name" in result.stderr


def test_no_notebook_is_executed(specimen_folder):
    assert not list(specimen_folder.rglob("executed"))


def test_the_build_does_without_torch(site_folder):
    assert (site_folder / "traps/torch/__init__.py").exists()
    assert not (site_folder / "torch-wanted").exists()


def test_a_fork_gets_its_own_addresses(specimen):
    page = (specimen / "book/chapter.html").read_text(encoding="utf-8")
    assert "https://colab.research.google.com/github/Fork-Owner/their.book/blob/main/book/chapter.ipynb" in page
    assert "https://fork-owner.github.io/their.book/book/chapter.html" in page
    assert "https://fork-owner.github.io/their.book/" in (specimen / "sitemap.xml").read_text(encoding="utf-8")
    assert 'href="/their.book/_static/' in (specimen / "404.html").read_text(encoding="utf-8")


def test_a_fork_names_no_other_repository(specimen, repository):
    for page in specimen.rglob("*.html"):
        assert repository not in page.read_text(encoding="utf-8"), page
