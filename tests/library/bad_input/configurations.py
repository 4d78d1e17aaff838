"""Bad input to what reads a model's configuration; `f` is posenc_lib.frequencies."""

from tests.library.bad_input.cells import (
    DEVICES,
    DTYPE,
    EMPTY,
    FACTOR,
    FREQUENCIES,
    HEADS,
    KINDS,
    NAME,
    ODD,
    POSITIONS,
    RANK,
    answered,
    each,
    inf,
    nan,
    refused,
)

RESULT = "It is a result: from_hf_config and explain make it, and they are what refuses."
ROTARY_SPEC = dict.fromkeys(KINDS, RESULT)
EXPLANATION = dict.fromkeys(KINDS, RESULT)

LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_attention_heads": 4,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
}


def llama(**changes):
    """A configuration with some keys changed, or left out if None."""
    return {key: value for key, value in (LLAMA | changes).items() if value is not None}


def scaled(rope_type, **parameters):
    return llama(rope_scaling={"rope_type": rope_type, **parameters})


def table(name, call):
    """The table of what reads a configuration by `call(f, config, **more)`."""
    reads = "frequencies.from_hf_config"  # which explain leaves the reading to
    lists = "frequencies.hf_layer_types" if name == "explain" else reads
    return {
        ODD: [
            refused(
                lambda f: call(f, llama(head_dim=7)),
                ValueError,
                f"{reads}: an even number of dimensions must turn, from 2 to the head's 7; partial_rotary_factor says",
            ),
            *each(
                lambda f, factor: call(f, llama(partial_rotary_factor=factor)),
                ValueError,
                f"{reads}: an even number of dimensions must turn, from 2 to the head's 8; partial_rotary_factor says",
                *(0.4, 0.0, 1.5),
            ),
            *each(
                lambda f, dim: call(f, llama(head_dim=dim)),
                ValueError,
                reads + ": head_dim must be a whole number, 1 or more; got {value}.",
                *(0, -8, 7.5),
            ),
            refused(
                lambda f: call(f, llama(hidden_size=33)),
                ValueError,
                f"{reads}: hidden_size 33 does not divide into num_attention_heads 4, and there is no head_dim.",
            ),
        ],
        RANK: [
            *each(
                lambda f, config: call(f, config),
                TypeError,
                f"frequencies.{name}: config must be a dict or the path of a config.json, got a {{kind}}. A "
                "configuration object of transformers gives its dict by .to_dict().",
                *(3, None, [LLAMA]),
            ),
            refused(
                lambda f: call(f, llama(rope_scaling=3)),
                TypeError,
                f"{lists}: rope_scaling must be an object or null, got 3.",
            ),
            refused(
                lambda f: call(
                    f,
                    scaled(
                        "longrope",
                        factor=2.0,
                        short_factor=[1.0],
                        long_factor=[1.0] * 4,
                        original_max_position_embeddings=1024,
                    ),
                ),
                ValueError,
                f"{reads}: short_factor must be a list of 4 numbers, one for each pair that turns; got 1.",
            ),
        ],
        POSITIONS: "A configuration has no positions.",
        FREQUENCIES: [
            *each(
                lambda f, theta: call(f, llama(rope_theta=theta)),
                ValueError,
                reads + ": rope_theta must be a finite number, got {value!r}.",
                *(nan, inf, True, "1e4"),
            ),
            *each(
                lambda f, theta: call(f, llama(rope_theta=theta)),
                ValueError,
                reads + ": base must be finite and at least 1, so that angular frequencies fall from 1 radian per",
                *(0, -1.0, 0.5),
            ),
        ],
        DTYPE: "No vectors go in.",
        DEVICES: "A configuration has no device.",
        EMPTY: [
            *each(
                lambda f, length: call(f, llama(max_position_embeddings=length)),
                ValueError,
                reads + ": max_position_embeddings must be a whole number, 1 or more; got {value}.",
                *(0, -1, 1.5),
            ),
            refused(
                lambda f: call(f, LLAMA, length=0), ValueError, f"frequencies.{name}: length must be at least 1, got 0."
            ),
            refused(
                lambda f: call(f, LLAMA, length=1.5),
                TypeError,
                f"frequencies.{name}: length must be an integer, got 1.5 (float).",
            ),
        ],
        HEADS: each(
            lambda f, heads: call(f, llama(num_attention_heads=heads)),
            ValueError,
            reads + ": num_attention_heads must be a whole number, 1 or more; got {value}.",
            *(0, -4),
        ),
        NAME: [
            refused(
                lambda f: call(f, scaled("nonsense", factor=2.0)),
                ValueError,
                f"{reads}: rope_type must be one of default, axial, linear, dynamic, proportional, yarn, longrope, "
                "llama3; got 'nonsense'.",
            ),
            refused(
                lambda f: call(f, scaled("yarn", type="linear", factor=2.0)),
                ValueError,
                f"{reads}: rope_type is 'yarn' and type is 'linear'. type is the old name of rope_type: leave it out.",
            ),
            refused(
                lambda f: call(f, scaled("linear", factor=2.0, fctor=1)),
                ValueError,
                f"{reads}: unknown key 'fctor' in the rope parameters (its value is 1).",
            ),
            refused(
                lambda f: call(f, llama(rope_scaling={"factor": 2.0})),
                ValueError,
                f"{reads}: factor=2.0 means nothing to rope_type 'default';",
            ),
        ],
        FACTOR: [
            *each(
                lambda f, factor: call(f, scaled("linear", factor=factor)),
                ValueError,
                reads + ": factor must be at least 1, got {value}.",
                *(0, -1, 0.5),
            ),
            *each(
                lambda f, factor: call(f, scaled("linear", factor=factor)),
                ValueError,
                reads + ": factor must be a finite number, got {value!r}.",
                *(nan, inf, True, "2"),
            ),
            refused(
                lambda f: call(f, scaled("linear")),
                ValueError,
                f"{reads}: rope_type 'linear' needs factor, which the parameters lack.",
            ),
            refused(
                lambda f: call(f, llama(rope_theta=None)),
                ValueError,
                f"{reads}: the configuration has no base (rope_theta). transformers would assume 10000 for model_type "
                "'llama', in silence; if the model was trained with that, give base=10000.",
            ),
            refused(
                lambda f: call(f, LLAMA, base=2.0),
                ValueError,
                f"{reads}: the base is contradictory: rope_theta is 10000, the argument base is 2.",
            ),
        ],
    }


FROM_HF_CONFIG = table("from_hf_config", lambda f, config, **more: f.from_hf_config(config, **more))
FROM_HF_CONFIG[NAME] += [
    answered(lambda f: f.from_hf_config(llama(model_type="nonsense")).frequencies, [1.0, 0.1, 0.01, 0.001]),
    refused(
        lambda f: f.from_hf_config(LLAMA, layer_type="full_attention"),
        ValueError,
        "frequencies.from_hf_config: layer_type 'full_attention' is not told apart here, all layers are alike. Leave "
        "it out.",
    ),
]
EXPLAIN = table("explain", lambda f, config, **more: f.explain(config, **more))

ONLY_KINDS = "It lists kinds of layers, and reads no number."
HF_LAYER_TYPES = dict.fromkeys(KINDS, ONLY_KINDS) | {
    RANK: [
        *each(
            lambda f, config: f.hf_layer_types(config),
            TypeError,
            "frequencies.hf_layer_types: config must be a dict or the path of a config.json, got a {kind}.",
            *(3, None, [LLAMA]),
        ),
        refused(
            lambda f: f.hf_layer_types(llama(rope_scaling=3)),
            TypeError,
            "frequencies.hf_layer_types: rope_scaling must be an object or null, got 3.",
        ),
    ]
}
