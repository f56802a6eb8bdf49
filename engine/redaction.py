"""Names and passwords that addresses hold reach no log, no screen and no event."""

import re
from typing import Final

HIDDEN: Final = "***"

_UNTIL_SPACE: Final = r"[^\s\"'<>`]*"
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # scheme://user:password@host: up to the last @, because what breaks a URL is a password with / ? @ or a quote in it
        (r"://\S*@", f"://{HIDDEN}@"),
        # the same as part of another address, escaped once or more
        (
            rf"%(?:25)*3A%(?:25)*2F%(?:25)*2F{_UNTIL_SPACE}%(?:25)*40",
            f"%3A%2F%2F{HIDDEN}%40",
        ),
        # what is left where somebody cut the scheme off
        (r"(?<![\w/])[^\s\"'<>`/:@]+:[^\s\"<>`/@]+@(?=[\w\[])", f"{HIDDEN}@"),
        (
            r"\b((?:ssl|pg)?passw(?:or)?d|pwd|secret|api_?key|access_?token|signature)=(?:'[^']*'|[^\s&'\"<>]+)",
            rf"\1={HIDDEN}",
        ),
        (r"(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[^\s'\"]+", rf"\1{HIDDEN}"),
    )
)
_SIGNS: Final = re.compile(r"@|%40|%25|=|authorization", re.IGNORECASE)  # none of them: nothing to look for


def redacted(text: str) -> str:
    """The text with `***` in place of the user name and password of every address, and of passwords given by name."""
    if not _SIGNS.search(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
