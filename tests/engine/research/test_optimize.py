"""Sweeps from end to end: real workers, a real database, and every trial the same as a run of its own."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import InputError, Interrupted, MissingDataError, StrategyError
from engine.events import Cancelled, CancelToken, Event, Failed, Finished, Progress, Started
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Period
from engine.model.run import CANCELLED, FAILED, FINISHED, RunSpec
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import GRID, NSGA2, SAMPLERS, SweepSpec
from engine.research import batches
from engine.service import Engine
from tests.engine.research.sweeping import (
    HOUR,
    MARKET,
    PERIOD,
    STUMBLING,
    Heard,
    engine,  # noqa: F401 - a fixture
    plug_in,
    shared_engine,  # noqa: F401 - its
    sweep_spec,
)
from tests.support.own_time import stopwatch

SEEDED = '''
import random
import numpy as np
from engine.strategy import Param, Strategy


class Seeded(Strategy):
    """Draws its signals."""

    share = Param(0.1, low=0.0, high=1.0)
    stop = Param(0.02, low=0.0, high=0.5)

    def warmup(self):
        return 30

    def signals(self, candles, indicators):
        rng = np.random.rand(len(candles))
        close = candles["close"]
        return {
            "signal_a_buy": rng < self.share / 2,
            "signal_b_sell": rng > 1 - self.share / 2,
            "exit_long": rng > random.random(),
            "stop_loss": (close * np.where(rng < 0.5, 1 - self.stop, 1 + self.stop)),
        }
'''
NATIVE = '''
from backtesting import Strategy


class Every(Strategy):
    """Buys every n candles."""

    every = 10

    def init(self):
        pass

    def next(self):
        if len(self.data) % self.every == 0:
            self.position.close() if self.position else self.buy()
'''
SLOW = '''
import time
import numpy as np
from engine.strategy import Param, Strategy


class Slow(Strategy):
    """Takes its time."""

    number = Param(0, low=0, high=100000)

    def signals(self, candles, indicators):
        time.sleep(0.02)
        return {"signal_x_buy": np.zeros(len(candles), dtype=bool)}
'''


def as_run(spec: SweepSpec, result: SweepResult, trial: dict[str, Any]) -> RunSpec:
    return RunSpec(
        spec.strategy,
        spec.symbol,
        spec.exchange,
        HOUR,
        spec.period,
        trial["params"],
        spec.costs,
        warmup=result.warmup,
    )


@pytest.mark.long_except("ema_cross--ranges0-more0")
@pytest.mark.parametrize(
    ("strategy", "source", "ranges", "more"),
    [
        ("ema_cross", "", {"fast": "5:20:5", "slow": "30:100:10"}, {"costs": Costs(slippage=0.0005)}),
        (
            "vwap_supertrend_ema",
            "",
            {"ema_fast": "9:21:6", "st_multiplier": "2:3:0.5", "rsi_length": "7,14"},
            {"params": {"ema_slow": 40}, "objective": "max_drawdown_days"},
        ),
        ("seeded", SEEDED, {"share": "0.1:0.5:0.1", "stop": "0.01:0.05:0.01"}, {"objective": "sqn"}),
        ("every", NATIVE, {"every": "5:9:2"}, {"objective": "return_pct"}),
    ],
)
def test_the_best_trials_are_exactly_the_runs_of_their_parameters(
    engine: Engine,  # noqa: F811
    strategy: str,
    source: str,
    ranges: dict[str, str],
    more: dict[str, Any],
):
    if source:
        plug_in(engine, strategy, source)
    spec = sweep_spec(strategy, ranges, **more)
    result = engine.research.optimize(spec, fetch=False)
    assert (result.status, result.done, result.failed) == (FINISHED, result.planned, 0)
    top = result.top(3)
    runs = engine.runs.run([as_run(spec, result, trial) for trial in top], fetch=False)
    for trial, run in zip(top, runs, strict=True):
        assert run.status == FINISHED, run.error
        assert run.engine == result.engine
        assert trial["params"] == run.params
        for name, value in trial["metrics"].items():
            assert value == (
                None if run.metrics[name] is None else pytest.approx(run.metrics[name], rel=1e-9)
            ), name
    # the same trials, by their fingerprints: nothing new was tried
    assert result.trials_of_strategy == result.done == engine._resources.store.sweeps.trial_count(strategy)


@pytest.mark.long
def test_a_sweep_is_stored_told_and_counted(engine: Engine):  # noqa: F811
    heard, told = Heard(), list[SweepResult]()
    spec = sweep_spec("ema_cross", {"fast": "2:60:1", "slow": "10:100:3"}, constraint="fast < slow")
    result = engine.research.optimize(spec, fetch=False, on_event=heard, on_trials=told.append)
    expected = sum(fast < slow for fast in range(2, 61) for slow in range(10, 101, 3))
    assert (result.done, result.planned) == (expected, expected)
    values = result.metrics["sharpe"][result.order]
    assert (np.diff(values[~np.isnan(values)]) <= 0).all()

    job = [event for event in heard if getattr(event, "job", "") == result.id]
    assert isinstance(job[0], Started)
    assert job[0].kind == "sweep"
    assert isinstance(job[-1], Finished)
    assert all(isinstance(event, Progress) for event in job[1:-1])
    assert job[-2].done == job[-2].total == expected  # type: ignore[union-attr]
    assert all(partial.status == "running" and 0 < len(partial) <= expected for partial in told)

    stored = engine.research.sweep(result.id)
    assert stored.to_json() == result.to_json()
    assert [sweep.id for sweep in engine.research.sweeps()] == [result.id]
    assert engine.research.sweeps()[0].best == result.best
    again = engine.research.optimize(spec, fetch=False)
    assert again.trials_of_strategy == result.trials_of_strategy == expected
    assert again.to_json()["top"] == result.to_json()["top"]
    engine.research.delete_sweep(result.id)
    assert [sweep.id for sweep in engine.research.sweeps()] == [again.id]


@pytest.mark.long
def test_a_trial_that_breaks_dies_or_hangs_fails_alone(engine: Engine):  # noqa: F811
    name = plug_in(engine, "stumbling", STUMBLING)
    spec = sweep_spec(name, {"number": "0:40:1"}, objective="return_pct")
    with Engine(replace(engine.settings, run_timeout_s=3)) as hasty:
        result = hasty.research.optimize(spec, fetch=False)
    assert (result.status, result.done, result.failed) == (FINISHED, 41, 3)
    assert {int(result.numbers[at]) for at in result.errors} == {3, 5, 7}
    lines = {int(result.numbers[at]): line for at, line in result.errors.items()}
    assert lines[3] == "stumbling.py:14: ValueError: three is too many"
    assert "worker died, exit code 3" in lines[5]
    assert "exceeded 3 s" in lines[7]
    assert result.order[-3:].tolist() == [3, 5, 7]
    assert result.trials_of_strategy == 38
    assert engine.research.sweep(result.id).errors == result.errors


def test_a_strategy_that_ends_every_worker_ends_the_sweep(
    engine: Engine,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(batches, "MOST_DEATHS", 2)
    name = plug_in(engine, "stumbling", STUMBLING.replace("self.number == 5", "self.number >= 1"))
    heard = Heard()
    result = engine.research.optimize(
        sweep_spec(name, {"number": "1,2,4,6,8,9"}), fetch=False, on_event=heard
    )
    assert result.status == FAILED
    assert "2 trials in a row came to nothing" in (result.error or "")
    assert isinstance(heard[-1], Failed)
    assert engine.research.sweep(result.id).status == FAILED


def test_of_one_trial_it_is_said_that_nothing_was_chosen(engine: Engine):  # noqa: F811
    name = plug_in(engine, "slow", SLOW)
    one, two = (
        engine.research.optimize(sweep_spec(name, {"number": numbers}, objective="return_pct"), fetch=False)
        for numbers in ("3", "3,4")
    )
    assert one.cautions[0].startswith("one trial: nothing was chosen; ")
    assert two.cautions[0].startswith("the best of 2 trials looks better than it is; ")


def test_a_stop_keeps_what_is_finished(engine: Engine):  # noqa: F811
    name, token, heard = plug_in(engine, "slow", SLOW), CancelToken(), Heard()
    spec = sweep_spec(name, {"number": "1:100000:1"})
    own_s: list[Callable[[], float]] = []

    def stop() -> None:
        own_s.append(stopwatch())
        token.cancel()

    def tell(partial: SweepResult) -> None:
        if len(partial) > 20 and not token.cancelled:
            threading.Thread(target=stop).start()

    result = engine.research.optimize(spec, fetch=False, on_event=heard, cancel=token, on_trials=tell)
    assert own_s[0]() < 2 + 1  # storing is not stopping
    assert result.status == CANCELLED
    assert 20 < result.done < result.planned
    assert isinstance(heard[-1], Cancelled)
    assert engine.research.sweep(result.id).done == result.done
    after = engine.research.optimize(sweep_spec(name, {"number": "1:5:1"}), fetch=False)
    assert after.status == FINISHED  # the workers are as before


@pytest.mark.long
def test_a_stop_while_the_sampler_finds_nothing_new_ends_the_sweep_as_stopped(engine: Engine):  # noqa: F811
    token = CancelToken()

    def hear(event: Event) -> None:
        if isinstance(event, Started) and event.kind == "sweep":
            token.cancel()

    second = "    other = Param(0, low=0, high=100000)\n\n    def signals"
    name = plug_in(engine, "two", SLOW.replace("    def signals", second))
    spec = {"number": "1:100000:1", "other": "1:1000:1"}
    few = sweep_spec(name, spec, constraint="number + other < 4", sampler="tpe", trials=50)
    result = engine.research.optimize(few, fetch=False, cancel=token, on_event=hear)
    assert (result.status, result.error, result.done) == (CANCELLED, "stopped by the user", 0)
    assert engine.research.sweep(result.id).status == CANCELLED


@pytest.mark.long
def test_a_stop_does_not_wait_for_a_trial_that_hangs(engine: Engine):  # noqa: F811
    name, token = plug_in(engine, "stumbling", STUMBLING), CancelToken()

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            threading.Timer(0.5, token.cancel).start()

    began = time.monotonic()
    spec = sweep_spec(name, {"number": "1,7,2,4,6,8,9,10,11,12"}, objective="return_pct")
    result = engine.research.optimize(spec, fetch=False, cancel=token, on_event=hear)
    assert time.monotonic() - began < 30  # it hangs for 60
    assert result.status == CANCELLED
    assert 7 not in result.params["number"].tolist()
    assert result.done >= 1


def test_a_stop_before_the_first_trial_is_an_interruption(engine: Engine):  # noqa: F811
    token = CancelToken()
    token.cancel()
    with pytest.raises(Interrupted):
        engine.research.optimize(sweep_spec("ema_cross", {"fast": "5:9:1"}), fetch=False, cancel=token)
    assert engine.research.sweeps() == []


@pytest.mark.parametrize(
    ("changes", "error", "part"),
    [
        ({"objective": "sharp"}, InputError, "did you mean sharpe"),
        ({"strategy": "ema_cros"}, InputError, "did you mean ema_cross"),
        ({"ranges": {"fast": (0, 5)}}, InputError, "fast must be"),
        ({"constraint": "fast <"}, InputError, "invalid syntax"),
        ({"constraint": "fast > 9"}, InputError, "none of 5"),
        ({"strategy": "broken"}, StrategyError, "does not load"),
        ({"period": Period(PERIOD.start, PERIOD.end + 50 * HOUR_MS)}, MissingDataError, "candles held"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said_before_anything_runs(
    engine: Engine,  # noqa: F811
    changes: dict[str, Any],
    error: type[Exception],
    part: str,
):
    plug_in(engine, "broken", "import nowhere")
    heard = Heard()
    with pytest.raises(error, match=part):
        engine.research.optimize(
            replace(sweep_spec("ema_cross", {"fast": "5:9:1"}), **changes), fetch=False, on_event=heard
        )
    assert heard == []
    assert engine.research.sweeps() == []


@pytest.mark.long
def test_a_sweep_goes_on_with_the_source_it_began_with(engine: Engine):  # noqa: F811
    name = plug_in(engine, "slow", SLOW)

    def edit(partial: SweepResult) -> None:
        plug_in(engine, "slow", "half of a fi")

    result = engine.research.optimize(sweep_spec(name, {"number": "1:60:1"}), fetch=False, on_trials=edit)
    assert (result.status, result.error, result.failed) == (FINISHED, None, 0)
    assert result.done == result.planned == 60


def test_runs_go_on_with_the_source_and_the_modules_they_began_with(engine: Engine):  # noqa: F811
    """Those that wait for a worker, and the questions about look-ahead of the one that has its answer."""
    plug_in(engine, "_length", "LENGTH = 3\n")
    text = SLOW.replace("0.02", "0.002").replace("import time", "import time\nfrom _length import LENGTH")
    text = text.replace("np.zeros(len(candles), dtype=bool)", "candles.close > candles.close.shift(LENGTH)")
    name = plug_in(engine, "slow", text)
    specs = [
        RunSpec(name, MARKET.name, MARKET.exchange, HOUR, PERIOD, {"number": number}) for number in range(3)
    ]
    before = engine.runs.run(specs[:1], fetch=False)[0]

    def edit(event: Event) -> None:
        if isinstance(event, Progress):
            plug_in(engine, "_length", "LENGTH = 'nonsense'\n")
            plug_in(engine, "slow", text.replace("LENGTH)", "-1)"))  # looks ahead

    results = engine.runs.run(specs, fetch=False, on_event=edit)
    assert [run.status for run in results] == [FINISHED] * 3
    assert {run.checks["lookahead"]["status"] for run in results} == {"passed"}
    assert all(
        run.inputs and before.inputs and run.inputs["source"] == before.inputs["source"] for run in results
    )
    assert results[0].fingerprint == before.fingerprint
    plug_in(engine, "slow", "raise ValueError('saved meanwhile')\n" + text)
    with pytest.raises(StrategyError, match="saved meanwhile"):
        engine.runs.run(specs[:1], fetch=False)


@pytest.mark.long
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != GRID])
def test_trials_are_the_same_for_one_worker_and_two_and_read_back(engine: Engine, sampler: str):  # noqa: F811
    second = "max_drawdown_pct" if sampler == NSGA2 else ""
    spec = sweep_spec(
        "ema_cross", {"fast": "2:400:1", "slow": "2:900:1"}, sampler=sampler, trials=90, seed=3,
        second_objective=second, constraint="fast < slow",
    )  # fmt: skip
    two = engine.research.optimize(spec, fetch=False)
    one_settings = replace(engine.settings, workers=1)
    with Engine(one_settings) as single:
        one = single.research.optimize(spec, fetch=False)
    assert one.to_json()["top"] == two.to_json()["top"]
    assert all(np.array_equal(one.metrics[name], two.metrics[name], equal_nan=True) for name in one.metrics)
    assert MARKET.unified == one.unified
    assert one.done == 90
    assert (one.params["fast"] < one.params["slow"]).all()
    stored = engine.research.sweep(two.id)
    assert stored.spec == two.spec
    assert stored.to_json() == two.to_json()
    assert bool(second) == bool(len(two.front))
