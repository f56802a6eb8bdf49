"""All figures of the Analysis page, of one run and one filter, computed at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np

from engine.analysis.account import (
    ROLLING_DAYS,
    Account,
    Calendar,
    Drawdown,
    Rolling,
    calendar,
    drawdowns,
    rolling_sharpe,
)
from engine.analysis.columns import TradeColumns, joined, passing
from engine.analysis.groups import DIMENSIONS, Group, Zone, everything, grouped
from engine.analysis.market import Relation, beside_market, measured_candles, regime_codes, regime_measures
from engine.analysis.streaks import Streak, streaks
from engine.model.market import Candles
from engine.model.run import RunResult
from engine.model.trade_filter import TradeFilter


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """`shown`: the trades that pass the filter, `total` all of them as one group; `groups` by dimension, where a dimension's
    own part of the filter is left out so that its other groups stay to be chosen. `by_symbol`: of several runs.

    Of the whole account, whatever the filter: `calendar`, `rolling` by window, `drawdowns`, `market`. None or empty where
    the equity, or the candles, are not there. `measured`: how many candles a regime looks back.
    """

    run: RunResult
    shown: TradeColumns
    total: Group
    groups: Mapping[str, tuple[Group, ...]]
    streaks: tuple[Streak, ...]
    by_symbol: tuple[Group, ...]
    calendar: Calendar | None
    rolling: Mapping[int, Rolling]
    drawdowns: tuple[Drawdown, ...]
    market: Relation | None
    measured: int

    def to_json(self) -> dict[str, Any]:
        """For programs: groups by dimension with the places of their trades, and the account's figures."""
        return {
            "total": self.total.to_json(),
            "groups": {name: [one.to_json() for one in groups] for name, groups in self.groups.items()},
            "streaks": [one.to_json() for one in self.streaks],
            "calendar": self.calendar and self.calendar.to_json(),
            "rolling_sharpe": [one.to_json() for one in self.rolling.values()],
            "drawdowns": [one.to_json() for one in self.drawdowns],
            "market": self.market and self.market.to_json(),
            "regime_candles": self.measured,
        }


def analyse(
    run: RunResult,
    candles: Candles | None = None,
    wanted: TradeFilter | None = None,
    *,
    beside_holes: Collection[int] = (),
    others: Sequence[RunResult] = (),
    zone: Zone = UTC,
) -> Analysis:
    """Analyse a finished run. `candles`: those of its period. `others`: further runs for the table by symbol.

    `zone`: whose clock tells months of trades, weekdays and hours (None: this machine's); the account's months are UTC's.
    """
    wanted = wanted or TradeFilter()
    columns = TradeColumns.of(run.trades)
    shown = columns.take(passing(run.trades, wanted, beside_holes))
    candles = candles if candles is not None and len(candles) else None

    def of_dimension(key: str) -> TradeColumns:
        if wanted.facet(key) is None:
            return shown
        return columns.take(passing(run.trades, wanted.without(key), beside_holes))

    groups = {
        key: grouped(part, *dimension.codes(part, zone))
        for key, dimension in DIMENSIONS.items()
        for part in (of_dimension(key),)
    }
    if candles is not None:
        for key, measure in regime_measures(candles).items():
            part = of_dimension(key)
            groups[key] = grouped(part, *regime_codes(key, measure, candles, part))
    account = Account.of(run)
    rolling = [] if account is None else [rolling_sharpe(account, window) for window in ROLLING_DAYS]
    return Analysis(
        run,
        shown,
        everything(shown),
        groups,
        streaks(shown),
        _by_symbol([run, *others], wanted.without_facets()) if others else (),
        None if account is None else calendar(account),
        {one.window: one for one in rolling if one is not None},
        () if account is None else drawdowns(account),
        None if account is None or candles is None else beside_market(run.symbol, account, candles),
        0 if candles is None else measured_candles(candles),
    )


def _by_symbol(runs: Sequence[RunResult], wanted: TradeFilter) -> tuple[Group, ...]:
    """The trades of several runs by symbol, in order of the runs; places are those in each run's own list."""
    parts = [TradeColumns.of(run.trades).take(passing(run.trades, wanted)) for run in runs]
    symbols = list(dict.fromkeys(run.symbol for run in runs))
    codes = [np.full(len(part), symbols.index(run.symbol)) for run, part in zip(runs, parts, strict=True)]
    return grouped(joined(parts), np.concatenate(codes).astype(np.int64), symbols)
