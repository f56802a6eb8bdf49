"""The series of the database as a table: one row each, also for one that is only being fetched or imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject

from desktop.tables import formats
from desktop.tables.table import Column, TableModel
from engine.model.coverage import BEFORE_LISTING, Holding
from engine.model.kinds import Kind
from engine.model.market import TIMEFRAMES, Period, Timeframe, read_series_name, series_name

SeriesKey = tuple[str, str, str]  # exchange, symbol, the series' name: "1h", "1h mark", "funding"
GOOD, PLAIN, WARNING, ERROR = "good", "plain", "warning", "error"


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What became of the last work on a series: how grave (one of the levels above), one line, and more in the tooltip."""

    level: str
    text: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series; `holding` is None while nothing of it is held."""

    key: SeriesKey
    holding: Holding | None
    note: Note | None = None

    def state(self) -> Note:
        """What to say of it: the last work, else what is held."""
        return self.note or (held_note(self.holding) if self.holding else Note(PLAIN, ""))


def key_of(holding: Holding) -> SeriesKey:
    """The key of a held series."""
    coverage = holding.coverage
    market = coverage.market
    return market.exchange, market.name, series_name(market.kind, coverage.timeframe)


def _place(row: SeriesRow) -> int:
    """By timeframe, traded candles before those of the mark price; funding comes last."""
    kind, timeframe = read_series_name(row.key[2])
    kinds = list(Kind)
    if kind is Kind.FUNDING:
        return len(TIMEFRAMES) * len(kinds)
    return TIMEFRAMES.index(timeframe.name) * len(kinds) + kinds.index(kind)


def _name_at(place: int) -> str:
    cells, kind = divmod(place, len(Kind))
    if cells == len(TIMEFRAMES):
        return Kind.FUNDING.value
    return series_name(list(Kind)[kind], Timeframe(TIMEFRAMES[cells]))


def held_note(holding: Holding) -> Note:
    """What is held of a series, in a line: gaps, missing candles, how far behind; the worst decides the level."""
    coverage = holding.coverage
    count = coverage.timeframe.count
    behind = sum(count(gap) for gap in coverage.gaps if gap.start > holding.last_ms)
    inside = sum(count(gap) for gap in coverage.gaps if holding.first_ms < gap.start < holding.last_ms)
    missing = sum(count(gone.period) for gone in coverage.missing if gone.reason != BEFORE_LISTING)
    of = " h" if coverage.market.kind is Kind.FUNDING else ""
    parts = []
    if coverage.claimed:
        parts.append(
            f"record damaged: {formats.whole(coverage.claimed)} candles are not there; Verify mends it"
        )
    if inside:
        parts.append(f"{formats.whole(inside)}{of} not fetched between")
    if behind:
        parts.append(f"{formats.whole(behind)}{of} behind")
    if missing:
        parts.append(f"{formats.whole(missing)}{of} missing at the exchange")
    if holding.imported:
        parts.append(f"{formats.whole(holding.imported)} imported, not verified")
    level = WARNING if coverage.claimed or inside else PLAIN
    return Note(level, " · ".join(parts)) if parts else Note(GOOD, "complete, up to date")


def gaps_between(holding: Holding) -> str:
    """What is missing between the first and the last candle held of a series, in a line."""
    coverage, between = holding.coverage, Period(holding.first_ms, holding.last_ms)
    inside = [gap for gap in coverage.gaps if between.start < gap.start < between.end]
    gone = [one.period for one in coverage.missing if between.start < one.period.start < between.end]
    parts = []
    if inside:
        cells = sum(map(coverage.timeframe.count, inside))
        more = "" if len(inside) == 1 else f" and {len(inside) - 1} more"
        parts.append(
            f"{formats.whole(cells)} not fetched, {formats.minute(inside[0].start)} – {formats.minute(inside[0].end)}{more}"
        )
    if gone:
        parts.append(f"{formats.whole(sum(map(coverage.timeframe.count, gone)))} missing at the exchange")
    return " · ".join(parts) or "no gap"


def _held(name: str) -> Any:
    return lambda row: None if row.holding is None else getattr(row.holding, name)


def _share(row: SeriesRow) -> float | None:
    coverage = None if row.holding is None else row.holding.coverage
    return None if coverage is None else coverage.candles / max(1, coverage.expected)


COLUMNS: Final[tuple[Column[SeriesRow], ...]] = (
    Column("symbol", "Symbol", lambda row: row.key[1]),
    Column("timeframe", "TF", _place, _name_at,
           tooltip="Timeframe; mark: candles of the mark price; funding: funding rates", export=_name_at),
    Column("strip", "Held over time", _share, lambda _: ""),
    Column("state", "State", SeriesRow.state, lambda note: note.text, export=lambda note: note.text),
    Column("exchange", "Exchange", lambda row: row.key[0]),
    Column("first", "First candle (UTC)", _held("first_ms"), formats.minute, export=formats.exported_time),
    Column("last", "Last candle (UTC)", _held("last_ms"), formats.minute, export=formats.exported_time),
    Column("candles", "Candles", _held("candles"), formats.whole, numeric=True),
    Column("size", "Size", _held("size_bytes"), formats.size, numeric=True,
           tooltip="On disk: its share of the table of candles and of its index"),
)  # fmt: skip


class HoldingsModel(TableModel[SeriesRow]):
    """Rows follow what is held and the work under way."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)

    def row_of(self, key: SeriesKey) -> int | None:
        """Where a series is visible, or None."""
        return next((view for view, row in enumerate(self.shown()) if row.key == key), None)

    def foreground(self, column: Column[SeriesRow], value: Any) -> Any:
        """States have colours."""
        if column.key != "state":
            return super().foreground(column, value)
        names = {GOOD: "positive", WARNING: "warning", ERROR: "negative"}
        return self.colours.get(names.get(value.level, "muted"))

    def tooltip(self, row: SeriesRow, column: Column[SeriesRow]) -> str | None:
        """The whole state; of the strip its bounds."""
        if column.key == "strip" and row.holding is not None:
            period = row.holding.coverage.period
            return (
                f"{formats.day(period.start)} – {formats.day(period.end - 1)}: green is held, amber missing at the "
                "exchange, grey not fetched"
            )
        notes = [row.note, held_note(row.holding) if row.holding else None]
        return "\n".join(f"{note.text}\n{note.details}".strip() for note in notes if note) or None
