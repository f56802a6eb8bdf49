"""The compiled engine against backtesting.py: the same trades and equity to the last bit, whatever market and signals.

BACKTEST_TEST_PROFILE=long plays thousands of scenes; by default some hundred.
"""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.evaluation import evaluate
from engine.backtest.frame import CandleFrame
from engine.errors import RunError
from engine.loader import load_strategy
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Candles, Float64Array
from engine.strategy import Signals
from tests.engine.backtest.playing import run_both
from tests.support.builders import START_MS, real_candles
from tests.support.longer import READING

STRATEGIES = Path(__file__).parents[3] / "strategies"
# those with orders are equal within rounding only: test_terms_equality.py, test_library_equality.py
WITH_ORDERS = ("dip_ladder", "limit_pullback", "stop_breakout")
MARKET_ORDERS = [
    path for path in sorted(STRATEGIES.glob("[a-z]*.py")) if path.stem not in WITH_ORDERS + READING
]
ENTRIES = ("signal_a_buy", "signal_b_sell", "signal_c_buy")
MANY = settings(max_examples=4 * settings().max_examples)


def wild_candles(rng: np.random.Generator, n: int, volatility: float, scale: float, ticks: int) -> Candles:
    """A walk with jumps between candles, stretches that stand still, holes in time, and prices on a grid of ticks.

    On a coarse grid opens, stops and extremes often meet exactly.
    """
    steps = rng.normal(0, volatility, (n, 2)) * (rng.random((n, 2)) < [0.9, 0.3])
    still = np.repeat(rng.random(-(-n // 7)) < 0.2, 7)[:n]
    steps[still] = 0
    close = np.exp(np.cumsum(steps.sum(axis=1)))
    opened = close / np.exp(steps[:, 0])
    wick = np.exp(np.abs(rng.normal(0, volatility / 2, (2, n)))) ** ~still
    prices = [opened, np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1], close]
    opened, high, low, close = (np.maximum(np.round(price * ticks), 1) / ticks * scale for price in prices)
    times = START_MS + np.cumsum(1 + 5 * (rng.random(n) < 0.1)) * HOUR_MS
    return Candles(times, opened, high, low, close, rng.random(n))


def wild_signals(rng: np.random.Generator, candles: Candles, density: float, guarded: float) -> Signals:
    """Signals anywhere; `guarded` of the candles carry a stop, as many a target, near or far; one in a hundred is wrong."""
    n = len(candles)
    raw = {name: rng.random(n) < density for name in (*ENTRIES, "exit_long", "exit_short")}
    entry = np.zeros(n, dtype=np.int16)
    for k in (2, 1, 0):
        entry[raw[ENTRIES[k]]] = -(k + 1) if ENTRIES[k].endswith("sell") else k + 1

    def prices(side: int) -> Float64Array:
        distance = rng.choice([0.01, 0.1, 0.5], n) * np.where(rng.random(n) < 0.01, -1, 1)
        towards = np.where(entry < 0, -side, side) * distance
        tick = candles.close.min() / 50
        price = np.maximum(np.round(candles.close * (1 + towards) / tick), 1) * tick
        return np.where(rng.random(n) < guarded, price, np.nan)

    return Signals(ENTRIES, entry, raw["exit_long"], raw["exit_short"], prices(-1), prices(1), raw)


@st.composite
def wild_scenes(draw: st.DrawFn) -> tuple[Candles, Signals, Costs, bool]:
    """Any market, signals and costs: prices from 1e-8 to 1e9, an account from a thousandth to a billion."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from((1e-8, 1e-4, 1.0, 100.0, 1e5, 1e9)))
    candles = wild_candles(
        rng,
        draw(st.integers(1, 80)),
        draw(st.sampled_from((0.0, 0.005, 0.05, 0.3))),
        scale,
        draw(st.sampled_from((10, 100, 10**9))),
    )
    signals = wild_signals(
        rng, candles, draw(st.sampled_from((0.03, 0.2, 0.7))), draw(st.sampled_from((0.0, 0.3, 1.0)))
    )
    costs = Costs(
        cash=draw(st.one_of(st.floats(1e-3, 1e9), st.sampled_from((1.0, 1000.0, 10_000.0)))),
        commission=draw(st.sampled_from((0.0, 0.0004, 0.001, 0.0999))),
        size=draw(st.sampled_from((1e-6, 0.1, 0.95, 1.0))),
        slippage=draw(st.sampled_from((0.0, 0.0005, 0.0999))),
    )
    return candles, signals, costs, draw(st.booleans())


@given(wild_scenes())
@MANY
def test_any_scene_gives_the_same_trades_and_equity_to_the_last_bit(
    scene: tuple[Candles, Signals, Costs, bool],
) -> None:
    with contextlib.suppress(RunError):  # of both, in the same words
        run_both(*scene)


@pytest.mark.long
def test_the_scenes_reach_every_reason_and_every_refusal() -> None:
    seen: set[str] = set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        candles = wild_candles(rng, 80, 0.2, 1.0, 100)
        signals = wild_signals(rng, candles, 0.2, 0.3 * (seed % 2))
        try:
            outcome = run_both(candles, signals, Costs(cash=100, size=1.0), bool(seed % 3))
        except RunError as error:
            seen |= {word for word in ("stop_loss", "take_profit") if str(error).startswith(word)}
            seen.add("refused")
        else:
            seen |= {trade.exit_reason for trade in outcome.trades}
    assert seen == {
        "exit_long", "exit_short", "stop_loss", "take_profit", "reverse", "ruin", "open", "refused",
    }  # fmt: skip


REAL = {
    "usdm-SOLUSDT-1h-20231201-20241204": None,
    "usdm-BTCUSDT-1h-20231201-20241204": None,
    "spot-SHIBUSDT-1h-20210510-20210630": None,
    "usdm-SOLUSDT-1m-20250504-20250603": 12_000,
    "spot-BTCUSDT-1h-20180101-20260516": 20_000,
}


@pytest.mark.long_except(
    "spot-BTCUSDT-1h-20180101-20260516-vwap_supertrend_ema",
    "spot-SHIBUSDT-1h-20210510-20210630-bollinger_reversion",
    "usdm-BTCUSDT-1h-20231201-20241204-donchian_breakout",
    "usdm-SOLUSDT-1h-20231201-20241204-ema_cross",
    "usdm-SOLUSDT-1h-20231201-20241204-rsi_reversion",
    "usdm-SOLUSDT-1m-20250504-20250603-macd_trend",
)
@pytest.mark.parametrize("path", MARKET_ORDERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", REAL)
def test_the_bundled_strategies_trade_alike_on_real_markets(name: str, path: Path) -> None:
    candles = real_candles(name).slice(0, REAL[name])
    strategy = load_strategy(path)()
    signals = evaluate(strategy, path, CandleFrame(candles)).signals
    assert run_both(candles, signals, Costs(slippage=0.0003), strategy.reverse).trades
