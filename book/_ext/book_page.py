"""What every page carries beside its text."""

import re

# sphinx-proof and sphinx-exercise give every box the same id; nothing links to it, and an id must be unique.
REPEATED_ID = re.compile(r' id="(?:proof|proof-content|exercise-content|solution-content)"')


def mend_body(app, pagename, templatename, context, doctree):
    """Leave only ids that stand once on a page, and give entries of the bibliography a role that their list allows."""
    if "body" in context:
        body = REPEATED_ID.sub("", context["body"])
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    app.add_js_file("book.js", defer="defer")
    app.connect("html-page-context", mend_body)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
