"""The sentences about a model's position code, as sections of labelled rows: what text and HTML both show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posenc_lib.frequencies._explain import _rotation as did
from posenc_lib.frequencies._explain._numbers import exact, number, runs, some_of
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._spec import RotarySpec

if TYPE_CHECKING:
    from posenc_lib.frequencies._explain._explanation import Explanation

_TITLES = {
    "rope": "rotary positions (RoPE)",
    "alibi": "attention with linear biases (ALiBi)",
    "t5": "T5's relative position buckets",
    "learned": "learned absolute positions",
    "sinusoidal": "sinusoidal absolute positions",
    "none": "no position code",
}
_LAYOUTS = {
    "half": "half: dimension i turns with dimension i + {}",
    "interleaved": "interleaved: dimension 2i turns with dimension 2i + 1",
    None: "not known for this model_type: look at the model's code",
}
_DETAILS = {
    "heads": "heads", "steepest_slope": "steepest slope", "flattest_slope": "flattest slope", "buckets": "buckets",
    "max_distance": "max distance", "positions": "positions", "width": "width", "first_row": "first row used",
    "encoder_positions": "encoder", "decoder_positions": "decoder",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """Rows of (label, sentence); `title` is "" where all layers are alike."""

    title: str
    rows: tuple[tuple[str, str], ...]
    rotation: Rotation | None = None


def title(explanation: Explanation) -> str:
    """The line above all: which model, which code."""
    return f"{explanation.model_type or 'model'}: {_TITLES[explanation.kind]}"


def sections(explanation: Explanation) -> tuple[Section, ...]:
    """What there is to say, one section for each kind of layer that turns."""
    if explanation.kind != "rope":
        return (Section("", _plain_rows(explanation)),)
    return tuple(
        Section(rotation.spec.layer_type or "", _rotary_rows(explanation, rotation), rotation)
        for rotation in explanation.rotations
    )


def _plain_rows(explanation: Explanation) -> tuple[tuple[str, str], ...]:
    rows = [(_DETAILS[key], _shown(value)) for key, value in explanation.details.items() if value is not None]
    if explanation.num_layers is not None:
        rows.append(("layers", str(explanation.num_layers)))
    if explanation.max_length is not None and explanation.kind in ("alibi", "t5"):
        rows.append(("training length", f"{explanation.max_length} positions"))
    return tuple(rows)


def _rotary_rows(explanation: Explanation, rotation: Rotation) -> tuple[tuple[str, str], ...]:
    spec = rotation.spec
    rows = [
        ("layers", _layers(explanation, rotation)),
        ("rule", _rule(spec)),
        ("layout", _LAYOUTS[spec.layout].format(spec.rotary_dim // 2)),
        ("head", _head(rotation)),
        ("base", exact(spec.base)),
        ("training length", _training(rotation)),
        ("full turns in it", _full_turns(rotation)),
        *_effects(rotation),
        ("attention factor", _attention_factor(spec)),
        ("longest wave", _longest(rotation)),
        ("with length", _with_length(spec)),
    ]
    if spec.sections is not None:
        rows.append(("axes", _sections(spec)))
    return tuple(rows)


def _layers(explanation: Explanation, rotation: Rotation) -> str:
    total, others = explanation.num_layers, len(explanation.unturned_layers)
    if rotation.layers is None or total is None:
        return "not listed"
    which = some_of(rotation.layers, total)
    if len(rotation.layers) != total:
        which += f" ({len(rotation.layers)} of {total})"
    if rotation.window is not None:
        where = "each" if rotation.windowed == rotation.layers else runs(rotation.windowed)
        which += f"; in {where} a token sees at most {rotation.window} tokens, itself included"
    return which + (f"; the other {others} have no position code (NoPE)" if others else "")


def _rule(spec: RotarySpec) -> str:
    factor, alpha = factor_of(spec), spec.parameters.get("alpha")
    if alpha is not None:
        return f"{spec.rope_type}, alpha {number_of(alpha)}"
    if factor not in (None, 1.0):
        return f"{spec.rope_type}, factor {number_of(factor)}"
    return "default, no scaling" if spec.rope_type == "default" else spec.rope_type


def factor_of(spec: RotarySpec) -> float | None:
    """The factor that the rule divides by, None where it has none: HunYuan's `alpha` takes its place."""
    factor = spec.parameters.get("factor") if spec.parameters.get("alpha") is None else None
    return float(factor) if isinstance(factor, (int, float)) else None


def _head(rotation: Rotation) -> str:
    spec, turning = rotation.spec, len(rotation.effects) - len(rotation.pairs(did.UNTURNED))
    if 2 * turning == spec.head_dim:
        return f"{spec.head_dim} dimensions, all turn: {turning} pairs"
    return f"{spec.head_dim} dimensions, {2 * turning} turn: {turning} pairs"


def _training(rotation: Rotation) -> str:
    spec = rotation.spec
    if rotation.trained_length is None:
        return "not in the configuration"
    if spec.original_length is None and factor_of(spec) not in (None, 1.0):
        return f"at most {rotation.trained_length} positions, for the original length is not given"
    extended = spec.original_length is not None and spec.max_length not in (None, spec.original_length)
    return f"{rotation.trained_length} positions" + (f", extended to {spec.max_length}" if extended else "")


def _full_turns(rotation: Rotation) -> str:
    turns = rotation.full_turns
    if turns is None:
        return "cannot be told without a training length"
    return _pairs(turns, f" of {len(rotation.effects)}")


def _effects(rotation: Rotation) -> list[tuple[str, str]]:
    factor = factor_of(rotation.spec)
    by = "" if factor is None else f" by {exact(factor)}"
    labels = {
        did.KEPT: "kept", did.BLENDED: "blended", did.DIVIDED: f"divided{by}",
        did.RESCALED: "rescaled", did.UNTURNED: "do not turn",
    }  # fmt: skip
    rows = [(label, _pairs(rotation.pairs(effect))) for effect, label in labels.items() if rotation.pairs(effect)]
    return [] if len(rows) == 1 and rotation.pairs(did.KEPT) else rows


def _pairs(pairs: tuple[int, ...], of: str = "") -> str:
    """The pairs and how many they are: "pairs 0–28 (29)".

    >>> _pairs((0, 1, 2)), _pairs((0,)), _pairs((), " of 8")
    ('pairs 0–2 (3)', 'pair 0 (1)', 'none (0 of 8)')
    """
    word = "" if not pairs else "pair " if len(pairs) == 1 else "pairs "
    return f"{word}{runs(pairs)} ({len(pairs)}{of})"


def _attention_factor(spec: RotarySpec) -> str:
    return f"{number(spec.attention_factor)}, {attention_factor_source(spec)}"


def attention_factor_source(spec: RotarySpec) -> str:
    """How the attention factor came about, with its formula."""
    given, factor = spec.parameters, spec.parameters.get("factor")
    if spec.rope_type == "longrope" and given.get("short_mscale") is not None:
        return "as the configuration's short_mscale and long_mscale say"
    if given.get("attention_factor") is not None:
        return "as the configuration says"
    if spec.rope_type == "yarn" and given.get("mscale") and given.get("mscale_all_dim"):
        return (
            f"(0.1·{number_of(given['mscale'])}·ln {number_of(factor)} + 1) / "
            f"(0.1·{number_of(given['mscale_all_dim'])}·ln {number_of(factor)} + 1)"
        )
    if spec.rope_type == "yarn":
        return f"0.1·ln {number_of(factor)} + 1"
    if spec.rope_type == "longrope":
        stretched = factor if factor is not None else (spec.max_length or 0) / (spec.original_length or math.inf)
        return f"√(1 + ln {number_of(stretched)} / ln {spec.original_length})"
    return "as this rule has none"


def number_of(value: object) -> str:
    """The number with all its digits, or the object's own words."""
    return exact(value) if isinstance(value, (int, float)) else str(value)


def _longest(rotation: Rotation) -> str:
    before, after = rotation.trained_wavelengths, rotation.wavelengths
    slowest = before[before < math.inf].max()
    said = f"{number(slowest)} positions per turn"
    scaled = after[after < math.inf].max()
    return said if math.isclose(scaled, slowest, rel_tol=1e-9) else f"{said}; {number(scaled)} after scaling"


def _with_length(spec: RotarySpec) -> str:
    if not spec.length_dependent:
        return "nothing changes"
    shown = f" Shown: {spec.length} positions." if spec.length != spec.original_length else ""
    if spec.rope_type == "longrope":
        return (
            f"up to {spec.original_length} positions the short factors divide, beyond them the long ones, for every "
            f"position alike: keys that were turned and cached before no longer fit.{shown}"
        )
    return (
        f"beyond {spec.original_length} positions the base grows with every position: keys that were turned and cached "
        f"before no longer fit.{shown}"
    )


def _sections(spec: RotarySpec) -> str:
    parts = spec.sections or ()
    names = {2: ("height", "width"), 3: ("time", "height", "width")}.get(len(parts))
    names = names or tuple(f"axis {i}" for i in range(len(parts)))
    how = "that take turns" if spec.interleaved_sections else "in blocks"
    return f"pairs {how}, turned by " + ", ".join(f"{name} ({n})" for name, n in zip(names, parts, strict=True))


def _shown(value: object) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
