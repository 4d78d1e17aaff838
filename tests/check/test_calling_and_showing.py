"""How a reader's function is called and quoted, which library it speaks, and how a report looks."""

import functools
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import softmax

from posenc_lib import numpy as pe
from posenc_lib import torch as pe_torch
from posenc_lib.check import arrays, calling, picture, shadowed
from posenc_lib.check.exercise import Case
from posenc_lib.check.report import Report
from posenc_lib.torch import rope as turn

# ---------------------------------------------------------------- which library


class Named:
    """Something that tells a module that is no text."""

    __module__ = None

    def by_numpy(self, x):
        return np.sin(x)

    def by_torch(self, x):
        return torch.sin(x)


named, torches, like_torch = Named(), Named(), Named()
torches.__module__ = "torchvision"


@pytest.mark.parametrize(
    ("fn", "speaks"),
    [
        (lambda x: torch.sin(x), True),
        (lambda x: F.relu(x), True),
        (lambda x: softmax(x, dim=0), True),
        (lambda x: pe_torch.rope(x, [0], [1.0]), True),
        (lambda x: turn(x, [0], [1.0]), True),
        (named.by_torch, True),
        (named.by_numpy, False),
        (lambda x: np.sin(x), False),
        (lambda x: pe.rope(x, [0], [1.0]), False),
        (lambda x: (named, x), False),
        (lambda x: (torches, x), False),
        (lambda x: math.sin(x), False),
        (lambda x: unknown(x), False),  # noqa: F821 (a name that nothing has)
        (lambda x: x, False),
        (functools.partial(torch.add, 1), False),
        (len, False),
    ],
)
def test_the_library_of_the_code_comes_first(fn, speaks):
    assert arrays.preferred(fn) == (("torch", "NumPy") if speaks else ("NumPy", "torch"))


def test_without_torch_there_is_numpy_alone(monkeypatch):
    monkeypatch.setattr(arrays, "torch", lambda: None)
    assert arrays.preferred(lambda x: torch.sin(x)) == ("NumPy",)
    assert not arrays.is_tensor(torch.ones(1))


def test_what_is_a_number_an_array_or_a_tensor():
    for value in (3, 2.5, np.float32(2), np.arange(2), torch.arange(2), torch.ones(2, dtype=torch.bfloat16)):
        assert np.array_equal(arrays.to_numpy(value), np.asarray(torch.as_tensor(value).float().numpy()))
    assert arrays.to_numpy(torch.tensor([1j]).conj().imag).tolist() == [-1]
    assert arrays.to_numpy(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]
    assert arrays.to_numpy(torch.ones(2, 3, device="meta")).shape == (2, 3)
    for value in (True, "1", None, [1], {"a": 1}):
        assert arrays.to_numpy(value) is None
    assert [arrays.dtype_name(x) for x in (1.0, np.float16(1), torch.ones(1))] == ["float64", "float16", "float32"]
    assert [arrays.is_real_tensor(x) for x in (torch.ones(1), torch.arange(2), np.ones(1))] == [True, False, False]


def test_an_argument_is_copied():
    value = np.arange(3.0)
    for library in ("NumPy", "torch"):
        copy = arrays.convert(value, library)
        copy += 1
        assert value.tolist() == [0, 1, 2] and arrays.is_tensor(copy) == (library == "torch")
        assert arrays.convert("text", library) == "text"


# ---------------------------------------------------------------- quoting an error


def first_line(*_):
    raise ValueError


class Methods:
    def fails(self):
        text = "no"
        raise ValueError(text)

    def stub(self):
        """To be written."""


def outside():
    Methods().fails()


def error_of(fn):
    try:
        fn()
    except Exception as error:  # noqa: BLE001 (each is wanted)
        return error
    raise AssertionError(fn)


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (first_line, "ValueError in line 2 of your function"),
        (Methods().fails, "ValueError in line 3 of your function: no"),
        (outside, "ValueError in line 2 of your function: no"),
        (functools.partial(int, "x"), "ValueError: invalid literal for int() with base 10: 'x'"),
    ],
)
def test_an_error_has_its_line(fn, told):
    assert calling.describe_error(fn, error_of(fn)) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\n  b", "Error: a b"),
        ("", "Error"),
        ("x" * 301, "Error: " + "x" * 300),
        ("<f at 0x7fA0> is", "Error: <f> is"),
        ("<f 0x7fA0> is", "Error: <f> is"),
        ("in /home/me/book.py and C:\\me\\book.py, 1/2", "Error: in (a file) and (a file), 1/2"),
    ],
)
def test_an_error_is_told_without_addresses_and_paths(text, told):
    error = type("Error", (Exception,), {})(text)
    assert calling.describe_error(len, error) == told


def test_a_method_may_be_a_stub_and_an_object_is_none():
    assert calling.is_stub(Methods().stub) and calling.is_stub(lambda: None)
    assert not calling.is_stub(Methods().fails) and not calling.is_stub(functools.partial(int))


def test_a_keyword_is_taken_by_name():
    def fn(a, /, base, *rest, other=1): ...

    assert [calling.accepts(fn, name) for name in ("a", "base", "rest", "other", "more")] == [0, 1, 0, 1, 0]
    assert calling.accepts(lambda **options: 0, "more")
    fn.__signature__ = "unknown"
    assert not calling.accepts(fn, "base")


def test_what_a_call_records():
    exercise = type("Exercise", (), {"parameters": ("x",), "differentiable": False})
    outcome = calling.call(exercise, lambda x: x + 1, Case("values", (np.ones(1),), ""), "torch")
    assert (outcome.library, outcome.dtype, outcome.real, outcome.error) == ("torch", "float64", True, None)
    assert not outcome.device_moved and not outcome.detached and outcome.changed == ""


# ---------------------------------------------------------------- names that hide others


@pytest.mark.parametrize(
    ("name", "again"),
    [("np", "import numpy as np"), ("numpy", "import numpy"), ("torch", "import torch"), ("math", "import math")],
)
def test_a_hidden_module_is_imported_again(name, again):
    def used(x):
        return hidden(x)  # noqa: F821 (given below)

    code = used.__code__.replace(co_names=(name,))
    fn = type(used)(code, {name: 3.5})
    said = f"The name {name} holds a value of type float by now, not the module: something was assigned to it. Rename "
    assert shadowed.tell(fn, TypeError("no")) == said + f"that, and run {again} again."
    assert shadowed.tell(fn, ValueError("no")) == ""
    local = UnboundLocalError(f"cannot access local variable '{name}'")
    assert shadowed.tell(fn, local) == (
        f"Something inside the function is called {name} too, which hides the module {name} there. Give it another "
        "name."
    )
    assert shadowed.tell(fn, UnboundLocalError("'x'")) == ""


def test_a_method_and_an_object_are_looked_at_too():
    class Reader:
        def read(self, x):
            return values(x)  # noqa: F821 (given below)

    read = type(Reader.read)(Reader.read.__code__, {"values": [1]})
    bound = read.__get__(Reader())
    said = "The name values holds a value of type list by now. If a function of yours is meant, the value needs "
    assert shadowed.tell(bound, TypeError("'list' object is not callable")) == said + "another name."
    assert shadowed.tell(functools.partial(int), TypeError("not callable")) == ""


# ---------------------------------------------------------------- pictures


def test_a_picture_is_exactly_this():
    error, tolerance = np.array([[0.0, 1e-2], [1.0, np.nan], [1e-4, 1e-4]]), np.full((3, 2), 1e-4)
    assert picture.draw(error, tolerance, lambda row: f"row <{row}>", "pair") == (
        '<svg role="img" aria-label="Error by row and pair: 3 of 6 cells are wrong." width="200" height="68" '
        'viewBox="0 0 200 68" style="display:block;margin:0.5em 0;max-width:100%" fill="currentColor" font-size="11" '
        'font-family="sans-serif"><title>Error by row and pair: 3 of 6 cells are wrong.</title>'
        '<text x="84" y="14">pair 0 to 1</text>'
        '<text x="78" y="33" text-anchor="end">row &lt;0&gt;</text>'
        '<text x="78" y="61" text-anchor="end">row &lt;2&gt;</text>'
        + cell(84, 22)
        + cell(98, 22, "0.62")
        + cell(84, 36, "1.00")
        + cell(98, 36, "1.00")
        + cell(84, 50)
        + cell(98, 50)
        + "</svg>"
    )


def cell(x, y, strength=None):
    fill = 'fill="none"' if strength is None else f'fill="#d1495b" fill-opacity="{strength}"'
    return f'<rect x="{x}" y="{y}" width="13" height="13" {fill} stroke="currentColor" stroke-opacity="0.35"/>'


@pytest.mark.parametrize(("wrong", "first"), [(0, 0), (2, 0), (5, 3), (30, 24), (39, 24)])
def test_of_a_large_picture_the_part_with_the_first_error_is_shown(wrong, first):
    error = np.zeros((40, 20))
    error[wrong:, 3] = 1.0
    drawn = ET.fromstring(picture.draw(error, np.full(error.shape, 0.5), str, "column"))
    texts = [each.text for each in drawn.iter("text")]
    assert texts == ["column 0 to 15", str(first), str(first + 15)]
    assert len(list(drawn.iter("rect"))) == 16 * 16
    assert (drawn.get("width"), drawn.get("height")) == ("316", "250")
    assert drawn.get("aria-label").endswith(f"{40 - wrong} of 800 cells are wrong.")
    filled = [(int(each.get("x")), int(each.get("y"))) for each in drawn.iter("rect") if each.get("fill") != "none"]
    assert filled == [(84 + 3 * 14, 22 + 14 * row) for row in range(wrong - first, 16)]


@pytest.mark.filterwarnings("error")
def test_how_full_a_cell_is():
    error = np.array([[0.0, 1e-8, 1e-6, 1e-4, np.inf]])
    for tolerance in (1e-10, 0.0):
        wrong = ~(error <= tolerance)
        strengths = picture._strengths(error, np.full(error.shape, tolerance), wrong)[0]
        floor = tolerance or 1e-300
        most = np.log10(1e-4 / floor)
        expected = [0, *(0.25 + 0.75 * np.log10(e / floor) / most for e in (1e-8, 1e-6, 1e-4)), 1]
        np.testing.assert_allclose(strengths, expected)
    alike = picture._strengths(np.full((1, 2), np.nan), np.ones((1, 2)), np.array([[True, False]]))
    assert alike.tolist() == [[1, 0]]
    barely = picture._strengths(np.ones((1, 1)), np.ones((1, 1)), np.array([[True]]))
    assert barely.tolist() == [[0.25]]


# ---------------------------------------------------------------- the report


HINTS = ("look", "think", "say <it>")


def test_a_report_in_html_is_exactly_this():
    report = Report("m<n", "failed", "values", "a<b", "one <i>\ntwo", "three\nfour", HINTS, "<svg></svg>")
    paragraph = '<p style="margin:0.4em 0 0">{}</p>'.format
    hint = '<details style="margin:0.4em 0 0"><summary>Hint {}: {}</summary>{}</details>'.format
    assert report._repr_html_() == (
        '<div role="note" style="border-left:4px solid #d1495b;background:#d1495b14;color:inherit;padding:0.5em 0.9em;'
        'margin:0.5em 0;max-width:46em"><p style="margin:0"><strong>Not yet: a&lt;b</strong> '
        '<span style="opacity:0.85">check.m&lt;n</span></p>'
        + "".join(map(paragraph, ("one &lt;i&gt;", "two", "three", "four")))
        + "<svg></svg>"
        + hint(1, "where to look", paragraph("look"))
        + hint(2, "which quantity", paragraph("think"))
        + hint(3, "the formula in words", paragraph("say &lt;it&gt;"))
        + "</div>"
    )
    passed = Report("m", "passed", hints=HINTS)._repr_html_()
    assert "Passed" in passed and "Hint" not in passed and "#2e9e5b" in passed
    waiting = Report("m", "not started", diagnosis="never shown", hints=HINTS)._repr_html_()
    assert "<strong>Nothing to check yet</strong>" in waiting and "Hint 3" in waiting and "#8a8f98" in waiting


def test_a_report_in_text_is_92_wide():
    words = "ab " * 40
    report = Report("m", "failed", "values", "d", words, "x" * 100, HINTS)
    assert str(report).split("\n") == [
        "check.m: Not yet: d",
        "  " + ("ab " * 30).rstrip(),
        "  " + ("ab " * 10).rstrip(),
        "  " + "x" * 100,
        "  For a hint: report.hint(1), up to report.hint(3).",
    ]
    assert str(Report("m", "passed", hints=HINTS)) == "check.m: Passed"
    assert str(Report("m", "failed", diagnosis="d")) == "check.m: Not yet: d"
    edge = Report("m", "failed", "values", "d", "a" * 45 + " " + "b" * 45)  # 2 + 91 is one too many
    assert str(edge).split("\n")[1:] == ["  " + "a" * 45, "  " + "b" * 45]


def test_hints_have_numbers_from_one():
    report = Report("m", "failed", "values", "d", hints=HINTS)
    assert [str(report.hint(level)) for level in (1, 2, 3)] == list(HINTS)
    for level in (0, 4, -1):
        with pytest.raises(ValueError, match=f"^hint: level must be 1 to 3, got {level}.$"):
            report.hint(level)
    assert str(Report("m", "failed", message="All.").hint(7)) == "The message says all there is to say: All."
    assert str(Report("m", "passed", hints=HINTS).hint(7)) == "Nothing to hint at: the check passed."
