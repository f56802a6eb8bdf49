"""The rules of vwap_supertrend_ema, one by one on tables of candles, and once more in plain loops on a long market."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.backtest.frame import CandleFrame
from engine.loader import load_strategy
from engine.model.market import Candles
from engine.strategy import Strategy
from tests.support.builders import candles_from, random_candles

VwapSupertrendEma: type[Strategy] = load_strategy(
    Path(__file__).parents[2] / "strategies" / "vwap_supertrend_ema.py"
)
# A bullish scene: a red candle, then a green one that closes above the red one's open, low at 95
RED, GREEN = (104, 105, 98, 100), (100, 106, 95, 105)
UP = {
    "ema_fast": 103.0,
    "ema_slow": 101.0,
    "vwap": 90.0,
    "supertrend": 80.0,
    "supertrend_direction": 1.0,
    "stoch_k": 10.0,
}
PLAIN = [(100, 101, 99, 100)] * 3


def given(candles: Candles) -> Any:
    return CandleFrame(candles).given(arrays=True)


def decide(rows: Sequence[Sequence[float]], *changes: dict[str, float], **params: Any) -> pd.Series:
    """The signals of the last candle; `changes` are laid over UP for the last candles, the last one last."""
    indicators = pd.DataFrame([UP] * len(rows))
    for back, change in enumerate(reversed(changes), start=1):
        for name, value in change.items():
            indicators.iloc[-back, indicators.columns.get_loc(name)] = value  # type: ignore[index]
    said = {str(name): column.to_numpy() for name, column in indicators.items()}
    signals = VwapSupertrendEma(params).signals(given(candles_from(rows)), said)
    return pd.DataFrame(signals).iloc[-1]


def mirror_rows(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in rows]


def mirror(values: dict[str, float]) -> dict[str, float]:
    return {
        name: -v if name == "supertrend_direction" else 100 - v if name == "stoch_k" else 200 - v
        for name, v in values.items()
    }


PULLBACK = [
    pytest.param([*PLAIN, RED, GREEN], {}, True, id="all-hold"),
    pytest.param([*PLAIN, RED, GREEN], {"stoch_k": 20}, False, id="k-at-20"),
    pytest.param([*PLAIN, RED, GREEN], {"stoch_k": 19.9}, True, id="k-below-20"),
    pytest.param([*PLAIN, RED, GREEN], {"stoch_k": math.nan}, False, id="k-unknown"),
    # up zone: two of three
    pytest.param([*PLAIN, RED, GREEN], {"supertrend_direction": -1}, True, id="zone-by-emas-above-vwap"),
    pytest.param([*PLAIN, RED, GREEN], {"vwap": 102}, True, id="zone-by-cross-and-supertrend"),
    pytest.param([*PLAIN, RED, GREEN], {"ema_fast": 101}, True, id="equal-emas-still-two-of-three"),
    pytest.param([*PLAIN, RED, GREEN], {"vwap": 102, "supertrend_direction": -1}, False, id="one-of-three"),
    pytest.param([*PLAIN, RED, GREEN], {"ema_fast": 101, "vwap": 101}, False, id="equality-is-not-above"),
    # touch of support
    pytest.param([*PLAIN, RED, GREEN], {"ema_slow": 94.0}, False, id="nothing-touched"),
    pytest.param([*PLAIN, RED, GREEN], {"ema_slow": 95.0}, True, id="slow-ema-touched-exactly"),
    pytest.param([*PLAIN, RED, GREEN], {"ema_slow": 94.0, "supertrend": 95.0}, True, id="line-touched"),
    pytest.param([*PLAIN, RED, GREEN], {"ema_slow": 94.0, "vwap": 96.0}, True, id="vwap-touched"),
    pytest.param(
        [(100, 101, 80, 100), (100, 101, 80, 100), *PLAIN, RED, GREEN],
        {"ema_slow": 90},
        False,
        id="touch-too-old",
    ),
    pytest.param(
        [*PLAIN, (100, 101, 80, 100), (100, 101, 99, 100), RED, GREEN],
        {"ema_slow": 90},
        True,
        id="touch-four-ago",
    ),
    # reversal candle
    pytest.param([*PLAIN, RED, (100, 104, 95, 104)], {}, False, id="close-at-the-red-open"),
    pytest.param([*PLAIN, RED, (105.5, 106, 95, 105)], {}, False, id="itself-red"),
    pytest.param([RED, *PLAIN, GREEN], {}, False, id="red-candle-four-ago"),
    pytest.param([*PLAIN, RED, *PLAIN[:2], GREEN], {}, True, id="red-candle-three-ago"),
    pytest.param([*PLAIN, (120, 121, 99, 110), RED, GREEN], {}, True, id="the-most-recent-red-counts"),
    pytest.param([*PLAIN, RED, (120, 121, 99, 110), GREEN], {}, False, id="and-not-an-earlier-one"),
]


@pytest.mark.parametrize(("rows", "change", "fires"), PULLBACK)
def test_pullback_buy(rows: list[tuple[float, ...]], change: dict[str, float], fires: bool) -> None:
    assert decide(rows, change)["signal_pullback_buy"] == fires


@pytest.mark.parametrize(("rows", "change", "fires"), PULLBACK)
def test_pullback_sell_is_the_mirror(
    rows: list[tuple[float, ...]], change: dict[str, float], fires: bool
) -> None:
    assert decide(mirror_rows(rows), mirror(UP | change))["signal_pullback_sell"] == fires


def test_the_lookback_can_be_changed() -> None:
    rows = [*PLAIN, (100, 101, 80, 100), (100, 101, 99, 100), RED, GREEN]
    assert not decide(rows, {"ema_slow": 90}, lookback=3)["signal_pullback_buy"]


DOWN = {"supertrend_direction": -1.0}
REVERSAL = [
    pytest.param(DOWN, {}, True, id="turned-up-above-all"),
    pytest.param({}, {}, False, id="was-up-already"),
    pytest.param(DOWN, DOWN, False, id="still-down"),
    pytest.param({"supertrend_direction": math.nan}, {}, False, id="was-unknown"),
    pytest.param(DOWN, {"ema_fast": 105}, False, id="close-at-the-fast-ema"),
    pytest.param(DOWN, {"ema_slow": 106}, False, id="close-below-the-slow-ema"),
    pytest.param(DOWN, {"vwap": 107}, False, id="close-below-vwap"),
    pytest.param(DOWN, {"vwap": math.nan}, False, id="vwap-unknown"),
]


@pytest.mark.parametrize(("before", "now", "fires"), REVERSAL)
def test_reversal(before: dict[str, float], now: dict[str, float], fires: bool) -> None:
    rows = [*PLAIN, RED, GREEN]
    assert decide(rows, before, now)["signal_reversal_buy"] == fires
    upside_down = decide(mirror_rows(rows), mirror(UP | before), mirror(UP | now))
    assert upside_down["signal_reversal_sell"] == fires


@pytest.mark.parametrize(
    ("direction", "leaves"), [(1, (False, True)), (-1, (True, False)), (math.nan, (False, False))]
)
def test_exits_follow_supertrend(direction: float, leaves: tuple[bool, bool]) -> None:
    last = decide(PLAIN, {"supertrend_direction": direction})
    assert (last["exit_long"], last["exit_short"]) == leaves


def test_columns_stand_in_order_of_priority() -> None:
    candles = given(random_candles(100))
    strategy = VwapSupertrendEma()
    assert list(strategy.signals(candles, strategy.indicators(candles))) == [
        "signal_pullback_buy",
        "signal_pullback_sell",
        "signal_reversal_buy",
        "signal_reversal_sell",
        "exit_long",
        "exit_short",
    ]


def test_parameters_and_warm_up_are_those_of_the_design() -> None:
    strategy = VwapSupertrendEma()
    assert strategy.values() == {
        "ema_fast": 21,
        "ema_slow": 50,
        "st_length": 12,
        "st_multiplier": 3.0,
        "rsi_length": 14,
        "stoch_length": 14,
        "stoch_k": 3,
        "stoch_d": 3,
        "lookback": 4,
    }
    assert strategy.reverse is False
    assert strategy.warmup() == 500
    assert VwapSupertrendEma({"st_length": 30}).warmup() == 600
    assert VwapSupertrendEma({"rsi_length": 40}).warmup() == 800


def test_the_same_rules_in_plain_loops_fire_on_the_same_candles() -> None:
    candles = random_candles(4000, 21)
    strategy = VwapSupertrendEma({"lookback": 3})
    indicators = strategy.indicators(given(candles))
    found = pd.DataFrame(strategy.signals(given(candles), indicators))
    o, h, low, c = candles.open, candles.high, candles.low, candles.close
    fast, slow, vwap, line, way, k = (indicators[name] for name in UP)
    rows = []
    for i in range(4, len(candles)):
        up = sum(map(int, (fast[i] > slow[i], way[i] == 1, min(fast[i], slow[i]) > vwap[i]))) >= 2
        down = sum(map(int, (fast[i] < slow[i], way[i] == -1, max(fast[i], slow[i]) < vwap[i]))) >= 2
        lows, highs = low[i - 2 : i + 1].min(), h[i - 2 : i + 1].max()
        red = next((o[j] for j in (i - 1, i - 2, i - 3) if c[j] < o[j]), math.inf)
        green = next((o[j] for j in (i - 1, i - 2, i - 3) if c[j] > o[j]), -math.inf)
        rows.append(
            (
                up
                and any(lows <= x for x in (slow[i], vwap[i], line[i]))
                and c[i] > max(o[i], red)
                and k[i] < 20,
                down
                and any(highs >= x for x in (slow[i], vwap[i], line[i]))
                and c[i] < min(o[i], green)
                and k[i] > 80,
                way[i] == 1 and way[i - 1] == -1 and c[i] > max(fast[i], slow[i], vwap[i]),
                way[i] == -1 and way[i - 1] == 1 and c[i] < min(fast[i], slow[i], vwap[i]),
                way[i] == -1,
                way[i] == 1,
            )
        )
    expected = np.array(rows[100:], dtype=bool)
    np.testing.assert_array_equal(found.to_numpy()[104:], expected)
    assert (expected.sum(axis=0) > 10).all()
