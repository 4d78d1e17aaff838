"""One kind of layer that turns queries and keys: its frequencies next to the unscaled ladder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenc_lib.frequencies._spec import RotarySpec

# What scaling did to a pair, next to the ladder θ_i = base^(−2i/d) of the same base and dimension.
KEPT, BLENDED, DIVIDED, RESCALED, UNTURNED = "kept", "blended", "divided", "rescaled", "unturned"


@dataclass(frozen=True, eq=False)
class Rotation:
    """One kind of layer that turns queries and keys.

    `ladder` and `effects` have one entry per pair: the frequency before scaling, and what scaling did to it.
    `layers` are the layers that turn so, None where the configuration does not say which. Those of them in
    `windowed` see at most `window` tokens, the others all.
    """

    spec: RotarySpec
    layers: tuple[int, ...] | None
    window: int | None
    windowed: tuple[int, ...]
    ladder: NDArray[np.float64]
    effects: tuple[str, ...]

    @property
    def trained_length(self) -> int | None:
        """Positions in pretraining, as far as the configuration tells."""
        return self.spec.original_length or self.spec.max_length

    @property
    def wavelengths(self) -> NDArray[np.float64]:
        """Positions per full turn of each pair, scaled; infinite for a pair that does not turn."""
        return _wavelengths(self.spec.frequencies)

    @property
    def trained_wavelengths(self) -> NDArray[np.float64]:
        """Positions per full turn of each pair before scaling; infinite for a pair that does not turn."""
        return np.where(self.spec.frequencies > 0, _wavelengths(self.ladder), np.inf)

    @property
    def full_turns(self) -> tuple[int, ...] | None:
        """The pairs that turned at least once around within the training length."""
        if self.trained_length is None:
            return None
        return tuple(np.flatnonzero(self.trained_wavelengths <= self.trained_length).tolist())

    def pairs(self, effect: str) -> tuple[int, ...]:
        """The pairs to which scaling did this."""
        return tuple(i for i, done in enumerate(self.effects) if done == effect)


def _wavelengths(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return 2 * np.pi / frequencies
