"""The same formulas for models: any device and dtype, autograd, torch.compile.

Every name of `posenc_lib.numpy` stands here with the same signature. Names in capitals are modules.
"""

from posenc_lib.torch.alibi import alibi_bias, alibi_slopes
from posenc_lib.torch.attention import attention
from posenc_lib.torch.axial_rope import axial_rope
from posenc_lib.torch.bias_modules import Alibi, T5Bias
from posenc_lib.torch.convert_layout import convert_layout
from posenc_lib.torch.fire import fire_bias
from posenc_lib.torch.kerple import kerple_bias
from posenc_lib.torch.learned import learned
from posenc_lib.torch.linear_attention import linear_attention
from posenc_lib.torch.mrope import mrope
from posenc_lib.torch.rope import rope
from posenc_lib.torch.rope_module import Rope
from posenc_lib.torch.sandwich import sandwich_bias
from posenc_lib.torch.shaw import shaw_attention, shaw_bias
from posenc_lib.torch.sinusoidal import Sinusoidal, sinusoidal
from posenc_lib.torch.t5_bias import t5_bias
from posenc_lib.torch.t5_bucket import t5_bucket
from posenc_lib.torch.token_positions import packed_mask, positions_after, positions_from_lengths, positions_from_mask
from posenc_lib.torch.transformer_xl import transformer_xl_bias
from posenc_lib.torch.xpos import xpos

__all__ = [
    "Alibi",
    "Rope",
    "Sinusoidal",
    "T5Bias",
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
