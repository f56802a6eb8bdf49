"""SOL, BTC, ETH and ADA of 2024, hour by hour, on one wallet: both simulators, and figures that stay."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.portfolio.compiled import run_portfolio
from engine.indicators import ema
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Candles
from engine.strategy import Signals
from tests.engine.backtest.playing import near
from tests.engine.backtest.portfolio.worlds import World
from tests.support.builders import START_MS, real_candles

SYMBOLS = ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
END_MS = 1_719_792_000_000  # 2024-07-01


def half_a_year(symbol: str) -> Candles:
    candles = real_candles(f"usdm-{symbol}-1h-2023")
    first, end = np.searchsorted(candles.timestamp, [START_MS, END_MS])
    return candles.slice(int(first), int(end))


def crossing(candles: Candles) -> Signals:
    """EMA 21 across EMA 50, both ways, with a stop of 5 %."""
    frame = candles.frame()
    above = (ema(frame["close"], 21) > ema(frame["close"], 50)).to_numpy()
    known = ema(frame["close"], 50).notna().to_numpy()
    turned = np.diff(above, prepend=above[:1]) & known & np.roll(known, 1)
    up, down = above & turned, ~above & turned
    stop = np.where(up, candles.close * 0.95, np.where(down, candles.close * 1.05, np.nan))
    return Signals.check({"signal_up_buy": up, "signal_down_sell": down, "stop_loss": stop}, frame)


def real_legs(**costs: Any) -> tuple[LegInput, ...]:
    terms = replace(Costs(commission=0.0005, size=0.95, slippage=0.0002), **costs)
    legs = []
    for symbol in SYMBOLS:
        candles = half_a_year(symbol)
        legs.append(LegInput(symbol, candles, crossing(candles), terms, None, True, HOUR_MS, 0.25))
    return tuple(legs)


# (final equity, trades, requests scaled, dropped)
GOLDENS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[float, int, int, int]]] = {
    "equal": ({}, {}, (10102.569359619516, 323, 12, 0)),
    "ranked, two at most": ({}, {"contention": "rank", "max_open": 2}, (9395.783292076483, 170, 0, 153)),
    "three times margined, weekly": (
        {"leverage": 3.0},
        {"rebalance_ms": 168 * HOUR_MS},
        (8842.746108031472, 323, 132, 0),
    ),
    "steadier first, in a band": (
        {},
        {"allocation": "inverse_volatility", "band": 0.03},
        (10458.341580537564, 323, 126, 0),
    ),
    "by risk": ({"leverage": 2.0}, {"allocation": "risk"}, (9815.43147596836, 323, 0, 0)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", GOLDENS)
def test_half_a_year_of_four_markets_has_the_figures_it_had(name: str) -> None:
    costs, rules, golden = GOLDENS[name]
    legs = real_legs(**costs)
    if rules.get("allocation") == "risk":
        legs = tuple(replace(leg, weight=0.02) for leg in legs)
    world = World(legs, PortfolioRules(10_000.0, **rules))
    outcome = world.compare()
    assert outcome is not None
    whys = [why for *_, why in outcome.requests.rows()]
    trades = sum(len(leg.table) for leg in outcome.legs)
    dropped = sum(why.startswith("dropped") for why in whys)
    assert (near(outcome.equity[-1], rel=1e-9), trades, whys.count("scaled"), dropped) == golden


def test_a_portfolio_of_real_legs_is_the_same_in_any_order() -> None:
    legs = real_legs()
    one = run_portfolio(legs, PortfolioRules(10_000.0))
    other = run_portfolio(legs[::-1], PortfolioRules(10_000.0))
    assert one.equity.tolist() == other.equity.tolist()
