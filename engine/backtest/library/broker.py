"""The one place where backtesting.py is adapted: a broker that fills as our rules say, and a quiet way to run it.

What backtesting.py 0.6.6 does otherwise, and is corrected here:
- its `spread` worsens entries only; slippage worsens every fill, stops and targets included;
- an open beyond the target exits at that open, also when the candle later touches the stop (it would sell at the stop);
- an order's stop and target are checked against the bare close, not the close plus slippage;
- a ruined account closes every trade (it skips every second) and keeps what it owes (it sets the cash to 0);
- it knows no funding: here it is charged before the orders of a candle are processed, and at its close.

Importing this module imports backtesting.py and bokeh (seconds): only workers do, and only when they need to.
"""
# ruff: noqa: SLF001 - the library's broker is made to be replaced, but only through its private parts

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import backtesting.backtesting as library
import numpy as np
import pandas as pd
from backtesting._util import patch

from engine.backtest.outcome import Filled, Outcome, RoundTrip, Terms, make_outcome
from engine.backtest.perpetual import Funding
from engine.backtest.rules import (
    ENTRY,
    OPEN,
    REVERSE,
    RUIN,
    STOP_LOSS,
    TAKE_PROFIT,
    UNITS,
    Report,
    exit_signal,
)
from engine.model.account import Costs
from engine.model.market import Candles, Float64Array


@dataclass(frozen=True, slots=True)
class Exit:
    """How a trade ended: the price without slippage, why, and whether that was the close of its candle, or inside it."""

    trade: Any
    price: float
    reason: str
    at_close: bool
    inside: bool


class FundingBroker(library._Broker):  # type: ignore[misc]
    """backtesting.py's broker with funding, and with ruin as our rules say.

    `funding`: over the candles of its frame but the first `held`, None = not charged. `trade.paid` is what a trade has paid
    per coin of a long, so that its parts share it by their size.
    """

    money = UNITS  # what one of its cash units is worth: 1e8 of them are one of the account's
    _cash: float
    reversing = False  # set by a strategy that closes a position to turn it

    def __init__(self, *, costs: Costs, funding: Funding | None, held: int = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.costs, self.funding, self.unplayed = costs, funding, held
        self.exits: list[Exit] = []
        self.funding_edge = self.shortfall = 0.0
        self._ruined = False

    def next(self) -> None:
        """Charge funding, fill the orders of one candle, and mark the equity at its close."""
        self._trades_cache_clear()
        i, before = len(self._data) - 1, len(self.exits)
        self._i = i
        if self.funding is not None:
            self._charge(float(self.funding.at_open[i - self.unplayed]))
        self._process_orders()
        if self.funding is not None:
            self._charge_inside(self.funding, i - self.unplayed, self.exits[before:])
        self._equity[i] = equity = self.equity
        if self._is_ruined(equity):
            self._ruin(i)

    def _charge(self, per_coin: float) -> None:
        for trade in self.trades:
            self._pay(trade, per_coin)

    def _charge_inside(self, funding: Funding, i: int, left: Sequence[Exit]) -> None:
        """Settlements inside candle `i` of the funding: all of them for what is held at its close; what left before pays and
        gets nothing.
        """
        inside, costs = float(funding.inside[i]), float(funding.inside_paid[i])
        for leaving in left:
            if leaving.inside:
                self._pay(leaving.trade, costs if leaving.trade.is_long else inside - costs)
        self._charge(inside)

    def _pay(self, trade: Any, per_coin: float) -> None:
        self._cash -= trade.size * per_coin
        trade.paid = paid_per_coin(trade) + per_coin

    def _note_edge(self, size: float) -> None:
        """That many were bought (sold: below 0) at this open: a settlement at that instant might see them otherwise."""
        if self.funding is not None:
            self.funding_edge += size * float(self.funding.edge[self._i - self.unplayed])

    def _is_ruined(self, equity: float) -> bool:
        return equity <= 0

    def _ruin(self, i: int) -> None:
        """Close every trade at the close; whoever is ruined owes what that leaves."""
        self._ruined = True
        for trade in list(self.trades):
            self._close_trade(trade, self.last_price, i)
        self.shortfall = 0.0 - float(self._cash)
        self._cash = 0
        self._equity[i:] = 0
        raise library._OutOfMoneyError


class SlippingBroker(FundingBroker):
    """With slippage on every fill; remembers why each trade ended."""

    def _open_trade(self, price: float, size: float, sl: Any, tp: Any, time_index: int, tag: Any) -> None:
        super()._open_trade(price, size, sl, tp, time_index, tag)
        if time_index == self._i and price == self._adjusted_price(size, self._data._current_value("Open")):
            self._note_edge(size)

    def _close_trade(self, trade: Any, price: float, time_index: int) -> None:
        at_close = self._ruined or time_index < self._i
        at_open = not at_close and price == self._data._current_value("Open")
        reason = self._reason(trade, price)
        self.exits.append(Exit(trade, float(price), reason, at_close, inside=not (at_open or at_close)))
        if at_open:
            self._note_edge(-trade.size)
        super()._close_trade(trade, self._adjusted_price(-trade.size, price), time_index)

    def _reason(self, trade: Any, price: float) -> str:
        side = 1 if trade.is_long else -1
        if self._ruined:
            return RUIN
        if any(order.parent_trade is trade and not order.is_contingent for order in self.orders):
            return REVERSE if self.reversing else exit_signal(side)
        if (
            trade._sl_order and trade._sl_order.stop is None
        ):  # the library clears the price of a stop that is hit
            return STOP_LOSS
        if trade._tp_order and side * (price - trade._tp_order.limit) >= 0:
            return TAKE_PROFIT
        return exit_signal(side)


class SignalBroker(SlippingBroker):
    """The broker of signal strategies: stops and targets exactly as our rules say."""

    def _adjusted_price(self, size: float | None = None, price: float | None = None) -> float:
        # Without a price an order is only being checked against its stop and target: at the bare close.
        return float(self.last_price if price is None else super()._adjusted_price(size, price))

    def _process_orders(self) -> None:
        opened = self._data._current_value("Open")

        def waits(order: Any) -> bool:  # a target that the open is at or beyond comes before the stop
            return not (order.is_contingent and order.limit and (opened - order.limit) * order.size <= 0)

        self.orders.sort(key=waits)
        super()._process_orders()


SomeBroker = TypeVar("SomeBroker", bound=FundingBroker)


def paid_per_coin(trade: Any) -> float:
    """What a trade has paid in funding per coin of a long."""
    return float(getattr(trade, "paid", 0.0))


def run_library(
    frame: pd.DataFrame,
    strategy: Callable[[Any, Any, Mapping[str, Any]], Any],
    params: Mapping[str, Any],
    costs: Costs,
    broker: type[SomeBroker],
    report: Report,
    started: Callable[[], None] = lambda: None,
    funding: Funding | None = None,
    held: int = 0,
    **settings: float,
) -> SomeBroker:
    """Run backtesting.py over a frame with columns Open, High, Low, Close, Volume; returns its broker at the end.

    `strategy(broker, data, params)` makes the strategy object; `started` is called between its `init` and its first
    `next`, which is not called on the first `held` candles; `funding` is over those after them; `settings` are those of
    `Backtest`. Its statistics are not computed: ours are used.
    """
    made: list[SomeBroker] = []
    with (
        _quiet(),
        patch(library, "compute_stats", lambda **_: None),
        patch(library, "_tqdm", _progress(report, started, held)),
    ):
        backtest = library.Backtest(
            frame,
            library.Strategy,
            cash=costs.cash * broker.money,
            spread=costs.slippage,
            commission=costs.commission,
            **settings,
        )
        given = backtest._broker.keywords

        def make_broker(data: Any) -> SomeBroker:
            made.append(broker(costs=costs, funding=funding, held=held, data=data, **given))
            return made[0]

        backtest._broker, backtest._strategy = make_broker, strategy
        backtest.run(**params)
    return made[0]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some (trades remain open|prices are larger)", UserWarning)
        for category in (
            UserWarning,
            pd.errors.Pandas4Warning,
        ):  # orders it cancels; calls pandas 4 will drop
            warnings.filterwarnings("ignore", category=category, module=r"backtesting\..*")
        yield


def _progress(report: Report, started: Callable[[], None], held: int) -> Callable[..., Iterator[int]]:
    """What stands in for tqdm: tells the listener, who passes on what is worth it, and prints nothing; begins behind the
    candles that are only seen.
    """

    def steps(candles: range, **_: Any) -> Iterator[int]:
        started()
        for i in range(
            max(candles.start, held + 1), candles.stop
        ):  # as without them: not on the first candle
            if i % 64 == 0:
                report(i, len(candles), "candles")
            yield i

    return steps


def library_frame(candles: Candles) -> pd.DataFrame:
    """The frame that backtesting.py wants: title-case columns, index in UTC without a zone."""
    frame = candles.frame().tz_localize(None)
    return frame.rename(columns=str.title)


def outcome_of(
    broker: SlippingBroker, candles: Candles, cut: int, names: tuple[str, ...] | None = None
) -> Outcome:
    """What the broker did over `candles`; its frame had `cut` more candles in front."""
    closed = [_round_trip(broker, left, cut, left.trade.exit_bar - cut) for left in broker.exits]
    last, close = len(candles) - 1, float(candles.close[-1])
    for trade in broker.trades:
        trade._commissions = broker._commission(trade.size, trade.entry_price)  # the exit has not been paid
    held = [
        _round_trip(broker, Exit(trade, close, OPEN, at_close=True, inside=False), cut, last)
        for trade in broker.trades
    ]
    trips = sorted(closed + held, key=lambda trip: trip.entry)
    charged = broker.funding is not None
    terms = Terms.plain(broker.funding_edge / broker.money) if charged else None
    return make_outcome(
        candles,
        trips,
        equity_of(broker, cut),
        broker.shortfall / broker.money,
        charged,
        terms=terms,
        names=names,
    )


def equity_of(broker: FundingBroker, cut: int) -> Float64Array:
    """In money, after the first `cut` candles; those before the strategy's first decision are worth the cash."""
    equity: Float64Array = broker._equity[cut:] / broker.money
    equity[np.isnan(equity)] = broker.costs.cash
    return equity


def _round_trip(broker: SlippingBroker, left: Exit, cut: int, exit_at: int) -> RoundTrip:
    trade = left.trade
    size, entry_price = abs(trade.size) / broker.money, float(trade.entry_price)
    exit_price = left.price if trade.exit_price is None else float(trade.exit_price)
    entry_unslipped = entry_price / (1 + math.copysign(broker._spread, trade.size))
    funding = float(trade.size) * paid_per_coin(trade) / broker.money
    return RoundTrip(
        side=1 if trade.is_long else -1,
        size=size,
        entry=trade.entry_bar - cut,
        entry_price=entry_price,
        exit=exit_at,
        exit_price=exit_price,
        exit_unslipped=left.price,
        pnl=float(trade.pl) / broker.money - funding,
        commission=float(trade._commissions) / broker.money,
        slippage=size * (abs(entry_price - entry_unslipped) + abs(exit_price - left.price)),
        signal="" if trade.tag is None else str(trade.tag),
        reason=left.reason,
        entered_at_close=getattr(trade, "entered_at_close", False),
        left_at_close=left.at_close,
        funding=funding,
        fills=tuple(_fills(broker, left, cut, exit_at)),
    )


def _fills(broker: SlippingBroker, left: Exit, cut: int, exit_at: int) -> Iterator[Filled]:
    trade = left.trade
    size = float(trade.size) / broker.money

    def filled(candle: int, price: float, kind: str) -> Filled:
        fee = float(broker._commission(trade.size, price)) / broker.money
        return Filled(candle, price, abs(size) if kind == ENTRY else -abs(size), kind, fee)

    yield filled(trade.entry_bar - cut, float(trade.entry_price), ENTRY)
    if left.reason != OPEN:
        yield filled(exit_at, float(trade.exit_price), left.reason)
