"""What a conformance suite says: findings, and a report of them as text, as HTML and as plain data."""

import html
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

PASSED, WARNING, FAILED, NOT_TESTED = "passed", "warning", "failed", "not tested"

# As in posenc_lib.check: the colour stands beside the text, never behind it, so that the page's own contrast stays.
_COLOURS = {PASSED: "#2e9e5b", WARNING: "#c98a1b", FAILED: "#d1495b", NOT_TESTED: "#8a8f98"}


@dataclass(frozen=True)
class Finding:
    """What was found about one property.

    Parameters
    ----------
    check : str
        The property, such as "one pass equals step by step".
    status : str
        "passed"; "warning" (it works, within limits that the text names); "failed"; "not tested".
    found : str
        What was seen, with the number; where nothing could be tested, why.
    diagnosis : str or None
        A short, stable name of what is wrong; None when the check passed or was not tested.
    measured : float or None
        The number that was judged.
    limit : float or None
        The largest number that passes.
    expected, effect, mend : str
        What was expected, what a model would suffer from it, and how to mend it.

    Examples
    --------
    >>> Finding("norm kept", PASSED, "Lengths change by 1e-07.", measured=1e-7, limit=1e-5).status
    'passed'
    """

    check: str
    status: str
    found: str
    diagnosis: str | None = None
    measured: float | None = None
    limit: float | None = None
    expected: str = ""
    effect: str = ""
    mend: str = ""


@dataclass(frozen=True, repr=False)
class Report:
    """The findings of one suite on one callable.

    It prints as text and, in a notebook, as HTML.

    Parameters
    ----------
    suite : str
        "rotation", "bias" or "attention".
    findings : tuple of Finding
        In the order of the checks: what comes earlier may be the cause of what comes later.
    facts : dict
        What kind of callable it is: layout, rotary dimension, base, slopes, …

    Examples
    --------
    >>> report = Report("rotation", (Finding("norm kept", PASSED, "Lengths change by 1e-07."),), {"layout": "half"})
    >>> report.passed, report.diagnosis, report["norm kept"].found
    (True, None, 'Lengths change by 1e-07.')
    >>> print(report)
    conformance.rotation: passed. 1 passed
      layout: half
      passed      norm kept: Lengths change by 1e-07.
    """

    suite: str
    findings: tuple[Finding, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether something was tested and nothing failed; see `not_tested` for what could not be tested."""
        return not self.failures and any(f.status in (PASSED, WARNING) for f in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return self._with(FAILED)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that work within limits."""
        return self._with(WARNING)

    @property
    def not_tested(self) -> tuple[Finding, ...]:
        """The properties that this callable gave no way to test."""
        return self._with(NOT_TESTED)

    @property
    def diagnosis(self) -> str | None:
        """The name of the first failure, which is the likeliest cause of those after it."""
        return next((f.diagnosis or f.check for f in self.failures), None)

    def _with(self, status: str) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.status == status)

    def __bool__(self) -> bool:
        return self.passed

    def __getitem__(self, check: str) -> Finding:
        """Return the finding of the check of this name."""
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(
            f"{check!r} is no check of conformance.{self.suite}; there are {[f.check for f in self.findings]}."
        )

    def raise_if_failed(self) -> "Report":
        """Raise AssertionError unless the callable passed; return the report, for chaining."""
        if not self.passed:
            raise AssertionError(str(self))
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which `json.dumps` takes."""
        return {
            "suite": self.suite,
            "passed": self.passed,
            "diagnosis": self.diagnosis,
            "facts": self.facts,
            "findings": [asdict(f) for f in self.findings],
        }

    def _title(self) -> str:
        if self.failures:
            return f"failed: {self.diagnosis}"
        return "passed" if self.passed else "nothing could be tested"

    def _counts(self) -> str:
        counted = [(len(self._with(status)), status) for status in (FAILED, WARNING, PASSED, NOT_TESTED)]
        return ", ".join(f"{n} {status}{'s' if status == WARNING and n > 1 else ''}" for n, status in counted if n)

    def __repr__(self) -> str:
        lines = [f"conformance.{self.suite}: {self._title()}. {self._counts()}"]
        for name, value in self.facts.items():
            lines += _wrap(f"{name}: {_show(value)}", "  ", "    ")
        for finding in self.findings:
            name = f"{finding.check}: {finding.diagnosis}." if finding.diagnosis else f"{finding.check}:"
            lines += _wrap(f"{finding.status:<11} {name} {finding.found}", "  ", " " * 14)
            for title, text in _advice(finding):
                lines += _wrap(f"{title}: {text}", " " * 14, " " * 16)
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        worst = next((s for s in (FAILED, WARNING, PASSED) if self._with(s)), NOT_TESTED)
        facts = "; ".join(f"{name}: {_show(value)}" for name, value in self.facts.items())
        body = [
            f'<p style="margin:0"><strong>{html.escape(self._title().capitalize())}</strong> '
            f'<span style="opacity:0.85">conformance.{self.suite}: {html.escape(self._counts())}</span></p>',
            f'<p style="margin:0.4em 0 0">{html.escape(facts)}</p>' if facts else "",
            *(_block(finding) for finding in self.findings),
        ]
        return _box(worst, "0.5em 0.9em", "".join(body), role="note")


def _advice(finding: Finding) -> list[tuple[str, str]]:
    parts = (("expected", finding.expected), ("effect", finding.effect), ("mend", finding.mend))
    return [(title, text) for title, text in parts if text]


def _block(finding: Finding) -> str:
    """A failure or a warning stands open; what passed, or was not tested, is one line."""
    name = finding.diagnosis or finding.check
    where = f' <span style="opacity:0.85">({html.escape(finding.check)})</span>' if finding.diagnosis else ""
    text = (
        f'<p style="margin:0"><strong>{html.escape(finding.status.capitalize())}: {html.escape(name)}</strong>{where} '
        f"{html.escape(finding.found)}</p>"
    )
    text += "".join(
        f'<p style="margin:0.2em 0 0"><em>{title.capitalize()}:</em> {html.escape(told)}</p>'
        for title, told in _advice(finding)
    )
    return _box(finding.status, "0.1em 0.7em", text)


def _box(status: str, padding: str, content: str, role: str = "") -> str:
    colour, tint = _COLOURS[status], f"background:{_COLOURS[status]}14;" if role else ""
    attribute = f' role="{role}"' if role else ""
    return (
        f'<div{attribute} style="border-left:4px solid {colour};{tint}color:inherit;padding:{padding};'
        f'margin:0.5em 0;max-width:46em;overflow-wrap:break-word">{content}</div>'
    )


def _wrap(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent=first, subsequent_indent=rest, break_long_words=False)


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_show(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_show(v) for v in value[:8])
        return f"{shown}, …" if len(value) > 8 else shown
    return str(value)
