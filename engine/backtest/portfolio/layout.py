"""The legs of a portfolio laid one behind the other, as the compiled simulator reads them, and what it writes into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from engine.backtest.kernel.parts import TERM_AMOUNTS, TERM_PLACES
from engine.backtest.kernel.positions import FILL_AMOUNTS, FILL_PLACES, STATE
from engine.backtest.kernel.terms import Room, terms_record
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.backtest.portfolio.book import INVERSE_VOLATILITY, RANK, RISK, LegInput, PortfolioRules
from engine.backtest.slippage import impact_column
from engine.model.account import BLOCKED
from engine.model.market import Float64Array, Int64Array
from engine.model.orders import ORDER_COLUMNS
from engine.strategy import Signals

_NOTHING: Final = np.empty(0)
# columns of the two tables of requests
ASKS: Final = ("time", "leg", "why")
ASK_AMOUNTS: Final = ("requested", "filled")


def _record(amounts: str, numbers: str) -> np.dtype[Any]:
    names = [(name, "f8") for name in amounts.split()] + [(name, "i8") for name in numbers.split()]
    return np.dtype(names, align=True)


# What a leg is besides its STATE and TERMS. `first`, `last`: its candles; `at`: the last that has closed; `next`, `phase`:
# what happens to it next, to which candle; `floor`, `ceiling`: its brackets; `watched`: every close counts.
# Of what it asks for now: `asks`, `requested`, `rank`, `base`, `most`, `why`; `reserved` for an order on the open candle.
# `reduced`: the last candle at whose open it let go of what was beyond its weight; `made`: what it did to the wallet
LEG: Final = _record(
    "weight base most requested granted reserved rank made",
    "first last at next phase floor ceiling reverse watched timeframe asks why reduced",
)
# `money`, and `value`: with open profits at the last close; `close`: the next of all closes; `here`: legs that something
# happens to now; `refused`, `by`: an entry that cannot be, and whose
WALLET: Final = _record("money value shortfall", "close here asked over refused by")
# as PortfolioRules; `every`, `places`: 0 = not used, `band`: 0 = not used
RULES: Final = _record("band", "steady ranked places every began lookback margined detailed")


class Columns(NamedTuple):
    """All that is only read: columns over the candles of all legs (N,), by leg, or over the m closes; those that no leg
    needs have no rows.
    """

    opened: Any
    high: Any
    low: Any
    close: Any
    entry: Any
    exit_long: Any
    exit_short: Any
    stop_loss: Any
    take_profit: Any
    add: Any
    fixed: Any  # (legs, order columns)
    columns: Any  # (rows, N)
    rows: Any  # (legs, order columns)
    at_open: Any
    edge: Any
    inside: Any
    inside_paid: Any
    mark_open: Any
    mark_high: Any
    mark_low: Any
    floor: Any  # of all brackets
    rate: Any
    cum: Any
    impact: Any
    times: Any
    closes: Any
    rank: Any
    changes: Any
    weights: Any  # where they change with time, and are of the equity
    risks: Any  # where they change with time, and are what is lost at the stop
    ends: Any  # (m,)


class Books(NamedTuple):
    """All that is written."""

    rules: Any
    terms: Any
    states: Any
    legs: Any
    wallet: Any
    due: Any  # (legs,), when something happens next
    here: Any  # (legs,), those to whom it happens now
    order: Any  # (legs,), those that ask, as they are served
    equity: Any  # (m,)
    pnl: Any  # (legs, m)
    margin: Any
    exposure: Any
    places: Any
    amounts: Any
    fills: Any
    fill_amounts: Any
    blocked: Any  # (legs, BLOCKED)
    asks: Any
    ask_amounts: Any


Column = npt.NDArray[Any]


def _joined(parts: Sequence[Column]) -> Column:
    """One behind the other; of one leg the very same, where it is contiguous."""
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What does not change from one trial to the next: candles, markets and times of legs, in the order of their names.

    `starts`: (legs + 1,), where each leg's candles begin; `ends`: (m,), every close of any, ms.
    """

    starts: Int64Array
    prices: tuple[Column, ...]
    marks: tuple[Column, ...]
    funding: tuple[Column, ...]
    times: Int64Array
    closes: Int64Array
    ends: Int64Array

    @classmethod
    def of(cls, legs: Sequence[LegInput]) -> Self:
        """Of legs in the order of their names."""
        candles = [leg.candles for leg in legs]
        prices = tuple(
            _joined([getattr(c, name) for c in candles]) for name in ("open", "high", "low", "close")
        )
        closes = [leg.closes for leg in legs]
        markets = [leg.perpetual or Perpetual() for leg in legs]
        marks: tuple[Column, ...] = prices[:3]
        if any(market.mark is not None for market in markets):
            own = [m.mark or Mark(c.open, c.high, c.low) for m, c in zip(markets, candles, strict=True)]
            marks = tuple(_joined([getattr(mark, name) for mark in own]) for name in ("open", "high", "low"))
        funding: tuple[Column, ...] = (_NOTHING,) * 4
        if any(market.funding is not None for market in markets):
            paid = [
                m.funding or Funding(*[np.zeros(len(c))] * 4) for m, c in zip(markets, candles, strict=True)
            ]
            names = ("at_open", "edge", "inside", "inside_paid")
            funding = tuple(_joined([getattr(one, name) for one in paid]) for name in names)
        return cls(
            np.cumsum([0, *map(len, candles)], dtype=np.int64), prices, marks, funding,
            _joined([c.timestamp for c in candles]), _joined(closes), union(closes),
        )  # fmt: skip


def union(columns: Sequence[Int64Array]) -> Int64Array:
    """All times that are in any of them, each once; many legs have the same."""
    distinct: list[Int64Array] = []
    for column in columns:
        if not any(np.array_equal(column, other) for other in distinct):
            distinct.append(column)
    return distinct[0] if len(distinct) == 1 else np.unique(np.concatenate(distinct))


def lay(
    legs: Sequence[LegInput], signals: Sequence[Signals], rules: PortfolioRules, market: Market
) -> Columns:
    """What the simulator reads of legs in the order of their names. `signals`: of the sides that are entered."""
    wanted = {
        name: _joined([getattr(one, name) for one in signals])
        for name in ("entry", "exit_long", "exit_short", "stop_loss", "take_profit")
    }
    brackets = [leg.perpetual.brackets for leg in legs if leg.perpetual and leg.perpetual.brackets]
    tiers = [
        _joined([getattr(b, name) for b in brackets]) if brackets else _NOTHING
        for name in ("floor", "rate", "cum")
    ]
    impact = rank = weights = risks = _NOTHING
    if any(leg.costs.slips.by_volume for leg in legs):
        impact = np.concatenate([_impact(leg) for leg in legs])
    if any(leg.rank is not None for leg in legs):
        rank = np.concatenate([np.zeros(len(leg.candles)) if leg.rank is None else leg.rank for leg in legs])
    if rules.allocation == RISK:
        risks = _weights(legs)
    else:
        weights = _weights(legs)
    changes = _NOTHING
    if rules.allocation == INVERSE_VOLATILITY:
        changes = np.empty(len(market.prices[3]))
        np.log(market.prices[3][1:] / market.prices[3][:-1], out=changes[1:])
    laid = (
        *market.prices, *wanted.values(), *_orders(signals, market.starts), *market.funding, *market.marks, *tiers,
        impact, market.times, market.closes, rank.astype(np.float64), changes, weights, risks,
        market.ends,
    )  # fmt: skip
    return Columns._make(map(_read_only, laid))


def _read_only(column: Column) -> Column:
    """The kernel is compiled for columns that it cannot write."""
    view = column.view()
    view.flags.writeable = False
    return view


def _impact(leg: LegInput) -> Float64Array:
    slips = leg.costs.slips
    return impact_column(leg.candles, slips) if slips.by_volume else np.zeros(len(leg.candles))


def _weights(legs: Sequence[LegInput]) -> Float64Array:
    """Candle by candle, where that of any leg changes with time."""
    if all(leg.weights is None for leg in legs):
        return _NOTHING
    own = [np.full(len(leg.candles), leg.weight) if leg.weights is None else leg.weights for leg in legs]
    return np.concatenate(own).astype(np.float64)


def _orders(signals: Sequence[Signals], starts: Int64Array) -> tuple[Column, ...]:
    """(add, fixed, columns, rows): an order column has a row where any leg gives it candle by candle."""
    kinds, n = len(ORDER_COLUMNS), int(starts[-1])
    fixed = np.full((len(signals), kinds), np.nan)
    rows = np.full((len(signals), kinds), -1, dtype=np.int64)
    add = np.zeros(n, dtype=np.int16)
    given = [one.orders for one in signals]
    used = [k for k in range(kinds) if any(orders is not None and orders.rows[k] >= 0 for orders in given)]
    columns = np.empty((len(used), n))
    for leg, orders in enumerate(given):
        if orders is None:
            continue
        own = slice(starts[leg], starts[leg + 1])
        fixed[leg], add[own] = orders.fixed, orders.add
        for row, k in enumerate(used):
            if orders.rows[k] >= 0:
                rows[leg, k], columns[row, own] = row, orders.columns[orders.rows[k]]
    return add, fixed, columns, rows


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """What the simulator fills, and where the trades and fills of each leg begin in it, (legs + 1,)."""

    books: Books
    trades: Int64Array
    fills: Int64Array

    @classmethod
    def of(
        cls,
        legs: Sequence[LegInput],
        signals: Sequence[Signals],
        rules: PortfolioRules,
        market: Market,
        detailed: bool,
        reading: int,
    ) -> Self:
        """For all that these signals can make. Not `detailed`: no fills, no profits by leg."""
        n, m = len(legs), len(market.ends)
        entries = np.array([np.count_nonzero(one.entry) for one in signals], dtype=np.int64)
        adds = np.array([0 if one.orders is None else np.count_nonzero(one.orders.add) for one in signals])
        weighed = _times_weighed(legs, rules)
        trades = np.concatenate(([0], np.cumsum(entries)))
        fills = np.concatenate(([0], np.cumsum(entries * 5 + adds + weighed)))
        told, asks = (int(fills[-1]), int((entries + adds + weighed).sum())) if detailed else (0, 0)
        states = np.zeros(n, dtype=STATE)
        states["trades"], states["fills"] = trades[:-1], fills[:-1]
        books = Books(
            rules=_rules(rules, legs, market, detailed),
            terms=np.concatenate([_terms(leg, rules, detailed, reading) for leg in legs]),
            states=states,
            legs=_legs(legs, rules, market),
            wallet=np.zeros(1, dtype=WALLET),
            due=np.zeros(n, dtype=np.int64),
            here=np.zeros(n, dtype=np.int64),
            order=np.zeros(n, dtype=np.int64),
            equity=np.empty(m),
            pnl=np.empty((n, m) if detailed else (0, 0)),
            margin=np.empty(m if detailed else 0),
            exposure=np.empty(m if detailed else 0),
            places=np.empty((len(TERM_PLACES), trades[-1]), dtype=np.int64),
            amounts=np.empty((len(TERM_AMOUNTS), trades[-1])),
            fills=np.empty((len(FILL_PLACES), told), dtype=np.int64),
            fill_amounts=np.empty((len(FILL_AMOUNTS), told)),
            blocked=np.zeros((n, len(BLOCKED)), dtype=np.int64),
            asks=np.empty((len(ASKS), asks), dtype=np.int64),
            ask_amounts=np.empty((len(ASK_AMOUNTS), asks)),
        )
        return cls(books, trades, fills)

    def room(self, k: int, first: int) -> Room:
        """What was written of leg k, whose candles begin at `first`, as of a run of its own."""
        books, own = self.books, slice(self.trades[k], self.trades[k + 1])
        state = books.states[k : k + 1].copy()
        state["trades"] -= self.trades[k]
        state["fills"] -= self.fills[k]
        places, fills = books.places[:, own].copy(), books.fills[:, self.fills[k] : self.fills[k + 1]].copy()
        places[1:3] -= first
        if len(fills[0]):
            fills[0] -= self.trades[k]
            fills[1] -= first
        amounts = books.fill_amounts[:, self.fills[k] : self.fills[k + 1]]
        return Room(places, books.amounts[:, own], fills, amounts, state, books.blocked[k])


def _times_weighed(legs: Sequence[LegInput], rules: PortfolioRules) -> Int64Array:
    """How often the weight of each leg may be brought back."""
    if rules.band is not None:
        return np.array([len(leg.candles) for leg in legs], dtype=np.int64)
    if rules.rebalance_ms is None:
        return np.zeros(len(legs), dtype=np.int64)
    began, ended = (pick(pick(leg.candles.timestamp[[0, -1]]) for leg in legs) for pick in (min, max))
    due = int(ended - began) // rules.rebalance_ms + 1
    return np.array([min(len(leg.candles), due) for leg in legs], dtype=np.int64)


def _rules(
    rules: PortfolioRules, legs: Sequence[LegInput], market: Market, detailed: bool
) -> npt.NDArray[Any]:
    values = {
        "band": rules.band or 0.0,
        "steady": rules.allocation == INVERSE_VOLATILITY,
        "ranked": rules.contention == RANK,
        "places": rules.max_open or 0,
        "every": rules.rebalance_ms or 0,
        "began": market.times[market.starts[:-1]].min(),
        "lookback": rules.lookback,
        "margined": legs[0].costs.leverage is not None,
        "detailed": detailed,
    }
    return np.array([tuple(values[name] for name in RULES.names or ())], dtype=RULES)


def _terms(leg: LegInput, rules: PortfolioRules, detailed: bool, reading: int) -> npt.NDArray[Any]:
    costs = replace(leg.costs, cash=rules.cash)
    terms = terms_record(costs, leg.perpetual, reading, detailed, leg.timeframe_ms, False)
    if rules.allocation == RISK:
        terms["risk"] = leg.weight
    return terms


def _legs(legs: Sequence[LegInput], rules: PortfolioRules, market: Market) -> npt.NDArray[Any]:
    told = np.zeros(len(legs), dtype=LEG)
    tiers = [
        0 if leg.perpetual is None or leg.perpetual.brackets is None else len(leg.perpetual.brackets.floor)
        for leg in legs
    ]
    told["weight"] = 1.0 if rules.allocation == RISK else [leg.weight for leg in legs]
    told["first"], told["last"] = market.starts[:-1], market.starts[1:] - 1
    told["at"] = told["first"] - 1
    told["floor"], told["ceiling"] = np.cumsum(tiers) - tiers, np.cumsum(tiers)
    told["reverse"] = [leg.reverse for leg in legs]
    told["timeframe"] = [leg.timeframe_ms for leg in legs]
    told["watched"] = [
        leg.costs.protect.daily_loss is not None or leg.costs.protect.max_drawdown is not None for leg in legs
    ]
    return told
