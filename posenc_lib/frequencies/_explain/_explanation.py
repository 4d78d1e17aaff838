"""What `explain` returns: the facts about a model's position code, and the ways to show them."""

from __future__ import annotations

from dataclasses import dataclass, field

from posenc_lib.frequencies._explain._html import fragment
from posenc_lib.frequencies._explain._json import plain
from posenc_lib.frequencies._explain._rotation import Rotation
from posenc_lib.frequencies._explain._text import text


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What a model does with position, as `explain` read it from the model's configuration.

    `print` it for text, leave it as the last line of a notebook's cell for a picture, give `to_dict()` to a program.

    Parameters
    ----------
    model_type : str or None
        The configuration's `model_type`, of its text part where it has one.
    kind : {"rope", "alibi", "t5", "learned", "sinusoidal", "none"}
        The kind of position code.
    num_layers : int or None
        Layers that attend, as the configuration counts them.
    max_length : int or None
        Positions that the configuration names as the most.
    rotations : tuple of Rotation
        One entry for each kind of layer that turns queries and keys; empty unless `kind` is "rope".
    unturned_layers : tuple of int
        Layers without any position code (NoPE) in a model whose other layers have one.
    details : mapping of str to (str, int, float, bool or list)
        The numbers of a code that is not RoPE, such as ALiBi's number of heads.
    notes : tuple of str
        What else a reader should know, in sentences.

    Examples
    --------
    >>> from posenc_lib import frequencies
    >>> told = frequencies.explain({"model_type": "bloom", "n_head": 112, "n_layer": 70})
    >>> told.kind, told.to_dict()["heads"]
    ('alibi', 112)
    """

    model_type: str | None
    kind: str
    num_layers: int | None = None
    max_length: int | None = None
    rotations: tuple[Rotation, ...] = ()
    unturned_layers: tuple[int, ...] = ()
    details: dict[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment(self)

    def to_dict(self) -> dict[str, object]:
        """Return the facts as dicts, lists, strings, numbers, booleans and None: what JSON can hold."""
        return plain(self)
