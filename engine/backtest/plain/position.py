"""What the plain simulator holds: an entry as it was asked for, and a position with its stop and targets.

Sizes are whole units of 1e-8 coin, money is hundred-millionths, both in floats; prices are prices of a coin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final, Self

from engine.backtest.plain.exchange import Exchange
from engine.backtest.rules import ALMOST_ALL, STOP_LOSS, TRAILING_STOP, UNITS
from engine.model.account import Costs
from engine.model.brackets import Brackets
from engine.model.market import Candles
from engine.model.orders import ORDER_COLUMNS, TARGETS
from engine.strategy import Signals

NONE: Final = math.nan

# how a position was entered
AT_OPEN, BY_LIMIT, BY_STOP = "open", "limit", "stop"


def floored(money: float, fraction: float, per_coin: float) -> float:
    """Whole units of 1e-8 coin that a fraction of `money`, in hundred-millionths, buys at so much per coin."""
    return max(0.0, money) * fraction // per_coin


@dataclass(frozen=True, slots=True)
class Order:
    """An entry as it was asked for at the close of candle `signal`. Prices, distances and fractions: NaN = not asked for."""

    signal: int
    side: int
    column: int
    close: float
    stop_loss: float
    take_profit: float
    asked: dict[str, float]
    fraction: float  # of the free money

    @classmethod
    def read(cls, candles: Candles, signals: Signals, costs: Costs, exchange: Exchange, i: int) -> Self:
        """The entry signalled on candle i, at prices that the exchange takes: stops are never better than asked, what rests
        is never nearer to the market.
        """
        wanted = signals.orders
        asked = {name: NONE if wanted is None else wanted.value(name, i) for name in ORDER_COLUMNS}
        coded, own = int(signals.entry[i]), asked["size"]
        side = 1 if coded > 0 else -1
        for name, direction in {
            "entry_limit": -side,
            "entry_stop": side,
            **dict.fromkeys(TARGETS, side),
        }.items():
            asked[name] = exchange.price(asked[name], direction)
        return cls(
            signal=i,
            side=side,
            column=abs(coded) - 1,
            close=float(candles.close[i]),
            stop_loss=exchange.price(float(signals.stop_loss[i]), -side),
            take_profit=exchange.price(float(signals.take_profit[i]), side),
            asked=asked,
            fraction=min(costs.size if math.isnan(own) else own, ALMOST_ALL),
        )

    def count(self, name: str, default: int) -> int:
        """A whole number that was asked for, or the default."""
        value = self.asked[name]
        return default if math.isnan(value) else int(value)

    @property
    def limit(self) -> float:
        """The price of a limit order, NaN = it is none."""
        return self.asked["entry_limit"]

    @property
    def stop(self) -> float:
        """The price of a stop entry, NaN = it is none."""
        return self.asked["entry_stop"]

    @property
    def rests(self) -> bool:
        """Whether it waits for its price."""
        return not (math.isnan(self.limit) and math.isnan(self.stop))

    @property
    def price(self) -> float:
        """What stop, targets and risk are measured by: the order's price, for a market entry the signal's close."""
        if not self.rests:
            return self.close
        return self.stop if math.isnan(self.limit) else self.limit

    @property
    def targets(self) -> tuple[float, ...]:
        """The prices of the targets that were given, the nearest first."""
        return tuple(self.asked[name] for name in TARGETS if not math.isnan(self.asked[name]))

    def part(self, k: int) -> float:
        """The fraction that target k (from 0 on) takes."""
        given = self.asked[f"part_{k + 1}"]
        return 1 / len(self.targets) if math.isnan(given) else given

    def is_live(self, i: int) -> bool:
        """Whether it may fill on candle i."""
        return self.signal < i <= self.signal + self.count("entry_expiry", 1)


@dataclass(frozen=True, slots=True)
class Filled:
    """One fill. `units`: of 1e-8 coin, + enters, - leaves; `kind`: one of FILLS."""

    candle: int
    price: float
    units: float
    kind: str
    fee: float


@dataclass(slots=True)
class Position:
    """What is held, from its first fill on.

    `mean`: of the entries' prices; `wallet`: the margin (all of the notional where margin is off); `level`: of the stop, NaN
    = none; `moved`: whether anything moved it; `best`: the best price of completed candles.
    """

    order: Order
    entry: int
    how: str
    cash_before: float
    exchange: Exchange
    place: int  # of the candle it was entered on: `entry`, or a finer one inside that
    units: float = 0.0
    mean: float = 0.0
    wallet: float = 0.0
    level: float = NONE
    moved: bool = False
    best: float = NONE
    reached: int = 0  # targets
    whole: float = 0.0  # units held when the first target filled
    adds: int = 0
    gained: float = 0.0
    commission: float = 0.0
    slippage: float = 0.0
    funding: float = 0.0
    ambiguous: bool = False
    settled: bool = False  # finer candles told what a candle did not
    path: list[int] = field(default_factory=list)  # places of the candles, or finer ones, it was held on
    left_inside: bool = False  # its last candle, and not at its open or close
    fills: list[Filled] = field(default_factory=list)

    def twin(self) -> Position:
        """A copy that goes on by itself."""
        return replace(self, fills=list(self.fills), path=list(self.path))

    @property
    def side(self) -> int:
        """+1 long, -1 short."""
        return self.order.side

    def filled(self, fill: Filled, bare: float) -> None:
        """Note a fill, which without slippage were at `bare`."""
        self.commission += fill.fee
        self.slippage += abs(fill.units) * abs(fill.price - bare)
        self.fills.append(fill)

    def net_pnl(self, close: float) -> float:
        """What it made net of everything, in hundred-millionths; what is still held at that close."""
        marked = self.side * self.units * (close - self.mean)
        return self.gained + marked - self.commission - self.funding

    def entered_inside(self, i: int) -> bool:
        """Whether candle i is the one inside which it was entered: of that nobody knows what came before."""
        return self.place == i and self.how != AT_OPEN

    def begin(self, price: float) -> None:
        """Set stop and best from the first fill."""
        self.best = price
        self.level = self.order.stop_loss
        distance, delayed = self.order.asked["trail"], self.order.asked["trail_from"]
        if not math.isnan(distance) and math.isnan(delayed):
            self.tighten(price - self.side * distance)

    def tighten(self, level: float) -> None:
        """Move the stop there, at a price that the exchange takes, if that is nearer; never loosen it."""
        level = self.exchange.price(level, -self.side)
        if not math.isnan(level) and (math.isnan(self.level) or self.side * (level - self.level) > 0):
            self.level, self.moved = level, True

    def better(self, price: float) -> float:
        """The better for it of a price and the best so far."""
        return max(self.best, price) if self.side > 0 else min(self.best, price)

    def trailed(self, best: float) -> float:
        """Where the trail would have the stop at such a best price; NaN = nowhere."""
        distance, delayed = self.order.asked["trail"], self.order.asked["trail_from"]
        if math.isnan(distance):
            return NONE
        begun = math.isnan(delayed) or self.side * (best - (self.mean + self.side * delayed)) >= 0
        return self.exchange.price(best - self.side * distance, -self.side) if begun else NONE

    def move_stop(self, stop_now: float) -> None:
        """Trail, break-even and what the strategy asked for at the last close: before a candle that it did not enter on."""
        self.tighten(self.trailed(self.best))
        needed = self.order.asked["break_even"]
        if self.side * (self.best - (self.mean + self.side * needed)) >= 0:
            self.tighten(self.mean)
        self.tighten(stop_now)

    @property
    def stop_reason(self) -> str:
        """What its stop is called when it is touched."""
        return TRAILING_STOP if self.moved else STOP_LOSS

    def passes_stop(self, price: float) -> bool:
        """Whether that price is at or beyond the stop."""
        return self.side * (price - self.level) <= 0

    def reaches(self, price: float, goal: float) -> bool:
        """Whether that price is at or beyond a target."""
        return self.side * (price - goal) >= 0

    def is_read_two_ways(self, i: int, adverse: float, favourable: float, liquidated: bool) -> bool:
        """Whether candle i, with these extremes, could be read in another way than it is by default."""
        profit = self.order.take_profit
        goals = [
            goal
            for goal in self.order.targets[self.reached :]
            if not self.side * (profit - goal) < 0  # behind the take-profit nothing is left to sell
        ]
        reached = any(self.reaches(favourable, goal) for goal in (*goals, profit))
        stopped = self.passes_stop(adverse)
        if self.entered_inside(i):
            return stopped or reached
        trailed = self.trailed(self.better(favourable))
        nearer = math.isnan(self.level) or self.side * (trailed - self.level) > 0
        by_trail = nearer and self.side * (adverse - trailed) <= 0
        return ((stopped or liquidated) and reached) or by_trail

    def next_part(self) -> float:
        """Units that the next target takes: a share of what was held when the first one filled, the last takes the rest."""
        if self.reached == 0:
            self.whole = self.units
        self.reached += 1
        if self.reached == len(self.order.targets):
            return self.units
        part = self.whole * self.order.part(self.reached - 1) // 1
        return min(self.exchange.whole_steps(part), self.units)

    def liquidation_price(self, brackets: Brackets | None) -> float:
        """Where what is left would no longer keep the maintenance margin: of the one bracket that its notional there is in.

        NaN = nowhere. The first that ends above it, for where two meet rounding may put it in neither.
        """
        if brackets is None:
            return NONE
        ends = [*brackets.floor.tolist()[1:], math.inf]
        for k, (rate, cum) in enumerate(zip(brackets.rate.tolist(), brackets.cum.tolist(), strict=True)):
            owned = self.wallet + cum * UNITS - self.side * self.units * self.mean
            price = owned / (self.units * (rate - self.side))
            if self.units * price < ends[k] * UNITS:
                return price if price > 0 else NONE
        return NONE

    @property
    def bankruptcy_price(self) -> float:
        """Where nothing is left of the wallet."""
        return self.mean - self.side * self.wallet / self.units
