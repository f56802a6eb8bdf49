"""Funding rates of a market: what is held, what is proven, where one must be missing, and the one way to add to them.

Proven are hours, in the tables that prove candles; a covered hour without a settlement is nothing to record. Where
settlements lie too far apart is not stored either, but seen in them: whoever fills in any order finds the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from engine.database import series_sql as sql
from engine.database.codec import optional_ms, to_ms, to_time
from engine.database.connection import Database
from engine.database.series_rows import (
    bounds_of,
    change_version,
    lock_series,
    multirange,
    period_of,
    series_key,
)
from engine.database.series_store import write_missing
from engine.model.coverage import AFTER_DELISTING, BEFORE_LISTING, HOLE, Coverage, MissingRange
from engine.model.funding import FundingRates, expected_times, holes
from engine.model.market import FUNDING_GRID, Market, Period
from engine.model.periods import clipped, merge, subtract


class FundingStore:
    """Funding rates and what is proven about them. A market is given as `market.of(Kind.FUNDING)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def coverage(self, market: Market, period: Period) -> Coverage:
        """Held, known missing and gaps of a period of whole hours. Missing are the hours before the first settlement, those
        after a delisting, and holes: stretches that two answers had nothing for although a settlement must be there.
        """
        series = _key(market)
        with self._database.snapshot() as connection:
            state = connection.execute(sql.STATE, series).first()
            first = optional_ms(state[0]) if state else None
            touching = [
                period_of(row) for row in connection.execute(sql.RANGES_TOUCHING, _within(series, period))
            ]
            hull = _hull([*touching, period])
            rates = _read(connection, series, hull)
            known = [
                MissingRange(period_of(row), row[2], to_ms(row[3]))
                for row in connection.execute(sql.MISSING, _within(series, hull))
            ]
        gone = [one for one in known if one.reason == AFTER_DELISTING]
        before = [] if first is None else [Period(hull.start, max(hull.start, first))]
        sure = [
            part for whole in touching for part in subtract(whole, [*before, *(one.period for one in gone)])
        ]
        empty = [hole for part in sure for hole in holes(rates.within(part), part)]
        missing = [
            *(MissingRange(part, BEFORE_LISTING) for part in clipped(before, period)),
            *(MissingRange(part, HOLE) for part in clipped(empty, period)),
            *(
                MissingRange(part, one.reason, one.confirmed_ms)
                for one in gone
                for part in clipped([one.period], period)
            ),
        ]
        gaps = subtract(period, [*touching, *before])
        held = rates.within(period)
        expected = len(held) + len(expected_times(rates, [*gaps, *clipped(empty, period)]))
        ordered = tuple(sorted(missing, key=lambda one: one.period))
        return Coverage(
            market,
            FUNDING_GRID,
            period,
            len(held),
            tuple(gaps),
            ordered,
            settlements=expected,
            beside=held.beside,
        )

    def read(self, market: Market, period: Period) -> FundingRates:
        """The held settlements of a period; those that no range vouches for are left out."""
        with self._database.snapshot() as connection:
            return _read(connection, _key(market), period)

    def known(self, market: Market, period: Period) -> tuple[FundingRates, tuple[Period, ...]]:
        """The held settlements of a period, and the hours of it of which nobody knows whether they had one: gaps and holes.

        Hours before the first settlement and after a delisting are no such hours.
        """
        held = self.coverage(market, FUNDING_GRID.align(period))
        empty = [gone.period for gone in held.missing if gone.reason == HOLE]
        return self.read(market, period), tuple(merge([*held.gaps, *empty]))

    def add_page(
        self,
        market: Market,
        rates: FundingRates,
        covered: Sequence[Period],
        missing: Sequence[MissingRange] = (),
    ) -> int:
        """Store settlements and the hours they prove, all or nothing; returns how many are new. Stored ones stay.

        Raises ValueError for a settlement outside the periods.
        """
        periods = [part for part in (*covered, *(gone.period for gone in missing)) if part.start < part.end]
        inside = np.zeros(len(rates), dtype=np.bool_)
        for part in periods:
            inside |= (rates.time >= part.start) & (rates.time < part.end)
        if not inside.all():
            raise ValueError(f"{int((~inside).sum())} settlements lie outside the covered periods")
        if not periods:
            return 0
        series = _key(market)

        def store(connection: Connection) -> int:
            lock_series(connection, market, FUNDING_GRID, changes=True)
            values = _within(series, _hull(periods)) | {"covered": multirange(periods)}
            connection.execute(sql.DROP_UNPROVEN_FUNDING, values)
            connection.execute(sql.CUT_MISSING, values | {"cut": multirange(covered)})
            fresh = connection.scalar(sql.INSERT_FUNDING, values | _columns(rates))
            write_missing(connection, series, missing)
            return int(fresh or 0)

        return self._database.write(store)

    def replace(self, market: Market, rates: FundingRates) -> int:
        """Give held settlements new values, in one moment; a mark price or interval once known stays where none comes.

        One that is not held is not added. Returns how many were replaced.
        """
        series = _key(market)

        def replace(connection: Connection) -> int:
            lock_series(connection, market, FUNDING_GRID, changes=True)
            return connection.execute(sql.REPLACE_FUNDING, series | _columns(rates)).rowcount

        return self._database.write(replace) if len(rates) else 0

    def forget(self, market: Market, period: Period) -> int:
        """Delete the settlements of a period and all that is known of its hours, the first settlement's time excepted.

        Returns how many were deleted.
        """
        series = _key(market)
        cut = series | {"cut": multirange([period])}

        def forget(connection: Connection) -> int:
            change_version(connection, series)
            gone = connection.execute(sql.FORGET_FUNDING, _within(series, period)).rowcount
            for statement in (sql.CUT_RANGES, sql.CUT_MISSING, sql.CUT_IMPORTED):
                connection.execute(statement, cut)
            connection.execute(sql.COUNT_RANGES_OF_FUNDING, series)
            return gone

        return self._database.write(forget)


def _key(market: Market) -> dict[str, Any]:
    return series_key(market, FUNDING_GRID)


def _within(series: dict[str, Any], period: Period) -> dict[str, Any]:
    return series | bounds_of(period)


def _hull(periods: Sequence[Period]) -> Period:
    return Period(min(part.start for part in periods), max(part.end for part in periods))


def _read(connection: Connection, series: dict[str, Any], period: Period) -> FundingRates:
    nan = float("nan")
    return FundingRates.from_rows(
        (to_ms(served), rate, nan if mark is None else mark, kind, nan if hours is None else hours)
        for served, rate, mark, kind, hours in connection.execute(sql.READ_FUNDING, _within(series, period))
    )


def _columns(rates: FundingRates) -> dict[str, Any]:
    """The rows as arrays, one a column."""

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    hours = map(known, rates.interval_hours.tolist())
    return {
        "times": [to_time(ms) for ms in rates.time.tolist()],
        "types": rates.rate_type.tolist(),
        "served": [to_time(ms) for ms in rates.served.tolist()],
        "rates": rates.rate.tolist(),
        "marks": [known(value) for value in rates.mark.tolist()],
        "hours": [None if value is None else int(value) for value in hours],
    }
