"""A run's account beside Bitcoin: from held candles alone, in the run's timeframe or days, and said where there are none."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.database.store import Store
from engine.model.market import DAY_MS, Market, Period, Timeframe
from engine.service import Engine
from engine.settings import Settings
from tests.engine.analysis.runs import made
from tests.support.builders import START_MS, random_candles

NOWHERE = "http://127.0.0.1:9"  # a port that refuses: nothing is asked
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
BTC = Market("binanceusdm", "BTCUSDT", "BTC/USDT:USDT")


@pytest.fixture
def engine(database_url: str, tmp_path: Path, lent_workers: None) -> Iterator[Engine]:
    settings = Settings(
        database_url=database_url, home=tmp_path / "home", workers=1, spot_url=NOWHERE, futures_url=NOWHERE
    )
    with Engine(settings) as opened:
        yield opened


def test_bitcoin_is_compared_where_it_is_held_and_named_where_it_is_not(
    engine: Engine, database_url: str
) -> None:
    run, _ = made(4, 24 * 90)
    assert engine.runs.bitcoin(run).symbol is None  # the exchange's markets are not known yet
    store = Store(database_url)
    store.exchanges.save_markets("binanceusdm", [SOL, BTC], START_MS)
    told = engine.runs.bitcoin(run)
    assert (told.symbol, told.relation) == ("BTCUSDT", None)

    wanted = engine.runs.bitcoin_period(run)
    assert wanted == Period(START_MS - DAY_MS, START_MS + 90 * DAY_MS)
    days = random_candles(91, 77, step_ms=DAY_MS, start_ms=START_MS - DAY_MS)
    store.candles.add_page(BTC, Timeframe("1d"), days, [wanted])
    hours = random_candles(48, 78)
    store.candles.add_page(BTC, run.timeframe, hours, [Period(START_MS, START_MS + 2 * DAY_MS)])
    store.close()
    found = engine.runs.bitcoin(run).relation
    assert found is not None
    assert (found.market, found.days) == ("BTCUSDT 1d", 90)  # of hours two days are held
    assert found.beta is not None

    itself = engine.runs.bitcoin(replace(run, market=BTC))
    assert (itself.symbol, itself.relation) == ("BTCUSDT", None)
