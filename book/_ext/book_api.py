"""The API page is written from this tree's docstrings, whatever version is installed, and needs no torch."""

import re
import sys


def prefer_this_tree(app, config):
    """Put the repository's root first on the import path."""
    sys.path.insert(0, str(app.confdir))


def escape_bars(app, what, name, obj, options, lines):
    """Let a docstring write ``|p|`` for a size, which reStructuredText would take for a substitution."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[number] = re.sub(r"(`[^`]*`)|\|", lambda match: match[1] or r"\|", line)


def setup(app):
    app.connect("config-inited", prefer_this_tree)
    app.connect("autodoc-process-docstring", escape_bars, priority=900)  # after napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
