"""The error tree. Every error carries one line for the user, without names and passwords that addresses hold, and the exit
code of the command line.

BacktestError
├── InputError          2   what the user typed or set: bad value, unknown symbol, strategy or run
│   ├── NotStored       2   what an id names is not there
│   └── InUse           2   somebody is at work on what is named
├── ExchangeError       3   the exchange is unreachable, refuses, or answers nonsense
│   └── MissingDataError 3  candles are missing and fetching was forbidden
├── ClusterError        3   the Dask cluster is unreachable or gone, or has no worker that can be used
├── DatabaseError       4   the database is unreachable, refuses, or is full
├── StrategyError       5   the strategy's file exists but does not load
├── RunError            1   one run failed: its strategy raised, ran too long, or asked for something invalid
├── OutputError         1   what was found cannot be printed
└── Interrupted       130   the user stopped the work; finished parts are kept
"""

import errno
import re
from collections.abc import Sequence
from typing import Any, Final

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


def one_line(text: str) -> str:
    """The text in one line of printable characters, so that no message of a strategy or a server commands a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class BacktestError(Exception):
    """Something went wrong that the user can understand: `str(error)` is one line for them, without passwords."""

    exit_code = 1

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(one) if isinstance(one, str) else one for one in args))


EXIT_CODE_ORDER = (130, 4, 3, 5, 2, 1)  # of several causes, the first of these decides


class InputError(BacktestError):
    """A value that the user typed or set cannot be used."""

    exit_code = 2


class NotStored(InputError):
    """What an id names is not there."""


class InUse(InputError):
    """Somebody is at work on what is named."""


class ExchangeError(BacktestError):
    """The exchange cannot be reached, refuses, or answers something unexpected."""

    exit_code = 3


class MissingDataError(ExchangeError):
    """Candles that the work needs are not held, and fetching them was forbidden."""


class ClusterError(BacktestError):
    """The Dask cluster cannot be reached, is gone, or has no worker that can be used."""

    exit_code = 3


class DatabaseError(BacktestError):
    """The database cannot be reached, refuses, or is full."""

    exit_code = 4


class StrategyError(BacktestError):
    """A strategy's file exists but does not load."""

    exit_code = 5


class RunError(BacktestError):
    """One run cannot go on; other runs are not affected."""


class OutputError(BacktestError):
    """What was found cannot be printed."""


class Interrupted(BacktestError):
    """The user stopped the work; what was finished is kept."""

    exit_code = 130


def worst(errors: Sequence[BacktestError]) -> BacktestError:
    """Of several errors the one whose exit code decides."""
    return min(errors, key=lambda error: EXIT_CODE_ORDER.index(error.exit_code))


def failed_series(errors: Sequence[BacktestError], count: int, *, fate: str, rest: str) -> BacktestError:
    """The worst of what befell some of `count` series, with how the others fared: "2 of 3 series `fate`: ...; the other 1
    `rest`".
    """
    error = worst(errors)
    others = f"; the other {count - len(errors)} {rest}" if len(errors) < count else ""
    return type(error)(f"{len(errors)} of {count} series {fate}: {error}{others}")


def redacted_in(value: Any) -> Any:
    """The JSON document with `redacted` texts: of the text that it is written as, quotes and commas would go as well."""
    if isinstance(value, dict):
        return {redacted(key): redacted_in(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted_in(item) for item in value]
    return redacted(value) if isinstance(value, str) else value


def system_fault(error: OSError) -> str:
    """What the system refused, in words: which file, why, and what to do."""
    what = f"{error.filename}: {reason(error)}" if error.filename else reason(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{what}; what was stored by then is kept" + (", free space and run again" if full else "")


def reason(error: OSError) -> str:
    """Why, in a few words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return error.strerror or str(error) or type(error).__name__
