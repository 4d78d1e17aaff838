"""What is said about masks and counts of tokens that are none; one wording for both twins."""

from posenc_lib._arguments.positions import LARGEST_EXACT

MASK_WITHOUT_AXIS = "positions_from_mask: mask needs a token axis; write the mask of one token as [True]."


def mask_of_dtype(dtype: object, *, floating: bool) -> str:
    hint = " A bias of 0 and −inf as attention adds it becomes a mask by bias == 0." if floating else ""
    return f"positions_from_mask: mask must hold booleans, or the integers 0 and 1, got dtype {dtype}.{hint}"


def mask_of_values(smallest: object, largest: object) -> str:
    return (
        "positions_from_mask: mask must hold 1 for a token and 0 for padding, got integers from "
        f"{smallest} to {largest}. Token ids become a mask by ids != pad."
    )


def check_one_axis(operation: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 1:
        hint = "" if shape else "; write one sequence as [length]"
        raise ValueError(
            f"{operation}: lengths must have one axis, an entry for each sequence{hint}. Got shape {shape}."
        )


def no_integers(operation: str, name: str, dtype: object, *, boolean: bool) -> str:
    hint = " Booleans are a mask: its sum along the tokens counts them." if boolean else ""
    return f"{operation}: {name} must hold integers, numbers of tokens, got dtype {dtype}.{hint}"


def check_range(operation: str, name: str, smallest: float, largest: float) -> None:
    if smallest < 0:
        raise ValueError(f"{operation}: {name} must be numbers of tokens, 0 or more, got {smallest}.")
    if largest >= LARGEST_EXACT:  # sums of larger ones would wrap around
        raise ValueError(f"{operation}: {name} must be numbers of tokens, below 2**53, got {largest}.")


def without_values(operation: str) -> str:
    return (
        f"{operation}: lengths are on the meta device, which keeps no values, so nobody knows how many tokens they "
        "count. Pass them on the CPU."
    )
