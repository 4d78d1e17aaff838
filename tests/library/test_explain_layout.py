"""The table and the picture of an explanation: what stands where, as a reader of the page would measure it."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from posenc_lib import frequencies

CONFIGS = Path(__file__).resolve().parents[1] / "data" / "configs"
EXPLAINED = {path.stem: frequencies.explain(path) for path in sorted(CONFIGS.glob("*.json"))}
PICTURES = [(name, place) for name, told in EXPLAINED.items() for place in range(len(told.rotations))]
LETTER = 7  # units that a letter of 12 needs at most, on the average


def fragment(told):
    return ET.fromstring(told._repr_html_().replace('xmlns="http://www.w3.org/2000/svg"', ""))


@pytest.fixture(params=PICTURES, ids=lambda each: f"{each[0]}-{each[1]}")
def picture(request):
    """The picture of one rotation, and the rotation."""
    name, place = request.param
    return Picture(list(fragment(EXPLAINED[name]).iter("svg"))[place]), EXPLAINED[name].rotations[place]


class Picture:
    """An SVG, with its frame, its marks and its words where they lie."""

    def __init__(self, drawn):
        self.drawn = drawn
        self.width, self.height = map(float, drawn.get("viewBox").split()[2:])
        frame = next(path for path in drawn.iter("path") if re.fullmatch(r"M\S+ \S+V\S+H\S+", path.get("d")))
        self.left, self.top, self.bottom, self.right = map(float, re.findall(r"[\d.]+", frame.get("d")))
        groups = [(each, *map(float, re.findall(r"-?[\d.]+", each.get("transform")))) for each in drawn.iter("g")]
        self.marks = [(x, y) for each, x, y in groups if each.get("class")]
        self.symbols = [(x, y, ET.tostring(each[0])) for each, x, y in groups if not each.get("class")]
        self.words = [(float(t.get("x")), float(t.get("y")), t.get("text-anchor"), t) for t in drawn.iter("text")]

    def find(self, text):
        return next((x, y, anchor) for x, y, anchor, each in self.words if "".join(each.itertext()) == text)


# --- the table


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_table_has_the_rows_of_the_text_and_nothing_beside_them(name):
    told, page = EXPLAINED[name], fragment(EXPLAINED[name])
    assert (page.text, page.tail) == (None, None)
    for each in page.iter():
        if each.tag in ("div", "table", "tbody", "tr", "ul", "svg", "g"):
            assert not each.text and not any(child.tail for child in each)
    written = str(told)
    rows = [(row[0].text, row[1].text) for row in page.iter("tr")]
    titles = re.findall(r"^  (\w+)$", written, flags=re.MULTILINE)
    assert [caption.text for caption in page.iter("caption")] == titles
    labels = re.findall(r"^  (?! |- )(.+?)(?:   *|$)", written, flags=re.MULTILINE)
    assert [label for label, _ in rows] == [label for label in labels if label not in titles]
    assert all(sentence in " ".join(written.split()) for _, sentence in rows)
    assert [note.text for note in page.iter("li")] == list(told.notes)


# --- the picture


def test_pairs_share_the_width_evenly(picture):
    drawn, turned = picture
    step = (drawn.right - drawn.left) / len(turned.effects)
    for pair, (x, _) in enumerate(drawn.marks):
        assert x == pytest.approx(drawn.left + (pair + 0.5) * step, abs=0.06)
    assert 0 < drawn.left < drawn.right < drawn.width and 0 < drawn.top < drawn.bottom < drawn.height


def test_the_axis_ends_at_the_power_of_ten_above_all_that_is_drawn(picture):
    """With a little air, so that no mark touches the upper edge; from 1 at the lower edge on."""
    drawn, turned = picture
    ends = [*turned.wavelengths, *turned.trained_wavelengths, turned.trained_length or 1, turned.spec.max_length or 1]
    longest = max(each for each in ends if each < math.inf)
    highest = max(2, math.ceil(math.log10(longest) + 0.1))
    shown = range(0, highest + 1, 2 if highest >= 8 else 1)
    for power in shown:
        x, y, anchor = drawn.find("1" if power == 0 else f"10{power}")
        height = drawn.bottom - power / highest * (drawn.bottom - drawn.top)
        assert y == pytest.approx(height + 4, abs=0.06) and anchor == "end" and 3 <= drawn.left - x <= 10
    powers = [text for x, _, anchor, text in drawn.words if anchor == "end" and x < drawn.left]
    assert len(powers) == len(shown)
    for (_, y), wavelength in zip(drawn.marks, turned.wavelengths, strict=True):
        assert (y == drawn.top) == math.isinf(wavelength)  # what never comes around lies on the upper edge


def test_the_first_the_middle_and_the_last_pair_are_numbered(picture):
    drawn, turned = picture
    last = len(turned.effects) - 1
    for pair in {0, last // 2, last}:
        x, y, anchor = drawn.find(str(pair))
        assert x == pytest.approx(drawn.marks[pair][0], abs=0.11) and anchor == "middle"
        assert drawn.bottom + 12 <= y <= drawn.bottom + 20
    numbered = [text for _, _, anchor, text in drawn.words if anchor == "middle"]
    assert len(numbered) == len({0, last // 2, last})


def test_both_axes_are_named(picture):
    drawn, _ = picture
    x, y, anchor = drawn.find("wavelength in positions per turn")
    assert (x, anchor) == (drawn.left, "start") and 12 <= y < drawn.top - 12
    x, y, anchor = drawn.find("pair")
    assert (x, anchor) == (drawn.right, "end") and drawn.bottom + 28 <= y <= drawn.bottom + 36  # under the numbers


def test_lines_cross_the_picture_and_carry_their_words(picture):
    """Those of training under the line, those of the extension above it, so that they never meet."""
    drawn, turned = picture
    words = {
        "training": f"training length {turned.trained_length}",
        "extended": f"extended to {turned.spec.max_length}",
    }
    for line in drawn.drawn.iter("path"):
        if line.get("class") in words:
            start, height, end = map(float, re.findall(r"[\d.]+", line.get("d")))
            assert (start, end) == (drawn.left, drawn.right)
            x, y, anchor = drawn.find(words[line.get("class")])
            assert anchor == "start" and 3 <= x - drawn.left <= 10
            below = y - height
            assert 12 <= below <= 16 if line.get("class") == "training" else -8 <= below <= -3


NAMED = {
    "kept": "kept", "blended": "blended", "divided": "divided", "rescaled": "rescaled", "unturned": "does not turn",
}  # fmt: skip


def test_the_legend_shows_each_kind_of_mark_once(picture):
    drawn, turned = picture
    occurring = [effect for effect in NAMED if effect in turned.effects]
    shapes = {g.get("class"): ET.tostring(g[0]) for g in drawn.drawn.iter("g") if g.get("class")}
    assert [shape for _, _, shape in drawn.symbols] == [shapes[effect] for effect in occurring]
    entries = []
    for (x, y, _), effect in zip(drawn.symbols, occurring, strict=True):
        at, line, anchor = drawn.find(NAMED[effect])
        assert anchor == "start" and 7 <= at - x <= 12 and 2 <= line - y <= 6
        entries.append((x - 5, at + LETTER * len(NAMED[effect]), y))
    polylines = list(drawn.drawn.iter("polyline"))
    samples = [p for p in drawn.drawn.iter("path") if re.fullmatch(r"M\S+ \S+h\S+", p.get("d"))]
    assert len(samples) == len(polylines)
    for sample in samples:
        start, y, length = map(float, re.findall(r"[\d.]+", sample.get("d")))
        at, line, anchor = drawn.find("before scaling")
        assert anchor == "start" and 3 <= at - start - length <= 8 and 2 <= line - y <= 6
        entries.append((start, at + LETTER * len("before scaling"), y))
    assert len({y for *_, y in entries}) == 1 and drawn.bottom + 30 < entries[0][2] < drawn.height - 6
    assert entries[0][0] >= drawn.left and entries[-1][1] <= drawn.width
    assert all(end < start for (_, end, _), (start, _, _) in pairwise(entries))


def test_the_line_before_scaling_leaves_out_what_never_comes_around(picture):
    drawn, turned = picture
    for line in drawn.drawn.iter("polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        turning = [pair for pair, wave in enumerate(turned.trained_wavelengths) if wave < math.inf]
        assert [x for x, _ in points] == [drawn.marks[pair][0] for pair in turning]
        assert all(drawn.top <= y <= drawn.bottom for _, y in points)
