"""The API page is written from this tree's docstrings, whatever version is installed, and needs no torch."""

import re
import sys
from importlib import import_module

from sphinx.ext.autodoc.mock import MockFinder


class Module:
    """Stands for torch.nn.Module: a plain class, so that a subclass shows the signature of its own __init__."""


def prepare_imports(app, config):
    """Put the repository's root first on the import path, and stand-ins in place of what the build does without.

    autodoc_mock_imports is not enough. It mocks only while autodoc imports a module, and the parts of Sphinx that
    read its source import it once more, with the real torch where there is one.
    """
    sys.path.insert(0, str(app.confdir))
    sys.meta_path.insert(0, MockFinder(["torch", "matplotlib", "cycler"]))
    import_module("torch.nn").Module = Module


def escape_bars(app, what, name, obj, options, lines):
    """Let a docstring write ``|p|`` for a size, which reStructuredText would take for a substitution."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[number] = re.sub(r"(`[^`]*`)|\|", lambda match: match[1] or r"\|", line)


def setup(app):
    app.connect("config-inited", prepare_imports)
    app.connect("autodoc-process-docstring", escape_bars, priority=900)  # after napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
