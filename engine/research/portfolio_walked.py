"""The other thing that a walk-forward walks: the legs of a portfolio, whose stitched result is a portfolio with windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.model.combinations import Combinations
from engine.model.market import Candles, Market, Period
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_result import PortfolioResult
from engine.model.walk_forward import Window
from engine.model.window_params import WindowParams
from engine.parallel.portfolio_tasks import PortfolioWindowTrialsTask
from engine.research.portfolio_subject import PortfolioGround
from engine.research.walked import Spans, Stitched, positions
from engine.research.window_figures import Account

# plays and stores one whose windows were chosen from so many trials
MakePortfolio = Callable[[PortfolioSpec, int], PortfolioResult]


@dataclass(frozen=True, slots=True)
class PortfolioWalked:
    """The legs of a portfolio on one wallet."""

    ground: PortfolioGround
    make_portfolio: MakePortfolio

    @property
    def market(self) -> Market:
        """Of `Walked`."""
        return self.ground.planned.runs[0].market

    def spans(self, windows: Sequence[Window]) -> Spans:
        """Of `Walked`: in ms; a leg may have no candle in one of them, some leg has."""
        times = np.unique(
            np.concatenate([one.candles.within(one.period).timestamp for one in self.ground.loaded])
        )
        found = []
        for window in windows:
            for part in (window.train, window.test):
                positions(times, part)
                found.append((part.start, part.end))
        return found

    def task(
        self, sweep: str, combinations: Combinations, spans: Spans, figures: Sequence[str], memory_bytes: int
    ) -> PortfolioWindowTrialsTask:
        """Of `Walked`."""
        return PortfolioWindowTrialsTask(
            sweep=sweep,
            legs=self.ground.legs,
            rules=self.ground.planned.spec.rules,
            combinations=combinations,
            memory_bytes=memory_bytes,
            spans=spans,
            figures=figures,
        )

    def stitched(self, ruling: Sequence[WindowParams], period: Period, chosen_from: int) -> Stitched | str:
        """Of `Walked`: a portfolio whose windows say what was chosen."""
        spec = replace(self.ground.planned.spec, period=period, windows=tuple(ruling))
        made = self.make_portfolio(spec, chosen_from)
        if made.series is None:
            return f"the stitched portfolio failed: {made.error}"
        hold = made.series.columns["hold"]
        before = np.concatenate(([spec.cash], hold[:-1]))
        basket = Candles(
            made.series.time, before, np.maximum(before, hold), np.minimum(before, hold), hold, hold * 0.0
        )
        trades = [trade for _, trade in made.trades]
        charged = made.metrics.get("funding") is not None
        costs = replace(spec.legs[0].costs, cash=spec.cash)
        equity = made.series.columns["equity"]
        account = Account(basket, equity, trades, costs, made.timeframe, charged)
        return Stitched(account, portfolio=made)
