"""The windows of a walk-forward as rows, and the stored ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from desktop.pages.optimize.trials import metric_title
from desktop.tables import formats
from desktop.tables.metrics import metric_text
from desktop.tables.run_names import value_text
from desktop.tables.runs import STATUS_WORDS
from desktop.tables.table import Column
from engine.model.durations import duration_text
from engine.model.walk_forward import WalkForward, WindowResult

Row = tuple[int, WindowResult]


def _figure(side: str, name: str) -> Any:
    return lambda row: getattr(row[1], side).get(name)


def _param(name: str) -> Any:
    return lambda row: row[1].params[name]


def window_columns(walk: WalkForward) -> Sequence[Column[Row]]:
    """Those of its own parameters among them."""
    goal = walk.spec.sweep.objective
    title, text = metric_title(goal, {}), metric_text(goal)
    return (
        Column("number", "#", lambda row: row[0] + 1, formats.whole, numeric=True),
        Column("from", "Test from", lambda row: row[1].window.test.start, formats.day, export=formats.exported_time),
        Column("to", "to", lambda row: row[1].window.test.end, formats.last_day, tooltip="Both days included",
               export=formats.exported_time),
        *(
            Column(f"param.{name}", name, _param(name), value_text, numeric=True)
            for name in walk.columns
        ),
        Column("train", f"Training {title}", _figure("train", goal), text, numeric=True,
               tooltip="Of the chosen, in a run of its own over the training"),
        Column("test", f"Test {title}", _figure("test", goal), text, numeric=True,
               tooltip="Of the stitched run's part in this window"),
        Column("return_pct", "Test return", _figure("test", "return_pct"), metric_text("return_pct"), numeric=True,
               signed=True),
        Column("drawdown", "Test drawdown", _figure("test", "max_drawdown_pct"), metric_text("max_drawdown_pct"),
               numeric=True),
        Column("trades", "Trades", _figure("test", "trades"), formats.whole, numeric=True),
        Column("rank", "Rank", lambda row: row[1].rank, formats.number, numeric=True,
               tooltip="Where the chosen stood in the test among all combinations: 1 the best, 0.5 without skill"),
        Column("rho", "Order kept", lambda row: row[1].rho, formats.number, numeric=True,
               tooltip="Rank correlation of training and test over all combinations: 1 the same order, 0 none"),
    )  # fmt: skip


def _lengths(walk: WalkForward) -> str:
    return f"{duration_text(walk.spec.train_ms)} / {duration_text(walk.spec.test_ms)}"


STORED: Final[tuple[Column[WalkForward], ...]] = (
    Column("created", "Made", lambda walk: walk.created_ms, formats.minute, tooltip="When it was made (UTC)",
           export=formats.exported_time),
    Column("strategy", "Strategy", lambda walk: walk.spec.sweep.strategy),
    Column("symbol", "Symbol", lambda walk: walk.spec.sweep.markets),
    Column("timeframe", "TF", lambda walk: walk.spec.sweep.timeframe.name, tooltip="Timeframe"),
    Column("lengths", "Train / test", _lengths),
    Column("mode", "Mode", lambda walk: walk.spec.mode),
    Column("windows", "Windows", lambda walk: len(walk.windows), formats.whole, numeric=True),
    Column("wfe", "WFE", lambda walk: walk.measures.get("wfe"), formats.number, numeric=True,
           tooltip="Growth per day in tests over growth per day in trainings"),
    Column("rank", "Rank", lambda walk: walk.measures.get("oos_rank"), formats.number, numeric=True,
           tooltip="Mean rank of the chosen in tests: 0.5 without skill"),
    Column("done", "Combinations", lambda walk: walk.done, formats.whole, numeric=True),
    Column("status", "Status", lambda walk: STATUS_WORDS.get(walk.status, walk.status)),
)  # fmt: skip


def walk_words(walk: WalkForward) -> str:
    """What came of it in one line."""
    sweep, run = walk.spec.sweep, walk.stitched
    days = f"{formats.day(walk.period.start)} – {formats.day(walk.period.end - 1)}"
    parts = [f"{sweep.strategy} on {sweep.markets} {sweep.timeframe}, {days}"]
    if run is not None:
        parts.append(
            f"stitched {metric_text('return_pct')(run.metrics.get('return_pct'))} % in {len(walk.results)} tests"
        )
    for name, title in (("wfe", "WFE"), ("oos_rank", "rank"), ("is_oos_rho", "order kept")):
        value = walk.measures.get(name)
        if value is not None:
            parts.append(f"{title} {formats.number(value)}")
    share = walk.measures.get("profitable_windows")
    if share is not None:
        parts.append(f"{share:.0%} of tests with a profit")
    steps = walk.measures.get("param_step") or {}
    moved = [f"{name} {value:.2f}" for name, value in steps.items() if value is not None]
    if moved:
        parts.append(f"steps {', '.join(moved)}")
    if walk.error:
        parts.append(walk.error)
    return " · ".join(parts)
