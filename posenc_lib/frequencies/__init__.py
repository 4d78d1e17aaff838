"""Angular frequencies: what a model fixes once. NumPy, float64, radians per position."""

from posenc_lib.frequencies._axial import axial
from posenc_lib.frequencies._explain import Explanation, explain
from posenc_lib.frequencies._from_hf import from_hf_config, hf_layer_types
from posenc_lib.frequencies._linear import linear
from posenc_lib.frequencies._llama3 import llama3
from posenc_lib.frequencies._longrope import longrope, longrope_attention_factor
from posenc_lib.frequencies._ntk import dynamic_ntk, ntk
from posenc_lib.frequencies._proportional import proportional
from posenc_lib.frequencies._rope import rope
from posenc_lib.frequencies._spec import RotarySpec
from posenc_lib.frequencies._yarn import yarn, yarn_attention_factor

__all__ = [
    "Explanation",
    "RotarySpec",
    "axial",
    "dynamic_ntk",
    "explain",
    "from_hf_config",
    "hf_layer_types",
    "linear",
    "llama3",
    "longrope",
    "longrope_attention_factor",
    "ntk",
    "proportional",
    "rope",
    "yarn",
    "yarn_attention_factor",
]
