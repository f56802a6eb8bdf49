"""The compiled portfolio simulator as it is called: many legs on one wallet, equal to the plain one (tested)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from engine.backtest.kernel.terms import kernel_for
from engine.backtest.outcome import Outcome
from engine.backtest.portfolio.book import LegInput, PortfolioOutcome, PortfolioRules, RequestTable
from engine.backtest.portfolio.checks import check_portfolio
from engine.backtest.portfolio.layout import Columns, Market, Space, lay
from engine.backtest.portfolio.wallet import play
from engine.backtest.rules import DEFAULT, UNITS, check_stops
from engine.errors import RunError
from engine.model.market import Float64Array, Int64Array
from engine.strategy import Signals


def run_portfolio(
    legs: Sequence[LegInput], rules: PortfolioRules, reading: int = DEFAULT
) -> PortfolioOutcome:
    """Play the legs on one wallet. `reading`: how candles that could be read two ways are read. Raises InputError where they
    are no portfolio, RunError naming the leg and the candle of an entry that cannot be.
    """
    check_portfolio(legs, rules)
    played = _Played.of(legs, rules, None, True, reading)
    return played.outcome(legs)


def run_portfolio_trades(
    legs: Sequence[LegInput], rules: PortfolioRules, market: Market
) -> tuple[Float64Array, Int64Array, Float64Array]:
    """(equity at each close in units of money (m,); places (len(TERM_PLACES), k) and amounts (len(TERM_AMOUNTS), k) of all
    trades, leg by leg in the order of names): `run_portfolio` without fills and requests, for trials. Entries and exits
    count the candles of all legs, one leg behind the other. `market`: of these legs by name, laid before. Raises the same.
    """
    check_portfolio(legs, rules)
    played = _Played.of(legs, rules, market, False, DEFAULT)
    space = played.space
    ended = space.books.states["trades"].tolist()
    rows = np.concatenate([np.arange(*own) for own in zip(space.trades.tolist(), ended, strict=False)])
    return space.books.equity, space.books.places[:, rows], space.books.amounts[:, rows]


def market_of(legs: Sequence[LegInput]) -> Market:
    """What `run_portfolio_trades` is given of legs that are played again and again with other signals."""
    return Market.of(_by_name(legs))


def _by_name(legs: Sequence[LegInput]) -> list[LegInput]:
    return sorted(legs, key=lambda leg: leg.name)


@dataclass(frozen=True, slots=True, eq=False)
class _Played:
    """Legs by name, their signals of the sides that are entered, and what became of them."""

    legs: list[LegInput]
    rules: PortfolioRules
    signals: list[Signals]
    market: Market
    columns: Columns
    space: Space

    @classmethod
    def of(
        cls,
        given: Sequence[LegInput],
        rules: PortfolioRules,
        market: Market | None,
        detailed: bool,
        reading: int,
    ) -> Self:
        """Play them; raises RunError where an entry asks for what cannot be."""
        legs = _by_name(given)
        signals = [leg.signals.only(leg.costs.side, leg.reverse) for leg in legs]
        market = market or Market.of(legs)
        columns = lay(legs, signals, rules, market)
        space = Space.of(legs, signals, rules, market, detailed, reading)
        play(columns, space.books)
        wallet = space.books.wallet[0]
        if wallet["refused"] >= 0:
            k = int(wallet["by"])
            try:
                check_stops(legs[k].candles, signals[k], int(wallet["refused"] - market.starts[k]))
            except RunError as error:
                raise RunError(f"leg {legs[k].name}: {error}") from error
            raise AssertionError("the kernel refused what the rules allow")
        return cls(legs, rules, signals, market, columns, space)

    def outcome(self, given: Sequence[LegInput]) -> PortfolioOutcome:
        """In the order in which the legs were given."""
        books, place = self.space.books, {leg.name: k for k, leg in enumerate(self.legs)}
        columns = [place[leg.name] for leg in given]
        pnl = (books.pnl if columns == sorted(columns) else books.pnl[columns]) / UNITS
        told = tuple(self._leg(k, pnl[n]) for n, k in enumerate(columns))
        return PortfolioOutcome(
            self.columns.ends, books.equity / UNITS, pnl.T, books.margin / UNITS, books.exposure / UNITS, told,
            self._requests(columns), float(books.wallet[0]["shortfall"]) / UNITS,
        )  # fmt: skip

    def _leg(self, k: int, pnl: Float64Array) -> Outcome:
        """As a run of its own has it: on plain terms without fills, unless a part of it was let go or bought."""
        leg, first, ends = self.legs[k], int(self.market.starts[k]), self.market.ends
        closes = self.market.closes[first : int(self.market.starts[k + 1])]
        own = pnl if len(closes) == len(ends) else pnl[np.searchsorted(ends, closes)]
        equity = self.rules.cash + own
        charged = leg.perpetual is not None and leg.perpetual.funding is not None
        room = self.space.room(k, first)
        outcome, _ = room.outcome(leg.candles, leg.signals.names, charged, equity, 0.0)
        weighs = self.rules.rebalance_ms is not None or self.rules.band is not None
        if weighs or kernel_for(self.signals[k], leg.costs, leg.perpetual) is not None:
            return outcome
        return replace(outcome, fills=None, terms=None)

    def _requests(self, columns: list[int]) -> RequestTable:
        books = self.space.books
        count = int(books.wallet[0]["asked"])
        time, leg, why = books.asks[:, :count]
        requested, filled = books.ask_amounts[:, :count] / UNITS
        order = np.lexsort((leg, time))
        given = np.argsort(np.array(columns))
        return RequestTable(time[order], given[leg[order]], requested[order], filled[order], why[order])
