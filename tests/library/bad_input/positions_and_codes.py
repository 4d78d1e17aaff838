"""Bad input to what counts tokens, and to the codes that are added to embeddings."""

import numpy as np
import torch

from tests.library.bad_input.cells import (
    DEVICES,
    DTYPE,
    EMPTY,
    FACTOR,
    FREQUENCIES,
    HEADS,
    NAME,
    NO_DIM,
    NO_FACTOR,
    NO_FREQUENCIES,
    NO_HEADS,
    NO_NAME,
    NO_X,
    ODD,
    POSITIONS,
    RANK,
    answered,
    bad_bases,
    bad_integer_positions,
    bad_positions,
    each,
    inf,
    meta,
    nan,
    odd_dims,
    ones,
    refused,
)

ONE_ARRAY = "One array goes in, and the result lies beside it."
COUNTING = {ODD: NO_DIM, FREQUENCIES: NO_FREQUENCIES, DTYPE: NO_X, HEADS: NO_HEADS, NAME: NO_NAME}

POSITIONS_FROM_MASK = COUNTING | {
    RANK: each(
        lambda pe, mask: pe.positions_from_mask(mask),
        ValueError,
        "positions_from_mask: mask needs a token axis; write the mask of one token as [True].",
        *(True, 1),
    ),
    POSITIONS: [
        refused(
            lambda pe: pe.positions_from_mask([0, 1, 2]),
            ValueError,
            "positions_from_mask: mask must hold 1 for a token and 0 for padding, got integers from 0 to 2. Token ids "
            "become a mask by ids != pad.",
        ),
        refused(
            lambda pe: pe.positions_from_mask([-1, 1]),
            ValueError,
            "positions_from_mask: mask must hold 1 for a token and 0 for padding, got integers from -1 to 1.",
        ),
        *each(
            lambda pe, mask: pe.positions_from_mask(mask),
            TypeError,
            "positions_from_mask: mask must hold booleans, or the integers 0 and 1, got dtype",
            *([0.0, -inf], [0.5, 1.0], [nan], [1j]),
        ),
    ],
    DEVICES: ONE_ARRAY,
    EMPTY: [
        answered(lambda pe: pe.positions_from_mask([]), (0,)),
        answered(lambda pe: pe.positions_from_mask(ones(2, 0, dtype=bool)), (2, 0)),
        answered(lambda pe: pe.positions_from_mask([False, False]), [0, 0]),
    ],
    FACTOR: NO_FACTOR,
}


def lengths(name, call):
    """The table of what takes the lengths of packed sequences by `call(pe, lengths)`."""
    return COUNTING | {
        RANK: [
            refused(
                lambda pe: call(pe, 3),
                ValueError,
                f"{name}: lengths must have one axis, an entry for each sequence; write one sequence as [length]. Got "
                "shape ().",
            ),
            refused(
                lambda pe: call(pe, [[3]]),
                ValueError,
                f"{name}: lengths must have one axis, an entry for each sequence. Got shape (1, 1).",
            ),
        ],
        POSITIONS: [
            refused(
                lambda pe: call(pe, [2, -1]),
                ValueError,
                f"{name}: lengths must be numbers of tokens, 0 or more, got -1.",
            ),
            *each(
                call,
                TypeError,
                f"{name}: lengths must hold integers, numbers of tokens, got dtype",
                *([0.5], [nan], [True], [1j]),
            ),
        ],
        DEVICES: [
            refused(
                lambda pe: call(pe, meta(2, dtype=torch.int64)),
                ValueError,
                f"{name}: lengths are on the meta device, which keeps no values, so nobody knows how many tokens they "
                "count.",
            )
        ],
        EMPTY: [],
        FACTOR: NO_FACTOR,
    }


POSITIONS_FROM_LENGTHS = lengths("positions_from_lengths", lambda pe, lengths: pe.positions_from_lengths(lengths)) | {
    EMPTY: [
        answered(lambda pe: pe.positions_from_lengths([]), (0,)),
        answered(lambda pe: pe.positions_from_lengths([0, 2, 0]), [0, 1]),
    ]
}
PACKED_MASK = lengths("packed_mask", lambda pe, lengths: pe.packed_mask(lengths)) | {
    EMPTY: [
        answered(lambda pe: pe.packed_mask([]), (0, 0)),
        answered(lambda pe: pe.packed_mask([0, 1, 0]), [[True]]),
    ]
}

POSITIONS_AFTER = COUNTING | {
    RANK: [
        answered(lambda pe: pe.positions_after(3, 2), [3, 4]),
        answered(lambda pe: pe.positions_after([[3], [1]], 2), [[[3, 4]], [[1, 2]]]),
    ],
    POSITIONS: [
        refused(
            lambda pe: pe.positions_after([-1], 2),
            ValueError,
            "positions_after: cached must be numbers of tokens, 0 or more, got -1.",
        ),
        *each(
            lambda pe, cached: pe.positions_after(cached, 2),
            TypeError,
            "positions_after: cached must hold integers, numbers of tokens, got dtype",
            *([0.5], [nan], [True], [1j]),
        ),
    ],
    DEVICES: ONE_ARRAY,
    EMPTY: [
        answered(lambda pe: pe.positions_after([], 2), (0, 2)),
        answered(lambda pe: pe.positions_after([1], 0), (1, 0)),
    ],
    FACTOR: [
        *each(
            lambda pe, count: pe.positions_after([1], count),
            TypeError,
            "positions_after: count must be an integer, got {value!r} ({kind}).",
            *(2.0, True, None),
        ),
        refused(
            lambda pe: pe.positions_after([1], -1), ValueError, "positions_after: count must be at least 0, got -1."
        ),
        *each(
            lambda pe, cached: pe.positions_after([cached], 2),
            ValueError,
            "positions_after: cached must be numbers of tokens, below 2**53, got {value}.",
            *(2**63 - 1, 2**53),
        ),
        answered(lambda pe: pe.positions_after([2**53 - 1], 1), [[2**53 - 1]]),
    ],
}

SINUSOIDAL = {
    ODD: odd_dims("sinusoidal", lambda pe, dim: pe.sinusoidal([0], dim)),
    RANK: [answered(lambda pe: pe.sinusoidal(0, 4), [0.0, 1.0, 0.0, 1.0])],  # one position, not a count
    POSITIONS: bad_positions("sinusoidal", lambda pe, positions: pe.sinusoidal(positions, 4)),
    FREQUENCIES: "The frequencies come from base; see absurd factors.",
    DTYPE: NO_X,
    DEVICES: ONE_ARRAY,
    EMPTY: [answered(lambda pe: pe.sinusoidal([], 4), (0, 4))],
    HEADS: NO_HEADS,
    NAME: NO_NAME,
    FACTOR: bad_bases("sinusoidal", lambda pe, base: pe.sinusoidal([0], 4, base=base)),
}

LEARNED = {
    ODD: [answered(lambda pe: pe.learned([0], ones(3, 5)), ones(1, 5))],  # rows of any size
    RANK: [
        *each(
            lambda pe, table: pe.learned([0], table),
            ValueError,
            "learned: table must have shape (length, dim), got",
            *(1.0, ones(3), ones(3, 2, 1)),
        ),
        answered(lambda pe: pe.learned(0, ones(3, 2)), ones(2)),
    ],
    POSITIONS: [
        *each(
            lambda pe, position: pe.learned([position], ones(3, 2)),
            IndexError,
            "learned: the table has rows for positions 0 to 2, got positions from {value} to {value}. A learned table "
            "ends where its training did.",
            *(3, -1),
        ),
        *bad_integer_positions("learned", lambda pe, positions: pe.learned(positions, ones(3, 2))),
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [answered(lambda pe: pe.learned([0], ones(3, 2, dtype=int)), [[1, 1]])],  # rows come out as they are
    DEVICES: [
        refused(
            lambda pe: pe.learned(meta(1, dtype=torch.int64), ones(3, 2)),
            ValueError,
            "learned: positions are on meta, table is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: pe.learned(np.zeros(1, int), meta(3, 2)),
            ValueError,
            "learned: positions are on cpu, table is on meta. Move one to the other.",
        ),
    ],
    EMPTY: [
        answered(lambda pe: pe.learned([], ones(3, 2)), (0, 2)),
        answered(lambda pe: pe.learned([], ones(0, 2)), (0, 2)),
        refused(lambda pe: pe.learned([0], ones(0, 2)), IndexError, "learned: the table has"),
    ],
    HEADS: NO_HEADS,
    NAME: NO_NAME,
    FACTOR: NO_FACTOR,
}

SINUSOIDAL_MODULE = {
    ODD: odd_dims("Sinusoidal", lambda pe, dim: pe.Sinusoidal(dim)),
    RANK: [
        *each(
            lambda pe, x: pe.Sinusoidal(4)(x),
            ValueError,
            "Sinusoidal: x must be (..., T, 4), got",
            *(ones(4), ones(2, 6)),
        ),
        refused(
            lambda pe: pe.Sinusoidal(4)(ones(2, 4), 0), ValueError, "Sinusoidal: positions () do not fit x (2, 4)."
        ),
    ],
    POSITIONS: [
        refused(
            lambda pe: pe.Sinusoidal(4)(ones(2, 4), range(3)),
            ValueError,
            "Sinusoidal: positions (3,) do not fit x (2, 4). Pass one position a token, shape (2,), or one for each "
            "axis of x before dim, such as (2,).",
        ),
        refused(
            lambda pe: pe.Sinusoidal(4)(ones(2, 3, 2, 4), ones(2, 2)),
            ValueError,
            "Sinusoidal: positions (2, 2) do not fit x (2, 3, 2, 4).",
        ),
        *bad_positions("Sinusoidal", lambda pe, positions: pe.Sinusoidal(4)(ones(1, 4), positions)),
    ],
    FREQUENCIES: "The frequencies come from base; see absurd factors.",
    DTYPE: each(
        lambda pe, x: pe.Sinusoidal(4)(x),
        TypeError,
        "Sinusoidal: x must hold embeddings, got torch.",
        *(ones(2, 4, dtype=int), ones(2, 4, dtype=bool), ones(2, 4, dtype=complex)),
    ),
    DEVICES: [
        refused(
            lambda pe: pe.Sinusoidal(4)(ones(1, 4), meta(1)),
            ValueError,
            "Sinusoidal: positions are on meta, x is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: pe.Sinusoidal(4)(meta(1, 4), ones(1)),
            ValueError,
            "Sinusoidal: positions are on cpu, x is on meta. Move one to the other.",
        ),
    ],
    EMPTY: [answered(lambda pe: pe.Sinusoidal(4)(ones(0, 4)), (0, 4))],
    HEADS: [answered(lambda pe: pe.Sinusoidal(4)(ones(0, 2, 4)), (0, 2, 4))],
    NAME: NO_NAME,
    FACTOR: bad_bases("Sinusoidal", lambda pe, base: pe.Sinusoidal(4, base=base)),
}
