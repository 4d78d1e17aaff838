"""Positional encodings, each written twice: as derived (NumPy, float64) and as used (PyTorch).

>>> from posenc_lib import frequencies
>>> from posenc_lib import numpy as pe      # or: from posenc_lib import torch as pe

Importing this package loads NumPy and nothing else. PyTorch is loaded by `posenc_lib.torch`,
matplotlib by `posenc_lib.figures`.
"""

__version__ = "0.3.1"
