"""Runs a plug-in's own `backtesting.Strategy` unchanged: it sees real prices, whole coins and plain money.

The broker trades units of 1e-8 coin with 1e8 times the cash. `_Account` stands between it and the strategy and scales
money and sizes back; prices need no scaling. Stops, targets and order types work as backtesting.py does them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.backtest.broker import SlippingBroker, library_frame, outcome_of, run_library
from engine.backtest.outcome import Outcome
from engine.backtest.rules import UNITS, Report, ignore_report
from engine.market import Candles
from engine.runs import Costs


def run_native(
    candles: Candles,
    strategy: type,
    params: Mapping[str, Any],
    costs: Costs,
    report: Report = ignore_report,
) -> Outcome:
    """Run a backtesting.Strategy subclass over the candles of a period; exceptions of its code pass through.

    It chooses its own order sizes: `costs.size` is not used. `params` are set as its class variables.
    """

    def make(broker: SlippingBroker, data: Any, values: Mapping[str, Any]) -> Any:
        return strategy(_Account(broker), data, values)

    broker = run_library(library_frame(candles), make, params, costs, SlippingBroker, report)
    return outcome_of(broker, candles, costs, cut=0)


class _View:
    """An object of the broker whose attributes named in `divided` come back divided by UNITS; all else passes through."""

    divided: tuple[str, ...] = ()

    def __init__(self, inner: Any) -> None:
        object.__setattr__(self, "_inner", inner)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return value / UNITS if name in self.divided else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)

    def __bool__(self) -> bool:
        return bool(self._inner)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _View) and self._inner is other._inner

    def __hash__(self) -> int:
        return hash(self._inner)

    def __repr__(self) -> str:
        return repr(self._inner)


class _Trade(_View):
    divided = ("size", "pl", "value")


class _Position(_View):
    divided = ("size", "pl")


class _Order(_View):
    @property
    def size(self) -> float:
        size = float(self._inner.size)
        return size / UNITS if abs(size) >= 1 else size

    @property
    def parent_trade(self) -> _Trade | None:
        trade = self._inner.parent_trade
        return _Trade(trade) if trade else None


class _Account:
    """The broker as the strategy sees it: its `_broker` answers in coins and money."""

    def __init__(self, broker: SlippingBroker) -> None:
        self._scaled = broker
        self.position = _Position(broker.position)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scaled, name)

    @property
    def equity(self) -> float:
        return float(self._scaled.equity) / UNITS

    @property
    def orders(self) -> list[_Order]:
        return [_Order(order) for order in self._scaled.orders]

    @property
    def trades(self) -> list[_Trade]:
        return [_Trade(trade) for trade in self._scaled.trades]

    @property
    def closed_trades(self) -> list[_Trade]:
        return [_Trade(trade) for trade in self._scaled.closed_trades]

    def new_order(self, size: float, *args: Any, **kwargs: Any) -> _Order:
        """Fractions of the equity pass as they are; whole coins become units."""
        units = size * UNITS if abs(size) >= 1 else size
        return _Order(self._scaled.new_order(units, *args, **kwargs))
