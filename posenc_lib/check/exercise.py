"""What a checker is made of: cases, a formula with knobs, and mistakes that turn the knobs."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = tuple[int, ...]
# Keyword arguments of an exercise's formula.
Knobs = Mapping[str, object]
Hints = Mapping[str, tuple[str, ...]]

_EMPTY: Knobs = MappingProxyType({})


@dataclass(frozen=True)
class Case:
    """One call of the reader's function: its stage, its arguments, and a short description of them."""

    stage: str
    args: tuple[object, ...]
    text: str
    keywords: Knobs = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a formula gives, in float64.

    `condition` says how many rounding errors, in units of the reader's dtype, each value may carry; for
    a sine it grows with its angle, and so with the position.
    """

    values: Array
    condition: Array | float = 1.0


@dataclass(frozen=True)
class Mistake:
    """A wrong version: the knobs it turns, its name, what to tell the reader, and which hints fit."""

    name: str
    area: str
    message: str
    knobs: Knobs


def mistakes(*rows: tuple[str, str, str, Knobs]) -> tuple[Mistake, ...]:
    """Return a Mistake for each row of name, area, message and knobs."""
    return tuple(Mistake(*row) for row in rows)


@dataclass(frozen=True)
class Suspicion:
    """One mistake or two, and what they give for the exercise's first case."""

    mistakes: tuple[Mistake, ...]
    knobs: Knobs
    first: Answer


@dataclass(frozen=True)
class Exercise:
    """A checker's specification; `engine.run` does the rest.

    Attributes
    ----------
    method, parameters
        Name of the checker, and the names of the arguments it passes by position.
    cases : tuple of Case
        In the order in which they are tried: small ones first, then the later stages.
    formula : callable
        ``formula(*args, **keywords, **knobs)`` gives an `Answer`; without knobs it is the oracle.
    mistakes : tuple of Mistake
        The bank. Earlier ones win where two are the same function.
    hints : dict
        Area of a mistake → three hints. A mistake without a name gets those of its stage, or else "unknown".
    fits : tuple of callables
        ``fit(case, values)`` gives a Mistake whose parameter was read off the reader's values, or None.
    observe : callable
        ``observe(knobs)`` gives a sentence with numbers, seen against expected; "" for none.
    tell_shape : callable
        ``tell_shape(expected, got)`` gives a wrong shape's name and cause, or None.
    tell_values : callable
        ``tell_values(case, values)`` gives name, message and area of wrong values that no formula gives, or None.
    tell_cell : callable
        ``tell_cell(case, index)`` says in words which cell an index is.
    grid : callable or None
        ``grid(error, allowed)`` reduces both arrays to (rows, columns) for the picture; None draws none.
    tell_row : callable
        ``tell_row(case, row)`` labels a row of the picture.
    columns : str
        What the picture's columns are.
    narrower : bool
        Whether float32 may come back although float64 went in.
    scalar : bool
        Whether a number is the answer.
    whole : bool
        Whether the values are whole numbers, so that integers may come back.
    differentiable : bool
        Whether a gradient must flow from a torch result to the arguments.
    slack : float
        An error of the values, larger than rounding explains, that passes all the same with a remark.
    precision_note : str
        What float32 costs here.
    stage_notes : dict
        Stage → a sentence on why the stage matters, told when it fails without a name.
    """

    method: str
    parameters: tuple[str, ...]
    cases: tuple[Case, ...]
    formula: Callable[..., Answer]
    mistakes: tuple[Mistake, ...]
    hints: Hints
    fits: tuple[Callable[[Case, Array], Mistake | None], ...] = ()
    observe: Callable[[Knobs], str] = lambda knobs: ""
    tell_shape: Callable[[Shape, Shape], tuple[str, str] | None] = lambda expected, got: None
    tell_values: Callable[[Case, Array], tuple[str, str, str] | None] = lambda case, values: None
    tell_cell: Callable[[Case, Shape], str] = lambda case, index: f"cell {index}"
    grid: Callable[[Array, Array], tuple[Array, Array]] | None = None
    tell_row: Callable[[Case, int], str] = lambda case, row: f"row {row}"
    columns: str = "column"
    narrower: bool = False
    scalar: bool = False
    whole: bool = False
    differentiable: bool = False
    slack: float = 0.0
    precision_note: str = ""
    stage_notes: Mapping[str, str] = field(default_factory=dict)

    def answer(self, case: Case, knobs: Knobs = _EMPTY) -> Answer:
        """Return the formula's answer to `case`, with some knobs turned."""
        with np.errstate(all="ignore"):
            return self.formula(*case.args, **case.keywords, **knobs)

    def suspicion(self, *mistakes: Mistake) -> Suspicion:
        """Return what `mistakes` together would give."""
        knobs = {name: knob for mistake in mistakes for name, knob in mistake.knobs.items()}
        return Suspicion(mistakes, knobs, self.answer(self.cases[0], knobs))

    @cached_property
    def singles(self) -> list[Suspicion]:
        """The bank's mistakes, each as a Suspicion."""
        return [self.suspicion(mistake) for mistake in self.mistakes]

    @cached_property
    def pairs(self) -> list[Suspicion]:
        """All pairs of mistakes that turn different knobs, computed once: they are many."""
        return [
            self.suspicion(one, other)
            for one, other in itertools.combinations(self.mistakes, 2)
            if not set(one.knobs) & set(other.knobs)
        ]

    @cached_property
    def first_answers_of_pairs(self) -> tuple[Array, Array]:
        """The pairs' answers to the first case and their conditions, stacked; empty where shapes differ."""
        shape = np.shape(self.answer(self.cases[0]).values)
        if any(np.shape(pair.first.values) != shape for pair in self.pairs):
            return np.empty((0,)), np.empty((0,))
        answers = np.array([pair.first.values for pair in self.pairs])
        return answers, np.array([np.broadcast_to(pair.first.condition, shape) for pair in self.pairs])
