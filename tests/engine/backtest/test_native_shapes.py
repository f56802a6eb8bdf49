"""Strategies as people write them for backtesting.py: the program runs them as the library by itself does."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtesting import Backtest, Strategy
from backtesting.lib import FractionalBacktest
from hypothesis import given
from hypothesis import strategies as st

from engine.backtest.library.native import NativeRun, native_settings, play_native
from engine.model.account import Costs
from engine.model.market import Candles
from tests.engine.backtest import native_fractions, native_habits  # noqa: F401 - they join the lists
from tests.engine.backtest import native_shapes as shapes
from tests.engine.backtest.playing import near
from tests.support.builders import random_candles, real_candles

COSTS = Costs(cash=10_000.0, commission=0.001)
MARKETS = {"calm": random_candles(700, 5, volatility=0.004), "wild": random_candles(700, 8, volatility=0.012)}


def alone(candles: Candles, strategy: type, kind: Any = Backtest, **costs: float) -> tuple[Any, list[str]]:
    """(statistics of the library by itself, its warnings), with the settings that the class states."""
    frame = candles.frame().tz_localize(None).rename(columns=str.title)
    costs = {"cash": COSTS.cash, "commission": COSTS.commission} | costs
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stats = kind(frame, strategy, **costs, **native_settings(strategy)).run()
    return stats, [str(one.message) for one in said]


def closed(run: NativeRun) -> pd.DataFrame:
    """Our closed trades under the library's names."""
    table = run.outcome.table
    columns = {
        "Size": table.side * table.size,
        "EntryBar": table.entry,
        "ExitBar": table.exit,
        "EntryPrice": table.entry_price,
        "ExitPrice": table.exit_price,
        "PnL": table.pnl,
    }
    return pd.DataFrame(columns)[~table.is_open]


def in_order(trades: pd.DataFrame) -> pd.DataFrame:
    keys = ["EntryBar", "ExitBar", "EntryPrice", "ExitPrice", "PnL"]
    return trades.sort_values(keys)[["Size", *keys]].reset_index(drop=True).astype(float)


@pytest.mark.parametrize("market", ["wild", pytest.param("calm", marks=pytest.mark.long)])
@pytest.mark.parametrize("strategy", shapes.WHOLE, ids=lambda kind: kind.__name__)
def test_whole_coins_are_traded_as_the_library_does_to_the_last_bit(strategy: type, market: str) -> None:
    candles = MARKETS[market]
    theirs, said = alone(candles, strategy)
    run = play_native(candles, strategy, {}, COSTS)
    assert run.outcome.equity.tolist() == theirs["_equity_curve"]["Equity"].tolist()
    assert in_order(closed(run)).equals(in_order(theirs["_trades"]))
    assert len(closed(run)) > 2
    assert run.cancelled == sum("canceled" in text for text in said)
    assert run.late == sum("contingent SL/TP" in text for text in said)
    assert run.outcome.table.is_open.sum() == len(theirs["_strategy"].trades)


@pytest.mark.long_except(
    "AllIn-calm",
    "Rebalances-wild",
    "ClosesByPortions-calm",
    "TrailedFraction-wild",
    "SignalledFractions-calm",
    "TurnsByTwice-wild",
)
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("strategy", shapes.PARTS, ids=lambda kind: kind.__name__)
def test_parts_of_coins_are_traded_as_the_library_does_in_its_smallest_unit(
    strategy: type, market: str
) -> None:
    same_as_fractional(MARKETS[market], strategy, least=3)


@pytest.mark.long_except(
    "AllIn-spot-SHIBUSDT-1h",
    "ClosesByPortions-usdm-BTCUSDT-1h-20231201",
    "Rebalances-spot-SHIBUSDT-1h",
    "SellsTheSmallest-spot-SHIBUSDT-1h",
    "TrailedFraction-usdm-BTCUSDT-1h-20231201",
    "SignalledFractions-spot-SHIBUSDT-1h",
)
@pytest.mark.parametrize("name", ["usdm-BTCUSDT-1h-20231201", "spot-SHIBUSDT-1h"])
@pytest.mark.parametrize("strategy", shapes.PARTS, ids=lambda kind: kind.__name__)
def test_so_are_real_coins_of_sixty_thousand_dollars_and_of_a_thousandth_cent(
    strategy: type, name: str
) -> None:
    candles = real_candles(name)
    same_as_fractional(candles.slice(-1200, None), strategy, least=1)


def same_as_fractional(candles: Candles, strategy: type, least: int) -> None:
    theirs, said = alone(candles, strategy, FractionalBacktest)
    run = play_native(candles, strategy, {}, COSTS)
    expected = theirs["_equity_curve"]["Equity"].to_numpy()
    assert np.abs(run.outcome.equity - expected).max() <= 1e-9 * max(COSTS.cash, expected.max())
    ours, theirs = in_order(closed(run)), in_order(theirs["_trades"])
    assert len(ours) == len(theirs) >= least
    assert ours[["EntryBar", "ExitBar"]].equals(theirs[["EntryBar", "ExitBar"]])
    for price in ("EntryPrice", "ExitPrice"):
        assert ours[price].tolist() == near(theirs[price].tolist(), rel=1e-9)
    assert ours["Size"].tolist() == near(theirs["Size"].tolist(), rel=1e-9, abs=1.01e-8)
    assert run.cancelled == sum("canceled" in text for text in said)


@pytest.mark.parametrize("strategy", [*shapes.WHOLE, *shapes.PARTS], ids=lambda kind: kind.__name__)
def test_what_an_account_gains_is_what_its_trades_gain(strategy: type) -> None:
    run = play_native(MARKETS["wild"], strategy, {}, Costs(cash=9_000.0, commission=0.002, slippage=0.001))
    gained = run.outcome.equity[-1] - 9_000.0 - run.moved - run.outcome.shortfall
    assert gained == near(float(run.outcome.table.pnl.sum()), abs=1e-9 * 9_000)
    assert (run.moved != 0) == (strategy is native_habits.Deposits)


Act = tuple[int, str, int, float, float]


class Scripted(Strategy):  # type: ignore[misc]
    """Does what a script says: (candle, what, coins, one distance, another)."""

    script: Any = ()

    def init(self) -> None:
        self.acts: dict[int, list[Act]] = {}
        for act in self.script:
            self.acts.setdefault(act[0], []).append(act)

    def next(self) -> None:
        for _, what, coins, near_by, far in self.acts.get(len(self.data) - 1, ()):
            self.act(what, coins, near_by, far)

    def act(self, what: str, coins: int, near_by: float, far: float) -> None:
        close = self.data.Close[-1]
        side = 1 if coins > 0 else -1
        order = self.buy if coins > 0 else self.sell
        prices: dict[str, Any] = {
            "market": {},
            "bracket": {"sl": close * (1 - side * far), "tp": close * (1 + side * far)},
            "limit": {"limit": close * (1 - side * near_by), "tp": close * (1 + side * far)},
            "stop": {"stop": close * (1 + side * near_by), "sl": close * (1 - side * far)},
            "both": {"stop": close * (1 + side * near_by), "limit": close * (1 + side * 2 * near_by)},
        }
        if what in prices:
            order(size=abs(coins), **prices[what])
        elif what == "close":
            self.position.close()
        elif what == "cancel":
            for waiting in self.orders:
                waiting.cancel()
        elif self.trades:
            trade = self.trades[-1]
            setattr(trade, what, close * (1 - (1 if (what == "sl") == trade.is_long else -1) * near_by))


WHAT = st.sampled_from(("market", "bracket", "limit", "stop", "both", "close", "cancel", "sl", "tp"))
COINS = st.integers(-30, 30).filter(bool)
ACTS = st.tuples(
    st.integers(1, 58), WHAT, COINS, st.sampled_from((0.0, 0.004, 0.02)), st.sampled_from((0.03, 0.1))
)


@pytest.mark.long
@given(
    st.lists(ACTS, min_size=1, max_size=25),
    st.integers(0, 10_000),
    st.sampled_from((0.005, 0.03)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_any_orders_in_whole_coins_are_the_library_s_to_the_last_bit(
    script: list[Act], seed: int, volatility: float, stated: tuple[bool, bool, bool]
) -> None:
    names = ("exclusive_orders", "hedging", "trade_on_close")
    kind = type("Stated", (Scripted,), {"script": script, **dict(zip(names, stated, strict=True))})
    candles = random_candles(60, seed, volatility=volatility)
    costs = Costs(cash=4_000.0, commission=0.001)
    try:
        theirs, said = alone(candles, kind, cash=costs.cash)
    except (ValueError, AssertionError) as error:  # a stop on the wrong side, an order cancelled twice
        with pytest.raises(type(error)):
            play_native(candles, kind, {}, costs)
        return
    run = play_native(candles, kind, {}, costs)
    assert run.outcome.equity.tolist() == theirs["_equity_curve"]["Equity"].tolist()
    assert run.cancelled == sum("canceled" in text for text in said)
    if run.outcome.equity[-1]:  # the library leaves trades of a ruined account open
        assert in_order(closed(run)).equals(in_order(theirs["_trades"]))
