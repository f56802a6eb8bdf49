"""Funding rates from an exchange into the database: asked for once, proven by hours, never taken on trust."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine.errors import ExchangeError, InputError
from engine.model.coverage import AFTER_DELISTING, BEFORE_LISTING, HOLE, FetchReport
from engine.model.funding import FundingRates, FundingRow
from engine.model.kinds import Kind
from engine.model.market import DAY_MS, FUNDING_GRID, HOUR_MS, Period, parse_time
from tests.support.fake_exchange import Bench, FakeExchange, Fault, MakeBench, grid_candles

NAN = float("nan")
LISTED = parse_time("2024-01-01T08:00")
NOW = parse_time("2024-03-01T10:30")
DAYS = Period(parse_time("2024-01-01"), parse_time("2024-03-02"))


def settlements(
    first: int = LISTED, end: int = NOW, *, every: int = 8, but: Sequence[str] = ()
) -> list[FundingRow]:
    """One every so many hours, up to 16 ms late; mark prices come in February only, as they once came to Binance."""
    left_out = {parse_time(one) for one in but}
    hours = [ms for ms in range(first, end, every * HOUR_MS) if ms not in left_out]
    since = parse_time("2024-02-01")
    return [
        (
            ms + number % 17,
            round((number % 9 - 3) * 1e-5, 8),
            NAN if ms < since else 100.0 + number,
            "Regular",
            NAN,
        )
        for number, ms in enumerate(hours)
    ]


@pytest.fixture
def perpetual(fake_exchange: FakeExchange, bench: MakeBench) -> Bench:
    """SOLUSDT with two months of funding; it is half past ten."""
    fake_exchange.clock_ms = NOW
    fake_exchange.add("SOL", "1h", grid_candles("1h", Period(LISTED, NOW)), listed_ms=LISTED)
    serve(fake_exchange, settlements())
    return bench()


def serve(fake: FakeExchange, rows: list[FundingRow]) -> None:
    fake.add_more("SOL", funding=FundingRates.from_rows(rows))


def fetch(bench: Bench, start: str, end: str) -> FetchReport:
    return bench.fetch(start, end, kind=Kind.FUNDING)


def test_rates_are_held_at_full_hours_as_the_exchange_served_them(perpetual: Bench) -> None:
    report = fetch(perpetual, "2024-01-30", "2024-02-02")

    held = perpetual.funding("2024-01-30", "2024-02-02")
    truth = FundingRates.from_rows(settlements()).within(report.period)
    assert (report.candles, report.fetched) == (12, 12)
    assert held.sha256() == truth.sha256()
    assert np.array_equal(held.served, truth.served)
    assert (held.time % HOUR_MS == 0).all()
    assert np.isnan(held.mark).sum() == 6
    assert perpetual.funding_status("2024-01-30", "2024-02-02").expected == 12


def test_what_is_held_is_not_asked_for_again(perpetual: Bench) -> None:
    fetch(perpetual, "2024-01-10", "2024-01-20")
    fetch(perpetual, "2024-01-05", "2024-01-12")
    sent = len(perpetual.fake.funding_requests)

    again = fetch(perpetual, "2024-01-05", "2024-01-20")

    assert (again.requests, again.fetched, again.candles) == (0, 0, 48)
    assert len(perpetual.fake.funding_requests) == sent
    assert perpetual.funding_status("2024-01-01", "2024-01-31").gaps == (
        Period(parse_time("2024-01-01"), parse_time("2024-01-05")),
        Period(parse_time("2024-01-21"), parse_time("2024-02-01")),
    )


def test_hours_up_to_the_next_settlement_are_proven_by_a_second_answer(perpetual: Bench) -> None:
    report = fetch(perpetual, "2024-02-28", "2024-03-02")

    assert report.period.end == parse_time("2024-03-01T11:00"), (
        "its 10:00 settlement would have been served by 10:01"
    )
    status = perpetual.funding_status("2024-02-28", "2024-03-02")
    assert status.complete
    assert status.missing == ()
    assert fetch(perpetual, "2024-02-28", "2024-03-02").requests == 0


def test_a_settlement_that_is_due_and_not_served_stays_a_gap(perpetual: Bench) -> None:
    perpetual.fake.clock_ms = parse_time("2024-03-01T16:30")

    report = fetch(perpetual, "2024-02-28", "2024-03-02")

    status = perpetual.funding_status("2024-02-28", "2024-03-02")
    assert status.gaps == (Period(parse_time("2024-03-01T16:00"), parse_time("2024-03-01T17:00")),)
    assert status.expected == status.candles + 1
    assert "no settlement after 2024-03-01 16:00 UTC yet" in report.notices[-1]

    sent = len(perpetual.fake.funding_requests)
    fetch(perpetual, "2024-02-28", "2024-03-02")
    assert len(perpetual.fake.funding_requests) == sent + 1, "one probe"
    serve(perpetual.fake, settlements(end=parse_time("2024-03-01T17:00")))
    assert fetch(perpetual, "2024-02-28", "2024-03-02").fetched == 1
    assert perpetual.funding_status("2024-02-28", "2024-03-02").complete


@pytest.mark.long
def test_within_a_minute_of_its_time_a_settlement_is_not_missed_yet(perpetual: Bench) -> None:
    perpetual.fake.clock_ms = parse_time("2024-03-01T16:00:59")
    serve(perpetual.fake, settlements(end=parse_time("2024-03-01T09:00")))

    report = fetch(perpetual, "2024-02-28", "2024-03-02")

    assert report.period.end == parse_time("2024-03-01T16:00")
    assert perpetual.funding_status("2024-02-28", "2024-03-02").complete


def test_before_the_first_settlement_there_is_nothing_to_ask_for(perpetual: Bench) -> None:
    with pytest.raises(InputError, match="first settlement at 2024-01-01 08:00 UTC"):
        fetch(perpetual, "2023-11-01", "2023-11-30")

    report = fetch(perpetual, "2023-12-01", "2024-01-05")

    assert [(gone.period.end, gone.reason) for gone in report.missing] == [(LISTED, BEFORE_LISTING)]
    assert perpetual.funding_status("2023-12-01", "2024-01-05").complete


def test_more_than_eight_hours_without_one_are_a_known_hole(perpetual: Bench) -> None:
    serve(perpetual.fake, settlements(but=["2024-01-10T00:00", "2024-01-10T08:00"]))

    report = fetch(perpetual, "2024-01-08", "2024-01-12")

    hole = Period(parse_time("2024-01-09T17:00"), parse_time("2024-01-10T16:00"))
    assert [(gone.period, gone.reason) for gone in report.missing] == [(hole, HOLE)]
    status = perpetual.funding_status("2024-01-08", "2024-01-12")
    assert (status.complete, status.candles, status.expected) == (True, 13, 15)
    assert fetch(perpetual, "2024-01-08", "2024-01-12").requests == 0


def test_an_answer_that_lacks_rows_is_found_out_by_the_second_one(perpetual: Bench) -> None:
    perpetual.fake.fail(Fault(rows=lambda rows: [*rows[:3], *rows[6:]]), on="fundingRate")

    fetch(perpetual, "2024-01-08", "2024-01-12")

    status = perpetual.funding_status("2024-01-08", "2024-01-12")
    assert (status.candles, status.missing) == (15, ())


@pytest.mark.long
def test_an_interval_that_becomes_shorter_is_no_hole(perpetual: Bench) -> None:
    first, second, third = (parse_time(f"2024-01-10T{hour:02}:00") for hour in (8, 12, 13))
    rows = [
        *settlements(end=first),
        *settlements(first, third, every=4),
        *settlements(third, parse_time("2024-01-11"), every=1),
        *settlements(parse_time("2024-01-11T04:00"), every=8),
    ]
    serve(perpetual.fake, rows)

    fetch(perpetual, "2024-01-08", "2024-01-14")

    assert second < third
    assert perpetual.funding_status("2024-01-08", "2024-01-14").missing == ()
    held = perpetual.funding("2024-01-08", "2024-01-14")
    assert (
        held.sha256()
        == FundingRates.from_rows(rows)
        .within(Period(parse_time("2024-01-08"), parse_time("2024-01-15")))
        .sha256()
    )


def test_a_special_settlement_beside_a_regular_one_is_kept_also_at_the_end_of_a_page(
    perpetual: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.exchanges.exchange.FUNDING_ROWS", 2)
    rows = settlements()
    special = [(rows[number][0] + 1, 2e-4, NAN, "Special", NAN) for number in (21, 24)]
    serve(perpetual.fake, sorted([*rows, *special]))

    fetch(perpetual, "2024-01-08", "2024-01-10")

    held = perpetual.funding("2024-01-08", "2024-01-10")
    assert (held.rate_type == "Special").sum() == 2
    assert len(held) == 11


def test_of_an_answer_with_a_broken_row_nothing_is_stored(perpetual: Bench) -> None:
    broken = Fault(rows=lambda rows: [*rows[:2], rows[2] | {"fundingRate": "5"}])
    perpetual.fake.fail(broken, on="fundingRate", times=5)

    with pytest.raises(ExchangeError, match=r"0 funding rates already saved; run again to continue$"):
        fetch(perpetual, "2024-01-08", "2024-01-10")

    assert len(perpetual.funding("2024-01-01", "2024-02-28")) == 0
    assert perpetual.funding_status("2024-01-08", "2024-01-10").candles == 0


@pytest.mark.long
@pytest.mark.parametrize("mark", ["", None])
def test_mark_prices_that_are_not_told_are_none(perpetual: Bench, mark: str | None) -> None:
    perpetual.fake.fail(
        Fault(
            rows=lambda rows: (
                [row | {"markPrice": mark} for row in rows[:2]]
                + [{k: v for k, v in row.items() if k != "markPrice"} for row in rows[2:]]
            )
        ),
        on="fundingRate",
    )

    fetch(perpetual, "2024-02-08", "2024-02-10")

    assert np.isnan(perpetual.funding("2024-02-08", "2024-02-10").mark).all()


def test_a_delisted_market_has_no_funding_after_its_end(perpetual: Bench) -> None:
    serve(perpetual.fake, settlements(end=parse_time("2024-02-01")))
    perpetual.fake.delist("SOL")

    report = fetch(perpetual, "2024-01-25", "2024-02-20")

    assert [gone.reason for gone in report.missing] == [AFTER_DELISTING]
    status = perpetual.funding_status("2024-01-25", "2024-02-20")
    assert (status.complete, status.expected) == (True, status.candles)


@pytest.mark.long
def test_a_list_that_cannot_be_asked_reopens_nothing_that_was_proven(perpetual: Bench) -> None:
    serve(perpetual.fake, settlements(end=parse_time("2024-02-01")))
    perpetual.fake.delist("SOL")
    fetch(perpetual, "2024-01-25", "2024-02-20")
    perpetual.fake.clock_ms += 3 * DAY_MS
    perpetual.fake.fail(Fault(status=500), times=50, on="exchangeInfo")

    with pytest.raises(ExchangeError, match="whether it still trades could not be asked"):
        fetch(perpetual, "2024-01-25", "2024-02-25")

    assert perpetual.funding_status("2024-01-25", "2024-02-20").complete


@pytest.mark.long
def test_a_trading_market_that_stops_answering_has_a_gap_and_an_error(perpetual: Bench) -> None:
    serve(perpetual.fake, settlements(end=parse_time("2024-02-01")))

    with pytest.raises(ExchangeError, match="although binanceusdm says that it trades"):
        fetch(perpetual, "2024-01-25", "2024-02-20")

    assert perpetual.funding_status("2024-01-25", "2024-02-20").gaps[0].start == parse_time("2024-02-01")


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Kind.FUNDING, "binance lists no funding here"), (Kind.MARK, "binance lists no mark candles here")],
)
def test_an_exchange_without_funding_says_so(perpetual: Bench, kind: Kind, words: str) -> None:
    perpetual.fake.add("SOL", "1h", grid_candles("1h", Period(LISTED, NOW)), path="/api/v3")

    with pytest.raises(InputError, match=words):
        perpetual.fetch("2024-01-08", "2024-01-10", exchange="binance", kind=kind)
    assert not perpetual.fake.funding_requests


def test_mark_candles_are_a_series_of_their_own(perpetual: Bench) -> None:
    traded = perpetual.fetch("2024-01-08", "2024-01-10")
    marks = grid_candles("1h", Period(LISTED, NOW), seed=3)
    perpetual.fake.add_more("SOL", marks={"1h": marks})

    report = perpetual.fetch("2024-01-08", "2024-01-10", kind=Kind.MARK)

    held = perpetual.held(report)
    assert (report.candles, report.fetched) == (72, 72)
    assert np.array_equal(held.open, marks.within(report.period).open)
    assert not np.array_equal(perpetual.held(traded).open, held.open)
    assert perpetual.status("2024-01-08", "2024-01-12").candles == 72
    assert {request.path.rpartition("/")[2] for request in perpetual.fake.pages} == {
        "klines",
        "markPriceKlines",
    }


@pytest.mark.long
def test_a_market_is_one_symbol_a_kind_of_series(perpetual: Bench) -> None:
    market = perpetual.fetcher.market("SOLUSDT", "binanceusdm")
    perpetual.fake.add_more("SOL", marks={"1h": grid_candles("1h", Period(LISTED, NOW))})
    for kind in Kind:
        perpetual.fetch("2024-01-08", "2024-01-10", kind=kind)

    held = perpetual.store.candles.held_series()

    assert [(one.market.kind, one.timeframe) for one in held] == [
        (kind, FUNDING_GRID) for kind in (Kind.TRADED, Kind.MARK, Kind.FUNDING)
    ]
    assert {market.of(kind) for kind in Kind} == {one.market for one in held}


def test_a_new_kind_of_series_activates_no_symbol_that_was_switched_off(perpetual: Bench) -> None:
    period = ("2024-01-10", "2024-01-11")
    perpetual.fetch(*period)
    market = perpetual.fetcher.market("SOLUSDT", "binanceusdm")
    perpetual.store.symbols.deactivate(market)
    fetch(perpetual, *period)
    assert perpetual.store.symbols.active("binanceusdm") == set()
