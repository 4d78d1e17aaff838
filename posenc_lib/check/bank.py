"""Name a mistake: find the wrong version that gives the reader's values, everywhere and to within rounding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenc_lib.check.calling import Outcome
from posenc_lib.check.exercise import Answer, Array, Exercise, Knobs, Mistake, Suspicion

# Unit roundoff of what the reader computed in, and how many of them a value may be off.
_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
_ALLOWED = {"float64": 64.0, "float32": 16.0}
# Work done in float32 shows nearly everywhere; a mistake of its size in a few cells is something else.
_SHARE_OF_ROUNDED = 0.2


def tolerance(condition: Array | float, dtype: str) -> Array:
    """Return the error that rounding explains, for values computed in `dtype`."""
    return _ALLOWED[dtype] * _UNIT[dtype] * np.asarray(condition)


def wrong_cells(values: Array, answer: Answer, dtype: str) -> NDArray[np.bool_]:
    """Return where `values` are not the answer's to within rounding in `dtype`; NaN agrees with NaN."""
    allowed = np.broadcast_to(tolerance(answer.condition, dtype), values.shape)
    return ~_close(values, answer.values, allowed)


def agrees(values: Array, answer: Answer, dtype: str) -> bool:
    """Whether `values` have the answer's shape and are right to within rounding in `dtype`."""
    return values.shape == np.shape(answer.values) and not wrong_cells(values, answer, dtype).any()


def _close(values: Array, expected: Array, allowed: Array) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        near = np.isfinite(allowed) & (np.abs(values - expected) <= allowed)
    same_infinity = np.isinf(expected) & (values == expected)
    return np.asarray(near | same_infinity | (np.isnan(expected) & np.isnan(values)))


@dataclass(frozen=True)
class Explanation:
    """The mistakes that together give the reader's values; `coarse` when only to float32 precision."""

    mistakes: tuple[Mistake, ...]
    knobs: Knobs
    coarse: bool = False


def explain(exercise: Exercise, outcomes: Sequence[Outcome], dtype: str, failed: Outcome) -> Explanation | None:
    """Return an Explanation of all `outcomes`, or of those in the stages up to that of `failed`, or None.

    The second is what a reader needs first who has one more mistake in a later stage. One mistake is
    tried before a pair of them, and the reader's own precision before float32's.
    """
    last = max(i for i, outcome in enumerate(outcomes) if outcome.case.stage == failed.case.stage)
    for looked_at in (outcomes, outcomes[: last + 1]):
        part = [outcome for outcome in looked_at if outcome.real]
        part.sort(key=lambda outcome: outcome.case is not failed.case)  # the failing case tells most
        if not _mostly_numbers(part):
            continue
        suspects = _suspects(exercise, part)
        for precision in dict.fromkeys((dtype, "float32")):
            found = _first_fit(exercise, suspects, part, precision)
            if found is not None and (precision == dtype or _rounded_throughout(exercise, found, part)):
                return Explanation(found.mistakes, found.knobs, precision != dtype)
    return None


def _mostly_numbers(outcomes: Sequence[Outcome]) -> bool:
    """Whether most of `outcomes` hold a finite value: nan everywhere fits many mistakes and tells none."""
    finite = sum(bool(np.isfinite(outcome.values).any()) for outcome in outcomes)
    return 2 * finite > len(outcomes)


def _suspects(exercise: Exercise, outcomes: Sequence[Outcome]) -> list[Suspicion]:
    """Return no mistake, single mistakes, fitted ones and pairs, without those that the first case rules out."""
    few = [exercise.suspicion(), *exercise.singles, *_fitted(exercise, outcomes)]
    first = next((o.values for o in outcomes if o.case is exercise.cases[0]), None)
    if first is None:
        return few + exercise.pairs
    few = [suspect for suspect in few if agrees(first, suspect.first, "float32")]
    return few + [pair for pair, fits in zip(exercise.pairs, _agreeing(first, exercise), strict=False) if fits]


def _agreeing(values: Array, exercise: Exercise) -> Iterable[bool | np.bool_]:
    """Tell for each of the many pairs, all at once, whether it gives `values` for the first case."""
    answers, allowed = exercise.first_answers_of_pairs
    if values.shape != answers.shape[1:]:
        return [agrees(values, pair.first, "float32") for pair in exercise.pairs]
    axes = tuple(range(1, answers.ndim))
    fits: NDArray[np.bool_] = np.all(_close(values, answers, tolerance(allowed, "float32")), axis=axes)
    return fits


def _fitted(exercise: Exercise, outcomes: Iterable[Outcome]) -> list[Suspicion]:
    """Return a Suspicion for each fit that reads a parameter off some outcome."""
    found = []
    for fit in exercise.fits:
        mistakes = (fit(outcome.case, outcome.values) for outcome in outcomes)
        with np.errstate(all="ignore"):
            mistake = next(filter(None, mistakes), None)
        if mistake is not None:
            found.append(exercise.suspicion(mistake))
    return found


def _first_fit(
    exercise: Exercise, suspects: Iterable[Suspicion], outcomes: Sequence[Outcome], precision: str
) -> Suspicion | None:
    return next((s for s in suspects if _explains(exercise, s, outcomes, precision)), None)


def _explains(exercise: Exercise, suspect: Suspicion, outcomes: Sequence[Outcome], precision: str) -> bool:
    """Whether the suspect gives all the values, and the right answer does not, by the same tolerance."""
    if not _fits(exercise, suspect.knobs, outcomes, precision):
        return False
    return not suspect.mistakes or any(_tells(exercise, suspect, outcome, precision) for outcome in outcomes)


def _tells(exercise: Exercise, suspect: Suspicion, outcome: Outcome, precision: str) -> bool:
    right = exercise.answer(outcome.case)
    if np.shape(right.values) != outcome.values.shape:
        return True
    condition = exercise.answer(outcome.case, suspect.knobs).condition
    return bool(wrong_cells(outcome.values, Answer(right.values, condition), precision).any())


def _fits(exercise: Exercise, knobs: Knobs, outcomes: Iterable[Outcome], precision: str) -> bool:
    return all(agrees(o.values, exercise.answer(o.case, knobs), precision) for o in outcomes)


def _rounded_throughout(exercise: Exercise, suspect: Suspicion, outcomes: Iterable[Outcome]) -> bool:
    """Whether values that agree to float32's precision differ in float64's nearly everywhere but at zeros."""
    wrong = []
    for outcome in outcomes:
        answer = exercise.answer(outcome.case, suspect.knobs)
        wrong.append(wrong_cells(outcome.values, answer, "float64")[answer.values != 0])
    return bool(np.concatenate(wrong).mean() > _SHARE_OF_ROUNDED)
