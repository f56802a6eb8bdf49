"""The log file is UTF-8, turned over before it grows without bounds, and belongs to one home."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.service.logs import LIBRARIES, LOGGERS, log_to_file, take_over


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    before = {name: list(logging.getLogger(name).handlers) for name in (*LOGGERS, *LIBRARIES)}
    yield
    for name, handlers in before.items():
        logger = logging.getLogger(name)
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers = handlers


def test_any_text_is_written_as_utf_8(tmp_path: Path) -> None:
    log_to_file(tmp_path / "logs" / "backtest.log")
    logging.getLogger("engine.data").info("fetched %s", "币安人生USDT")
    text = (tmp_path / "logs" / "backtest.log").read_text(encoding="utf-8")
    assert text.endswith("engine.data: fetched 币安人生USDT\n")


def test_the_file_is_turned_over_and_only_six_are_kept(tmp_path: Path) -> None:
    log_to_file(tmp_path / "backtest.log")
    for _ in range(160):
        logging.getLogger("engine").info("x" * 100_000)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["backtest.log", *(f"backtest.log.{n}" for n in range(1, 6))]
    assert all(file.stat().st_size <= 2_000_000 for file in files)


def test_another_home_takes_the_log_over(tmp_path: Path) -> None:
    log_to_file(tmp_path / "one.log")
    log_to_file(tmp_path / "two.log")
    logging.getLogger("engine").warning("where")
    assert not (tmp_path / "one.log").exists()
    assert "where" in (tmp_path / "two.log").read_text()


def test_a_logger_that_was_taken_over_follows_the_file(tmp_path: Path) -> None:
    """A closed file would be opened again by its next line, in a folder that may be gone."""
    log_to_file(tmp_path / "one.log")
    take_over(["uvicorn.error"])
    log_to_file(tmp_path / "two.log")
    logging.getLogger("uvicorn.error").warning("whereto")
    assert not (tmp_path / "one.log").exists()
    assert "whereto" in (tmp_path / "two.log").read_text()
    logging.getLogger("uvicorn.error").handlers.clear()
