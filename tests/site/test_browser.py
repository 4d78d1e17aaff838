"""The pages in a real browser, as a reader meets them: on a desk or a phone, by light or in the dark, by keyboard."""

from importlib.metadata import distribution

import pytest

from tests.site import books

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAGES = [("site", page) for page in [*books.toc_pages(), "search", "404"]] + [("specimen", "book/chapter")]
AXE = distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")
FORMULA_FONTS = "[...document.fonts].filter(f => f.family.includes('KaTeX') && f.status == 'loaded').length"
# What a chapter has by the thousand, and axe looks at one by one: the glyphs of formulas, which are hidden from screen
# readers and have the text's colour, and coloured words of code, of which three of each colour are enough.
SPARE_AXE = """() => {
    document.querySelectorAll(".katex-html").forEach(glyphs => glyphs.remove());
    const seen = {};
    for (const word of document.querySelectorAll("pre span[class]")) {
        seen[word.className] = (seen[word.className] ?? 0) + 1;
        if (seen[word.className] > 3) word.replaceWith(word.textContent);
    }
}"""


class Visit:
    """One page open in the browser, with what it asked for and complained about."""

    def __init__(self, browser, url, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("response", self._check_status)
        self.page.goto(url, wait_until="load")
        if context.get("java_script_enabled", True):
            self.page.wait_for_function("document.fonts.status == 'loaded'")

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _check_status(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def axe(self, options="{}"):
        """Return what axe-core finds wrong, with everything that folds open."""
        self.page.evaluate(
            "document.querySelectorAll('.toggle-hidden .toggle-button').forEach(button => button.click())"
        )
        self.page.wait_for_timeout(400)  # the fold's fade, in which contrast is not yet the final one
        self.page.evaluate(SPARE_AXE)
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # Without preload: axe would ask for the style sheets' imports at a wrong address.
        violations = self.page.evaluate(f"axe.run(document, {{preload: false, ...{options}}})")["violations"]
        return [(one["id"], node["html"][:150], node["failureSummary"]) for one in violations for node in one["nodes"]]


@pytest.fixture
def visit(browser, site_url, specimen_url):
    """Open a page of a book: ``visit("site", "book/intro", viewport=PHONE)``."""
    visits = []

    def open_page(book, page, query="", **context):
        root = {"site": site_url, "specimen": specimen_url}[book]
        visits.append(Visit(browser, f"{root}{page}.html{query}", **{"viewport": DESK, **context}))
        return visits[-1]

    yield open_page
    for one in visits:
        one.context.close()


def scrolls_sideways(page):
    """Return the elements of the page's frame that are wider than they show."""
    frame = "[document.documentElement, document.body, document.querySelector('.bd-article-container')]"
    return page.evaluate(
        f"{frame}.filter(e => e && e.scrollWidth > e.clientWidth).map(e => e.tagName + '.' + e.className)"
    )


# The one rule whose verdict depends on the theme, and not on the width; it is also the slowest.
CONTRAST = "{runOnly: ['color-contrast']}"
ALL_BUT_CONTRAST = "{rules: {'color-contrast': {enabled: false}}}"


def assert_clean(seen, axe="{}"):
    """Fail unless the page asked only this machine, without a complaint, keeps its width and pleases axe."""
    assert not seen.complaints
    assert not [url for url in seen.requests if not url.startswith(("http://127.0.0.1", "data:"))]
    assert not scrolls_sideways(seen.page)
    assert not seen.axe(axe)


@pytest.mark.parametrize(("book", "page"), PAGES)
def test_a_page_shows_without_complaint_on_a_desk(visit, book, page):
    seen = visit(book, page, color_scheme="light")
    assert_clean(seen)
    seen.page.emulate_media(color_scheme="dark")
    seen.page.wait_for_function("document.documentElement.dataset.theme == 'dark'")
    assert_clean(seen, CONTRAST)


@pytest.mark.parametrize(("book", "page"), PAGES)
def test_a_page_shows_without_complaint_on_a_phone(visit, book, page):
    assert_clean(visit(book, page, viewport=PHONE, color_scheme="dark"), ALL_BUT_CONTRAST)


@pytest.mark.parametrize(
    ("book", "page"), [("specimen", "book/chapter"), *(("site", page) for page in books.notebooks())]
)
def test_formulas_are_set_in_their_own_fonts(visit, book, page):
    shown = visit(book, page).page
    assert shown.locator(".katex-html").count() == shown.locator(".math").count() > 5
    assert shown.evaluate(FORMULA_FONTS) >= 2
    assert not shown.evaluate("[...document.fonts].filter(f => f.status == 'error').length")


def test_formulas_show_without_scripts(visit):
    shown = visit("specimen", "book/chapter", java_script_enabled=False).page
    assert shown.locator("#equation-eq-shift .katex-html").bounding_box()["width"] > 50


def test_a_wide_formula_scrolls_alone_and_by_keyboard(visit):
    shown = visit("specimen", "book/chapter", viewport=PHONE).page
    wide = shown.locator("#equation-eq-wide .math-scroll")
    assert wide.get_attribute("tabindex") == "0" and wide.get_attribute("aria-label")
    wide.focus()
    shown.keyboard.press("ArrowRight")
    shown.wait_for_function("document.querySelector('#equation-eq-wide .math-scroll').scrollLeft > 0")
    narrow = shown.locator("#equation-eq-shift .math-scroll")
    assert narrow.get_attribute("tabindex") is None


def test_an_inline_formula_wider_than_a_phone_scrolls_alone(visit):
    shown = visit("specimen", "book/chapter", viewport=PHONE).page
    wide = shown.locator("span.math.scrolls")
    assert wide.count() == 1 and wide.get_attribute("tabindex") == "0"
    shown.set_viewport_size(DESK)
    shown.wait_for_function("document.querySelectorAll('span.math.scrolls').length == 0")


def test_paper_cuts_nothing_off(visit):
    shown = visit("specimen", "book/chapter", viewport={"width": 480, "height": 680}).page
    shown.emulate_media(media="print")
    cut = "[...document.querySelectorAll('.math-scroll, .bd-article pre, .bd-article img')]"
    cut += ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    assert shown.evaluate(cut) == []
    for hidden in ("#pst-primary-sidebar", ".bd-header-article", ".prev-next-footer"):
        assert not shown.locator(hidden).first.is_visible(), hidden
    assert shown.locator("div.solution .admonition-title").is_visible()
    assert not shown.locator("div.solution pre").first.is_visible()


def test_a_solution_opens_and_closes_by_keyboard(visit):
    shown = visit("specimen", "book/chapter").page
    button, code = shown.locator("div.solution .toggle-button"), shown.locator("div.solution pre").first
    assert button.get_attribute("aria-expanded") == "false" and not code.is_visible()
    button.focus()
    shown.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true" and code.is_visible()
    shown.keyboard.press("Space")
    assert not code.is_visible()


def test_the_first_stop_of_the_keyboard_skips_to_the_text(visit):
    shown = visit("site", "book/intro").page
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    shown.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")  # it slides in
    shown.keyboard.press("Enter")
    assert shown.url.endswith("#main-content")


def test_a_search_by_keyboard_finds_a_word_of_the_chapter(visit):
    seen = visit("specimen", "book/intro")
    seen.page.keyboard.press("Control+k")
    seen.page.keyboard.type("kumquat")
    seen.page.keyboard.press("Enter")
    found = seen.page.locator("#search-results a", has_text="Kumquat").first
    found.wait_for()
    assert not seen.axe() and not seen.complaints
    found.click()
    seen.page.wait_for_url("**/book/chapter.html*")


def test_the_theme_button_changes_the_theme_and_remembers_it(visit):
    shown = visit("site", "book/intro", color_scheme="light").page
    background = "getComputedStyle(document.body).backgroundColor"
    before = shown.evaluate(background)
    for _ in range(3):
        if shown.evaluate("document.documentElement.dataset.theme") != "dark":
            shown.locator(".theme-switch-button:visible").first.click()
    assert shown.evaluate(background) != before
    shown.reload()
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"


def test_pictures_keep_their_colours_in_the_dark(visit):
    shown = visit("specimen", "book/chapter", color_scheme="dark").page
    picture = "document.querySelector('.cell_output img')"
    style = f"(e => [getComputedStyle(e).filter, getComputedStyle(e).backgroundColor])({picture})"
    assert shown.evaluate(style) == ["none", "rgb(255, 255, 255)"]
    report = "getComputedStyle(document.querySelector('.cell_output .text_html')).backgroundColor"
    assert shown.evaluate(report) == "rgba(0, 0, 0, 0)"
