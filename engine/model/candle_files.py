"""Files of candles: how one is to be understood, and what an import of it would do and did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import BacktestError, InputError
from engine.model.coverage import series_json
from engine.model.market import PRICE_COLUMNS, Market, Period, Timeframe, format_time

FIELDS: Final = ("timestamp", *PRICE_COLUMNS)
FUNDING_FIELDS: Final = ("timestamp", "rate", "mark", "interval_hours", "rate_type", "symbol")
UNITS: Final = ("auto", "s", "ms", "us")
DECIMALS: Final = {"auto": "", "point": ".", "comma": ","}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file is to be understood. `columns`: field -> column name or number from 1, of times also "Date+Time", two
    columns; what is left out is found by name.

    `unit` of numeric times; `zone`: of times that name none; `decimal`: the mark in numbers, point or comma; `header`:
    whether the first row names the columns, None: to be seen from it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str = "auto"
    zone: str = "UTC"
    decimal: str = "auto"
    header: bool | None = None

    def __post_init__(self) -> None:
        for what, value, known in (("unit", self.unit, UNITS), ("decimal mark", self.decimal, DECIMALS)):
            if value not in known:
                raise InputError(f"unknown {what} {value!r}; known: {', '.join(known)}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                f"unknown time zone {self.zone!r}; write UTC or a name like Europe/Berlin"
            ) from None


def parse_columns(text: str, fields: Sequence[str] = FIELDS) -> dict[str, str]:
    """A mapping from "timestamp=Date,open=2": field -> column name or number from 1; raises InputError."""
    chosen: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if field not in fields or not equals or not column:
            raise InputError(f"--columns {part!r} must read FIELD=COLUMN with a field of {', '.join(fields)}")
        if field in chosen:
            raise InputError(f"--columns {part!r}: {field} is given twice")
        chosen[field] = column
    return chosen


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is held with other values than the file has; the held one stays. `columns` name the values."""

    time: int
    held: tuple[float, ...]
    file: tuple[float, ...]
    columns: tuple[str, ...] = PRICE_COLUMNS

    def to_json(self) -> dict[str, Any]:
        """`{time, held: {open, ...}, file: {open, ...}}`, of funding `{rate, mark}`."""
        held, file = (dict(zip(self.columns, values, strict=True)) for values in (self.held, self.file))
        return {"time": format_time(self.time), "held": held, "file": file}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import of candles, or of funding rates, did or would do (`dry_run`).

    `rows` of the file; `stored` new ones; `equal` were held already; `differing` are held with other values and
    stay so (`differences`: the first three); `refused`: the exchange is known to have none there. `gaps`: holes
    between the file's candles; of funding the hours of which it does not say whether they had a settlement.
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
    (open time ms, open, high, low, close, volume), unchecked; of funding (time ms, rate, mark): `fields` name them.
    `report`: what an import would do; None with `error`.
    """

    file_name: str
    header: tuple[str, ...]
    columns: dict[str, str]
    unit: str
    rows: tuple[tuple[str, ...], ...]
    candles: tuple[tuple[int, tuple[float, ...]], ...]
    report: ImportReport | None
    error: BacktestError | None
    fields: tuple[str, ...] = PRICE_COLUMNS

    def to_json(self) -> dict[str, Any]:
        """One plain document."""
        return {
            "file": self.file_name,
            "header": list(self.header),
            "columns": self.columns,
            "unit": self.unit,
            "rows": [list(row) for row in self.rows],
            "candles": [
                {"time": format_time(time), **dict(zip(self.fields, values, strict=True))}
                for time, values in self.candles
            ],
            "report": self.report and self.report.to_json(),
            "error": self.error and str(self.error),
        }
