"""Where the book lives: one address, from which the launch buttons and the site's own address follow.

The environment variable POSENC_REPOSITORY (owner/name) wins, so that a fork's deployment shows its own
buttons; without it the address is the Repository link in pyproject.toml.
"""

import os
import re
import tomllib
from pathlib import Path

from sphinx.errors import ExtensionError


def repository(root: Path) -> str:
    """Return the repository as ``owner/name``."""
    chosen = os.environ.get("POSENC_REPOSITORY", "").strip()
    if not chosen:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        chosen = project["urls"]["Repository"].removeprefix("https://github.com/").rstrip("/")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", chosen):
        raise ExtensionError(f"the repository must read owner/name, not {chosen!r}")
    return chosen


def set_addresses(app, config):
    """Give every setting that names the repository or the site the same address."""
    owner, name = repository(Path(app.confdir)).split("/")
    config.html_theme_options["repository_url"] = f"https://github.com/{owner}/{name}"
    config.html_baseurl = f"https://{owner.lower()}.github.io/{name}/"
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = f"/{name}/"


def setup(app):
    app.connect("config-inited", set_addresses, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
