"""A matplotlib figure in words and numbers: what was drawn, without how many pixels it took.

Everything comes from the artists before they are drawn, so the text is the same under every
version of matplotlib, NumPy and IPython that the library supports. Colours and line styles are left
out, and so are the insides of colour bars: they differ between versions, and their labels do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from matplotlib.category import StrCategoryLocator
from matplotlib.collections import QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.patches import FancyArrowPatch
from matplotlib.quiver import Quiver
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike, NDArray

from posenc_lib.figures.summary import numbers, summarise

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import Collection
    from matplotlib.container import Container
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.path import Path
    from matplotlib.text import Text

Array = NDArray[np.float64]
AnArtist = TypeVar("AnArtist", bound="Artist")


def describe(figure: Figure) -> str:
    """Return what ``figure`` shows: words, limits and scales, and a summary of each array."""
    width, height = figure.get_size_inches()
    lines = [f"Figure of {width:.3g} by {height:.3g} inches"]
    lines += _words(figure)
    for index, axes in enumerate(_visible(figure.axes), start=1):
        lines += _axes(axes, f"Panel {index}")
    return "\n".join(lines)


def _visible(artists: Iterable[AnArtist]) -> list[AnArtist]:
    return [artist for artist in artists if artist.get_visible()]


def _words(figure: FigureBase) -> list[str]:
    """Titles, labels, texts and legends that belong to no axes."""
    written = {
        "title": figure.get_suptitle(),
        "x label": figure.get_supxlabel(),
        "y label": figure.get_supylabel(),
    }
    lines = [f"  {name} {text!r}" for name, text in written.items() if text]
    texts = [text.get_text() for text in _visible(figure.texts)]
    lines += [f"  text {text!r}" for text in texts if text not in written.values()]
    for legend in _visible(figure.legends):
        lines += _legend(legend)
    for part in figure.subfigs:
        lines += _words(part)
    return lines


def _axes(axes: Axes, name: str) -> list[str]:
    titles = [axes.get_title(where) for where in ("left", "center", "right")]
    lines = [" ".join([f"{name}:", *(repr(title) for title in titles if title)])]
    lines += [_axis(axes, letter) for letter in "xyz" if hasattr(axes, f"{letter}axis")]
    if hasattr(axes, "_colorbar"):
        return lines
    legend = axes.get_legend()
    if legend is not None:
        lines += _legend(legend)
    lines += _each(axes, axes.lines, _line)
    lines += _each(axes, axes.images, _image)
    lines += _each(axes, axes.collections, _collection)
    lines += _each(axes, axes.texts, _text)
    lines += _patches(axes, _visible(axes.patches))
    lines += [f"  {type(artist).__name__}" for artist in _visible([*axes.artists, *axes.tables])]
    for index, child in enumerate(_visible(axes.child_axes), start=1):
        lines += _axes(cast("Axes", child), f"{name}.{index}")
    return lines


def _each(axes: Axes, artists: Iterable[AnArtist], say: Callable[[Axes, AnArtist], list[str]]) -> list[str]:
    return [line for artist in _visible(artists) for line in say(axes, artist)]


def _axis(axes: Axes, letter: str) -> str:
    axis = getattr(axes, f"{letter}axis")
    limits = axis.get_view_interval()
    # On a logarithmic axis the low end counts as much as the high one.
    ends = " ".join(map(numbers, limits)) if axis.get_scale() == "log" else numbers(limits)
    line = f"  {letter} {axis.get_label_text()!r} {axis.get_scale()} {ends}"
    if isinstance(axis.get_major_locator(), (FixedLocator, StrCategoryLocator)):
        places = axis.get_major_locator()()
        names = axis.get_major_formatter().format_ticks(places)
        line += f" ticks {numbers(places)} {' '.join(map(repr, names))}".rstrip()
    return line


def _legend(legend: Legend) -> list[str]:
    words = [text.get_text() for text in [legend.get_title(), *legend.get_texts()]]
    return [f"  legend {' '.join(repr(word) for word in words if word)}"] if legend.get_visible() else []


def _line(axes: Axes, line: Line2D) -> list[str]:
    columns = line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data(orig=False)
    return _table(axes, line, "line", dict(zip("xyz", columns, strict=False)))


def _image(axes: Axes, image: AxesImage) -> list[str]:
    extent = numbers(image.get_extent())
    return [f"  image{_name(image)} over {extent}", *_mapped(image)]


def _collection(axes: Axes, collection: Collection) -> list[str]:
    lines = [f"  {type(collection).__name__}{_name(collection)}"]
    if isinstance(collection, Quiver):
        arrows = {"u": collection.U, "v": collection.V}
        lines += [f"    {name} {summarise(values)}" for name, values in arrows.items()]
    elif isinstance(collection, QuadMesh):
        lines += _points(axes, "corners", collection.get_coordinates())
    else:
        lines += _points(axes, "outlines", _vertices(collection.get_paths()))
    if np.any(collection.get_offsets()):
        lines += _points(axes, "places", collection.get_offsets())
    if isinstance(collection, ContourSet):
        lines += [f"    levels {numbers(np.asarray(collection.levels))}"]
    sizes: ArrayLike = getattr(collection, "get_sizes", list)()
    if np.size(sizes):
        lines += [f"    sizes {summarise(sizes)}"]
    return lines + _mapped(collection)


def _mapped(mappable: ScalarMappable) -> list[str]:
    """Summary of an array shown by colour, if there is one."""
    norm, data = mappable.norm, mappable.get_array()
    if data is None:
        return []
    limits = [np.nan if limit is None else limit for limit in (norm.vmin, norm.vmax)]
    colours = f"{mappable.get_cmap().name} {type(norm).__name__} {numbers(limits)}"
    return [f"    values {summarise(data)}", f"    colours {colours}"]


def _text(axes: Axes, text: Text) -> list[str]:
    places = [text.get_position()]
    if isinstance(text, Annotation):
        places.append(text.xy)
    # Positions count in axes or in data; 1 is the width of the axes.
    scale = max(_span(axes, "x"), _span(axes, "y")) if _in_data(axes, text)[0] else 1.0
    return [f"  text {text.get_text()!r} at {numbers(np.ravel(places), scale)}"]


def _patches(axes: Axes, patches: Sequence[Patch]) -> list[str]:
    """One summary for all bars, arrows and shapes of the axes."""
    if not patches:
        return []
    corners = [_corners(patch) for patch in patches]
    labels = "".join([*map(_name, axes.containers), *map(_name, patches)])
    return [f"  {len(patches)} shapes{labels}", *_points(axes, "outlines", np.concatenate(corners))]


def _corners(patch: Patch) -> Array:
    if isinstance(patch, FancyArrowPatch):
        # Its path is in pixels; what it joins is kept in this attribute alone.
        ends = getattr(patch, "_posA_posB", None)
        return np.asarray(ends if ends is not None else np.empty((0, 2)), dtype=float)
    return np.asarray(patch.get_path().transformed(patch.get_patch_transform()).vertices)


def _vertices(paths: Sequence[Path]) -> Array:
    return np.concatenate([path.vertices for path in paths]) if paths else np.empty((0, 2))


def _points(axes: Axes, name: str, points: ArrayLike) -> list[str]:
    """Summary of points, x and y apart."""
    points = np.ma.filled(np.ma.asarray(points).astype(float), np.nan)
    return [
        f"    {name} {letter} {summarise(points[..., index], _span(axes, letter))}"
        for index, letter in enumerate("xy")
        if len(points)
    ]


def _table(axes: Axes, artist: Artist, kind: str, columns: Mapping[str, ArrayLike]) -> list[str]:
    """Summary of an artist's coordinates, on the axes' own scale where they are data."""
    lines = [f"  {kind}{_name(artist)}"]
    in_data = dict(zip("xy", _in_data(axes, artist), strict=True))
    for letter, column in columns.items():
        values, span = np.ma.filled(np.ma.asarray(column).astype(float), np.nan), 0.0
        if in_data.get(letter):
            values, span = _as_drawn(axes, letter, values), _span(axes, letter)
        lines.append(f"    {letter} {summarise(values, span)}")
    return lines


def _in_data(axes: Axes, artist: Artist) -> Sequence[bool]:
    return artist.get_transform().contains_branch_seperately(axes.transData)


def _span(axes: Axes, letter: str) -> float:
    """What the axis shows from end to end, as drawn: decades on a logarithmic axis."""
    low, high = _as_drawn(axes, letter, getattr(axes, f"{letter}axis").get_view_interval())
    return float(abs(high - low))


def _as_drawn(axes: Axes, letter: str, values: ArrayLike) -> Array:
    """Values on the axis's scale: their logarithms, where the axis is logarithmic."""
    axis = getattr(axes, f"{letter}axis")
    values = np.asarray(values, dtype=float)
    if axis.get_scale() == "log":
        values = np.where(values > 0, values, np.nan)
    return np.asarray(axis.get_transform().transform(values))


def _name(artist: Artist | Container) -> str:
    label = artist.get_label()
    return f" {label!r}" if label and not str(label).startswith("_") else ""
