"""The rows of one series: its key as parameters, its lock and version, and what its rows prove."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import TimestamptzRange
from sqlalchemy import Connection

from engine.database import series_sql as sql
from engine.database.codec import to_ms, to_time
from engine.model.coverage import MissingRange
from engine.model.market import Int64Array, Market, Period, Timeframe
from engine.model.periods import merge


def period_of(row: Any) -> Period:
    """The first two columns of a row."""
    return Period(to_ms(row[0]), to_ms(row[1]))


def series_key(market: Market, timeframe: Timeframe) -> dict[str, Any]:
    """The parameters that name a series."""
    return {**symbol_key(market), "timeframe": timeframe.name}


def symbol_key(market: Market) -> dict[str, Any]:
    """The parameters that name a symbol: one kind of series of a market."""
    return {"exchange": market.exchange, "name": market.name, "kind": market.kind.value}


def bounds_of(period: Period) -> dict[str, Any]:
    """The parameters :start and :end."""
    return {"start": to_time(period.start), "end": to_time(period.end)}


def multirange(periods: Iterable[Period]) -> TimestamptzMultirange:
    """Periods as one parameter."""
    return TimestamptzMultirange(TimestamptzRange(to_time(part.start), to_time(part.end)) for part in periods)


def driver(connection: Connection) -> Any:
    """psycopg's own connection, in the same transaction."""
    return connection.connection.driver_connection


def copy_into(connection: Connection, statement: str, stream: Iterable[bytes]) -> None:
    """COPY ... FROM STDIN of all pieces of a stream, in the same transaction."""
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for piece in stream:
            copy.write(piece)


def add_symbol(connection: Connection, market: Market) -> int:
    """The id of a symbol, which gets its row on first use."""
    values = {**symbol_key(market), "unified": market.unified}
    known = connection.scalar(sql.SYMBOL_ID, values)
    if known is None:
        connection.execute(sql.ADD_SYMBOL, values)
        known = connection.scalar(sql.SYMBOL_ID, values)
    assert isinstance(known, int)
    return known


def lock_series(
    connection: Connection, market: Market, timeframe: Timeframe, *, changes: bool = False
) -> int:
    """Let no other transaction write this series until ours ends; creates its rows on first use.

    Returns the id of the symbol.

    `changes`: this transaction changes its candles, ranges or missing cells, so it gets a new version.
    """
    series = series_key(market, timeframe)
    symbol_id = add_symbol(connection, market)
    connection.execute(sql.ADD_STATE, series)
    if changes:
        change_version(connection, series)
    else:
        connection.execute(sql.LOCK_STATE, series)
    return symbol_id


def change_version(connection: Connection, series: dict[str, Any]) -> None:
    """Give the series a new version; no other one may change in this transaction."""
    connection.execute(sql.CHANGE_VERSION, series)
    connection.execute(sql.SAY_VERSIONED)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a period's rows prove: covered parts, candles inside them, known missing, cells claimed for nothing."""

    covered: list[Period]
    candles: int
    missing: list[MissingRange]
    claimed: list[Period]


def prove(connection: Connection, timeframe: Timeframe, series: dict[str, Any], period: Period) -> Proven:
    """What is proven of a period, whatever its rows of data_ranges and missing_candles say.

    Cheap while they agree with the number of candles; cells are looked at one by one only where they do not.
    """
    bounds = series | bounds_of(period)
    covered = [(period_of(row), int(row[2])) for row in connection.execute(sql.COVERED, bounds)]
    known = [
        MissingRange(timeframe.align(period_of(row)), row[2], to_ms(row[3]))
        for row in connection.execute(sql.MISSING, bounds)
    ]
    missing: list[MissingRange] = []
    claimed: list[Period] = []
    for part, held in covered:
        gone = [replace(one, period=one.period.clip(part)) for one in known]
        gone = [one for one in gone if one.period.start < one.period.end]
        if held + sum(timeframe.count(one.period) for one in gone) != timeframe.count(part):
            cells = np.array(list(map(to_ms, connection.scalars(sql.HELD_CELLS, series | bounds_of(part)))))
            gone, bare = _look_closely(timeframe, part, cells.astype(np.int64), gone)
            claimed += bare
        missing += gone
    return Proven([part for part, _ in covered], sum(held for _, held in covered), missing, claimed)


def _look_closely(
    timeframe: Timeframe, part: Period, held: Int64Array, known: Sequence[MissingRange]
) -> tuple[list[MissingRange], list[Period]]:
    """Of a covered part: the missing ranges without cells that are held or named twice, and the cells with neither."""
    # a row of all times claims billions of cells: only those between what is known are looked at one by one
    starts, ends = [one.period.start for one in known], [one.period.end for one in known]
    if len(held):
        starts, ends = [*starts, int(held[0])], [*ends, timeframe.next(int(held[-1]))]
    inner = Period(min(starts, default=part.end), max(ends, default=part.end)).clip(part)
    left = np.setdiff1d(timeframe.opens(inner), held)
    missing = []
    for one in known:
        gone = np.intersect1d(left, timeframe.opens(one.period))
        left = np.setdiff1d(left, gone)
        missing += [replace(one, period=run) for run in runs_of(timeframe, gone)]
    outer = map(timeframe.align, (Period(part.start, inner.start), Period(inner.end, part.end)))
    return missing, merge([*runs_of(timeframe, left), *outer])


def runs_of(timeframe: Timeframe, opens: Int64Array) -> list[Period]:
    """Sorted open times as periods: neighbours go together."""
    if not len(opens):
        return []
    numbers = np.array([timeframe.index(opened) for opened in opens.tolist()])
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return [Period(int(run[0]), timeframe.next(int(run[-1]))) for run in np.split(opens, breaks)]
