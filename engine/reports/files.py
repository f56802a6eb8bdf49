"""Files of a stored run: trades.csv, equity.csv, run.json. Text that a spreadsheet would run as a formula is defused."""

import contextlib
import csv
import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.errors import InputError, reason
from engine.model.funding import FundingRates
from engine.model.market import Candles
from engine.model.portfolio_file import portfolio_text
from engine.model.run import RunResult, json_ready
from engine.model.sweep import SweepResult
from engine.model.trade import COLUMNS, Fill, Trade
from engine.model.walk_forward import WalkForward
from engine.whole_file import write_whole

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """`text` as a file name on every system: no separators, no reserved names, about 100 bytes at most."""
    name = re.sub(r'[\x00-\x1f<>:"/\\|?*\s]+', "-", text).strip(".-")
    name = name.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore") or "run"
    return f"_{name}" if _RESERVED.match(name) else name


def write_text(path: Path, text: str) -> None:
    """Write the file whole or not at all; raises InputError when the place cannot be written."""
    try:
        write_whole(path, text, 0o644)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}; nothing was changed there") from error


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return "" if value is None else value


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with full-precision numbers and a '.' as decimal point; None is an empty cell."""
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def trades_csv(trades: Sequence[Trade]) -> str:
    """One row per trade, the columns of `Trade`, times in ISO-8601."""
    return csv_text(COLUMNS, ([trade.to_json()[name] for name in COLUMNS] for trade in trades))


def fills_csv(trades: Sequence[Trade]) -> str:
    """One row per fill of those trades that keep theirs (runs with orders, margin or funding), `trade` counted from 1."""
    names = [field.name for field in fields(Fill)]
    rows = ((number, fill.to_json()) for number, trade in enumerate(trades, start=1) for fill in trade.fills)
    return csv_text(("trade", *names), ([number, *(fill[name] for name in names)] for number, fill in rows))


def export_run(result: RunResult, folder: Path) -> list[Path]:
    """Write the run's files into `folder` and return their paths."""
    stem = safe_name(f"{result.strategy}-{result.symbol}-{result.timeframe}-{result.id[:8]}")
    files = {
        folder / f"{stem}-trades.csv": trades_csv(result.trades),
        folder / f"{stem}-equity.csv": csv_text(("time", "equity"), result.equity_points()),
        folder / f"{stem}-run.json": json.dumps(
            json_ready(result.to_json() | {"equity": result.equity_points()}), allow_nan=False, indent=2
        )
        + "\n",
    }
    if any(trade.fills for trade in result.trades):
        files[folder / f"{stem}-fills.csv"] = fills_csv(result.trades)
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def export_table(runs: Sequence[RunResult], folder: Path) -> Path:
    """Write one row per run into `folder`: what it was, and every figure."""
    documents = [json_ready(run.to_json()) for run in runs]
    plain = (
        "id",
        "created",
        "status",
        "error",
        "strategy",
        "symbol",
        "exchange",
        "timeframe",
        "start",
        "end",
        "engine",
    )
    parts = {"params": "params.", "costs": "costs.", "metrics": ""}
    columns = [
        *((None, name) for name in plain),
        *(
            (part, name)
            for part in parts
            for name in dict.fromkeys(name for one in documents for name in one[part])
        ),
    ]
    header = [name if part is None else parts[part] + name for part, name in columns]
    rows = [
        [one[name] if part is None else one[part].get(name) for part, name in columns] for one in documents
    ]
    path = folder / "runs.csv"
    write_text(path, csv_text(header, rows))
    return path


def export_sweep(sweep: SweepResult, folder: Path) -> list[Path]:
    """Write the sweep with its best trials as JSON and every trial as a row of a CSV, best first, of a portfolio the best as
    its file; returns the paths.
    """
    spec = sweep.spec
    on = "" if spec.portfolio else f"-{spec.symbol}"
    stem = safe_name(f"{spec.strategy}{on}-{spec.timeframe}-sweep-{sweep.id[:8]}")
    names = list(sweep.params_of(0)) if len(sweep) else []
    goals = [f"{spec.objective}.{symbol}" for symbol in spec.symbols]
    header = ["trial", *(f"params.{name}" for name in names), *goals, *sweep.metrics, "error"]
    trials = (sweep.trial(place) for place in sweep.order.tolist())
    rows = (
        [
            one["trial"],
            *(one["params"][name] for name in names),
            *one.get("markets", {}).values(),
            *one["metrics"].values(),
            one["error"],
        ]
        for one in trials
    )
    files = {
        folder / f"{stem}.json": json.dumps(json_ready(sweep.to_json()), allow_nan=False, indent=2) + "\n",
        folder / f"{stem}-trials.csv": csv_text(header, rows),
    }
    if spec.portfolio is not None and sweep.best is not None:
        best = spec.portfolio.with_values(sweep.best["params"])
        files[folder / f"{stem}-best.toml"] = portfolio_text(best)
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def export_walk_forward(walk: WalkForward, folder: Path) -> list[Path]:
    """Write the walk-forward as JSON, and every combination in every window as a row of a CSV; returns the paths."""
    spec = walk.spec.sweep
    on = "" if spec.portfolio else f"-{spec.symbol}"
    stem = safe_name(f"{spec.strategy}{on}-{spec.timeframe}-walk-forward-{walk.id[:8]}")
    names, goal = list(walk.columns), spec.objective
    header = ["window", "trial", *(f"params.{name}" for name in names)]
    header += [f"{side}.{figure}" for side in ("train", "test") for figure in (goal, "trades")]
    rows = (
        [window, number, *(walk.columns[name][number].item() for name in names)]
        + [None if value != value else value for value in walk.figures[number, window].ravel().tolist()]
        for window in range(walk.figures.shape[1])
        for number in range(walk.planned)
    )
    files = {
        folder / f"{stem}.json": json.dumps(json_ready(walk.to_json()), allow_nan=False, indent=2) + "\n",
        folder / f"{stem}-trials.csv": csv_text(header, rows),
    }
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def check_candle_path(path: Path) -> None:
    """Raise InputError where the file's name says no format that can be written."""
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path.name}: the file must end in .csv or .parquet")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"{path.name}: Parquet needs the package pyarrow, which is not installed here; "
            "let the file end in .csv, or install pyarrow"
        )


def write_candles(candles: Candles | FundingRates, path: Path) -> None:
    """Write `timestamp,open,high,low,close,volume` (ms UTC), of funding `timestamp,rate,mark,interval_hours,rate_type`, as
    .csv or .parquet, numbers exact; a mark price or interval that nobody knows is empty.
    """
    columns: dict[str, Any] = {"timestamp": candles.timestamp, **candles.columns()}
    if isinstance(candles, FundingRates):
        columns |= {"interval_hours": candles.interval_hours, "rate_type": candles.rate_type}
    if path.suffix == ".csv":
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        known = ([None if value != value else value for value in row] for row in rows)
        write_text(path, csv_text(tuple(columns), known))
        return
    check_candle_path(path)
    import pandas as pd

    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(columns)
        with temporary.open("wb") as file:
            frame.to_parquet(file, index=False)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # a name too long for a file is too long to remove one
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {reason(error)}; nothing was changed there") from error
