"""What the command line shows: JSON for programs on stdout; tables, progress and errors for people on stderr."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from engine.comparison import Rerun
from engine.errors import one_line
from engine.events import Cancelled, Event, Failed, Finished, Log, OnEvent, Progress, Started
from engine.market import format_time
from engine.runs import FINISHED, RunResult, json_ready

WIDE = 200  # columns when nobody looks: a pipe has no edge to wrap at
# what is printed is never markup: names, errors and constraints are other people's text
out = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout, NaN as null."""
    sys.stdout.write(json.dumps(json_ready(document), allow_nan=False, ensure_ascii=False) + "\n")


def print_error(text: str) -> None:
    """One line on stderr."""
    err.print(f"error: {one_line(text)}", markup=False, style="red", soft_wrap=True)


def print_note(text: str) -> None:
    """One line for people on stderr."""
    err.print(text, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, left: int = 1) -> None:
    """A table on stdout; the first `left` columns are text, the others are right-aligned numbers."""
    shown = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        shown.add_column(name, justify="left" if position < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, str) else number(cell) for cell in row))
    out.print(shown)


def number(value: Any, digits: int = 2) -> str:
    """A number for people: thousands separated; nothing known is an en dash."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


RUN_COLUMNS = {
    "return %": "return_pct",
    "hold %": "buy_hold_return_pct",
    "max dd %": "max_drawdown_pct",
    "sharpe": "sharpe",
    "profit f.": "profit_factor",
    "win %": "win_rate_pct",
    "trades": "trades",
}


def runs_table(results: Sequence[RunResult]) -> None:
    """One row per run with the figures people look at first; failed runs and failed checks below, with their reason."""
    finished = [result for result in results if result.status == FINISHED]
    if finished:
        columns = ("run", "strategy", "symbol", "tf", "from", "to (excl.)", "checks", *RUN_COLUMNS)
        rows = [
            (
                r.id[:8],
                r.strategy,
                r.symbol,
                r.timeframe,
                *(format_time(t)[:16] for t in (r.period.start, r.period.end)),
                _checks_in_short(r),
                *tuple(r.metrics.get(name) for name in RUN_COLUMNS.values()),
            )
            for r in finished
        ]
        table("", columns, rows, left=7)
    for result in results:
        name = f"{result.id[:8]}  {result.strategy} on {result.symbol}"
        if result.status != FINISHED:
            out.print(f"{name}: {result.status}: {result.error}", soft_wrap=True)
        for check, found in result.checks.items():
            if found["status"] == "failed":
                out.print(f"{name}: check {check} failed: {found.get('note', '')}", soft_wrap=True)
            elif check == "orders":
                out.print(f"{name}: {found['note']}", soft_wrap=True)


def _checks_in_short(result: RunResult) -> str:
    """3 ok, 1 pending: how many of the run's checks ended how; the skipped ones are not counted."""
    ended = Counter(check["status"] for check in result.checks.values())
    words = {"passed": "ok", "failed": "failed", "pending": "pending"}
    return ", ".join(f"{ended[status]} {word}" for status, word in words.items() if ended[status]) or "none"


def run_details(result: RunResult, titles: Mapping[str, str]) -> None:
    """A whole stored run for people."""
    out.print(
        f"{result.strategy} on {result.symbol} ({result.exchange}) {result.timeframe}, "
        f"{format_time(result.period.start)} to {format_time(result.period.end)}: {result.status}",
        style="bold",
        soft_wrap=True,
    )
    if result.error:
        out.print(result.error, soft_wrap=True)
    out.print(
        "parameters: " + (", ".join(f"{k} {v}" for k, v in result.params.items()) or "none"), markup=False
    )
    for name, check in result.checks.items():
        note = check.get("note")
        out.print(f"check {name}: {check['status']}{f' ({note})' if note else ''}", soft_wrap=True)
    out.print(f"engine: {result.engine}; fingerprint: {result.fingerprint or 'none'}")
    _differences_table(result)
    rows = [(title, result.metrics[name]) for name, title in titles.items() if name in result.metrics]
    table("", ("metric", "value"), rows)
    _trades_table(result)
    if result.exchange == "binanceusdm":
        print_note("funding not included")


def _differences_table(result: RunResult) -> None:
    """What backtesting.py gave otherwise."""
    rows = [
        (row["time"], row["column"], *(number(row[side], 9) for side in ("compiled", "reference")))
        for row in result.checks["crosscheck"].get("differences", ())
    ]
    if rows:
        columns = ("entry", "what", "compiled engine", "backtesting.py")
        table("the engines differ", columns, rows[:_MOST_DIFFERENCES], left=2)


_MOST_DIFFERENCES = 12


def rerun_details(again: Rerun) -> None:
    """Whether a run made again came out the same; if not, what changed and where the results differ."""
    old, new, after = again.before.id[:8], again.result.id[:8], again.result
    what = f"{len(after.trades):,} trades and every figure" if after.status == FINISHED else str(after.error)
    verdict = f"equal to run {old}: {what}" if again.equal else f"differs from run {old}"
    for line in (f"run {new} {verdict}", *again.changed, *again.notes):
        out.print(line, soft_wrap=True)
    rows = [
        (row["name"], *(number(row[side], 6) for side in ("before", "after"))) for row in again.differences
    ]
    if rows:
        table("", ("what", "then", "now"), rows[:_MOST_DIFFERENCES], left=1)
    if len(rows) > _MOST_DIFFERENCES:
        print_note(f"and {len(rows) - _MOST_DIFFERENCES:,} more; --json lists them all")


def _trades_table(result: RunResult) -> None:
    columns = ("side", "entry", "price", "exit", "price", "size", "pnl", "%", "reason")
    rows = [
        (
            t.side,
            format_time(t.entry_time)[:16],
            number(t.entry_price, 6),
            format_time(t.exit_time)[:16],
            number(t.exit_price, 6),
            number(t.size, 6),
            t.pnl,
            t.return_pct,
            t.exit_reason,
        )
        for t in result.trades
    ]
    if rows:
        table("trades", columns, rows, left=2)


class ProgressLines:
    """Shows events as progress bars: one per fetch or import, one for all runs together. Warnings are printed above them."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}
        self._runs: TaskID | None = None
        self._run_count = 0

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Log):
            self._bar.console.print(event.text, soft_wrap=True)
        elif isinstance(event, Started) and event.kind != "run":
            self._tasks[event.job] = self._bar.add_task(event.title, total=None, unit="")
        elif isinstance(event, Started):
            self._run_count += 1
            if self._runs is None:
                self._runs = self._bar.add_task("backtests", total=self._run_count, unit="runs")
            self._bar.update(self._runs, total=self._run_count)
        elif isinstance(event, Progress) and event.job in self._tasks:
            rate = f"{event.rate:,.0f} {event.unit}/s" if event.rate else event.unit
            self._bar.update(self._tasks[event.job], completed=event.done, total=event.total, unit=rate)
        elif isinstance(event, Finished | Failed | Cancelled):
            self._end(event)

    def _end(self, event: Finished | Failed | Cancelled) -> None:
        if event.job in self._tasks:
            task = self._tasks[event.job]
            if isinstance(event, Finished):
                total = self._bar.tasks[task].total or 1
                self._bar.update(task, total=total, completed=total)
            self._bar.stop_task(task)
        elif self._runs is not None:
            self._bar.advance(self._runs)


@contextmanager
def progress(*, quiet: bool) -> Iterator[OnEvent]:
    """A listener that shows progress on stderr while the block runs; without a terminal only warnings are printed."""
    if quiet or not err.is_terminal:
        yield lambda event: print_note(event.text) if isinstance(event, Log) else None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with ProgressBar(*columns, console=err, transient=True) as bar:
        yield ProgressLines(bar)
