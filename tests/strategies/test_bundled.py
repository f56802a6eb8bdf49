"""Every bundled strategy keeps the rules of the interface, looks at no later candle, and trades real markets as recorded."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.backtest.frame import CandleFrame
from engine.loader import load_strategy
from engine.model.market import Period
from engine.strategy import ENTRY_COLUMN, Signals, Strategy
from tests.support.builders import random_candles, real_candles
from tests.support.longer import candles_of, file_with_longer, hours_wanted, longer_built
from tests.support.tasks import run_here, run_task

FOLDER = Path(__file__).parents[2] / "strategies"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
WITH_ORDERS = ("dip_ladder", "limit_pullback", "stop_breakout")  # compared between the simulators
every = pytest.mark.parametrize("name", NAMES)


def load(name: str) -> type[Strategy]:
    return load_strategy(FOLDER / f"{name}.py")


def columns_of(strategy: Strategy, candles: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = CandleFrame(candles_of(candles))
    given = partial(frame.given, arrays=strategy.arrays)
    with longer_built(strategy, frame.candles):
        indicators = strategy.indicators(given())
        signals = strategy.signals(given(), indicators)
    return pd.DataFrame(indicators, candles.index), pd.DataFrame(signals, candles.index)


def test_the_bundle_is_complete() -> None:
    assert NAMES == [
        "bollinger_reversion",
        "buy_and_hold",
        "daily_trend_cross",
        "dip_ladder",
        "donchian_breakout",
        "ema_cross",
        "limit_pullback",
        "macd_trend",
        "rsi_reversion",
        "stop_breakout",
        "vwap_supertrend_ema",
    ]


@every
def test_it_says_what_it_is(name: str) -> None:
    strategy = load(name)
    title, _, description = (strategy.__doc__ or "").strip().partition("\n")
    assert title
    assert description.strip()
    assert "reverse" in vars(strategy), "each bundled strategy states it"
    for param in strategy.params().values():
        assert param.help
        assert param.low is not None
        assert param.high is not None
    assert (FOLDER / f"{name}.py").read_text().count("\n") < 120


@every
def test_its_signals_pass_the_check_and_it_trades_both_ways_where_it_should(name: str) -> None:
    candles = random_candles(3000, 6).frame()
    _, answer = columns_of(load(name)(), candles)
    signals = Signals.check(answer, candles)
    fired = {column for column, flags in signals.raw.items() if flags.any()}
    assert fired == set(signals.raw), "a column that never fires in 3,000 candles"
    assert any(ENTRY_COLUMN.fullmatch(column) for column in fired)


@every
def test_no_column_depends_on_later_candles(name: str) -> None:
    candles = random_candles(900, 9).frame()
    whole = columns_of(load(name)(), candles)
    for cut in (300, 555, 899):
        part = columns_of(load(name)(), candles.head(cut))
        for expected, found in zip(whole, part, strict=True):
            pd.testing.assert_frame_equal(found, expected.head(cut))


@every
def test_after_its_warm_up_the_start_of_the_data_no_longer_matters(name: str) -> None:
    strategy = load(name)()
    start = -(-hours_wanted(strategy) // 24) * 24  # whole days: VWAP restarts at midnight
    candles = random_candles(start + 1500, 10).frame()
    long_history, short_history = (
        columns_of(strategy, candles),
        columns_of(strategy, candles.tail(start + 24)),
    )
    for full, fresh in zip(long_history, short_history, strict=True):
        for column in full:
            expected, found = full[column].tail(24), fresh[column].tail(24)
            np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=1e-4, err_msg=column)


@every
def test_a_market_that_stands_still_or_is_one_candle_long_is_survived(name: str) -> None:
    candles = random_candles(700, 2).frame()
    still = candles.assign(open=5.0, high=5.0, low=5.0, close=5.0, volume=0.0)
    for frame in (still, candles.head(1), candles.head(40)):
        Signals.check(columns_of(load(name)(), frame)[1], frame)


@every
def test_every_parameter_matters(name: str) -> None:
    candles = random_candles(3000, 6).frame()
    usual = columns_of(load(name)(), candles)[1]
    for parameter, param in load(name).params().items():
        if parameter == "stoch_d":
            continue  # %D is drawn, never used
        changed = columns_of(load(name)({parameter: param.low}), candles)[1]
        assert not changed.equals(usual), parameter


def test_a_stop_of_the_donchian_breakout_lies_two_true_ranges_away_from_the_close() -> None:
    candles = random_candles(500, 3).frame()
    indicators, signals = columns_of(load("donchian_breakout")(), candles)
    buys, sells = signals["signal_breakout_buy"], signals["signal_breakout_sell"]
    distance = (candles["close"] - signals["stop_loss"]) / indicators["atr"]
    np.testing.assert_allclose(distance[buys].dropna(), 2.0)
    np.testing.assert_allclose(distance[sells].dropna(), -2.0)
    assert signals["stop_loss"].isna()[~buys & ~sells].all()


# Trades, final equity and exits of every strategy at its defaults and the default costs on real SOLUSDT hours of the first
# half of 2024. The plain loop of test_reference_naive.py gives the same trades; a change here is a change of the rules.
GOLDEN: dict[str, tuple[int, float, dict[str, int]]] = {
    "bollinger_reversion": (154, 6668.386780806734, {"exit_long": 80, "exit_short": 73, "open": 1}),
    "buy_and_hold": (1, 14133.260114636914, {"open": 1}),
    "daily_trend_cross": (25, 14039.385631722402, {"exit_short": 13, "exit_long": 12}),
    "donchian_breakout": (
        125,
        5437.207041108382,
        {"stop_loss": 45, "exit_short": 40, "exit_long": 39, "open": 1},
    ),
    "ema_cross": (77, 9242.729094581924, {"reverse": 76, "open": 1}),
    "macd_trend": (337, 4696.507008614701, {"reverse": 336, "open": 1}),
    "rsi_reversion": (63, 11420.726067245612, {"exit_short": 35, "exit_long": 27, "open": 1}),
    "vwap_supertrend_ema": (83, 4973.207733535567, {"exit_short": 43, "exit_long": 40}),
}
SHORTER = {"daily_trend_cross": {"trend": 3}}  # a month precedes the period


@pytest.mark.long_except(
    "compiled-vwap_supertrend_ema",
    "compiled-ema_cross",
    "reference-donchian_breakout",
    "reference-bollinger_reversion",
)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_ORDERS])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_real_solusdt_gives_the_recorded_result(name: str, engine: str, tmp_path: Path) -> None:
    whole = real_candles("usdm-SOLUSDT-1h-20231201-20241204")
    period = Period.parse("2024-01-01", "2024-06-30")
    assert len(whole.within(period)) == 4368
    held = int(np.searchsorted(whole.timestamp, period.start))
    whole.slice(0, held + 4368).save(tmp_path / "candles.npy")
    strategy, file = load(name)(SHORTER.get(name)), tmp_path / "candles.npy"
    task = run_task(
        file,
        FOLDER / f"{name}.py",
        params=strategy.values(),
        held=held,
        wanted=hours_wanted(strategy),
        engine=engine,
        keep_indicators=False,
    )
    task = replace(task, candles=file_with_longer(strategy, task.candles))
    result = run_here(task)
    trades, equity, exits = GOLDEN[name]
    assert result["metrics"]["trades"] == trades
    assert result["metrics"]["final_equity"] == pytest.approx(equity, rel=1e-9)
    assert Counter(result["trades"]["exit_reason"]) == exits
    assert {check["status"] for check in result["checks"].values()} == {"passed"}
