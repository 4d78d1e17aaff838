"""Bad input to the biases that depend on the distance between query and key."""

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
    bad_numbers_of_heads,
    bad_positions,
    each,
    inf,
    meta,
    nan,
    odd_dims,
    ones,
    refused,
)

INT = torch.int64


def ranks(name, call):
    """Refusals of `call(pe, query_positions, key_positions)`: one number where there should be an axis of tokens."""
    text = f"{name}: positions need a token axis; write one position as [p]. Got query_positions"
    return [
        refused(lambda pe: call(pe, 0, [0, 1, 2]), ValueError, f"{text} (), key_positions (3,)"),
        refused(lambda pe: call(pe, [0, 1], 0), ValueError, f"{text} (2,), key_positions ()"),
    ]


def mismatched(name, call):
    """Refusals of `call(pe, query_positions, key_positions)`: leading axes that are not the same."""
    text = f"{name}: the leading axes differ, and broadcasting them could hide a mistake. Got query_positions"
    return [
        refused(lambda pe: call(pe, [[0, 1]], [0, 1, 2]), ValueError, f"{text} (1, 2), key_positions (3,); expected"),
        refused(lambda pe: call(pe, [[0], [1]], [[0, 1, 2]]), ValueError, f"{text} (2, 1), key_positions (1, 3)"),
    ]


def empty(call, heads=2):
    return [
        answered(lambda pe: call(pe, [], [0, 1, 2]), (heads, 0, 3)),
        answered(lambda pe: call(pe, [0, 1], []), (heads, 2, 0)),
    ]


def whole_positions(name, call):
    """Refusals of `call(pe, query_positions)`, for one query, where only whole distances have a row in a table."""
    return [
        refused(
            lambda pe: call(pe, [0.5]),
            TypeError,
            f"{name}: query_positions must be integers, for only whole distances have a row in the table; got dtype",
        ),
        *each(call, TypeError, f"{name}: positions must be integers or real numbers, got", [True], [1j], ["a"]),
        refused(lambda pe: call(pe, [2**53]), ValueError, f"{name}: positions must be finite and below 2**53 in size"),
    ]


ALIBI_SLOPES = {
    ODD: [answered(lambda pe: pe.alibi_slopes(3), [2**-4, 2**-8, 2**-2])],  # as BLOOM's code has it
    RANK: NO_X,
    POSITIONS: "Slopes are the same at all positions.",
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: each(
        lambda pe, dtype: pe.alibi_slopes(2, dtype=dtype), TypeError, "alibi_slopes: dtype must be", int, bool, "int8"
    ),
    DEVICES: "No tensor goes in.",
    EMPTY: "There is no sequence.",
    HEADS: bad_numbers_of_heads("alibi_slopes", lambda pe, heads: pe.alibi_slopes(heads)),
    NAME: NO_NAME,
    FACTOR: NO_FACTOR,
}


def alibi(pe, queries=(0, 1), keys=(0, 1, 2), heads=2, **more):
    return pe.alibi_bias(heads, queries, keys, **more)


ALIBI_BIAS = {
    ODD: [answered(lambda pe: alibi(pe, [0], [1], 3), [[[-(2**-4)]], [[-(2**-8)]], [[-(2**-2)]]])],
    RANK: ranks("alibi_bias", alibi),
    POSITIONS: [*mismatched("alibi_bias", alibi), *bad_positions("alibi_bias", alibi)],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: each(lambda pe, dtype: alibi(pe, dtype=dtype), TypeError, "alibi_bias: dtype must be", int, bool),
    DEVICES: [
        refused(
            lambda pe: alibi(pe, ones(2), meta(3)),
            ValueError,
            "alibi_bias: query_positions are on cpu, key_positions are on meta. Move one to the other.",
        )
    ],
    EMPTY: empty(alibi),
    HEADS: bad_numbers_of_heads("alibi_bias", lambda pe, heads: alibi(pe, heads=heads)),
    NAME: NO_NAME,
    FACTOR: NO_FACTOR,
}

ALIBI_MODULE = ALIBI_BIAS | {
    ODD: [answered(lambda pe: pe.Alibi(3)([0], [1]), (3, 1, 1))],
    RANK: ranks("alibi_bias", lambda pe, *positions: pe.Alibi(2)(*positions)),
    POSITIONS: [
        *mismatched("alibi_bias", lambda pe, *positions: pe.Alibi(2)(*positions)),
        *bad_positions("alibi_bias", lambda pe, positions: pe.Alibi(2)(positions, [0])),
    ],
    DTYPE: each(
        lambda pe, dtype: pe.Alibi(2)([0], [0], dtype=dtype), TypeError, "alibi_bias: dtype must be", INT, torch.bool
    ),
    DEVICES: [
        refused(
            lambda pe: pe.Alibi(2)(ones(2), meta(3)),
            ValueError,
            "alibi_bias: query_positions are on cpu, key_positions are on meta. Move one to the other.",
        )
    ],
    EMPTY: empty(lambda pe, *positions: pe.Alibi(2)(*positions)),
    HEADS: bad_numbers_of_heads("Alibi", lambda pe, heads: pe.Alibi(heads)),
}


def bad_buckets(name, call):
    """Refusals of `call(pe, num_buckets)`."""
    return [
        *each(call, ValueError, name + ": num_buckets must be at least 4, got {value}.", 0, -4, 2),
        *each(call, TypeError, name + ": num_buckets must be an integer, got {value!r} ({kind}).", 4.0, True, None),
    ]


def bad_max_distances(name, call, exact):
    """Refusals of `call(pe, max_distance)`; `exact` distances have a bucket of their own."""
    return [
        *each(call, ValueError, name + ": max_distance must be at least 1, got {value}.", 0, -1),
        *each(
            call,
            ValueError,
            name
            + f": max_distance must be above {exact}, where the buckets of one distance end, and at most 2**31; got "
            "{value}.",
            *(exact, 2**31 + 1),
        ),
        *each(call, TypeError, name + ": max_distance must be an integer, got {value!r} ({kind}).", 128.0, nan, None),
    ]


def odd_buckets(name, call):
    """What `call(pe, num_buckets, bidirectional)` makes of an odd number: each direction needs its half."""
    return [
        refused(
            lambda pe: call(pe, 31, True),
            ValueError,
            f"{name}: num_buckets must be even when bidirectional, half of it for each direction; got 31.",
        ),
        answered(lambda pe: call(pe, 31, False), call_shape(name)),
    ]


def call_shape(name):
    return (1,) if name == "t5_bucket" else (2, 1, 1)


T5_BUCKET = {
    ODD: odd_buckets("t5_bucket", lambda pe, buckets, both: pe.t5_bucket([0], num_buckets=buckets, bidirectional=both)),
    RANK: [answered(lambda pe: pe.t5_bucket(5), 21)],  # positions of any shape
    POSITIONS: [
        *each(
            lambda pe, relative: pe.t5_bucket(relative),
            TypeError,
            "t5_bucket: relative_position must hold signed integers, key minus query, got dtype",
            *([0.5], [nan], [True], [1j], np.ones(1, np.uint8)),
        ),
        answered(lambda pe: pe.t5_bucket([-(2**63), 2**63 - 1]), [15, 31]),  # no distance is too far
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: NO_X,
    DEVICES: "One tensor goes in, and the result lies beside it.",
    EMPTY: [answered(lambda pe: pe.t5_bucket([]), (0,))],
    HEADS: NO_HEADS,
    NAME: NO_NAME,
    FACTOR: [
        *bad_buckets("t5_bucket", lambda pe, buckets: pe.t5_bucket([0], num_buckets=buckets)),
        *bad_max_distances("t5_bucket", lambda pe, distance: pe.t5_bucket([0], max_distance=distance), 8),
    ],
}


def t5(pe, queries=(0, 1), keys=(0, 1, 2), table=None, **more):
    return pe.t5_bias(ones(4, 2) if table is None else table, queries, keys, **more)


T5_BIAS = {
    ODD: odd_buckets("t5_bias", lambda pe, buckets, both: t5(pe, [0], [0], ones(buckets, 2), bidirectional=both)),
    RANK: [
        *ranks("t5_bias", t5),
        *each(
            lambda pe, table: t5(pe, table=table),
            ValueError,
            "t5_bias: table must have shape (num_buckets, heads), with a head at least, got",
            *(1.0, ones(4), ones(4, 2, 2)),
        ),
    ],
    POSITIONS: [*mismatched("t5_bias", t5), *whole_positions("t5_bias", t5)],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [
        answered(lambda pe: t5(pe, [0], [0], ones(4, 2, dtype=int)), ones(2, 1, 1), only="numpy"),
        refused(
            lambda pe: t5(pe, table=ones(4, 2, dtype=int)),
            TypeError,
            "t5_bias: table must be floating, as the bias is, got torch.int64.",
            only="torch",
        ),
        *each(lambda pe, table: t5(pe, table=table), TypeError, "t5_bias: table must", ones(4, 2, dtype=bool)),
    ],
    DEVICES: [
        refused(
            lambda pe: t5(pe, meta(2, dtype=INT), np.arange(3)),
            ValueError,
            "t5_bias: table is on cpu, query_positions are on meta. Move one to the other.",
        ),
        refused(
            lambda pe: t5(pe, np.arange(2), meta(3, dtype=INT)),
            ValueError,
            "t5_bias: table is on cpu, key_positions are on meta. Move one to the other.",
        ),
        answered(lambda pe: t5(pe, table=meta(4, 2)), (2, 2, 3)),  # what is no tensor goes where the table is
    ],
    EMPTY: empty(t5),
    HEADS: [
        refused(lambda pe: t5(pe, table=ones(4, 0)), ValueError, "t5_bias: table must have shape (num_buckets, heads)")
    ],
    NAME: NO_NAME,
    FACTOR: [
        *each(
            lambda pe, buckets: t5(pe, table=ones(buckets, 2)),
            ValueError,
            "t5_bias: num_buckets must be at least 4, got {value}.",
            *(0, 2),
        ),
        *bad_max_distances("t5_bias", lambda pe, distance: t5(pe, max_distance=distance), 1),
    ],
}


T5_BIAS_MODULE = {
    ODD: odd_buckets(
        "T5Bias", lambda pe, buckets, both: pe.T5Bias(2, num_buckets=buckets, bidirectional=both)([0], [0])
    ),
    RANK: ranks("t5_bias", lambda pe, *positions: pe.T5Bias(2)(*positions)),
    POSITIONS: [
        *mismatched("t5_bias", lambda pe, *positions: pe.T5Bias(2)(*positions)),
        *whole_positions("t5_bias", lambda pe, positions: pe.T5Bias(2)(positions, [0])),
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: each(
        lambda pe, dtype: pe.T5Bias(2)([0], [0], dtype=dtype),
        TypeError,
        "T5Bias: dtype must be a floating torch.dtype, to hold fractions; got",
        *(INT, torch.bool, "float32"),
    ),
    DEVICES: [
        refused(
            lambda pe: pe.T5Bias(2)(np.arange(2), meta(3, dtype=INT)),
            ValueError,
            "t5_bias: table is on cpu, key_positions are on meta. Move one to the other.",
        )
    ],
    EMPTY: empty(lambda pe, *positions: pe.T5Bias(2)(*positions)),
    HEADS: bad_numbers_of_heads("T5Bias", lambda pe, heads: pe.T5Bias(heads)),
    NAME: NO_NAME,
    FACTOR: [
        *bad_buckets("T5Bias", lambda pe, buckets: pe.T5Bias(2, num_buckets=buckets)),
        *bad_max_distances("T5Bias", lambda pe, distance: pe.T5Bias(2, max_distance=distance), 8),
    ],
}


def kerple(pe, queries=(0, 1), keys=(0, 1, 2), r1=(1.0, 1.0), r2=(1.0, 1.0), **more):
    return pe.kerple_bias(r1, r2, queries, keys, **more)


KERPLE_BIAS = {
    ODD: NO_DIM,
    RANK: [
        *ranks("kerple_bias", kerple),
        *each(
            lambda pe, r1: kerple(pe, r1=r1),
            ValueError,
            "kerple_bias: r1 and r2 must have shape (heads,), a number for each head, got r1",
            *(1.0, [1.0], [[1.0, 1.0]]),
        ),
    ],
    POSITIONS: [*mismatched("kerple_bias", kerple), *bad_positions("kerple_bias", kerple)],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [
        answered(lambda pe: kerple(pe, [0], [0], r1=np.array([1, 1])), (2, 1, 1), only="numpy"),
        refused(
            lambda pe: kerple(pe, r1=np.array([1, 1])),
            TypeError,
            "kerple_bias: expected one floating dtype for all, got r1 torch.int64, r2 torch.float64.",
            only="torch",
        ),
        *each(lambda pe, r1: kerple(pe, r1=r1), TypeError, "kerple_bias: ", [True, True], [1j, 1j]),
    ],
    DEVICES: [
        refused(
            lambda pe: kerple(pe, r1=meta(2), r2=ones(2)),
            ValueError,
            "kerple_bias: r1 is on meta, r2 is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: kerple(pe, meta(2), r1=ones(2), r2=ones(2)),
            ValueError,
            "kerple_bias: r1 is on cpu, query_positions are on meta. Move one to the other.",
        ),
    ],
    EMPTY: empty(kerple),
    HEADS: [
        refused(lambda pe: kerple(pe, r1=[], r2=[]), ValueError, "kerple_bias: r1 and r2 must have shape (heads,)")
    ],
    NAME: each(
        lambda pe, kind: kerple(pe, kind=kind),
        ValueError,
        "kerple_bias: unknown kind {value!r}. 'logarithmic' is -r1 · log(1 + r2 · |m - n|), 'power' is -r1 · "
        "|m - n|^r2.",
        *("log", None),
    ),
    FACTOR: [
        *each(
            lambda pe, r: kerple(pe, r1=[1.0, r]),
            ValueError,
            "kerple_bias: r1 must be above 0 and finite, for a bias that falls with the distance; got values from",
            *(0.0, -1.0, nan, inf),
        ),
        *each(
            lambda pe, r: kerple(pe, r2=[1.0, r]),
            ValueError,
            "kerple_bias: r2 must be above 0 and finite, for a bias that falls with the distance; got values from",
            *(0.0, -1.0, nan, inf),
        ),
        *each(
            lambda pe, r: kerple(pe, r2=[1.0, r], kind="power"),
            ValueError,
            "kerple_bias: r2 must be above 0 and at most 2, for a bias that falls with the distance; got values from",
            *(0.0, 2.5, nan),
        ),
    ],
}


def sandwich(pe, queries=(0, 1), keys=(0, 1, 2), heads=2, dim=4, **more):
    return pe.sandwich_bias(heads, dim, queries, keys, **more)


SANDWICH_BIAS = {
    ODD: odd_dims("sandwich_bias", lambda pe, dim: sandwich(pe, dim=dim)),
    RANK: ranks("sandwich_bias", sandwich),
    POSITIONS: [*mismatched("sandwich_bias", sandwich), *bad_positions("sandwich_bias", sandwich)],
    FREQUENCIES: "The frequencies come from base; see absurd factors.",
    DTYPE: each(lambda pe, dtype: sandwich(pe, dtype=dtype), TypeError, "sandwich_bias: dtype must be", int, bool),
    DEVICES: [
        refused(
            lambda pe: sandwich(pe, ones(2), meta(3)),
            ValueError,
            "sandwich_bias: query_positions are on cpu, key_positions are on meta. Move one to the other.",
        )
    ],
    EMPTY: empty(sandwich),
    HEADS: bad_numbers_of_heads("sandwich_bias", lambda pe, heads: sandwich(pe, heads=heads)),
    NAME: NO_NAME,
    FACTOR: bad_bases("sandwich_bias", lambda pe, base: sandwich(pe, base=base)),
}


def fire(pe, queries=(0, 1), keys=(0, 1, 2), mlp=lambda share: -share, c=1.0, threshold=1.0, **more):
    return pe.fire_bias(mlp, queries, keys, c=c, threshold=threshold, **more)


FIRE_BIAS = {
    ODD: NO_DIM,
    RANK: [
        *ranks("fire_bias", fire),
        *each(
            lambda pe, c: fire(pe, c=c),
            ValueError,
            "fire_bias: c must be one number, of shape (), got shape",
            *(ones(1), ones(2, 2)),
        ),
    ],
    POSITIONS: [*mismatched("fire_bias", fire), *bad_positions("fire_bias", fire)],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: each(lambda pe, dtype: fire(pe, dtype=dtype), TypeError, "fire_bias: dtype must be", int, bool),
    DEVICES: [
        refused(
            lambda pe: fire(pe, ones(2), meta(3)),
            ValueError,
            "fire_bias: query_positions are on cpu, key_positions are on meta. Move one to the other.",
        ),
        refused(
            lambda pe: fire(pe, meta(2), meta(3), c=np.array(1.0)),
            ValueError,
            "fire_bias: c is on cpu, query_positions are on meta. Move one to the other.",
        ),
    ],
    EMPTY: empty(fire, heads=1),
    HEADS: [
        refused(
            lambda pe: fire(pe, mlp=lambda share: share[..., :0]),
            ValueError,
            "fire_bias: mlp must turn shape (..., T, S, 1) into (..., T, S, heads); given (2, 3, 1), it returned "
            "(2, 3, 0).",
        ),
        refused(lambda pe: fire(pe, mlp=lambda share: share[0]), ValueError, "fire_bias: mlp must turn shape"),
    ],
    NAME: NO_NAME,
    FACTOR: [
        *each(
            lambda pe, c: fire(pe, c=c),
            ValueError,
            "fire_bias: c must be above 0 and finite, got {value}.",
            *(0.0, -1.0, nan, inf),
        ),
        *each(
            lambda pe, threshold: fire(pe, threshold=threshold),
            ValueError,
            "fire_bias: threshold must be above 0 and finite, got {value}.",
            *(0.0, -1.0, nan, inf),
        ),
        *each(lambda pe, c: fire(pe, c=c), TypeError, "fire_bias: c must", True, 1j, "1", None),
    ],
}
