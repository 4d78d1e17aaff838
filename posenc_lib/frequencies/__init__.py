"""Angular frequencies: what a model fixes once. NumPy, float64, radians per position."""

from posenc_lib.frequencies._rope import rope
from posenc_lib.frequencies._spec import RotarySpec

__all__ = ["RotarySpec", "rope"]
