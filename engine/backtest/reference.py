"""The reference engine: backtesting.py plays the signals of a strategy, decision by decision, as our rules say."""

from __future__ import annotations

from typing import Any

import backtesting
import numpy as np
import pandas as pd

from engine.backtest.broker import SignalBroker, library_frame, outcome_of, run_library
from engine.backtest.outcome import Outcome
from engine.backtest.rules import ALMOST_ALL, Report, check_stops, ignore_report
from engine.model.account import Costs
from engine.model.market import Candles
from engine.strategy import Signals


def run_reference(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    report: Report = ignore_report,
) -> Outcome:
    """Trade `signals` over `candles` (both of the period only, of equal length, at least one candle).

    Raises RunError where an entry's stop or target lies on the wrong side of its signal candle's close.
    """
    frame = pd.concat([_neutral(candles), library_frame(candles)])
    params = {"candles": candles, "signals": signals, "size": min(costs.size, ALMOST_ALL), "reverse": reverse}
    broker = run_library(frame, _FollowSignals, params, costs, SignalBroker, report)
    return outcome_of(broker, candles, costs, cut=1)


def _neutral(candles: Candles) -> pd.DataFrame:
    """One motionless candle before the first: backtesting.py asks for no decision on its candle 0."""
    first = library_frame(candles.slice(0, 1))
    neutral = first.assign(High=first["Open"], Low=first["Open"], Close=first["Open"], Volume=0.0)
    neutral.index = pd.DatetimeIndex(neutral.index) - pd.Timedelta(milliseconds=1)
    return neutral


class _FollowSignals(backtesting.Strategy):  # type: ignore[misc]
    """Turns the signals of each close into backtesting.py's orders; no indicators, so nothing delays its first candle."""

    candles: Candles | None = None
    signals: Signals | None = None
    size = 0.0
    reverse = False

    def init(self) -> None:
        """Read the columns as plain lists: one value per candle is looked at."""
        assert self.signals is not None
        self._entry = self.signals.entry.tolist()
        self._exits = {1: self.signals.exit_long.tolist(), -1: self.signals.exit_short.tolist()}

    def next(self) -> None:
        """Decide at the close of candle i from the position held now."""
        i = len(self.data) - 2  # the neutral candle is not counted
        wanted = self._entry[i]
        if not self.trades:
            if wanted:
                self._enter(i, wanted)
            return
        trade = self.trades[0]
        side = 1 if trade.is_long else -1
        turn = self.reverse and wanted * side < 0
        if turn or self._exits[side][i]:
            self._broker.reversing = turn
            trade.close()
        if turn:
            self._enter(i, wanted)

    def _enter(self, i: int, wanted: int) -> None:
        assert self.candles is not None
        assert self.signals is not None
        if i == len(self._entry) - 1:
            return  # no candle is left to fill it on
        check_stops(self.candles, self.signals, i)
        stop, target = self._price(self.signals.stop_loss, i), self._price(self.signals.take_profit, i)
        order: Any = self.buy if wanted > 0 else self.sell
        order(size=self.size, sl=stop, tp=target, tag=self.signals.names[abs(wanted) - 1])

    @staticmethod
    def _price(column: Any, i: int) -> float | None:
        return None if np.isnan(column[i]) else float(column[i])
