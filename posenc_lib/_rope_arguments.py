"""The shapes and the layouts that rope accepts; one rule for both twins."""

from posenc_lib import _position_shapes

LAYOUTS = ("interleaved", "half")


def check(x, positions, frequencies, layout):
    """Raise a ValueError that names what does not fit; the first three are shapes."""
    x, positions, frequencies = tuple(x), tuple(positions), tuple(frequencies)
    if layout not in LAYOUTS:
        raise ValueError(
            f"rope: unknown layout {layout!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs "
            "(i, i+r/2), r being twice the number of frequencies."
        )
    if len(x) < 2:
        raise ValueError(f"rope: x must be (..., T, dim), got {x}.")
    _check_frequencies(x, frequencies)
    if not _position_shapes.fit(x[:-1], positions):
        raise ValueError(_misfit(x, positions))


def _check_frequencies(x, frequencies):
    if len(frequencies) != 1:
        raise ValueError(f"rope: frequencies must have one axis, got {frequencies}.")
    n, dim = frequencies[0], x[-1]
    if n == 0:
        raise ValueError("rope: frequencies is empty, so nothing would turn. To leave x as it is, do not call rope.")
    if 2 * n > dim:
        raise ValueError(
            f"rope: every frequency turns two dimensions; {n} of them need {2 * n}, and x {x} has {dim}. "
            f"Pass at most {dim // 2}."
        )


def _misfit(x, positions):
    T, between = x[-2], len(x) - 3
    message = (
        f"rope: positions {positions} do not fit x {x}. Pass shape ({T},), or as many axes as x has "
        f"before dim, each of x's size or 1, the last {T}."
    )
    if len(positions) == 2 and between > 0:
        ones, nones = "1, " * between, "None, " * between
        message += (
            " Two axes (B, T), a row for each sequence, would broadcast over the heads in silence: "
            f"write (B, {ones}T), which is positions[:, {nones}:]."
        )
    return message
