"""What was tried beside a run: how many candidates there were, and how far their Sharpe ratios lay apart."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import text

from engine.database.connection import Database
from engine.database.series_rows import bounds_of, symbol_key
from engine.model.market import Market, Period, Timeframe
from engine.model.trial import Tried

_SERIES: Final = """
    JOIN symbols ON symbols.id = symbol_id
    WHERE exchange = :exchange AND symbols.name = :name AND kind = :kind AND timeframe = :timeframe
"""
_COUNTED: Final = text(f"""
    SELECT count(*) FROM (
        SELECT identity FROM trials WHERE identity IS NOT NULL AND candles_id IN (
            SELECT trial_candles.id FROM trial_candles {_SERIES} AND start_time < :end AND end_time > :start
        ) UNION SELECT unnest(CAST(:own AS bytea[]))
    ) AS tried
""")  # noqa: S608 - a constant
# what is chosen among by whoever makes stitched runs: whole configurations, whatever their combinations and costs
_WALKS: Final = text(f"""
    SELECT count(DISTINCT (inputs -> 'source', asked - 'period', fixed)) FROM walk_forwards {_SERIES}
    AND start_time < :end AND end_time > :start AND inputs IS NOT NULL AND asked -> 'portfolio' IS NULL
""")  # noqa: S608 - a constant
_EVER: Final = text("""
    SELECT count(*) FROM (
        SELECT strategy_name, identity FROM trials WHERE identity IS NOT NULL
        UNION SELECT * FROM unnest(CAST(:strategies AS varchar[]), CAST(:identities AS bytea[]))
    ) AS tried
""")
# optimisers that follow what they find breed trials that are alike: they tell nothing of the spread
_SWEEPS: Final = f"""
    SELECT sweeps.id, sweeps.created_at, array_position(metric_names, 'sharpe') AS place FROM sweeps {_SERIES}
    AND start_time = :start AND end_time = :end AND asked ->> 'sampler' IN ('grid', 'random', 'sobol')
"""  # noqa: S608 - a constant
_SWEEP_IDS: Final = text(f"SELECT id FROM ({_SWEEPS}) AS same ORDER BY id")  # noqa: S608 - a constant
# of a candidate that several sweeps tried, with other costs it may be, the newest tells
_SPREAD: Final = text(f"""
    SELECT count(sharpe), var_samp(sharpe) FROM (
        SELECT DISTINCT ON (identity) metrics[place] AS sharpe
        FROM trials JOIN ({_SWEEPS}) AS same ON sweep_id = same.id WHERE identity IS NOT NULL
        ORDER BY identity, created_at DESC, same.id
    ) AS tried WHERE sharpe <> 'NaN'
""")  # noqa: S608 - a constant


class TrialStore:
    """The trials that all sweeps and runs left."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ever(self, own: Collection[tuple[str, bytes]]) -> int:
        """How many distinct candidates were tried on anything, `own` (strategy, identity) included. It reads all."""
        strategies, identities = [name for name, _ in own], [identity for _, identity in own]
        values = {"strategies": strategies, "identities": identities}
        with self._database.snapshot() as connection:
            return int(connection.scalar(_EVER, values) or 0)

    def tried(
        self, own: Collection[bytes], ever: int, market: Market, timeframe: Timeframe, period: Period
    ) -> Tried:
        """What was tried on candles of which any lies in `period`, the candidates of these identities included."""
        series = _series(market, timeframe, period)
        with self._database.snapshot() as connection:
            counted = connection.scalar(_COUNTED, series | {"own": list(own)})
            measured, variance = connection.execute(_SPREAD, series).one()
            sweeps = connection.scalars(_SWEEP_IDS, series).all()
        return Tried(
            counted=int(counted or 0),
            ever=ever,
            measured=measured,
            variance=variance,
            sweeps=tuple(str(found) for found in sweeps),
        )

    def tried_walks(self, ever: int, market: Market, timeframe: Timeframe, period: Period) -> Tried:
        """Beside a stitched run: the configurations of walk-forward that were tried, its own included, which is stored
        before it; a walk-forward that was deleted for good does not count. How far such runs lie apart is not measured.
        """
        with self._database.snapshot() as connection:
            counted = connection.scalar(_WALKS, _series(market, timeframe, period))
        return Tried(counted=max(1, int(counted or 0)), ever=ever)


def _series(market: Market, timeframe: Timeframe, period: Period) -> dict[str, Any]:
    return {**symbol_key(market), "timeframe": timeframe.name, **bounds_of(period)}
