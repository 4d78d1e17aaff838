"""What every page carries beside its text."""

import re

# sphinx-proof and sphinx-exercise give every box the same id; nothing links to it, and an id must be unique.
REPEATED_ID = re.compile(r' id="(?:proof|proof-content|exercise-content|solution-content)"')


def drop_repeated_ids(app, pagename, templatename, context, doctree):
    """Leave in a page only ids that stand there once."""
    if "body" in context:
        context["body"] = REPEATED_ID.sub("", context["body"])


def setup(app):
    app.add_js_file("book.js", defer="defer")
    app.connect("html-page-context", drop_repeated_ids)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
