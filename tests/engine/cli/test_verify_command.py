"""`verify` on the command line; stored runs say that their candles changed; runs on mapped files equal runs on read ones."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.database.store import Store
from engine.events import Event, Started
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from engine.model.run import RunSpec
from engine.service import Engine
from engine.settings import Settings
from tests.support.command_line import CommandLine
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, grid_candles, html

HOUR = Timeframe("1h")
LISTED = Period.parse("2024-01-01", "2024-03-31")
SERIES = ("SOLUSDT", "-t", "1h")
MONTH = ("--start", "2024-02-01", "--end", "2024-02-29")
RUN = ("run", "-s", *SERIES, *MONTH, "-S", "ema_cross", "--json")
SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")


@pytest.fixture
def truth(fake_exchange: FakeExchange) -> Candles:
    candles = grid_candles("1h", LISTED)
    fake_exchange.add("SOL", "1h", candles, listed_ms=LISTED.start)
    return candles


@pytest.fixture
def pointed(fake_exchange: FakeExchange, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line, pointed at the fake exchange."""
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    return cli


def revise(fake: FakeExchange, candles: Candles, time: str) -> None:
    """The exchange changes the close of one candle."""
    row = candles.timestamp == parse_time(time)
    close = np.where(row, (candles.open + candles.close) / 2, candles.close)
    fake.add("SOL", "1h", replace(candles, close=close), listed_ms=LISTED.start)


@pytest.mark.long
def test_verify_reports_mends_and_stored_runs_say_so(
    pointed: CommandLine, fake_exchange: FakeExchange, truth: Candles
):
    run = pointed(*RUN).json["runs"][0]
    assert pointed("show", run["id"], "--json").json["data_changed"] is False

    revise(fake_exchange, truth, "2024-02-10T05:00Z")
    dry = pointed("verify", *SERIES, "--dry-run", "--json").json
    assert (dry["dry_run"], len(dry["revised"])) == (True, 1)
    assert pointed("show", run["id"], "--json").json["data_changed"] is False
    report = pointed("verify", *SERIES, *MONTH, "--json").json
    assert (report["start"], report["end"]) == ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
    assert [line["time"] for line in report["revised"]] == ["2024-02-10T05:00:00Z"]
    assert report["checked"] == 29 * 24

    shown = pointed("show", run["id"], "--json").json
    assert shown["data_changed"] is True
    assert shown["fingerprint"] == run["fingerprint"], "a stored run stays what it was"
    assert "have changed since" in pointed("show", run["id"]).err
    again = pointed(*RUN).json["runs"][0]
    assert again["fingerprint"] != run["fingerprint"]
    assert pointed("show", again["id"], "--json").json["data_changed"] is False


def test_candles_fetched_beside_a_run_do_not_count_as_its_change(
    pointed: CommandLine, truth: Candles, home: Path
):
    run = pointed(*RUN).json["runs"][0]
    pointed("fetch", *SERIES, "--start", "2024-03-01", "--end", "2024-03-31")
    shutil.rmtree(home / "cache")
    shown = pointed("show", run["id"], "--json").json
    assert shown["data_changed"] is False
    assert "changed" not in pointed("show", run["id"]).err


@pytest.mark.long
def test_a_run_whose_candles_are_gone_and_one_of_an_older_program(
    pointed: CommandLine, truth: Candles, database_url: str
):
    run = pointed(*RUN).json["runs"][0]
    store = Store(database_url)
    store.candles.forget(SOL, HOUR, LISTED)
    store.close()
    assert pointed("show", run["id"], "--json").json["data_changed"] is True
    execute(database_url, "UPDATE backtest_runs SET candles_sha256 = NULL")
    assert pointed("show", run["id"], "--json").json["data_changed"] is None


def test_verify_for_people(pointed: CommandLine, fake_exchange: FakeExchange, truth: Candles):
    pointed("fetch", *SERIES, *MONTH)
    revise(fake_exchange, truth, "2024-02-10T05:00Z")
    answer = pointed("verify", *SERIES)
    assert answer.code == 0
    assert answer.out == ""
    assert "696 candles compared" in answer.err
    assert "1 revised by the exchange were replaced" in answer.err


def test_verify_ends_with_the_exit_codes_of_the_contract(
    pointed: CommandLine, fake_exchange: FakeExchange, truth: Candles
):
    assert pointed("verify", "NOPE", "-t", "1h").code == 2
    nothing = pointed("verify", *SERIES)
    assert (nothing.code, "nothing to verify" in nothing.error) == (2, True)
    assert pointed("verify", *SERIES, "--start", "2024-01-01").code == 2
    pointed("fetch", *SERIES, *MONTH)
    fake_exchange.always = html(451)
    down = pointed("verify", *SERIES, "--json")
    assert (down.code, "nothing was changed" in down.error) == (3, True)


# -- runs on the mapped cache


@pytest.fixture
def engine(data_settings: Settings, truth: Candles, lent_workers: None):
    with Engine(data_settings) as opened:
        yield opened


def spec(start: str, end: str) -> RunSpec:
    return RunSpec("ema_cross", "SOLUSDT", "binanceusdm", HOUR, Period.parse(start, end))


@pytest.mark.long
def test_slices_of_one_file_give_what_each_run_alone_gives(engine: Engine, truth: Candles):
    periods = [("2024-01-20", "2024-02-10"), ("2024-02-01", "2024-03-20"), ("2024-02-05", "2024-02-20")]
    together = engine.runs.run([spec(*period) for period in periods])
    for period, shared in zip(periods, together, strict=True):
        shutil.rmtree(engine.settings.cache_folder / "candles")
        (alone,) = engine.runs.run([spec(*period)])
        assert alone.status == shared.status == "finished"
        assert alone.fingerprint == shared.fingerprint
        assert alone.trades == shared.trades
        assert dict(alone.metrics) == dict(shared.metrics)
        assert alone.seen is not None
        assert shared.seen is not None
        assert alone.seen.sha256 == shared.seen.sha256
        seen = truth.within(Period(alone.seen.start_ms, alone.period.end))
        columns = (seen.timestamp, *seen.columns().values())
        assert alone.seen.sha256 == hashlib.sha256(b"".join(c.tobytes() for c in columns)).hexdigest()


@pytest.mark.long
def test_a_cache_emptied_while_runs_wait_costs_nothing(engine: Engine):
    folder = engine.settings.cache_folder / "candles"

    def empty(event: Event) -> None:
        if isinstance(event, Started) and event.kind == "run":
            shutil.rmtree(folder, ignore_errors=True)

    results = engine.runs.run(
        [spec("2024-02-01", "2024-02-20"), spec("2024-02-01", "2024-03-20")], on_event=empty
    )
    assert [result.status for result in results] == ["finished", "finished"]
    assert not folder.exists()


def test_candles_of_the_engine_are_mapped_and_follow_every_change(
    engine: Engine, fake_exchange: FakeExchange, truth: Candles
):
    period = Period.parse("2024-02-01", "2024-02-02")
    engine.candles.fetch("SOLUSDT", HOUR, period)
    first = engine.candles.load("SOLUSDT", HOUR, period)
    assert isinstance(engine.candles.load("SOLUSDT", HOUR, period).close.base, np.memmap)
    revise(fake_exchange, truth, "2024-02-01T05:00Z")
    events: list[Event] = []
    report = engine.candles.verify("SOLUSDT", HOUR, on_event=events.append)
    assert (type(events[0]).__name__, type(events[-1]).__name__) == ("Started", "Finished")
    assert len(report.revised[0]) == 1
    changed = engine.candles.load("SOLUSDT", HOUR, period).close != first.close
    assert np.flatnonzero(changed).tolist() == [5]
    assert first.timestamp[5] == period.start + 5 * HOUR_MS


@pytest.mark.long
def test_a_damaged_record_is_told_by_status_and_by_a_run_and_mended_by_verify(
    pointed: CommandLine, truth: Candles, database_url: str
):
    pointed("fetch", *SERIES, *MONTH)
    execute(database_url, "DELETE FROM ohlcv_data WHERE timestamp >= '2024-02-28Z'")
    status = pointed("status", *SERIES, *MONTH, "--json").json
    assert (status["complete"], status["candles"]) == (False, 27 * 24)
    assert "claims 48 candles that are not there" in status["notices"][0]
    assert "claims 48 candles" in pointed("status", *SERIES, *MONTH).err
    refused = pointed(*RUN, "--no-fetch")
    assert refused.code == 3
    assert "48 more are claimed but not there" in refused.error
    report = pointed("verify", *SERIES, "--json").json
    assert (report["added"], report["repaired_ranges"]) == (48, 1)
    assert pointed("status", *SERIES, *MONTH, "--json").json["complete"] is True
