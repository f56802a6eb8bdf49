"""What a perpetual's market does to a run: fetched with its candles, never zero in silence, and said."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backtest.perpetual import Perpetual
from engine.data.candle_cache import CandleCache
from engine.data.exchanges.silence import Silence
from engine.data.fetcher import DataFetcher
from engine.errors import DatabaseError, ExchangeError, InputError, MissingDataError, RunError
from engine.events import CancelToken, ignore_event
from engine.model.account import Costs
from engine.model.filters import Filters
from engine.model.funding import FundingRates, FundingRow
from engine.model.kinds import Kind
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from engine.model.run import RunSpec, funding_left_out
from engine.runs.load import LoadedSeries, LoadedTerms
from engine.runs.plan import PlannedRun, check_funding
from engine.runs.record import funding_coverage
from engine.runs.terms import TermsLoader
from tests.engine.runs.test_batch import trade
from tests.support.fake_exchange import Bench, FakeExchange, Fault, MakeBench, grid_candles

NAN = float("nan")
LISTED, NOW = parse_time("2024-01-01"), parse_time("2024-02-01T10:30")
FILTERS = Filters(tick=0.01, step=0.1, notional=5.0)
DAYS = Period(parse_time("2024-01-09T20:00"), parse_time("2024-01-13"))
MARKET = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
Load = Callable[..., LoadedSeries]


def rows(*, but: str = "", mark: float = 50.0) -> list[FundingRow]:
    hours = range(LISTED, NOW, 8 * HOUR_MS)
    return [(ms, 1e-4, mark, "Regular", NAN) for ms in hours if ms != (parse_time(but) if but else 0)]


@pytest.fixture
def market(fake_exchange: FakeExchange, bench: MakeBench) -> Bench:
    """SOLUSDT with funding of 0.01 % every eight hours."""
    fake_exchange.clock_ms = NOW
    candles = grid_candles("1h", Period(LISTED, NOW))
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED, filters=FILTERS)
    fake_exchange.add_more("SOL", funding=FundingRates.from_rows(rows()))
    return bench()


@pytest.fixture
def load(market: Bench, tmp_path: Path) -> Load:
    """Loads the terms of a run over five days, with these costs."""

    def loaded(*, fetch: bool = True, **costs: Any) -> LoadedSeries:
        spec = RunSpec("s", "SOLUSDT", "binanceusdm", Timeframe("1h"), DAYS, {}, Costs(**costs))
        candles = grid_candles("1h", DAYS)
        series = LoadedSeries(None, None, candles, DAYS, None)  # type: ignore[arg-type]
        loader = TermsLoader(
            market.fetcher, market.store, CandleCache(market.store, tmp_path / "cache"), tmp_path, tmp_path,
            on_event=ignore_event, cancel=CancelToken(),
        )  # fmt: skip
        return loader.with_terms(PlannedRun("id", spec, MARKET, Path("s.py"), {}, 0), series, fetch=fetch)

    return loaded


def perpetual(terms: LoadedTerms) -> Perpetual:
    found = Perpetual.of_file(terms.file)
    assert found is not None
    return found


def test_every_settlement_of_the_period_is_charged_at_its_own_mark_price(load: Load) -> None:
    terms = load(funding="auto").terms
    funding = perpetual(terms).funding
    assert funding is not None
    assert funding.at_open.sum() == pytest.approx(9 * 50 * 1e-4)
    assert np.flatnonzero(funding.at_open).tolist() == [4, 12, 20, 28, 36, 44, 52, 60, 68]
    assert terms.checks["funding"] == {
        "status": "passed", "note": "9 settlements", "settlements": 9, "assumed": 0,
        "mark_prices": {"served": 9, "mark_candle": 0, "candle": 0, "stale": 0},
    }  # fmt: skip


def test_without_a_policy_nothing_is_asked_and_nothing_enters_the_fingerprint(
    load: Load, fake_exchange: FakeExchange
) -> None:
    terms = load().terms
    assert terms.file is None
    assert terms.inputs == {}
    assert fake_exchange.funding_requests == []


def test_filters_come_with_the_run_only_where_it_looks_at_them(load: Load, market: Bench) -> None:
    market.fetcher.markets()
    terms = load(filters="current").terms
    assert terms.inputs == {"filters": {"tick": 0.01, "step": 0.1, "notional": 5.0}}
    assert terms.checks["filters"] == {
        "status": "passed",
        "note": "ticks of 0.01, steps of 0.1, worth at least 5",
    }
    assert (perpetual(terms).filters, perpetual(terms).filtered) == (FILTERS, True)
    terms = load(slippage_model="half-spread").terms
    assert (perpetual(terms).filters, perpetual(terms).filtered, dict(terms.checks)) == (FILTERS, False, {})
    assert not load(slippage_model="square-root").terms.inputs


def test_one_unknown_settlement_leaves_all_out_and_is_named(load: Load, fake_exchange: FakeExchange) -> None:
    fake_exchange.add_more("SOL", funding=FundingRates.from_rows(rows(but="2024-01-11T08:00")))
    terms = load(funding="auto").terms
    assert (terms.file, terms.rates) == (None, None)
    assert terms.checks["funding"] == {
        "status": "skipped",
        "note": "not included: the settlement expected at 2024-01-11 08:00 UTC is not known",
    }


def test_a_policy_that_insists_says_what_is_missing_and_what_to_do(
    load: Load, fake_exchange: FakeExchange
) -> None:
    with pytest.raises(
        MissingDataError, match=r"expected at 2024-01-10 00:00 UTC is not known.*backtest fetch --funding"
    ):
        load(funding="on", fetch=False)
    fake_exchange.add_more("SOL", funding=FundingRates.from_rows(rows(but="2024-01-11T08:00")))
    with pytest.raises(RunError, match="2024-01-11 08:00 UTC is not known; --funding zero or constant:RATE"):
        load(funding="on")


def test_what_is_assumed_is_charged_counted_and_no_full_coverage(
    load: Load, fake_exchange: FakeExchange
) -> None:
    fake_exchange.add_more("SOL", funding=FundingRates.from_rows(rows(but="2024-01-11T08:00")))
    series = load(funding="constant:0.0003")
    funding = perpetual(series.terms).funding
    assert funding is not None
    assert funding.at_open[36] == pytest.approx(0.0003 * series.candles.open[36])
    check = series.terms.checks["funding"]
    assert (check["status"], check["assumed"]) == ("failed", 1)
    assert check["note"].startswith("9 settlements, 1 of them assumed; 1 at the last price")


def test_an_exchange_that_cannot_be_reached_fails_no_run_that_does_not_insist(
    load: Load, fake_exchange: FakeExchange
) -> None:
    fake_exchange.always = Fault(status=500)
    terms = load(funding="auto").terms
    assert terms.checks["funding"]["status"] == "skipped"
    assert "is not known" in terms.checks["funding"]["note"]
    with pytest.raises(ExchangeError):
        load(funding="on")


def test_leverage_takes_mark_prices_and_says_where_it_has_none(
    load: Load, fake_exchange: FakeExchange
) -> None:
    marks = grid_candles("1h", Period(LISTED, NOW - 24 * HOUR_MS))
    columns = [column + 1 for column in (marks.open, marks.high, marks.low, marks.close)]
    higher = Candles(marks.timestamp, columns[0], columns[1], columns[2], columns[3], marks.volume)
    fake_exchange.add_more("SOL", marks={"1h": higher})
    terms = load(leverage=5).terms
    found = perpetual(terms)
    assert found.mark is not None
    assert found.brackets is not None
    assert (found.mark.low == higher.within(DAYS).low).all()
    assert terms.checks["margin"]["status"] == "passed"
    assert terms.inputs.keys() == {"mark", "brackets"}


def test_without_mark_prices_the_last_ones_are_taken_and_it_is_said(load: Load) -> None:
    terms = load(leverage=5).terms
    check = terms.checks["margin"]
    assert (check["status"], check["candles_without_mark"]) == ("failed", 76)
    assert "may invent liquidations" in check["note"]


def test_coverage_counts_what_positions_were_carried_through() -> None:
    rates = FundingRates.from_rows(rows())
    base = parse_time("2024-01-10T06:00")
    assumed = frozenset({base + 10 * HOUR_MS})  # 16:00
    series = LoadedSeries(None, None, Candles.empty(), Period(base, base + 100 * HOUR_MS), None,  # type: ignore[arg-type]
                          terms=LoadedTerms(rates=rates, assumed=assumed))  # fmt: skip
    assert funding_coverage(series, [trade(0, 11)]) == 50  # through 08:00 and 16:00
    assert funding_coverage(series, [trade(2, 10)]) == 0  # entered at 08:00: not that; left at 16:00: that
    assert funding_coverage(series, [trade(0, 1)]) is None


def test_a_spot_market_knows_no_funding(tmp_path: Path, market: Bench) -> None:
    spec = RunSpec("s", "SOLUSDT", "binance", Timeframe("1h"), DAYS, {}, Costs(funding="on"))
    planned = PlannedRun("id", spec, Market("binance", "SOLUSDT", "SOL/USDT"), Path("s.py"), {}, 0)
    series = LoadedSeries(None, None, grid_candles("1h", DAYS), DAYS, None)  # type: ignore[arg-type]
    loader = TermsLoader(
        market.fetcher, market.store, CandleCache(market.store, tmp_path), tmp_path, tmp_path,
        on_event=ignore_event, cancel=CancelToken(),
    )  # fmt: skip
    assert loader.with_terms(planned, series, fetch=True).terms.checks == {}


def test_a_perpetual_without_rates_to_be_had_says_so_and_nobody_can_insist(
    tmp_path: Path, market: Bench
) -> None:
    bybit = Market("bybitlinear", "SOLUSDT", "SOL/USDT:USDT")
    spec = RunSpec("s", "SOLUSDT", "bybitlinear", Timeframe("1h"), DAYS, {}, Costs(funding="auto"))
    series = LoadedSeries(None, None, grid_candles("1h", DAYS), DAYS, None)  # type: ignore[arg-type]
    loader = TermsLoader(
        market.fetcher, market.store, CandleCache(market.store, tmp_path), tmp_path, tmp_path,
        on_event=ignore_event, cancel=CancelToken(),
    )  # fmt: skip
    planned = PlannedRun("id", spec, bybit, Path("s.py"), {}, 0)
    check = loader.with_terms(planned, series, fetch=True).terms.checks["funding"]
    assert check == {"status": "skipped", "note": "not included: bybitlinear has no funding rates here"}
    check_funding(Costs(funding="auto"), bybit)
    for exchange in ("bybitlinear", "binance"):
        with pytest.raises(InputError, match="no funding rates can be had from there; --funding auto or off"):
            check_funding(Costs(funding="on"), Market(exchange, "SOLUSDT", "SOL/USDT"))


def asked(fake_exchange: FakeExchange) -> int:
    """How often its clock was asked for, which every fetch begins with."""
    return sum(request.path.endswith("/time") for request in fake_exchange.requests)


def test_an_exchange_that_does_not_answer_is_not_asked_for_each_series_anew(
    load: Load, fake_exchange: FakeExchange
) -> None:
    fake_exchange.fail(Fault(drop=True), on="time", times=100)
    checks = load(funding="auto", leverage=2).terms.checks
    assert checks["funding"]["status"] == "skipped"
    assert checks["margin"]["candles_without_mark"] == 76
    assert len(fake_exchange.requests) == 2, (
        "a second time, as any network may falter; for mark prices no more"
    )


def test_who_insists_on_funding_asks_as_often_as_ever(load: Load, fake_exchange: FakeExchange) -> None:
    fake_exchange.fail(Fault(drop=True), on="time", times=100)
    with pytest.raises(ExchangeError):
        load(funding="on")
    assert asked(fake_exchange) == 5


def test_what_the_candles_of_a_run_found_unanswered_its_terms_ask_once_more_at_most(
    market: Bench, fake_exchange: FakeExchange
) -> None:
    silence = Silence()
    fetch = partial(market.fetcher.fetch, job="", silence=silence)
    fake_exchange.fail(Fault(drop=True), on="time", times=100)
    with pytest.raises(ExchangeError):
        fetch(MARKET, Timeframe("1h"), DAYS, attempts=1)
    with pytest.raises(ExchangeError):
        fetch(MARKET.of(Kind.FUNDING), Timeframe("1h"), DAYS)
    assert asked(fake_exchange) == 2
    with pytest.raises(ExchangeError, match=r"answer|hung up|closed|reset|connection"):
        fetch(MARKET.of(Kind.MARK), Timeframe("1h"), DAYS)
    assert asked(fake_exchange) == 2


def test_a_database_that_fails_is_no_missing_funding(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(DataFetcher, "fetch", full)
    with pytest.raises(DatabaseError, match="the disk is full"):
        load(funding="auto")


def test_a_newer_list_of_the_same_brackets_changes_no_fingerprint(load: Load) -> None:
    assert "2026" not in load(leverage=5).terms.inputs["brackets"]


def test_notes_say_what_of_funding_is_left_out_assumed_or_by_the_last_price() -> None:
    prices = {"served": 3, "mark_candle": 0, "candle": 0, "stale": 0}
    known = {"funding": {"status": "passed", "note": "3 settlements", "mark_prices": prices}}
    last = {
        "funding": {
            "status": "passed",
            "note": "3 settlements; 1 at ...",
            "mark_prices": prices | {"stale": 1},
        }
    }
    assumed = {
        "funding": {"status": "failed", "note": "3 settlements, 1 of them assumed", "mark_prices": prices}
    }
    for exchange in ("sample", "binanceusdm"):
        assert funding_left_out(exchange, known) == []
        assert funding_left_out(exchange, last) == ["funding of 3 settlements; 1 at ..."]
        assert funding_left_out(exchange, assumed) == ["funding 3 settlements, 1 of them assumed"]
    assert funding_left_out("binanceusdm", {}) == ["funding not included"]
    assert funding_left_out("sample", {}) == funding_left_out("binance", {}) == []
