"""Tasks as workers get them, done here."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from engine.checks import verdicts
from engine.jobs.registry import perform
from engine.model.market import CandleFile
from engine.parallel.tasks import RunTask

# what the text of a task needs to be read again
IMPORTS = """\
from pathlib import PosixPath
from engine.model.account import Costs, Protections
from engine.model.market import CandleFile
from engine.parallel.tasks import RunTask
"""


@pytest.fixture
def all_the_time_in_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many cuts are made must not depend on what else this machine does."""
    monkeypatch.setattr(verdicts, "LEAST_S", 3600.0)
    monkeypatch.setattr(verdicts, "MOST_S", 3600.0)


def ignore(*_: Any) -> None:
    pass


def run_task(
    candles: Path, strategy: Path, *, held: int, wanted: int | None = None, **changes: Any
) -> RunTask:
    """A run over a file of candles, `held` of which precede the period."""
    usual = RunTask(
        strategy=strategy,
        params={},
        candles=CandleFile(candles, held),
        warmup=held if wanted is None else wanted,
        engine="auto",
        timeframe="1h",
    )
    return replace(usual, **changes)


def run_here(task: RunTask) -> dict[str, Any]:
    """The fields of the answer."""
    answer = perform(task, ignore)
    return {field.name: getattr(answer, field.name) for field in fields(answer)}
