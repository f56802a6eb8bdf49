"""The static site: the pages of this repository as they lie there. `make docs` builds it into build/docs, without network.

The source folder is the whole checkout, so that a link from page to page is one and the same file name here, in the site and
on a code host. A page that is nothing but a list of pages is their table of contents: a new page needs its line there.
"""

import re
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

project = "Backtest Desktop"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**",
    "strategies/README.md",
    "tests/README.md",
]
# folders in which nobody need look for pages
exclude_patterns = [
    ".*",
    "build",
    "demo",
    "dist",
    "*.egg-info",
    "engine",
    "desktop",
    "benchmarks",
    "resources",
    "tools",
]
myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False

_LISTS: Final = ("docs/index", "docs/guide/index")
_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_PAGE: Final = re.compile(r"^- \*{0,2}\[(.+?)\]\(([^)#:]+)\.md\)", re.MULTILINE)


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Behind the lists of pages, the same as Sphinx wants to be told it."""
    if page not in _LISTS:
        return
    first, *rest = _HEADING.split(source[0])
    for title, text in [("", first), *zip(rest[::2], rest[1::2], strict=True)]:
        if pages := _PAGE.findall(text):
            options = [":hidden:", *([f":caption: {title}"] if title else []), ""]
            entries = [f"{name} <{path}>" for name, path in pages]
            source[0] += "\n".join(["\n\n```{toctree}", *options, *entries, "```\n"])


def add_front_door(app: Sphinx, _error: Exception | None) -> None:
    """index.html leads to the first page, which lies where it lies in the checkout."""
    text = (
        '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
    )
    (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_front_door)
    return {"parallel_read_safe": True}
