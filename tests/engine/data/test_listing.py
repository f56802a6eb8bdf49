"""Where a series begins is the exchange's word, until a candle refutes it; verify and remove ask again."""

import pytest

from engine.data.sync import delete_series
from engine.errors import ExchangeError, InputError
from engine.events import CancelToken, ignore_event
from engine.model.coverage import BEFORE_LISTING, MAINTENANCE
from engine.model.market import Candles, Market, Period, Timeframe, parse_time
from tests.support.damage import NO_CHECKS
from tests.support.database import execute
from tests.support.fake_archive import FakeArchive
from tests.support.fake_exchange import (
    Bench,
    FakeExchange,
    MakeBench,
    assert_same_candles,
    grid_candles,
    without,
)

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2025-01-31")
LIE = parse_time("2024-05-10")
MAY = ("2024-05-01", "2024-05-31")
EARLY = Period(parse_time("2024-05-01"), LIE)
APRIL = ("2024-04-01", "2024-04-30")


@pytest.fixture
def truth(fake_exchange: FakeExchange) -> Candles:
    """Every hour since 2024, of an exchange that does not say since when."""
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles)
    return candles


@pytest.fixture
def misled(bench: MakeBench, truth: Candles) -> Bench:
    """A fetcher whose first fetch met a node without older candles."""
    one = bench()
    one.fake.lacks_before_ms = LIE
    report = one.fetch(*MAY)
    assert [(gone.period, gone.reason) for gone in report.missing] == [(EARLY, BEFORE_LISTING)]
    one.fake.lacks_before_ms = None
    return one


def sol(one: Bench) -> Market:
    return one.fetcher.market("SOLUSDT")


def probes(one: Bench) -> int:
    return sum(request.params["startTime"] == "0" for request in one.fake.candle_requests)


def test_a_fetch_does_not_ask_again_and_verify_does(misled: Bench, truth: Candles) -> None:
    assert misled.fetch(*MAY).requests == 0
    dry = misled.fetcher.verify(sol(misled), HOUR, job="v", dry_run=True)
    assert misled.status(*MAY).complete
    report = misled.fetcher.verify(sol(misled), HOUR, job="v")
    assert report.notices == dry.notices
    assert report.notices == (
        "the first 1h candle of SOLUSDT is at 2024-01-01 00:00 UTC, not at 2024-05-10 00:00 UTC as was recorded",
    )
    assert (report.checked, report.repaired_ranges) == (22 * 24, 1)
    assert misled.status(*MAY).gaps == (EARLY,)
    fetched = misled.fetch(*MAY)
    assert (fetched.fetched, fetched.missing) == (9 * 24, ())
    assert_same_candles(misled.held(fetched), truth.within(fetched.period))
    again = misled.fetcher.verify(sol(misled), HOUR, job="v")
    assert (again.differences, again.notices) == (0, ())


def test_verify_asks_again_where_nothing_is_held_but_a_listing_is_recorded(
    bench: MakeBench, truth: Candles
) -> None:
    one = bench()
    one.fake.lacks_before_ms = LIE
    with pytest.raises(InputError, match=r"lies wholly before \(`backtest verify` asks the exchange again\)"):
        one.fetch(*APRIL)
    one.fake.lacks_before_ms = None
    with pytest.raises(InputError, match="lies wholly before"):
        one.fetch(*APRIL)
    assert "is at 2024-01-01 00:00 UTC" in one.fetcher.verify(sol(one), HOUR, job="v").notices[0]
    assert one.fetch(*APRIL).candles == 30 * 24
    one.store.candles.forget(sol(one), HOUR, LISTED)
    with pytest.raises(InputError, match="nothing to verify"):
        one.fetcher.verify(sol(one), HOUR, job="v")


def test_removing_a_series_forgets_where_it_begins(misled: Bench) -> None:
    assert delete_series(misled.store, sol(misled), HOUR, ignore_event, CancelToken()) == 22 * 24
    assert misled.fetch(*MAY).candles == 31 * 24


def test_a_listing_later_than_held_candles_is_refused_when_it_is_asked(
    bench: MakeBench, truth: Candles, fake_exchange: FakeExchange
) -> None:
    """The exchange's own hint made a probe unneeded at first; then a node without older candles answers one."""
    fake_exchange.add("SOL", "1h", truth, listed_ms=parse_time("2024-04-10"))
    one = bench()
    one.fetch("2024-05-01", "2024-05-05")
    assert probes(one) == 0
    one.fake.lacks_before_ms = LIE
    with pytest.raises(
        ExchangeError,
        match=r"contradict each other: its first candle is at 2024-05-10 00:00 UTC, but it served one of 2024-05-01",
    ):
        one.fetch(*APRIL)
    assert probes(one) == 5, "it was asked again, as a passing fault"
    assert one.store.candles.first_candle(sol(one), HOUR) is None
    one.fake.lacks_before_ms = None
    assert one.fetch(*APRIL).candles == 30 * 24
    assert one.store.candles.first_candle(sol(one), HOUR) == LISTED.start


@pytest.mark.parametrize(
    "recorded", ["2024-05-10 00:00Z", "infinity", "2024-05-10 00:17Z", "9999-01-01 00:00Z"]
)
def test_a_recorded_listing_later_than_held_candles_is_damage_that_status_says_and_fetch_and_verify_mend(
    bench: MakeBench, truth: Candles, database_url: str, recorded: str
) -> None:
    one = bench()
    one.fetch("2024-05-01", "2024-05-05")
    damage = f"UPDATE series_state SET first_candle = '{recorded}'"
    execute(database_url, NO_CHECKS, damage)
    status = one.status(*APRIL)
    assert (status.gaps, status.missing) == ((Period.parse(*APRIL),), ())
    (notice,) = status.notices
    assert f"says that the first candle is at {recorded[:10]}" in notice
    assert "earlier ones are held; it is not believed, `backtest verify` asks the exchange again" in notice
    report = one.fetch(*APRIL)
    assert (report.candles, report.missing) == (30 * 24, ())
    assert one.status(*APRIL).notices == ()

    execute(database_url, damage)
    verified = one.fetcher.verify(sol(one), HOUR, job="v")
    assert "the first 1h candle of SOLUSDT is at 2024-01-01 00:00 UTC" in verified.notices[0]
    assert one.status(*APRIL).notices == ()
    assert one.store.candles.first_candle(sol(one), HOUR) == LISTED.start


def test_verify_forgets_a_refuted_listing_that_the_exchange_cannot_better(
    bench: MakeBench, truth: Candles, database_url: str
) -> None:
    one = bench()
    one.fetch("2024-05-01", "2024-05-05")
    execute(database_url, "UPDATE series_state SET first_candle = '2024-05-10 00:00Z'")
    one.fake.lacks_before_ms = LIE
    report = one.fetcher.verify(sol(one), HOUR, job="v")
    assert "is not known, not at 2024-05-10 00:00 UTC as was recorded" in report.notices[0]
    assert one.status(*APRIL).notices == ()
    assert one.status(*APRIL).gaps == (Period.parse(*APRIL),)


def test_verify_believes_no_later_beginning_than_one_that_was_served(
    bench: MakeBench, truth: Candles
) -> None:
    one = bench()
    one.fetch("2024-05-20", "2024-05-31")
    assert one.store.candles.first_candle(sol(one), HOUR) == LISTED.start
    one.fake.lacks_before_ms = LIE
    report = one.fetcher.verify(sol(one), HOUR, job="v")
    assert report.notices == ()
    assert one.store.candles.first_candle(sol(one), HOUR) == LISTED.start


def imported(one: Bench, candles: Candles, period: Period) -> None:
    part = candles.within(period)
    one.store.verification.mark_imported(sol(one), HOUR, period, "old.csv")
    assert one.store.candles.add_page(sol(one), HOUR, part, [period]) == len(part)


def test_candles_that_a_file_brought_from_before_the_listing_move_it_and_what_lies_between_is_asked_for(
    bench: MakeBench, fake_exchange: FakeExchange
) -> None:
    whole = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", without(whole, Period(LISTED.start, EARLY.end)))
    one = bench()
    week = Period.parse("2024-04-01", "2024-04-07")
    imported(one, whole, week)
    report = one.fetch("2024-03-25", "2024-05-31")
    between = Period(week.end, LIE)
    assert [(gone.period, gone.reason) for gone in report.missing] == [
        (Period.parse("2024-03-25", "2024-03-31"), BEFORE_LISTING),
        (between, MAINTENANCE),
    ], "nothing is before the listing that comes after a held candle"
    assert report.candles == 7 * 24 + 22 * 24
    assert one.fetch("2024-03-25", "2024-05-31").requests == 0
    verified = one.fetcher.verify(sol(one), HOUR, job="v")
    assert (verified.only_here, verified.notices) == ((week,), ())


@pytest.mark.long
def test_files_show_no_older_candles_than_the_exchange_itself(
    bench: MakeBench, fake_exchange: FakeExchange, fake_archive: FakeArchive
) -> None:
    days = Period.parse("2024-05-01", "2024-05-20")
    whole = grid_candles("1m", days)
    first = parse_time("2024-05-10T06:00")
    fake_exchange.add(
        "SOL", "1m", without(whole, Period(days.start, first)), listed_ms=parse_time("2024-04-30")
    )
    fake_archive.add("SOLUSDT", "1m", whole)
    by_files, by_rest = bench(archive_url=fake_archive.url), bench(archive_url="off")
    report = by_files.fetch("2024-05-01", "2024-05-19", timeframe="1m")
    assert report.archive_days > 0
    held = by_files.held(report)
    assert int(held.timestamp[0]) == first
    by_rest.store.candles.forget(report.market, report.timeframe, days)
    again = by_rest.fetch("2024-05-01", "2024-05-19", timeframe="1m")
    assert_same_candles(by_rest.held(again), held)
    assert again.missing == report.missing
