"""The error tree. Every error carries one line for the user and the exit code of the command line.

BacktestError
├── InputError          2   what the user typed or set: bad value, unknown symbol, strategy or run
├── ExchangeError       3   the exchange is unreachable, refuses, or answers nonsense
│   └── MissingDataError 3  candles are missing and fetching was forbidden
├── DatabaseError       4   the database is unreachable, refuses, or is full
├── StrategyError       5   the strategy's file exists but does not load
├── RunError            1   one run failed: its strategy raised, ran too long, or asked for something invalid
└── Interrupted       130   the user stopped the work; finished parts are kept
"""

from collections.abc import Sequence


def one_line(text: str) -> str:
    """The text in one line of printable characters, so that no message of a strategy or a server commands a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class BacktestError(Exception):
    """Something went wrong that the user can understand: `str(error)` is one line for them."""

    exit_code = 1


EXIT_CODE_ORDER = (130, 4, 3, 5, 2, 1)  # of several causes, the first of these decides


class InputError(BacktestError):
    """A value that the user typed or set cannot be used."""

    exit_code = 2


class ExchangeError(BacktestError):
    """The exchange cannot be reached, refuses, or answers something unexpected."""

    exit_code = 3


class MissingDataError(ExchangeError):
    """Candles that the work needs are not held, and fetching them was forbidden."""


class DatabaseError(BacktestError):
    """The database cannot be reached, refuses, or is full."""

    exit_code = 4


class StrategyError(BacktestError):
    """A strategy's file exists but does not load."""

    exit_code = 5


class RunError(BacktestError):
    """One run cannot go on; other runs are not affected."""


class Interrupted(BacktestError):
    """The user stopped the work; what was finished is kept."""

    exit_code = 130


def worst(errors: Sequence[BacktestError]) -> BacktestError:
    """Of several errors the one whose exit code decides."""
    return min(errors, key=lambda error: EXIT_CODE_ORDER.index(error.exit_code))
