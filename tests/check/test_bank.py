"""How a name is found, on an exercise of one line: double a number."""

import numpy as np
import pytest

from posenc_lib.check import engine
from posenc_lib.check.exercise import Answer, Case, Exercise, Mistake


def double(x, *, factor=2.0, offset=0.0, condition=1.0):
    return Answer(factor * x + offset, condition)


def exercise(*mistakes, cases=(1.0, 2.0, 3.0), stages=("values", "values", "values")):
    arrays = [np.array([case, case + 0.5]) for case in cases]
    return Exercise(
        method="double",
        parameters=("x",),
        cases=tuple(Case(stage, (x,), f"x = {x.tolist()}") for stage, x in zip(stages, arrays, strict=True)),
        formula=double,
        mistakes=mistakes,
        hints={"unknown": ("Look.", "Think.", "Say.")},
    )


TRIPLED = Mistake("tripled", "unknown", "It is tripled.", {"factor": 3.0})
SHIFTED = Mistake("shifted", "unknown", "It is shifted.", {"offset": 1.0})


@pytest.mark.parametrize(
    ("fn", "diagnosis"),
    [
        (lambda x: 2 * x, None),
        (lambda x: 3 * x, "tripled"),
        (lambda x: 2 * x + 1, "shifted"),
        (lambda x: 3 * x + 1, "tripled, and shifted"),
        (lambda x: 3 * x + 3e-7, "tripled, and single precision"),
        (lambda x: 4 * x, "unknown mistake"),
        (lambda x: np.where(x > 2.9, 2 * x, 3 * x), "unknown mistake"),
    ],
)
def test_one_mistake_two_or_none_that_is_known(fn, diagnosis):
    assert engine.run(exercise(TRIPLED, SHIFTED), fn).diagnosis == diagnosis


def test_a_tolerance_so_wide_that_the_right_answer_fits_names_nothing():
    vague = Mistake("vague", "unknown", "Anything.", {"factor": 3.0, "condition": 1e30})
    assert engine.run(exercise(vague), lambda x: 2.1 * x).diagnosis == "unknown mistake"


def test_nan_everywhere_names_nothing():
    broken = Mistake("broken", "unknown", "It is nan.", {"factor": np.nan})
    report = engine.run(exercise(broken), lambda x: x * np.nan)
    assert report.diagnosis == "values that are not finite"


def test_nan_in_a_later_case_can_be_named():
    overflowing = Mistake("overflows", "unknown", "It overflows.", {"offset": _nan_above_three()})
    report = engine.run(exercise(TRIPLED, overflowing), lambda x: np.where(x >= 3, np.nan, 2 * x))
    assert report.diagnosis == "overflows"


def _nan_above_three():
    class Above:
        """An offset that depends on x, as an overflow does."""

        __array_ufunc__ = None

        def __radd__(self, doubled):
            return np.where(doubled >= 6, np.nan, doubled)

    return Above()


def test_an_error_after_right_answers_is_not_blamed_on_a_mistake():
    """Where all values that came back are right, the error itself is the news."""
    seen = Mistake("seen only above 2", "unknown", "No.", {"offset": _nan_above_three()})

    def fn(x):
        if x[0] > 2.9:
            raise ValueError("too large")
        return 2 * x

    assert engine.run(exercise(seen), fn).diagnosis == "your function raised an error"


def test_the_first_failing_stage_gives_the_name_when_a_later_one_has_trouble_of_its_own():
    def fn(x):
        return 3 * x if x[0] < 2.9 else 5 * x

    staged = exercise(TRIPLED, stages=("values", "values", "later"))
    assert engine.run(staged, fn).diagnosis == "tripled"
