"""`verify` compares what is held with the exchange, mends it in one moment, and asks again where candles were missing."""

import threading

import numpy as np
import pytest

from engine.errors import ExchangeError, InputError, Interrupted
from engine.events import CancelToken, Event, Progress
from engine.model.coverage import MAINTENANCE, VerifyReport
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, format_time
from tests.support.database import execute
from tests.support.fake_exchange import (
    Bench,
    FakeExchange,
    Fault,
    MakeBench,
    assert_same_candles,
    grid_candles,
    html,
    without,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2024-01-31")
WEEK = Period.parse("2024-01-03", "2024-01-09")
DAYS = ("2024-01-03", "2024-01-09")


def hours(first: int, last: int) -> Period:
    """Hours of WEEK."""
    return Period(WEEK.start + first * HOUR_MS, WEEK.start + last * HOUR_MS)


@pytest.fixture
def truth(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


def serve(fake: FakeExchange, candles: Candles) -> None:
    fake.add("SOL", "1h", candles, listed_ms=LISTED.start)


def revise(candles: Candles, *opens: int, factor: float = 1.001) -> Candles:
    """The same candles, some of them with other prices."""
    rows = np.isin(candles.timestamp, opens)
    changed = {name: np.where(rows, column * factor, column) for name, column in candles.columns().items()}
    return Candles(candles.timestamp, **changed)


def verify(bench: Bench, period: Period | None = None, *, dry_run: bool = False, **more) -> VerifyReport:
    return bench.fetcher.verify(
        bench.fetcher.market("SOLUSDT"), HOUR, period, job="verify", dry_run=dry_run, **more
    )


def held(bench: Bench, period: Period = WEEK) -> Candles:
    return bench.store.candles.read(bench.fetcher.market("SOLUSDT"), HOUR, period)


def version(bench: Bench) -> int:
    return bench.store.verification.version(bench.fetcher.market("SOLUSDT"), HOUR)


def test_candles_that_agree_are_counted_and_nothing_is_written(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=50)
    one.fetch(*DAYS)
    before = version(one)
    fake_exchange.requests.clear()
    report = verify(one)
    assert (report.checked, report.added, report.repaired_ranges, report.differences) == (168, 0, 0, 0)
    assert report.period == WEEK, "without a period: everything that is held"
    assert report.requests == len(fake_exchange.candle_requests) == 4
    assert version(one) == before
    assert report.to_json() == {
        "symbol": "SOLUSDT",
        "unified": "SOL/USDT:USDT",
        "exchange": "binanceusdm",
        "timeframe": "1h",
        "kind": "traded",
        "start": "2024-01-03T00:00:00Z",
        "end": "2024-01-10T00:00:00Z",
        "checked": 168,
        "revised": [],
        "added": 0,
        "still_missing": [],
        "only_here": [],
        "repaired_ranges": 0,
        "requests": 4,
        "dry_run": False,
        "notices": [],
    }


def test_revised_candles_are_reported_and_replaced_and_coverage_stays(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=50)
    one.fetch(*DAYS)
    ranges = "SELECT id, start_time, end_time, candle_count, fetched_at FROM data_ranges"
    with one.store.database.transaction() as connection:
        before = connection.exec_driver_sql(ranges).all()
    opens = [WEEK.start + 5 * HOUR_MS, WEEK.start + 120 * HOUR_MS]
    revised = revise(truth, *opens)
    serve(fake_exchange, revised)
    report = verify(one)
    said = report.to_json()["revised"]
    assert [line["time"] for line in said] == [format_time(opened) for opened in opens]
    for line, opened in zip(said, opens, strict=True):
        at = int(np.searchsorted(truth.timestamp, opened))
        assert line["old"] == [column[at] for column in truth.columns().values()]
        assert line["new"] == [column[at] for column in revised.columns().values()]
    assert_same_candles(held(one), revised.within(WEEK))
    with one.store.database.transaction() as connection:
        assert connection.exec_driver_sql(ranges).all() == before
    assert verify(one).differences == 0


def test_a_dry_run_reports_the_same_and_changes_nothing(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles, database_url: str
) -> None:
    one = bench(page_limit=50)
    serve(fake_exchange, without(truth, hours(10, 12)))
    one.fetch(*DAYS)
    execute(database_url, "DELETE FROM ohlcv_data WHERE timestamp = '2024-01-05 00:00Z'")
    serve(fake_exchange, revise(truth, WEEK.start))
    before = version(one)
    dry = verify(one, dry_run=True)
    assert version(one) == before
    assert (len(dry.revised[0]), dry.added, dry.repaired_ranges) == (1, 3, 1)
    wet = verify(one)
    assert wet.to_json() == {**dry.to_json(), "dry_run": False}
    assert verify(one).differences == 0


def test_candles_once_missing_that_exist_now_are_added_and_the_rest_stays_missing(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=50)
    serve(fake_exchange, without(truth, hours(10, 14), hours(100, 102)))
    one.fetch(*DAYS)
    assert one.status(*DAYS).missing_candles == 6
    serve(fake_exchange, without(truth, hours(12, 14), hours(100, 101)))
    report = verify(one)
    assert report.added == 3
    assert report.still_missing == (hours(12, 14), hours(100, 101))
    status = one.status(*DAYS)
    assert status.complete
    assert [(gone.period, gone.reason) for gone in status.missing] == [
        (hours(12, 14), MAINTENANCE),
        (hours(100, 101), MAINTENANCE),
    ]
    assert_same_candles(held(one), without(truth, hours(12, 14), hours(100, 101)).within(WEEK))


def test_only_held_parts_of_a_period_are_asked_for_and_gaps_stay_gaps(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench()
    one.fetch("2024-01-03", "2024-01-03")
    one.fetch("2024-01-08", "2024-01-09")
    fake_exchange.requests.clear()
    report = verify(one, WEEK)
    assert report.checked == 72
    assert [int(request.params["startTime"]) for request in fake_exchange.pages] == [
        WEEK.start,
        hours(120, 0).start,
    ]
    assert one.status(*DAYS).gaps == (hours(24, 120),)


def test_a_candle_that_the_exchange_has_no_more_is_asked_for_twice_reported_and_kept(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench()
    one.fetch(*DAYS)
    serve(fake_exchange, without(truth, hours(20, 23), hours(160, 400)))
    fake_exchange.requests.clear()
    report = verify(one)
    assert report.only_here == (hours(20, 23), hours(160, 168))
    assert report.checked == 168 - 11
    asked = [int(request.params["startTime"]) for request in fake_exchange.pages]
    assert asked.count(hours(20, 0).start) == 1
    assert asked.count(hours(160, 0).start) == 2
    assert_same_candles(held(one), truth.within(WEEK))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(rows=lambda rows: rows[: len(rows) // 2]),
        Fault(rows=lambda rows: rows[::2]),
        Fault(rows=lambda _: []),
        html(),
        Fault(status=500),
    ],
    ids=["half a page", "every other candle", "an empty page", "a captive portal", "a server in trouble"],
)
def test_one_bad_answer_is_not_taken_for_a_difference(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles, fault: Fault
) -> None:
    one = bench(page_limit=60)
    one.fetch(*DAYS)
    fake_exchange.fail(fault)
    report = verify(one)
    assert (report.checked, report.differences) == (168, 0)


def test_an_exchange_that_is_down_changes_nothing(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=60)
    one.fetch(*DAYS)
    before = version(one)
    serve(fake_exchange, revise(truth, WEEK.start))
    fake_exchange.fail(html(), times=100)
    fake_exchange.faults["klines"].appendleft(Fault())  # the first page comes, the second never
    with pytest.raises(ExchangeError, match=r"nothing was changed; run again"):
        verify(one)
    assert version(one) == before
    assert_same_candles(held(one), truth.within(WEEK))


def test_stopping_changes_nothing_and_progress_counts_candles(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=60)
    one.fetch(*DAYS)
    serve(fake_exchange, revise(truth, WEEK.start))
    cancel, seen = CancelToken(), []

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            seen.append((event.done, event.total, event.unit))
            cancel.cancel()

    with pytest.raises(Interrupted, match="nothing was changed"):
        verify(one, on_event=stop, cancel=cancel)
    assert seen == [(60, 168, "candles")]
    assert_same_candles(held(one), truth.within(WEEK))


def test_nothing_held_is_nothing_to_verify(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench()
    with pytest.raises(InputError, match="nothing of SOLUSDT 1h on binanceusdm is held"):
        verify(one)
    one.fetch("2024-01-03", "2024-01-03")
    with pytest.raises(InputError, match="nothing to verify"):
        verify(one, hours(48, 72))
    assert fake_exchange.pages[-1].params["startTime"] == str(WEEK.start)


def test_the_candle_still_open_is_never_stored_however_the_record_claims_it(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles, database_url: str
) -> None:
    one = bench()
    one.fetch(*DAYS)
    execute(database_url, "UPDATE data_ranges SET end_time = '2024-03-01'")
    fake_exchange.clock_ms = hours(170, 0).start + 90 * 60_000  # hour 171 has been open for half an hour
    report = verify(one)
    assert report.added == 3
    assert int(held(one, LISTED).timestamp[-1]) == hours(170, 0).start


def test_imported_candles_are_compared_put_right_and_trusted_from_then_on(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench(page_limit=50)
    market = one.fetcher.market("SOLUSDT")
    wrong = revise(truth, WEEK.start + HOUR_MS).within(WEEK)
    one.store.candles.add_page(market, HOUR, wrong, [WEEK])
    one.store.verification.mark_imported(market, HOUR, WEEK, "sol.csv")
    serve(fake_exchange, without(truth, hours(30, 32)))
    assert len(verify(one, dry_run=True).revised[0]) == 1
    assert one.store.verification.imported(market, HOUR, WEEK) == [WEEK]
    report = verify(one)
    assert (len(report.revised[0]), report.only_here) == (1, (hours(30, 32),))
    assert one.store.verification.imported(market, HOUR, WEEK) == [hours(30, 32)], (
        "nobody vouches for these yet"
    )
    assert_same_candles(held(one), truth.within(WEEK))


@pytest.mark.long
def test_readers_see_all_old_or_all_new_values(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one = bench()
    one.fetch(*DAYS)
    market = one.fetcher.market("SOLUSDT")
    week = truth.within(WEEK)
    doubled = revise(week, *week.timestamp.tolist(), factor=2.0)
    mixed, reads, stop = [], [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            ratio = one.store.candles.read(market, HOUR, WEEK).close / week.close
            reads.append(float(ratio[0]))
            if len(np.unique(ratio)) != 1:
                mixed.append(ratio)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for round_ in range(20):
        serve(fake_exchange, doubled if round_ % 2 == 0 else week)
        assert len(verify(one).revised[0]) == 168
    stop.set()
    for reader in readers:
        reader.join()
    assert not mixed
    assert set(reads) == {1.0, 2.0}


def test_verify_waits_for_a_program_that_fetches_and_stops_waiting_when_told(
    bench: MakeBench, fake_exchange: FakeExchange, truth: Candles
) -> None:
    one, two = bench(), bench()
    one.fetch(*DAYS)
    market = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
    cancel, events = CancelToken(), []

    def listen(event: Event) -> None:
        events.append(event)
        cancel.cancel()

    with (
        two.store.candles.series_lock(market, HOUR, lambda _: None),
        pytest.raises(Interrupted),
    ):
        verify(one, on_event=listen, cancel=cancel)
    assert "is downloading SOLUSDT 1h; waiting for it" in str(events[0])
