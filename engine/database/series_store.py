"""Candles of a series: what is held, what is known missing, what are gaps, and the one way to add to it.

Invariants: every stored candle lies in a row of data_ranges; rows of data_ranges neither overlap nor touch; a cell
known missing lies in data_ranges and holds no candle.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

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
from engine.database.connection import MOST_CONNECTIONS, Database
from engine.database.locks import holder_of
from engine.database.series_rows import (
    bounds_of,
    change_version,
    copy_into,
    driver,
    lock_series,
    multirange,
    period_of,
    prove,
    series_key,
)
from engine.errors import DatabaseError
from engine.model.coverage import BEFORE_LISTING, Coverage, MissingRange
from engine.model.kinds import Kind
from engine.model.market import Candles, Market, Period, Timeframe

READ_CELLS: Final = 2_000_000  # per query: what PostgreSQL sends as one row ends at 1 GB
LOCK_POLL_S: Final = 0.2
MOST_LOCKS: Final = (
    MOST_CONNECTIONS // 2
)  # a lock takes a connection, and who holds it writes through another one
_TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(:key)")


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """A series that holds candles or settlements: times of its first and last one, ms, and how many by its record of
    ranges.
    """

    market: Market
    timeframe: Timeframe
    first_ms: int
    last_ms: int
    candles: int


class SeriesStore:
    """Candles and what is proven about them. `lock_patience_s`: how long a series may be held without a change of it."""

    lock_patience_s: float = 600  # longer than any rate limit

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = threading.BoundedSemaphore(MOST_LOCKS)

    def held_series(self) -> list[HeldSeries]:
        """Every series of which rows are held, by exchange, symbol and timeframe."""
        with self._database.transaction() as connection:
            rows = connection.execute(sql.HELD_SERIES).all()
        return [
            HeldSeries(
                Market(exchange, name, unified, is_trading is not False, optional_ms(listed_at), Kind(kind)),
                Timeframe(timeframe),
                to_ms(first),
                to_ms(last),
                candles,
            )
            for exchange, name, unified, is_trading, listed_at, kind, timeframe, candles, first, last in rows
            if first is not None  # else the record claims candles, and none is there
        ]

    def coverage(self, market: Market, timeframe: Timeframe, period: Period) -> Coverage:
        """Held, known missing and gaps of a period on the grid. Cells before the proven first candle are missing.

        Rows of data_ranges are not believed beyond the candles that are there: see `Coverage.claimed`.
        """
        series = series_key(market, timeframe)
        with self._database.snapshot() as connection:
            state = connection.execute(sql.STATE, series).first() or (None,) * 4
            first = optional_ms(state[0])
            listed = Period(min(max(period.start, first or period.start), period.end), period.end)
            proven = prove(connection, timeframe, series, period)
            bounds = series | bounds_of(listed) | {"claimed": multirange(proven.claimed)}
            gaps = connection.execute(sql.GAPS, bounds).all()
        missing = [replace(gone, period=gone.period.clip(listed)) for gone in proven.missing]
        missing = [gone for gone in missing if gone.period.start < gone.period.end]
        if period.start < listed.start:  # no candle is held there: the listing would be no listing
            missing.insert(0, MissingRange(Period(period.start, listed.start), BEFORE_LISTING))
        claimed = sum(timeframe.count(part) for part in proven.claimed)
        unfetched = tuple(_cells(timeframe, gaps))
        return Coverage(
            market, timeframe, period, proven.candles, unfetched, tuple(missing), claimed, state[2]
        )

    def first_candle(self, market: Market, timeframe: Timeframe) -> int | None:
        """Open time of the first candle the exchange ever had, where proven; a record that held candles refute is none."""
        return optional_ms(self._series_state(market, timeframe, 0))

    def recorded_listing(self, market: Market, timeframe: Timeframe) -> str | None:
        """What is recorded as the first candle, in words, proven or refuted."""
        words: str | None = self._series_state(market, timeframe, 3)
        return words

    def first_held(self, market: Market, timeframe: Timeframe) -> tuple[int | None, int | None]:
        """Open times of the earliest candle that is held, and of the earliest one that no file brought."""
        with self._database.transaction() as connection:
            held, of_exchange = connection.execute(sql.FIRST_HELD, series_key(market, timeframe)).one()
        return optional_ms(held), optional_ms(of_exchange)

    def save_first_candle(self, market: Market, timeframe: Timeframe, ms: int | None) -> None:
        """Remember the exchange's answer to "your first candle": a fetch asks for nothing before it. None: forget it."""
        self._save_series_state(sql.SAVE_FIRST_CANDLE, market, timeframe, ms)

    def unproven_tail(self, market: Market, timeframe: Timeframe) -> int | None:
        """From where on the last probe found no candle, without a later one that would prove them missing."""
        return optional_ms(self._series_state(market, timeframe, 1))

    def save_unproven_tail(self, market: Market, timeframe: Timeframe, ms: int | None) -> None:
        """Remember where the last probe found nothing later; None: it found something."""
        self._save_series_state(sql.SAVE_UNPROVEN_TAIL, market, timeframe, ms)

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
        beats "missing". Raises ValueError for a candle outside the periods, and for a covered cell that has no candle
        and is not missing: one would be held, the other believed, without proof.
        """
        periods = [part for part in (*covered, *(gone.period for gone in missing)) if part.start < part.end]
        if not periods and not len(candles):
            return 0
        _check_proof(timeframe, candles, periods, missing)
        series = series_key(market, timeframe)
        hull = Period(min(part.start for part in periods), max(part.end for part in periods))

        def store(connection: Connection) -> int:
            symbol_id = lock_series(connection, market, timeframe, changes=True)
            values = series | bounds_of(hull) | {"covered": multirange(periods)}
            if connection.scalar(sql.HOLDS_ANY, values) or (np.diff(candles.timestamp) <= 0).any():
                connection.execute(sql.PAGE_TABLE)
                copy_into(connection, sql.COPY_PAGE, copy_binary(candles))
                connection.execute(sql.DROP_UNPROVEN, values)
                fresh = connection.scalar(sql.INSERT_PAGE, values)
            else:  # nothing to collide with: twice as fast without a table in between
                copy_into(connection, sql.COPY_CANDLES, copy_binary(candles, (symbol_id, timeframe.name)))
                fresh = connection.scalar(sql.COVER_PAGE, values | _counts(candles, periods))
            write_missing(connection, series, missing)
            _cut_held_cells(connection, timeframe, series | bounds_of(hull))
            return int(fresh or 0)

        return self._database.write(store)

    def forget(self, market: Market, timeframe: Timeframe, period: Period) -> None:
        """Delete the candles of a period and all that is known of its cells, the proven first candle excepted."""
        series = series_key(market, timeframe)
        cut = series | {"cut": multirange([period])}

        def forget(connection: Connection) -> None:
            change_version(connection, series)
            connection.execute(sql.FORGET_CANDLES, series | bounds_of(period))
            connection.execute(sql.CUT_RANGES, cut)
            connection.execute(sql.CUT_MISSING, cut)
            connection.execute(sql.CUT_IMPORTED, cut)
            connection.execute(sql.FORGET_TAIL, series | bounds_of(period))

        self._database.write(forget)

    def read(self, market: Market, timeframe: Timeframe, period: Period) -> Candles:
        """The held candles of a period, by open time; candles that no row of data_ranges vouches for are left out."""
        return self.read_versioned(market, timeframe, period)[0]

    def read_versioned(self, market: Market, timeframe: Timeframe, period: Period) -> tuple[Candles, int]:
        """What `read` gives, and the version of the series that it belongs to."""
        series = series_key(market, timeframe)
        parts: list[list[Any]] = []
        with self._database.snapshot() as connection, driver(connection).cursor(binary=True) as cursor:
            version = connection.scalar(sql.VERSION, series) or 0
            cursor.adapters.register_loader(FLOAT8_ARRAY_OID, Float8ArrayLoader)
            cursor.adapters.register_loader(TIMESTAMPTZ_ARRAY_OID, TimestamptzArrayLoader)
            covered = map(period_of, connection.execute(sql.RANGES_WITHIN, series | bounds_of(period)))
            for part in (cut for whole in covered for cut in _split(whole, timeframe)):
                row = cursor.execute(sql.READ, series | bounds_of(part)).fetchone()
                if row is not None and row[0] is not None:
                    parts.append(row)
        if not parts:
            return Candles.empty(), version
        columns = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        return Candles(*columns), version

    @contextmanager
    def series_lock(
        self,
        market: Market,
        timeframe: Timeframe,
        on_wait: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[None]:
        """Hold a series against every other program that would fetch it.

        When another has it, `on_wait` is called once with "another program (process 12 on host) is downloading SOLUSDT 1h;
        waiting for it"; and once when this program holds as many series as it may, which says so. PostgreSQL frees the
        lock when a process ends, however it ends. `sleep` waits so many seconds between two looks, and may raise to give up.
        Raises DatabaseError when the holder changes nothing of the series for `lock_patience_s`: it may hang, and nothing
        is ever fetched past it.
        """
        connection = self._locked(market, timeframe, on_wait, sleep)
        try:
            yield
        finally:
            self._unlock(connection, _lock_key(market, timeframe))

    def _locked(
        self,
        market: Market,
        timeframe: Timeframe,
        on_wait: Callable[[str], None],
        sleep: Callable[[float], None],
    ) -> Connection:
        """The connection that holds the lock. Who waits keeps none: it may be what the holder writes through."""
        key, version, since, told = _lock_key(market, timeframe), -1, time.monotonic(), False
        on_full = _once(
            on_wait,
            f"{MOST_LOCKS} other series are being downloaded; {market.title(timeframe)} waits for its turn",
        )
        while True:
            with self._database.explained():
                connection = self._lock_now(key, on_full, sleep)
                if connection is not None:
                    return connection
                with self._database.engine.connect() as asking:
                    holder = holder_of(asking, key) or "another program"
                    now = asking.scalar(sql.VERSION, series_key(market, timeframe)) or 0
            if not told:
                on_wait(f"{holder} is downloading {market.title(timeframe)}; waiting for it")
                told = True
            if now != version:
                version, since = now, time.monotonic()
            elif time.monotonic() - since > self.lock_patience_s:
                raise DatabaseError(
                    f"{holder} holds {market.title(timeframe)} and has stored nothing for "
                    f"{self.lock_patience_s:g} s, it may hang; nothing was fetched: end it, then run again"
                )
            sleep(LOCK_POLL_S)

    def _lock_now(
        self, key: int, on_full: Callable[[], None], sleep: Callable[[float], None]
    ) -> Connection | None:
        """The connection that holds the lock; None where another has it. Waits for a place among those that hold one."""
        while not self._places.acquire(blocking=False):
            on_full()
            sleep(LOCK_POLL_S)
        connection = None
        try:
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(_TRY_LOCK, {"key": key}):
                return connection
        except BaseException:
            self._leave(connection)
            raise
        self._leave(connection)
        return None

    def _unlock(self, connection: Connection, key: int) -> None:
        try:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        except SQLAlchemyError:
            connection.invalidate()  # the lock goes with the connection
        finally:
            self._leave(connection)

    def _leave(self, connection: Connection | None) -> None:
        self._places.release()
        if connection is not None:
            connection.close()

    def _series_state(self, market: Market, timeframe: Timeframe, column: int) -> Any:
        with self._database.transaction() as connection:
            row = connection.execute(sql.STATE, series_key(market, timeframe)).first()
        return row[column] if row else None

    def _save_series_state(
        self, statement: Any, market: Market, timeframe: Timeframe, ms: int | None
    ) -> None:
        values = series_key(market, timeframe) | {"time": None if ms is None else to_time(ms)}

        def save(connection: Connection) -> None:
            lock_series(connection, market, timeframe)
            connection.execute(statement, values)

        self._database.write(save)


def _once(tell: Callable[[str], None], words: str) -> Callable[[], None]:
    left = [words]
    return lambda: tell(left.pop()) if left else None


def _cells(timeframe: Timeframe, rows: Sequence[Any]) -> list[Period]:
    """Rows (start, end) as periods on the grid, without those that hold no cell."""
    aligned = (timeframe.align(period_of(row)) for row in rows)
    return [part for part in aligned if part.start < part.end]


def _counts(candles: Candles, periods: Sequence[Period]) -> dict[str, Any]:
    """How many candles lie in each period; one in several counts in the first."""
    left, counts = np.ones(len(candles), dtype=np.bool_), []
    for part in periods:
        inside = left & (candles.timestamp >= part.start) & (candles.timestamp < part.end)
        counts.append(int(inside.sum()))
        left &= ~inside
    return {"starts": [to_time(part.start) for part in periods], "counts": counts}


def _check_proof(
    timeframe: Timeframe, candles: Candles, periods: Sequence[Period], missing: Sequence[MissingRange]
) -> None:
    """Every candle lies in a covered period, every covered cell has a candle or is known missing."""
    inside = np.zeros(len(candles), dtype=np.bool_)
    for part in periods:
        inside |= (candles.timestamp >= part.start) & (candles.timestamp < part.end)
    if not inside.all():
        raise ValueError(f"{int((~inside).sum())} candles lie outside the covered periods")
    if len(periods) == 1 and np.array_equal(timeframe.opens(periods[0]), candles.timestamp):
        return  # the usual page
    known = [candles.timestamp, *(timeframe.opens(gone.period) for gone in missing)]
    bare = np.setdiff1d(np.concatenate([timeframe.opens(part) for part in periods]), np.concatenate(known))
    if len(bare):
        raise ValueError(f"{len(bare)} covered cells have no candle and are not missing")


def write_missing(connection: Connection, series: dict[str, Any], missing: Sequence[MissingRange]) -> None:
    """Record missing cells, in place of whatever was known of them."""
    for gone in missing:
        if gone.period.start >= gone.period.end:
            continue
        connection.execute(sql.CUT_MISSING, series | {"cut": multirange([gone.period])})
        confirmed = None if gone.confirmed_ms is None else to_time(gone.confirmed_ms)
        values = series | bounds_of(gone.period) | {"reason": gone.reason, "confirmed_at": confirmed}
        connection.execute(sql.INSERT_MISSING, values)


def _cut_held_cells(connection: Connection, timeframe: Timeframe, values: dict[str, Any]) -> None:
    """A cell that holds a candle is not missing, whatever was confirmed before."""
    held = [to_ms(opened) for opened in connection.scalars(sql.HELD_CELLS_KNOWN_MISSING, values)]
    if held:
        cells = multirange(Period(opened, timeframe.next(opened)) for opened in held)
        connection.execute(sql.CUT_MISSING, values | {"cut": cells})


def _split(period: Period, timeframe: Timeframe) -> Iterator[Period]:
    """The period in parts of at most READ_CELLS cells."""
    start = period.start
    while start < period.end:
        end = min(period.end, timeframe.shift(start, READ_CELLS))
        yield Period(start, end)
        start = end


def _lock_key(market: Market, timeframe: Timeframe) -> int:
    name = f"backtest series {market.exchange} {market.title(timeframe)}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
