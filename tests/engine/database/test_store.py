"""Candles in, coverage out, against a real PostgreSQL."""

import threading

import numpy as np
import pytest

from engine.database.store import Store
from engine.errors import Interrupted
from engine.events import CancelToken
from engine.model.coverage import AFTER_DELISTING, BEFORE_LISTING, MAINTENANCE, MissingRange
from engine.model.market import Candles, Market, Period, Timeframe
from tests.support.own_time import within

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
DAY = Timeframe("1d")
HOUR_MS = 3_600_000


def days(start: str, last: str) -> Period:
    """Whole days, both ends inclusive."""
    return Period.parse(start, last)


def candles_of(timeframe: Timeframe, period: Period, price: float = 100.0) -> Candles:
    """One candle in every cell of the period."""
    opens = timeframe.opens(period)
    close = price + np.arange(len(opens), dtype=np.float64) * 0.5
    return Candles(opens, close - 0.1, close + 1, close - 0.5, close, np.full(len(opens), 7.25))


def hold(store: Store, period: Period, timeframe: Timeframe = HOUR, market: Market = SOL) -> int:
    return store.candles.add_page(market, timeframe, candles_of(timeframe, period), [period])


def assert_same(left: Candles, right: Candles) -> None:
    np.testing.assert_array_equal(left.timestamp, right.timestamp)
    for name, column in left.columns().items():
        np.testing.assert_array_equal(column, right.columns()[name])


def test_the_gap_between_two_held_periods_begins_on_the_leap_day(store: Store) -> None:
    hold(store, days("2024-01-01", "2024-02-28"))
    hold(store, days("2024-04-01", "2024-06-30"))
    wanted = days("2024-01-01", "2024-06-30")
    coverage = store.candles.coverage(SOL, HOUR, wanted)
    assert coverage.gaps == (days("2024-02-29", "2024-03-31"),)
    assert coverage.expected == 4368
    assert coverage.candles == 4368 - 32 * 24
    assert not coverage.complete


def test_a_series_never_seen_is_one_gap_and_leaves_no_row(store: Store) -> None:
    wanted = days("2024-01-01", "2024-01-02")
    coverage = store.candles.coverage(SOL, HOUR, wanted)
    assert (coverage.candles, coverage.gaps, coverage.missing) == (0, (wanted,), ())
    assert len(store.candles.read(SOL, HOUR, wanted)) == 0
    assert store.candles.held_series() == []
    assert store.symbols.active("binanceusdm") == set()


def test_candles_are_read_back_bit_for_bit(store: Store) -> None:
    period = Period(0, 5 * HOUR_MS)
    given = Candles(
        HOUR.opens(period),
        np.array([5e-324, 0.1 + 0.2, 1.7e308, 3.2e13, 1e-12]),
        np.array([105.4, 2, 1.7976931348623157e308, 1e16 + 2, 123456.789]),
        np.array([5e-324, 1e-12, 1 / 3, 2 / 3, 1e-12]),
        np.array([105.4, 105.39999999999999 / 100, 0.4, 9.99, 123456.789]),
        np.array([-0.0, 3.2e13, 1e-8, 0.1, 1e18]),
    )
    assert store.candles.add_page(SOL, HOUR, given, [period]) == 5
    held = store.candles.read(SOL, HOUR, period)
    assert_same(held, given)
    assert np.signbit(held.volume[0])


def test_stored_candles_are_not_overwritten_and_only_new_rows_are_counted(store: Store) -> None:
    first, later = days("2024-01-01", "2024-01-02"), days("2024-01-02", "2024-01-03")
    assert store.candles.add_page(SOL, HOUR, candles_of(HOUR, first, price=1), [first]) == 48
    assert store.candles.add_page(SOL, HOUR, candles_of(HOUR, later, price=9), [later]) == 24
    assert_same(store.candles.read(SOL, HOUR, first), candles_of(HOUR, first, price=1))
    assert [(series.candles, series.timeframe) for series in store.candles.held_series()] == [(72, HOUR)]


def test_a_page_with_one_candle_twice_keeps_the_first(store: Store) -> None:
    rows = [(0, 1.0, 2.0, 0.5, 1.5, 10.0), (0, 9.0, 9.0, 9.0, 9.0, 9.0)]
    assert store.candles.add_page(SOL, HOUR, Candles.from_rows(rows), [Period(0, HOUR_MS)]) == 1
    assert store.candles.read(SOL, HOUR, Period(0, HOUR_MS)).open.tolist() == [1.0]


def test_a_candle_outside_the_covered_periods_is_refused_and_nothing_is_stored(store: Store) -> None:
    day = days("2024-01-01", "2024-01-01")
    with pytest.raises(ValueError, match="24 candles lie outside"):
        store.candles.add_page(SOL, HOUR, candles_of(HOUR, days("2024-01-01", "2024-01-02")), [day])
    assert store.candles.coverage(SOL, HOUR, day).candles == 0


def test_timeframes_and_exchanges_are_separate_series(store: Store) -> None:
    day = days("2024-01-01", "2024-01-01")
    spot = Market("binance", "SOLUSDT", "SOL/USDT")
    hold(store, day)
    hold(store, day, DAY, spot)
    assert store.candles.coverage(SOL, DAY, day).gaps == (day,)
    assert store.candles.coverage(spot, HOUR, day).gaps == (day,)
    assert [
        (str(held.market), held.timeframe.name, held.candles) for held in store.candles.held_series()
    ] == [
        ("SOLUSDT on binance", "1d", 1),
        ("SOLUSDT on binanceusdm", "1h", 24),
    ]
    minute, month = Timeframe("1m"), Timeframe("1M")
    hold(store, day, minute)
    assert store.candles.coverage(SOL, month, days("2024-01-01", "2024-01-31")).candles == 0


def test_held_series_know_first_and_last_candle_and_what_the_market_list_says(store: Store) -> None:
    period = days("2024-01-01", "2024-01-02")
    hold(store, period)
    store.exchanges.save_markets(
        "binanceusdm", [Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT", False, 5)], 1
    )
    (held,) = store.candles.held_series()
    assert (held.first_ms, held.last_ms) == (period.start, period.end - HOUR_MS)
    assert (held.market.unified, held.market.is_trading, held.market.listed_ms) == ("SOL/USDT:USDT", False, 5)


def test_missing_cells_are_covered_and_told_with_reason_and_time(store: Store) -> None:
    day = days("2024-01-01", "2024-01-01")
    hole = Period(day.start + 5 * HOUR_MS, day.start + 7 * HOUR_MS)
    given = candles_of(HOUR, day)
    kept = (given.timestamp < hole.start) | (given.timestamp >= hole.end)
    page = Candles(given.timestamp[kept], *(column[kept] for column in given.columns().values()))
    parts = [Period(day.start, hole.start), Period(hole.end, day.end)]
    assert (
        store.candles.add_page(SOL, HOUR, page, parts, [MissingRange(hole, MAINTENANCE, 1_700_000_000_123)])
        == 22
    )
    coverage = store.candles.coverage(SOL, HOUR, day)
    assert coverage.complete
    assert coverage.missing == (MissingRange(hole, MAINTENANCE),)
    assert coverage.missing[0].confirmed_ms == 1_700_000_000_123
    inside = store.candles.coverage(SOL, HOUR, Period(hole.start + HOUR_MS, day.end))
    assert inside.missing == (MissingRange(Period(hole.start + HOUR_MS, hole.end), MAINTENANCE),)


def test_confirming_missing_again_moves_the_time_and_neighbours_are_told_as_one(store: Store) -> None:
    first, second = Period(0, 2 * HOUR_MS), Period(2 * HOUR_MS, 3 * HOUR_MS)
    store.candles.add_page(SOL, HOUR, Candles.empty(), [], [MissingRange(first, AFTER_DELISTING, 1000)])
    store.candles.add_page(SOL, HOUR, Candles.empty(), [], [MissingRange(second, AFTER_DELISTING, 2000)])
    (known,) = store.candles.coverage(SOL, HOUR, Period(0, 3 * HOUR_MS)).missing
    assert (known.period, known.confirmed_ms) == (Period(0, 3 * HOUR_MS), 1000)
    store.candles.add_page(SOL, HOUR, Candles.empty(), [], [MissingRange(first, AFTER_DELISTING, 3000)])
    (known,) = store.candles.coverage(SOL, HOUR, Period(0, 3 * HOUR_MS)).missing
    assert (known.period, known.confirmed_ms) == (Period(0, 3 * HOUR_MS), 2000)


def test_a_candle_that_comes_late_beats_missing(store: Store) -> None:
    store.candles.add_page(
        SOL, HOUR, Candles.empty(), [], [MissingRange(Period(0, 3 * HOUR_MS), MAINTENANCE)]
    )
    healed = Period(HOUR_MS, 2 * HOUR_MS)
    assert store.candles.add_page(SOL, HOUR, candles_of(HOUR, healed), [healed]) == 1
    coverage = store.candles.coverage(SOL, HOUR, Period(0, 3 * HOUR_MS))
    assert [gone.period for gone in coverage.missing] == [
        Period(0, HOUR_MS),
        Period(2 * HOUR_MS, 3 * HOUR_MS),
    ]
    assert (coverage.candles, coverage.complete) == (1, True)
    assert store.candles.held_series()[0].candles == 1


def test_cells_before_the_proven_first_candle_are_missing_not_gaps(store: Store) -> None:
    listed = days("2024-01-03", "2024-01-03")
    assert store.candles.first_candle(SOL, HOUR) is None
    store.candles.save_first_candle(SOL, HOUR, listed.start)
    assert store.candles.first_candle(SOL, HOUR) == listed.start
    assert store.candles.first_candle(SOL, DAY) is None
    coverage = store.candles.coverage(SOL, HOUR, days("2024-01-01", "2024-01-03"))
    assert coverage.missing == (MissingRange(days("2024-01-01", "2024-01-02"), BEFORE_LISTING),)
    assert coverage.gaps == (listed,)
    before = days("2023-01-01", "2023-01-02")
    wholly = store.candles.coverage(SOL, HOUR, before)
    assert (wholly.gaps, wholly.missing) == ((), (MissingRange(before, BEFORE_LISTING),))


def test_the_unproven_tail_is_remembered_and_cleared(store: Store) -> None:
    store.candles.save_unproven_tail(SOL, HOUR, 7 * HOUR_MS)
    assert store.candles.unproven_tail(SOL, HOUR) == 7 * HOUR_MS
    store.candles.save_unproven_tail(SOL, HOUR, None)
    assert store.candles.unproven_tail(SOL, HOUR) is None
    store.candles.save_unproven_tail(SOL, HOUR, 7 * HOUR_MS)
    store.candles.forget(SOL, HOUR, Period(0, 8 * HOUR_MS))
    assert store.candles.unproven_tail(SOL, HOUR) is None


def test_forgetting_reopens_exactly_that_period(store: Store) -> None:
    held, gone = days("2024-01-01", "2024-01-10"), days("2024-01-04", "2024-01-05")
    hold(store, held)
    store.candles.forget(SOL, HOUR, gone)
    coverage = store.candles.coverage(SOL, HOUR, held)
    assert (coverage.gaps, coverage.candles) == ((gone,), 8 * 24)
    assert store.candles.held_series()[0].candles == 8 * 24
    assert hold(store, held) == 48
    assert store.candles.coverage(SOL, HOUR, held).complete
    store.candles.forget(Market("binance", "NEVERSEEN", "NEVER/SEEN"), HOUR, held)


def test_a_long_series_is_read_in_parts_without_seams(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.database.series_store.READ_CELLS", 100)
    period = days("2024-01-01", "2024-02-10")
    hold(store, period)
    assert_same(store.candles.read(SOL, HOUR, period), candles_of(HOUR, period))


def test_the_cached_markets_are_replaced_as_a_whole(store: Store) -> None:
    assert store.exchanges.markets("binance") == []
    assert store.exchanges.markets_saved_ms("binance") is None
    first = [
        Market("binance", "AUSDT", "A/USDT", True, 1_500_000_000_000),
        Market("binance", "BUSDT", "B/USDT", False, None),
    ]
    store.exchanges.save_markets("binance", first, 1_700_000_000_001)
    store.exchanges.save_markets("binanceusdm", [SOL], 5)
    assert [(m.name, m.unified, m.is_trading, m.listed_ms) for m in store.exchanges.markets("binance")] == [
        ("AUSDT", "A/USDT", True, 1_500_000_000_000),
        ("BUSDT", "B/USDT", False, None),
    ]
    store.exchanges.save_markets("binance", first[1:], 1_700_000_000_002)
    assert store.exchanges.markets("binance") == first[1:]
    assert store.exchanges.markets_saved_ms("binance") == 1_700_000_000_002
    assert store.exchanges.markets("binanceusdm") == [SOL]


def test_processes_share_clock_and_block(store: Store, database_url: str) -> None:
    other = Store(database_url)
    assert (other.exchanges.clock_offset_ms("binance"), other.exchanges.blocked_until_ms("binance")) == (
        None,
        None,
    )
    store.exchanges.save_clock_offset("binance", -86_400_123)
    store.exchanges.save_blocked_until("binance", 1_700_000_000_001)
    store.exchanges.save_clock_offset("binance", 42)
    assert (other.exchanges.clock_offset_ms("binance"), other.exchanges.blocked_until_ms("binance")) == (
        42,
        1_700_000_000_001,
    )
    other.close()


def test_symbols_become_active_with_their_first_candles(store: Store) -> None:
    hold(store, days("2024-01-01", "2024-01-01"))
    assert store.symbols.active("binanceusdm") == {"SOLUSDT"}
    assert store.symbols.active("binance") == set()


def test_a_second_program_waits_for_the_series_lock_and_then_gets_it(store: Store, database_url: str) -> None:
    other, waits, got = Store(database_url), threading.Event(), threading.Event()
    told: list[str] = []

    def hear(holder: str) -> None:
        told.append(holder)
        waits.set()

    def second() -> None:
        with other.candles.series_lock(SOL, HOUR, hear):
            got.set()

    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        with store.candles.series_lock(SOL, DAY, pytest.fail):
            assert not got.is_set()
    assert got.wait(60)
    thread.join()
    assert told == ["another job of this program is downloading SOLUSDT 1h; waiting for it"]
    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        pass
    other.close()


def test_waiting_for_the_series_lock_can_be_cancelled(store: Store, database_url: str) -> None:
    other, cancel = Store(database_url), CancelToken()
    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        timer = threading.Timer(0.2, cancel.cancel)
        timer.start()
        with (
            within(2),
            pytest.raises(Interrupted),
            other.candles.series_lock(SOL, HOUR, lambda _: None, cancel.sleep),
        ):
            pytest.fail("the lock was held by another")
        timer.join()
    other.close()


def test_an_error_under_the_series_lock_frees_it(store: Store) -> None:
    with pytest.raises(KeyError), store.candles.series_lock(SOL, HOUR, pytest.fail):
        raise KeyError
    with store.candles.series_lock(SOL, HOUR, pytest.fail):
        pass


def test_four_writers_of_one_page_leave_one_range(store: Store) -> None:
    period = days("2024-01-01", "2024-01-20")
    fresh: list[int] = []
    threads = [threading.Thread(target=lambda: fresh.append(hold(store, period))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fresh) == [0, 0, 0, 480]
    assert store.candles.held_series()[0].candles == 480
    assert store.candles.coverage(SOL, HOUR, period).complete


def test_describe_tells_where_and_how_much(store: Store) -> None:
    hold(store, days("2024-01-01", "2024-01-02"))
    told = store.describe()
    assert told["version"].startswith("18")
    assert (told["candles"], told["series"], told["runs"]) == (48, 1, 0)
    assert told["size_bytes"] > 1_000_000
    assert told["database"].startswith("test_")
