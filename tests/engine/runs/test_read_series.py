"""Series that strategies read beside their candles: fetched by the run, part of what it depends on, told where they lack."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import ExchangeError, InputError, MissingDataError, StrategyError
from engine.events import Event, Finished, Started
from engine.model.cost_surface import FIGURES, CostSurfaceSpec
from engine.model.market import HOUR_MS, Period, Timeframe
from engine.model.monte_carlo import NOISE, MonteCarloSpec
from engine.service import Engine
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, grid_candles, html, without
from tests.support.reading import CANDLES, PERIOD, READING, SPEC, WHOLE, ran, seen, write
from tests.support.reading import engine_reading as engine_reading

pytestmark = pytest.mark.long


@pytest.fixture
def engine(engine_reading: Engine) -> Engine:
    return engine_reading


def test_a_run_fetches_what_it_reads_and_sees_what_was_known(engine: Engine, fake_exchange: FakeExchange):
    heard: list[Event] = []
    run = ran(engine, on_event=heard.append)
    began = next(event for event in heard if isinstance(event, Started) and event.kind == "run")
    assert (began.subject, began.series) == ((run.id,), (run.exchange, run.symbol, run.timeframe.name))
    assert run.indicators is not None
    for column, series in {
        "four": ("SOL", "4h"),
        "day": ("SOL", "1d"),
        "other": ("BTC", "1h"),
        "other_day": ("BTC", "1d"),
    }.items():
        assert np.array_equal(run.indicators.columns[column], seen(*series, run)), column
    assert run.indicators.columns["age"].tolist()[:6] == [3, 0, 1, 2, 3, 0]  # from 02:00 on
    assert not np.isnan(run.indicators.columns["line"]).any()
    assert run.checks["lookahead"]["status"] == "passed"
    assert run.checks["data"]["read"] == {
        name: [] for name in ("SOLUSDT 4h", "SOLUSDT 1d", "BTCUSDT 1h", "BTCUSDT 4h", "BTCUSDT 1d")
    }
    assert run.checks["warmup"]["note"].endswith(
        "SOLUSDT 4h: 5 of 5; SOLUSDT 1d: 3 of 3; BTCUSDT 1h: 20 of 20; BTCUSDT 4h: 5 of 5; BTCUSDT 1d: 3 of 3"
    )
    jobs = [event.job for event in heard if isinstance(event, Started)]
    assert len(jobs) == len(set(jobs))
    assert {event.job for event in heard if isinstance(event, Finished)} >= set(jobs)
    before = len(fake_exchange.candle_requests)
    again = ran(engine)
    assert len(fake_exchange.candle_requests) == before
    assert again.fingerprint == run.fingerprint
    offline = ran(engine, fetch=False)
    assert offline.fingerprint == run.fingerprint


def test_what_is_held_is_told_of_each_symbol_that_has_closed_candles_of_the_period(
    engine: Engine, fake_exchange: FakeExchange
):
    ran(engine)
    later = fake_exchange.clock_ms // HOUR_MS * HOUR_MS + 24 * HOUR_MS
    assert {"SOLUSDT", "BTCUSDT"} <= engine.candles.held(Timeframe("1h"), PERIOD).keys()
    assert engine.candles.held(Timeframe("1h"), Period(later, later + 24 * HOUR_MS)) == {}


def test_without_fetching_a_gap_in_what_is_read_is_named(engine: Engine):
    ran(engine)
    url = str(engine.settings.database_url)
    execute(
        url,
        "DELETE FROM data_ranges WHERE timeframe = '4h' AND symbol_id = (SELECT id FROM symbols WHERE name = 'BTCUSDT')",
    )
    with pytest.raises(
        MissingDataError, match=r"BTCUSDT 4h: .* candles held, first gap .*; nothing was run on it"
    ):
        engine.runs.run([SPEC], fetch=False)
    ran(engine)  # fetched again


def test_an_exchange_that_does_not_answer_for_what_is_read_is_an_error_of_the_exchange(
    engine: Engine, fake_exchange: FakeExchange
):
    engine.candles.fetch("SOLUSDT", Timeframe("1h"), Period(WHOLE.start, PERIOD.end))
    fake_exchange.always = html()
    with pytest.raises(ExchangeError):
        engine.runs.run([SPEC])


def test_missing_candles_of_what_is_read_are_named_and_its_last_value_grows_old(
    engine: Engine, fake_exchange: FakeExchange
):
    hole = Period.parse("2024-12-15T08:00", "2024-12-15T16:00")
    fake_exchange.add("SOL", "4h", without(CANDLES["SOL", "4h"], hole), listed_ms=WHOLE.start)
    run = ran(engine)
    assert run.checks["data"]["note"] == "complete; of SOLUSDT 4h 2 are missing"
    (gone,) = run.checks["data"]["read"]["SOLUSDT 4h"]
    assert (gone["start"], gone["end"]) == ("2024-12-15T08:00:00Z", "2024-12-15T16:00:00Z")
    assert run.indicators is not None
    assert run.equity is not None
    at = int(np.searchsorted(run.equity.time, hole.start))
    age = run.indicators.columns["age"]
    assert age[at - 1 : at + 13].tolist() == [0, *range(1, 12), 0, 1]
    assert len(set(run.indicators.columns["four"][at - 1 : at + 11].tolist())) == 1


def test_a_candle_of_what_is_read_that_changed_is_named_by_rerun_and_makes_the_run_old(engine: Engine):
    run = ran(engine)
    assert engine.runs.data_changed(run) is False
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (True, ())
    url = str(engine.settings.database_url)
    series = "timeframe = '4h' AND symbol_id = (SELECT id FROM symbols WHERE name = 'SOLUSDT')"
    execute(
        url, f"UPDATE ohlcv_data SET close = close * 1.01 WHERE {series} AND timestamp = '2024-12-15T08:00Z'"
    )
    assert engine.runs.data_changed(run) is True
    again = engine.runs.rerun(run.id)
    assert again.changed == ("4h candles changed: 2024-12 (revised)",)
    assert again.result.fingerprint != run.fingerprint
    checked = engine.runs.cross_check(run.id)
    assert checked.checks["crosscheck"]["status"] == "skipped"
    assert "candles have changed" in checked.checks["crosscheck"]["note"]


def test_the_cross_check_and_the_cost_surface_see_the_same_series(engine: Engine):
    run = ran(engine)
    checked = engine.runs.cross_check(run.id)
    assert checked.checks["crosscheck"]["status"] == "passed"
    assert checked.checks["crosscheck"]["total"] > 5
    surface = engine.research.cost_surface(run.id, CostSurfaceSpec(commissions=[0.002], slippages=[0.0]))
    (own,) = (one for one in surface.cells if (one.commission, one.slippage) == surface.own)
    assert dict(own.figures) == {name: run.metrics[name] for name in FIGURES}


def test_built_candles_are_those_of_the_run_and_cost_no_request(engine: Engine, fake_exchange: FakeExchange):
    write(
        engine,
        READING.replace('    symbols_read = ("BTCUSDT",)\n', "    build_timeframes = True\n")
        .replace('self.on(symbol="BTCUSDT")', "candles")
        .replace('self.on("1d", symbol="BTCUSDT")', "candles"),
    )
    run = ran(engine)
    assert {request.params["interval"] for request in fake_exchange.candle_requests} == {"1h"}
    assert run.indicators is not None
    assert run.equity is not None
    hours = CANDLES["SOL", "1h"]
    day_ends = hours.timestamp // HOUR_MS % 24 == 23
    closes = hours.close[day_ends]
    known = np.searchsorted(hours.timestamp[day_ends], run.equity.time, side="right") - 1
    assert np.array_equal(run.indicators.columns["day"], closes[known])
    assert run.checks["lookahead"]["status"] == "passed"
    assert run.checks["warmup"]["wanted"] == 4 * 24  # three whole days, wherever the period begins
    again = engine.runs.rerun(run.id)
    assert (again.equal, again.changed) == (True, ())
    long = ran(engine, replace(SPEC, period=Period.parse("2024-12-01", "2025-01-10")))
    found = engine.research.monte_carlo(long.id, MonteCarloSpec(method=NOISE, noise=0.0, paths=2))
    final = found.figures["final_equity"]
    assert final.original == long.metrics["final_equity"]
    assert set(final.quantiles) == {final.original}
    noisy = engine.research.monte_carlo(long.id, MonteCarloSpec(method=NOISE, paths=4))
    assert noisy.failed == 0
    assert len(set(noisy.figures["final_equity"].quantiles)) > 1


def test_a_warm_up_that_is_too_short_is_named_with_its_timeframes(engine: Engine):
    text = READING.replace('{"": 20, "4h": self.length, "1d": 3}', '{"4h": 1}')
    write(engine, text.replace('ema(c["close"], self.length)', 'ema(c["close"], 50)'))
    check = ran(engine).checks["warmup"]
    assert check["status"] == "failed"
    assert check["note"].startswith("the warm-up (4h 1) is too short: line")


def test_a_strategy_that_cannot_say_its_warm_up_fails_alone(engine: Engine):
    write(engine, READING.replace('return {"": 20', 'return {"": 20 // (self.length - 5)'))
    (info,) = [one for one in engine.strategies.all() if one.name == "reading"]
    assert (info.error, dict(info.warmups), info.timeframes) == (None, {}, ("4h", "1d"))
    (run,) = engine.runs.run([SPEC])
    assert run.status == "failed"
    assert "ZeroDivisionError" in str(run.error)
    ran(engine, replace(SPEC, params={"length": 6}))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"timeframe": Timeframe("4h")}, "reading reads 4h candles: those are the candles of the run itself"),
        (
            {"timeframe": Timeframe("1d")},
            "reading reads 4h candles: those are shorter than the 1d candles of the run",
        ),
        (
            {"timeframe": Timeframe("3d")},
            "reading reads 4h candles: those are shorter than the 3d candles of the run",
        ),
    ],
)
def test_a_timeframe_that_does_not_fit_is_refused_before_anything_runs(
    engine: Engine, fake_exchange: FakeExchange, changes: dict[str, Any], wanted: str
):
    with pytest.raises(InputError, match=wanted):
        engine.runs.run([replace(SPEC, **changes)])
    assert not fake_exchange.candle_requests


def test_symbols_that_cannot_be_read_are_named(engine: Engine, fake_exchange: FakeExchange):
    write(engine, READING.replace("BTCUSDT", "NOPEUSDT"))
    wanted = "reading: symbols_read names 'NOPEUSDT': .*; nothing was run"
    with pytest.raises(InputError, match=wanted):
        engine.runs.run([SPEC])
    assert not fake_exchange.candle_requests
    write(engine, READING.replace("BTCUSDT", "NEWUSDT"))
    young = Period.parse("2025-01-01", "2025-01-14")
    for timeframe in ("1h", "4h", "1d"):
        fake_exchange.add("NEW", timeframe, grid_candles(timeframe, young), listed_ms=young.start)
    with pytest.raises(InputError, match="NEWUSDT"):
        engine.runs.run([SPEC])


def test_a_symbol_that_was_delisted_within_the_period_stays_at_its_last_value(
    engine: Engine, fake_exchange: FakeExchange
):
    last = Period.parse("2024-10-01", "2024-12-16")
    for timeframe in ("1h", "4h", "1d"):
        fake_exchange.add("BTC", timeframe, CANDLES["BTC", timeframe].within(last), listed_ms=WHOLE.start)
    fake_exchange.delist("BTC")
    run = ran(engine)
    assert run.indicators is not None
    assert run.indicators.columns["other"][-1] == CANDLES["BTC", "1h"].within(last).close[-1]
    assert "of BTCUSDT 1h 168 are missing" in run.checks["data"]["note"]


def test_a_declaration_that_cannot_be_read_is_a_file_that_does_not_load(engine: Engine):
    write(engine, READING.replace('timeframes = ("4h", "1d")', 'timeframes = ("4x",)'))
    with pytest.raises(StrategyError, match=r"reading.py:\d+: unknown timeframe '4x'"):
        engine.runs.run([SPEC])
    (broken,) = [one for one in engine.strategies.all() if one.name == "reading"]
    assert "unknown timeframe" in str(broken.error)


def test_what_is_read_and_not_declared_fails_the_run_naming_it(engine: Engine):
    write(engine, READING.replace('self.on("1d")["close"]', 'self.on("2h")["close"]'))
    (run,) = engine.runs.run([SPEC])
    assert run.status == "failed"
    assert 'on("2h") is not declared' in str(run.error)


def test_a_strategy_is_listed_with_what_it_reads(engine: Engine):
    (info,) = [one for one in engine.strategies.all() if one.name == "reading"]
    listed = info.to_json()
    assert (listed["timeframes"], listed["symbols_read"]) == (["4h", "1d"], ["BTCUSDT"])
    assert listed["warmups"] == {"": 20, "4h": 5, "1d": 3}
    (plain,) = [one for one in engine.strategies.all() if one.name == "ema_cross"]
    assert (plain.timeframes, plain.symbols_read, plain.warmups) == ((), (), {})
