"""What a model does with position, told from its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike

from posenc_lib._arguments import scalars
from posenc_lib.frequencies import _hf_files
from posenc_lib.frequencies._explain._explanation import Explanation
from posenc_lib.frequencies._explain._other_codes import other_code
from posenc_lib.frequencies._explain._rotary_code import rotary_code
from posenc_lib.frequencies._explain._rotation import Rotation

__all__ = ["Explanation", "Rotation", "explain"]


def explain(
    config: Mapping[str, object] | str | PathLike[str], *, length: int | None = None, base: float | None = None
) -> Explanation:
    """Tell what a model does with position: kind of code, layout, frequencies, scaling, layers.

    The text names, next to the unscaled ladder θ_i = base^(−2i/d), the pairs that a scaling rule keeps, blends and
    divides, and the pairs whose wavelength 2π/θ_i fits into the training length: only they were seen at every angle.

    Parameters
    ----------
    config : mapping, str or path
        A model's configuration as transformers writes it, or the path of its config.json. Of a model with several
        parts, the text part (`text_config`) is read.
    length : int, optional
        The number of positions in use, for rules that depend on it ("dynamic", "longrope"); under others it
        changes nothing, and the text says so.
    base : float, optional
        Stands in for a base (`rope_theta`) that the configuration lacks. A base that it has may not differ.

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
    ...     "max_position_embeddings": 131072, "rope_theta": 500000.0,
    ...     "rope_scaling": {
    ...         "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    ...         "original_max_position_embeddings": 8192,
    ...     },
    ... }))
    llama: rotary positions (RoPE)
    <BLANKLINE>
      layers            all 32
      rule              llama3, factor 8
      layout            half: dimension i turns with dimension i + 64
      head              128 dimensions, all turn: 64 pairs
      base              500000
      training length   8192 positions, extended to 131072
      full turns in it  pairs 0–34 (35 of 64)
      kept              pairs 0–28 (29)
      blended           pairs 29–34 (6)
      divided by 8      pairs 35–63 (29)
      attention factor  1, as this rule has none
      longest wave      2.56 million positions per turn; 20.5 million after scaling
      with length       nothing changes
    """
    read = _language_model(config)
    if length is not None:
        length = scalars.integer("frequencies.explain", "length", length, at_least=1)
    return other_code(read) or rotary_code(read, length, base)


def _language_model(config: Mapping[str, object] | str | PathLike[str]) -> Mapping[str, object]:
    """The mapping that holds the language model, read from its file where a path was given."""
    try:
        return _hf_files.language_model("frequencies.explain", config)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"frequencies.explain: {config} is no JSON file: {error}.") from error
