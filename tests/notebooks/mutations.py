"""Ways to make a stored cell untrue. Each function returns, or is, a change made to a notebook's cell in place."""

import base64
import io

import numpy as np
from nbformat.v4 import new_output
from PIL import Image
from PIL.PngImagePlugin import PngInfo

# A cell to change: it needs a figures.setup() and an x.
WAVE = 'plt.plot(x, np.sin(x))\nplt.title("A wave")\nplt.show()'


def repaint(change, software=None):
    """A change of the stored picture's pixels, and of who is said to have drawn it."""

    def mutate(cell):
        data = cell.outputs[0].data
        image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        info = PngInfo()
        info.add_text("Software", software or image.info["Software"])
        stream = io.BytesIO()
        Image.fromarray(change(np.array(image.convert("RGBA")))).save(stream, "PNG", pnginfo=info)
        data["image/png"] = base64.b64encode(stream.getvalue()).decode()

    return mutate


def darker(by):
    def change(pixels):
        pixels[:5, :5, :3] -= np.uint8(by)  # a white corner
        return pixels

    return change


def text(old, new, mime="text/plain"):
    """A change of the stored text."""

    def mutate(cell):
        output = cell.outputs[0]
        before = output.text if "text" in output else output.data[mime]
        assert old in before, before
        if "text" in output:
            output.text = before.replace(old, new)
        else:
            output.data[mime] = before.replace(old, new)

    return mutate


def source(old, new):
    """A change of the code, as if of the library behind it."""

    def mutate(cell):
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return mutate


def drop(*fields):
    def mutate(cell):
        if "picture" in fields:
            del cell.outputs[0].data["image/png"]
        if "outputs" in fields:
            cell.outputs = []
        if "count" in fields:
            cell.execution_count = None

    return mutate


def off_by_one(cell):
    cell.execution_count += 1


def tag(name):
    return lambda cell: cell.metadata.update(tags=[name])


def stored_path(cell):
    cell.outputs[0].traceback = ["File /srv/someone/posenc_lib/check.py:1"]


def stale_widget(cell):
    """An output of the one kind that nbval never looks at."""
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    cell.outputs.append(new_output("display_data", view))
