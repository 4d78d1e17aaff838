"""One figure with everything that a chapter might draw. As a script it prints the figure's description."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np

from posenc_lib import figures

T = np.arange(50)
GRID = np.linspace(-1, 1, 12)
ACROSS, UP = np.meshgrid(GRID, GRID)
SCATTER = np.random.RandomState(1).rand(4, 20)


def draw():
    figure, panels = plt.subplots(3, 3, figsize=(10, 9))
    figure.suptitle("Gallery")
    figure.supxlabel("everything")
    painters = [lines, image, points, arrows, bars, contours, logarithms, mesh, sticks]
    for paint, axes in zip(painters, panels.flat, strict=True):
        paint(axes)
    return figure


def text():
    with plt.rc_context():
        figures.setup()
        return figures.describe(draw()) + "\n"


def lines(axes):
    axes.plot(T, np.sin(T), label="sin")
    axes.plot(T, np.cos(T.astype(np.float32)) ** 2, label="cos²")
    axes.plot(T, np.sin(np.pi * T), label="noise about 0")
    axes.set(title="lines", xlabel="position", ylabel="value")
    axes.axhline(0)
    axes.axvline(3)
    axes.annotate("here", (3, 0.5), xytext=(10, 0.8), arrowprops={"arrowstyle": "->"})
    axes.text(0.5, 0.5, "middle", transform=axes.transAxes)
    axes.legend()


def image(axes):
    shown = axes.imshow(np.outer(np.arange(8), np.arange(6)))
    axes.figure.colorbar(shown, ax=axes, label="weight")
    axes.set_xticks(range(6), list("abcdef"))


def points(axes):
    axes.scatter(SCATTER[0], SCATTER[1], c=SCATTER[2], s=50 * SCATTER[3])
    axes.fill_between([0, 1], [0, 0], [0.1, np.nan])


def arrows(axes):
    axes.quiver([0, 1], [0, 1], [1, 0], [0, 1])
    axes.arrow(0, 0, 0.5, 0.2)
    axes.add_patch(plt.Circle((0.5, 0.5), 0.1))
    axes.add_patch(matplotlib.patches.FancyArrowPatch((0, 0), (1, 1)))


def bars(axes):
    drawn = axes.bar(["x", "y", "z"], [1, 2, 3], label="count")
    axes.bar_label(drawn)


def contours(axes):
    axes.contour(ACROSS, UP, ACROSS**2 + UP**2)
    axes.contourf(ACROSS, UP, ACROSS * UP, alpha=0.3)


def logarithms(axes):
    axes.loglog(10.0**T, 10.0**-T)
    axes.plot([1, 10], [0, 1])
    axes.set_ylim(1e-20, 1)


def mesh(axes):
    axes.pcolormesh(GRID, GRID, ACROSS * UP)
    axes.inset_axes([0.6, 0.6, 0.3, 0.3]).plot([1, 2])
    axes.axvspan(0, 0.2)
    axes.hist(SCATTER.ravel())
    axes.stairs([1, 2, 1])


def sticks(axes):
    axes.streamplot(GRID, GRID, -UP, ACROSS)
    axes.stem([1, 2, 3], [1, 2, 3])
    axes.errorbar([1, 2], [1, 2], yerr=0.1)
    axes.step([1, 2], [2, 1])
    axes.vlines([1, 2], 0, 1)
    axes.plot(np.ma.masked_equal([1, 2, 3], 2))


if __name__ == "__main__":
    print(text(), end="")
