"""Which trades lie beside missing candles, which warm-up is loaded, and the law of events of a batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DatabaseError, InputError, Interrupted
from engine.events import Cancelled, CancelToken, Event, Failed, Finished, Started
from engine.model.coverage import BEFORE_LISTING, MAINTENANCE, Coverage, MissingRange
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, format_time, parse_time
from engine.model.parameters import Assignment
from engine.model.run import RunRequest, RunResult, RunSpec
from engine.model.trade import Trade
from engine.runs.load import LoadedSeries
from engine.runs.plan import PlannedRun
from engine.runs.record import data_check
from engine.service import Engine
from engine.settings import Settings

MARKET = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
START = parse_time("2024-01-10T06:00")


def planned(timeframe: str, warmup: int, start: str = "2024-01-10T06:00") -> PlannedRun:
    spec = RunSpec("s", "SOLUSDT", "binanceusdm", Timeframe(timeframe), Period.parse(start, "2024-02-01"))
    return PlannedRun("id", spec, MARKET, Path("s.py"), {}, warmup)


@pytest.mark.parametrize(
    ("timeframe", "warmup", "first"),
    [
        (
            "1h",
            0,
            "2024-01-10T00:00:00Z",
        ),  # back to 00:00 UTC even without warm-up: daily anchors need whole days
        ("1h", 5, "2024-01-10T00:00:00Z"),
        ("1h", 7, "2024-01-09T00:00:00Z"),
        ("1d", 10, "2024-01-01T00:00:00Z"),  # the period itself begins on the next day's candle
        ("1w", 2, "2024-01-01T00:00:00Z"),
        ("1M", 3, "2023-11-01T00:00:00Z"),
    ],
)
def test_warm_up_is_counted_in_candles_and_begins_at_midnight(timeframe, warmup, first):
    assert format_time(planned(timeframe, warmup).load_period.start) == first


def trade(entry: int, exit_: int) -> Trade:
    return Trade(
        "long", 1.0, START + entry * HOUR_MS, 1.0, START + exit_ * HOUR_MS, 1.0, 0.0, 0.0, 0.0, None, "s", "exit_long",
        exit_ - entry, 0.0, 0.0,
    )  # fmt: skip


def series(*missing: MissingRange) -> LoadedSeries:
    period = Period(START, START + 100 * HOUR_MS)
    coverage = Coverage(MARKET, HOUR, period, 100, (), tuple(missing))
    return LoadedSeries(None, None, Candles.empty(), period, coverage)  # type: ignore[arg-type]


def hole(start: int, end: int, reason: str = MAINTENANCE) -> MissingRange:
    return MissingRange(Period(START + start * HOUR_MS, START + end * HOUR_MS), reason)


def test_only_trades_that_begin_or_end_right_before_or_after_a_hole_are_named():
    trades = [trade(0, 9), trade(1, 8), trade(12, 20), trade(13, 20), trade(5, 30), trade(2, 12)]
    check = data_check(series(hole(10, 12)), trades)
    assert check["trades_beside_holes"] == [0, 2, 5]
    assert check["missing_candles"] == 2
    assert check["status"] == "failed"


def test_missing_candles_that_touch_no_trade_are_counted_but_no_failure():
    check = data_check(series(hole(10, 12)), [trade(20, 30)])
    assert (check["status"], check["missing_candles"]) == ("passed", 2)


def test_cells_before_the_listing_are_no_holes():
    check = data_check(series(hole(0, 10, BEFORE_LISTING)), [trade(10, 12)])
    assert (check["status"], check["missing_candles"], check["trades_beside_holes"]) == ("passed", 0, [])
    assert np.array_equal([gone["reason"] for gone in check["missing"]], [BEFORE_LISTING])


class Recorder:
    """Hears the events of a batch and says what breaks their law."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def check(self) -> None:
        ended: set[str] = set()
        started: set[str] = set()
        for event in self.events:
            assert event.job not in ended, f"{event} after the end of its job"
            if isinstance(event, Started):
                assert event.job not in started, f"{event} started twice"
                started.add(event.job)
            elif isinstance(event, Finished | Failed | Cancelled):
                ended.add(event.job)
            assert event.job in started, f"{event} of a job that was not started"
        assert started == ended


def sample_specs(*starts: str) -> list[RunSpec]:
    return [
        RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("4h"), Period.parse(start, "2023-04-30"))
        for start in starts
    ]


@pytest.fixture
def engine(database_url: str, tmp_path: Path, lent_workers: None) -> Iterator[Engine]:
    with Engine(Settings(database_url=database_url, home=tmp_path / "home", workers=2)) as opened:
        yield opened


@pytest.mark.long
def test_events_of_two_periods_of_one_series_and_of_a_late_listing_keep_their_law(engine: Engine):
    heard = Recorder()
    results = engine.runs.run(sample_specs("2023-01-01", "2023-03-01"), on_event=heard)
    assert [result.status for result in results] == ["finished", "finished"]
    heard.check()


@pytest.mark.long
def test_events_of_a_stopped_batch_keep_their_law(engine: Engine):
    heard, cancel = Recorder(), CancelToken()

    def stop_when_runs_begin(event: Event) -> None:
        heard(event)
        if isinstance(event, Started) and event.kind == "run":
            cancel.cancel()

    with pytest.raises(Interrupted):
        engine.runs.run(
            sample_specs("2023-02-01", "2023-03-01"), on_event=stop_when_runs_begin, cancel=cancel
        )
    heard.check()


def sample_request(symbols: list[str], *params: str) -> RunRequest:
    period = Period.parse("2023-03-01", "2023-03-31")
    return RunRequest(["ema_cross"], symbols, "sample", Timeframe("4h"), period, Assignment.parse_all(params))


def test_a_request_makes_each_run_once_in_whatever_spelling_its_symbol_is_named(engine: Engine):
    request = sample_request(["SAMPLE/USDT", "SAMPLEUSDT"], "ema_cross.fast=7", "fast=9")
    (result,) = engine.runs.run(request)
    assert (result.symbol, result.params["fast"], result.status) == ("SAMPLEUSDT", 7, "finished")


@pytest.mark.long_except("SAMPLEUSDT-fats=3-did you mean fast")
@pytest.mark.parametrize(
    ("symbol", "param", "words"),
    [
        ("SAMPLEUSDT", "fats=3", "did you mean fast"),
        ("SAMPLEUSDT", "fast=ten", "whole number"),
        ("NOUSDT", "fast=3", "NOUSDT"),
    ],
)
def test_a_bad_request_is_refused_before_any_job_starts(engine: Engine, symbol: str, param: str, words: str):
    heard = Recorder()
    with pytest.raises(InputError, match=words):
        engine.runs.run(sample_request([symbol], param), on_event=heard)
    assert not heard.events
    assert engine.runs.stored() == []


@pytest.mark.long
def test_a_run_that_cannot_be_stored_anywhere_is_a_database_error_and_every_job_ends(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    def full(_: RunResult, __: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(engine._resources.store.runs, "save", full)
    (engine.settings.home / "unsaved").write_text("a file where the folder should be")
    heard = Recorder()
    with pytest.raises(DatabaseError, match="disk full; and the run could not be kept elsewhere"):
        engine.runs.run(sample_specs("2023-03-01"), on_event=heard)
    heard.check()


@pytest.mark.long
def test_scratch_folders_of_killed_programs_are_swept(engine: Engine):
    left = engine.settings.cache_folder / "batch-999999999-abc"
    left.mkdir(parents=True)
    engine.runs.run(sample_specs("2023-03-01"))
    assert not list(engine.settings.cache_folder.glob("batch-*"))
