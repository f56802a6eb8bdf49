"""An engine whose database holds one random market, and plug-ins written into its folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.events import Event
from engine.market import HOUR_MS, Market, Period, Timeframe
from engine.ranges import parse_range
from engine.service import Engine
from engine.settings import read_settings
from engine.sweeps import SweepSpec
from tests.support.builders import START_MS, random_candles

MARKET = Market("binance", "BTCUSDT", "BTC/USDT")
HOUR = Timeframe("1h")
WARM, COUNT = 1_200, 1_500
WHOLE = Period(START_MS, START_MS + (WARM + COUNT) * HOUR_MS)
PERIOD = Period(START_MS + WARM * HOUR_MS, WHOLE.end)


@pytest.fixture
def engine(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    """Two workers; `@pytest.mark.parametrize("engine", [{...}], indirect=True)` changes settings."""
    more = getattr(request, "param", {})
    with Engine(read_settings(home=tmp_path, database_url=database_url, **{"workers": 2, **more})) as engine:
        engine.store.save_markets(MARKET.exchange, [MARKET], START_MS * 2)
        engine.store.add_page(MARKET, HOUR, random_candles(WARM + COUNT, 7), [WHOLE])
        yield engine


def plug_in(engine: Engine, name: str, body: str) -> str:
    """Write a strategy file; returns its name."""
    engine.settings.user_strategies.mkdir(exist_ok=True)
    (engine.settings.user_strategies / f"{name}.py").write_text(body)
    return name


def sweep_spec(strategy: str, ranges: dict[str, str], **more: object) -> SweepSpec:
    """A sweep over PERIOD, ranges as text."""
    values = {name: parse_range(text) for name, text in ranges.items()}
    return SweepSpec(strategy, MARKET.name, MARKET.exchange, HOUR, PERIOD, values, **more)  # type: ignore[arg-type]


class Heard(list[Event]):
    """A listener that keeps what it hears."""

    __call__ = list.append


STUMBLING = '''
import os, time
import numpy as np
from engine.strategy import Param, Strategy


class Stumbling(Strategy):
    """Breaks in several ways, by number."""

    number = Param(0, low=0, high=1000)

    def signals(self, candles, indicators):
        if self.number == 3:
            raise ValueError("three is too many")
        if self.number == 5:
            os._exit(3)
        if self.number == 7:
            time.sleep(60)
        buy = np.arange(len(candles)) % (10 + self.number) == 0
        return {"signal_x_buy": buy, "exit_long": np.roll(buy, 3)}
'''
