"""The suite for callables that turn queries and keys."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posenc_lib._arguments import scalars
from posenc_lib.conformance import precision, sequences, structure, turns
from posenc_lib.conformance.calling import Callee, Refused, choose_library
from posenc_lib.conformance.report import FAILED, NOT_TESTED, Finding, Report
from posenc_lib.conformance.subject import Rotation, run

LAYOUTS = (None, "interleaved", "half")


def rotation(
    fn: Callable[..., Any],
    *,
    keys: Callable[..., Any] | None = None,
    head_dim: int = 64,
    heads: int = 4,
    frequencies: ArrayLike | None = None,
    layout: str | None = None,
    max_position: int = 131_072,
    array: str | None = None,
) -> Report:
    """Examine ``fn(x, positions)``, which returns x with its pairs of dimensions turned.

    x has the shape (batch, heads, tokens, head_dim); positions are integers of shape (tokens,), and once, to see
    what becomes of them, (batch, 1, tokens) and (batch, tokens). Write a line around a framework's function that
    takes them otherwise, and raise where positions cannot be passed: the report then says what could not be tested.

    Which dimensions are pairs, their direction, frequencies and factor are measured with unit vectors; each property
    is then tested on its own, and a failure is named: positions in bfloat16, off by one with a cache, ….

    Parameters
    ----------
    fn : callable
        For queries; also for keys unless `keys` is given. It may be a method of a module on the CPU.
    keys : callable, optional
        What turns keys, where that is another function.
    head_dim : int
        The size of a query, even.
    heads : int
        At least 2. Calls with as many tokens, or sequences, as heads show axes that are mixed up.
    frequencies : array_like, shape (n,), optional
        What pairs should turn by, in radians per position; `posenc_lib.frequencies` has them. Without them a ladder
        base^(−2i/d) is recognised and told, not judged.
    layout : str, optional
        "interleaved" or "half", if it should be one of them.
    max_position : int
        How far the angles must be right to 0.01 rad; errors past it, up to ten million, are warnings.
    array : str, optional
        "torch" or "numpy": which arrays to pass. Found out by trying, if None.

    Returns
    -------
    Report
        `report.passed`, `report.findings`, `report.diagnosis`, `report.to_dict()`; it prints as text and as HTML.

    Raises
    ------
    TypeError
        `fn` or `keys` cannot be called, or a number has a wrong type.
    ValueError
        `head_dim`, `heads`, `layout`, `frequencies` or `array` cannot be meant.

    Examples
    --------
    >>> from posenc_lib import conformance, frequencies
    >>> from posenc_lib import numpy as pe
    >>> theta = frequencies.rope(16, base=10000.0)
    >>> report = conformance.rotation(lambda x, positions: pe.rope(x, positions, theta), head_dim=16)
    >>> report.passed, report.facts["layout"], report.facts["base"]
    (True, 'interleaved', 10000.0)

    A function that counts from 0 in each call:

    >>> def forgets(x, positions):
    ...     return pe.rope(x, range(x.shape[-2]), theta)
    >>> conformance.rotation(forgets, head_dim=16).diagnosis
    'positions are ignored'
    """
    subject = _subject(fn, keys, head_dim, heads, frequencies, layout, max_position, array)
    first = run(structure.CALL, partial(structure.call, subject))
    checks = _checks_of(subject)
    if first.status == FAILED:
        names = (structure.UNTOUCHED, structure.REPEATABLE, *(name for name, _ in checks))
        told = [Finding(name, NOT_TESTED, "The first call failed.") for name in names]
        return Report("rotation", (first, *told), {"arrays": subject.queries.library})
    # Before anything is measured, or a cache would know the lengths already.
    repeatable = run(structure.REPEATABLE, partial(structure.repeatable, subject))
    _measure(subject)
    rest = [run(name, partial(check, subject)) for name, check in checks]
    untouched = run(structure.UNTOUCHED, partial(structure.untouched, subject))
    return Report("rotation", (first, untouched, repeatable, *rest), subject.facts)


def _checks_of(subject: Rotation) -> precision.Checks:
    """In an order in which a cause comes before its effects: where tokens stand, what a position does, how exactly."""
    both = subject.keys is not subject.queries
    return (
        (structure.USED, structure.used),
        (structure.HEADS, structure.heads),
        *sequences.CHECKS,
        (structure.LINEAR, structure.linear),
        (structure.NORM, structure.norm),
        (structure.ANGLE, structure.angle),
        *(((structure.QUERIES_AND_KEYS, structure.queries_and_keys),) if both else ()),
        *precision.ANGLES,
        (sequences.SHIFT, sequences.shift),
        *precision.DTYPES,
    )


def _subject(
    fn: Callable[..., Any],
    keys: Callable[..., Any] | None,
    head_dim: int,
    heads: int,
    frequencies: ArrayLike | None,
    layout: str | None,
    max_position: int,
    array: str | None,
) -> Rotation:
    dim = scalars.even_dim("conformance.rotation", head_dim)
    heads = scalars.integer("conformance.rotation", "heads", heads, at_least=2)
    max_position = scalars.integer("conformance.rotation", "max_position", max_position, at_least=1)
    if layout not in LAYOUTS:
        raise ValueError(
            f"conformance.rotation: layout must be 'interleaved', 'half' or None (find out), got {layout!r}."
        )
    if keys is not None and not callable(keys):
        raise TypeError(f"conformance.rotation: keys must be a function to call, got {keys!r}.")
    x = np.zeros((2, heads, heads, dim))
    library = choose_library(fn, array, lambda name: Callee(fn, name, ("x", "positions"))(x, np.arange(heads)))
    queries = Callee(fn, library, ("x", "positions"))
    other = queries if keys is None or keys is fn else Callee(keys, library, ("x", "positions"))
    return Rotation(queries, other, dim, heads, _frequencies(frequencies, dim), layout, max_position)


def _frequencies(frequencies: ArrayLike | None, dim: int) -> NDArray[np.float64] | None:
    if frequencies is None:
        return None
    values = np.asarray(frequencies, np.float64)
    if values.ndim != 1 or not 1 <= len(values) <= dim // 2 or not np.all(np.isfinite(values)):
        raise ValueError(
            f"conformance.rotation: frequencies must be 1 to {dim // 2} finite numbers, one for each pair of {dim} "
            f"dimensions that turns; got shape {values.shape}."
        )
    return values


def _measure(subject: Rotation) -> None:
    """Find pairs, angles and factor, and, where the frequencies are known, their exact form."""
    subject.facts["arrays"] = subject.queries.library
    try:
        subject.matrices = turns.matrices(subject.queries, subject.dim)
    except Refused:
        return
    subject.turn = turns.measure(subject.matrices)
    if subject.keys is not subject.queries:
        try:
            subject.key_turn = turns.measure(turns.matrices(subject.keys, subject.dim))
        except Refused:
            subject.key_turn = None
    if subject.turn is not None:
        subject.exact = _exact(subject, subject.turn)
        _tell(subject, subject.turn)


def _exact(subject: Rotation, turn: turns.Turn) -> turns.Turn | None:
    """The measured rotation with frequencies as passed, as recognised, or as float64 shows them."""
    lower = turn.places[:, 0] - turn.places[0, 0]
    subject.ladder = turns.ladder(turn, lower / (1 if turn.layout == "half" else 2))
    candidates = [] if subject.frequencies is None else [np.abs(subject.visible_frequencies())]
    candidates += [] if subject.ladder is None else [subject.ladder.frequencies]
    for known in candidates:
        if len(known) == len(turn.frequencies) and np.allclose(known, turn.frequencies, rtol=1e-5, atol=0):
            return turns.with_frequencies(turn, known)
    if subject.queries.library == "numpy" and subject.queries.dtype == "float64":
        return turn
    return None


def _tell(subject: Rotation, turn: turns.Turn) -> None:
    subject.facts["layout"] = turn.layout
    subject.facts["first pair"] = turn.places[0].tolist()
    subject.facts["rotary dimension"] = turn.rotary_dim
    subject.facts["pairs that turn"] = len(turn.first)
    subject.facts["direction"] = "−mθ" if turn.backwards else "+mθ"
    subject.facts["factor"] = float(f"{turn.scale[0]:.6g}")
    subject.facts["base"] = None if subject.ladder is None else subject.ladder.base
    if subject.ladder is not None:
        subject.facts["exponent"] = f"−2i/{subject.ladder.dim}"
        subject.facts["divided by"] = subject.ladder.factor
    subject.facts["frequencies, rad per position"] = [float(f"{theta:.7g}") for theta in turn.frequencies]
