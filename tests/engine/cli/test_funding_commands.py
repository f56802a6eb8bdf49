"""Funding rates and mark price candles on the command line and through the service, of real and of made-up markets."""

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.data.exchanges.loopback import SPOT_PATH
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import FUNDING_GRID, HOUR_MS, Period, parse_time
from engine.service import Engine
from engine.settings import Settings
from tests.support.builders import real_candles, real_funding
from tests.support.command_line import CommandLine
from tests.support.fake_exchange import FakeExchange, grid_candles

LISTED = Period.parse("2024-01-01", "2024-01-31")
NAN = float("nan")
MONTH = ("--start", "2024-01-05", "--end", "2024-01-14")
FUNDING = ("SOLUSDT", "--funding", *MONTH)


def settlements(revised: float = 1e-4) -> FundingRates:
    """Three a day of January; the last of the 10th may have been revised."""
    last = parse_time("2024-01-10T16:00")
    return FundingRates.from_rows(
        (ms + 2, revised if ms == last else 1e-4, 100.0, "Regular", NAN)
        for ms in range(LISTED.start, LISTED.end, 8 * HOUR_MS)
    )


@pytest.fixture
def pointed(fake_exchange: FakeExchange, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line, pointed at an exchange with January of SOLUSDT."""
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    fake_exchange.add("SOL", "1h", grid_candles("1h", LISTED), listed_ms=LISTED.start)
    fake_exchange.add_more("SOL", marks={"1h": grid_candles("1h", LISTED, seed=3)}, funding=settlements())
    return cli


def test_funding_is_fetched_shown_written_and_verified(
    pointed: CommandLine, fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    fetched = pointed("fetch", *FUNDING, "--json").json
    assert (fetched["kind"], fetched["candles"], fetched["fetched"], fetched["missing"]) == (
        "funding",
        30,
        30,
        [],
    )
    held = pointed("status", *FUNDING, "--json").json
    assert (held["kind"], held["candles"], held["expected"], held["complete"]) == ("funding", 30, 30, True)

    file = tmp_path / "funding.csv"
    assert pointed("candles", *FUNDING, "--out", str(file)).code == 0
    rows = list(csv.reader(file.read_text().splitlines()))
    assert rows[:3] == [
        ["timestamp", "rate", "mark", "interval_hours", "rate_type"],
        [str(parse_time("2024-01-05")), "0.0001", "100.0", "", "Regular"],
        [str(parse_time("2024-01-05T08:00")), "0.0001", "100.0", "8.0", "Regular"],
    ]

    fake_exchange.add_more("SOL", funding=settlements(revised=2e-4))
    verified = pointed("verify", "SOLUSDT", "--funding", "--json").json
    change = {"time": "2024-01-10T16:00:00Z", "old": [0.0001, 100.0], "new": [0.0002, 100.0]}
    assert (verified["checked"], verified["revised"], verified["added"]) == (30, [change], 0)
    assert pointed("verify", "SOLUSDT", "--funding", "--json").json["revised"] == []


def test_a_file_of_funding_rates_is_looked_at_stored_and_then_only_what_it_lacks_is_fetched(
    pointed: CommandLine, fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    pointed("symbols", "--refresh")
    file = tmp_path / "SOLUSDT-fundingRate-2024-01.csv"
    wanted = settlements().within(Period.parse("2024-01-05", "2024-01-10"))
    lines = [f"{ms},8,0.0001" for ms in wanted.served.tolist()]
    file.write_text("calc_time,funding_interval_hours,last_funding_rate\n" + "\n".join(lines) + "\n")
    options = ("import", file, "-s", "SOLUSDT", "--funding")

    seen = pointed(*options, "--preview", "--json").json
    assert (seen["report"]["stored"], seen["candles"][0]["rate"]) == (18, 0.0001)
    stored = pointed(*options)
    assert "18 funding rates stored of 18 rows; 0 are held already" in stored.err
    written = pointed("candles", *FUNDING, "--out", tmp_path / "out.csv")
    assert "18 of 30 funding rates are held; `backtest status` says what is not" in written.err
    fetched = pointed("fetch", *FUNDING, "--json").json
    assert (fetched["candles"], fetched["fetched"]) == (30, 12)
    verified = [pointed("verify", "SOLUSDT", "--funding", "--json").json["revised"] for _ in range(2)]
    assert [len(one) for one in verified] == [18, 0], "the exchange has the mark prices that the file lacks"

    wrong = pointed("import", file, "-s", "SOLUSDT", "--funding", "-t", "1h")
    assert (wrong.code, "--funding stands alone" in wrong.error) == (2, True)


def test_mark_candles_are_fetched_beside_the_traded_ones(pointed: CommandLine) -> None:
    marks = pointed("fetch", "SOLUSDT", "-t", "1h", "--mark", *MONTH, "--json").json

    assert (marks["kind"], marks["timeframe"], marks["fetched"]) == ("mark", "1h", 240)
    assert pointed("status", "SOLUSDT", "-t", "1h", *MONTH, "--json").json["candles"] == 0
    assert "SOLUSDT 1h mark, 2024-01-05" in pointed("verify", "SOLUSDT", "-t", "1h", "--mark").err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--funding", "-t", "1h"), "--funding stands alone"),
        (("--funding", "--mark"), "--funding stands alone"),
        ((), "say which candles: -t 1h; or --funding for funding rates"),
        (("--funding", "--exchange", "binance"), "binance lists no funding here"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    pointed: CommandLine,
    fake_exchange: FakeExchange,
    options: tuple[str, ...],
    words: str,
) -> None:
    fake_exchange.add("SOL", "1h", grid_candles("1h", LISTED), path=SPOT_PATH)

    answer = pointed("status", "SOLUSDT", *options, *MONTH)

    assert answer.code == 2
    assert words in answer.error


@pytest.mark.parametrize(
    ("base", "rates", "paid"),
    [("SOL", 0.09192355, -13.17416443371), ("BTC", 0.0751486, -4679.972511649)],
)
def test_real_settlements_of_half_a_year_are_all_there(
    fake_exchange: FakeExchange, data_settings: Settings, base: str, rates: float, paid: float
) -> None:
    candles = real_candles(f"usdm-{base}USDT-1h-20231201")
    fake_exchange.add(base, "1h", candles, listed_ms=int(candles.timestamp[0]))
    fake_exchange.add_more(base, funding=real_funding(f"usdm-{base}USDT-funding-2024"))
    entry = parse_time("2024-01-06T08:00")
    with Engine(data_settings) as engine:
        period = Period(entry, parse_time("2024-07-01"))
        assert engine.funding.held(f"{base}USDT", period)[1] == (period,)
        engine.candles.fetch(f"{base}USDT", FUNDING_GRID, period, kind=Kind.FUNDING)
        held, unknown = engine.funding.held(f"{base}USDT", period)

    assert unknown == ()
    carried = held.within(Period(entry + 1, period.end))  # a position that was entered at the first instant
    opens = candles.open[np.searchsorted(candles.timestamp, carried.time)]
    assert len(carried) == 529
    assert carried.rate.sum() == pytest.approx(rates, rel=1e-12)
    assert -(carried.rate * opens).sum() == pytest.approx(paid, rel=1e-12)


@pytest.mark.long
def test_every_kind_of_series_is_listed_kept_removed_and_brought_back(
    pointed: CommandLine, fake_exchange: FakeExchange, data_settings: Settings
) -> None:
    fake_exchange.clock_ms = LISTED.end
    with Engine(data_settings) as engine:
        period = Period.parse("2024-01-05", "2024-01-14")
        for kind in Kind:
            engine.candles.fetch("SOLUSDT", FUNDING_GRID, period, kind=kind)
        listed = {one.coverage.market.kind: one.candles for one in engine.candles.holdings()}
        assert listed == {Kind.TRADED: 240, Kind.MARK: 240, Kind.FUNDING: 30}
        assert {one.fetched for one in engine.candles.sync()} == {17 * 24, 17 * 3}

        gone = engine.candles.removals.remove("SOLUSDT", FUNDING_GRID, kind=Kind.FUNDING)
        assert gone.candles == 81
        assert engine.funding.held("SOLUSDT", period)[1] == (period,)
        assert engine.candles.removals.restore(gone) == 81
        held, unknown = engine.funding.held("SOLUSDT", period)
        assert (held.sha256(), unknown) == (settlements().within(period).sha256(), ())
        assert engine.candles.remove_symbol("SOLUSDT", delete_data=True)[1:] == (648 + 648, 81)
