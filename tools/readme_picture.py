"""Draw the README's picture, book/_static/readme.png, with the library, in the style of the chapters."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from posenc_lib import numpy as pe
from posenc_lib.figures import STYLE

TARGET = Path(__file__).resolve().parent.parent / "book/_static/readme.png"
# Wider than a chapter's figure and shown at the same width, so its text is larger.
LARGER = {"font.size": 14, "axes.titlesize": 15, "axes.labelsize": 14, "axes.grid": False}


def draw():
    """The codes of 128 positions, and how much any two of them have in common."""
    codes = pe.sinusoidal(np.arange(128), 64)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2))
    left.imshow(codes, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    left.set(title="Codes", xlabel="dimension", ylabel="position m")
    right.imshow(codes @ codes.T, aspect="auto")
    right.set(title="Their dot products", xlabel="position n", ylabel="position m")
    return figure


if __name__ == "__main__":
    matplotlib.use("agg")
    with plt.rc_context(STYLE | LARGER):
        draw().savefig(TARGET, metadata={"Software": None})
