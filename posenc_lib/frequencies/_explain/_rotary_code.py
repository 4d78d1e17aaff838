"""The rotations of a model: its frequencies next to the unscaled ladder, for each kind of layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from posenc_lib.frequencies._explain import _rotation as did
from posenc_lib.frequencies._explain._explanation import Explanation
from posenc_lib.frequencies._explain._layers import turning_layers, unturned_layers, window_of
from posenc_lib.frequencies._explain._numbers import exact
from posenc_lib.frequencies._explain._other_codes import max_length, num_layers
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._from_hf import from_hf_config, hf_layer_types
from posenc_lib.frequencies._rope import rope
from posenc_lib.frequencies._spec import RotarySpec

# transformers' code of these families fixes the base, and their configurations have no key for it.
_FIXED_BASES = {"gptj": 10000.0, "codegen": 10000.0}
# These rules divide slow pairs by the factor, keep fast ones, and blend in between; under any other rule a pair
# whose frequency is neither kept nor divided has a factor of its own.
_BLENDING = ("yarn", "llama3")


def rotary_code(config: Mapping[str, object], length: int | None, base: float | None) -> Explanation:
    """Explain a model that turns queries and keys."""
    layers = num_layers(config)
    unturned = unturned_layers(config, layers)
    fixed = _FIXED_BASES.get(str(config.get("model_type")))
    rotations = []
    for layer_type in hf_layer_types(config):
        spec = from_hf_config(config, layer_type=layer_type, length=length, base=fixed if base is None else base)
        turning = turning_layers(config, layer_type, layers, unturned)
        rotations.append(
            Rotation(spec, turning, *window_of(config, turning), ladder(spec), effects_of_scaling(spec))
        )
    model_type = config.get("model_type")
    notes = [] if fixed is None else [f"The configuration has no base: the model's code fixes it at {exact(fixed)}."]
    notes += [note for rotation in rotations for note in rotation.spec.notes]
    return Explanation(
        model_type=model_type if isinstance(model_type, str) else None, kind="rope", num_layers=layers,
        max_length=max_length(config), rotations=tuple(rotations), unturned_layers=unturned,
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def effects_of_scaling(spec: RotarySpec) -> tuple[str, ...]:
    """Say of each pair what scaling did to it."""
    turned = spec.frequencies > 0
    slower = np.divide(ladder(spec), spec.frequencies, out=np.ones_like(spec.frequencies), where=turned)
    factor = spec.parameters.get("factor")
    between = did.BLENDED if spec.rope_type in _BLENDING else did.RESCALED
    effects = np.full(len(slower), between, dtype=object)
    if isinstance(factor, (int, float)):
        effects[np.isclose(slower, factor, rtol=1e-9, atol=0)] = did.DIVIDED
    effects[np.isclose(slower, 1, rtol=1e-9, atol=0)] = did.KEPT
    effects[~turned] = did.UNTURNED
    return tuple(effects)


def ladder(spec: RotarySpec) -> NDArray[np.float64]:
    """The frequencies that the same base and dimension would give without scaling."""
    if spec.rope_type == "axial":  # a ladder for each axis, which nothing scales
        return spec.frequencies
    return rope(2 * len(spec.frequencies), base=spec.base)
