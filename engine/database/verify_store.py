"""What `verify` and the cache of columns need of a series: its version, what was imported, replacing and mending."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from engine.database import series_sql as sql
from engine.database.codec import copy_binary, to_ms, to_time
from engine.database.connection import Database
from engine.database.series_rows import (
    Proven,
    bounds_of,
    change_version,
    copy_into,
    lock_series,
    multirange,
    period_of,
    prove,
    runs_of,
    series_key,
)
from engine.database.series_store import write_missing
from engine.model.market import Candles, Market, Period, Timeframe


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with the record of a series: `ranges` = rows of data_ranges and missing_candles that are not as
    they must be, and of ohlcv_data that cannot be candles; `claimed` = how many cells are recorded as held although no
    candle is there, `claims` = which. `notices` name what can be no candle and no period.
    """

    ranges: int
    claimed: int
    claims: tuple[Period, ...] = ()
    notices: tuple[str, ...] = ()


class VerifyStore:
    """Versions, imported parts, replaced candles, mended records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self, market: Market, timeframe: Timeframe) -> int:
        """A number that any change of the series' candles, ranges or missing cells changes, made by hand or not.

        Never the same twice, in no database. 0: unknown to this program; then nothing may be concluded from it.
        """
        with self._database.transaction() as connection:
            return connection.scalar(sql.VERSION, series_key(market, timeframe)) or 0

    def imported(self, market: Market, timeframe: Timeframe, period: Period) -> list[Period]:
        """Which parts of a period were imported from a file and not compared with the exchange since, merged."""
        with self._database.transaction() as connection:
            rows = connection.execute(sql.IMPORTED, series_key(market, timeframe) | bounds_of(period)).all()
        return [Period(to_ms(start), to_ms(end)) for start, end in rows]

    def mark_imported(self, market: Market, timeframe: Timeframe, period: Period, file_name: str) -> None:
        """Remember that the candles of a period came from a file."""
        series = series_key(market, timeframe)

        def mark(connection: Connection) -> None:
            lock_series(connection, market, timeframe)
            connection.execute(sql.CUT_IMPORTED, series | {"cut": multirange([period])})
            connection.execute(sql.MARK_IMPORTED, series | bounds_of(period) | {"file_name": file_name})

        self._database.write(mark)

    def unmark_imported(self, market: Market, timeframe: Timeframe, period: Period) -> None:
        """Remember that the candles of a period are the exchange's."""
        cut = series_key(market, timeframe) | {"cut": multirange([period])}
        self._database.write(lambda connection: connection.execute(sql.CUT_IMPORTED, cut))

    def mend(self, market: Market, timeframe: Timeframe, *, dry_run: bool = False) -> Damage:
        """Put the record of what is covered and what is missing right, so that it says what the candles prove.

        Cells that were claimed for nothing are gaps from now on. Rows that cannot be candles (NaN, a price below 0, beside
        the grid, before 1970) are deleted, which only a dropped check or an old dump lets in. Candles are left alone, also
        those that no range covers. A record without damage is not touched. `dry_run`: only say what is wrong.
        """
        series = series_key(market, timeframe)

        def mend(connection: Connection) -> Damage:
            if dry_run:
                connection.execute(sql.LOCK_STATE, series)
            else:
                lock_series(connection, market, timeframe)
            hull = connection.execute(sql.RANGES_HULL, series).one()
            proven = Proven([], 0, [], [])
            if hull[0] is not None:
                proven = prove(connection, timeframe, series, period_of(hull))
            values = series | {
                "covered": multirange(map(timeframe.align, proven.covered)),
                "claimed": multirange(proven.claimed),
            }
            gone = {(to_time(g.period.start), to_time(g.period.end), g.reason) for g in proven.missing}
            impossible, notices = _oddities(connection, timeframe, series)
            wrong = impossible + connection.scalar(sql.WRONG_RANGES, values)
            wrong += len(set(map(tuple, connection.execute(sql.MISSING_SPANS, values))) - gone)
            claimed = sum(map(timeframe.count, proven.claimed))
            damage = Damage(wrong, claimed, tuple(proven.claimed), notices)
            if (damage.ranges or notices) and not dry_run:
                change_version(connection, series)
                connection.execute(sql.DROP_IMPOSSIBLE, values)
                connection.execute(sql.DROP_RANGES, values)
                connection.execute(sql.WRITE_RANGES, values)
                connection.execute(sql.DROP_MISSING, values)
                write_missing(connection, series, proven.missing)
                _mend_imported(connection, timeframe, series)
                connection.execute(sql.MEND_STATE, series)
            return damage

        return self._database.write(mend)

    def replace(self, market: Market, timeframe: Timeframe, candles: Candles) -> int:
        """Give held candles new values, all in one moment: a reader sees all old ones or all new ones.

        Coverage is unchanged; a candle that is not held is not added. Returns how many were replaced.
        """
        series = series_key(market, timeframe)

        def replace(connection: Connection) -> int:
            lock_series(connection, market, timeframe, changes=True)
            connection.execute(sql.PAGE_TABLE)
            copy_into(connection, sql.COPY_PAGE, copy_binary(candles))
            return connection.execute(sql.REPLACE, series).rowcount

        return self._database.write(replace) if len(candles) else 0

    def unproven(self, market: Market, timeframe: Timeframe, period: Period) -> list[Period]:
        """Stretches that hold candles which no row of data_ranges covers: left by hand, believed by nobody."""
        with self._database.snapshot() as connection:
            rows = connection.scalars(sql.UNPROVEN, series_key(market, timeframe) | bounds_of(period))
            return runs_of(timeframe, np.array([to_ms(opened) for opened in rows], dtype=np.int64))

    def extent(self, market: Market, timeframe: Timeframe) -> Period | None:
        """From the first to after the last cell that is held, covered, or only claimed; None where there is nothing."""
        with self._database.snapshot() as connection:
            start, end = connection.execute(sql.EXTENT, series_key(market, timeframe)).one()
        if start is None:
            return None
        return Period(timeframe.floor(to_ms(start)), timeframe.ceil(to_ms(end) + 1))


def _oddities(
    connection: Connection, timeframe: Timeframe, series: dict[str, Any]
) -> tuple[int, tuple[str, ...]]:
    """Rows of a series that can be no candle (how many) and no period, in words."""
    impossible, first = connection.execute(sql.IMPOSSIBLE, series).one()
    notices = []
    if impossible:
        notices.append(
            f"{impossible:,} rows of ohlcv_data cannot be {timeframe} candles, the first at {first}"
        )
    for table, count, words in connection.execute(sql.ODD_PERIODS, series):
        if count:
            notices.append(
                f"{count:,} rows of {table} are no period of {timeframe} candles, the first {words}"
            )
    return impossible, tuple(notices)


def _mend_imported(connection: Connection, timeframe: Timeframe, series: dict[str, Any]) -> None:
    for row in connection.execute(sql.TAKE_ODD_IMPORTED, series).all():
        period = timeframe.align(period_of(row))
        if period.start < period.end:
            connection.execute(sql.MARK_IMPORTED, series | bounds_of(period) | {"file_name": row[2]})
