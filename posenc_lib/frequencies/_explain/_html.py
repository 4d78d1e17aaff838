"""An explanation as a fragment of HTML: a table and a picture, no script, nothing fetched from anywhere."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from posenc_lib.frequencies._explain._picture import draw
from posenc_lib.frequencies._explain._rows import Section, sections, title

if TYPE_CHECKING:
    from posenc_lib.frequencies._explain._explanation import Explanation

_CLASS = "posenc-explain"
# Inks and lines are the page's own, so that it reads in the light and in the dark.
_STYLE = "".join(
    f".{_CLASS}{rule}"
    for rule in (
        "{color:inherit;max-width:46em;margin:.5em 0}",
        " table{border-collapse:collapse;margin:.3em 0;color:inherit;background:none}",
        " tr{background:none}",
        " th,.posenc-explain td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border:0;"
        "border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}",
        " th{font-weight:600;white-space:nowrap}",
        " caption{text-align:left;font-weight:600;padding:.3em 0}",
        " svg{display:block;width:100%;max-width:600px;height:auto;margin:.5em 0}",
    )
)


def fragment(explanation: Explanation) -> str:
    """Return the fragment; its style holds for its own class alone."""
    body = [f"<p><strong>{html.escape(title(explanation))}</strong></p>"]
    body += [_section(section) for section in sections(explanation)]
    if explanation.notes:
        body.append("<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in explanation.notes) + "</ul>")
    return f'<div class="{_CLASS}"><style>{_STYLE}</style>{"".join(body)}</div>'


def _section(section: Section) -> str:
    caption = f"<caption>{html.escape(section.title)}</caption>" if section.title else ""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(label)}</th><td>{html.escape(sentence)}</td></tr>'
        for label, sentence in section.rows
    )
    picture = "" if section.rotation is None else draw(section.rotation)
    return f"<table>{caption}<tbody>{rows}</tbody></table>{picture}"
