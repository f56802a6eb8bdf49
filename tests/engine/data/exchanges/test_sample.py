"""The bundled sample market goes through the same fetcher as Binance, without a network."""

from collections.abc import Iterator

import numpy as np
import pytest

from engine.data.exchanges.sample import aggregate, read_sample
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import InputError
from engine.model.kinds import Kind
from engine.model.market import FUNDING_GRID, SAMPLE_NOW_MS, TIMEFRAMES, Period, Timeframe
from engine.settings import read_settings
from tests.support.fake_exchange import assert_same_candles

HOUR = Timeframe("1h")


@pytest.fixture
def fetcher(store: Store) -> Iterator[DataFetcher]:
    # any address but the sample's own would fail: port 9 discards
    nowhere = read_settings(spot_url="http://127.0.0.1:9", futures_url="http://127.0.0.1:9")
    made = DataFetcher(store, nowhere)
    yield made
    made.close()


def test_the_sample_market_is_fetched_like_any_other(fetcher: DataFetcher, store: Store) -> None:
    market = fetcher.market("sample/usdt", "sample")
    assert (market.name, market.unified) == ("SAMPLEUSDT", "SAMPLE/USDT:USDT")
    period = Period.parse("2023-01-01", "2024-12-31")
    report = fetcher.fetch(market, HOUR, period, job="sample")
    assert report.candles == report.fetched == 731 * 24 - 5
    assert [(gone.reason, gone.period) for gone in report.missing] == [
        ("maintenance", Period.parse("2023-08-16T02:00", "2023-08-16T07:00"))
    ]
    assert_same_candles(store.candles.read(market, HOUR, period), read_sample("1h"))
    assert fetcher.fetch(market, HOUR, period, job="sample").requests == 0


@pytest.mark.long
def test_it_ships_funding_rates_of_both_signs_three_a_day(fetcher: DataFetcher, store: Store) -> None:
    market = fetcher.market("SAMPLEUSDT", "sample").of(Kind.FUNDING)
    period = Period.parse("2023-01-01", "2024-12-31")
    report = fetcher.fetch(market, FUNDING_GRID, period, job="sample")
    held, unknown = store.funding.known(market, period)
    assert (len(held), unknown, report.missing) == (731 * 3, (), ())
    assert (held.rate > 0).sum() > (held.rate < 0).sum() > 100
    assert float(np.abs(held.rate).max()) <= 0.003
    assert not np.isnan(held.mark).any()
    assert fetcher.fetch(market, FUNDING_GRID, period, job="sample").requests == 0
    with pytest.raises(InputError, match="sample lists no mark candles here"):
        fetcher.fetch(market.of(Kind.MARK), HOUR, period, job="sample")


def test_its_clock_stands_still_where_its_candles_end(fetcher: DataFetcher) -> None:
    market = fetcher.market("SAMPLEUSDT", "sample")
    report = fetcher.fetch(market, HOUR, Period.parse("2024-12-30", "2025-06-01"), job="sample")
    assert (report.candles, report.period.end) == (48, SAMPLE_NOW_MS)
    assert fetcher.status(market, HOUR, Period.parse("2024-12-30", "2025-06-01")).complete
    assert fetcher.fetch(market, HOUR, Period.parse("2024-12-30", "2025-06-01"), job="sample").requests == 0
    with pytest.raises(InputError, match="last closed one opened at 2024-12-31 23:00"):
        fetcher.fetch(market, HOUR, Period.parse("2025-01-01", "2025-06-01"), job="sample")


@pytest.mark.long_except("1h", "15m", "1M", "4h")
@pytest.mark.parametrize("name", [name for name in TIMEFRAMES if name not in ("1s", "1w")])
def test_every_timeframe_of_its_last_month_is_served(fetcher: DataFetcher, name: str) -> None:
    market, timeframe = fetcher.market("SAMPLEUSDT", "sample"), Timeframe(name)
    report = fetcher.fetch(market, timeframe, Period.parse("2024-12-01", "2024-12-31"), job="sample")
    assert report.candles + sum(timeframe.count(gone.period) for gone in report.missing) == timeframe.count(
        report.period
    )
    assert report.candles > 0


def test_longer_candles_are_the_shorter_ones_put_together() -> None:
    hours = read_sample("1h")
    days = aggregate(hours, Timeframe("1d"))
    assert len(days) == 731
    first = hours.slice(0, 24)
    assert (days.open[0], days.close[0]) == (first.open[0], first.close[-1])
    assert (days.high[0], days.low[0], days.volume[0]) == (
        first.high.max(),
        first.low.min(),
        first.volume.sum(),
    )
    assert np.array_equal(aggregate(hours, HOUR).close, hours.close)
