"""What went in: reports of imports from files and of rounds of `sync`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.coverage import series_json
from engine.errors import BacktestError
from engine.market import PRICE_COLUMNS, Market, Period, Timeframe, format_time, short_time


@dataclass(frozen=True, slots=True)
class Difference:
    """A candle that is held with other values than the file has; the held one stays."""

    time: int
    held: tuple[float, ...]
    file: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """`{time, held: {open, ...}, file: {open, ...}}`."""
        held, file = (dict(zip(PRICE_COLUMNS, values, strict=True)) for values in (self.held, self.file))
        return {"time": format_time(self.time), "held": held, "file": file}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do (`dry_run`).

    `rows` of the file; `stored` new candles; `equal` were held already; `differing` are held with other values and
    stay so (`differences`: the first three); `refused`: the exchange is known to have no candle there. `gaps`: holes
    between the file's candles.
    """

    market: Market
    timeframe: Timeframe
    period: Period
    file_name: str
    unit: str
    rows: int
    stored: int
    equal: int
    differing: int
    differences: tuple[Difference, ...]
    refused: int
    gaps: tuple[Period, ...]
    dry_run: bool
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One plain document; period and gaps are half-open."""
        return {
            **series_json(self.market, self.timeframe, self.period),
            "file": self.file_name,
            "unit": self.unit,
            "rows": self.rows,
            "stored": self.stored,
            "equal": self.equal,
            "differing": self.differing,
            "differences": [one.to_json() for one in self.differences],
            "refused": self.refused,
            "gaps": [gap.to_json() for gap in self.gaps],
            "dry_run": self.dry_run,
            "notices": list(self.notices),
        }


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """How a file is understood. `columns`: field -> its column. `rows`: the first ones as text; `candles`: the same as
    (open time ms, open, high, low, close, volume), unchecked. `report`: what an import would do; None with `error`.
    """

    file_name: str
    header: tuple[str, ...]
    columns: dict[str, str]
    unit: str
    rows: tuple[tuple[str, ...], ...]
    candles: tuple[tuple[int, tuple[float, ...]], ...]
    report: ImportReport | None
    error: BacktestError | None

    def to_json(self) -> dict[str, Any]:
        """One plain document."""
        return {
            "file": self.file_name,
            "header": list(self.header),
            "columns": self.columns,
            "unit": self.unit,
            "rows": [list(row) for row in self.rows],
            "candles": [
                {"time": format_time(time), **dict(zip(PRICE_COLUMNS, values, strict=True))}
                for time, values in self.candles
            ],
            "report": self.report and self.report.to_json(),
            "error": self.error and str(self.error),
        }


@dataclass(frozen=True, slots=True)
class SyncedSeries:
    """What a round did for one series. `last_ms`: open time of the last held candle; `error`: why it is not up to date."""

    market: Market
    timeframe: Timeframe
    last_ms: int | None
    fetched: int = 0
    error: BacktestError | None = None

    def __str__(self) -> str:
        """One line for people."""
        name = f"{self.market.name} {self.timeframe}"
        if self.error is not None:
            return f"{name}: {self.error}"
        if self.last_ms is None:
            return f"{name}: no candle yet"
        new = f"{self.fetched:,} new" if self.fetched else "nothing new"
        return f"{name}: {new}, held up to the candle of {short_time(self.last_ms)}"

    def to_json(self) -> dict[str, Any]:
        """`{symbol, unified, exchange, timeframe, last, fetched, error}`."""
        return {
            "symbol": self.market.name,
            "unified": self.market.unified,
            "exchange": self.market.exchange,
            "timeframe": self.timeframe.name,
            "last": None if self.last_ms is None else format_time(self.last_ms),
            "fetched": self.fetched,
            "error": self.error and str(self.error),
        }
