"""What a strategy gets of the series that it reads beside its candles, in pandas and in arrays, and what it is refused."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.backtest.beside import Beside, Side
from engine.backtest.evaluation import Evaluation, evaluate
from engine.backtest.frame import CandleFrame
from engine.errors import RunError
from engine.indicators import Memory, ema, supertrend
from engine.model.market import HOUR_MS, Candles, Timeframe
from engine.strategy import Strategy
from tests.support.builders import START_MS, random_candles

HOURS = random_candles(400, 1)
FOURS = random_candles(160, 2, step_ms=4 * HOUR_MS, start_ms=START_MS - 50 * 4 * HOUR_MS)
OTHER = random_candles(400, 3)
PLACES = np.arange(400)
SEEN = 49 + (PLACES + 1) // 4  # the fourth hour sees the candle that closes with it
Asked = Callable[[Strategy, Any], Mapping[str, Any]]


def beside(fours: Candles = FOURS, other: Candles = OTHER) -> Beside:
    hour, four = Timeframe("1h"), Timeframe("4h")
    sides = [
        Side("", "4h", four, 0, fours),
        Side("BTCUSDT", "", hour, 0, other),
        Side("BTCUSDT", "4h", four, 0, FOURS),
    ]
    return Beside(hour, sides)


def asked(ask: Asked, *, arrays: bool = False, frame: CandleFrame | None = None) -> Evaluation:
    """What `ask` gives as the indicators of a strategy that reads 4h and BTCUSDT."""

    class Mine(Strategy):
        timeframes = ("4h",)
        symbols_read = ("BTCUSDT",)

        def indicators(self, candles: Any) -> Any:
            return ask(self, candles)

        def signals(self, candles: Any, indicators: Any) -> Any:
            return {"signal_a_buy": np.zeros(len(candles["close"]), dtype=bool)}

    Mine.arrays = arrays
    frame = frame or CandleFrame(HOURS, beside=beside())
    return evaluate(Mine(), Path(__file__), frame)


def equal(found: Any, wanted: Any) -> bool:
    return bool(np.array_equal(np.asarray(found, float), np.asarray(wanted, float), equal_nan=True))


@pytest.mark.parametrize("arrays", [False, True])
def test_a_series_is_its_columns_as_known_at_each_close_with_their_age(arrays: bool):
    said = asked(lambda own, _: own.on("4h"), arrays=arrays).indicators
    assert list(said) == ["open", "high", "low", "close", "volume", "age"]
    for name, column in FOURS.columns().items():
        assert equal(said[name], column[SEEN])
    assert said["age"].tolist()[:9] == [1, 2, 3, 0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize("arrays", [False, True])
def test_what_is_computed_on_longer_candles_is_laid_beside_in_the_same_shape(arrays: bool):
    def ask(own: Strategy, candles: Any) -> dict[str, Any]:
        line = own.on("4h", lambda c: ema(c["close"], 20))
        trend = own.on("4h", lambda c: supertrend(c["high"], c["low"], c["close"], 10, 3.0))
        assert isinstance(line, np.ndarray if arrays else pd.Series)
        assert isinstance(trend, dict if arrays else pd.DataFrame)
        if isinstance(line, pd.Series):
            assert line.index.is_(candles.index)
        return {"ema": line, "direction": trend["supertrend_direction"]}

    said = asked(ask, arrays=arrays).indicators
    wanted = supertrend(FOURS.high, FOURS.low, FOURS.close, 10, 3.0)
    assert equal(said["ema"], ema(FOURS.close, 20)[SEEN])
    assert equal(said["direction"], wanted["supertrend_direction"][SEEN])
    assert not np.isnan(said["ema"]).any()


def test_flags_stay_flags_and_are_false_before_the_first_candle_that_closed():
    frame = CandleFrame(HOURS, beside=beside(FOURS.slice(55, None)))

    def ask(own: Strategy, _: Any) -> dict[str, Any]:
        up = own.on("4h", lambda c: c["close"] > 0)
        assert up.dtype == np.bool_
        return {"up": up, **own.on("4h")}

    said = asked(ask, frame=frame).indicators
    assert said["up"].tolist() == [0.0] * 23 + [1.0] * (400 - 23)
    assert np.isnan(said["close"][:23]).all()
    assert np.isnan(said["age"][:23]).all()
    assert said["age"][23] == 0


def test_another_symbol_is_read_at_equal_closes_and_its_holes_have_an_age():
    other = Candles(
        *(np.delete(column, [10, 11, 12]) for column in (OTHER.timestamp, *OTHER.columns().values()))
    )
    frame = CandleFrame(HOURS, beside=beside(other=other))

    def ask(own: Strategy, _: Any) -> dict[str, Any]:
        return {**own.on(symbol="BTCUSDT"), "long": own.on("4h", symbol="BTCUSDT")["close"]}

    said = asked(ask, frame=frame).indicators
    assert said["age"].tolist()[8:15] == [0, 0, 1, 2, 3, 0, 0]
    assert equal(said["close"][9:13], [OTHER.close[9]] * 4)
    assert equal(said["close"][13:], OTHER.close[13:])
    assert equal(said["long"], FOURS.close[SEEN])


def test_what_the_forming_candle_does_moves_no_earlier_value():
    before = asked(lambda own, _: own.on("4h")).indicators
    for place in (60, 100, 149):
        changed = {name: np.array(column) for name, column in FOURS.columns().items()}
        for name in ("high", "low", "close"):
            changed[name][place] *= 3
        fours = Candles(FOURS.timestamp, **changed)
        after = asked(lambda own, _: own.on("4h"), frame=CandleFrame(HOURS, beside=beside(fours))).indicators
        closes_at = (place - 49) * 4 - 1  # the hour with which it closes
        for name, column in before.items():
            assert equal(column[:closes_at], after[name][:closes_at])
        assert before["close"][closes_at] != after["close"][closes_at]


def words(own: Strategy, _: Any) -> Any:
    return {"a": own.on("4h", lambda c: c.index.astype(str).to_series().set_axis(c.index))}


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (
            lambda own, _: own.on("2h"),
            r'test_reading.py:\d+: on\("2h"\) is not declared; .* declare on\("4h"\), on\(',
        ),
        (lambda own, _: own.on("4h", symbol="ETHUSDT"), r'on\("4h", symbol="ETHUSDT"\) is not declared'),
        (lambda own, _: own.on(), r"on\(\) is not declared"),
        (
            lambda own, _: {"a": own.on("4h", lambda c: 1)},
            r'on\("4h"\): compute must return a Series, .* array, a DataFrame or a mapping of columns, not int',
        ),
        (
            lambda own, _: {"a": own.on("4h", lambda c: c["close"].iloc[1:])},
            r'on\("4h"\): .*another index than the 150 candles; keep the index of the candles that compute was given',
        ),
        (lambda own, _: own.on(["4h"]), r'py:\d+: on\(\) takes one timeframe, on\("4h"\), not \[\'4h\'\]'),
        (
            lambda own, _: own.on("4h", 200),
            r'on\("4h"\) takes a function of its candles beside that, .* not 200',
        ),
        (
            lambda own, _: own.on("4h", symbol=None),
            r'on\(\) takes one symbol, symbol="BTCUSDT", or none at all, not None',
        ),
        (
            lambda own, _: {"a": own.on("4h", lambda c: np.zeros(3))},
            r'on\("4h"\): .*has 3 values, there are \d+ candles',
        ),
        (words, r"must hold numbers"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(ask: Asked, wanted: str):
    with pytest.raises(RunError, match=wanted):
        asked(ask)


def test_a_strategy_that_declares_nothing_is_told_how_to():
    class Plain(Strategy):
        def signals(self, candles: Any, indicators: Any) -> Any:
            return self.on("1d")

    with pytest.raises(RunError, match=r'on\("1d"\) is not declared: the class lacks timeframes = \("1d",\)'):
        evaluate(Plain(), Path(__file__), CandleFrame(HOURS))


def test_outside_its_methods_nothing_is_known():
    class Eager(Strategy):
        timeframes = ("4h",)

        def signals(self, candles: Any, indicators: Any) -> Any:
            return {}

    with pytest.raises(RunError, match=r"is known in indicators\(\) and signals\(\) only"):
        Eager().on("4h")


def test_what_is_read_cannot_be_written_into():
    def ask(own: Strategy, _: Any) -> Any:
        own.on("4h")["close"][0] = 1.0
        return {}

    with pytest.raises(RunError, match="read-only"):
        asked(ask, arrays=True)


@pytest.mark.parametrize("arrays", [False, True])
def test_in_a_sweep_what_is_computed_on_longer_candles_is_remembered(arrays: bool):
    frame = CandleFrame(HOURS, beside=beside())
    memory = Memory(frame.table)
    found: list[Any] = []

    def ask(own: Strategy, _: Any) -> dict[str, Any]:
        line = own.on("4h", lambda c: ema(c["close"], 20))
        again = ema(line, 5)  # of the candles of the run, on what lies beside them
        own_close = ema(own.on("4h")["close"], 7)
        found.append([np.asarray(one) for one in (line, again, own_close)])
        return {"line": line, "again": again, "own": own_close}

    with memory.used():
        first = asked(ask, arrays=arrays, frame=frame).indicators
        second = asked(ask, arrays=arrays, frame=frame).indicators
    for one, other in zip(*found, strict=True):
        assert np.shares_memory(one, other)
    plain = asked(ask, arrays=arrays).indicators
    for name in plain:
        assert equal(first[name], plain[name])
        assert equal(second[name], plain[name])


def averages(length: int, own: Strategy, _: Any) -> dict[str, Any]:
    return {"a": own.on("4h", lambda c: ema(c["close"], length))}


def test_remembered_results_of_many_lengths_stay_apart():
    frame = CandleFrame(HOURS, beside=beside())
    with Memory(frame.table, max_bytes=60_000).used():  # so little that most are forgotten again
        for length in [*range(2, 40)] * 3:
            said = asked(partial(averages, length), frame=frame)
            assert equal(said.indicators["a"], ema(FOURS.close, length)[SEEN])


def changed_with_pandas(own: Strategy, _: Any) -> dict[str, Any]:
    four = own.on("4h")
    four.loc[four["age"] > 2, "close"] = np.nan
    line = own.on("4h", lambda c: ema(c["close"], 20))
    line.iloc[:7] = 1.0
    plain = own.on("4h", lambda c: c["close"] * 2)
    plain[plain > 0] = 3.0
    both = own.on("4h", lambda c: {"a": c["high"], "b": ema(c["low"], 5)})
    both["a"].iloc[0] = both["b"].iloc[0] = 4.0
    trend = own.on("4h", lambda c: supertrend(c["high"], c["low"], c["close"], 10, 3.0))
    trend.loc[trend.index[:5], "supertrend"] = 5.0
    return {"close": four["close"], "line": line, "plain": plain, **both, "trend": trend["supertrend"]}


@pytest.mark.parametrize("is_sweep", [False, True])
def test_what_is_read_can_be_changed_with_pandas_and_is_read_again_as_it_was(is_sweep: bool):
    frame = CandleFrame(HOURS, beside=beside())
    with Memory(frame.table).used() if is_sweep else nullcontext():
        for _ in range(2):  # the second time it would see what the first one wrote
            said = asked(changed_with_pandas, frame=frame).indicators
            old = (PLACES + 1) % 4 == 3
            assert equal(said["close"], np.where(old, np.nan, FOURS.close[SEEN]))
            assert equal(said["line"], np.where(PLACES < 7, 1.0, ema(FOURS.close, 20)[SEEN]))
            assert set(said["plain"]) == {3.0}
            assert said["a"][0] == said["b"][0] == 4.0
            assert equal(said["a"][1:], FOURS.high[SEEN][1:])
            assert set(said["trend"][:5]) == {5.0}
            assert 5.0 not in said["trend"][5:]
        untouched = asked(lambda own, _: own.on("4h"), frame=frame).indicators
        assert equal(untouched["close"], FOURS.close[SEEN])
