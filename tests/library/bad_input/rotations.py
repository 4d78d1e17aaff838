"""Bad input to what turns vectors by their positions."""

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
    NO_FREQUENCIES,
    ODD,
    POSITIONS,
    RANK,
    answered,
    bad_numbers_of_heads,
    bad_positions,
    each,
    inf,
    meta,
    nan,
    ones,
    refused,
    row,
)

HALF_PI = np.pi / 2
TURNED = [[1.0, -1.0]]  # (1, 1), turned by −π/2


def bad_frequencies(name, call):
    """Refusals of `call(pe, frequencies)`."""
    return [
        refused(lambda pe: call(pe, [nan]), ValueError, f"{name}: frequencies must be finite"),
        refused(lambda pe: call(pe, [-inf]), ValueError, f"{name}: frequencies must be finite"),
        *each(call, TypeError, f"{name}: frequencies must", [True], [1j], ["a"], None),
        *each(call, TypeError, f"{name}: frequencies are ", ones(1, dtype=np.float16)),
        refused(lambda pe: call(pe, []), ValueError, f"{name}: frequencies"),
    ]


def other_than_floating(name, call, x="x"):
    """What `call(pe, x)` makes of integers and booleans of shape (1, 2), turned by −π/2 or, for torch, not at all."""
    return [
        answered(lambda pe: call(pe, ones(1, 2, dtype=int)), TURNED, only="numpy"),  # computes in float64 anyway
        refused(
            lambda pe: call(pe, ones(1, 2, dtype=int)),
            TypeError,
            f"{name}: {x} must be floating, as its result is, got torch.int64.",
            only="torch",
        ),
        *each(call, TypeError, f"{name}: {x} must", ones(1, 2, dtype=bool), ones(1, 2, dtype=complex)),
    ]


def devices(name, call):
    """`call(pe, x, positions, frequencies)` with one of the three elsewhere."""
    return [
        refused(
            lambda pe: call(pe, ones(1, 4), meta(1), ones(1)),
            ValueError,
            f"{name}: positions are on meta, x is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: call(pe, meta(1, 4), ones(1), ones(1)),
            ValueError,
            f"{name}: positions are on cpu, x is on meta. Move one to the other.",
        ),
        refused(
            lambda pe: call(pe, ones(1, 4), [0], meta(1)),
            ValueError,
            f"{name}: frequencies are on meta, x is on cpu. Move one to the other.",
        ),
        answered(lambda pe: call(pe, meta(1, 4), [0], ones(1)), (1, 4)),  # frequencies may stay on the CPU
    ]


def layouts(name, call):
    return each(
        call,
        ValueError,
        name + ": unknown layout {value!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs (i, i+r/2), r "
        "being twice the number of frequencies.",
        *("neox", None),
    )


def not_above_zero(name, parameter, call, *, values=(0, -1.0, nan, inf)):
    return [
        *each(call, ValueError, name + f": {parameter} must be finite and above 0, got {{value}}.", *values),
        *each(call, TypeError, name + f": {parameter} must be a number, got {{value!r}} ({{kind}}).", True, "2", None),
    ]


def misfits(name, call):
    """Refusals of `call(pe, x, positions)`: another number of tokens, and rows that would fall on the heads' axis."""
    return [
        refused(
            lambda pe: call(pe, ones(2, 4), range(3)),
            ValueError,
            f"{name}: positions (3,) do not fit x (2, 4). Pass shape (2,), or as many axes as x has before dim, each "
            "of x's size or 1, the last 2.",
        ),
        refused(
            lambda pe: call(pe, ones(2, 3, 2, 4), ones(2, 2)),
            ValueError,
            f"{name}: positions (2, 2) do not fit x (2, 3, 2, 4). Pass shape (2,), or as many axes as x has before "
            "dim, each of x's size or 1, the last 2. Two axes (B, T), a row for each sequence, would broadcast over "
            "the heads in silence: write (B, 1, T), which is positions[:, None, :].",
        ),
        refused(
            lambda pe: call(pe, ones(2, 3, 2, 4), ones(3, 1, 2)),
            ValueError,
            f"{name}: positions (3, 1, 2) do not fit x (2, 3, 2, 4).",
        ),
    ]


def ranks(name, call):
    """Refusals of `call(pe, x, positions, frequencies)`: an axis missing, or one too many."""
    return [
        refused(lambda pe: call(pe, ones(4), [0], [1.0]), ValueError, f"{name}: x must be (..., T, dim), got (4,)."),
        refused(lambda pe: call(pe, 1.0, [0], [1.0]), ValueError, f"{name}: x must be (..., T, dim), got ()."),
        refused(lambda pe: call(pe, ones(2, 4), 0, [1.0]), ValueError, f"{name}: positions () do not fit x (2, 4)."),
        refused(
            lambda pe: call(pe, ones(1, 4), [0], 1.0), ValueError, f"{name}: frequencies must have one axis, got ()."
        ),
        refused(
            lambda pe: call(pe, ones(1, 4), [0], ones(1, 1)),
            ValueError,
            f"{name}: frequencies must have one axis, got (1, 1).",
        ),
    ]


ROPE = {
    ODD: [
        answered(lambda pe: pe.rope(ones(1, 5), [0], [1.0]), ones(1, 5)),  # dimensions beyond the pairs stay
        refused(
            lambda pe: pe.rope(ones(1, 5), [0], [1.0, 1.0, 1.0]),
            ValueError,
            "rope: every frequency turns two dimensions; 3 of them need 6, and x (1, 5) has 5. Pass at most 2.",
        ),
    ],
    RANK: ranks("rope", lambda pe, *arguments: pe.rope(*arguments)),
    POSITIONS: [
        *misfits("rope", lambda pe, x, positions: pe.rope(x, positions, [1.0])),
        *bad_positions("rope", lambda pe, positions: pe.rope(ones(1, 4), positions, [1.0])),
    ],
    FREQUENCIES: [
        *bad_frequencies("rope", lambda pe, frequencies: pe.rope(ones(1, 4), [0], frequencies)),
        answered(lambda pe: pe.rope(ones(1, 2), [1], [-HALF_PI]), TURNED),  # a negative one turns the other way
    ],
    DTYPE: other_than_floating("rope", lambda pe, x: pe.rope(x, [1], [-HALF_PI])),
    DEVICES: [
        *devices("rope", lambda pe, *arguments: pe.rope(*arguments)),
        refused(
            lambda pe: pe.rope(ones(1, 4), [0], [1.0], out=meta(1, 4)), ValueError, "rope: out must have x's shape"
        ),
    ],
    EMPTY: [
        answered(lambda pe: pe.rope(ones(0, 4), [], [1.0]), (0, 4)),
        refused(lambda pe: pe.rope(ones(0, 4), [0], [1.0]), ValueError, "rope: positions (1,) do not fit x (0, 4)."),
    ],
    HEADS: [answered(lambda pe: pe.rope(ones(2, 0, 3, 4), range(3), [1.0]), (2, 0, 3, 4))],
    NAME: layouts("rope", lambda pe, layout: pe.rope(ones(1, 4), [0], [1.0], layout=layout)),
    FACTOR: [
        *not_above_zero(
            "rope", "attention_factor", lambda pe, factor: pe.rope(ones(1, 4), [0], [1.0], attention_factor=factor)
        ),
        *each(
            lambda pe, frequency: pe.rope(ones(1, 4), [0], [frequency]),
            ValueError,
            "rope: frequencies must be below 2**53 in size, where float64 still counts in radians; got values",
            *(1e300, 2.0**53, -(2.0**53)),
        ),
    ],
}

AXIAL_ROPE = {
    ODD: [
        answered(lambda pe: pe.axial_rope(ones(1, 5), [[0], [0]], [1.0]), ones(1, 5)),
        refused(
            lambda pe: pe.axial_rope(ones(1, 5), [[0], [0]], [1.0, 1.0]),
            ValueError,
            "axial_rope: every frequency turns two dimensions on each axis; 2 of them on 2 axes need 8, and x (1, 5) "
            "has 5. Pass at most 1.",
        ),
    ],
    RANK: [
        *each(
            lambda pe, x: pe.axial_rope(x, [[0], [0]], [1.0]),
            ValueError,
            "axial_rope: x must be (..., T, dim), got",
            *(ones(4), 1.0),
        ),
        *each(
            lambda pe, frequencies: pe.axial_rope(ones(1, 4), [[0], [0]], frequencies),
            ValueError,
            "axial_rope: frequencies must have shape (n,), the same for all axes, or (A, n), a row for each, and not "
            "be empty; got",
            *(1.0, ones(1, 1, 1), []),
        ),
        refused(
            lambda pe: pe.axial_rope(ones(2, 4), range(2), [1.0]),
            ValueError,
            "axial_rope: positions (2,) do not fit x (2, 4). Pass shape (A, 2), a row for each of the A axes,",
        ),
    ],
    POSITIONS: [
        refused(
            lambda pe: pe.axial_rope(ones(3, 4), ones(3, 2), [1.0]),
            ValueError,
            "axial_rope: positions (3, 2) do not fit x (3, 4). Pass shape (A, 3), a row for each of the A axes, or A "
            "and then as many axes as x has before dim, each of x's size or 1, the last 3. Here the axes seem to come "
            "last: move them to the front, as np.moveaxis(positions, -1, 0) does.",
        ),
        refused(
            lambda pe: pe.axial_rope(ones(1, 4), [[0], [0]], ones(3, 1)),
            ValueError,
            "axial_rope: positions (2, 1) do not fit x (1, 4). Pass shape (3, 1), a row for each of the 3 axes,",
        ),
        refused(
            lambda pe: pe.axial_rope(ones(2, 4), ones(0, 2), [1.0]), ValueError, "axial_rope: positions (0, 2) do not"
        ),
        *bad_positions("axial_rope", lambda pe, positions: pe.axial_rope(ones(1, 4), row(positions), [1.0])),
    ],
    FREQUENCIES: [
        *bad_frequencies("axial_rope", lambda pe, frequencies: pe.axial_rope(ones(1, 4), [[0], [0]], frequencies)),
        answered(lambda pe: pe.axial_rope(ones(1, 2), [[1]], [-HALF_PI]), TURNED),
    ],
    DTYPE: other_than_floating("axial_rope", lambda pe, x: pe.axial_rope(x, [[1]], [-HALF_PI])),
    DEVICES: devices("axial_rope", lambda pe, x, positions, theta: pe.axial_rope(x, row(positions), theta)),
    EMPTY: [answered(lambda pe: pe.axial_rope(ones(0, 4), [[], []], [1.0]), (0, 4))],
    HEADS: [answered(lambda pe: pe.axial_rope(ones(2, 0, 3, 4), [range(3)] * 2, [1.0]), (2, 0, 3, 4))],
    NAME: layouts("axial_rope", lambda pe, layout: pe.axial_rope(ones(1, 4), [[0], [0]], [1.0], layout=layout)),
    FACTOR: not_above_zero(
        "axial_rope",
        "attention_factor",
        lambda pe, factor: pe.axial_rope(ones(1, 4), [[0], [0]], [1.0], attention_factor=factor),
    ),
}


def mrope(pe, x, positions=((0,), (0,)), frequencies=(1.0, 1.0), sections=(1, 1), **more):
    return pe.mrope(x, positions, frequencies, sections=sections, **more)


MROPE = {
    ODD: [
        answered(lambda pe: mrope(pe, ones(1, 5)), ones(1, 5)),
        refused(
            lambda pe: mrope(pe, ones(1, 5), frequencies=[1.0] * 3, sections=(2, 1)),
            ValueError,
            "mrope: every frequency turns two dimensions; 3 of them need 6, and x (1, 5) has 5. Pass at most 2.",
        ),
    ],
    RANK: [
        *each(mrope, ValueError, "mrope: x must be (..., T, dim), got", ones(4), 1.0),
        *each(
            lambda pe, frequencies: mrope(pe, ones(1, 4), frequencies=frequencies),
            ValueError,
            "mrope: frequencies must have one axis, got",
            *(1.0, ones(1, 2)),
        ),
        refused(
            lambda pe: mrope(pe, ones(2, 4), range(2)),
            ValueError,
            "mrope: positions (2,) do not fit x (2, 4). Pass shape (2, 2), a row for each of the 2 axes, or 2 and then "
            "as many axes as x has before dim, each of x's size or 1, the last 2.",
        ),
    ],
    POSITIONS: [
        refused(
            lambda pe: mrope(pe, ones(1, 4), [[0], [0], [0]]),
            ValueError,
            "mrope: positions (3, 1) do not fit x (1, 4).",
        ),
        refused(
            lambda pe: mrope(pe, ones(3, 4), ones(3, 2)),
            ValueError,
            "mrope: positions (3, 2) do not fit x (3, 4). Pass shape (2, 3), a row for each of the 2 axes, or 2 and "
            "then as many axes as x has before dim, each of x's size or 1, the last 3. Here the axes seem to come "
            "last: move them to the front, as np.moveaxis(positions, -1, 0) does.",
        ),
        *bad_positions("mrope", lambda pe, positions: mrope(pe, ones(1, 2), row(positions), [1.0], (1,))),
    ],
    FREQUENCIES: [
        *bad_frequencies("mrope", lambda pe, frequencies: mrope(pe, ones(1, 4), frequencies=frequencies)),
        answered(lambda pe: mrope(pe, ones(1, 2), [[1]], [-HALF_PI], (1,)), TURNED),
    ],
    DTYPE: other_than_floating("mrope", lambda pe, x: mrope(pe, x, [[1]], [-HALF_PI], (1,))),
    DEVICES: devices("mrope", lambda pe, x, positions, theta: mrope(pe, x, row(positions), theta, (1,))),
    EMPTY: [
        answered(lambda pe: mrope(pe, ones(0, 4), [[], []]), (0, 4)),
        refused(
            lambda pe: mrope(pe, ones(1, 4), sections=()),
            ValueError,
            "mrope: sections must sum to the number of frequencies, 2; () sum to 0.",
        ),
    ],
    HEADS: [answered(lambda pe: mrope(pe, ones(2, 0, 3, 4), [range(3)] * 2), (2, 0, 3, 4))],
    NAME: layouts("mrope", lambda pe, layout: mrope(pe, ones(1, 4), layout=layout)),
    FACTOR: [
        *not_above_zero(
            "mrope", "attention_factor", lambda pe, factor: mrope(pe, ones(1, 4), attention_factor=factor)
        ),
        # and the share of the pairs that an axis gets
        refused(
            lambda pe: mrope(pe, ones(1, 4), sections=(2, 2)),
            ValueError,
            "mrope: sections must sum to the number of frequencies, 2; (2, 2) sum to 4. They count pairs, not "
            "dimensions.",
        ),
        *each(
            lambda pe, section: mrope(pe, ones(1, 4), sections=(2, section)),
            ValueError,
            "mrope: each of sections must be at least 1, got {value}.",
            *(0, -1),
        ),
        *each(
            lambda pe, section: mrope(pe, ones(1, 4), sections=(section, 1)),
            TypeError,
            "mrope: each of sections must be an integer, got {value!r} ({kind}).",
            *(1.0, True, "1"),
        ),
        refused(
            lambda pe: mrope(pe, ones(1, 4), sections=2),
            TypeError,
            "mrope: sections must be a sequence of integers, got 2.",
        ),
        refused(
            lambda pe: mrope(pe, ones(1, 8), frequencies=[1.0] * 4, sections=(1, 3), interleaved=True),
            ValueError,
            "mrope: interleaved sections (1, 3) do not fit 4 frequencies: axis 1 takes pairs 1, 3, 5, …, of which "
            "there are 2, fewer than its 3.",
        ),
    ],
}


def xpos(pe, x, positions=(0,), frequencies=(1.0,), role="query", **more):
    return pe.xpos(x, positions, frequencies, role=role, **more)


XPOS = {
    ODD: [
        answered(lambda pe: xpos(pe, ones(1, 5)), ones(1, 5)),
        refused(
            lambda pe: xpos(pe, ones(1, 5), frequencies=[1.0] * 3),
            ValueError,
            "xpos: every frequency turns two dimensions; 3 of them need 6, and x (1, 5) has 5. Pass at most 2.",
        ),
    ],
    RANK: ranks("xpos", xpos),
    POSITIONS: [
        *misfits("xpos", xpos),
        *bad_positions("xpos", lambda pe, positions: xpos(pe, ones(1, 4), positions)),
        refused(
            lambda pe: xpos(pe, ones(1, 4), [10**6]),
            ValueError,
            "xpos: beyond position ±289519 the factor ζ_0^(±m/scale_base) is too small or too large for",
        ),
    ],
    FREQUENCIES: [
        *bad_frequencies("xpos", lambda pe, frequencies: xpos(pe, ones(1, 4), frequencies=frequencies)),
        answered(lambda pe: xpos(pe, ones(1, 2), frequencies=[-1.0]), ones(1, 2)),
    ],
    DTYPE: [
        answered(lambda pe: xpos(pe, ones(1, 2, dtype=int)), ones(1, 2), only="numpy"),
        refused(
            lambda pe: xpos(pe, ones(1, 2, dtype=int)),
            TypeError,
            "xpos: x must be floating, as its result is, got torch.int64.",
            only="torch",
        ),
        *each(xpos, TypeError, "xpos: x must", ones(1, 2, dtype=bool), ones(1, 2, dtype=complex)),
    ],
    DEVICES: devices("xpos", xpos),
    EMPTY: [answered(lambda pe: xpos(pe, ones(0, 4), []), (0, 4))],
    HEADS: [answered(lambda pe: xpos(pe, ones(2, 0, 3, 4), range(3)), (2, 0, 3, 4))],
    NAME: [
        *layouts("xpos", lambda pe, layout: xpos(pe, ones(1, 4), layout=layout)),
        *each(
            lambda pe, role: xpos(pe, ones(1, 4), role=role),
            ValueError,
            "xpos: unknown role {value!r}. 'query' multiplies pair i at position m by ζ_i^(m/scale_base), 'key' "
            "divides by it.",
            *("value", None),
        ),
    ],
    FACTOR: [
        *not_above_zero("xpos", "scale_base", lambda pe, base: xpos(pe, ones(1, 4), scale_base=base)),
        *not_above_zero("xpos", "gamma", lambda pe, gamma: xpos(pe, ones(1, 4), gamma=gamma)),
        refused(
            lambda pe: xpos(pe, ones(1, 4), [1], scale_base=1e-300), ValueError, "xpos: beyond position ±0 the factor"
        ),
        answered(lambda pe: xpos(pe, ones(1, 2), [1], [0.0], gamma=1e300), ones(1, 2)),  # ζ is 1: nothing fades
    ],
}


def convert(pe, weight, num_heads=1, source="half", target="interleaved", **more):
    return pe.convert_layout(weight, num_heads, source=source, target=target, **more)


CONVERT_LAYOUT = {
    ODD: [
        refused(
            lambda pe: convert(pe, ones(5, 2)),
            ValueError,
            "convert_layout: rotary_dim must be even, for dimensions turn in pairs, and from 2 to the size of a head; "
            "got 5 (the whole head, for want of another), and weight (5, 2) with 1 heads has 5 dimensions in each.",
        ),
        refused(
            lambda pe: convert(pe, ones(4, 2), rotary_dim=3), ValueError, "convert_layout: rotary_dim must be even"
        ),
    ],
    RANK: [
        refused(
            lambda pe: convert(pe, 1.0),
            ValueError,
            "convert_layout: weight must have num_heads · dim rows, got shape () and 1 heads.",
        ),
        answered(lambda pe: convert(pe, np.arange(4.0)), [0.0, 2.0, 1.0, 3.0]),  # a bias is a weight of one axis
        refused(
            lambda pe: convert(pe, ones(5, 2), 2),
            ValueError,
            "convert_layout: weight must have num_heads · dim rows, got shape (5, 2) and 2 heads. With grouped-query "
            "attention keys have fewer heads than queries; of a weight stored as (in, out), pass the transpose.",
        ),
    ],
    POSITIONS: "A weight has no positions.",
    FREQUENCIES: NO_FREQUENCIES,
    DTYPE: [answered(lambda pe: convert(pe, np.arange(4)), [0, 2, 1, 3])],  # rows change places, whatever they hold
    DEVICES: "One array goes in, and stays where it is.",
    EMPTY: [
        refused(lambda pe: convert(pe, ones(0, 2)), ValueError, "convert_layout: rotary_dim must be even"),
        answered(lambda pe: convert(pe, ones(4, 0)), (4, 0)),
    ],
    HEADS: bad_numbers_of_heads("convert_layout", lambda pe, heads: convert(pe, ones(4, 2), heads)),
    NAME: [
        *each(
            lambda pe, layout: convert(pe, ones(4), source=layout),
            ValueError,
            "convert_layout: unknown source {value!r}. 'interleaved' pairs dimensions (2i, 2i+1); 'half' pairs "
            "(i, i+r/2), r being rotary_dim.",
            *("neox", None),
        ),
        refused(lambda pe: convert(pe, ones(4), target="gptj"), ValueError, "convert_layout: unknown target 'gptj'."),
    ],
    FACTOR: [
        *each(
            lambda pe, r: convert(pe, ones(4), rotary_dim=r),
            ValueError,
            "convert_layout: rotary_dim must be at least 2, got {value}.",
            *(0, -2),
        ),
        *each(
            lambda pe, r: convert(pe, ones(4), rotary_dim=r),
            TypeError,
            "convert_layout: rotary_dim must be an integer, got {value!r} ({kind}).",
            *(2.0, True, "2"),
        ),
        refused(lambda pe: convert(pe, ones(4), rotary_dim=6), ValueError, "convert_layout: rotary_dim must be even"),
    ],
}


def module(pe, q, k=None, positions=(0,), key_positions=None, frequencies=(1.0,), **more):
    return pe.Rope(frequencies, layout="half", **more)(q, q if k is None else k, positions, key_positions)


ROPE_MODULE = {
    ODD: [
        answered(lambda pe: module(pe, ones(1, 5)), ones(1, 5)),
        refused(
            lambda pe: module(pe, ones(1, 1)),
            ValueError,
            "Rope: every frequency turns two dimensions; 1 of them need 2, and q (1, 1) has 1. Pass at most 0.",
        ),
    ],
    RANK: [
        refused(lambda pe: module(pe, ones(4)), ValueError, "Rope: q must be (..., T, dim), got (4,)."),
        refused(lambda pe: module(pe, ones(1, 4), ones(4)), ValueError, "Rope: k must be (..., T, dim), got (4,)."),
        refused(lambda pe: module(pe, ones(1, 4), positions=0), ValueError, "Rope: positions () do not fit q (1, 4)."),
        *each(
            lambda pe, frequencies: pe.Rope(frequencies, layout="half"),
            ValueError,
            "Rope: frequencies must have one axis, got",
            *(1.0, ones(1, 1)),
        ),
    ],
    POSITIONS: [
        refused(
            lambda pe: module(pe, ones(2, 4), positions=range(3)),
            ValueError,
            "Rope: positions (3,) do not fit q (2, 4).",
        ),
        refused(
            lambda pe: module(pe, ones(2, 4), ones(3, 4), range(2)),
            ValueError,
            "Rope: q (2, 4) and k (3, 4) have different numbers of tokens. Pass key_positions too.",
        ),
        refused(
            lambda pe: module(pe, ones(2, 4), ones(3, 4), range(2), range(2)),
            ValueError,
            "Rope: positions (2,) do not fit k (3, 4).",
        ),
        *bad_positions("Rope", lambda pe, positions: module(pe, ones(1, 4), positions=positions)),
    ],
    FREQUENCIES: [
        *bad_frequencies("Rope", lambda pe, frequencies: pe.Rope(frequencies, layout="half")),
        answered(lambda pe: module(pe, ones(1, 2), positions=[1], frequencies=[-HALF_PI]), TURNED),
        refused(
            lambda pe: pe.Rope(torch.ones(1, requires_grad=True), layout="half"),
            ValueError,
            "Rope: frequencies require a gradient, and this module keeps them as constants. Make them a parameter of "
            "your own module and call rope(x, positions, frequencies) with it.",
        ),
    ],
    DTYPE: [
        *each(
            module,
            TypeError,
            "Rope: expected one floating dtype for all, got q torch.",
            *(ones(1, 4, dtype=int), ones(1, 4, dtype=bool)),
        ),
        refused(
            lambda pe: module(pe, ones(1, 4, dtype=np.float32), ones(1, 4)),
            TypeError,
            "Rope: expected one floating dtype for all, got q torch.float32, k torch.float64.",
        ),
    ],
    DEVICES: [
        refused(
            lambda pe: module(pe, meta(1, 4), ones(1, 4)),
            ValueError,
            "Rope: q is on meta, k is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: module(pe, ones(1, 4), positions=meta(1)),
            ValueError,
            "Rope: positions are on meta, q is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: module(pe, ones(1, 4), key_positions=meta(1)),
            ValueError,
            "Rope: positions are on meta, k is on cpu. Move one to the other.",
        ),
        refused(
            lambda pe: pe.Rope(meta(1), layout="half"),
            ValueError,
            "Rope: frequencies are on the meta device, which keeps no values. Pass a NumPy array.",
        ),
    ],
    EMPTY: [
        answered(lambda pe: module(pe, ones(0, 4), positions=[]), (0, 4)),
        answered(lambda pe: module(pe, ones(0, 4), ones(2, 4), [], range(2)), (0, 4)),
    ],
    HEADS: [answered(lambda pe: module(pe, ones(2, 0, 1, 4)), (2, 0, 1, 4))],
    NAME: layouts("Rope", lambda pe, layout: pe.Rope([1.0], layout=layout)),
    FACTOR: not_above_zero(
        "Rope", "attention_factor", lambda pe, factor: pe.Rope([1.0], layout="half", attention_factor=factor)
    ),
}
