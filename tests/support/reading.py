"""A strategy that reads other series beside its candles, and an engine whose exchange has them, for tests of such runs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.model.market import HOUR_MS, Period, Timeframe
from engine.model.run import RunResult, RunSpec
from engine.service import Engine
from engine.settings import Settings
from tests.support.fake_exchange import FakeExchange, grid_candles

READING = '''"""Reads."""
import numpy as np
from engine.indicators import ema
from engine.strategy import Param, Strategy


class Reading(Strategy):
    """Reads four hours, days and BTCUSDT"""

    timeframes = ("4h", "1d")
    symbols_read = ("BTCUSDT",)
    length = Param(5, low=1, high=50)

    def warmup(self):
        return {"": 20, "4h": self.length, "1d": 3}

    def indicators(self, candles):
        four = self.on("4h")
        return {
            "four": four["close"],
            "age": four["age"],
            "line": self.on("4h", lambda c: ema(c["close"], self.length)),
            "day": self.on("1d")["close"],
            "other": self.on(symbol="BTCUSDT")["close"],
            "other_day": self.on("1d", symbol="BTCUSDT")["close"],
        }

    def signals(self, candles, indicators):
        up = indicators["four"] > indicators["line"]
        return {"signal_up_buy": up & (indicators["age"] == 0), "exit_long": ~up}
'''
WHOLE = Period.parse("2024-10-01", "2025-01-14")
PERIOD = Period.parse("2024-12-10T02:00", "2024-12-24T00:00")
SPEC = RunSpec("reading", "SOLUSDT", "binanceusdm", Timeframe("1h"), PERIOD)
SEEDS = {
    ("SOL", "1h"): 1,
    ("SOL", "4h"): 2,
    ("SOL", "1d"): 3,
    ("BTC", "1h"): 4,
    ("BTC", "4h"): 5,
    ("BTC", "1d"): 6,
}
CANDLES = {(base, name): grid_candles(name, WHOLE, seed=seed) for (base, name), seed in SEEDS.items()}


@pytest.fixture
def engine_reading(
    fake_exchange: FakeExchange, data_settings: Settings, lent_workers: None, impatient: None
) -> Iterator[Engine]:
    """An engine whose exchange lists SOLUSDT and BTCUSDT, of which nothing is held yet."""
    for (base, timeframe), candles in CANDLES.items():
        fake_exchange.add(base, timeframe, candles, listed_ms=WHOLE.start)
    with Engine(replace(data_settings, workers=2)) as opened:
        write(opened, READING)
        yield opened


def write(engine: Engine, text: str) -> None:
    """Write the strategy anew."""
    engine.settings.user_strategies.mkdir(parents=True, exist_ok=True)
    (engine.settings.user_strategies / "reading.py").write_text(text)


def ran(engine: Engine, spec: RunSpec = SPEC, **options: Any) -> RunResult:
    """A run that finished."""
    (run,) = engine.runs.run([spec], **options)
    assert run.status == "finished", run.error
    return run


def seen(base: str, timeframe: str, run: RunResult) -> Any:
    """What was known of a series at each close of a run, by a plain loop."""
    candles, cell = CANDLES[base, timeframe], Timeframe(timeframe)
    closes = [cell.next(one) for one in candles.timestamp.tolist()]
    assert run.equity is not None
    at = [sum(close <= opened + HOUR_MS for close in closes) - 1 for opened in run.equity.time.tolist()]
    return candles.close[at]
