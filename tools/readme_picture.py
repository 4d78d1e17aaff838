"""Draw the README's picture, book/_static/readme.png, with the library. It must read on white and on black: no background."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from posenc_lib import numpy as pe

TARGET = Path(__file__).resolve().parent.parent / "book/_static/readme.png"
GREY = "#868e97"  # about as far from white as from GitHub's black
STYLE = {
    "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "font.size": 10, "axes.titlesize": 11,
}  # fmt: skip


def draw():
    """The code of 128 positions, and how much any two of them have in common."""
    code = pe.sinusoidal(np.arange(128), 128)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    left.imshow(code, cmap="RdBu_r", aspect="auto", interpolation="nearest")
    left.set(title="The code of a position: one wave per pair of dimensions", xlabel="dimension", ylabel="position")
    likeness = code @ code.T / 64
    right.imshow(likeness, cmap="viridis", aspect="auto", interpolation="nearest")
    right.set(title="Dot product of two codes: only distance counts", xlabel="position", ylabel="position")
    return figure


if __name__ == "__main__":
    matplotlib.use("agg")
    with plt.rc_context(STYLE):
        draw().savefig(TARGET, dpi=150, transparent=True, metadata={"Software": None})
