"""Bad input to the rules of posenc_lib.frequencies; `f` is the module."""

from tests.library.bad_input.cells import (
    DEVICES,
    DTYPE,
    EMPTY,
    FACTOR,
    FREQUENCIES,
    HEADS,
    NAME,
    NO_DEVICE,
    ODD,
    POSITIONS,
    RANK,
    answered,
    bad_bases,
    each,
    inf,
    nan,
    odd_dims,
    refused,
)

# What none of these rules has: they turn a few numbers into frequencies.
NUMBERS_ONLY = {
    POSITIONS: "Frequencies are the same at every position.",
    FREQUENCIES: "Frequencies come out; what goes in is a base, and finite numbers from it.",
    DTYPE: "No vectors go in.",
    DEVICES: NO_DEVICE,
    HEADS: "All heads have the same frequencies.",
}
NO_LENGTH = "The rule knows no length."
NO_NAME = "Which rule it is, the function's name says."
NUMBERS = "Only numbers go in, no array."


def bad_factors(name, call, parameter="factor"):
    start = f"frequencies.{name}: {parameter} must be"
    return [
        *each(
            call,
            ValueError,
            start + " at least 1, because it says how many times longer the context becomes; got {value}.",
            *(0, -1.0, 0.5),
        ),
        *each(call, ValueError, start + " finite, got {value}.", nan, inf),
        *each(call, TypeError, start + " a number, got {value!r} ({kind}).", True, "2", None),
    ]


def bad_lengths(name, call, parameter="original_length", at_least=1):
    start = f"frequencies.{name}: {parameter} must be"
    return [
        *each(call, ValueError, f"{start} at least {at_least}, got {{value}}.", 0, -1),
        *each(call, TypeError, start + " an integer, got {value!r} ({kind}).", 2048.5, nan, True, None),
    ]


def not_a_positive_number(name, parameter, call):
    start = f"frequencies.{name}: {parameter} must be"
    return [
        *each(call, ValueError, start + " above 0, got {value}.", 0, -1.0),
        *each(call, ValueError, start + " finite, got {value}.", nan, inf),
        *each(call, TypeError, start + " a number, got {value!r} ({kind}).", True, "2", None),
    ]


ROPE = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.rope", lambda f, dim: f.rope(dim, base=1e4)),
    RANK: NUMBERS,
    EMPTY: NO_LENGTH,
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.rope", lambda f, base: f.rope(4, base=base)),
        answered(lambda f: f.rope(4, base=1e300), [1.0, 1e-150]),  # as good a ladder as any
    ],
}

LINEAR = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.linear", lambda f, dim: f.linear(dim, base=1e4, factor=2.0)),
    RANK: NUMBERS,
    EMPTY: NO_LENGTH,
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.linear", lambda f, base: f.linear(4, base=base, factor=2.0)),
        *bad_factors("linear", lambda f, factor: f.linear(4, base=1e4, factor=factor)),
        answered(lambda f: f.linear(4, base=1e4, factor=1e300), [1e-300, 1e-302]),
    ],
}

NTK = NUMBERS_ONLY | {
    ODD: [
        *odd_dims("frequencies.ntk", lambda f, dim: f.ntk(dim, base=1e4, factor=2.0)),
        refused(
            lambda f: f.ntk(2, base=1e4, factor=2.0),
            ValueError,
            "frequencies.ntk: dim must be at least 4, because the rule keeps the first pair and divides the last by "
            "the factor; got 2, where both are one pair.",
        ),
    ],
    RANK: NUMBERS,
    EMPTY: NO_LENGTH,
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.ntk", lambda f, base: f.ntk(4, base=base, factor=2.0)),
        *bad_factors("ntk", lambda f, factor: f.ntk(4, base=1e4, factor=factor)),
    ],
}


def dynamic_ntk(f, dim=4, base=1e4, factor=2.0, original_length=10, length=20):
    return f.dynamic_ntk(dim, base=base, factor=factor, original_length=original_length, length=length)


DYNAMIC_NTK = NUMBERS_ONLY | {
    ODD: [
        *odd_dims("frequencies.dynamic_ntk", lambda f, dim: dynamic_ntk(f, dim=dim)),
        refused(
            lambda f: dynamic_ntk(f, dim=2), ValueError, "frequencies.dynamic_ntk: dim must be at least 4, because"
        ),
    ],
    RANK: NUMBERS,
    EMPTY: [
        *bad_lengths("dynamic_ntk", lambda f, length: dynamic_ntk(f, length=length), "length"),
        answered(lambda f: dynamic_ntk(f, length=1), [1.0, 0.01]),  # a short sequence changes nothing
    ],
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.dynamic_ntk", lambda f, base: dynamic_ntk(f, base=base)),
        *bad_factors("dynamic_ntk", lambda f, factor: dynamic_ntk(f, factor=factor)),
        *bad_lengths("dynamic_ntk", lambda f, length: dynamic_ntk(f, original_length=length)),
    ],
}


def yarn(f, dim=8, base=1e4, factor=2.0, original_length=2048, **more):
    return f.yarn(dim, base=base, factor=factor, original_length=original_length, **more)


YARN = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.yarn", lambda f, dim: yarn(f, dim=dim)),
    RANK: NUMBERS,
    EMPTY: [
        *bad_lengths("yarn", lambda f, length: yarn(f, original_length=length)),
        refused(
            lambda f: yarn(f, original_length=2**70),
            ValueError,
            "frequencies.yarn: original_length=1180591620717411303424 puts the code's ramp beyond the pairs, from",
        ),
    ],
    NAME: [
        *each(
            lambda f, variant: yarn(f, variant=variant),
            ValueError,
            "frequencies.yarn: variant must be 'code' or 'paper', got {value!r}.",
            *("transformers", None),
        ),
        *each(
            lambda f, truncate: yarn(f, truncate=truncate),
            TypeError,
            "frequencies.yarn: truncate must be True or False, got {value!r} ({kind}).",
            *("no", None),
        ),
    ],
    FACTOR: [
        *bad_bases("frequencies.yarn", lambda f, base: yarn(f, base=base)),
        refused(
            lambda f: yarn(f, base=1),
            ValueError,
            "frequencies.yarn: base must be above 1 for variant 'code', which divides by its logarithm; got 1.",
        ),
        *bad_factors("yarn", lambda f, factor: yarn(f, factor=factor)),
        *not_a_positive_number("yarn", "beta_fast", lambda f, beta: yarn(f, beta_fast=beta)),
        *not_a_positive_number("yarn", "beta_slow", lambda f, beta: yarn(f, beta_slow=beta)),
        refused(
            lambda f: yarn(f, beta_fast=1.0, beta_slow=32.0),
            ValueError,
            "frequencies.yarn: beta_slow must be below beta_fast, got beta_slow=32.0 and beta_fast=1.0.",
        ),
    ],
}

YARN_ATTENTION_FACTOR = NUMBERS_ONLY | {
    ODD: "The factor is the same for every size.",
    RANK: NUMBERS,
    EMPTY: NO_LENGTH,
    NAME: NO_NAME,
    FACTOR: [
        *bad_factors("yarn_attention_factor", lambda f, factor: f.yarn_attention_factor(factor)),
        refused(
            lambda f: f.yarn_attention_factor(2.0, mscale=1.0),
            ValueError,
            "frequencies.yarn_attention_factor: mscale and mscale_all_dim go together, got mscale=1.0 and "
            "mscale_all_dim=None. One alone is ignored by transformers and not by DeepSeek's code: leave it out, or "
            "give both.",
        ),
        *each(
            lambda f, mscale: f.yarn_attention_factor(2.0, mscale=mscale, mscale_all_dim=1.0),
            ValueError,
            "frequencies.yarn_attention_factor: mscale must be",
            *(-1.0, nan, inf),
        ),
        *each(
            lambda f, mscale: f.yarn_attention_factor(2.0, mscale=1.0, mscale_all_dim=mscale),
            TypeError,
            "frequencies.yarn_attention_factor: mscale_all_dim must be a number, got {value!r} ({kind}).",
            *(True, "1"),
        ),
    ],
}


def llama3(f, dim=8, base=1e4, factor=8.0, original_length=8192, low=1.0, high=4.0):
    return f.llama3(
        dim, base=base, factor=factor, original_length=original_length, low_freq_factor=low, high_freq_factor=high
    )


LLAMA3 = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.llama3", lambda f, dim: llama3(f, dim=dim)),
    RANK: NUMBERS,
    EMPTY: bad_lengths("llama3", lambda f, length: llama3(f, original_length=length)),
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.llama3", lambda f, base: llama3(f, base=base)),
        *bad_factors("llama3", lambda f, factor: llama3(f, factor=factor)),
        *not_a_positive_number("llama3", "low_freq_factor", lambda f, low: llama3(f, low=low)),
        *not_a_positive_number("llama3", "high_freq_factor", lambda f, high: llama3(f, high=high)),
        *each(
            lambda f, low: llama3(f, low=low),
            ValueError,
            "frequencies.llama3: low_freq_factor must not be above high_freq_factor, got low_freq_factor={value} and "
            "high_freq_factor=4.0.",
            *(4.5, 5.0),
        ),
    ],
}


def longrope(f, factors=(1.0, 2.0), dim=4, base=1e4):
    return f.longrope(dim, base=base, factors=factors)


LONGROPE = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.longrope", lambda f, dim: longrope(f, dim=dim)),
    RANK: each(
        longrope,
        ValueError,
        "frequencies.longrope: factors must have shape (2,), one divisor for each of the dim/2 pairs; got",
        *(2.0, [1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]]),
    ),
    EMPTY: [refused(lambda f: longrope(f, []), ValueError, "frequencies.longrope: factors must have shape (2,)")],
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.longrope", lambda f, base: longrope(f, base=base)),
        *(
            refused(
                lambda f, bad=bad: longrope(f, [1.0, bad]),
                ValueError,
                f"frequencies.longrope: factors must be finite and above 0, got {bad} at pair 1.",
            )
            for bad in (0.0, -1.0, nan, inf)
        ),
        *each(
            longrope,
            TypeError,
            "frequencies.longrope: factors must be real numbers, got an array of",
            *([True, True], ["1", "2"], [1j, 1.0], None),
        ),
        answered(lambda f: longrope(f, [0.5, 1.0]), [2.0, 0.01]),  # a pair may become faster, as the paper lets it
    ],
}

LONGROPE_ATTENTION_FACTOR = NUMBERS_ONLY | {
    ODD: "The factor is the same for every size.",
    RANK: NUMBERS,
    EMPTY: bad_lengths(
        "longrope_attention_factor", lambda f, length: f.longrope_attention_factor(2.0, length), at_least=2
    ),
    NAME: NO_NAME,
    FACTOR: bad_factors("longrope_attention_factor", lambda f, factor: f.longrope_attention_factor(factor, 2048)),
}


def proportional(f, dim=8, base=1e4, fraction=0.5, **more):
    return f.proportional(dim, base=base, fraction=fraction, **more)


PROPORTIONAL = NUMBERS_ONLY | {
    ODD: odd_dims("frequencies.proportional", lambda f, dim: proportional(f, dim=dim)),
    RANK: NUMBERS,
    EMPTY: NO_LENGTH,
    NAME: NO_NAME,
    FACTOR: [
        *bad_bases("frequencies.proportional", lambda f, base: proportional(f, base=base)),
        *bad_factors("proportional", lambda f, factor: proportional(f, factor=factor)),
        *each(
            lambda f, fraction: proportional(f, fraction=fraction),
            ValueError,
            "frequencies.proportional: fraction must be from 0 to 1, got {value}.",
            *(-0.5, 1.5),
        ),
        refused(
            lambda f: proportional(f, fraction=nan),
            ValueError,
            "frequencies.proportional: fraction must be finite, got nan.",
        ),
        *each(
            lambda f, fraction: proportional(f, fraction=fraction),
            TypeError,
            "frequencies.proportional: fraction must be a number, got {value!r} ({kind}).",
            *(True, "0.5", None),
        ),
        answered(lambda f: proportional(f, fraction=0), [0.0] * 4),  # nothing turns
    ],
}


AXIAL = NUMBERS_ONLY | {
    ODD: [
        *odd_dims("frequencies.axial", lambda f, dim: f.axial(dim, base=1e4)),
        refused(
            lambda f: f.axial(6, base=1e4),
            ValueError,
            "frequencies.axial: dim must be a multiple of 2 · axes = 4, so that every axis gets whole pairs; got 6. "
            "Use 4 or 8.",
        ),
    ],
    RANK: NUMBERS,
    EMPTY: [
        *each(
            lambda f, axes: f.axial(8, base=1e4, axes=axes),
            ValueError,
            "frequencies.axial: axes must be at least 1, got {value}.",
            *(0, -1),
        ),
        *each(
            lambda f, axes: f.axial(8, base=1e4, axes=axes),
            TypeError,
            "frequencies.axial: axes must be an integer, got {value!r} ({kind}).",
            *(1.5, True, None),
        ),
    ],
    NAME: NO_NAME,
    FACTOR: bad_bases("frequencies.axial", lambda f, base: f.axial(8, base=base)),
}
