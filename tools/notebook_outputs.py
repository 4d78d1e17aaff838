"""When are two outputs of a notebook cell the same, and what may no output contain?

Used by ``sync.py``, which keeps a stored output where the new one is the same, and by the notebook
check of the tests, which fails where it is not. One rule for both, so that what the one keeps the
other accepts.
"""

import base64
import copy
import io
import re
from decimal import Decimal

import numpy as np
from PIL import Image

PIXEL_TOLERANCE = 16  # of 255; noise within one minor version of matplotlib moves a pixel by 2
FACTS_START = "Figure of "  # how a figure's description begins, see posenc_lib.figures

NUMBER = re.compile(r"(?<![\w.#])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\.?\d)")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")
# A path that starts at the root, or at a home folder, of the machine that ran the cell.
ABSOLUTE_PATH = re.compile(r"(?:^|[\s'\"(=\[])((?:~|/[\w.+-]+)/[\w.+-]+(?:/[\w.+-]*)*|[A-Z]:\\\w+)", re.MULTILINE)
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def settle_text(stored, fresh):
    """Return ``stored`` if ``fresh`` is the same but for the last digit of its numbers, else ``fresh``."""
    if NUMBER.split(stored) != NUMBER.split(fresh):
        return fresh
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True)
    return stored if all(_same_number(one, other) for one, other in pairs) else fresh


def _same_number(one, other):
    """Equal, or within one unit of the last printed digit of a decimal of three digits or more.

    Whole numbers are counts and shapes, and 0.5 is a choice: rounding has no part in them.
    """
    if Decimal(one) == Decimal(other):
        return True
    units = [_last_digit(text) for text in (one, other)]
    return None not in units and abs(Decimal(one) - Decimal(other)) <= max(units)


def _last_digit(text):
    """What one unit of the last printed digit is worth; None where it is exact."""
    mantissa = re.split("[eE]", text)[0]
    if not re.search(r"\.\d", mantissa) or len(re.findall(r"\d", mantissa)) < 3:
        return None
    return Decimal(1).scaleb(Decimal(text).as_tuple().exponent)


def settle(stored_outputs, fresh_outputs):
    """Return the fresh outputs, with each stored one in its place where the two are the same."""
    if len(stored_outputs) != len(fresh_outputs):
        return fresh_outputs
    return [_settle_output(*pair) for pair in zip(stored_outputs, fresh_outputs, strict=True)]


def _settle_output(stored, fresh):
    if stored.output_type != fresh.output_type:
        return fresh
    settled = copy.deepcopy(fresh)
    if "data" not in fresh:
        for field in ("text", "evalue"):
            if field in stored and field in fresh:
                settled[field] = settle_text(stored[field], fresh[field])
        return settled
    for mime, value in stored.data.items():
        if mime.startswith("text/") and mime in fresh.data:
            settled.data[mime] = settle_text(value, fresh.data[mime])
    same_facts = settled.data.get("text/plain") == stored.data.get("text/plain")
    if same_facts and picture_difference(stored, fresh) is None:
        settled.data["image/png"] = stored.data["image/png"]
    return settled


def picture_difference(stored, fresh):
    """Say how the stored picture differs from the fresh one; None where it does not.

    Also says so where the two were drawn by different minor versions of matplotlib, whose pixels
    cannot be compared: see :func:`comparable`.
    """
    if not has_picture(stored) or not has_picture(fresh):
        return "one of the two has no picture"
    if not comparable(stored, fresh):
        return f"drawn by matplotlib {drawn_by(stored)}, and now by {drawn_by(fresh)}"
    old, new = _pixels(stored), _pixels(fresh)
    if old.shape != new.shape:
        return f"the stored picture has {old.shape[:2]} pixels, the new one {new.shape[:2]}"
    largest = int(np.abs(old - new).max())
    return f"a pixel differs by {largest}/255" if largest > PIXEL_TOLERANCE else None


def has_picture(output):
    return "image/png" in output.get("data", {})


def comparable(stored, fresh):
    """Whether pixels can be compared: not between two minor versions of matplotlib."""
    versions = {drawn_by(stored), drawn_by(fresh)}
    return None in versions or len(versions) == 1


def drawn_by(output):
    """The minor version of matplotlib that drew a picture, such as "3.11", which is written in the PNG."""
    with _image(output) as image:
        match = re.match(r"Matplotlib version\s*(\d+\.\d+)", image.info.get("Software", ""))
    return match and match[1]


def _image(output):
    return Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))


def _pixels(output):
    with _image(output) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def faults(outputs):
    """Say what is wrong with a cell's outputs whatever they are compared with."""
    found = []
    for output in outputs:
        if output.get("name") == "stderr":
            found.append(f"writes to stderr: {output.text.strip()[:200]!r}")
        for text in _texts(output):
            found += [f"shows the address of an object: {match!r}" for match in ADDRESS.findall(text)[:1]]
            found += [f"shows a path of this machine: {match!r}" for match in ABSOLUTE_PATH.findall(text)[:1]]
        if has_picture(output) and not output.data.get("text/plain", "").startswith(FACTS_START):
            found.append("has a picture without a description: is figures.setup() in the imports cell?")
        if "image/jpeg" in output.get("data", {}):
            found.append("has a JPEG picture, which nothing compares: make it a PNG")
    return found


def _texts(output):
    texts = [output[field] for field in ("text", "evalue") if field in output]
    texts += [value for mime, value in output.get("data", {}).items() if mime.startswith("text/")]
    texts += [ANSI_COLOUR.sub("", line) for line in output.get("traceback", [])]
    return texts
