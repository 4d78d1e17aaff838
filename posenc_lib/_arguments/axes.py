"""What mrope and axial_rope accept, whose tokens have a position on each of several axes; one rule for both twins."""

from collections.abc import Iterable, Sequence

from posenc_lib._arguments import rope, scalars
from posenc_lib._arguments.positions import fit


def check_positions(operation: str, x: Sequence[int], positions: Sequence[int], axes: int | None = None) -> None:
    """Raise a ValueError unless positions of this shape place the tokens of x on each axis; `axes` None: any number."""
    x, positions = tuple(x), tuple(positions)
    counted = len(positions) > 1 and positions[0] > 0 and (axes is None or positions[0] == axes)
    if counted and fit(x[:-1], positions[1:]):
        return
    A, T = "A" if axes is None else axes, x[-2]
    raise ValueError(
        f"{operation}: positions {positions} do not fit x {x}. Pass shape ({A}, {T}), a row for each of the {A} axes, "
        f"or {A} and then as many axes as x has before dim, each of x's size or 1, the last {T}."
        f"{_hint(x, positions, axes)}"
    )


def _hint(x: tuple[int, ...], positions: tuple[int, ...], axes: int | None) -> str:
    T, between = x[-2], len(x) - 3
    if len(positions) > 1 and positions[-2] == T != positions[-1] and (axes is None or positions[-1] == axes):
        return " Here the axes seem to come last: move them to the front, as np.moveaxis(positions, -1, 0) does."
    if len(positions) == 3 and positions[-1] == T and between > 0:
        ones, nones = "1, " * between, "None, " * between
        return (
            " A row (B, T) for each axis would broadcast over the heads in silence: "
            f"write (…, B, {ones}T), which is positions[:, :, {nones}:]."
        )
    return ""


def check_axial(x: Sequence[int], positions: Sequence[int], frequencies: Sequence[int], layout: str) -> None:
    """Raise a ValueError that names what axial_rope cannot use; the first three are shapes."""
    x, frequencies = tuple(x), tuple(frequencies)
    rope.check_layout("axial_rope", layout)
    if len(x) < 2:
        raise ValueError(f"axial_rope: x must be (..., T, dim), got {x}.")
    if len(frequencies) not in (1, 2) or 0 in frequencies:
        raise ValueError(
            "axial_rope: frequencies must have shape (n,), the same for all axes, or (A, n), a row for each, and not "
            f"be empty; got {frequencies}."
        )
    check_positions("axial_rope", x, positions, frequencies[0] if len(frequencies) == 2 else None)
    A, n, dim = positions[0], frequencies[-1], x[-1]
    if 2 * A * n > dim:
        raise ValueError(
            f"axial_rope: every frequency turns two dimensions on each axis; {n} of them on {A} axes need {2 * A * n}, "
            f"and x {x} has {dim}. Pass at most {dim // (2 * A)}."
        )


def sections_of(sections: Iterable[int], frequencies: int, *, interleaved: bool) -> tuple[int, ...]:
    """Return mrope's sections as ints, or say why they do not share out so many frequencies."""
    try:
        given = tuple(sections)
    except TypeError as error:
        raise TypeError(f"mrope: sections must be a sequence of integers, got {sections!r}.") from error
    counts = tuple(scalars.integer("mrope", "each of sections", count, at_least=1) for count in given)
    if sum(counts) != frequencies:
        doubled = " They count pairs, not dimensions." if sum(counts) == 2 * frequencies else ""
        raise ValueError(
            f"mrope: sections must sum to the number of frequencies, {frequencies}; {counts} sum to "
            f"{sum(counts)}.{doubled}"
        )
    if interleaved:
        _check_interleaved(counts, frequencies)
    return counts


def _check_interleaved(sections: tuple[int, ...], frequencies: int) -> None:
    """Axis a > 0 takes every A-th pair from a on, so it must not run out of pairs before it has its share."""
    A = len(sections)
    for a in range(1, A):
        most = len(range(a, frequencies, A))
        if sections[a] > most:
            raise ValueError(
                f"mrope: interleaved sections {sections} do not fit {frequencies} frequencies: axis {a} takes pairs "
                f"{a}, {a + A}, {a + 2 * A}, …, of which there are {most}, fewer than its {sections[a]}."
            )
