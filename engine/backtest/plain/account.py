"""The plain simulator's account: what entering, leaving, funding and a liquidation do to its money.

Money is kept in hundred-millionths, as sizes are, and each amount is reckoned in the order that docs/rules.md gives: where
rounding decides (a sum that is just nothing, a size of just one unit), every simulator decides alike.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from engine.backtest.outcome import Terms
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.backtest.plain.exchange import Exchange
from engine.backtest.plain.places import Places
from engine.backtest.plain.position import AT_OPEN, NONE, Filled, Order, Position, floored
from engine.backtest.plain.protections import Guard
from engine.backtest.rules import ADD, ENTRY, LIQUIDATION, UNITS
from engine.model.account import BLOCKED, Costs
from engine.model.filters import Filters
from engine.model.market import Candles


@dataclass(slots=True)
class Account:
    """All money of a run, the position it is in, and every position there was.

    `money`: all of it, of which an open position's wallet is not free. `over`: it is flat and has none left, or owes.
    `base`: money that size and risk of an entry are parts of, None = all that is free; `most`: that an entry or add may
    take.
    """

    places: Places
    costs: Costs
    guard: Guard
    money: float = 0.0
    base: float | None = None
    most: float = math.inf
    position: Position | None = None
    positions: list[Position] = field(default_factory=list)
    over: bool = False
    clipped: int = 0
    dropped: int = 0
    no_volume: int = 0
    below_minimum: int = 0
    above_maximum: int = 0
    funding_edge: float = 0.0
    nearest_pct: float = NONE
    hangs: bool = False  # a fill on this candle paid, or not, by when inside it that was
    candles: Candles = field(init=False)
    market: Perpetual = field(init=False)
    funding: Funding = field(init=False)
    mark: Mark = field(init=False)
    exchange: Exchange = field(init=False)

    def __post_init__(self) -> None:
        self.candles, self.market = self.places.candles, self.places.market
        self.money = self.costs.cash * UNITS
        self.funding = self.market.funding or Funding(*[np.zeros(len(self.candles))] * 4)
        self.mark = self.market.mark or Mark(self.candles.open, self.candles.high, self.candles.low)
        filters = self.market.filters or Filters()
        self.exchange = Exchange(self.candles, self.costs.slips, filters, self.market.filtered)

    def twin(self) -> Account:
        """A copy that goes on by itself."""
        twin = copy(self)
        twin.hangs = False
        twin.guard, twin.positions = self.guard.twin(), list(self.positions)
        if self.position is not None:
            twin.position = twin.positions[-1] = self.position.twin()
        return twin

    @property
    def margined(self) -> bool:
        """Whether positions are margined: isolated, each with its own wallet."""
        return self.costs.leverage is not None

    @property
    def leverage(self) -> float:
        """Notional per margin; 1 where margin is off."""
        return 1.0 if self.costs.leverage is None else self.costs.leverage

    @property
    def taker(self) -> float:
        """The fee rate of an order that took its price."""
        return self.costs.commission

    @property
    def maker(self) -> float:
        """The fee rate of an order that rested."""
        return self.costs.commission if self.costs.maker is None else self.costs.maker

    @property
    def free(self) -> float:
        """Money that no position binds."""
        return self.money if self.position is None else self.money - self.position.wallet

    def slipped(self, i: int, units: float, price: float, direction: int) -> float:
        """That price as so many units are filled on candle i: +1 buys, -1 sells."""
        return price * (1 + direction * self.exchange.slippage(self.places.owner[i], units, price))

    def liquidation_price(self, position: Position) -> float:
        """NaN = never."""
        return position.liquidation_price(self.market.brackets) if self.margined else NONE

    # entering

    def enter(
        self, order: Order, i: int, how: str, bare: float, bound: float, rate: float, fee: float
    ) -> Position | None:
        """Enter on candle i at `bare`, slipped, but not beyond `bound`; None where not even a unit can be had.

        `fee`: per coin, as the size reckons it.
        """

        price = bare
        if bare != bound:
            slipped = self._entry_price(
                order.side, order.signal + 1, self._affordable(order, bare, fee), bare, 0
            )
            if slipped is None:
                return None
            price = min(slipped, bound) if order.side > 0 else max(slipped, bound)
        units = self._taken(self._affordable(order, price, fee), price, bare, 0)
        if units < 1:
            return None
        candle = self.places.owner[i]
        position = Position(order, candle, how, cash_before=self._base, place=i, exchange=self.exchange)
        self.position = position
        self.positions.append(position)
        self._buy(position, i, units, price, bare, rate, ENTRY)
        position.begin(price)
        self.guard.entered(candle)
        if how == AT_OPEN:
            self._would_pay(position, i, units)
        else:
            self._note_settlements(i)
        return position

    @property
    def _base(self) -> float:
        return self.free if self.base is None else self.base

    def _affordable(self, order: Order, price: float, fee: float) -> float:
        """Units that the order buys at that price, with a fee of so much per coin."""
        money = min(max(0.0, self._base) * order.fraction, self.most)
        units = money // (price / self.leverage + fee)
        return min(units, self._risked(order, units))

    def wanted(self, order: Order, bare: float, bound: float, fee: float) -> float:
        """Money that `enter` would take for the order, were there enough."""
        most = max(0.0, self._base) * order.fraction
        if math.isnan(order.asked["risk"]):
            return most
        price, candle = bare, self.places.owner[order.signal + 1]
        if bare != bound and not self.exchange.is_untraded(candle):
            units = min(self._levered(self._affordable(order, bare, fee), bare, 0), self.exchange.most())
            slipped = self.slipped(order.signal + 1, units, bare, order.side)
            price = min(slipped, bound) if order.side > 0 else max(slipped, bound)
        return min(most, self._affordable(order, price, fee) * (price / self.leverage + fee))

    def _entry_price(self, side: int, i: int, units: float, bare: float, held: float) -> float | None:
        """The fill of an order that without slippage would be of so many units, by the market before candle i; None where
        nobody traded.
        """
        if self.exchange.is_untraded(self.places.owner[i]):
            self.no_volume += 1
            return None
        units = min(self._levered(units, bare, held), min(self.exchange.most(), units))
        return self.slipped(i, units, bare, side)

    def _risked(self, order: Order, otherwise: float) -> float:
        """Units that lose the risk at the stop, both fees included."""
        risk = order.asked["risk"]
        if math.isnan(risk):
            return otherwise
        lost = abs(order.price - order.stop_loss) + self.taker * (order.price + order.stop_loss)
        return floored(self._base, risk, lost) if lost else otherwise

    def add(self, position: Position, i: int, part: float) -> None:
        """Buy more at the open: that part of the equity the position began with, of what is free."""
        money = min(part * position.cash_before, max(0.0, self.free), self.most)
        position.adds += self.buy_more(position, i, money)

    def buy_more(self, position: Position, i: int, money: float) -> bool:
        """Buy more at the open for so much, fee included; whether that was a unit at least."""
        opened = float(self.candles.open[i])
        fee = opened * self.taker
        unslipped = floored(money, 1.0, opened / self.leverage + fee)
        price = self._entry_price(position.side, i, unslipped, opened, position.units)
        if price is None:
            return False
        units = floored(money, 1.0, price / self.leverage + fee)
        units = self._taken(units, price, opened, position.units)
        if units < 1:
            return False
        self._buy(position, i, units, price, opened, self.taker, ADD)
        self._would_pay(position, i, units)
        return True

    def _levered(self, units: float, price: float, held: float) -> float:
        """What the leverage allows of so many more than are held."""
        if units < 1 or not self.margined or self.market.brackets is None:
            return units
        most = self.market.brackets.most_notional(self.leverage) * UNITS
        return units if (held + units) * price <= most else max(0.0, floored(most, 1.0, price) - held)

    def _taken(self, units: float, price: float, bare: float, held: float) -> float:
        """What is bought of so many units, unslipped at `bare`: by the leverage, and by what the exchange takes."""
        allowed = self._levered(units, price, held)
        self.clipped += allowed < units
        if allowed > self.exchange.most():
            self.above_maximum += 1
            allowed = self.exchange.most()
        whole = self.exchange.whole_steps(allowed)
        if allowed >= 1 and (whole < 1 or self.exchange.is_too_small(whole, bare)):
            self.below_minimum += 1
            return 0.0
        return whole

    def _buy(
        self, position: Position, i: int, units: float, price: float, bare: float, rate: float, kind: str
    ) -> None:
        fee, held = units * price * rate, position.units
        position.mean = price if held == 0 else (held * position.mean + units * price) / (held + units)
        position.units += units
        position.wallet += units * price / self.leverage
        self.money -= fee
        position.filled(Filled(self.places.owner[i], price, units, kind, fee), bare)

    # leaving

    def leave_at_open(self, position: Position, i: int, reason: str) -> None:
        """All of it, slipped."""
        self.reduce_at_open(position, i, position.units, reason)

    def reduce_at_open(self, position: Position, i: int, units: float, reason: str) -> None:
        """So much of it, slipped."""
        opened = float(self.candles.open[i])
        self._would_pay(position, i, -units)
        price = self.slipped(i, units, opened, -position.side)
        self.leave(position, i, units, price, opened, self.taker, reason)

    def leave_at_close(self, position: Position, i: int, close: float, reason: str) -> None:
        """All of it, slipped from that close."""
        price = self.slipped(i, position.units, close, -position.side)
        self.leave(position, i, position.units, price, close, self.taker, reason)

    def leave_part_at_open(self, position: Position, i: int, units: float, price: float, reason: str) -> None:
        """That much of it, at that price or at the open where that is better."""
        opened = float(self.candles.open[i])
        self._would_pay(position, i, -units)
        slipped = self.slipped(i, units, opened, -position.side)
        never_worse = max(slipped, price) if position.side > 0 else min(slipped, price)
        self.leave(position, i, units, never_worse, opened, self.taker, reason)

    def leave_inside(self, position: Position, i: int, price: float, reason: str) -> None:
        """All of it, at a stop or a take-profit, slipped."""
        self._pay_inside(position, i, position.units)
        slipped = self.slipped(i, position.units, price, -position.side)
        position.left_inside = True
        self.leave(position, i, position.units, slipped, price, self.taker, reason)

    def leave_part_inside(self, position: Position, i: int, units: float, price: float, reason: str) -> None:
        """That much of it, by an order that rested at that price."""
        self._pay_inside(position, i, units)
        position.left_inside = units == position.units
        self.leave(position, i, units, price, price, self.maker, reason)

    def leave(
        self, position: Position, i: int, units: float, price: float, bare: float, rate: float, reason: str
    ) -> None:
        """Sell that much at `price`, which without slippage were `bare`; its share of the wallet becomes free."""
        if units:
            fee = units * price * rate
            gained = position.side * units * (price - position.mean)
            position.gained += gained
            self.money += gained - fee
            freed = position.wallet * units / position.units
            position.wallet = 0.0 if units == position.units else position.wallet - freed
            position.units -= units
            position.filled(Filled(self.places.owner[i], price, -units, reason, fee), bare)
        if position.units == 0:
            self._flat(position, i)

    def liquidate_at_open(self, position: Position, i: int) -> None:
        """The mark's open is beyond the liquidation price."""
        self._would_pay(position, i, -position.units)
        self._liquidate(position, i)

    def liquidate_inside(self, position: Position, i: int) -> None:
        """The mark reached it inside candle i; settlements cost no more than the wallet holds."""
        self._pay_inside(position, i, position.units, most=max(0.0, position.wallet))
        position.left_inside = True
        self._liquidate(position, i)

    def _liquidate(self, position: Position, i: int) -> None:
        """Lose the wallet and nothing else: shown at the price where nothing is left of it, without fee and slippage."""
        price, candle = position.bankruptcy_price, self.places.owner[i]
        position.fills.append(Filled(candle, price, -position.units, LIQUIDATION, 0.0))
        position.gained -= position.wallet
        self.money -= position.wallet
        position.wallet, position.units = 0.0, 0.0
        self.nearest_pct = 0.0
        self._flat(position, i)

    def _flat(self, position: Position, i: int) -> None:
        """All is left; without money the run is over."""
        self.position = None
        self.guard.left(self.places.owner[i], position.net_pnl(0.0))
        self.over = self.money <= 0

    # funding

    def pay_funding(self, position: Position, per_coin: float) -> None:
        """Out of the wallet where positions are margined, else of the free money."""
        self._pay(position, position.side * position.units * per_coin)

    def _pay(self, position: Position, amount: float) -> None:
        self.money -= amount
        position.funding += amount
        if self.margined:
            position.wallet -= amount

    def _pay_inside(self, position: Position, i: int, units: float, most: float = math.inf) -> None:
        """Nobody knows when inside the candle it leaves: it pays what settlements cost and is credited nothing."""
        if units:
            self._note_settlements(i)
        paid, net = float(self.funding.inside_paid[i]), float(self.funding.inside[i])
        self._pay(position, min(units * (paid if position.side > 0 else paid - net), most))

    def _note_settlements(self, i: int) -> None:
        self.hangs |= bool(self.funding.inside[i] or self.funding.inside_paid[i])

    def _would_pay(self, position: Position, i: int, units: float) -> None:
        """By the other convention, a fill at the very open of a settlement pays when it enters, and not when it leaves."""
        self.funding_edge += position.side * units * float(self.funding.edge[i])

    # told

    def equity(self, close: float) -> float:
        """At that close."""
        position = self.position
        if position is None:
            return self.money
        signed = position.side * position.units
        return self.money + (close * signed - signed * position.mean)

    def note_nearest(self, position: Position, extreme: float, liquidation: float) -> None:
        """How near the mark, at the worst that candle had, came to a liquidation that did not happen."""
        distance = position.side * (extreme - liquidation) / extreme * 100
        if not math.isnan(distance):
            nearest = distance if math.isnan(self.nearest_pct) else min(self.nearest_pct, distance)
            self.nearest_pct = max(0.0, nearest)

    def terms(self) -> Terms:
        """What orders, margin, funding and protections did; signals that protections blocked by BLOCKED."""
        return Terms(
            self.funding_edge / UNITS, self.nearest_pct, self.clipped, self.dropped,
            tuple(self.guard.blocked[name] for name in BLOCKED), self.no_volume, self.below_minimum,
            self.above_maximum,
        )  # fmt: skip
