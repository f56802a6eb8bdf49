"""An engine whose database holds one random market, and plug-ins written into its folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.events import Event
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.sweep_spec import SweepSpec
from engine.service import Engine
from engine.settings import read_settings
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute, fresh_database
from tests.support.lent_workers import Lender

MARKET = Market("binance", "BTCUSDT", "BTC/USDT")
HOUR = Timeframe("1h")
WARM, COUNT = 1_200, 1_500
WHOLE = Period(START_MS, START_MS + (WARM + COUNT) * HOUR_MS)
PERIOD = Period(START_MS + WARM * HOUR_MS, WHOLE.end)


@pytest.fixture(scope="module")
def shared_engine(
    embedded_url: str, tmp_path_factory: pytest.TempPathFactory, lender: Lender
) -> Iterator[Engine]:
    """Two workers, warm for all tests of a module."""
    with lender.lending(), engine_with({MARKET: 7}, embedded_url, tmp_path_factory.mktemp("home")) as engine:
        yield engine


@contextmanager
def engine_with(markets: Mapping[Market, int], server: str, home: Path) -> Iterator[Engine]:
    """An engine on a database of its own that holds random candles of markets, each by its seed."""
    database = fresh_database(server)
    with Engine(read_settings(home=home, database_url=next(database), workers=2)) as engine:
        store = engine._resources.store
        store.exchanges.save_markets(MARKET.exchange, list(markets), START_MS * 2)
        for market, seed in markets.items():
            store.candles.add_page(market, HOUR, random_candles(WARM + COUNT, seed), [WHOLE])
        yield engine
    database.close()


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:
    """The shared engine without sweeps, trials and runs."""
    url = shared_engine.settings.database_url
    assert url is not None
    execute(url, "TRUNCATE sweeps, trials, backtest_runs")
    return shared_engine


def plug_in(engine: Engine, name: str, body: str) -> str:
    """Write a strategy file; returns its name."""
    engine.settings.user_strategies.mkdir(exist_ok=True)
    path = engine.settings.user_strategies / f"{name}.py"
    draft = path.with_suffix(".draft")
    draft.write_text(body)
    draft.replace(path)  # at once: a worker that is reading it must not see half a file
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
