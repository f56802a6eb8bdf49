"""Both engines against the rules written down once more: a plain loop without orders, brokers or libraries.

Equal means what semantics section 7 says: same trades; prices within 1e-9; sizes within one unit of 1e-8 coin.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from engine.backtest.evaluation import evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.outcome import Outcome
from engine.loader import load_strategy
from engine.model.account import Costs
from engine.model.market import Candles, Period
from engine.strategy import Signals
from tests.engine.backtest.playing import near, run_both
from tests.engine.backtest.test_properties import scenes
from tests.support.builders import real_candles, signals_for
from tests.support.examples import examples
from tests.support.longer import longer_built

STRATEGIES = Path(__file__).parents[3] / "strategies"


class Loop:
    """One account, one position; every rule of semantics sections 3 to 5 where it is needed."""

    def __init__(self, candles: Candles, signals: Signals, costs: Costs, reverse: bool) -> None:
        self.candles, self.signals, self.costs, self.reverse = candles, signals, costs, reverse
        self.cash = costs.cash
        self.side = self.size = self.entry = self.price = 0.0
        self.stop = self.target = math.nan
        self.signal = ""
        self.trades: list[tuple[Any, ...]] = []
        self.equity: list[float] = []
        self.run()

    def run(self) -> None:
        leaving, entering = "", 0
        for i in range(len(self.candles)):
            opened = float(self.candles.open[i])
            if leaving:
                self.close(i, opened, leaving)
            if entering:
                self.open(i, opened, entering)
            if self.side:
                self.watch(i, opened)
            close = float(self.candles.close[i])
            value = self.cash + self.side * self.size * (close - self.price)
            if value <= 0:
                if self.side:
                    self.close(i, close, "ruin")
                self.equity += [0.0] * (len(self.candles) - i)
                return
            self.equity.append(value)
            leaving, entering = self.decide(i) if i < len(self.candles) - 1 else ("", 0)
        if self.side:
            self.write(len(self.candles) - 1, float(self.candles.close[-1]), "open")

    def decide(self, i: int) -> tuple[str, int]:
        wanted = int(self.signals.entry[i])
        if not self.side:
            return "", wanted
        if self.reverse and wanted * self.side < 0:
            return "reverse", wanted
        if self.side > 0:
            return ("exit_long" if self.signals.exit_long[i] else ""), 0
        return ("exit_short" if self.signals.exit_short[i] else ""), 0

    def open(self, i: int, opened: float, wanted: int) -> None:
        side = 1 if wanted > 0 else -1
        fill = opened * (1 + side * self.costs.slippage)
        budget = max(0.0, self.cash) * min(self.costs.size, 1 - 2**-52)
        units = math.floor(budget * 1e8 / (fill + self.costs.commission * opened))
        if units < 1:
            return
        self.side, self.size, self.entry, self.price = side, units / 1e8, i, fill
        self.stop, self.target = (float(p[i - 1]) for p in (self.signals.stop_loss, self.signals.take_profit))
        self.signal = self.signals.names[abs(wanted) - 1]
        self.cash -= self.size * fill * self.costs.commission

    def watch(self, i: int, opened: float) -> None:
        """Stop and target of a long; a short sees everything mirrored."""
        side = self.side
        worst, best = (self.candles.low[i], self.candles.high[i])[:: int(side)]
        if side * (opened - self.stop) <= 0:
            self.close(i, opened, "stop_loss")
        elif side * (opened - self.target) >= 0:
            self.close(i, opened, "take_profit")
        elif side * (worst - self.stop) <= 0:
            self.close(i, self.stop, "stop_loss")
        elif side * (best - self.target) >= 0:
            self.close(i, self.target, "take_profit")

    def close(self, i: int, price: float, reason: str) -> None:
        self.write(i, price * (1 - self.side * self.costs.slippage), reason)
        self.side = 0

    def write(self, i: int, price: float, reason: str) -> None:
        paid = self.size * self.costs.commission * self.price
        leaving = 0.0 if reason == "open" else self.size * self.costs.commission * price
        gross = self.side * self.size * (price - self.price)
        self.cash += gross - leaving
        self.trades.append(
            (
                self.side,
                self.size,
                self.entry,
                self.price,
                i,
                price,
                gross - paid - leaving,
                self.signal,
                reason,
            )
        )


def assert_equal(candles: Candles, outcome: Outcome, loop: Loop, cash: float) -> None:
    assert len(outcome.trades) == len(loop.trades)
    for trade, (side, size, entry, price, left, exit_price, pnl, signal, reason) in zip(
        outcome.trades, loop.trades, strict=True
    ):
        assert (trade.side, trade.entry_signal, trade.exit_reason) == (
            "long" if side > 0 else "short",
            signal,
            reason,
        )
        assert (trade.entry_time, trade.exit_time) == (candles.timestamp[entry], candles.timestamp[left])
        assert (trade.entry_price, trade.exit_price) == (near(price, rel=1e-9), near(exit_price, rel=1e-9))
        assert trade.size == near(size, rel=1e-9, abs=1.01e-8)
        assert trade.pnl == near(pnl, abs=1e-9 * size * price + (price + exit_price) * 1.01e-8)
        assert trade.candles == left - entry
    # one unit of size more or less moves the money by a price times 1e-8 per trade
    slack = 1e-9 * max(cash, float(outcome.equity.max())) + 1e-7 * float(candles.high.max()) * (
        1 + len(loop.trades)
    )
    np.testing.assert_allclose(outcome.equity, loop.equity, rtol=0, atol=slack)


@pytest.mark.long
@given(scenes())
@settings(max_examples=examples(150), deadline=None)
def test_any_scene_gives_the_trades_of_the_plain_loop(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool],
) -> None:
    candles, columns, costs, reverse = scene
    signals = signals_for(candles, columns)
    assert_equal(
        candles,
        run_both(candles, signals, costs, reverse),
        Loop(candles, signals, costs, reverse),
        costs.cash,
    )


# the plain loop knows market entries with one stop and target; the others have the plain simulator
WITH_ORDERS = ("dip_ladder", "limit_pullback", "stop_breakout")
PLAIN = [path for path in sorted(STRATEGIES.glob("[a-z]*.py")) if path.stem not in WITH_ORDERS]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_the_bundled_strategies_give_the_trades_of_the_plain_loop_on_real_solusdt(path: Path) -> None:
    strategy = load_strategy(path)()
    whole = real_candles("usdm-SOLUSDT-1h-20231201-20241204")
    held = int(np.searchsorted(whole.timestamp, Period.parse("2024-01-01", "2024-06-30").start))
    with longer_built(strategy, whole):
        signals = evaluate(strategy, path, CandleFrame(whole)).signals.slice(held, held + 4368)
    candles, costs = whole.slice(held, held + 4368), Costs(slippage=0.0005)
    outcome = run_both(candles, signals, costs, strategy.reverse)
    assert_equal(candles, outcome, Loop(candles, signals, costs, strategy.reverse), costs.cash)
    assert outcome.trades
