"""Candles of a series: what is held, what is known missing, what are gaps, and the one way to add to it.

Invariants: every stored candle lies in a row of data_ranges; rows of data_ranges neither overlap nor touch; a cell
known missing lies in data_ranges and holds no candle.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import TimestamptzRange
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from engine.coverage import BEFORE_LISTING, Coverage, MissingRange
from engine.database import series_sql as sql
from engine.database.codec import (
    FLOAT8_ARRAY_OID,
    TIMESTAMPTZ_ARRAY_OID,
    Float8ArrayLoader,
    TimestamptzArrayLoader,
    copy_binary,
    optional_ms,
    to_ms,
    to_time,
)
from engine.database.connection import Database
from engine.events import CancelToken
from engine.market import Candles, Market, Period, Timeframe

READ_CELLS: Final = 2_000_000  # per query: what PostgreSQL sends as one row ends at 1 GB
LOCK_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """A series that holds candles: open times of its first and last one, ms, and how many."""

    market: Market
    timeframe: Timeframe
    first_ms: int
    last_ms: int
    candles: int


class SeriesStore(Database):
    """Candles and what is proven about them."""

    def held_series(self) -> list[HeldSeries]:
        """Every series of which candles are held, by exchange, symbol and timeframe."""
        with self._transaction() as connection:
            rows = connection.execute(sql.HELD_SERIES).all()
        return [
            HeldSeries(
                Market(exchange, name, unified, is_trading is not False, optional_ms(listed_at)),
                Timeframe(timeframe),
                to_ms(first),
                to_ms(last),
                candles,
            )
            for exchange, name, unified, is_trading, listed_at, timeframe, candles, first, last in rows
        ]

    def coverage(self, market: Market, timeframe: Timeframe, period: Period) -> Coverage:
        """Held, known missing and gaps of a period on the grid. Cells before the proven first candle are missing.

        Rows of data_ranges are not believed beyond the candles that are there: see `Coverage.claimed`.
        """
        series = _series(market, timeframe)
        with self._snapshot() as connection:
            state = connection.execute(sql.STATE, series).first()
            first = optional_ms(state[0]) if state else None
            listed = Period(min(max(period.start, first or period.start), period.end), period.end)
            proven = _proven(connection, timeframe, series, listed)
            bounds = series | _bounds(listed) | {"claimed": _multirange(proven.claimed)}
            gaps = [timeframe.align(_period(row)) for row in connection.execute(sql.GAPS, bounds)]
        missing = list(proven.missing)
        if listed.start > period.start:
            missing.insert(0, MissingRange(Period(period.start, listed.start), BEFORE_LISTING))
        claimed = sum(timeframe.count(part) for part in proven.claimed)
        unfetched = tuple(gap for gap in gaps if gap.start < gap.end)
        return Coverage(market, timeframe, period, proven.candles, unfetched, tuple(missing), claimed)

    def mend(self, market: Market, timeframe: Timeframe) -> int:
        """Rewrite data_ranges of a series so that it is canonical and claims nothing that is not held.

        Returns how many cells were claimed without a candle; they are gaps from now on.
        """
        series = _series(market, timeframe)

        def mend(connection: Connection) -> int:
            _lock_series(connection, market, timeframe)
            start, end = connection.execute(sql.RANGES_HULL, series).one()
            parts: list[Period] = []
            claimed: list[Period] = []
            if start is not None:
                proven = _proven(connection, timeframe, series, Period(to_ms(start), to_ms(end)))
                parts, claimed = [timeframe.align(part) for part in proven.covered], proven.claimed
            connection.execute(sql.DROP_RANGES, series)
            values = {"covered": _multirange(parts), "claimed": _multirange(claimed)}
            connection.execute(sql.WRITE_RANGES, series | values)
            return sum(timeframe.count(part) for part in claimed)

        return self._write(mend)

    def first_candle(self, market: Market, timeframe: Timeframe) -> int | None:
        """Open time of the first candle the exchange ever had, where proven."""
        return self._series_state(market, timeframe, 0)

    def save_first_candle(self, market: Market, timeframe: Timeframe, ms: int) -> None:
        """Remember the exchange's answer to "your first candle": nothing before it is ever asked again."""
        self._save_series_state(sql.SAVE_FIRST_CANDLE, market, timeframe, ms)

    def unproven_tail(self, market: Market, timeframe: Timeframe) -> int | None:
        """From where on the last probe found no candle, without a later one that would prove them missing."""
        return self._series_state(market, timeframe, 1)

    def save_unproven_tail(self, market: Market, timeframe: Timeframe, ms: int | None) -> None:
        """Remember where the last probe found nothing later; None: it found something."""
        self._save_series_state(sql.SAVE_UNPROVEN_TAIL, market, timeframe, ms)

    def version(self, market: Market, timeframe: Timeframe) -> int:
        """A number that any change of the series' candles, ranges or missing cells changes, made by hand or not.

        Never the same twice, in no database. 0: unknown to this program; then nothing may be concluded from it.
        """
        with self._transaction() as connection:
            return connection.scalar(sql.VERSION, _series(market, timeframe)) or 0

    def imported(self, market: Market, timeframe: Timeframe, period: Period) -> list[Period]:
        """Which parts of a period were imported from a file and not compared with the exchange since, merged."""
        with self._transaction() as connection:
            rows = connection.execute(sql.IMPORTED, _series(market, timeframe) | _bounds(period)).all()
        return [Period(to_ms(start), to_ms(end)) for start, end in rows]

    def mark_imported(self, market: Market, timeframe: Timeframe, period: Period, file_name: str) -> None:
        """Remember that the candles of a period came from a file."""
        series = _series(market, timeframe)

        def mark(connection: Connection) -> None:
            _lock_series(connection, market, timeframe)
            connection.execute(sql.CUT_IMPORTED, series | {"cut": _multirange([period])})
            connection.execute(sql.MARK_IMPORTED, series | _bounds(period) | {"file_name": file_name})

        self._write(mark)

    def unmark_imported(self, market: Market, timeframe: Timeframe, period: Period) -> None:
        """Remember that the candles of a period are the exchange's."""
        cut = _series(market, timeframe) | {"cut": _multirange([period])}
        self._write(lambda connection: connection.execute(sql.CUT_IMPORTED, cut))

    def add_page(
        self,
        market: Market,
        timeframe: Timeframe,
        candles: Candles,
        covered: Sequence[Period],
        missing: Sequence[MissingRange] = (),
    ) -> int:
        """Store candles and the periods they prove, all or nothing; returns how many rows are new.

        The only way coverage grows. `missing` counts as covered. Stored candles are never overwritten, and a candle
        beats "missing". Raises ValueError for a candle outside the periods: it would be held without being proven.
        """
        periods = [part for part in (*covered, *(gone.period for gone in missing)) if part.start < part.end]
        _check_inside(candles, periods)
        if not periods:
            return 0
        series = _series(market, timeframe)
        hull = Period(min(part.start for part in periods), max(part.end for part in periods))
        page = copy_binary(candles)

        def store(connection: Connection) -> int:
            _lock_series(connection, market, timeframe, changes=True)
            connection.execute(sql.PAGE_TABLE)
            with _driver(connection).cursor() as cursor, cursor.copy(sql.COPY_PAGE) as copy:
                copy.write(page)
            values = series | _bounds(hull) | {"covered": _multirange(periods)}
            connection.execute(sql.DROP_UNPROVEN, values)
            fresh = connection.scalar(sql.INSERT_PAGE, values)
            _write_missing(connection, series, missing)
            _cut_held_cells(connection, timeframe, series | _bounds(hull))
            return int(fresh or 0)

        return self._write(store)

    def forget(self, market: Market, timeframe: Timeframe, period: Period) -> None:
        """Delete the candles of a period and all that is known of its cells, the proven first candle excepted."""
        series = _series(market, timeframe)
        cut = series | {"cut": _multirange([period])}

        def forget(connection: Connection) -> None:
            _change_version(connection, series)
            connection.execute(sql.FORGET_CANDLES, series | _bounds(period))
            connection.execute(sql.CUT_RANGES, cut)
            connection.execute(sql.CUT_MISSING, cut)
            connection.execute(sql.CUT_IMPORTED, cut)
            connection.execute(sql.FORGET_TAIL, series | _bounds(period))

        self._write(forget)

    def read(self, market: Market, timeframe: Timeframe, period: Period) -> Candles:
        """The held candles of a period, by open time; candles that no row of data_ranges vouches for are left out."""
        series = _series(market, timeframe)
        parts: list[list[Any]] = []
        with self._snapshot() as connection, _driver(connection).cursor(binary=True) as cursor:
            cursor.adapters.register_loader(FLOAT8_ARRAY_OID, Float8ArrayLoader)
            cursor.adapters.register_loader(TIMESTAMPTZ_ARRAY_OID, TimestamptzArrayLoader)
            covered = map(_period, connection.execute(sql.RANGES_WITHIN, series | _bounds(period)))
            for part in (cut for whole in covered for cut in _split(whole, timeframe)):
                row = cursor.execute(sql.READ, series | _bounds(part)).fetchone()
                if row is not None and row[0] is not None:
                    parts.append(row)
        if not parts:
            return Candles.empty()
        columns = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        return Candles(*columns)

    @contextmanager
    def series_lock(
        self, market: Market, timeframe: Timeframe, on_wait: Callable[[], None], cancel: CancelToken
    ) -> Iterator[None]:
        """Hold a series against every other program that would fetch it. Calls `on_wait` once when another has it.

        PostgreSQL frees the lock when this process ends, however it ends. Raises Interrupted when cancelled.
        """
        key = {"key": _lock_key(market, timeframe)}
        with self._explained():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self._explained():
                waits = False
                while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                    if not waits:
                        on_wait()
                    waits = True
                    cancel.sleep(LOCK_POLL_S)
            try:
                yield
            finally:
                _unlock(connection, key)
        finally:
            connection.close()

    def _series_state(self, market: Market, timeframe: Timeframe, column: int) -> int | None:
        with self._transaction() as connection:
            row = connection.execute(sql.STATE, _series(market, timeframe)).first()
        return optional_ms(row[column]) if row else None

    def _save_series_state(
        self, statement: Any, market: Market, timeframe: Timeframe, ms: int | None
    ) -> None:
        values = _series(market, timeframe) | {"time": None if ms is None else to_time(ms)}

        def save(connection: Connection) -> None:
            _lock_series(connection, market, timeframe)
            connection.execute(statement, values)

        self._write(save)


@dataclass(frozen=True, slots=True)
class _Proven:
    """What a period's rows prove: covered parts, candles inside them, known missing, cells claimed for nothing."""

    covered: list[Period]
    candles: int
    missing: list[MissingRange]
    claimed: list[Period]


def _proven(connection: Connection, timeframe: Timeframe, series: dict[str, Any], period: Period) -> _Proven:
    bounds = series | _bounds(period)
    covered = [(_period(row), int(row[2])) for row in connection.execute(sql.COVERED, bounds)]
    missing = [
        MissingRange(_period(row), row[2], to_ms(row[3])) for row in connection.execute(sql.MISSING, bounds)
    ]
    claimed = []
    for part, held in covered:
        gone = [span.period.clip(part) for span in missing]
        if held + sum(map(timeframe.count, gone)) != timeframe.count(part):
            claimed += _without_candle(connection, timeframe, series, part, gone)
    return _Proven([part for part, _ in covered], sum(held for _, held in covered), missing, claimed)


def _without_candle(
    connection: Connection, timeframe: Timeframe, series: dict[str, Any], part: Period, gone: list[Period]
) -> list[Period]:
    """The cells of a covered part that are neither held nor known missing."""
    known = [to_ms(opened) for opened in connection.scalars(sql.HELD_CELLS, series | _bounds(part))]
    known += [opened for span in gone for opened in timeframe.opens(span).tolist()]
    bare = np.setdiff1d(timeframe.opens(part), np.asarray(known, dtype=np.int64)).tolist()
    return [Period(opened, timeframe.next(opened)) for opened in bare]


def _period(row: Any) -> Period:
    """The first two columns of a row."""
    return Period(to_ms(row[0]), to_ms(row[1]))


def _series(market: Market, timeframe: Timeframe) -> dict[str, Any]:
    return {"exchange": market.exchange, "name": market.name, "timeframe": timeframe.name}


def _bounds(period: Period) -> dict[str, Any]:
    return {"start": to_time(period.start), "end": to_time(period.end)}


def _multirange(periods: Iterable[Period]) -> TimestamptzMultirange:
    return TimestamptzMultirange(TimestamptzRange(to_time(part.start), to_time(part.end)) for part in periods)


def _driver(connection: Connection) -> Any:
    """psycopg's own connection, in the same transaction."""
    return connection.connection.driver_connection


def _check_inside(candles: Candles, periods: Sequence[Period]) -> None:
    inside = np.zeros(len(candles), dtype=np.bool_)
    for part in periods:
        inside |= (candles.timestamp >= part.start) & (candles.timestamp < part.end)
    if not inside.all():
        raise ValueError(f"{int((~inside).sum())} candles lie outside the covered periods")


def add_symbol(connection: Connection, exchange: str, name: str, unified: str) -> int:
    """The id of a symbol, which gets its row on first use."""
    values = {"exchange": exchange, "name": name, "unified": unified}
    known = connection.scalar(sql.SYMBOL_ID, values)
    if known is None:
        connection.execute(sql.ADD_SYMBOL, values)
        known = connection.scalar(sql.SYMBOL_ID, values)
    assert isinstance(known, int)
    return known


def _lock_series(
    connection: Connection, market: Market, timeframe: Timeframe, *, changes: bool = False
) -> None:
    """Let no other transaction write this series until ours ends; creates its rows on first use.

    `changes`: this transaction changes its candles, ranges or missing cells, so it gets a new version.
    """
    series = _series(market, timeframe)
    add_symbol(connection, market.exchange, market.name, market.unified)
    connection.execute(sql.ADD_STATE, series)
    if changes:
        _change_version(connection, series)
    else:
        connection.execute(sql.LOCK_STATE, series)


def _change_version(connection: Connection, series: dict[str, Any]) -> None:
    """Give the series a new version; no other one may change in this transaction."""
    connection.execute(sql.CHANGE_VERSION, series)
    connection.execute(sql.SAY_VERSIONED)


def _write_missing(connection: Connection, series: dict[str, Any], missing: Sequence[MissingRange]) -> None:
    for gone in missing:
        if gone.period.start >= gone.period.end:
            continue
        connection.execute(sql.CUT_MISSING, series | {"cut": _multirange([gone.period])})
        confirmed = None if gone.confirmed_ms is None else to_time(gone.confirmed_ms)
        values = series | _bounds(gone.period) | {"reason": gone.reason, "confirmed_at": confirmed}
        connection.execute(sql.INSERT_MISSING, values)


def _cut_held_cells(connection: Connection, timeframe: Timeframe, values: dict[str, Any]) -> None:
    """A cell that holds a candle is not missing, whatever was confirmed before."""
    held = [to_ms(opened) for opened in connection.scalars(sql.HELD_CELLS_KNOWN_MISSING, values)]
    if held:
        cells = _multirange(Period(opened, timeframe.next(opened)) for opened in held)
        connection.execute(sql.CUT_MISSING, values | {"cut": cells})


def _split(period: Period, timeframe: Timeframe) -> Iterator[Period]:
    """The period in parts of at most READ_CELLS cells."""
    start = period.start
    while start < period.end:
        end = min(period.end, timeframe.shift(start, READ_CELLS))
        yield Period(start, end)
        start = end


def _lock_key(market: Market, timeframe: Timeframe) -> int:
    name = f"backtest series {market.exchange} {market.name} {timeframe.name}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _unlock(connection: Connection, key: dict[str, int]) -> None:
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
    except SQLAlchemyError:
        connection.invalidate()  # the lock goes with the connection
