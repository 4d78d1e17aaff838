"""What the suites tell of many callables, word by word: told/*.txt holds it, one part for each callable.

`TOLD=write python -m pytest tests/conformance -k told` writes the files anew: read what changed before it is kept.
"""

import os
import re
from pathlib import Path

TEXTS = Path(__file__).parent / "told"
# Below 1e-4 a number is rounding, which another machine does otherwise.
TINY = re.compile(r"\d\.\d+e-(0[5-9]|[1-9]\d)|0\.0e\+00")


def assert_told(group, reports):
    """Compare what `reports`, {name: report}, tell with the text that is kept; what is told twice is kept once."""
    path, known, parts = TEXTS / f"{group}.txt", set(), {}
    for name, report in reports.items():
        blocks = told(report)
        parts[name] = "\n".join([blocks[0], *(block for block in blocks[1:] if block not in known)])
        known.update(blocks[1:])
    if os.environ.get("TOLD") == "write":
        path.write_text("\n".join(f"# {name}\n{text}\n" for name, text in parts.items()))
    kept = {}
    for part in re.split(r"^# ", path.read_text(), flags=re.MULTILINE)[1:]:
        name, _, text = part.partition("\n")
        kept[name] = text.rstrip("\n")
    assert list(parts) == list(kept)
    for name, text in parts.items():
        assert text == kept[name], name


def told(report):
    """The title, each fact, and all that each finding says, but where the first call kept it from being tested."""
    blocks = [str(report).partition("\n")[0]]
    for name, value in report.facts.items():
        shown = {key: number(inner) for key, inner in value.items()} if isinstance(value, dict) else value
        blocks.append(f"{name}: {shown}")
    blocks += [_block(finding) for finding in report.findings if finding.found != "The first call failed."]
    return [TINY.sub("~0", block) for block in blocks]


def _block(finding):
    name = f": {finding.diagnosis}" if finding.diagnosis is not None else ""
    parts = (
        ("", finding.found),
        ("expected: ", finding.expected),
        ("effect: ", finding.effect),
        ("mend: ", finding.mend),
    )
    lines = [f"    {title}{text}" for title, text in parts if text != ""]
    if finding.measured is not None or finding.limit is not None:
        # Which position is the worst, where none is bad, is rounding; one limit grows with it.
        grows = finding.check == "angle is position times frequency" and finding.status == "passed"
        least = 0.05 if finding.status == "passed" else 1e-4
        lines.append(
            f"    {number(finding.measured, least)} measured" + ("" if grows else f", {finding.limit} at most")
        )
    return "\n".join([f"{finding.status.upper()} {finding.check}{name}", *lines])


def number(value, least=1e-4):
    return "~0" if value is not None and abs(value) < least else value if value is None else f"{value:.2g}"
