"""Tracebacks for authors of strategies: their own lines first, the program's afterwards."""

from __future__ import annotations

import re
from typing import Final

_FRAME: Final = re.compile(r'  File "(?P<path>[^"]+)", line \d+')
_FOREIGN: Final = re.compile(
    r"[/\\](?:site-packages|dist-packages|lib[/\\]python[0-9.]+)[/\\]|[/\\]engine[/\\]|^<"
)


def own_frames(traceback: str) -> list[str]:
    """The lines of the frames in files that are neither this program's, a library's nor Python's; the last call last."""
    found: list[str] = []
    own = False
    for line in traceback.splitlines():
        frame = _FRAME.match(line)
        if frame is not None:
            own = not _FOREIGN.search(frame["path"])
        elif not line.startswith("    "):
            own = False
        if own:
            found.append(line)
    return found


def own_lines_first(traceback: str) -> str:
    """What was raised, where in the author's files, and then all of it."""
    text = traceback.strip()
    own = own_frames(text)
    if not own:
        return text
    raised = next((line for line in reversed(text.splitlines()) if not line.startswith(" ")), "")
    return "\n".join([raised, *own, "", "The whole traceback:", text])
