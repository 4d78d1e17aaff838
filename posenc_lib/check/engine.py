"""Run an exercise's cases through the stages, stop at the first failure, and say what it was.

For each case in turn: it returns something → kind and shape → inputs untouched → dtype and device →
finite → values. The cases themselves come in stages too: plain ones first, then other starts, batches, ….
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np

from posenc_lib.check import arrays, bank, calling, picture, shadowed
from posenc_lib.check.calling import Function, Outcome
from posenc_lib.check.exercise import Answer, Case, Exercise
from posenc_lib.check.report import FAILED, NOT_STARTED, PASSED, Report


def run(exercise: Exercise, fn: Function, strict: bool = False) -> Report:
    """Check `fn` against `exercise` and return the Report; with `strict`, raise when it failed."""
    report = _examine(exercise, fn)
    return report.raise_if_failed() if strict else report


def _examine(exercise: Exercise, fn: Function) -> Report:
    problem = _signature(exercise, fn)
    if problem:
        return _failed(exercise, "signature", "wrong signature", problem, area="")
    library = calling.choose_library(exercise, fn, exercise.cases[0])
    cases = [case for case in exercise.cases if _applies(exercise, fn, case, library)]
    outcomes: list[Outcome] = []
    for case in cases:
        outcomes.append(calling.call(exercise, fn, case, library))
        report = _judge(exercise, fn, outcomes[-1], cases)
        if report is not None:
            return report
    return Report(exercise.method, PASSED, message=_praise(exercise, outcomes))


def _applies(exercise: Exercise, fn: Function, case: Case, library: str) -> bool:
    if case.stage == "gradient":
        return library == arrays.TORCH
    return all(calling.accepts(fn, keyword) for keyword in case.keywords)


def _praise(exercise: Exercise, outcomes: Sequence[Outcome]) -> str:
    said = f"Your function agrees with the formula in all {len(outcomes)} cases."
    if not all(_agrees(exercise, outcome) for outcome in outcomes):
        said += f" It is right up to rounding, with errors below {exercise.slack:g}; the closed form is more exact."
    if outcomes[-1].values.dtype == np.float32:
        said += f" It computes in float32, right to about seven digits. {exercise.precision_note}"
    return said.rstrip()


# ---------------------------------------------------------------- before the call


def _signature(exercise: Exercise, fn: Function) -> str:
    """Return what is wrong with the way `fn` is called, or ""."""
    wanted = f"fn({', '.join(exercise.parameters)})"
    if not callable(fn):
        kind = type(fn).__name__
        return (
            f"check.{exercise.method} takes the function itself, which it calls as {wanted}; it was given "
            f"a value of type {kind}. Pass the name without parentheses."
        )
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return ""
    names = list(signature.parameters)
    count = len(exercise.parameters)
    if names[:count] != list(exercise.parameters) and sorted(names[:count]) == sorted(exercise.parameters):
        return f"It is called as {wanted}; yours takes the arguments in another order: ({', '.join(names)})."
    try:
        signature.bind(*exercise.parameters)
    except TypeError as error:
        return f"It is called as {wanted}; yours is fn{signature_text(signature)}, which does not fit: {error}."
    return ""


def signature_text(signature: inspect.Signature) -> str:
    """Return the parameters without annotations and defaults, which may print addresses."""
    plain = [
        p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else _Shown(p.default))
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


class _Shown:
    """A default value that prints itself when short and plain, else as dots."""

    def __init__(self, value: object) -> None:
        self._text = repr(value) if isinstance(value, (int, float, str, bool, type(None))) else "..."

    def __repr__(self) -> str:
        return self._text


# ---------------------------------------------------------------- after the call


def _judge(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    """Return a Report of the first stage that `outcome` fails, or None."""
    if isinstance(outcome.error, NotImplementedError):
        return _not_started(exercise)
    if outcome.error is not None:
        return _raised(exercise, fn, outcome, outcome.error, cases)
    if outcome.raw is Ellipsis or (outcome.raw is None and calling.is_stub(fn)):
        return _not_started(exercise)
    stages = (_returned, _kind, _shape, _untouched, _dtype, _device, _gradient, _values)
    reports = (stage(exercise, fn, outcome, cases) for stage in stages)
    return next((report for report in reports if report is not None), None)


def _raised(
    exercise: Exercise, fn: Function, outcome: Outcome, error: Exception, cases: Sequence[Case]
) -> Report:
    explanation = _explain(exercise, fn, outcome, cases, "float64")
    if explanation is not None and explanation.mistakes:
        return _named(exercise, explanation, outcome.case.stage, _where(outcome.case))
    message = f"Your function raised {calling.describe_error(fn, error)}\n{shadowed.tell(fn, error)}".rstrip()
    if outcome.case is not cases[0]:
        message += f"\nSimpler inputs worked. {exercise.stage_notes.get(outcome.case.stage, '')}".rstrip()
    return _failed(
        exercise, "call", "your function raised an error", message, _where(outcome.case), area=outcome.case.stage
    )


def _returned(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    if outcome.raw is None:
        return _failed(
            exercise,
            "returns",
            "it returned None",
            "Your function ran and returned None. Is a return missing at its end?",
            _where(outcome.case),
            area="",
        )
    return None


def _kind(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    wanted = "a number" if exercise.scalar else "one array"
    kind = type(outcome.raw).__name__
    numbers = outcome.numbers
    if numbers is None:
        message = f"Your function returned a value of type {kind}; {wanted} is expected."
    elif numbers.dtype.kind == "c":
        message = "Your function returned complex numbers; real ones are expected: take real or imaginary parts."
    elif numbers.dtype.kind not in "fiu":
        message = f"Your function returned dtype {numbers.dtype}; real numbers are expected."
    else:
        return None
    return _failed(exercise, "kind", "not an array of real numbers", message, _where(outcome.case), area="")


def _shape(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    expected, got = np.shape(exercise.answer(outcome.case).values), outcome.values.shape
    if expected == got:
        return None
    explanation = _explain(exercise, fn, outcome, cases, outcome.dtype)
    shapes = f"The result has shape {got}; {expected} is expected."
    if explanation is not None:
        return _named(exercise, explanation, "shape", f"{shapes}\n{_where(outcome.case)}")
    name, told = exercise.tell_shape(expected, got) or ("wrong shape", "")
    message = " ".join(filter(None, (shapes, told, exercise.stage_notes.get(outcome.case.stage))))
    return _failed(exercise, "shape", name, message, _where(outcome.case), area="shape")


def _untouched(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    if not outcome.changed:
        return None
    message = (
        f"Your function wrote into its argument `{outcome.changed}`, which belongs to the caller. Watch for "
        "+=, *=, out= and assignments to slices; make a new array instead."
    )
    return _failed(exercise, "mutation", "an input was changed", message, _where(outcome.case), area="")


def _dtype(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    dtype = arrays.dtype_name(outcome.raw)
    if (exercise.scalar or exercise.whole) and outcome.values.dtype.kind in "iu":
        return None  # an int is a number; whether it is the right one, the values say
    if dtype == "float64" or (dtype == "float32" and exercise.narrower):
        return None
    message = f"The result has dtype {dtype}; float64 is expected."
    if dtype in ("float16", "bfloat16"):
        message += (
            " Half precision cannot hold what is computed here: in bfloat16, 256 and 257 are one number, in "
            "float16, 2048 and 2049."
        )
    elif dtype == "float32":
        message += " Float64 went in, so half of its digits were dropped on the way."
    else:
        message += " Integers cut the digits after the point: was the result array made with an integer dtype?"
    return _failed(exercise, "dtype", f"the result is {dtype}", message, _where(outcome.case), area="")


def _device(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    if not (outcome.device_moved and arrays.is_tensor(outcome.raw)):
        return None
    message = (
        f"The result is on {outcome.raw.device}, the input is elsewhere; build new tensors with device=input.device."
    )
    return _failed(exercise, "device", "the result is on another device", message, _where(outcome.case), area="")


def _gradient(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    if not outcome.detached:
        return None
    message = (
        "The values are right, but no gradient flows back to the inputs, so nothing could be trained through "
        "this. Watch for .detach(), .numpy(), .item() and torch.tensor(...) on the way."
    )
    return _failed(exercise, "gradient", "no gradient flows back", message, _where(outcome.case), area="")


# ---------------------------------------------------------------- values


def _agrees(exercise: Exercise, outcome: Outcome) -> bool:
    return bank.agrees(outcome.values, exercise.answer(outcome.case), outcome.dtype)


def _nearly(exercise: Exercise, outcome: Outcome) -> bool:
    return bool(np.all(np.abs(outcome.values - exercise.answer(outcome.case).values) <= exercise.slack))


def _values(exercise: Exercise, fn: Function, outcome: Outcome, cases: Sequence[Case]) -> Report | None:
    dtype = outcome.dtype
    answer = exercise.answer(outcome.case)
    if _agrees(exercise, outcome) or _nearly(exercise, outcome):
        return None
    detail = f"{_first_wrong_cell(exercise, outcome, answer, dtype)}\n{_where(outcome.case)}"
    told = exercise.tell_values(outcome.case, outcome.values)
    if told is not None:
        name, message, area = told
        return _failed(exercise, outcome.case.stage, name, message, detail, area=area)
    explanation = _explain(exercise, fn, outcome, cases, dtype)
    if explanation is not None:
        return _named(exercise, explanation, outcome.case.stage, detail)
    drawing = _picture(exercise, outcome, answer, dtype)
    if not np.all(np.isfinite(outcome.values)):
        message = (
            "Some values are not finite (nan or inf). Look for a division by zero, for a logarithm of zero, "
            "for exp of a large number."
        )
        return _failed(exercise, "finite", "values that are not finite", message, detail, drawing)
    unnamed = "values are wrong, in a way that this checker has no name for."
    message = f"Some {unnamed}"
    if outcome.case is not cases[0] and outcome.case.stage in exercise.stage_notes:
        message = f"Simpler inputs worked; here some {unnamed}\n{exercise.stage_notes[outcome.case.stage]}"
    stage = outcome.case.stage
    return _failed(exercise, stage, "unknown mistake", message, detail, drawing, area=stage)


def _explain(
    exercise: Exercise, fn: Function, failed: Outcome, cases: Sequence[Case], dtype: str
) -> bank.Explanation | None:
    """Run all cases, and look for a name for what they gave."""
    outcomes = [calling.call(exercise, fn, case, failed.library) for case in cases]
    return bank.explain(exercise, outcomes, dtype, failed)


def _named(exercise: Exercise, explanation: bank.Explanation, stage: str, detail: str) -> Report:
    names = [mistake.name for mistake in explanation.mistakes]
    messages = [mistake.message for mistake in explanation.mistakes]
    if len(messages) > 1:
        messages = [f"{number}. {message}" for number, message in enumerate(messages, start=1)]
        messages.insert(0, "Two mistakes together give exactly your values.")
    observed = exercise.observe(explanation.knobs)
    if observed:
        messages.append(observed)
    if explanation.coarse:
        names.append("single precision")
        besides = "Besides, the values" if explanation.mistakes else "The values come as float64 but"
        messages.append(
            f"{besides} are right to about seven digits only, as if a part of the work had been done in float32. "
            f"{exercise.precision_note}".rstrip()
        )
    area = explanation.mistakes[0].area if explanation.mistakes else "precision"
    return _failed(exercise, stage, ", and ".join(names), "\n".join(messages), detail, area=area)


def _first_wrong_cell(exercise: Exercise, outcome: Outcome, answer: Answer, dtype: str) -> str:
    wrong = bank.wrong_cells(outcome.values, answer, dtype)
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    seen, wanted = _distinct(float(outcome.values[index]), float(answer.values[index]))
    if exercise.scalar:
        return f"Got {seen}, expected {wanted}."
    return (
        f"First wrong value, {exercise.tell_cell(outcome.case, index)}: got {seen}, expected {wanted}; "
        f"{int(wrong.sum())} of {wrong.size} are wrong."
    )


def _distinct(got: float, expected: float) -> tuple[str, str]:
    """Format two numbers with as few digits as tell them apart, four at least."""
    for digits in range(4, 17):
        seen, wanted = f"{got:.{digits}g}", f"{expected:.{digits}g}"
        if seen != wanted:
            break
    return seen, wanted


def _picture(exercise: Exercise, outcome: Outcome, answer: Answer, dtype: str) -> str:
    if exercise.grid is None or outcome.values.ndim < 2:
        return ""
    with np.errstate(invalid="ignore"):
        error = np.abs(outcome.values - answer.values)
    allowed = np.broadcast_to(bank.tolerance(answer.condition, dtype), error.shape)
    return picture.draw(
        *exercise.grid(error, allowed), lambda row: exercise.tell_row(outcome.case, row), exercise.columns
    )


def _where(case: Case) -> str:
    return f"Smallest failing input: {case.text}."


def _not_started(exercise: Exercise) -> Report:
    wanted = f"fn({', '.join(exercise.parameters)})"
    message = (
        f"Your function does not return anything yet. Fill in its body and run this cell again; it will be "
        f"called as {wanted}."
    )
    return Report(exercise.method, NOT_STARTED, "returns", None, message, hints=exercise.hints["unknown"])


def _failed(
    exercise: Exercise,
    stage: str,
    diagnosis: str,
    message: str,
    detail: str = "",
    drawing: str = "",
    area: str = "unknown",
) -> Report:
    """Report a failure; `area`, of the mistake or else a stage, picks the hints, "" when the message says it all."""
    hints = exercise.hints.get(area, exercise.hints["unknown"]) if area else ()
    return Report(exercise.method, FAILED, stage, diagnosis, message, detail, tuple(hints), drawing)
