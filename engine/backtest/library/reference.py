"""The reference engine: backtesting.py plays the signals of a strategy, decision by decision, as our rules say."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import backtesting
import numpy as np
import pandas as pd

from engine.backtest.grid import Grid
from engine.backtest.library.broker import SignalBroker, library_frame, outcome_of, run_library
from engine.backtest.library.order_broker import OrderBroker
from engine.backtest.library.order_position import Asked
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Perpetual
from engine.backtest.rules import ADD, ALMOST_ALL, Report, carries, check_stops, ignore_report
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import Candles
from engine.model.orders import ORDER_COLUMNS, TARGETS
from engine.strategy import Signals


def run_reference(
    candles: Candles,
    signals: Signals,
    costs: Costs,
    reverse: bool = False,
    report: Report = ignore_report,
    *,
    perpetual: Perpetual | None = None,
    timeframe_ms: int | None = None,  # noqa: ARG001 - as the other simulators take it
) -> Outcome:
    """Trade `signals` over `candles` (both of the period only, of equal length, at least one candle).

    `timeframe_ms` is taken as by the other simulators; no rule that the library can play needs it. Raises RunError for an
    entry that cannot be, naming its candle, and for what `carries` says the library cannot play.
    """
    why = carries(costs, perpetual)
    if why is not None:
        raise RunError(why)
    signals = signals.only(costs.side, reverse)
    frame = pd.concat([_neutral(candles), library_frame(candles)])
    params: dict[str, Any] = {
        "candles": candles,
        "signals": signals,
        "size": min(costs.size, ALMOST_ALL),
        "reverse": reverse,
    }
    funding = None if perpetual is None or perpetual.funding is None else _after_neutral(perpetual.funding)
    market = perpetual or Perpetual()
    if signals.orders is None and costs.leverage is None and not (costs.slippage_model or market.filtered):
        broker = run_library(frame, _FollowSignals, params, costs, SignalBroker, report, funding=funding)
        outcome = outcome_of(broker, candles, cut=1, names=signals.names)
        return replace(outcome, table=outcome.table.with_ambiguous(candles, signals))
    margin = 1 / (costs.leverage or 1)
    params["market"] = market
    ordered = run_library(
        frame, _FollowOrders, params, costs, OrderBroker, report, funding=funding, margin=margin
    )
    return ordered.outcome(candles, signals.names)


def _after_neutral(funding: Funding) -> Funding:
    """Over the frame: the motionless candle in front settles nothing."""
    columns = (getattr(funding, field.name) for field in fields(funding))
    return Funding(*(np.concatenate(([0.0], column)) for column in columns))


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
            self.position.close()
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


class _FollowOrders(_FollowSignals):
    """As it, with the order columns: entries by limit or stop order, adds, and stops that are moved between candles."""

    market: Perpetual | None = None

    def init(self) -> None:
        """Read the columns that are looked at on every candle; tell the broker in what market it trades."""
        super().init()
        assert self.candles is not None
        assert self.market is not None
        self._grid = self._broker.trade_in(self.candles, self.market)
        orders = None if self.signals is None else self.signals.orders
        self._adds = [0] * len(self._entry) if orders is None else orders.add.tolist()
        stop_now = None if orders is None else orders.named().get("stop_now")
        self._stop_now = [math.nan] * len(self._entry) if stop_now is None else stop_now.tolist()

    def next(self) -> None:
        """Decide as ever; what stays held is added to where that was asked for, and its stop moved."""
        super().next()
        i = len(self.data) - 2
        if not self.trades or i == len(self._entry) - 1:
            return
        leaving = any(order.parent_trade and not order.is_contingent for order in self.orders)
        side = 1 if self.trades[0].is_long else -1
        if self._adds[i] * side > 0 and not leaving:
            (self.buy if side > 0 else self.sell)(size=self.size, tag=ADD)
        self._broker.tighten(self._stop_now[i])

    def _enter(self, i: int, wanted: int) -> None:
        assert self.candles is not None
        assert self.signals is not None
        if i == len(self._entry) - 1:
            return
        check_stops(self.candles, self.signals, i)
        for waiting in self.orders:
            if isinstance(waiting.tag, Asked) and not waiting.parent_trade:
                waiting.cancel()
        asked = _asked(self.candles, self.signals, i, self.size, self._grid)
        limit, stop = (self._price_of(asked, name) for name in ("entry_limit", "entry_stop"))
        order: Any = self.buy if wanted > 0 else self.sell
        order(size=asked.fraction, limit=limit, stop=stop, tag=asked)

    @staticmethod
    def _price_of(asked: Asked, name: str) -> float | None:
        price = asked.value(name)
        return None if math.isnan(price) else price


def _asked(candles: Candles, signals: Signals, i: int, size: float, grid: Grid) -> Asked:
    """What the entry signalled on candle i asks for, at prices on the grid; `size`: the fraction unless it says its own."""
    orders, wanted = signals.orders, int(signals.entry[i])
    side = 1 if wanted > 0 else -1
    values = {name: math.nan if orders is None else orders.value(name, i) for name in ORDER_COLUMNS}
    for name in ("entry_stop", *TARGETS):
        values[name] = grid.price(values[name], side)
    values["entry_limit"] = grid.price(values["entry_limit"], -side)
    own = values["size"]
    prices = (values["entry_limit"], values["entry_stop"], float(candles.close[i]))
    return Asked(
        name=signals.names[abs(wanted) - 1],
        side=side,
        signal=i,
        price=next(price for price in prices if not math.isnan(price)),
        fraction=size if math.isnan(own) else min(own, ALMOST_ALL),
        stop=grid.price(float(signals.stop_loss[i]), -side),
        profit=grid.price(float(signals.take_profit[i]), side),
        targets=tuple(values[name] for name in TARGETS if not math.isnan(values[name])),
        columns=values,
        grid=grid,
    )
