"""SQL of trials: who tried what on which candles, counted for good."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, text

from engine.database.series_rows import add_symbol, bounds_of
from engine.model.market import Market, Period
from engine.model.trial import TriedLeg

_ADD_CANDLES: Final = text("""
    INSERT INTO trial_candles (symbol_id, timeframe, start_time, end_time) VALUES (:symbol_id, :timeframe, :start, :end)
    ON CONFLICT ON CONSTRAINT trial_candles_key DO NOTHING
""")
_CANDLES: Final = text("""
    SELECT id FROM trial_candles
    WHERE symbol_id = :symbol_id AND timeframe = :timeframe AND start_time = :start AND end_time = :end
""")
_ADD_ONE: Final = text("""
    INSERT INTO trials (strategy_name, identity, candles_id)
    SELECT CAST(:strategy AS varchar), CAST(:identity AS bytea), CAST(:candles_id AS integer)
    WHERE NOT EXISTS (
        SELECT FROM trials WHERE strategy_name = :strategy AND identity = :identity AND candles_id = :candles_id
    )
""")
_COUNT: Final = text("""
    SELECT count(*) FROM (
        SELECT DISTINCT identity, candles_id FROM trials WHERE strategy_name = :strategy AND identity IS NOT NULL
    ) AS tried
""")


def candles_id(connection: Connection, symbol_id: int, timeframe: str, period: Period) -> int:
    """The number of a period of a series in `trial_candles`, which gets its row on first use."""
    values: dict[str, Any] = {"symbol_id": symbol_id, "timeframe": timeframe, **bounds_of(period)}
    known = connection.scalar(_CANDLES, values)
    if known is None:
        connection.execute(_ADD_CANDLES, values)
        known = connection.scalar(_CANDLES, values)
    assert isinstance(known, int)
    return known


def add_trial(connection: Connection, strategy: str, identity: bytes, candles: int) -> None:
    """Count a single run as a trial, once."""
    values = {"strategy": strategy, "identity": identity, "candles_id": candles}
    connection.execute(_ADD_ONE, values)


def add_legs(connection: Connection, legs: Iterable[TriedLeg]) -> None:
    """Count what a portfolio tried of strategies, each on the candles of its leg, once."""
    known: dict[tuple[Market, str, Period], int] = {}
    rows = []
    for leg in legs:
        series = leg.market, leg.timeframe.name, leg.period
        if series not in known:
            known[series] = candles_id(connection, add_symbol(connection, leg.market), *series[1:])
        rows.append({"strategy": leg.strategy, "identity": leg.identity, "candles_id": known[series]})
    if rows:
        connection.execute(_ADD_ONE, rows)


def trial_count(connection: Connection, strategy: str) -> int:
    """How many distinct trials of a strategy were ever made."""
    return int(connection.scalar(_COUNT, {"strategy": strategy}) or 0)
