"""The look-ahead check cuts every series at one instant: what is honest passes, what joins on open times does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.backtest.beside import Beside, Side, built
from engine.backtest.evaluation import Evaluation, evaluate
from engine.backtest.frame import CandleFrame
from engine.backtest.questions import Ask
from engine.checks.verdicts import run_checks
from engine.indicators import ema
from engine.model.market import HOUR_MS, Timeframe
from engine.strategy import Strategy
from tests.engine.checks.checking import HELD, Column, checks_of, strategy_of
from tests.support.builders import START_MS, random_candles

pytestmark = pytest.mark.usefixtures("all_the_time_in_the_world")
HOUR, FOUR = Timeframe("1h"), Timeframe("4h")
CANDLES = random_candles(1500, 4)
FOURS = built(random_candles(1900, 4, start_ms=START_MS - 400 * HOUR_MS), HOUR, FOUR)


def checked(kind: type[Strategy], *, wanted: int = 0, is_built: bool = False) -> dict[str, dict[str, Any]]:
    """The checks of a run that reads 4h beside its hours."""
    side = Side("", "4h", FOUR, wanted, FOURS, is_built)
    frame = CandleFrame(CANDLES, beside=Beside(HOUR, [side]))

    def ask(start: int, stop: int) -> Evaluation:
        return evaluate(kind(), Path(__file__), frame.part(start, stop))

    @contextmanager
    def fresh(_limit_s: float | None) -> Iterator[Ask]:
        yield ask

    return run_checks(fresh, CANDLES, ask(0, len(CANDLES)), HELD, 0, own_s=0.01, longer={})


def reading(column: Any) -> type[Strategy]:
    """One drawn column of what is read."""

    class Reading(Strategy):
        timeframes = ("4h",)

        def indicators(self, candles: pd.DataFrame) -> dict[str, Any]:
            return {"drawn": column(self, candles)}

        def signals(self, candles: pd.DataFrame, indicators: dict[str, Any]) -> dict[str, Any]:
            drawn = indicators["drawn"]
            return {"signal_up_buy": drawn > drawn.shift(1)}

    return Reading


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize(
    "column",
    [
        lambda own, _: own.on("4h")["close"],
        lambda own, _: own.on("4h")["age"],
        lambda own, candles: candles["close"] - own.on("4h", lambda c: c["high"].rolling(5).max()),
        lambda own, _: own.on("4h", lambda c: ema(c["close"], 10)),
    ],
)
def test_what_is_read_as_it_was_known_passes(column: Any, is_built: bool):
    found = checked(reading(column), is_built=is_built)["lookahead"]
    assert (found["status"], found["columns"]) == ("passed", [])
    assert found["cuts"] >= 32


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize(
    "column",
    [
        lambda own, _: own.on("4h", lambda c: c["close"].shift(-1)),
        lambda own, _: own.on("4h")["close"].shift(-1),
        lambda own, _: own.on("4h", lambda c: c["close"] - c["close"].mean()),
    ],
)
def test_a_value_of_a_later_longer_candle_is_caught(column: Any, is_built: bool):
    found = checked(reading(column), is_built=is_built)["lookahead"]
    assert found["status"] == "failed"
    assert "drawn" in found["columns"]


def resampled(candles: pd.DataFrame) -> "pd.Series[float]":
    return candles["close"].resample("4h").last()


def naive_join(candles: pd.DataFrame) -> Any:
    """Longer candles joined by their open times: each hour sees the close of the four hours that it is still in."""
    longer = resampled(candles).rename("longer").reset_index()
    rows = candles.reset_index()[["timestamp"]]
    return pd.merge_asof(rows, longer, on="timestamp")["longer"]


def late_join(candles: pd.DataFrame) -> Any:
    """The same one candle later, as one of those who were caught might mend it."""
    return resampled(candles).shift(1).reindex(candles.index, method="ffill")


@pytest.mark.parametrize(
    "column", [naive_join, lambda candles: resampled(candles).reindex(candles.index, method="ffill")]
)
def test_a_join_on_open_times_is_caught(column: Column):
    found = checks_of(strategy_of(column))["lookahead"]
    assert found["status"] == "failed"
    assert "drawn" in found["columns"]


def test_a_join_on_open_times_one_candle_later_passes_and_knows_less_than_what_is_read():
    assert checks_of(strategy_of(late_join))["lookahead"]["status"] == "passed"
    side = Side("", "4h", FOUR, 0, FOURS, is_built=True)
    frame = CandleFrame(CANDLES, beside=Beside(HOUR, [side]))
    kind = reading(lambda own, _: own.on("4h")["close"])
    read = evaluate(kind(), Path(__file__), frame).indicators["drawn"]
    late = np.asarray(late_join(CANDLES.frame()), dtype=float)
    # at the close with which a longer candle closes too it is a candle of the run behind, else the same
    closing = np.arange(len(CANDLES)) % 4 == 3
    assert np.array_equal(read[~closing], late[~closing], equal_nan=True)
    assert np.array_equal(read[closing][:-1], late[np.flatnonzero(closing)[:-1] + 1])


@pytest.mark.parametrize(("wanted", "status"), [(12, "passed"), (3, "failed")])
def test_a_warm_up_of_longer_candles_that_is_too_short_is_named(wanted: int, status: str):
    kind = reading(lambda own, _: own.on("4h", lambda c: c["close"].rolling(12).mean()))
    found = checked(kind, wanted=wanted)["warmup"]
    assert found["status"] == status
    assert ("drawn" in found["columns"]) == (status == "failed")
