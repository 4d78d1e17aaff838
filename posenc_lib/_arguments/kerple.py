"""The kinds, shapes and ranges that kerple_bias accepts; one rule for both twins."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = ("logarithmic", "power")


def check(kind: str, r1: Sequence[int], r2: Sequence[int]) -> None:
    """Raise a ValueError that names what does not fit; r1 and r2 are shapes."""
    if kind not in KINDS:
        raise ValueError(
            f"kerple_bias: unknown kind {kind!r}. 'logarithmic' is -r1 · log(1 + r2 · |m - n|), 'power' is "
            "-r1 · |m - n|^r2."
        )
    r1, r2 = tuple(r1), tuple(r2)
    if len(r1) != 1 or r1 != r2 or not r1[0]:
        raise ValueError(
            f"kerple_bias: r1 and r2 must have shape (heads,), a number for each head, got r1 {r1}, r2 {r2}."
        )


def check_range(kind: str, name: str, smallest: float, largest: float) -> None:
    """Raise a ValueError when values of r1 or r2 leave the range for which the paper proves its kernels."""
    # Only comparisons that NaN fails.
    if kind == "power" and name == "r2":
        if not (smallest > 0 and largest <= 2):
            raise _out_of_range(name, "above 0 and at most 2", smallest, largest)
    elif not (smallest > 0 and largest < float("inf")):
        raise _out_of_range(name, "above 0 and finite", smallest, largest)


def _out_of_range(name: str, wanted: str, smallest: float, largest: float) -> ValueError:
    return ValueError(
        f"kerple_bias: {name} must be {wanted}, for a bias that falls with the distance; got values from {smallest} to "
        f"{largest}. The authors' code clamps what it learns to the range, from 0.01 on."
    )
