"""What a backtesting.Strategy has of a run's terms: funding, leverage as the library's margin; what it has not is said."""

from typing import Any

import numpy as np
import pytest

from engine.backtest.library.native import NativeRun, play_native
from engine.backtest.perpetual import Funding, Perpetual
from engine.model.account import Costs, Protections
from tests.engine.backtest.playing import near
from tests.engine.backtest.terms_playing import funding_of
from tests.engine.backtest.test_native import Scripted
from tests.support.builders import candles_from, random_candles

FLAT = [(100,) * 4] * 6


def played(script: Any, rows: Any = FLAT, funding: Any = None, stated: Any = None, **costs: Any) -> NativeRun:
    """A run of 1000 without costs in which the script decides at each close."""
    kind = type("Stated", (Scripted,), stated or {})
    market = None if funding is None else Perpetual(funding_of(len(rows), funding))
    given = Costs(**({"cash": 1000.0, "commission": 0.0} | costs))
    return play_native(candles_from(rows), kind, {"script": script}, given, perpetual=market)


def doing(**at: Any) -> Any:
    """A script that does `buy=1` and the like: what at the close of which candle, its size."""

    def script(self: Any, i: int) -> None:
        for what, (candle, given) in at.items():
            if candle == i:
                self.position.close(given) if what == "close" else getattr(self, what)(**given)

    return script


def test_funding_is_charged_before_orders_and_shared_by_the_parts_of_a_position() -> None:
    seen: list[float] = []

    def script(self: Any, i: int) -> None:
        seen.append(self.equity)
        if i == 1:
            self.buy(size=4)
        if i == 3:
            self.position.close(0.25)

    settled = {"at_open": {2: 9.0, 3: 1.0, 4: 2.0, 5: 0.5}, "inside": {3: -0.25}}
    run = played(script, funding=settled)
    outcome = run.outcome
    left, held = sorted(outcome.trades, key=lambda trade: trade.size)
    assert (left.size, left.funding, left.pnl) == (1, near(1 + 2 - 0.25), near(-2.75))
    assert (held.size, held.funding) == (3, near(3 * 3.25))
    assert outcome.equity.tolist() == near([1000, 1000, 1000, 997, 989, 987.5])
    assert seen == near([1000, 1000, 997, 989, 987.5])  # candle 0 is not asked about
    assert outcome.terms is not None
    assert outcome.terms.funding_edge == near(4 * 9.0 - 1 * 2.0)
    assert run.moved == 0


def test_what_left_inside_a_candle_pays_the_costs_of_its_settlements_and_receives_nothing() -> None:
    rows = [*FLAT[:2], (100, 101, 89, 95), *FLAT[:1]]
    settled = {"inside": {2: 0.5}, "inside_paid": {2: 2.0}}  # costs of 2, of which 1.5 are received again
    long = played(doing(buy=(1, {"size": 3, "sl": 90})), rows, settled).outcome.trades[0]
    assert (long.exit_reason, long.funding) == ("stop_loss", near(3 * 2.0))
    short = played(doing(sell=(1, {"size": 3, "tp": 90})), rows, settled).outcome.trades[0]
    assert (short.exit_reason, short.funding) == ("take_profit", near(3 * 1.5))


def test_a_fill_at_the_close_comes_after_the_settlement_of_that_instant() -> None:
    settled = {"at_open": {2: 1.0, 3: 2.0, 4: 4.0}}
    script = doing(buy=(1, {"size": 1}), close=(3, 1.0))
    run = played(script, funding=settled, stated={"trade_on_close": True})
    assert run.outcome.trades[0].funding == near(2.0 + 4.0)


def test_leverage_is_the_librarys_margin_and_the_run_says_that_nothing_is_liquidated() -> None:
    rows = [*FLAT[:3], (100, 100, 70, 99), *FLAT[:1]]
    run = played(doing(buy=(1, {"size": 40})), rows, leverage=5)
    (trade,) = run.outcome.trades
    assert (trade.size, trade.exit_reason, run.cancelled) == (40, "open", 0)  # -30 % of five times the cash
    note = run.orders_check()["note"]
    assert note.startswith(
        "leverage 5 without liquidation: it ends only where the account is ruined at a close"
    )
    assert note.endswith("margin=0.2")
    assert played(doing(buy=(1, {"size": 40})), rows).cancelled == 1


def test_a_stated_margin_is_used_and_overridden() -> None:
    script = doing(buy=(1, {"size": 40}))
    assert played(script, stated={"margin": 0.25}).cancelled == 0
    assert played(script, stated={"margin": 0.25}, leverage=2).cancelled == 1


def test_terms_that_the_library_does_not_know_are_said() -> None:
    run = played(doing(), maker=0.0002, side="long", protect=Protections(cooldown=3))
    assert run.orders_check()["note"].startswith(
        "not used by a strategy of backtesting.py: the commission of orders that rested, side long, protections; "
    )


@pytest.mark.long
def test_money_is_conserved_with_funding_and_leverage() -> None:
    def script(self: Any, i: int) -> None:
        if i % 7 == 0:
            self.buy(size=0.3, sl=self.data.Close[-1] * 0.97)
        elif i % 11 == 0:
            self.sell(size=0.4, tp=self.data.Close[-1] * 0.98)
        elif i % 5 == 0:
            self.position.close(0.5)

    candles, rng = random_candles(500, 3), np.random.default_rng(3)
    inside = rng.normal(0, 0.05, 500)
    edge = rng.normal(0, 0.1, 500)
    market = Perpetual(Funding(edge, edge, inside, np.maximum(inside, 0.0)))
    costs = Costs(cash=1e6, commission=0.0005, slippage=0.0002, leverage=3)
    run = play_native(candles, Scripted, {"script": script}, costs, perpetual=market)
    assert len(run.outcome.table) > 100
    assert run.outcome.table.funding is not None
    assert np.abs(run.outcome.table.funding).sum() > 1
    assert run.outcome.equity[-1] - 1e6 == near(float(run.outcome.table.pnl.sum()))
    assert run.moved == 0
