"""What every page carries beside its text."""


def setup(app):
    app.add_js_file("book.js", defer="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
