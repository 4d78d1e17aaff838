"""The formulas as the book derives them: NumPy, float64, plain enough to read beside the algebra.

Every public name here has a twin of the same signature in `posenc_lib.torch`.
"""

from posenc_lib.numpy.alibi import alibi_bias, alibi_slopes
from posenc_lib.numpy.attention import attention
from posenc_lib.numpy.axial_rope import axial_rope
from posenc_lib.numpy.convert_layout import convert_layout
from posenc_lib.numpy.fire import fire_bias
from posenc_lib.numpy.kerple import kerple_bias
from posenc_lib.numpy.learned import learned
from posenc_lib.numpy.linear_attention import linear_attention
from posenc_lib.numpy.mrope import mrope
from posenc_lib.numpy.rope import rope
from posenc_lib.numpy.sandwich import sandwich_bias
from posenc_lib.numpy.shaw import shaw_attention, shaw_bias
from posenc_lib.numpy.sinusoidal import sinusoidal
from posenc_lib.numpy.t5_bias import t5_bias
from posenc_lib.numpy.t5_bucket import t5_bucket
from posenc_lib.numpy.token_positions import packed_mask, positions_after, positions_from_lengths, positions_from_mask
from posenc_lib.numpy.transformer_xl import transformer_xl_bias
from posenc_lib.numpy.xpos import xpos

__all__ = [
    "alibi_bias",
    "alibi_slopes",
    "attention",
    "axial_rope",
    "convert_layout",
    "fire_bias",
    "kerple_bias",
    "learned",
    "linear_attention",
    "mrope",
    "packed_mask",
    "positions_after",
    "positions_from_lengths",
    "positions_from_mask",
    "rope",
    "sandwich_bias",
    "shaw_attention",
    "shaw_bias",
    "sinusoidal",
    "t5_bias",
    "t5_bucket",
    "transformer_xl_bias",
    "xpos",
]
