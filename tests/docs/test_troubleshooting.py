"""docs/guide/troubleshooting.md quotes what the program says, word for word; `…` stands for what differs."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.support.pages import ROOT, rows

PAGE = "docs/guide/troubleshooting.md"


@cache
def said() -> str:
    """All that the program can say, a line each; what is filled in later is `…`."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "engine").rglob("*.py"))
    texts = [text for source in sources for text in texts_of(ast.parse(source))]
    return "\n".join([*texts, (ROOT / "Makefile").read_text(encoding="utf-8")])


def texts_of(tree: ast.AST) -> Iterator[str]:
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w*\}", "…", node.value)
        else:
            left.extend(ast.iter_child_nodes(node))


def is_said(quoted: str) -> bool:
    """Whether the program has the sentence: each `…` is a filled place, at the end also the rest of the sentence."""
    start = re.sub(r"(; |: | \(|, | )…\)?$", "", quoted) if quoted not in said() else quoted
    return start in said()


def test_every_quoted_text_is_one_of_the_program() -> None:
    quoted = [row[0] for row in rows(PAGE, 3)]
    assert len(quoted) > 80
    assert all(re.fullmatch(r"`[^`]+`", text) for text in quoted)
    assert [text for text in quoted if not is_said(text.strip("`"))] == []


def test_a_text_that_nobody_says_is_found() -> None:
    assert is_said("no answer in time")
    assert not is_said("no answer in any time")
    assert is_said("cannot write …: …; nothing was changed there")
    assert not is_said("cannot write …; nothing was changed there")


def test_no_text_is_explained_twice() -> None:
    quoted = [row[0] for row in rows(PAGE, 3)]
    assert len(quoted) == len(set(quoted))
