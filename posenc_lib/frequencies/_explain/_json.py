"""An explanation as dicts, lists, strings and numbers: what JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posenc_lib.frequencies._explain import _rotation as did
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._explain._rows import attention_factor_source, factor_of

if TYPE_CHECKING:
    from posenc_lib.frequencies._explain._explanation import Explanation

_EFFECTS = (did.KEPT, did.BLENDED, did.DIVIDED, did.RESCALED, did.UNTURNED)


def plain(explanation: Explanation) -> dict[str, object]:
    """Return every fact under a key that stays; what does not apply is None or empty."""
    return {
        "model_type": explanation.model_type,
        "kind": explanation.kind,
        "num_layers": explanation.num_layers,
        "max_length": explanation.max_length,
        "unturned_layers": list(explanation.unturned_layers),
        "rotations": [_rotation(rotation) for rotation in explanation.rotations],
        **explanation.details,
        "notes": list(explanation.notes),
    }


def _rotation(rotation: Rotation) -> dict[str, object]:
    spec = rotation.spec
    return {
        "layer_type": spec.layer_type,
        "layers": None if rotation.layers is None else list(rotation.layers),
        "window": rotation.window,
        "windowed_layers": list(rotation.windowed),
        "rope_type": spec.rope_type,
        "factor": factor_of(spec),
        "layout": spec.layout,
        "head_dim": spec.head_dim,
        "rotary_dim": spec.rotary_dim,
        "base": spec.base,
        "frequencies": spec.frequencies.tolist(),
        "unscaled_frequencies": rotation.ladder.tolist(),
        "trained_length": rotation.trained_length,
        "full_turns": None if rotation.full_turns is None else list(rotation.full_turns),
        **{effect: list(rotation.pairs(effect)) for effect in _EFFECTS},
        "attention_factor": spec.attention_factor,
        "attention_factor_source": attention_factor_source(spec),
        "length_dependent": spec.length_dependent,
        "length": spec.length,
        "sections": None if spec.sections is None else list(spec.sections),
        "interleaved_sections": spec.interleaved_sections,
    }
