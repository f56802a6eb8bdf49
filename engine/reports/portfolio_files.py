"""Files of a stored portfolio: its trades, its equity, contention and spec, and the whole as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from engine.model.market import format_time
from engine.model.portfolio_file import portfolio_text
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import json_ready
from engine.model.trade import COLUMNS
from engine.reports.files import csv_text, safe_name, write_text


def export_portfolio(result: PortfolioResult, folder: Path) -> list[Path]:
    """Write the files into `folder` and return their paths."""
    stem = safe_name(f"{result.spec.name}-portfolio-{result.id[:8]}")
    files = {
        f"{stem}-trades.csv": trades_of_legs_csv(result),
        f"{stem}-equity.csv": equity_csv(result),
        f"{stem}-contention.csv": contention_csv(result),
        f"{stem}.toml": portfolio_text(result.spec),
        f"{stem}-portfolio.json": json.dumps(json_ready(result.to_shown_json()), allow_nan=False, indent=2)
        + "\n",
    }
    for name, text in files.items():
        write_text(folder / name, text)
    return [folder / name for name in files]


def trades_of_legs_csv(result: PortfolioResult) -> str:
    """One row per trade, its leg in front of the columns of `Trade`."""
    rows = ((leg, trade.to_json()) for leg, trade in result.trades)
    return csv_text(("leg", *COLUMNS), ([leg, *(told[name] for name in COLUMNS)] for leg, told in rows))


def equity_csv(result: PortfolioResult) -> str:
    """One row per close: the wallet, how it was used, and what each leg made so far (`pnl.LEG`)."""
    if result.series is None or result.pnl is None:
        return csv_text(("time", "equity"), ())
    columns = {**result.series.columns, **{f"pnl.{name}": one for name, one in result.pnl.columns.items()}}
    times = map(format_time, result.series.time.tolist())
    rows = zip(times, *(column.tolist() for column in columns.values()), strict=True)
    return csv_text(("time", *columns), rows)


def contention_csv(result: PortfolioResult) -> str:
    """One row per request that did not get all it asked for."""
    rows = (request.to_json() for request in result.contended)
    names = ("time", "leg", "requested", "filled", "why")
    return csv_text(names, ([row[name] for name in names] for row in rows))
