"""The sweeps in the database as a list."""

from __future__ import annotations

from typing import Any, Final

from desktop.pages.optimize.trials import metric_title
from desktop.pages.stored_list import StoredList
from desktop.tables import formats
from desktop.tables.run_names import params_text
from desktop.tables.runs import STATUS_WORDS
from desktop.tables.table import Column
from engine.model.ranges import range_text
from engine.model.sweep import SweepResult


def _of_spec(name: str) -> Any:
    return lambda sweep: getattr(sweep.spec, name)


def _best(sweep: SweepResult) -> float | None:
    best = sweep.best
    return None if best is None else best["value"]


def _best_at(sweep: SweepResult) -> str:
    best = sweep.best
    return "" if best is None else params_text({name: best["params"][name] for name in sweep.params})


def _period(sweep: SweepResult) -> str:
    return f"{formats.day(sweep.period.start)} – {formats.day(sweep.period.end - 1)}"


COLUMNS: Final[tuple[Column[SweepResult], ...]] = (
    Column("created", "Made", lambda sweep: sweep.created_ms, formats.minute, tooltip="When it was made (UTC)",
           export=formats.exported_time),
    Column("strategy", "Strategy", _of_spec("strategy")),
    Column("symbol", "Symbol", _of_spec("markets")),
    Column("timeframe", "TF", lambda sweep: sweep.spec.timeframe.name, tooltip="Timeframe"),
    Column("objective", "Best by", lambda sweep: metric_title(sweep.spec.objective, {})),
    Column("best", "Best", _best, formats.number, numeric=True, tooltip="The best trial's value"),
    Column("best_at", "Best at", _best_at, tooltip="The best trial's parameters"),
    Column("done", "Trials", lambda sweep: sweep.done, formats.whole, numeric=True),
    Column("failed", "Failed", lambda sweep: sweep.failed, formats.whole, numeric=True),
    Column("period", "Period", _period, tooltip="UTC, both days included"),
    Column("status", "Status", lambda sweep: STATUS_WORDS.get(sweep.status, sweep.status)),
    Column("ranges", "Ranges", lambda sweep: ", ".join(
        f"{name} {range_text(values)}" for name, values in sweep.spec.ranges.items())),
    Column("constraint", "Constraint", _of_spec("constraint")),
    Column("exchange", "Exchange", _of_spec("exchange")),
)  # fmt: skip


class StoredSweeps(StoredList[SweepResult]):
    """The sweeps."""

    def __init__(self) -> None:
        super().__init__(
            "sweep", COLUMNS, "Show the sweep's trials, with the whole set-up and plan they were made with"
        )
