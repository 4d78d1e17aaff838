"""The stages that every checker shares, and what a report says and shows."""

import re
import subprocess
import sys
import time
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

from posenc_lib import check
from posenc_lib import numpy as pe
from tests.check.checkers import exercise_of

torch = pytest.importorskip("torch")

CHECKERS = {name: getattr(check, name) for name in check.__all__ if name != "Report"}
EXERCISES = {name: exercise_of(name) for name in CHECKERS}


def swapped(positions, dim):
    return np.roll(pe.sinusoidal(positions, dim).reshape(*np.shape(positions), -1, 2), 1, axis=-1).reshape(
        *np.shape(positions), dim
    )


def nudged(positions, dim):
    return pe.sinusoidal(positions, dim) + 0.01


# ---------------------------------------------------------------- nothing there yet


def dots(positions, dim): ...


def documented(positions, dim):
    """Encode the positions."""


def nothing(positions, dim):
    pass


def none(positions, dim):
    return None


def raising(positions, dim):
    raise NotImplementedError


def raising_with_words(positions, dim):
    theta = np.ones(dim)
    raise NotImplementedError(f"your turn {theta}")


def ellipsis(positions, dim):
    return ...


@pytest.mark.parametrize("fn", [dots, documented, nothing, none, raising, raising_with_words, ellipsis])
def test_a_stub_is_greeted_and_not_failed(fn):
    report = check.sinusoidal(fn)
    assert (report.status, report.passed, report.diagnosis) == ("not started", False, None)
    assert str(report).startswith("check.sinusoidal: Nothing to check yet\n")
    assert "fn(positions, dim)" in report.message


@pytest.mark.parametrize("name", CHECKERS)
def test_every_checker_greets_a_stub(name):
    parameters = ", ".join(EXERCISES[name].parameters)
    report = CHECKERS[name](eval(f"lambda {parameters}: ..."))
    assert report.status == "not started"
    assert f"fn({parameters})" in report.message


def test_a_forgotten_return_is_no_stub():
    def fn(positions, dim):
        angles = np.outer(positions, np.ones(dim))  # noqa: F841

    report = check.sinusoidal(fn)
    assert (report.status, report.diagnosis) == ("failed", "it returned None")
    assert "Is a return missing" in report.message


# ---------------------------------------------------------------- signature, kind, errors

UNPRINTABLE = object()  # its repr has an address


def test_a_value_in_place_of_the_function():
    report = check.sinusoidal(pe.sinusoidal([1, 2], 4))
    assert report.stage == "signature"
    assert "Pass the name without parentheses" in report.message


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (lambda positions: 0, "fn(positions), which does not fit: too many positional arguments"),
        (lambda positions, dim, base: 0, "missing a required argument: 'base'"),
        (lambda dim, positions: 0, "another order: (dim, positions)"),
        (lambda positions, *, dim=UNPRINTABLE: 0, "fn(positions, *, dim=...)"),
    ],
)
def test_a_signature_that_does_not_fit(fn, said):
    report = check.sinusoidal(fn)
    assert report.stage == "signature"
    assert said in report.message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((1, 2), "type tuple; one array"),
        ([[1.0]], "type list; one array"),
        ("sine", "type str"),
        (True, "type bool"),
        (np.array(["a"]), "dtype <U1"),
        (1j * np.ones((3, 4)), "complex numbers"),
        (np.array([None]), "dtype object"),
    ],
)
def test_a_result_that_is_no_array_of_real_numbers(value, said):
    report = check.sinusoidal(lambda positions, dim: value)
    assert report.stage == "kind"
    assert said in report.message


def test_an_error_is_reported_with_its_line_and_input():
    def fn(positions, dim):
        count = len(positions)
        return np.zeros(count) + np.zeros(count + 1)

    report = check.sinusoidal(fn)
    assert report.diagnosis == "your function raised an error"
    assert "ValueError in line 3 of your function: operands could not be broadcast" in report.message
    assert "positions = [0, 1, 2], dim = 4" in report.detail


def test_an_error_in_a_later_stage_says_what_the_stage_is():
    def fn(positions, dim):
        if np.ndim(positions) > 1:
            raise ValueError("no batches")
        return pe.sinusoidal(positions, dim)

    report = check.sinusoidal(fn)
    assert "Simpler inputs worked. Positions may have any shape" in report.message


def test_values_that_are_not_finite():
    def fn(positions, dim):
        return pe.sinusoidal(positions, dim) / np.zeros(dim)

    report = check.sinusoidal(fn)
    assert (report.stage, report.diagnosis) == ("finite", "values that are not finite")


def test_interrupts_pass_through():
    def fn(positions, dim):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.sinusoidal(fn)


# ---------------------------------------------------------------- inputs and surroundings stay as they are


@pytest.mark.parametrize("to", [np.asarray, torch.as_tensor])
def test_a_changed_input_is_seen(to):
    def fn(positions, dim):
        result = pe.sinusoidal(np.asarray(positions).copy(), dim)
        positions += 1
        return to(result)

    report = check.sinusoidal(fn)
    assert report.diagnosis == "an input was changed"
    assert "`positions`" in report.message


def test_a_function_that_spoils_its_input_cannot_spoil_the_next_check():
    def fn(positions, dim):
        positions[...] = 0
        return pe.sinusoidal(positions, dim)

    check.sinusoidal(fn)
    assert check.sinusoidal(pe.sinusoidal).passed


def test_warnings_of_the_readers_code_stay_quiet_and_filters_stay():
    def fn(positions, dim):
        warnings.warn("in some file", stacklevel=1)
        return np.log(np.zeros((len(positions), dim)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        check.sinusoidal(fn)
        assert warnings.filters == before
    assert not caught


def test_the_readers_random_numbers_are_left_alone():
    np.random.seed(3)  # noqa: NPY002 (the global state is what is looked at)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    check.attention(lambda q, k, v: v)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_torch_is_not_loaded_and_not_needed():
    script = (
        "import sys; from posenc_lib import check, numpy as pe\n"
        "assert check.sinusoidal(pe.sinusoidal).passed\n"
        "assert check.attention(lambda q, k, v: v).diagnosis == 'unknown mistake'\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_result_on_another_device_is_seen():
    report = check.attention(lambda q, k, v: torch.zeros_like(v, device="meta"))
    assert report.diagnosis == "the result is on another device"
    assert "The result is on meta" in report.message


# ---------------------------------------------------------------- the report


def test_strict_raises_with_the_whole_text():
    with pytest.raises(AssertionError) as caught:
        check.sinusoidal(swapped, strict=True)
    assert str(caught.value) == str(check.sinusoidal(swapped))
    with pytest.raises(AssertionError, match="Nothing to check yet"):
        check.sinusoidal(dots).raise_if_failed()


def test_strict_returns_the_report_of_a_pass():
    report = check.sinusoidal(pe.sinusoidal, strict=True)
    assert report.passed and report.raise_if_failed() is report


@pytest.mark.parametrize("name", CHECKERS)
def test_every_checker_can_be_strict(name):
    parameters = ", ".join(EXERCISES[name].parameters)
    with pytest.raises(AssertionError):
        CHECKERS[name](eval(f"lambda {parameters}: 0.5"), strict=True)


def test_the_text_is_exactly_this():
    assert str(check.sinusoidal(swapped)) == (
        "check.sinusoidal: Not yet: sine and cosine are swapped\n"
        "  Cosine stands in the even dimensions and sine in the odd ones; the chapter has them the\n"
        "  other way round. At position 0 your code begins 1, 0; the chapter's begins 0, 1.\n"
        "  First wrong value, position 0, column 0 (sine of pair 0): got 1, expected 0; 12 of 12 are\n"
        "  wrong.\n"
        "  Smallest failing input: positions = [0, 1, 2], dim = 4.\n"
        "  For a hint: report.hint(1), up to report.hint(3)."
    )
    assert str(check.sinusoidal(pe.sinusoidal)) == (
        "check.sinusoidal: Passed\n  Your function agrees with the formula in all 14 cases."
    )


def awkward(positions, dim):
    raise ValueError(f"{object()} {awkward} in {__file__} and C:\\Users\\me\\book.py")


@pytest.mark.parametrize("fn", [awkward, swapped, nudged, dots, object(), lambda positions, dim: object()])
def test_no_address_no_path_and_the_same_text_twice(fn):
    text = str(check.sinusoidal(fn)) + check.sinusoidal(fn)._repr_html_()
    assert not re.search(r"0x[0-9a-fA-F]{4}", text)
    assert __file__ not in text and "Users" not in text and "tests/" not in text
    assert text == str(check.sinusoidal(fn)) + check.sinusoidal(fn)._repr_html_()


class _Tags(HTMLParser):
    """Collects tags and attributes, and checks that they nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("fn", [pe.sinusoidal, swapped, nudged, dots])
def test_the_html_is_self_contained(fn):
    html = check.sinusoidal(fn)._repr_html_()
    for tag, attributes in _Tags(html).seen:
        assert tag in {"div", "p", "strong", "span", "details", "summary", "svg", "title", "text", "rect"}
        assert not {"id", "class", "href", "src", "onclick"} & set(attributes)


def test_the_html_takes_its_ink_from_the_page():
    html = check.sinusoidal(nudged)._repr_html_()
    styles = [a.get("style", "") for _, a in _Tags(html).seen]
    assert "color:inherit" in styles[0] and re.search(r"background:#[0-9a-f]{6}14;", styles[0])
    assert not any(re.search(r"(^|;)color:#", style) for style in styles)
    assert 'fill="currentColor"' in html


def test_the_html_escapes_what_the_reader_wrote():
    def fn(positions, dim):
        raise ValueError("<script>alert(1)</script>")

    assert "<script" not in check.sinusoidal(fn)._repr_html_()


def test_a_picture_has_a_cell_for_each_position_and_pair_and_a_name():
    seen = _Tags(check.sinusoidal(nudged)._repr_html_()).seen
    (svg,) = [attributes for tag, attributes in seen if tag == "svg"]
    assert svg["aria-label"] == "Error by row and pair: 6 of 6 cells are wrong."
    assert sum(tag == "rect" for tag, _ in seen) == 3 * 2


def test_a_picture_shows_where_the_first_error_is():
    def late(positions, dim):
        result = pe.sinusoidal(positions, dim)
        result[np.asarray(positions) == 101] += 0.01
        return result

    report = check.sinusoidal(late)
    assert "position 101, column 0" in report.detail
    assert ">position 99</text>" in report.picture and ">position 114</text>" in report.picture
    filled = [a for tag, a in _Tags(report.picture).seen if tag == "rect" and a["fill"] != "none"]
    assert len(filled) == 16


def test_a_named_mistake_needs_no_picture():
    assert check.sinusoidal(swapped).picture == ""


# ---------------------------------------------------------------- hints


def test_hints_come_in_three_levels_and_on_request():
    report = check.sinusoidal(swapped)
    assert [str(report.hint(level)) for level in (1, 2, 3)] == list(report.hints)
    assert report.hint() == report.hint(1)
    assert all(hint not in str(report) for hint in report.hints)
    assert repr(report.hint(1)) == str(report.hint(1))
    with pytest.raises(ValueError, match="level must be 1 to 3"):
        report.hint(4)


def test_a_hint_of_a_pass_and_of_a_message_that_says_it_all():
    assert "passed" in check.sinusoidal(pe.sinusoidal).hint(1)
    assert "Pass the name without parentheses" in check.sinusoidal(3).hint(1)


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_exist_for_every_mistake_and_give_no_code_away(name):
    exercise = EXERCISES[name]
    assert {m.area for m in exercise.mistakes} | {"unknown", "shape"} <= set(exercise.hints)
    for hints in exercise.hints.values():
        assert len(hints) == 3 and len(set(hints)) == 3
        assert all(hint.endswith((".", "?")) for hint in hints)
        for hint in hints:
            assert not re.search(r"\*\*|==|\bnp\.|\^|@", hint), hint
        assert not re.search(r"=(?! \d)|√|/|\d +[+·*]|square root|raised to|times", hints[0]), hints[0]


# ---------------------------------------------------------------- speed


@pytest.mark.parametrize("fn", [pe.sinusoidal, swapped, nudged])
def test_a_check_is_quick(fn):
    check.sinusoidal(nudged)
    best = min(_seconds(fn) for _ in range(3))
    assert best < 0.3


def _seconds(fn):
    start = time.perf_counter()
    check.sinusoidal(fn)
    return time.perf_counter() - start
