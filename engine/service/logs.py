"""Logging: everything goes to one rotating file under BACKTEST_HOME, so that the screen can stay at one line."""

import logging
import sys
from collections.abc import Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from engine.errors import redacted

LOGGERS: Final = ("engine", "desktop")  # told from INFO on
LIBRARIES: Final = (
    "alembic",
    "asyncio",
    "ccxt",
    "distributed",
    "tornado",
    "urllib3",
    "uvicorn",
)  # their warnings


class _WithoutPasswords(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback of an exception, without the logins of addresses."""
        return redacted(super().format(record))


class LogFile(RotatingFileHandler):
    """A log that cannot be written is no reason to stop, nor to fill the screen: `fault` says why it could not."""

    fault: BaseException | None = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own name
        """Remember why a record was not written."""
        self.fault = sys.exc_info()[1]


def silence_console() -> None:
    """Keep these loggers off the screen also before there is a file for them."""
    for name in (*LOGGERS, *LIBRARIES):
        logging.getLogger(name).addHandler(logging.NullHandler())


def log_to_file(path: Path) -> None:
    """Send these loggers to `path` (UTF-8, rotated at 2 MB, five kept), and no longer to another file.

    Raises OSError where its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    before = _log_file()
    new = LogFile(
        path, maxBytes=2_000_000, backupCount=5, encoding="utf-8", errors="backslashreplace", delay=True
    )
    new.setFormatter(_WithoutPasswords("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
    for logger in {*map(logging.getLogger, (*LOGGERS, *LIBRARIES)), *_writing_to(before)}:
        logger.handlers = [handler for handler in logger.handlers if handler is not before] + [new]
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    if before is not None:
        before.close()


def _writing_to(file: LogFile | None) -> list[logging.Logger]:
    """Loggers that would open a file again after it is closed: also those of libraries that were taken over."""
    known = logging.root.manager.loggerDict.values()
    return [one for one in known if isinstance(one, logging.Logger) and file in one.handlers]


def take_over(names: Iterable[str]) -> None:
    """Send loggers of a library that prints on its own to the log file instead, from WARNING on."""
    handlers = logging.getLogger(LOGGERS[0]).handlers
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = list(handlers), False
        logger.setLevel(logging.WARNING)


def log_fault() -> BaseException | None:
    """Why the log file could not be written, if it could not."""
    found = _log_file()
    return None if found is None else found.fault


def _log_file() -> LogFile | None:
    handlers = logging.getLogger(LOGGERS[0]).handlers
    return next((handler for handler in handlers if isinstance(handler, LogFile)), None)
