"""The formulas as the book derives them: NumPy, float64, plain enough to read beside the algebra.

Every public name here has a twin of the same signature in `posenc_lib.torch`.
"""

from posenc_lib.numpy.attention import attention
from posenc_lib.numpy.learned import learned
from posenc_lib.numpy.rope import rope
from posenc_lib.numpy.sinusoidal import sinusoidal

__all__ = ["attention", "learned", "rope", "sinusoidal"]
