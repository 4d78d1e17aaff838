"""Formulas become HTML and MathML while the book is built, so that a page needs no script to show them.

KaTeX's script, style sheet and fonts come from the wheel djangocms-katex, which is never imported; the script
runs in QuickJS inside this process. A formula that KaTeX refuses is a warning that names page and formula.
"""

import json
import re
import shutil
from functools import cache
from html import escape
from importlib.metadata import distribution
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

# Results cross from JavaScript as JSON: QuickJS's concatenated strings are not understood on this side otherwise.
RENDER = """
function render(tex, displayMode) {
    try {
        const options = {displayMode, output: "htmlAndMathml", strict: "error", throwOnError: true};
        return JSON.stringify({html: katex.renderToString(tex, options)});
    } catch (error) {
        return JSON.stringify({error: error.message});
    }
}
"""
ALIGNED = re.compile(r"\s*\\begin\{(align|alignat|gather|equation)\*?\}")
NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|gather|equation)\}")


@cache
def katex_folder() -> Path:
    """Return the folder that holds KaTeX's files inside the installed wheel."""
    return Path(distribution("djangocms-katex").locate_file("djangocms_katex/static/djangocms_katex/vendor/katex"))


@cache
def renderer():
    """Return the JavaScript function that renders one formula."""
    context = quickjs.Context()
    context.set_max_stack_size(8 * 1024 * 1024)
    context.eval((katex_folder() / "katex.min.js").read_text(encoding="utf-8"))
    context.eval(RENDER)
    return context.get("render")


@cache
def render(tex: str, display: bool) -> dict:
    """Return ``{"html": ...}``, or ``{"error": ...}`` when KaTeX refuses the formula."""
    return json.loads(renderer()(tex, display))


def html_of(translator, node, tex: str, display: bool) -> str:
    """Return the formula's HTML; on bad TeX warn and return the source, marked."""
    result = render(tex, display)
    if "html" in result:
        return result["html"]
    place = node if node.line else translator.builder.current_docname
    logger.warning(
        "KaTeX cannot render this formula: %s\n%s", result["error"], tex, location=place, type="book", subtype="math"
    )
    return f'<code class="math-error">{escape(tex)}</code>'


def display_source(node) -> str:
    """Return the TeX of a displayed formula in a form that leaves the numbering to Sphinx."""
    tex = node.astext().strip()
    if ALIGNED.match(tex):
        return NUMBERED.sub(r"\\\1{\2*}", tex)
    return tex


def visit_math(translator, node):
    """Write an inline formula."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    translator.body.append(html_of(translator, node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_displaymath(translator, node):
    """Write a displayed formula in a box that scrolls by itself, with its number beside it."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    formula = html_of(translator, node, display_source(node), display=True)
    translator.body.append(f'<div class="math-scroll">{formula}</div>')
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<a class="eqno" href="#{node["ids"][0]}" title="Link to this equation">({number})</a>')
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def copy_katex(app):
    """Put KaTeX's style sheet and its woff2 fonts beside the site's other files; older formats stay out."""
    target = Path(app.outdir, "_static", "katex")
    (target / "fonts").mkdir(parents=True, exist_ok=True)
    css = (katex_folder() / "katex.min.css").read_text(encoding="utf-8")
    css = re.sub(r',url\([^)]*\.(woff|ttf)\) format\("\w+"\)', "", css)
    (target / "katex.min.css").write_text(css, encoding="utf-8")
    shutil.copy(katex_folder() / "LICENSE", target)
    for font in (katex_folder() / "fonts").glob("*.woff2"):
        shutil.copy(font, target / "fonts")


def setup(app):
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.add_css_file("katex/katex.min.css")
    app.connect("builder-inited", copy_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
