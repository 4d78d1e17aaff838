"""Examine any callable that rotates or biases, and tell what it gets right, at which numbers.

>>> from posenc_lib import conformance
>>> def rotate(x, positions): ...
>>> conformance.rotation(rotate).diagnosis
'it cannot be called'

`rotation` takes ``fn(x, positions)``, `bias` takes ``fn(query_positions, key_positions)``, and `attention` takes
``fn(q, k, v, query_positions, key_positions, mask)``: a reader's own, or a line around a framework's. Each returns a
`Report`: `passed`, `diagnosis`, `findings`, `facts`, `to_dict()`; it prints as text and, in a notebook, as HTML. A
property that a callable gives no way to test is "not tested", with the reason. PyTorch is imported when a callable
wants tensors.
"""

from posenc_lib.conformance.attention import attention
from posenc_lib.conformance.bias import bias
from posenc_lib.conformance.report import Finding, Report
from posenc_lib.conformance.rotation import rotation

__all__ = ["Finding", "Report", "attention", "bias", "rotation"]
