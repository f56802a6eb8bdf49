"""Logging: everything goes to one rotating file under BACKTEST_HOME, so that the screen can stay at one line."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOGGERS = ("engine", "desktop")


def silence_console() -> None:
    """Keep our loggers off the screen also before there is a file for them."""
    for name in LOGGERS:
        logging.getLogger(name).addHandler(logging.NullHandler())


def log_to_file(path: Path) -> None:
    """Send the program's own loggers to `path` (UTF-8, rotated at 2 MB, five kept), and no longer to another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if isinstance(handler, RotatingFileHandler):
                logger.removeHandler(handler)
                handler.close()
        to_file = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=5, encoding="utf-8", delay=True)
        to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
        logger.addHandler(to_file)
        logger.setLevel(logging.INFO)
