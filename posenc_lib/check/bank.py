"""Name a mistake: find the wrong version that gives the reader's values, everywhere and to within rounding."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Unit roundoff of what the reader computed in, and how many of them a value may be off.
_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
_ALLOWED = {"float64": 64.0, "float32": 16.0}


def tolerance(condition, dtype):
    """Return the error that rounding explains, for values computed in `dtype`."""
    return _ALLOWED[dtype] * _UNIT[dtype] * condition


@dataclass(frozen=True)
class Explanation:
    """The mistakes that together give the reader's values; `coarse` when only to float32 precision."""

    mistakes: tuple
    knobs: Mapping
    coarse: bool = False


def agrees(values, answer, dtype):
    """Whether `values` are the answer's to within rounding in `dtype`; equal shapes, NaN where it has NaN."""
    if values.shape != np.shape(answer.values):
        return False
    allowed = np.broadcast_to(tolerance(np.asarray(answer.condition), dtype), values.shape)
    return bool(np.all(_close(values, answer.values, allowed)))


def _close(values, expected, allowed):
    with np.errstate(invalid="ignore"):
        near = np.abs(values - expected) <= allowed
    same_infinity = np.isinf(expected) & (values == expected)
    return near | same_infinity | (np.isnan(expected) & np.isnan(values))


def explain(exercise, outcomes, dtype, last):
    """Return an Explanation of all `outcomes`, or of those up to number `last`, or None.

    The second is what a reader needs first who has one more mistake in a later stage. One mistake is
    tried before a pair of them, and the reader's own precision before float32's.
    """
    suspects = _suspects(exercise, [o for o in outcomes if _usable(o)])
    for part in (outcomes, outcomes[: last + 1]):
        part = [outcome for outcome in part if _usable(outcome)]
        if _fits(exercise, {}, part, dtype):  # nothing is wrong here; the trouble is in an unusable outcome
            continue
        for precision in dict.fromkeys((dtype, "float32")):
            for suspect in suspects:
                if suspect.mistakes or precision != dtype:
                    if _fits(exercise, suspect.knobs, part, precision):
                        return Explanation(suspect.mistakes, suspect.knobs, precision != dtype)
    return None


def _usable(outcome):
    return outcome.values is not None and outcome.values.dtype.kind in "fiu"


def _suspects(exercise, outcomes):
    """Return no mistake, single mistakes, fitted ones, pairs: those that agree with the first outcome, roughly."""
    every = [exercise.suspicion(), *exercise.singles, *_fitted(exercise, outcomes), *exercise.pairs]
    if not outcomes or outcomes[0].case is not exercise.cases[0]:
        return every
    return [suspect for suspect in every if agrees(outcomes[0].values, suspect.first, "float32")]


def _fitted(exercise, outcomes):
    """Return a Suspicion for each fit that reads a parameter off some outcome."""
    found = []
    for fit in exercise.fits:
        mistakes = (fit(outcome.case, outcome.values) for outcome in outcomes)
        found += [exercise.suspicion(mistake) for mistake in itertools.islice(filter(None, mistakes), 1)]
    return found


def _fits(exercise, knobs, outcomes, precision):
    return all(agrees(o.values, exercise.answer(o.case, knobs), precision) for o in outcomes)
