"""From a model's config.json to its frequencies."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _hf_dims, _hf_files, _hf_layers, _hf_parameters, _hf_rules, _layouts
from posenc_lib.frequencies._hf_files import Config
from posenc_lib.frequencies._spec import RotarySpec


def hf_layer_types(config: Mapping[str, object] | str | os.PathLike[str]) -> list[str | None]:
    """The kinds of layers for which `from_hf_config` gives a rotary embedding of its own.

    Parameters
    ----------
    config : mapping, str or os.PathLike
        A model's configuration, or the path of its config.json.

    Returns
    -------
    list of str or None
        Layer types such as "full_attention" and "sliding_attention"; [None] where all layers are
        alike. A layer type that the configuration sets to null, for no rotary embedding, is left out.

    Raises
    ------
    TypeError
        `config` is no mapping and no path, or its rope parameters are no object.
    ValueError
        Two keys contradict each other.

    References
    ----------
    Wolf et al. (2020), "Transformers": `RotaryEmbeddingConfigMixin` in modeling_rope_utils.py (2026).

    Examples
    --------
    >>> hf_layer_types({"model_type": "gemma3_text", "rope_theta": 1e6, "rope_local_base_freq": 1e4})
    ['full_attention', 'sliding_attention']
    >>> hf_layer_types({"model_type": "llama", "rope_theta": 5e5})
    [None]
    """
    operation = "frequencies.hf_layer_types"
    return list(_hf_layers.layers_of(operation, _hf_files.language_model(operation, config)))


def from_hf_config(
    config: Mapping[str, object] | str | os.PathLike[str],
    *,
    layer_type: str | None = None,
    length: int | None = None,
    base: float | None = None,
) -> RotarySpec:
    """The rotary embedding that a Hugging Face configuration describes, as transformers reads it.

    Today's keys (`rope_parameters`, nested by layer type or not) and older ones (`rope_scaling`
    with `type` or `rope_type`; `rope_theta`, `rotary_emb_base`, `partial_rotary_factor`,
    `rotary_pct`, `rotary_dim`, `rope_local_base_freq`, … beside it). Of a composite configuration,
    the language model's part. What is missing is not guessed, with two exceptions that transformers
    makes too and `notes` records: the share of a head that turns, and original lengths.

    Parameters
    ----------
    config : mapping, str or os.PathLike
        A model's configuration, or the path of its config.json.
    layer_type : str or None
        For which kind of layers; needed where `hf_layer_types` lists more than [None].
    length : int or None
        Number of positions in use, for rope types "dynamic" and "longrope"; None for a number
        within the original length. Other rope types do not depend on it.
    base : float or None
        Stands in for a base that the configuration lacks. A base that it has may not differ.

    Returns
    -------
    RotarySpec
        For "axial", and for M-RoPE, `sections` says which pairs turn by which axis.

    Raises
    ------
    TypeError
        `config` is no mapping and no path, `base` no number, or `length` no integer.
    ValueError
        There is no base; a key is unknown, missing or of the wrong kind; two keys contradict each
        other (each error names them and their values); `layer_type` is not one of the
        configuration's; the model has no rotary embedding.

    References
    ----------
    Wolf et al. (2020), "Transformers": modeling_rope_utils.py and the models' own code (2026).

    Examples
    --------
    >>> spec = from_hf_config({
    ...     "model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 4096,
    ...     "rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 2.0},
    ... })
    >>> spec.rope_type, spec.layout, spec.rotary_dim
    ('linear', 'half', 8)
    >>> spec.frequencies
    array([0.5   , 0.05  , 0.005 , 0.0005])
    """
    operation = "frequencies.from_hf_config"
    read = _hf_files.language_model(operation, config)
    layer = _chosen(operation, _hf_layers.layers_of(operation, read), layer_type)
    notes = list(layer.notes)
    kind = _hf_parameters.rope_type_of(operation, read, layer.parameters, notes)
    _hf_parameters.check_keys(operation, kind, layer.parameters)
    head_dim = _hf_dims.head_dim_of(operation, read, layer_type)
    rotary_dim = head_dim
    if kind not in ("proportional", "axial"):
        rotary_dim = _hf_dims.rotary_dim_of(operation, read, layer.parameters, head_dim, notes)
    case = _hf_rules.Case(
        operation=operation,
        model_type=_model_type(read),
        dim=rotary_dim,
        base=_base_of(operation, read, layer, layer_type, base),
        parameters=layer.parameters,
        fraction=_hf_dims.fraction_of(operation, read, layer.parameters) if kind == "proportional" else 1.0,
        outer_length=_whole(operation, read, "original_max_position_embeddings"),
        max_length=_whole(operation, read, "max_position_embeddings", "n_positions"),
        length=None if length is None else scalars.integer(operation, "length", length, at_least=1),
        notes=notes,
    )
    return _spec(case, read, kind, head_dim, layer_type)


def _spec(
    case: _hf_rules.Case, config: Config, kind: str, head_dim: int, layer_type: str | None
) -> RotarySpec:
    scaled = _hf_rules.RULES[kind](case)
    sections, interleaved = _hf_parameters.sections_of(
        case.operation, config, case.parameters, len(scaled.frequencies), case.notes
    )
    if kind == "axial":
        sections = (len(scaled.frequencies) // 2,) * 2
    parameters = {key: value for key, value in case.parameters.items() if value is not None and key != "type"}
    parameters |= {**scaled.used, "rope_type": kind, "rope_theta": case.base}
    if scaled.original_length is not None and kind != "dynamic":
        parameters["original_max_position_embeddings"] = scaled.original_length
    return RotarySpec(
        model_type=case.model_type,
        rope_type=kind,
        layout=_layout_of(config, case),
        head_dim=head_dim,
        rotary_dim=case.dim,
        base=case.base,
        frequencies=scaled.frequencies,
        attention_factor=scaled.attention_factor,
        original_length=scaled.original_length,
        max_length=case.max_length,
        length_dependent=scaled.length is not None,
        length=scaled.length,
        sections=sections,
        interleaved_sections=interleaved,
        layer_type=layer_type,
        parameters=types.MappingProxyType(parameters),
        notes=tuple(case.notes),
    )


def _chosen(
    operation: str, layers: Mapping[str | None, _hf_layers.Layer], layer_type: str | None
) -> _hf_layers.Layer:
    if layer_type in layers:
        return layers[layer_type]
    if None in layers:
        raise ValueError(
            f"{operation}: layer_type {layer_type!r} is not told apart here, all layers are alike. Leave it out."
        )
    raise ValueError(
        f"{operation}: layer_type must be one of {', '.join(map(repr, layers))}, for whose layers the rotary "
        f"embeddings differ; got {layer_type!r}."
    )


def _base_of(
    operation: str, config: Config, layer: _hf_layers.Layer, layer_type: str | None, given: float | None
) -> float:
    stated = {key: config[key] for key in layer.base_keys if config.get(key) is not None}
    if layer.parameters.get("rope_theta") is not None:
        stated["rope_parameters' rope_theta"] = layer.parameters["rope_theta"]
    bases = {key: _hf_parameters.number(operation, key, value) for key, value in stated.items()}
    if given is not None:
        bases["the argument base"] = scalars.base_of_frequencies(operation, given)
    if len(set(bases.values())) > 1:
        said = ", ".join(f"{key} is {value:g}" for key, value in bases.items())
        raise ValueError(f"{operation}: the base is contradictory: {said}.")
    if not bases:
        raise ValueError(_missing_base(operation, config, layer_type))
    return scalars.base_of_frequencies(operation, next(iter(bases.values())))


def _missing_base(operation: str, config: Config, layer_type: str | None) -> str:
    family = _model_type(config)
    lacks = f"{operation}: the configuration has no base (rope_theta)"
    if _layouts.layout_of(family) is None:
        return (
            f"{lacks}, and model_type {family!r} is not known to have a rotary embedding. If it has one, look its "
            "base up in the model's code and give it as base=."
        )
    assumed = _layouts.DEFAULT_BASES.get(f"{family}/{layer_type}", _layouts.DEFAULT_BASES.get(str(family), 10000.0))
    return (
        f"{lacks}. transformers would assume {assumed:g} for model_type {family!r}, in silence; if the model was "
        f"trained with that, give base={assumed:g}."
    )


def _layout_of(config: Config, case: _hf_rules.Case) -> str | None:
    layout = _layouts.layout_of(case.model_type)
    if case.model_type == "nanochat":
        case.notes.append("nanochat's code turns the other way round, which leaves the logits as they are")
    if case.model_type == "deepseek_v4":
        case.notes.append("the last rotary_dim dimensions of a head turn, not the first")
    if layout == "interleaved" and config.get("rope_interleave") is False:
        return "half"
    return layout


def _model_type(config: Config) -> str | None:
    found = config.get("model_type")
    return None if found is None else str(found)


def _whole(operation: str, config: Config, *keys: str) -> int | None:
    for key in keys:
        if config.get(key) is not None:
            return _hf_parameters.integer(operation, key, config[key])
    return None
