"""A model's configuration as a mapping, down to the part that holds the language model."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping

Config = Mapping[str, object]

# Where composite configurations keep the language model.
_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
_ROPE_KEYS = ("rope_theta", "rope_scaling", "rope_parameters")


def language_model(operation: str, config: Config | str | os.PathLike[str]) -> Config:
    """Return the mapping that holds the language model's rotary embedding: `config`, or a part of it."""
    return _part(operation, _load(operation, config))


def _load(operation: str, config: Config | str | os.PathLike[str]) -> Config:
    if isinstance(config, Mapping):
        return config
    if not isinstance(config, str | os.PathLike):
        raise TypeError(
            f"{operation}: config must be a dict or the path of a config.json, got a {type(config).__name__}. "
            "A configuration object of transformers gives its dict by .to_dict()."
        )
    found = json.loads(pathlib.Path(config).read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{operation}: {config} holds a JSON {type(found).__name__}; expected an object with keys.")
    return found


def _part(operation: str, config: Config) -> Config:
    for name in _PARTS:
        part = config.get(name)
        if isinstance(part, Mapping):
            for key in _ROPE_KEYS:
                if part.get(key) is not None and config.get(key) is not None and part[key] != config[key]:
                    raise ValueError(
                        f"{operation}: {key} is {config[key]} at the top and {part[key]} in {name}. "
                        "Leave one of the two out."
                    )
            outer = {"model_type": config["model_type"]} if "model_type" in config else {}
            return _part(operation, {**outer, **part})
    return config


def first(config: Config, *keys: str) -> object:
    """Return the value of the first of `keys` that is there and not null, or None."""
    key = first_key(config, *keys)
    return None if key is None else config[key]


def first_key(config: Config, *keys: str) -> str | None:
    """Return the first of `keys` that is there and not null, or None."""
    return next((key for key in keys if config.get(key) is not None), None)
