"""What a model's configuration says about its rotary embedding, in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RotarySpec:
    """The rotary embedding of one kind of layer, as a model's configuration fixes it.

    `from_hf_config` makes one. Give `frequencies` and `attention_factor` to `rope`, with the layout
    by name: `pe.rope(q, positions, spec.frequencies, layout=spec.layout,
    attention_factor=spec.attention_factor)`.

    Parameters
    ----------
    model_type : str or None
        The configuration's `model_type`, such as "llama".
    layer_type : str or None
        Which layers this holds for, such as "sliding_attention"; None where all are alike.
    rope_type : str
        "default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional" or "axial".
    layout : {"interleaved", "half"} or None
        Which dimensions make a pair: (2i, 2i + 1) or (i, i + rotary_dim/2). None where it is not
        known for this `model_type`: look at the model's own code, for both give plausible numbers.
    head_dim : int
        Dimensions of a query or key head, or of the part of it that MLA keeps for rotation.
    rotary_dim : int
        How many of them turn: 2 · len(frequencies). The others pass unturned.
    base : float
        The base θ of the ladder before scaling.
    frequencies : numpy.ndarray
        Shape (rotary_dim/2,), float64, radians per position, scaled as the configuration asks. Read-only.
    attention_factor : float
        Multiplies cosine and sine, so the logits grow by its square. 1 for most rules.
    original_length : int or None
        Positions in pretraining, before the context was extended; None where nothing was extended.
    max_length : int or None
        The configuration's `max_position_embeddings`.
    length_dependent : bool
        Whether `frequencies` change with the number of positions in use ("dynamic", "longrope").
    length : int or None
        The number of positions that `frequencies` were worked out for, if they depend on it.
    sections : tuple of int or None
        M-RoPE: how many pairs turn by each axis of positions (time, height, width).
    interleaved_sections : bool
        Whether these pairs take turns (Qwen3-VL) rather than lie in blocks (Qwen2-VL).
    parameters : mapping
        The rope parameters as read, in today's names, with the defaults that were filled in.
    notes : tuple of str
        What a reader should know: contradictions that were resolved, and how, and what else reads
        differently from what the configuration seems to say.

    Examples
    --------
    >>> import numpy as np
    >>> RotarySpec(
    ...     model_type="llama", rope_type="default", layout="half", head_dim=4, rotary_dim=4,
    ...     base=10000.0, frequencies=np.array([1.0, 0.01]), max_length=4096,
    ... ).frequencies
    array([1.  , 0.01])
    """

    model_type: str | None
    rope_type: str
    layout: str | None
    head_dim: int
    rotary_dim: int
    base: float
    frequencies: NDArray[np.float64]
    attention_factor: float = 1.0
    original_length: int | None = None
    max_length: int | None = None
    length_dependent: bool = False
    length: int | None = None
    sections: tuple[int, ...] | None = None
    interleaved_sections: bool = False
    layer_type: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frozen = self.frequencies.view()
        frozen.flags.writeable = False
        object.__setattr__(self, "frequencies", frozen)
