"""What a checker says: a `Report`, as text, as HTML, and as an exception on request."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field

PASSED, FAILED, NOT_STARTED = "passed", "failed", "not started"

# Word and colour of the left border. The colour never stands behind or in the text, so that the text
# keeps the page's own contrast, light or dark.
_LOOKS = {
    PASSED: ("Passed", "#2e9e5b"),
    FAILED: ("Not yet", "#d1495b"),
    NOT_STARTED: ("Nothing to check yet", "#8a8f98"),
}
_HINT_TITLES = ("where to look", "which quantity", "the formula in words")


class Text(str):
    """A string that a notebook shows without quotes and escapes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class Report:
    """The result of one check.

    Attributes
    ----------
    method : str
        Which checker spoke, such as "sinusoidal".
    status : str
        "passed", "failed" or "not started".
    stage : str
        The stage that stopped the check; "" when all passed.
    diagnosis : str or None
        A short, stable name of the mistake; None when there is none.
    message : str
        What was seen and what was expected, in sentences.
    detail : str
        The first wrong cell and the smallest failing input.
    hints : tuple of str
        Three hints, vague to clear; see `hint`.
    picture : str
        The error as an inline SVG, for a mistake that has no name; otherwise "".
    """

    method: str
    status: str
    stage: str = ""
    diagnosis: str | None = None
    message: str = ""
    detail: str = ""
    hints: tuple[str, ...] = ()
    picture: str = field(default="", compare=False)

    @property
    def passed(self) -> bool:
        """Whether every stage passed."""
        return self.status == PASSED

    def __bool__(self) -> bool:
        return self.passed

    def hint(self, level: int = 1) -> Text:
        """Return hint 1 (where to look), 2 (which quantity) or 3 (the formula in words)."""
        if self.passed:
            return Text("Nothing to hint at: the check passed.")
        if not self.hints:
            return Text("The message says all there is to say: " + self.message)
        if level not in range(1, len(self.hints) + 1):
            raise ValueError(f"hint: level must be 1 to {len(self.hints)}, got {level!r}.")
        return Text(self.hints[level - 1])

    def raise_if_failed(self) -> Report:
        """Raise AssertionError unless the check passed; return the report, for chaining."""
        if not self.passed:
            raise AssertionError(str(self))
        return self

    def _title(self) -> str:
        word = _LOOKS[self.status][0]
        named = self.status == FAILED and self.diagnosis
        return f"{word}: {self.diagnosis}" if named else word

    def __repr__(self) -> str:
        lines = [f"check.{self.method}: {self._title()}"]
        for part in (self.message, self.detail):
            for paragraph in part.splitlines():
                lines += textwrap.wrap(
                    paragraph, 92, initial_indent="  ", subsequent_indent="  ", break_long_words=False
                )
        if self.hints and not self.passed:
            lines.append(f"  For a hint: report.hint(1), up to report.hint({len(self.hints)}).")
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        colour = _LOOKS[self.status][1]
        body = [
            f'<p style="margin:0"><strong>{html.escape(self._title())}</strong> '
            f'<span style="opacity:0.85">check.{html.escape(self.method)}</span></p>'
        ]
        body += [_paragraph(line) for line in self.message.splitlines()]
        body += [_paragraph(line) for line in self.detail.splitlines()]
        body.append(self.picture)
        if not self.passed:
            body += [
                f'<details style="margin:0.4em 0 0"><summary>Hint {level}: {title}</summary>'
                f"{_paragraph(hint)}</details>"
                for level, (title, hint) in enumerate(zip(_HINT_TITLES, self.hints, strict=False), start=1)
            ]
        return (
            f'<div role="note" style="border-left:4px solid {colour};background:{colour}14;color:inherit;'
            f'padding:0.5em 0.9em;margin:0.5em 0;max-width:46em">{"".join(body)}</div>'
        )


def _paragraph(text: str) -> str:
    return f'<p style="margin:0.4em 0 0">{html.escape(text)}</p>'
