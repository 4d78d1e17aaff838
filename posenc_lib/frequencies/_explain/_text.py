"""An explanation as aligned text, narrower than 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from posenc_lib.frequencies._explain._rows import sections, title

if TYPE_CHECKING:
    from posenc_lib.frequencies._explain._explanation import Explanation

_WIDTH, _LABEL = 79, 18


def text(explanation: Explanation) -> str:
    """Return lines of at most 79 characters: a title, then a label and a sentence in each row."""
    lines = [title(explanation)]
    for section in sections(explanation):
        lines += ["", f"  {section.title}"] if section.title else [""]
        for label, sentence in section.rows:
            lines += _wrapped(f"  {label:<{_LABEL}}", sentence)
    if explanation.notes:
        lines.append("")
    for note in explanation.notes:
        lines += _wrapped("  - ", note)
    return "\n".join(lines)


def _wrapped(start: str, sentence: str) -> list[str]:
    return textwrap.wrap(
        sentence, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
