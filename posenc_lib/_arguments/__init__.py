"""What the functions of both twins accept: one rule and one wording for each mistake, a module for each function.

Numbers, names and shapes go in, never arrays, so that NumPy and PyTorch code share all of it. (`scalars`,
`positions` and `axes` serve several functions.)
"""

from posenc_lib._arguments import (
    attention,
    axes,
    convert_layout,
    fire,
    kerple,
    linear_attention,
    positions,
    rope,
    scalars,
    shaw,
    token_positions,
    transformer_xl,
    xpos,
)

__all__ = [
    "attention",
    "axes",
    "convert_layout",
    "fire",
    "kerple",
    "linear_attention",
    "positions",
    "rope",
    "scalars",
    "shaw",
    "token_positions",
    "transformer_xl",
    "xpos",
]
