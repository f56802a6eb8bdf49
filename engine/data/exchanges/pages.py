"""Judges one page of candle rows: pure functions from raw rows to checked candles, or to a reason to refuse the page."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.model.market import Candles, Period, Timeframe, short_time

_LONGEST_TIME: Final = 16  # digits: microseconds
Row = tuple[int, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How an exchange writes a candle: a list of `columns` entries that begins with open time in ms, open, high, low, close
    and volume. `time_is_text`: whether the time is written as text.
    """

    columns: int
    time_is_text: bool = False

    def open_time(self, value: Any) -> int | None:
        """The open time that a row begins with; None for what is none."""
        if self.time_is_text:
            is_time = isinstance(value, str) and value.isdecimal() and len(value) <= _LONGEST_TIME
            return int(value) if is_time else None
        return value if type(value) is int and value >= 0 else None


@dataclass(frozen=True, slots=True)
class Page:
    """Checked candles of one answer, sorted, on the grid, inside the window `asked`.

    `off_grid`: cells whose candle opened beside the grid (after the outage of 2018) and which have no proper one.
    `served`: rows in the answer, whatever became of them. `notes`: oddities that were put right.
    """

    candles: Candles
    off_grid: tuple[int, ...]
    served: int
    asked: Period
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> list[int]:
        """Open times of all cells that the answer has anything for, sorted."""
        return sorted({*self.candles.timestamp.tolist(), *self.off_grid})

    def first(self) -> "Page":
        """The same answer with its first cell only."""
        cell = min(self.cells)
        candles = self.candles.within(Period(cell, cell + 1))
        return replace(self, candles=candles, off_grid=() if len(candles) else (cell,))


def check_page(value: Any, timeframe: Timeframe, window: Period, title: str, rows_are: RowFormat) -> Page:
    """The rows of an answer for `window`, checked; raises UnexpectedAnswer when any row is not a possible candle.

    Rows out of order are sorted, rows served twice are taken once (the last one, where they differ), rows outside the
    window are dropped. A page that has only such rows is refused: its server ignores what it is asked.
    """
    if not isinstance(value, list):
        raise UnexpectedAnswer(f"{title}: the answer is not a list of candles")
    rows: dict[int, Row] = {}
    outside = differing = 0
    for raw in value:
        row = _parse(raw, title, rows_are)
        if not window.start <= row[0] < window.end:
            outside += 1
            continue
        differing += row[0] in rows and rows[row[0]] != row
        rows[row[0]] = row
    if outside and not rows:
        raise UnexpectedAnswer(
            f"{title}: the exchange repeats a page (asked from {short_time(window.start)}, "
            f"got {_moment(int(value[0][0]))})"
        )
    on_grid = {opened: row for opened, row in rows.items() if timeframe.floor(opened) == opened}
    off_grid = {timeframe.floor(opened) for opened in rows.keys() - on_grid.keys()} - on_grid.keys()
    notes = _notes(title, outside, differing, len(off_grid))
    candles = Candles.from_rows(on_grid[opened] for opened in sorted(on_grid))
    return Page(candles, tuple(sorted(off_grid)), len(value), window, notes)


def _notes(title: str, outside: int, differing: int, off_grid: int) -> tuple[str, ...]:
    notes = []
    if outside:
        notes.append(f"{title}: {outside} rows outside the window that was asked for were dropped")
    if differing:
        notes.append(
            f"{title}: {differing} candles were served twice with different values; the last was taken"
        )
    if off_grid:
        notes.append(f"{title}: {off_grid} candles open beside the grid and count as missing")
    return tuple(notes)


def _parse(raw: Any, title: str, rows_are: RowFormat) -> Row:
    if not isinstance(raw, list) or len(raw) != rows_are.columns:
        raise UnexpectedAnswer(f"{title}: a row of the answer does not have {rows_are.columns} columns")
    opened = rows_are.open_time(raw[0])
    if opened is None:
        raise UnexpectedAnswer(f"{title}: a row's open time is {str(raw[0])[:30]!r}")
    open_, high, low, close, volume = (
        _number(raw[i], name, opened, title)
        for i, name in enumerate(("open", "high", "low", "close", "volume"), 1)
    )
    if low <= 0 or volume < 0:
        raise UnexpectedAnswer(
            f"invalid candle {title} {_moment(opened)}: a price is not positive or volume is negative"
        )
    if not low <= min(open_, close) <= max(open_, close) <= high:
        raise UnexpectedAnswer(
            f"invalid candle {title} {_moment(opened)}: open {open_} and close {close} are not inside "
            f"{low} to {high}"
        )
    return opened, open_, high, low, close, volume


def _number(value: Any, name: str, opened: int, title: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UnexpectedAnswer(f"invalid candle {title} {_moment(opened)}: {name} is {str(value)[:30]!r}")
    return number


def _moment(ms: int) -> str:
    return short_time(ms) if ms < 2**43 else f"{ms} ms"


def find_holes(timeframe: Timeframe, window: Period, cells: Iterable[int]) -> list[Period]:
    """The stretches of `window` between and around `cells` (sorted open times inside it)."""
    holes = []
    cursor = window.start
    for cell in cells:
        if cell > cursor:
            holes.append(Period(cursor, cell))
        cursor = timeframe.next(cell)
    if cursor < window.end:
        holes.append(Period(cursor, window.end))
    return holes
