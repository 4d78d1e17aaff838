"""Bad input to attention and to the biases that need queries and keys."""

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
    NO_FACTOR,
    NO_FREQUENCIES,
    NO_NAME,
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
    ones,
    refused,
)

BOOL = torch.bool


def other_than_floating(name, call, expected, first="q"):
    """What `call(pe, dtype)` makes of a first array of integers or booleans."""
    return [
        answered(lambda pe: call(pe, int), expected, only="numpy"),  # computes in float64 anyway
        refused(
            lambda pe: call(pe, int),
            TypeError,
            f"{name}: expected one floating dtype for all, got {first} torch.int64, ",
            only="torch",
        ),
        refused(lambda pe: call(pe, bool), TypeError, f"{name}: {first} must hold real numbers, got", only="numpy"),
        refused(
            lambda pe: call(pe, bool),
            TypeError,
            f"{name}: expected one floating dtype for all, got {first} torch.bool, ",
            only="torch",
        ),
    ]


def attend(pe, q=None, k=None, v=None, **more):
    q, k, v = (ones(*shape) if x is None else x for x, shape in ((q, (2, 4)), (k, (3, 4)), (v, (3, 5))))
    return pe.attention(q, k, v, **more)


ATTENTION = {
    ODD: [answered(lambda pe: attend(pe, ones(2, 3), ones(3, 3)), ones(2, 5))],  # nothing here comes in pairs
    RANK: [
        *each(
            attend,
            ValueError,
            "attention: q, k and v need a token axis and a feature axis. Got q",
            *(ones(4), 1.0),
        ),
        refused(
            lambda pe: attend(pe, ones(1, 2, 4)),
            ValueError,
            "attention: the leading axes differ, and broadcasting them could hide a mistake. Got q (1, 2, 4), k (3, "
            "4), v (3, 5); expected q (..., T, d), k (..., S, d), v (..., S, e) with the same leading axes.",
        ),
        refused(
            lambda pe: attend(pe, bias=ones(1, 2, 3)), ValueError, "attention: the leading axes of bias do not fit ()."
        ),
    ],
    POSITIONS: [  # which attention has none of: keys, values, bias and mask that do not fit the queries
        refused(
            lambda pe: attend(pe, k=ones(3, 5)),
            ValueError,
            "attention: q and k differ in their last axis, so they have no dot product.",
        ),
        refused(
            lambda pe: attend(pe, v=ones(4, 5)), ValueError, "attention: k and v hold different numbers of tokens."
        ),
        refused(lambda pe: attend(pe, bias=ones(2, 2)), ValueError, "attention: bias must end in (T, S) = (2, 3)."),
        refused(
            lambda pe: attend(pe, mask=ones(2, 2, dtype=bool)),
            ValueError,
            "attention: mask must end in (T or 1, S) = (2 or 1, 3).",
        ),
        refused(
            lambda pe: attend(pe, causal=True),
            ValueError,
            "attention: causal=True needs as many queries as keys, otherwise it is open which key is the first query's "
            "own; pass a mask instead, such as mask=key_positions <= query_positions[:, None].",
        ),
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [
        *other_than_floating("attention", lambda pe, dtype: attend(pe, ones(2, 4, dtype=dtype)), ones(2, 5)),
        refused(lambda pe: attend(pe, bias=ones(2, 3, dtype=bool)), TypeError, "attention: "),
        refused(
            lambda pe: attend(pe, mask=ones(2, 3)),
            TypeError,
            "attention: mask must be boolean, True where a query may look, got dtype",
        ),
    ],
    DEVICES: [
        refused(
            lambda pe: attend(pe, meta(2, 4)),
            ValueError,
            "attention: q is on meta, k is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: attend(pe, bias=meta(2, 3)),
            ValueError,
            "attention: q is on cpu, bias is on meta. Move one to the other.",
        ),
        refused(
            lambda pe: attend(pe, mask=meta(2, 3, dtype=BOOL)),
            ValueError,
            "attention: mask is on meta, q is on cpu. Move one to the other.",
        ),
    ],
    EMPTY: [
        answered(lambda pe: attend(pe, ones(0, 4)), (0, 5)),
        refused(
            lambda pe: attend(pe, k=ones(0, 4), v=ones(0, 5)), ValueError, "attention: there is no key to attend to."
        ),
        refused(
            lambda pe: attend(pe, ones(2, 0), ones(3, 0)),
            ValueError,
            "attention: the feature axis of q and k is empty.",
        ),
    ],
    HEADS: [answered(lambda pe: attend(pe, ones(0, 2, 4), ones(0, 3, 4), ones(0, 3, 5)), (0, 2, 5))],
    NAME: NO_NAME,
    FACTOR: [  # what hides every key gives zeros
        answered(lambda pe: attend(pe, bias=np.full((2, 3), -inf)), np.zeros((2, 5))),
        answered(lambda pe: attend(pe, mask=np.zeros((2, 3), bool)), np.zeros((2, 5))),
    ],
}


def pair_misfits(name, call):
    """Refusals of `call(pe, query_positions, key_positions)`, for two queries and three keys."""
    return [
        refused(
            lambda pe: call(pe, [0], [0, 1, 2]),
            ValueError,
            f"{name}: query_positions (1,) do not fit q",
        ),
        refused(
            lambda pe: call(pe, [[0, 1]] * 5, [0, 1, 2]), ValueError, f"{name}: query_positions (5, 2) do not fit q"
        ),
        refused(lambda pe: call(pe, [0, 1], 0), ValueError, f"{name}: key_positions () do not fit q"),
    ]


def pair_devices(name, call):
    return [
        refused(
            lambda pe: call(pe, meta(2, dtype=torch.int64), [0, 1, 2]),
            ValueError,
            f"{name}: query_positions are on meta, q is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: call(pe, [0, 1], meta(3, dtype=torch.int64)),
            ValueError,
            f"{name}: key_positions are on meta, q is on cpu. Move one to the other.",
        ),
    ]


def shaw(pe, queries=(0, 1), keys=(0, 1, 2), q=None, table=None):
    return pe.shaw_bias(ones(2, 4) if q is None else q, ones(3, 4) if table is None else table, queries, keys)


SHAW_BIAS = {
    ODD: [
        answered(lambda pe: shaw(pe, q=ones(2, 1), table=ones(3, 1)), ones(2, 3)),  # nothing here comes in pairs
        refused(  # but a table has a row for distance 0 between those for −K and K
            lambda pe: shaw(pe, table=ones(4, 4)),
            ValueError,
            "shaw_bias: table must have the shape (2K + 1, 4): a row for each relative position from −K to K, as long "
            "as those of q, (2, 4). Got (4, 4).",
        ),
    ],
    RANK: [
        *each(
            lambda pe, q: shaw(pe, q=q),
            ValueError,
            "shaw_bias: q must have the shape (..., T, d), got",
            *(ones(4), 1.0),
        ),
        *each(
            lambda pe, table: shaw(pe, table=table),
            ValueError,
            "shaw_bias: table must have the shape (2K + 1, 4)",
            *(ones(4), ones(3, 4, 1), ones(3, 5)),
        ),
    ],
    POSITIONS: [
        *pair_misfits("shaw_bias", shaw),
        *bad_integer_positions("shaw_bias", lambda pe, positions: shaw(pe, positions, q=ones(1, 4))),
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: other_than_floating(
        "shaw_bias", lambda pe, dtype: shaw(pe, q=ones(2, 4, dtype=dtype)), np.full((2, 3), 2.0)
    ),
    DEVICES: [
        refused(
            lambda pe: shaw(pe, table=meta(3, 4)),
            ValueError,
            "shaw_bias: q is on cpu, table is on meta. Move one to the other.",
        ),
        *pair_devices("shaw_bias", shaw),
    ],
    EMPTY: [
        answered(lambda pe: shaw(pe, [], q=ones(0, 4)), (0, 3)),
        answered(lambda pe: shaw(pe, keys=[]), (2, 0)),
        refused(lambda pe: shaw(pe, table=ones(0, 4)), ValueError, "shaw_bias: table must have the shape (2K + 1, 4)"),
        refused(
            lambda pe: shaw(pe, q=ones(2, 0), table=ones(3, 0)), ValueError, "shaw_bias: the feature axis of q is empty"
        ),
    ],
    HEADS: [answered(lambda pe: shaw(pe, q=ones(0, 2, 4)), (0, 2, 3))],
    NAME: NO_NAME,
    FACTOR: NO_FACTOR,
}


def shaw_attend(pe, queries=(0, 1), keys=(0, 1, 2), q=None, k=None, v=None, key_table=None, value_table=None, **more):
    given = (q, k, v, key_table, value_table)
    usual = (ones(2, 4), ones(3, 4), ones(3, 5), ones(3, 4), ones(3, 5))
    arrays = [other if array is None else array for array, other in zip(given, usual, strict=True)]
    return pe.shaw_attention(*arrays, queries, keys, **more)


SHAW_ATTENTION = {
    ODD: [
        refused(
            lambda pe: shaw_attend(pe, key_table=ones(4, 4)),
            ValueError,
            "shaw_attention: key_table must have the shape (2K + 1, 4): a row for each relative position from −K to K, "
            "as long as those of q, (2, 4). Got (4, 4).",
        )
    ],
    RANK: [
        refused(
            lambda pe: shaw_attend(pe, q=ones(4)),
            ValueError,
            "shaw_attention: q, k and v need a token axis and a feature axis. Got q (4,), k (3, 4), v (3, 5)",
        ),
        refused(
            lambda pe: shaw_attend(pe, value_table=ones(5)),
            ValueError,
            "shaw_attention: value_table must have the shape (2K + 1, 5): a row for each relative position from −K to "
            "K, as long as those of v, (3, 5). Got (5,).",
        ),
    ],
    POSITIONS: [
        *pair_misfits("shaw_attention", shaw_attend),
        *bad_integer_positions("shaw_attention", lambda pe, positions: shaw_attend(pe, positions, q=ones(1, 4))),
        refused(
            lambda pe: shaw_attend(pe, value_table=ones(5, 5)),
            ValueError,
            "shaw_attention: key_table and value_table must have as many rows, 2K + 1, got 3 and 5.",
        ),
        refused(
            lambda pe: shaw_attend(pe, k=ones(2, 4)),
            ValueError,
            "shaw_attention: k and v hold different numbers of tokens.",
        ),
        refused(
            lambda pe: shaw_attend(pe, mask=ones(2, 2, dtype=bool)),
            ValueError,
            "shaw_attention: mask must end in (T or 1, S) = (2 or 1, 3).",
        ),
        refused(
            lambda pe: shaw_attend(pe, causal=True),
            ValueError,
            "shaw_attention: causal=True needs as many queries as keys",
        ),
    ],
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [
        *other_than_floating(
            "shaw_attention", lambda pe, dtype: shaw_attend(pe, q=ones(2, 4, dtype=dtype)), np.full((2, 5), 2.0)
        ),
        refused(
            lambda pe: shaw_attend(pe, mask=ones(2, 3)), TypeError, "shaw_attention: mask must be boolean, True where a"
        ),
    ],
    DEVICES: [
        refused(
            lambda pe: shaw_attend(pe, key_table=meta(3, 4)),
            ValueError,
            "shaw_attention: q is on cpu, key_table is on meta. Move one to the other.",
        ),
        refused(
            lambda pe: shaw_attend(pe, mask=meta(2, 3, dtype=BOOL)),
            ValueError,
            "shaw_attention: mask is on meta, q is on cpu. Move one to the other.",
        ),
        *pair_devices("shaw_attention", shaw_attend),
    ],
    EMPTY: [
        answered(lambda pe: shaw_attend(pe, [], q=ones(0, 4)), (0, 5)),
        refused(
            lambda pe: shaw_attend(pe, keys=[], k=ones(0, 4), v=ones(0, 5)),
            ValueError,
            "shaw_attention: there is no key to attend to.",
        ),
    ],
    HEADS: [answered(lambda pe: shaw_attend(pe, q=ones(0, 2, 4), k=ones(0, 3, 4), v=ones(0, 3, 5)), (0, 2, 5))],
    NAME: NO_NAME,
    FACTOR: [answered(lambda pe: shaw_attend(pe, mask=np.zeros((2, 3), bool)), np.zeros((2, 5)))],
}


def xl(pe, queries=(0, 1), keys=(0, 1, 2), q=None, k=None, u=None, v=None, weight=None, **more):
    given = (q, k, u, v, weight)
    usual = (ones(1, 2, 4), ones(1, 3, 4), ones(1, 4), ones(1, 4), ones(1, 4, 6))
    arrays = [other if array is None else array for array, other in zip(given, usual, strict=True)]
    return pe.transformer_xl_bias(*arrays, queries, keys, **more)


TRANSFORMER_XL_BIAS = {
    ODD: each(
        lambda pe, dim: xl(pe, weight=ones(1, 4, dim)),
        ValueError,
        "transformer_xl_bias: position_weight must have the shape (H, d, dim) = (1, 4, dim), dim even. Got q (1, 2, "
        "4), k (1, 3, 4), content_bias (1, 4), position_bias (1, 4), position_weight (1, 4, {value}); expected",
        *(5, 0),
    ),
    RANK: [
        *each(
            lambda pe, q: xl(pe, q=q),
            ValueError,
            "transformer_xl_bias: q and k need axes of heads, tokens and features. Got q",
            *(ones(2, 4), 1.0),
        ),
        refused(
            lambda pe: xl(pe, u=ones(4)),
            ValueError,
            "transformer_xl_bias: content_bias and position_bias must have the shape (H, d) = (1, 4).",
        ),
        refused(
            lambda pe: xl(pe, weight=ones(4, 6)),
            ValueError,
            "transformer_xl_bias: position_weight must have the shape (H, d, dim) = (1, 4, dim), dim even.",
        ),
    ],
    POSITIONS: [
        *pair_misfits("transformer_xl_bias", xl),
        *bad_positions("transformer_xl_bias", lambda pe, positions: xl(pe, positions, q=ones(1, 1, 4))),
        refused(
            lambda pe: xl(pe, k=ones(1, 3, 5)),
            ValueError,
            "transformer_xl_bias: q and k differ in an axis other than that of the tokens, and broadcasting could hide "
            "a mistake.",
        ),
    ],
    FREQUENCIES: "The frequencies come from base; see absurd factors.",
    DTYPE: other_than_floating(
        "transformer_xl_bias", lambda pe, dtype: xl(pe, q=ones(1, 2, 4, dtype=dtype)), (1, 2, 3)
    ),
    DEVICES: [
        refused(
            lambda pe: xl(pe, u=meta(1, 4)),
            ValueError,
            "transformer_xl_bias: q is on cpu, content_bias is on meta. Move one to the other.",
        ),
        *pair_devices("transformer_xl_bias", xl),
    ],
    EMPTY: [
        answered(lambda pe: xl(pe, [], q=ones(1, 0, 4)), (1, 0, 3)),
        answered(lambda pe: xl(pe, keys=[], k=ones(1, 0, 4)), (1, 2, 0)),
    ],
    HEADS: [
        answered(
            lambda pe: xl(pe, q=ones(0, 2, 4), k=ones(0, 3, 4), u=ones(0, 4), v=ones(0, 4), weight=ones(0, 4, 6)),
            (0, 2, 3),
        )
    ],
    NAME: NO_NAME,
    FACTOR: bad_bases("transformer_xl_bias", lambda pe, base: xl(pe, base=base)),
}


def linear(pe, q=None, k=None, v=None, positions=None, frequencies=None, **more):
    q, k, v = (ones(*shape) if x is None else x for x, shape in ((q, (2, 4)), (k, (2, 4)), (v, (2, 5))))
    return pe.linear_attention(q, k, v, positions=positions, frequencies=frequencies, **more)


LINEAR_ATTENTION = {
    ODD: [
        answered(lambda pe: linear(pe, ones(2, 5), ones(2, 5), None, range(2), [1.0]), (2, 5)),  # the rest stays
        refused(
            lambda pe: linear(pe, ones(2, 3), ones(2, 3), None, range(2), [1.0, 1.0]),
            ValueError,
            "linear_attention: every frequency turns two dimensions; 2 of them need 4, and the features of q (2, 3) "
            "has 3. Pass at most 1.",
        ),
    ],
    RANK: [
        *each(
            linear,
            ValueError,
            "linear_attention: q, k and v need a token axis and a feature axis. Got q",
            *(ones(4), 1.0),
        ),
        *each(
            lambda pe, frequencies: linear(pe, positions=range(2), frequencies=frequencies),
            ValueError,
            "linear_attention: frequencies must have one axis, got",
            *(1.0, ones(1, 1)),
        ),
        refused(
            lambda pe: linear(pe, ones(1, 2, 4)),
            ValueError,
            "linear_attention: the leading axes differ, and broadcasting",
        ),
    ],
    POSITIONS: [
        refused(
            lambda pe: linear(pe, positions=range(3), frequencies=[1.0]),
            ValueError,
            "linear_attention: positions (3,) do not fit the features of q (2, 4).",
        ),
        refused(
            lambda pe: linear(pe, k=ones(3, 4), v=ones(3, 5), positions=range(2), frequencies=[1.0]),
            ValueError,
            "linear_attention: positions are those of queries and keys alike, which needs as many of the one as of the "
            "other; got q (2, 4), k (3, 4).",
        ),
        refused(
            lambda pe: linear(pe, positions=range(2)),
            ValueError,
            "linear_attention: positions turn nothing without frequencies. Pass both, or neither for no positional "
            "encoding.",
        ),
        *bad_positions(
            "linear_attention",
            lambda pe, positions: linear(pe, ones(1, 4), ones(1, 4), ones(1, 5), positions, [1.0]),
        ),
        refused(
            lambda pe: linear(pe, k=ones(3, 4), v=ones(3, 5), causal=True),
            ValueError,
            "linear_attention: causal=True needs as many queries as keys, otherwise it is open which key is the first "
            "query's own; give q all tokens, or leave causal away where no key is hidden from any query.",
        ),
    ],
    FREQUENCIES: [
        *each(
            lambda pe, frequencies: linear(pe, positions=range(2), frequencies=frequencies),
            ValueError,
            "linear_attention: frequencies ",
            *([nan], [inf], []),
        ),
        *each(
            lambda pe, frequencies: linear(pe, positions=range(2), frequencies=frequencies),
            TypeError,
            "linear_attention: frequencies ",
            *([True], [1j], ones(1, dtype=np.float16)),
        ),
        answered(  # a negative one turns the other way, which the logits do not notice
            lambda pe: linear(pe, ones(1, 4), ones(1, 4), ones(1, 5), [1], [-1.0]), ones(1, 5)
        ),
        refused(
            lambda pe: linear(pe, frequencies=[1.0]),
            ValueError,
            "linear_attention: frequencies turn nothing without positions.",
        ),
    ],
    DTYPE: other_than_floating("linear_attention", lambda pe, dtype: linear(pe, ones(2, 4, dtype=dtype)), ones(2, 5)),
    DEVICES: [
        refused(
            lambda pe: linear(pe, meta(2, 4)),
            ValueError,
            "linear_attention: q is on meta, k is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: linear(pe, positions=meta(2), frequencies=[1.0]),
            ValueError,
            "linear_attention: positions are on meta, q is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: linear(pe, positions=range(2), frequencies=meta(1)),
            ValueError,
            "linear_attention: frequencies are on meta, q is on cpu. Move one to the other.",
        ),
    ],
    EMPTY: [
        answered(lambda pe: linear(pe, ones(0, 4)), (0, 5)),
        refused(
            lambda pe: linear(pe, k=ones(0, 4), v=ones(0, 5)),
            ValueError,
            "linear_attention: there is no key to attend to.",
        ),
        refused(
            lambda pe: linear(pe, ones(2, 0), ones(2, 0)),
            ValueError,
            "linear_attention: the feature axis of q and k is empty.",
        ),
    ],
    HEADS: [answered(lambda pe: linear(pe, ones(0, 2, 4), ones(0, 2, 4), ones(0, 2, 5)), (0, 2, 5))],
    NAME: [
        *each(
            lambda pe, layout: linear(pe, layout=layout),
            ValueError,
            "linear_attention: unknown layout {value!r}.",
            *("neox", None),
        ),
        *each(
            lambda pe, normalize: linear(pe, normalize=normalize),
            ValueError,
            "linear_attention: unknown normalize {value!r}. 'unrotated' divides by the sum of φ(q) · φ(k), as "
            "RoFormer's equation 19 does; 'rotated' by the sum of the rotated weights, which makes their sum 1.",
            *("softmax", None, True),
        ),
        refused(
            lambda pe: linear(pe, feature_map="elu"),
            TypeError,
            "linear_attention: feature_map must be a function, got 'elu'. None is elu + 1.",
        ),
    ],
    FACTOR: NO_FACTOR,
}
