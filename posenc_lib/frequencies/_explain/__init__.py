"""What a model does with position, told from its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from posenc_lib import _checks
from posenc_lib.frequencies._explain._explanation import Explanation
from posenc_lib.frequencies._explain._other_codes import other_code
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._explain._rotary_code import rotary_code

__all__ = ["Explanation", "Rotation", "explain"]


def explain(config: Mapping[str, object] | str | PathLike[str], *, length: int | None = None) -> Explanation:
    """Tell what a model does with position: kind of code, layout, frequencies, scaling, layers.

    The text names, next to the unscaled ladder θ_i = base^(−2i/d), the pairs that a scaling rule keeps, blends and
    divides, and the pairs whose wavelength 2π/θ_i fits into the training length: only they were seen at every angle.

    Parameters
    ----------
    config : mapping, str or path
        A model's configuration as transformers writes it, or the path of its config.json. Of a model with several
        parts, the text part (`text_config`) is did.
    length : int, optional
        The number of positions in use, for rules that depend on it ("dynamic", "longrope"); others ignore it.

    Returns
    -------
    Explanation
        `str()` gives aligned text below 80 columns, a notebook shows a table and a picture, `to_dict()` gives what
        `json.dumps` takes. `kind` is "rope", "alibi", "t5", "learned", "sinusoidal" or "none".

    Raises
    ------
    FileNotFoundError
        There is no file at the path.
    TypeError
        `config` is neither a mapping nor a path, or `length` no integer.
    ValueError
        The file holds no JSON object; a key that the kind of code needs is missing; or what `from_hf_config`
        refuses, such as an unknown rope type or a missing base.

    References
    ----------
    Su et al. (2021), "RoFormer", equation 15, for the ladder; Peng et al. (2023), "YaRN", section 3, for wavelengths
    next to the training length; Press et al. (2021), "Train Short, Test Long", for ALiBi's slopes; Raffel et al.
    (2020), "Exploring the Limits of Transfer Learning", section 2.1, for T5's buckets.

    Examples
    --------
    >>> print(explain({
    ...     "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
    ...     "max_position_embeddings": 4096, "rope_theta": 10000.0,
    ... }))
    """
    config = _text_part(_mapping(config))
    if length is not None:
        length = _checks.integer("frequencies.explain", "length", length, at_least=1)
    return other_code(config) or rotary_code(config, length)


def _mapping(config: Mapping[str, object] | str | PathLike[str]) -> Mapping[str, object]:
    """The configuration itself, read from its file where a path was given."""
    if isinstance(config, Mapping):
        return config
    if not isinstance(config, (str, PathLike)):
        raise TypeError(
            "frequencies.explain: config must be a mapping or the path of a config.json, got "
            f"{type(config).__name__}."
        )
    try:
        read = json.loads(Path(config).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"frequencies.explain: {config} is no JSON file: {error}.") from error
    if not isinstance(read, dict):
        raise ValueError(f"frequencies.explain: {config} must hold a JSON object, got {type(read).__name__}.")
    return read


def _text_part(config: Mapping[str, object]) -> Mapping[str, object]:
    text = config.get("text_config")
    return text if isinstance(text, Mapping) else config
