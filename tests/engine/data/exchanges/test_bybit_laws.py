"""Whatever Bybit answers on the way, what is held in the end is the truth: over random holes, faults, pages and requests."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import ExchangeError
from engine.model.market import DAY_MS, HOUR_MS, Market, Period, Timeframe, parse_time
from tests.engine.data.exchanges.test_bybit import PASSING
from tests.engine.data.exchanges.test_bybit_fetch import ODD
from tests.support.examples import examples
from tests.support.fake_bybit import FakeBybit
from tests.support.fake_exchange import Bench, assert_same_candles, grid_candles, without

HOUR = Timeframe("1h")
START = parse_time("2024-01-10T07:00")
CELLS = 24 * 60
# what a page that lacks candles says must be confirmed by a second answer, so no two of them come together
LACKING = ("short", "forgetful", "empty")
HARMLESS = {name: fault for name, fault in (ODD | PASSING).items() if name not in LACKING}
_names = (f"N{number}" for number in itertools.count())

stretches = st.tuples(st.integers(0, CELLS - 2), st.integers(1, 500)).map(
    lambda drawn: (drawn[0], min(CELLS, drawn[0] + drawn[1]))
)
faults = st.lists(st.sampled_from(["none", *HARMLESS]), max_size=6)


@pytest.mark.long
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    holes=st.lists(st.tuples(st.integers(1, CELLS - 2), st.integers(1, 300)), max_size=4),
    asked=st.lists(st.tuples(stretches, faults, st.sampled_from(["none", *LACKING])), min_size=1, max_size=4),
    page_limit=st.sampled_from([3, 40, None]),
    keeps=st.sampled_from(["newest", "oldest"]),
)
def test_what_is_held_in_the_end_is_the_truth(
    fake_bybit: FakeBybit,
    store: Store,
    holes: list[tuple[int, int]],
    asked: list[tuple[tuple[int, int], list[str], str]],
    page_limit: int | None,
    keeps: str,
) -> None:
    base = next(_names)
    listed = Period(START, START + CELLS * HOUR_MS)
    gone = [
        Period(START + first * HOUR_MS, START + min(CELLS - 1, first + count) * HOUR_MS)
        for first, count in holes
    ]
    truth = without(grid_candles("1h", listed), *gone)
    fake_bybit.keeps, fake_bybit.clock_ms = keeps, listed.end + DAY_MS // 2
    fake_bybit.add(base, "1h", truth)
    market = Market("bybitlinear", f"{base}USDT", f"{base}/USDT:USDT")
    if page_limit == 3:
        asked = [((first, min(first + 100, end)), *rest) for (first, end), *rest in asked]  # type: ignore[misc]
    one = Bench(fake_bybit, store, page_limit, names=("bybitlinear", "bybit"))
    wanted = []
    for (first, end), named, lacking in asked:
        period = Period(START + (first - 30) * HOUR_MS, START + end * HOUR_MS)
        if lacking != "none":
            fake_bybit.fail(ODD[lacking])
        fake_bybit.fail(*(HARMLESS[name] for name in named if name != "none"))
        fetch_to_the_end(one.fetcher, market, period)
        fake_bybit.faults["kline"].clear()
        wanted.append(period)
    one.close()

    assert store.candles.recorded_listing(market, HOUR) is not None or all(
        part.start > START for part in wanted
    )
    for period in wanted:
        coverage = store.candles.coverage(market, HOUR, period)
        assert coverage.complete
        assert_same_candles(store.candles.read(market, HOUR, period), truth.within(period))
        lost = {cell for part in coverage.missing for cell in HOUR.opens(part.period).tolist()}
        lacks = set(HOUR.opens(period.clip(listed)).tolist()) - set(truth.timestamp.tolist())
        assert {cell for cell in lost if cell >= listed.start} == lacks


def fetch_to_the_end(fetcher: DataFetcher, market: Market, period: Period) -> None:
    """Run again after failures, as their words say."""
    for _ in range(10):
        try:
            fetcher.fetch(market, HOUR, period, job="x")
        except ExchangeError:
            continue
        return
    raise AssertionError("ten times in vain")
