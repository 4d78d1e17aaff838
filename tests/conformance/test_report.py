"""A report reads as text, as HTML and as plain data; nothing that was not tested seems to have passed."""

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from posenc_lib import conformance
from posenc_lib.conformance import Finding, Report

PASSED = Finding("norm kept", "passed", "Lengths change by 1e-07.", measured=1e-7, limit=1e-5)
FAILED = Finding(
    "one pass equals step by step",
    "failed",
    "A step is off by <0.3>.",
    "cache offset ignored",
    0.3,
    1e-5,
    "the same",
    "Text differs.",
    "Take the position.",
)
WARNED = Finding("float64", "warning", "Off by 1e-05.", "float64 keeps float32's angles")
UNTESTED = Finding("packed equals separate", "not tested", "it raised ValueError.")


def test_text():
    report = Report(
        "rotation", (PASSED, FAILED, WARNED, UNTESTED), {"layout": "half", "base": 10000.0, "slopes": [0.5, 0.25]}
    )
    assert (
        str(report)
        == repr(report)
        == (
            "conformance.rotation: failed: cache offset ignored. 1 failed, 1 warning, 1 passed, 1 not tested\n"
            "  layout: half\n"
            "  base: 10000\n"
            "  slopes: 0.5, 0.25\n"
            "  passed      norm kept: Lengths change by 1e-07.\n"
            "  failed      one pass equals step by step: cache offset ignored. A step is off by <0.3>.\n"
            "              expected: the same\n"
            "              effect: Text differs.\n"
            "              mend: Take the position.\n"
            "  warning     float64: float64 keeps float32's angles. Off by 1e-05.\n"
            "  not tested  packed equals separate: it raised ValueError."
        )
    )


def test_facts_stay_short():
    text = str(Report("bias", (PASSED,), {"slopes": [1 / 3] * 9, "errors": {"1": 1 / 3}, "base": None}))
    assert "slopes: " + "0.333333, " * 8 + "…\n" in text
    assert "errors: 1: 0.333333\n" in text and "base: None\n" in text
    assert "2 warnings" in str(Report("bias", (WARNED, WARNED)))
    assert "slopes: " + ", ".join(["0.333333"] * 8) + "\n" in str(Report("bias", (PASSED,), {"slopes": [1 / 3] * 8}))


def test_lines_are_no_longer_than_110():
    finding = Finding("a", "failed", "word " * 80, "b", expected="word " * 80)
    lines = str(Report("bias", (finding,))).splitlines()
    assert 100 < max(map(len, lines)) <= 110
    assert all(line.startswith(" " * 14) for line in lines[2:])


def test_what_counts_as_passed():
    assert Report("bias", (PASSED, UNTESTED)).passed and Report("bias", (WARNED,)).passed
    assert not Report("bias", (PASSED, FAILED)).passed and not Report("bias", (UNTESTED,)).passed
    assert not Report("bias", ())
    assert bool(Report("bias", (PASSED,))) is True
    assert "nothing could be tested. 1 not tested" in str(Report("bias", (UNTESTED,)))


def test_parts():
    report = Report("bias", (PASSED, UNTESTED, WARNED, FAILED))
    assert (report.failures, report.warnings, report.not_tested) == ((FAILED,), (WARNED,), (UNTESTED,))
    assert report.diagnosis == "cache offset ignored" and Report("bias", (PASSED,)).diagnosis is None
    assert Report("bias", (Finding("a", "failed", ""),)).diagnosis == "a"
    assert report["float64"] is WARNED
    with pytest.raises(KeyError) as refusal:
        report["float65"]
    assert "'float65' is no check of conformance.bias; there are ['norm kept', 'packed" in str(refusal.value)


def test_raise_if_failed():
    good, bad = Report("bias", (PASSED,)), Report("bias", (FAILED,))
    assert good.raise_if_failed() is good
    with pytest.raises(AssertionError) as failure:
        bad.raise_if_failed()
    assert str(failure.value) == str(bad)


class Tags(HTMLParser):
    """Opened and closed tags, and the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.colours = [], [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.colours += re.findall(r"border-left:4px solid (#\w{6})", dict(attributes).get("style", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html():
    parser = Tags()
    page = Report("rotation", (PASSED, FAILED, WARNED, UNTESTED), {"layout": "<half>"})._repr_html_()
    parser.feed(page)
    assert parser.open == []
    # The worst comes first, for the whole report; then each finding in its own.
    assert parser.colours == ["#d1495b", "#2e9e5b", "#d1495b", "#c98a1b", "#8a8f98"]
    text = " ".join("".join(parser.text).split())
    for part in ("Failed: cache offset ignored", "conformance.rotation: 1 failed", "layout: <half>",
                 "A step is off by <0.3>.",
                 "Expected: the same", "Effect: Text differs.", "Mend: Take the position.",
                 "Not tested: packed equals"):  # fmt: skip
        assert part in text, part
    assert html.escape("<0.3>") in page and page.count('role="note"') == 1
    assert "color:inherit" in page and not re.search(r"[^-]color:#", page), "text keeps the page's own contrast"


def test_html_word_by_word():
    """The whole of a page, so that no tag or style is lost."""
    page = Report("bias", (PASSED, WARNED), {"kind": "line", "heads": 2})._repr_html_()
    left = "color:inherit;padding:{};margin:0.5em 0;max-width:46em;overflow-wrap:break-word"
    assert page == (
        '<div role="note" style="border-left:4px solid #c98a1b;background:#c98a1b14;'
        + left.format("0.5em 0.9em")
        + '">'
        '<p style="margin:0"><strong>Passed</strong> '
        '<span style="opacity:0.85">conformance.bias: 1 warning, 1 passed</span></p>'
        '<p style="margin:0.4em 0 0">kind: line; heads: 2</p>'
        '<div style="border-left:4px solid #2e9e5b;' + left.format("0.1em 0.7em") + '">'
        '<p style="margin:0"><strong>Passed: norm kept</strong> Lengths change by 1e-07.</p></div>'
        '<div style="border-left:4px solid #c98a1b;' + left.format("0.1em 0.7em") + '">'
        '<p style="margin:0"><strong>Warning: float64 keeps float32&#x27;s angles</strong> '
        '<span style="opacity:0.85">(float64)</span> Off by 1e-05.</p></div></div>'
    )
    assert Report("bias", (UNTESTED,))._repr_html_().count("<p") == 2, "no paragraph for facts that are none"


def test_html_of_a_good_one_is_green():
    parser = Tags()
    parser.feed(Report("rotation", (PASSED, UNTESTED))._repr_html_())
    assert parser.colours[0] == "#2e9e5b"


@pytest.mark.parametrize("call", ["rotation", "bias", "attention"])
def test_plain_data(call):
    """Of a real report: JSON takes it, and nothing is lost."""
    fns = {
        "rotation": lambda x, positions: x * np.cos(positions[..., None]),
        "bias": lambda m, n: -0.5 * np.abs(m[..., :, None] - n[..., None, :]),
        "attention": lambda q, k, v, m, n, mask: v,
    }
    report = getattr(conformance, call)(fns[call], array="numpy")
    data = json.loads(json.dumps(report.to_dict()))
    assert list(data) == ["suite", "passed", "diagnosis", "facts", "findings"]
    assert (data["suite"], data["passed"], data["diagnosis"]) == (call, report.passed, report.diagnosis)
    assert [Finding(**f) for f in data["findings"]] == list(report.findings)
    assert data["facts"] == report.facts


@pytest.mark.parametrize("call", ["rotation", "bias", "attention"])
def test_when_the_first_call_fails_the_rest_is_not_tested(call):
    def raises(*arguments):
        raise RuntimeError("not this way")

    def right(x, positions):
        return x

    report = getattr(conformance, call)(raises, array="numpy")
    assert report.findings[0].diagnosis == "it cannot be called" and "not this way" in report.findings[0].found
    assert all(f.status == "not tested" and f.found == "The first call failed." for f in report.findings[1:])
    whole = {
        "rotation": lambda: conformance.rotation(right, array="numpy"),
        "bias": lambda: conformance.bias(lambda m, n: 0.0 * (m[:, None] - n), array="numpy"),
        "attention": lambda: conformance.attention(lambda q, k, v, m, n, mask: q, array="numpy"),
    }[call]()
    assert [f.check for f in report.findings] == [f.check for f in whole.findings], (
        "the same checks, whatever becomes of them"
    )


def test_every_check_says_what_it_found():
    """Each failure has a name, an expectation or an effect, and a number or a sentence."""
    report = conformance.rotation(lambda x, positions: x + positions[..., None], array="numpy")
    assert report.failures
    for finding in report.findings:
        assert finding.status in ("passed", "warning", "failed", "not tested")
        assert finding.found.endswith((".", "]")), finding
        assert (finding.diagnosis is not None) == (finding.status in ("failed", "warning")), finding


def test_importing_it_loads_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from posenc_lib import conformance, numpy as pe\n"
        "report = conformance.rotation(lambda x, m: pe.rope(x, m, [1.0, 0.1]), head_dim=4)\n"
        "assert report.passed and report.facts['arrays'] == 'numpy'\n"
        "sys.exit(', '.join({'torch', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=".")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("result", "text"),
    [(lambda x: None, "it returned a value of type NoneType; a NumPy array is expected"),
     (lambda x: "x", "it returned a value of type str; a NumPy array is expected"),
     (lambda x: x * 1j, "it returned dtype complex128; real numbers are expected"),
     (lambda x: x > 0, "it returned dtype bool; real numbers are expected")],
)  # fmt: skip
def test_results_that_are_no_arrays_of_numbers(result, text):
    report = conformance.rotation(lambda x, positions: result(x), array="numpy")
    assert report.diagnosis == "it cannot be called" and text in report.findings[0].found


def test_a_tensor_for_an_array_is_refused():
    import torch

    report = conformance.rotation(lambda x, positions: torch.tensor(x), array="numpy")
    assert "it returned a value of type Tensor; a NumPy array is expected" in report.findings[0].found
    report = conformance.rotation(lambda x, positions: x.numpy(), array="torch")
    assert "it returned a value of type ndarray; a torch tensor is expected" in report.findings[0].found
