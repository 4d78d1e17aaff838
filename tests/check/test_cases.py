"""The inputs that the checkers try: cases.txt holds their stages, what is told of them, and a sum over their numbers.

`CASES=write python -m pytest tests/check/test_cases.py` writes the file anew: read what changed before it is kept.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from posenc_lib import check
from tests.check.checkers import exercise_of

KEPT = Path(__file__).with_name("cases.txt")
METHODS = [name for name in check.__all__ if name != "Report"]


def shown(value):
    """An array's dtype and shape, and a sum in which each place has a weight of its own."""
    if not isinstance(value, np.ndarray):
        return f"{value:g}" if isinstance(value, float) else str(value)
    weights = np.cos(np.arange(value.size)).reshape(value.shape)
    return f"{value.dtype.name}{list(value.shape)} {(value * weights).sum():.6g}"


def lines(method):
    for case in exercise_of(method).cases:
        yield f"{case.stage}: {case.text}"
        yield "    " + "; ".join(map(shown, case.args)) + "".join(f"; {k}={v:g}" for k, v in case.keywords.items())


def test_the_inputs_are_those_that_are_kept():
    text = "\n".join(f"# {method}\n" + "\n".join(lines(method)) + "\n" for method in METHODS)
    if os.environ.get("CASES") == "write":
        KEPT.write_text(text)
    assert text == KEPT.read_text()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_told_of_an_input_is_so(method):
    """Where the text gives an argument's value or shape, the argument has it."""
    exercise = exercise_of(method)
    for case in exercise.cases:
        told = dict(part.split(" = ", 1) for part in re.split(r", (?=[a-z])", case.text) if " = " in part)
        for name, value in zip(exercise.parameters, case.args, strict=True):
            if "..." not in told.get(name, "...") and re.match(r"np\.|[-\d\[]", told[name]):
                assert np.array_equal(eval(told[name], {"np": np}), value), case.text
            if shape := re.search(rf"\b{name}(?:, \w)*(?: and \w)? of shape (\([^)]*\))", case.text):
                assert np.shape(value) == eval(shape[1]), case.text


@pytest.mark.parametrize("method", METHODS)
def test_a_checker_leaves_no_argument_untold_and_repeats_no_input(method):
    texts = [(case.text, case.stage) for case in exercise_of(method).cases]
    assert len(set(texts)) == len(texts) and all(text for text, _ in texts)
