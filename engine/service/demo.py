"""The whole job on the bundled sample market: fill a gap, run every strategy in parallel, write the results. No network."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.events import CancelToken, OnEvent
from engine.model.account import AUTO_FUNDING, Costs
from engine.model.coverage import FetchReport
from engine.model.market import SAMPLE_EXCHANGE, Period, Timeframe
from engine.model.run import FINISHED, RunResult, RunSpec
from engine.reports.files import csv_text, safe_name, trades_csv, write_text
from engine.service import Engine

SYMBOL = "SAMPLEUSDT"
TIMEFRAME = Timeframe("1h")
WHOLE = Period.parse("2023-01-01", "2024-12-31")
HELD_FIRST = (Period.parse("2023-01-01", "2023-05-31"), Period.parse("2023-09-01", "2024-12-31"))
TRADED = Period.parse(
    "2023-03-01", "2024-12-31"
)  # what is before serves as warm-up, of every shipped strategy


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did: the fetch that filled the gap, the runs, and the files written."""

    gap_fill: FetchReport
    again: FetchReport
    results: list[RunResult]
    files: list[Path]

    def best_first(self) -> list[RunResult]:
        """The finished runs by return."""
        finished = [result for result in self.results if result.status == FINISHED]
        return sorted(finished, key=lambda result: -(result.metrics["return_pct"] or 0))

    def to_json(self) -> dict[str, Any]:
        """`{fetch, again, runs, files}`."""
        return {
            "fetch": self.gap_fill.to_json(),
            "again": self.again.to_json(),
            "runs": [result.to_json() for result in self.results],
            "files": [str(path) for path in self.files],
        }

    def text(self) -> str:
        """Two lines for people."""
        fill, gaps = self.gap_fill, ", ".join(str(part) for part in self.gap_fill.filled)
        return (
            f"{SYMBOL} {TIMEFRAME} (generated sample data, not a real coin): filled {gaps} with {fill.fetched:,} candles "
            f"in {fill.requests} requests; {fill.candles:,} held\n"
            f"asked again: {self.again.fetched} candles in {self.again.requests} requests"
        )


def run_demo(engine: Engine, folder: Path, on_event: OnEvent, cancel: CancelToken) -> DemoReport:
    """Hold the sample market with a gap in the middle, fill the gap, run every strategy, write trades and a summary."""
    engine.candles.delete_series(
        SYMBOL, TIMEFRAME, exchange=SAMPLE_EXCHANGE, on_event=on_event, cancel=cancel
    )
    for part in HELD_FIRST:
        engine.candles.fetch(SYMBOL, TIMEFRAME, part, exchange=SAMPLE_EXCHANGE, cancel=cancel)
    gap_fill = engine.candles.fetch(
        SYMBOL, TIMEFRAME, WHOLE, exchange=SAMPLE_EXCHANGE, on_event=on_event, cancel=cancel
    )
    again = engine.candles.fetch(SYMBOL, TIMEFRAME, WHOLE, exchange=SAMPLE_EXCHANGE, cancel=cancel)
    names = [info.name for info in engine.strategies.all(on_event=on_event) if info.error is None]
    costs = Costs(funding=AUTO_FUNDING)
    specs = [RunSpec(name, SYMBOL, SAMPLE_EXCHANGE, TIMEFRAME, TRADED, costs=costs) for name in names]
    results = engine.runs.run(specs, on_event=on_event, cancel=cancel)
    return DemoReport(gap_fill, again, results, _write(results, folder))


def _write(results: list[RunResult], folder: Path) -> list[Path]:
    files = []
    for result in results:
        if result.status == FINISHED:
            path = folder / f"trades-{safe_name(result.strategy)}.csv"
            write_text(path, trades_csv(result.trades))
            files.append(path)
    summary = folder / "results.csv"
    names = list(results[0].metrics) if results else []
    rows = [(r.strategy, r.status, *(r.metrics.get(name) for name in names)) for r in results]
    write_text(summary, csv_text(("strategy", "status", *names), rows))
    return [summary, *files]


def open_detached() -> bool:
    """Open the window in a process of its own, where there is a screen; whether there is one."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    subprocess.Popen(
        [sys.executable, "-m", "engine", "desktop"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return True
