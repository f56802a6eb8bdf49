"""Monte Carlo through the engine: a real database, real workers, every path of candles made and run the whole way."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.errors import InputError, Interrupted, RunError
from engine.events import Cancelled, CancelToken, Event, Finished, Progress, Started
from engine.model.monte_carlo import (
    BLOCKS,
    METHODS,
    NOISE,
    POSITIONS,
    STATIONARY,
    MonteCarloResult,
    MonteCarloSpec,
)
from engine.model.run import RunResult, RunSpec
from engine.service import Engine
from tests.engine.research.sweeping import (
    HOUR,
    MARKET,
    PERIOD,
    Heard,
    plug_in,
    shared_engine,  # noqa: F401 - a fixture
)
from tests.support.builders import random_candles
from tests.support.database import execute

FICKLE = '''
import numpy as np
from engine.strategy import Strategy


class Fickle(Strategy):
    """Looks at the very last digits of prices, and likes no high ones."""

    def signals(self, candles, indicators):
        close = candles["close"].to_numpy()
        if LIMIT and close.max() > LIMIT:
            raise ValueError("too high for me")
        digit = (close * 100).astype(np.int64) % 10
        return {
            "signal_even_buy": digit < 2,
            "signal_odd_sell": digit == 5,
            "exit_long": digit == 3,
            "exit_short": digit == 9,
        }
'''
NATIVE = '''
from backtesting import Strategy


class Own(Strategy):
    """Buys and sells on every fifth candle."""

    def init(self):
        pass

    def next(self):
        if len(self.data) % 5 == 0:
            self.position.close() if self.position else self.buy(size=0.5)
'''
Stored = Callable[..., RunResult]
HIGHEST = float(random_candles(2_700, 7).close[1_200:].max())


@pytest.fixture(scope="module")
def opened(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of this module."""
    engine: Engine = request.getfixturevalue("shared_engine")
    yield engine
    execute(str(engine.settings.database_url), "TRUNCATE backtest_runs")


@pytest.fixture(scope="module")
def stored(opened: Engine) -> Stored:
    """`stored(name, limit)`: a run of the strategy of that name, made once."""
    kept: dict[str, RunResult] = {}

    def run(name: str = "fickle", limit: float = 0.0) -> RunResult:
        if name not in kept:
            plug_in(opened, name, NATIVE if name == "own" else FICKLE.replace("LIMIT", str(limit)))
            wanted = RunSpec(name, MARKET.name, MARKET.exchange, HOUR, PERIOD, checks=False)
            (kept[name],) = opened.runs.run([wanted], fetch=False)
        assert kept[name].status == "finished", kept[name].error
        return kept[name]

    return run


def spec(method: str = STATIONARY, **more: Any) -> MonteCarloSpec:
    return MonteCarloSpec(method=method, **more)


def figures(result: MonteCarloResult) -> dict[str, Any]:
    return result.to_json() | {"elapsed_s": None}


def test_without_noise_every_path_is_the_run_itself(opened: Engine, stored: Stored):
    run = stored()
    found = opened.research.monte_carlo(run.id, spec(NOISE, noise=0.0, paths=3))
    final = found.figures["final_equity"]
    assert final.original == run.metrics["final_equity"]
    assert set(final.quantiles) == {final.original}
    assert (found.paths, found.failed) == (3, 0)
    by_days = opened.research.monte_carlo(run.id, spec(paths=3))
    for name, one in by_days.figures.items():
        assert one.original == pytest.approx(found.figures[name].original, rel=1e-9), name


@pytest.mark.parametrize("method", [NOISE, BLOCKS])
def test_paths_do_not_depend_on_how_they_are_dealt_out(
    opened: Engine, stored: Stored, monkeypatch: pytest.MonkeyPatch, method: str
):
    run = stored()
    one = figures(opened.research.monte_carlo(run.id, spec(method, paths=9, seed=3)))
    monkeypatch.setattr("engine.research.synthetic_runs._MOST", 2)
    assert figures(opened.research.monte_carlo(run.id, spec(method, paths=9, seed=3))) == one
    assert one["figures"]["final_equity"]["p5"] < one["figures"]["final_equity"]["p95"]
    assert one["original"]["final_equity"] == run.metrics["final_equity"]


def test_paths_on_which_the_strategy_fails_are_counted_and_left_out(opened: Engine, stored: Stored):
    run = stored("limited", HIGHEST * 1.001)
    found = opened.research.monte_carlo(run.id, spec(NOISE, paths=12))
    assert found.paths + found.failed == 12
    assert 0 < found.failed < 12
    assert "too high for me" in str(found.failure)
    assert found.remarks[-1].startswith(f"{found.failed} paths failed; the first: ")
    with pytest.raises(RunError, match=r"every path failed; the first: .*too high for me"):
        opened.research.monte_carlo(run.id, spec(NOISE, paths=4, noise=5.0, seed=1))


def test_a_backtesting_strategy_runs_on_other_candles_too(opened: Engine, stored: Stored):
    run = stored("own")
    found = opened.research.monte_carlo(run.id, spec(BLOCKS, paths=2))
    assert found.figures["final_equity"].original == pytest.approx(run.metrics["final_equity"], rel=1e-12)
    assert found.paths == 2


def test_the_chance_of_positions_is_told_and_stays(opened: Engine, stored: Stored):
    run = stored()
    found = opened.research.monte_carlo(run.id, spec(POSITIONS, paths=200))
    assert found.chance is not None
    assert found.histogram is not None
    assert found.chance.p == (1 + found.chance.reached) / 201
    assert (found.units, found.bands, sum(found.histogram.counts)) == (1_500, None, 200)
    assert figures(found) == figures(opened.research.monte_carlo(run.id, spec(POSITIONS, paths=200)))


def test_a_job_tells_its_paths_and_stops_where_it_is(opened: Engine, stored: Stored):
    run, heard = stored(), Heard()
    opened.research.monte_carlo(run.id, spec(NOISE, paths=4), on_event=heard)
    (started,) = (event for event in heard if isinstance(event, Started))
    assert (started.kind, started.subject) == ("monte-carlo", (run.id,))
    assert isinstance(heard[-1], Finished)
    (*_, last) = (event for event in heard if isinstance(event, Progress))
    assert (last.done, last.total, last.unit) == (4, 4, "paths")


@pytest.mark.parametrize("method", METHODS)
def test_it_stops_when_it_is_told_to(opened: Engine, stored: Stored, method: str):
    cancel, heard = CancelToken(), Heard()

    def stop(event: Event) -> None:
        heard.append(event)
        cancel.cancel()

    with pytest.raises(Interrupted):
        opened.research.monte_carlo(stored().id, spec(method), on_event=stop, cancel=cancel)
    assert isinstance(heard[-1], Cancelled)


def test_what_is_no_whole_run_is_refused(opened: Engine):
    with pytest.raises(InputError, match="no run"):
        opened.research.monte_carlo("ffffffff", spec())
    plug_in(opened, "broken", FICKLE.replace("LIMIT", "1"))
    wanted = RunSpec("broken", MARKET.name, MARKET.exchange, HOUR, PERIOD, checks=False)
    (failed,) = opened.runs.run([wanted], fetch=False)
    with pytest.raises(InputError, match="failed: it has no trades and no equity"):
        opened.research.monte_carlo(failed.id, spec())


def test_candles_that_have_changed_since_are_refused_by_what_needs_them(opened: Engine, stored: Stored):
    run, url = stored(), str(opened.settings.database_url)
    execute(url, "UPDATE ohlcv_data SET volume = volume * 2")
    try:
        for method in (NOISE, BLOCKS, POSITIONS):
            with pytest.raises(InputError, match="the candles have changed since this run"):
                opened.research.monte_carlo(run.id, spec(method, paths=2))
        assert opened.research.monte_carlo(run.id, spec(paths=2)).paths == 2
    finally:
        execute(url, "UPDATE ohlcv_data SET volume = volume / 2")


def test_a_strategy_that_was_saved_since_runs_as_it_was(opened: Engine, stored: Stored):
    run = stored()
    plug_in(opened, "fickle", FICKLE.replace("LIMIT", "0.0").replace("digit < 2", "digit < 0"))
    try:
        found = opened.research.monte_carlo(run.id, spec(NOISE, noise=0.0, paths=1))
    finally:
        plug_in(opened, "fickle", FICKLE.replace("LIMIT", "0.0"))
    assert found.figures["final_equity"].original == run.metrics["final_equity"]


def test_a_block_longer_than_the_candles_is_refused(opened: Engine, stored: Stored):
    with pytest.raises(InputError, match="longer than the 1,500 candles"):
        opened.research.monte_carlo(stored().id, spec(BLOCKS, block=5_000))
