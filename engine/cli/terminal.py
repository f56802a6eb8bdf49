"""What the command line shows: JSON for programs on stdout; tables, progress and errors for people on stderr.

rich is imported only for a table or a bar: it takes longer to import than many a command to answer.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.errors import OutputError, one_line, reason, redacted, redacted_in
from engine.events import Cancelled, Event, Failed, Finished, Log, OnEvent, Progress, Started
from engine.model.market import format_time
from engine.model.rerun import Rerun
from engine.model.run import FINISHED, RunResult, json_ready

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBar
    from rich.progress import TaskID

    from engine.analysis.verdict import Fact

_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def print_json(document: Any) -> None:
    """One JSON document on stdout, NaN as null."""
    plain = redacted_in(json_ready(document))
    _write(json.dumps(plain, allow_nan=False, ensure_ascii=not _speaks_unicode(sys.stdout)))


def print_line(text: str, *, bold: bool = False) -> None:
    """A line on stdout."""
    _write(redacted(_styled(_tame(text), _BOLD if bold else "", sys.stdout)))


def print_page(text: str) -> None:
    """A whole file on stdout, for a pipe."""
    _write(text.removesuffix("\n"))


def print_files(paths: Sequence[Path], *, json: bool) -> None:
    """What was written."""
    if json:
        print_json({"files": [str(path) for path in paths]})
    for path in () if json else paths:
        print_note(str(path))


def _write(text: str) -> None:
    """Raises OutputError where stdout cannot be written, BrokenPipeError where nobody reads on."""
    if sys.stdout is None:
        raise OutputError("the output cannot be written: standard output is closed")
    with printing():
        sys.stdout.write(text + "\n")


@contextmanager
def printing() -> Iterator[None]:
    """What stdout refuses becomes an OutputError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the output cannot be written: {reason(error)}") from error


def print_error(text: str) -> None:
    """One line on stderr."""
    _say(f"error: {one_line(text)}", _RED)


def print_note(text: str) -> None:
    """Lines for people on stderr."""
    _say(_tame(text), "")


def _say(text: str, style: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # nobody can be told
            sys.stderr.write(_styled(redacted(text), style, sys.stderr) + "\n")


def _tame(text: str) -> str:
    """Other people's text commands no terminal."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _styled(text: str, style: str, stream: TextIO | None) -> str:
    plain = not style or "NO_COLOR" in os.environ or not is_terminal(stream)
    return text if plain else f"{style}{text}{_PLAIN}"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it."""
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def _speaks_unicode(stream: TextIO | None) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, left: int = 1) -> None:
    """A table on stdout; the first `left` columns are text, the others are right-aligned numbers."""
    cells = [[one_line(cell) if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    draw = _folded if is_terminal(sys.stdout) else _wide
    _write(redacted("\n".join(filter(None, (title, draw(columns, cells, left))))))


def _wide(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """For a pipe, which has no edge to fold at."""
    from rich.cells import cell_len

    lines = [columns, *rows]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(columns))]

    def padded(line: Sequence[str]) -> str:
        cells = []
        for at, cell in enumerate(line):
            space = " " * (widths[at] - cell_len(cell))
            cells.append(cell + space if at < left else space + cell)
        return "  ".join(cells).rstrip()

    return "\n".join(map(padded, lines))


def _folded(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """For a terminal: long cells are folded where it ends."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(header_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        shown.add_column(name, justify="left" if position < left else "right", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    page = io.StringIO()
    # what is printed is never markup: names, errors and constraints are other people's text
    Console(file=page, force_terminal=True, highlight=False, markup=False, emoji=False).print(shown)
    return page.getvalue().removesuffix("\n")


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
            print_line(f"{name}: {result.status}: {result.error}")
        for check, found in result.checks.items():
            if found["status"] == "failed":
                print_line(f"{name}: check {check} failed: {found.get('note', '')}")
            elif check == "orders":
                print_line(f"{name}: {found['note']}")


def _checks_in_short(result: RunResult) -> str:
    """3 ok, 1 pending: how many of the run's checks ended how; the skipped ones are not counted."""
    ended = Counter(check["status"] for check in result.checks.values())
    words = {"passed": "ok", "failed": "failed", "pending": "pending"}
    return ", ".join(f"{ended[status]} {word}" for status, word in words.items() if ended[status]) or "none"


def run_details(result: RunResult, titles: Mapping[str, str], facts: Sequence[Fact]) -> None:
    """A whole stored run for people."""
    print_line(
        f"{result.strategy} on {result.symbol} ({result.exchange}) {result.timeframe}, "
        f"{format_time(result.period.start)} to {format_time(result.period.end)}: {result.status}",
        bold=True,
    )
    if result.error:
        print_line(result.error)
    print_line("parameters: " + (", ".join(f"{k} {v}" for k, v in result.params.items()) or "none"))
    for name, check in result.checks.items():
        note = check.get("note")
        print_line(f"check {name}: {check['status']}{f' ({note})' if note else ''}")
    print_line(f"engine: {result.engine}; fingerprint: {result.fingerprint or 'none'}")
    _differences_table(result)
    rows = [(title, result.metrics[name]) for name, title in titles.items() if name in result.metrics]
    table("", ("metric", "value"), rows)
    _trades_table(result)
    verdict_table(facts)
    for note in result.left_out:
        print_note(note)


def verdict_table(facts: Sequence[Fact]) -> None:
    """What is known for and against a run."""
    signs = {"for": "✓", "against": "!", "open": "?", "plain": " "}
    rows = [(signs[fact.speaks], fact.about, fact.figure, fact.words) for fact in facts]
    if rows:
        table("what is known for (✓) and against it (!)", ("", "about", "figure", "it says"), rows, left=4)


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


def rerun_details(again: Rerun[Any]) -> None:
    """Whether what was made again came out the same; if not, what changed and where the results differ."""
    old, new, after = again.before.id[:8], again.result.id[:8], again.result
    what = f"{len(after.trades):,} trades and every figure" if after.status == FINISHED else str(after.error)
    kind = again.kind
    verdict = f"equal to {kind} {old}: {what}" if again.equal else f"differs from {kind} {old}"
    for line in (f"{kind} {new} {verdict}", *again.changed, *again.notes):
        print_line(line)
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
            self._bar.console.print(one_line(event.text), soft_wrap=True)
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
    """A listener that shows progress on stderr while the block runs; without a terminal only what has to be said."""
    if quiet or not is_terminal(sys.stderr):
        yield _say_what_must_be
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as ProgressBar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with ProgressBar(*columns, console=console, transient=True) as bar:
        yield ProgressLines(bar)


def _say_what_must_be(event: Event) -> None:
    if isinstance(event, Log):
        print_note(event.text)
    elif (
        isinstance(event, Started) and event.kind == "compile"
    ):  # half a minute in which nothing else is heard
        print_note(event.title)
