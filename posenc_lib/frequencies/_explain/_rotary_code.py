"""The rotations of a model: its frequencies next to the unscaled ladder, for each kind of layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from posenc_lib import frequencies
from posenc_lib.frequencies._explain import _rotation as did
from posenc_lib.frequencies._explain._explanation import Explanation
from posenc_lib.frequencies._explain._layers import layer_kinds, unturned_layers, window
from posenc_lib.frequencies._explain._other_codes import max_length, num_layers
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._rope import rope
from posenc_lib.frequencies._spec import RotarySpec

# These rules divide slow pairs by the factor, keep fast ones, and blend in between; under any other rule a pair
# whose frequency is neither kept nor divided has a factor of its own.
_BLENDING = ("yarn", "llama3")


def rotary_code(config: Mapping[str, object], length: int | None) -> Explanation:
    """Explain a model that turns queries and keys."""
    layers, kinds = num_layers(config), layer_kinds(config)
    unturned = unturned_layers(config, layers)
    rotations = tuple(
        _rotation(config, layer_type, length, kinds, layers, unturned)
        for layer_type in frequencies.hf_layer_types(config)
    )
    model_type = config.get("model_type")
    return Explanation(
        model_type=model_type if isinstance(model_type, str) else None, kind="rope", num_layers=layers,
        max_length=max_length(config), rotations=rotations, unturned_layers=unturned, notes=_notes(rotations),
    )  # fmt: skip


def effects_of_scaling(spec: RotarySpec) -> tuple[str, ...]:
    """Say of each pair what scaling did to it."""
    turned = spec.frequencies > 0
    slower = np.divide(_ladder(spec), spec.frequencies, out=np.ones_like(spec.frequencies), where=turned)
    factor = spec.parameters.get("factor")
    between = did.BLENDED if spec.rope_type in _BLENDING else did.RESCALED
    effects = np.full(len(slower), between, dtype=object)
    if isinstance(factor, (int, float)):
        effects[np.isclose(slower, factor, rtol=1e-9, atol=0)] = did.DIVIDED
    effects[np.isclose(slower, 1, rtol=1e-9, atol=0)] = did.KEPT
    effects[~turned] = did.UNTURNED
    return tuple(effects)


def _ladder(spec: RotarySpec) -> NDArray[np.float64]:
    return rope(2 * len(spec.frequencies), base=spec.base)


def _rotation(
    config: Mapping[str, object], layer_type: str | None, length: int | None, kinds: tuple[str, ...] | None,
    layers: int | None, unturned: tuple[int, ...],
) -> Rotation:  # fmt: skip
    spec = frequencies.from_hf_config(config, layer_type=layer_type, length=length)
    if layer_type is None:
        turning = None if layers is None else tuple(i for i in range(layers) if i not in unturned)
    else:
        turning = None if kinds is None else tuple(i for i, kind in enumerate(kinds) if kind == layer_type)
    return Rotation(
        spec=spec, layers=turning, window=window(config, layer_type), ladder=_ladder(spec),
        effects=effects_of_scaling(spec),
    )  # fmt: skip


def _notes(rotations: tuple[Rotation, ...]) -> tuple[str, ...]:
    """The notes of all kinds of layers, each once."""
    return tuple(dict.fromkeys(note for rotation in rotations for note in rotation.spec.notes))
