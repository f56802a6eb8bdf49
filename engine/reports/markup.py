"""Pieces of HTML: any value as text, numbers for people, tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def text(value: Any) -> str:
    """Anything as text that commands nothing."""
    return escape(_UNPRINTABLE.sub("\ufffd", str(value)))


def figure(value: Any, unit: str = "") -> str:
    """A number for people."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if unit == "count" or (isinstance(value, int) and not unit):
        return f"{value:,.0f}"
    small = 0 < abs(value) < 0.005
    return (f"{value:.3g}" if small else f"{value:,.2f}") + (" %" if unit == "%" else "")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], css: str = "") -> Iterator[str]:
    """`head` is plain text; cells are HTML. Cells need no end tags: ten thousand trades have many."""
    yield f'<div class="scroll"><table class="{css}"><thead><tr>'
    yield "".join(f"<th>{text(name)}</th>" for name in head)
    yield "</tr></thead><tbody>"
    yield from ("<tr><td>" + "<td>".join(row) for row in rows)
    yield "</tbody></table></div>"
