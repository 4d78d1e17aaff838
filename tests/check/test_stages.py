"""Every stage of a check, word by word, on an exercise of one line: twice x, plus y."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from posenc_lib.check import engine
from posenc_lib.check.exercise import Answer, Case, Exercise, Mistake, mistakes
from posenc_lib.check.report import Report


def formula(x, y, *, factor=2.0, offset=0.0, take=lambda values: values):
    return Answer(take(factor * x + y + offset))


BANK = mistakes(
    ("tripled", "factor", "It is tripled.", {"factor": 3.0}),
    ("shifted", "offset", "It is shifted.", {"offset": 1.0}),
    ("cut", "cut", "The last is cut off.", {"take": lambda values: values[:-1]}),
)
EXERCISE = Exercise(
    method="double",
    parameters=("x", "y"),
    cases=(
        Case("values", (np.array([1.0, 2.0]), 0.0), "x = [1, 2]"),
        Case("values", (np.array([3.0, 4.0, 5.0]), 1.0), "x = [3, 4, 5]"),
        Case("later", (np.array([6.0, 7.0]), 2.0), "x = [6, 7]"),
        Case("last", (np.array([8.0, 9.0]), 3.0), "x = [8, 9]"),
    ),
    formula=formula,
    mistakes=BANK,
    hints={
        area: tuple(f"{area} {n}" for n in (1, 2, 3))
        for area in ("unknown", "factor", "shape", "precision", "last", "odd")
    },
    precision_note="Digits are dear.",
    stage_notes={"later": "These are larger.", "values": "These are small."},
)
FIRST = "Smallest failing input: x = [1, 2]."
UNKNOWN = "values are wrong, in a way that this checker has no name for."


def failed(stage, diagnosis, message, detail="", area=""):
    hints = EXERCISE.hints.get(area, EXERCISE.hints["unknown"]) if area else ()
    return Report("double", "failed", stage, diagnosis, message, detail, hints)


def first_wrong(cell, got, expected, share, text):
    said = f"First wrong value, cell ({cell},): got {got}, expected {expected}; {share} are wrong."
    return f"{said}\nSmallest failing input: x = {text}."


# ---------------------------------------------------------------- the signature


def annotated(x: int, z, *, w=EXERCISE, v=3, u: str = "a") -> float:
    return x


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (
            0.5,
            "check.double takes the function itself, which it calls as fn(x, y); it was given a value of type float. "
            "Pass the name without parentheses.",
        ),
        (
            lambda y, x, z=0: 0,
            "It is called as fn(x, y); yours takes the arguments in another order: (y, x, z).",
        ),
        (
            lambda x: 0,
            "It is called as fn(x, y); yours is fn(x), which does not fit: too many positional arguments.",
        ),
        (
            lambda x, y, z, *, w=EXERCISE, v=3, u="a": 0,
            "It is called as fn(x, y); yours is fn(x, y, z, *, w=..., v=3, u='a'), which does not fit: missing a "
            "required argument: 'z'.",
        ),
    ],
)
def test_a_signature_that_does_not_fit(fn, said):
    assert engine.run(EXERCISE, fn) == failed("signature", "wrong signature", said)


def test_annotations_are_left_out():
    import inspect

    assert engine.signature_text(inspect.signature(annotated)) == "(x, z, *, w=..., v=3, u='a')"


def test_a_function_that_does_not_tell_its_signature_is_called():
    def right(x, y):
        return 2 * x + y

    right.__signature__ = "unknown"
    assert engine.run(EXERCISE, right).passed
    asked = replace(EXERCISE, cases=(*EXERCISE.cases, Case("base", (np.ones(2), 0.0), "", {"base": 3})))
    assert engine.run(asked, right).message == "Your function agrees with the formula in all 4 cases."


# ---------------------------------------------------------------- what comes back


def raises_at(size, error, otherwise=2.0):
    def fn(x, y):
        if x[0] >= size:
            raise error
        return otherwise * x + y

    return fn


def no_return(x, y):
    x = x + y


def writes(x, y):
    y = 2 * x + y
    x += 1
    return y


RAISED = "Your function raised ValueError in line 3 of your function: no"
WORKED = f"{RAISED}\nSimpler inputs worked."


@pytest.mark.parametrize(
    ("fn", "report"),
    [
        (
            lambda x, y: ...,
            Report(
                "double",
                "not started",
                "returns",
                None,
                "Your function does not return anything yet. Fill in its body and run this cell again; it will be "
                "called as fn(x, y).",
                hints=EXERCISE.hints["unknown"],
            ),
        ),
        (
            raises_at(0, ValueError("no")),
            failed("call", "your function raised an error", RAISED, FIRST, "unknown"),
        ),
        (
            raises_at(3, ValueError("no")),
            failed("call", "your function raised an error", f"{WORKED} These are small.", FIRST[:-7] + "[3, 4, 5].",
                   "unknown"),
        ),
        (
            raises_at(6, ValueError("no")),
            failed("call", "your function raised an error", f"{WORKED} These are larger.", FIRST[:-7] + "[6, 7].",
                   "later"),
        ),
        (
            raises_at(8, ValueError("no")),
            failed("call", "your function raised an error", WORKED, FIRST[:-7] + "[8, 9].", "last"),
        ),
        (
            no_return,
            failed("returns", "it returned None", "Your function ran and returned None. Is a return missing at its "
                   "end?", FIRST),
        ),
        (
            lambda x, y: (x, y),
            failed("kind", "not an array of real numbers", "Your function returned a value of type tuple; one array is "
                   "expected.", FIRST),
        ),
        (
            lambda x, y: 1j * x,
            failed("kind", "not an array of real numbers", "Your function returned complex numbers; real ones are "
                   "expected: take real or imaginary parts.", FIRST),
        ),
        (
            lambda x, y: x > 0,
            failed("kind", "not an array of real numbers", "Your function returned dtype bool; real numbers are "
                   "expected.", FIRST),
        ),
        (
            lambda x, y: 2 * x[:, None] + y,
            failed("shape", "wrong shape", "The result has shape (2, 1); (2,) is expected. These are small.", FIRST,
                   "shape"),
        ),
        (
            lambda x, y: 2 * x[:-1] + y,
            failed("shape", "cut", "The last is cut off.", "The result has shape (1,); (2,) is expected.\n" + FIRST,
                   "cut"),
        ),
        (
            writes,
            failed("mutation", "an input was changed", "Your function wrote into its argument `x`, which belongs to "
                   "the caller. Watch for +=, *=, out= and assignments to slices; make a new array instead.", FIRST),
        ),
        (
            lambda x, y: (2 * x + y).astype(np.float16),
            failed("dtype", "the result is float16", "The result has dtype float16; float64 is expected. Half "
                   "precision cannot hold what is computed here: in bfloat16, 256 and 257 are one number, in float16, "
                   "2048 and 2049.", FIRST),
        ),
        (
            lambda x, y: (2 * x + y).astype(np.float32),
            failed("dtype", "the result is float32", "The result has dtype float32; float64 is expected. Float64 went "
                   "in, so half of its digits were dropped on the way.", FIRST),
        ),
        (
            lambda x, y: (2 * x + y).astype(np.uint8),
            failed("dtype", "the result is uint8", "The result has dtype uint8; float64 is expected. Integers cut the "
                   "digits after the point: was the result array made with an integer dtype?", FIRST),
        ),
        (
            lambda x, y: torch.empty(2, device="meta"),
            failed("device", "the result is on another device", "", FIRST),
        ),
    ],
)  # fmt: skip
def test_what_comes_back_is_told(fn, report):
    if report.stage == "device":  # a meta tensor answers to torch's input alone
        seen = engine.run(replace(EXERCISE, narrower=True), lambda x, y: x.new_empty(x.shape, device="meta"))
        message = "The result is on meta, the input is elsewhere; build new tensors with device=input.device."
        assert seen == replace(report, message=message)
    else:
        assert engine.run(EXERCISE, fn) == report


def test_a_shape_that_the_exercise_knows_is_told():
    known = replace(EXERCISE, tell_shape=lambda expected, got: ("a column", f"{got} for {expected}."), stage_notes={})
    report = engine.run(known, lambda x, y: 2 * x[:, None] + y)
    message = "The result has shape (2, 1); (2,) is expected. (2, 1) for (2,)."
    assert report == failed("shape", "a column", message, FIRST, "shape")


SCALAR = replace(
    EXERCISE,
    cases=(Case("values", (1.0, 0.0), "x = 1"), Case("values", (2.0, 0.5), "x = 2")),
    formula=lambda x, y, **knobs: Answer(np.asarray(formula(x, y, **knobs).values)),
    mistakes=(),
    scalar=True,
)


def test_a_number_is_asked_for():
    report = engine.run(SCALAR, lambda x, y: (2 * x + y,))
    assert report.message == "Your function returned a value of type tuple; a number is expected."
    assert engine.run(SCALAR, lambda x, y: int(2 * x + y)).detail == (
        "Got 4, expected 4.5.\nSmallest failing input: x = 2."
    )
    assert engine.run(SCALAR, lambda x, y: 2 * x + y).passed


def test_whole_numbers_may_be_integers():
    def fn(x, y):
        return (2 * x + y).astype(int)

    assert engine.run(EXERCISE, fn).stage == "dtype" and engine.run(replace(EXERCISE, whole=True), fn).passed


def test_a_gradient_is_asked_for_where_the_exercise_has_one():
    case = Case("gradient", (np.array([1.0, 2.0]), 0.0), "x = [1, 2], with a gradient")
    asked = replace(EXERCISE, cases=(*EXERCISE.cases, case), differentiable=True)
    assert engine.run(asked, lambda x, y: torch.add(2 * x, y)).message.endswith("in all 5 cases.")
    assert engine.run(asked, lambda x, y: 2 * x + y).message.endswith("in all 4 cases.")
    wanted = []

    def cuts(x, y):
        wanted.append(x.requires_grad)
        return torch.add(2 * x, y).detach()

    assert engine.run(asked, cuts) == failed(
        "gradient",
        "no gradient flows back",
        "The values are right, but no gradient flows back to the inputs, so nothing could be trained through this. "
        "Watch for .detach(), .numpy(), .item() and torch.tensor(...) on the way.",
        "Smallest failing input: x = [1, 2], with a gradient.",
    )
    assert wanted[-5:] == [False] * 4 + [True]
    wanted.clear()
    assert engine.run(replace(asked, differentiable=False), cuts).passed and not any(wanted)


def test_the_library_is_that_of_the_first_case():
    mixed = replace(EXERCISE, cases=(EXERCISE.cases[0], *SCALAR.cases))
    assert engine.run(mixed, lambda x, y: x.mul(2).add(y) if torch.is_tensor(x) else 2 * x + y).passed


# ---------------------------------------------------------------- values


def wrong_from(size, fn):
    return lambda x, y: np.where(x >= size, fn(x, y), 2 * x + y)


@pytest.mark.parametrize(
    ("fn", "report"),
    [
        (
            lambda x, y: 3 * x + y,
            failed("values", "tripled", "It is tripled.", first_wrong(0, 3, 2, "2 of 2", "[1, 2]"), "factor"),
        ),
        (
            lambda x, y: 3 * x + y + 1,
            failed("values", "tripled, and shifted", "Two mistakes together give exactly your values.\n1. It is "
                   "tripled.\n2. It is shifted.", first_wrong(0, 4, 2, "2 of 2", "[1, 2]"), "factor"),
        ),
        (
            lambda x, y: (2 * x + y) * (1 + 1e-8),
            failed("values", "single precision", "The values come as float64 but are right to about seven digits only, "
                   "as if a part of the work had been done in float32. Digits are dear.",
                   first_wrong(0, "2.00000002", 2, "2 of 2", "[1, 2]"), "precision"),
        ),
        (
            lambda x, y: (3 * x + y) * (1 + 1e-8),
            failed("values", "tripled, and single precision", "It is tripled.\nBesides, the values are right to about "
                   "seven digits only, as if a part of the work had been done in float32. Digits are dear.",
                   first_wrong(0, 3, 2, "2 of 2", "[1, 2]"), "factor"),
        ),
        (
            lambda x, y: 2 * x + y + np.pi,
            failed("values", "unknown mistake", "Some " + UNKNOWN, first_wrong(0, "5.142", 2, "2 of 2", "[1, 2]"),
                   "values"),
        ),
        (
            wrong_from(7, lambda x, y: 0 * x),
            failed("later", "unknown mistake", f"Simpler inputs worked; here some {UNKNOWN}\nThese are larger.",
                   first_wrong(1, 0, 16, "1 of 2", "[6, 7]"), "later"),
        ),
        (
            wrong_from(9, lambda x, y: 0 * x),
            failed("last", "unknown mistake", "Some " + UNKNOWN, first_wrong(1, 0, 21, "1 of 2", "[8, 9]"), "last"),
        ),
        (
            wrong_from(2, lambda x, y: np.inf * x),
            failed("finite", "values that are not finite", "Some values are not finite (nan or inf). Look for a "
                   "division by zero, for a logarithm of zero, for exp of a large number.",
                   first_wrong(1, "inf", 4, "1 of 2", "[1, 2]"), "unknown"),
        ),
        (
            raises_at(6, ValueError("no"), otherwise=3.0),
            failed("values", "tripled", "It is tripled.", first_wrong(0, 3, 2, "2 of 2", "[1, 2]"), "factor"),
        ),
    ],
)  # fmt: skip
def test_wrong_values_are_told(fn, report):
    assert engine.run(EXERCISE, fn) == report


def test_an_error_that_a_mistake_explains_has_its_name():
    """What came back in the stage of the error is tripled from its second case on."""
    cases = (EXERCISE.cases[0], *EXERCISE.cases[2:])
    staged = replace(EXERCISE, cases=tuple(replace(case, stage="values") for case in cases))
    fn = raises_at(0, ValueError("no"))

    def later(x, y):
        return fn(x, y) if x[0] == 1 else 3 * x + y

    assert engine.run(staged, later) == failed("values", "tripled", "It is tripled.", FIRST, "factor")


def test_values_that_the_exercise_knows_are_told():
    known = replace(EXERCISE, tell_values=lambda case, values: (f"odd {case.text}", f"{values[0]:g} is odd.", "odd"))
    report = engine.run(known, lambda x, y: 3 * x + y)
    detail = first_wrong(0, 3, 2, "2 of 2", "[1, 2]")
    assert report == failed("values", "odd x = [1, 2]", "3 is odd.", detail, "odd")


def test_what_was_observed_is_told():
    observant = replace(EXERCISE, observe=lambda knobs: f"Seen: {sorted(knobs)}.")
    assert engine.run(observant, lambda x, y: 3 * x + y).message == "It is tripled.\nSeen: ['factor']."


def test_an_error_as_large_as_the_slack_passes_with_a_remark():
    lax = replace(EXERCISE, slack=0.5)
    remark = " It is right up to rounding, with errors below 0.5; the closed form is more exact."
    agrees = "Your function agrees with the formula in all 4 cases."
    assert engine.run(lax, lambda x, y: 2 * x + y + 0.5).message == agrees + remark
    assert not engine.run(lax, lambda x, y: 2 * x + y + 0.53125).passed
    assert engine.run(lax, lambda x, y: 2 * x + y).message == agrees


def test_the_precision_of_the_last_case_is_told():
    narrow = replace(EXERCISE, narrower=True)
    said = "Your function agrees with the formula in all 4 cases. It computes in float32, right to about seven digits."

    def single(of):
        return lambda x, y: (2 * x + y).astype(np.float32 if x[0] in of else np.float64)

    assert engine.run(narrow, single({8})).message == said + " Digits are dear."
    assert "float32" not in engine.run(narrow, single({1, 3, 6})).message


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((1.23456, 2.0), ("1.235", "2")),
        ((1.00001, 1.0), ("1.00001", "1")),
        ((0.1 + 0.2, 0.3), ("0.3", "0.3")),
        ((np.nan, 1.0), ("nan", "1")),
    ],
)
def test_two_numbers_have_as_few_digits_as_tell_them_apart(numbers, texts):
    assert engine._distinct(*numbers) == texts


def test_a_picture_needs_a_grid_and_two_axes():
    def flat(error, allowed):
        return error[None], allowed[None]

    def fn(x, y):
        return 2 * x + y + np.pi

    assert engine.run(EXERCISE, fn).picture == ""
    assert engine.run(replace(EXERCISE, grid=flat), fn).picture == ""
    square = Case("values", (np.ones((2, 2)), 0.0), "ones")
    drawn = replace(EXERCISE, cases=(square,), mistakes=(), grid=lambda error, allowed: (error, allowed))
    assert "Error by row and column: 4 of 4 cells are wrong." in engine.run(drawn, fn).picture
    broken = engine.run(drawn, lambda x, y: x * np.nan)
    assert (broken.diagnosis, broken.picture[:4]) == ("values that are not finite", "<svg")


@pytest.mark.filterwarnings("error")
def test_no_formula_warns():
    broken = Mistake("broken", "factor", "It divides by zero.", {"take": lambda values: values / np.zeros(1)})
    fits = (lambda case, values: Mistake("fit", "factor", "", {"factor": values[0] / np.zeros(1)[0]}),)
    cases = (Case("values", (np.zeros(2), 0.0), "zeros"),)
    warned = replace(EXERCISE, cases=cases, mistakes=(broken,), fits=fits)
    assert not engine.run(warned, lambda x, y: np.float64(1) / x).passed
    assert not engine.run(warned, lambda x, y: x + 1).passed
