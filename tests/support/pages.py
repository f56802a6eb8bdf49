"""The pages of this repository for people, as markdown sees them: links, anchors, code, rows; and what they may name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
_NO_PAGES: Final = ("build", "dist", "demo")  # folders that somebody made
_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")


def _all_pages() -> Iterator[str]:
    for folder in (ROOT, *(one for one in ROOT.iterdir() if one.is_dir())):
        if folder.name in _NO_PAGES or (folder != ROOT and folder.name.startswith((".", "__"))):
            continue
        found = folder.glob("*.md") if folder == ROOT else folder.rglob("*.md")
        yield from (str(path.relative_to(ROOT)) for path in found)


PAGES: Final = tuple(sorted(_all_pages()))


@cache
def tokens(page: str) -> tuple[Token, ...]:
    """The page in pieces, from top to bottom."""
    return tuple(_MARKDOWN.parse((ROOT / page).read_text(encoding="utf-8")))


def links(page: str) -> list[str]:
    """Where its links and pictures lead, as written."""
    inside = [one for token in tokens(page) for one in token.children or ()]
    found = [
        one.attrs.get("href") or one.attrs.get("src") for one in inside if one.type in ("link_open", "image")
    ]
    return [str(link) for link in found if link]


def anchors(page: str) -> set[str]:
    """What a link may name behind `#`: headings, as code hosts write them."""
    pieces = tokens(page)
    titles = [
        "".join(child.content for child in inline.children or ())
        for heading, inline in pairwise(pieces)
        if heading.type == "heading_open"
    ]
    slugs = [re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles]
    seen: Counter[str] = Counter()
    found = set()
    for slug in slugs:
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def typed_lines(page: str) -> list[str]:
    """What the page tells people to type: the lines of its shell blocks, without remarks; a line that goes on is one."""
    blocks = [
        token.content
        for token in tokens(page)
        if token.type == "code_block" or (token.type == "fence" and token.info in ("sh", "bash", "console"))
    ]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [bare for line in lines if (bare := re.sub(r"(^|\s)#.*$", "", line).strip().removeprefix("$ "))]


def rows(page: str, columns: int, *, under: str = "") -> list[tuple[str, ...]]:
    """The rows of its tables of so many columns, heads left out, as written; `under`: only those below that heading."""
    found: list[list[str]] = []
    title = ""
    for before, token in pairwise(tokens(page)):
        if before.type == "heading_open":
            title = token.content
        elif token.type == "tr_open" and under in ("", title):
            found.append([])
        elif before.type == "td_open" and under in ("", title):
            found[-1].append(token.content)
    return [tuple(row) for row in found if len(row) == columns]


@cache
def named_tests() -> frozenset[str]:
    """The name of every test."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(
        name for text in texts for name in re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)
    )
