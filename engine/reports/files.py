"""Files of a stored run: trades.csv, equity.csv, run.json. Text that a spreadsheet would run as a formula is defused."""

import contextlib
import csv
import importlib.util
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.errors import InputError, reason
from engine.model.market import Candles
from engine.model.run import RunResult, json_ready
from engine.model.sweep import SweepResult
from engine.model.trade import Trade

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
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
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
    names = [field.name for field in fields(Trade)]
    return csv_text(names, ([trade.to_json()[name] for name in names] for trade in trades))


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
    """Write the sweep with its best trials as JSON and every trial as a row of a CSV, best first; returns the paths."""
    spec = sweep.spec
    stem = safe_name(f"{spec.strategy}-{spec.symbol}-{spec.timeframe}-sweep-{sweep.id[:8]}")
    names = list(sweep.params_of(0)) if len(sweep) else []
    header = ["trial", *(f"params.{name}" for name in names), *sweep.metrics, "error"]
    trials = (sweep.trial(place) for place in sweep.order.tolist())
    rows = (
        [one["trial"], *(one["params"][name] for name in names), *one["metrics"].values(), one["error"]]
        for one in trials
    )
    files = {
        folder / f"{stem}.json": json.dumps(json_ready(sweep.to_json()), allow_nan=False, indent=2) + "\n",
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


def write_candles(candles: Candles, path: Path) -> None:
    """Write `timestamp,open,high,low,close,volume` (ms UTC) as .csv or .parquet, numbers exact."""
    if path.suffix == ".csv":
        columns = [candles.timestamp.tolist(), *(column.tolist() for column in candles.columns().values())]
        write_text(path, csv_text(("timestamp", *candles.columns()), zip(*columns, strict=True)))
        return
    check_candle_path(path)
    import pandas as pd

    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame({"timestamp": candles.timestamp} | dict(candles.columns()))
        with temporary.open("wb") as file:
            frame.to_parquet(file, index=False)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # a name too long for a file is too long to remove one
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {reason(error)}; nothing was changed there") from error
