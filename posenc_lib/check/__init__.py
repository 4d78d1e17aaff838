"""Exercise checkers that name the mistake.

>>> from posenc_lib import check
>>> def encode(positions, dim): ...
>>> check.sinusoidal(encode).status
'not started'

A checker takes the reader's function and returns a `Report`: `passed`, `diagnosis`, `message`, `detail`,
`hint(1)` to `hint(3)`, `raise_if_failed()`. With `strict=True` a failure raises AssertionError.
"""

from posenc_lib.check.alibi import alibi
from posenc_lib.check.alibi_reach import alibi_reach
from posenc_lib.check.alibi_slopes import alibi_slopes
from posenc_lib.check.attention import attention
from posenc_lib.check.causal_attention import causal_attention
from posenc_lib.check.convert_layout import convert_layout
from posenc_lib.check.linear import linear
from posenc_lib.check.longest_wavelength import longest_wavelength
from posenc_lib.check.mean_cosine import mean_cosine
from posenc_lib.check.ntk_base import ntk_base
from posenc_lib.check.pointing_key import pointing_key
from posenc_lib.check.positions_after import positions_after
from posenc_lib.check.positions_from_mask import positions_from_mask
from posenc_lib.check.relative_part import relative_part
from posenc_lib.check.reordered import reordered
from posenc_lib.check.report import Report
from posenc_lib.check.rope import rope
from posenc_lib.check.rope_logits import rope_logits
from posenc_lib.check.rotated_values import rotated_values
from posenc_lib.check.shaw import shaw
from posenc_lib.check.shift_matrix import shift_matrix
from posenc_lib.check.sinusoidal import sinusoidal
from posenc_lib.check.t5_bucket import t5_bucket
from posenc_lib.check.yarn import yarn

__all__ = [
    "Report",
    "alibi",
    "alibi_reach",
    "alibi_slopes",
    "attention",
    "causal_attention",
    "convert_layout",
    "linear",
    "longest_wavelength",
    "mean_cosine",
    "ntk_base",
    "pointing_key",
    "positions_after",
    "positions_from_mask",
    "relative_part",
    "reordered",
    "rope",
    "rope_logits",
    "rotated_values",
    "shaw",
    "shift_matrix",
    "sinusoidal",
    "t5_bucket",
    "yarn",
]
