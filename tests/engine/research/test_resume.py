"""Sweeps that were stopped or killed go on, and end as if they had not been."""

import json
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError, Interrupted, InUse
from engine.events import CancelToken, Event, Started
from engine.model.market import Int64Array
from engine.model.run import CANCELLED, FINISHED, RUNNING, STOPPED
from engine.model.sweep import SweepPart, SweepResult, TrialReturns
from engine.model.sweep_spec import CMAES, GRID, NSGA2, RANDOM, SAMPLERS, TPE, SweepSpec
from engine.model.trial import trial_identities
from engine.service import Engine
from tests.engine.research.killing import killed, wait_for_sweeps
from tests.engine.research.sweeping import STUMBLING, engine, plug_in, shared_engine, sweep_spec
from tests.support.database import execute, refusing_once

__all__ = ["engine", "shared_engine"]

SLOW = '''
import os, time
import numpy as np
from engine.strategy import Param, Strategy


class Slow(Strategy):
    """Takes its time."""

    number = Param(3, low=1, high=1000)
    length = Param(3, low=1, high=1000)

    def signals(self, candles, indicators):
        time.sleep(float(os.environ.get("TRIAL_S", 0.005)))
        buy = np.arange(len(candles)) % (10 + self.number) == 0
        return {"signal_x_buy": buy, "exit_long": np.roll(buy, self.length)}
'''


def spec_of(sampler: str, trials: int, strategy: str = "ema_cross", **ranges: str) -> SweepSpec:
    """So many trials of that sampler."""
    ranges = ranges or {"fast": "5:60:1", "slow": "20:200:2"}
    more: dict[str, Any] = {"sampler": sampler, "trials": trials, "seed": 3}
    if sampler == GRID:
        first, second = ranges
        ranges, more = {first: "1:10:1", second: f"11:{10 + trials // 10}:1"}, {}
    if sampler == NSGA2:
        more["second_objective"] = "max_drawdown_pct"
    return sweep_spec(strategy, ranges, objective="return_pct", **more)


def assert_equal(engine: Engine, ended: SweepResult, whole: SweepResult) -> None:
    """The same to the last bit, as returned and as stored: figures, order, errors, returns, statistics."""
    stored = [engine.research.sweep(sweep.id) for sweep in (ended, whole)]
    for one, other in ((ended, whole), (stored[0], stored[1]), (stored[0], ended)):
        documents = [json.loads(json.dumps(sweep.to_json())) for sweep in (one, other)]
        for document in documents:
            for name in ("id", "elapsed_s", "created"):
                document.pop(name)
        assert documents[0] == documents[1]
        for name, column in {**one.params, **one.metrics}.items():
            assert column.tobytes() == {**other.params, **other.metrics}[name].tobytes(), name
        assert (one.numbers.tolist(), one.errors) == (other.numbers.tolist(), other.errors)
    kept, others = (engine._resources.store.sweeps.returns(sweep.id) for sweep in (ended, whole))
    assert kept is not None
    assert others is not None
    assert kept.numbers.tolist() == others.numbers.tolist()
    assert kept.returns.tobytes() == others.returns.tobytes()
    statistics = [engine.research.statistics(sweep).to_json() for sweep in stored]
    assert statistics[0] == statistics[1]


def inputs_of(engine: Engine, sweep: SweepResult) -> dict[str, Any]:
    rows: Any = execute(
        str(engine.settings.database_url), f"SELECT inputs FROM sweeps WHERE id = '{sweep.id}'"
    )
    return dict(rows[0][0])


def killed_at(engine: Engine, whole: SweepResult, made: Int64Array) -> str:
    """Store another sweep of which these trials were made when its program was killed; gives its id."""
    store, inputs = engine._resources.store.sweeps, inputs_of(engine, whole)
    kept, at = store.returns(whole.id), np.isin(whole.numbers, made)
    errors = {int(whole.numbers[place]): line for place, line in whole.errors.items()}
    begun = replace(
        whole,
        id=str(uuid.uuid4()),
        status=RUNNING,
        numbers=whole.numbers[at],
        params={name: column[at] for name, column in whole.params.items()},
        metrics={name: column[at] for name, column in whole.metrics.items()},
        errors={place: errors[number] for place, number in enumerate(made.tolist()) if number in errors},
        done=len(made),
    )
    returns = None
    if kept is not None and np.isin(kept.numbers, made).any():
        among = np.isin(kept.numbers, made)
        returns = TrialReturns(kept.numbers[among], kept.returns[among])
    tried = trial_identities(inputs["source"], (begun.params_of(place) for place in range(len(made))))
    identities = [None if place in begun.errors else one for place, one in enumerate(tried)]
    store.save(begun, SweepPart(np.arange(len(made)), identities, returns), inputs if len(made) else None)
    return begun.id


@pytest.mark.long_except(CMAES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sweep_cut_anywhere_ends_as_the_whole_one(engine: Engine, sampler: str):
    n = (
        50 if sampler == TPE else 100
    )  # one whole batch of those that go batch by batch, and a part of the next
    whole = engine.research.optimize(spec_of(sampler, n), fetch=False)
    assert (whole.status, whole.done) == (FINISHED, n)

    @settings(max_examples=2, deadline=None, database=None)
    @given(cut=st.integers(0, n - 1), later=st.sets(st.integers(0, n - 1), max_size=5))
    def check(cut: int, later: set[int]) -> None:
        if sampler not in (GRID, RANDOM):  # workers make only what is known beforehand in any order
            later = set()
        made = np.union1d(np.arange(cut), list(later)).astype(np.int64)
        sweep_id = killed_at(engine, whole, made)
        assert engine.research.sweep(sweep_id).status == STOPPED
        ended = engine.research.resume_sweep(sweep_id[:8])
        assert ended.id == sweep_id
        assert_equal(engine, ended, whole)

    check()


@pytest.mark.long
def test_trials_that_failed_stay_as_they_were_stored(engine: Engine):
    spec = sweep_spec(plug_in(engine, "stumbling", STUMBLING), {"number": "0:6:1"}, objective="return_pct")
    whole = engine.research.optimize(spec, fetch=False)
    assert whole.failed == 2
    ended = engine.research.resume_sweep(killed_at(engine, whole, np.array([0, 3, 5])))
    assert_equal(engine, ended, whole)


def test_one_that_was_stopped_says_how_it_goes_on_and_ends_as_if_it_had_not_been(engine: Engine):
    spec = spec_of(CMAES, 90, plug_in(engine, "slow", SLOW), number="1:300:1", length="1:9:1")
    token, shown = CancelToken(), list[int]()

    def tell(partial: SweepResult) -> None:
        shown.append(len(partial))
        if len(partial) > 20:
            token.cancel()

    stopped = engine.research.optimize(spec, fetch=False, cancel=token, on_trials=tell)
    assert stopped.status == CANCELLED
    assert 20 < stopped.done < 90
    assert stopped.kept == (
        f"{stopped.done} of 90 trials are stored as sweep {stopped.id[:8]}, "
        f"`backtest sweeps resume {stopped.id[:8]}` goes on"
    )
    heard, shown = list[Event](), []
    ended = engine.research.resume_sweep(stopped.id, on_event=heard.append, on_trials=tell)
    assert [event.subject for event in heard if isinstance(event, Started) and event.kind == "sweep"] == [
        (stopped.id,)
    ]
    assert all(made > stopped.done for made in shown)
    assert ended.elapsed_s > stopped.elapsed_s
    assert ended.created_ms == stopped.created_ms
    assert_equal(engine, ended, engine.research.optimize(spec, fetch=False))
    with pytest.raises(InputError, match="is finished: there is nothing to go on with"):
        engine.research.resume_sweep(stopped.id)


STARTED = """
import sys, threading
from engine.events import CancelToken
from engine.service import Engine
from tests.engine.research.test_resume import SAMPLERS, slow_spec

with Engine() as engine:
    for sampler in SAMPLERS:
        call = engine.research.optimize
        threading.Thread(target=call, args=(slow_spec(sampler),), kwargs={"fetch": False}).start()
    threading.Event().wait(300)
"""


def slow_spec(sampler: str) -> SweepSpec:
    return spec_of(sampler, 90, "slow", number="1:300:1", length="1:9:1")


@pytest.mark.long
def test_killed_sweeps_of_every_sampler_go_on_and_end_as_if_they_had_not_been(engine: Engine):
    """One program at work on a sweep of each, killed where it happens to be."""
    plug_in(engine, "slow", SLOW)
    with killed(engine, STARTED, "0.1") as process:
        wait_for_sweeps(engine, process, len(SAMPLERS))
        with pytest.raises(
            InUse, match=rf"another program \(process {process.pid} on .*\) is at work on sweep"
        ):
            engine.research.resume_sweep(engine.research.sweeps()[0].id)
        assert {sweep.status for sweep in engine.research.sweeps()} <= {RUNNING, FINISHED}
    left = {sweep.spec.sampler: sweep for sweep in engine.research.sweeps()}
    for sampler in SAMPLERS:
        found = left[sampler]
        assert (found.status, 0 < found.done < 90) == (STOPPED, True), (sampler, found.status, found.done)
        assert found.best is not None
        ended = engine.research.resume_sweep(found.id)
        assert (ended.id, ended.status) == (found.id, FINISHED)
        assert_equal(engine, ended, engine.research.optimize(slow_spec(sampler), fetch=False))


@pytest.mark.long
def test_one_goes_on_with_the_same_strategy_candles_and_program_only_and_in_one_place(engine: Engine):
    spec, url = (
        sweep_spec(plug_in(engine, "slow", SLOW), {"number": "1:60:1"}),
        str(engine.settings.database_url),
    )
    sweep_id = killed_at(engine, engine.research.optimize(spec, fetch=False), np.arange(7))

    def refused(part: str) -> None:
        with pytest.raises(
            InputError, match=f"sweep {sweep_id[:8]} cannot go on: {part}.*what was tried is kept"
        ):
            engine.research.resume_sweep(sweep_id)

    for other in (SLOW.replace("% (10", "% (11"), SLOW.replace("number = ", "amount = "), SLOW + "# words\n"):
        plug_in(engine, "slow", other)
        refused(r"strategy source changed \(slow.py\)")
    plug_in(engine, "slow", SLOW)
    last = "WHERE timestamp = (SELECT max(timestamp) FROM ohlcv_data)"
    execute(url, f"UPDATE ohlcv_data SET volume = volume + 1 {last}")
    refused(r"candles changed: 2\d+-\d+ \(revised\)")
    execute(url, f"UPDATE ohlcv_data SET volume = volume - 1 {last}")
    then = "SELECT inputs #>> '{versions,engine source}' FROM sweeps"
    (now,), *_ = execute(url, then)
    other = "UPDATE sweeps SET inputs = jsonb_set(inputs, '{{versions,engine source}}', '\"{}\"')"
    execute(url, other.format("old"))
    refused(rf"program changed \(engine source old -> {now}\)")
    execute(url, other.format(now))
    execute(url, "UPDATE trials SET params = jsonb_set(params, '{number}', '999') WHERE number = 3")
    refused("the grid sampler chooses other trials now")
    execute(url, "UPDATE trials SET params = jsonb_set(params, '{number}', '4') WHERE number = 3")
    assert engine.research.sweep(sweep_id).done == 7

    second = list[str]()

    def resume_too(event: Event) -> None:
        if isinstance(event, Started) and event.kind == "sweep":
            with pytest.raises(InputError, match="nothing was done") as caught:
                engine.research.resume_sweep(sweep_id)
            second.append(str(caught.value))

    assert engine.research.resume_sweep(sweep_id, on_event=resume_too).status == FINISHED
    assert second == [f"another job of this program is at work on sweep {sweep_id[:8]}; nothing was done"]
    assert engine.research.sweep(sweep_id).done == 60


@pytest.mark.long
def test_what_could_not_be_stored_at_once_is_stored_with_the_next_part(engine: Engine):
    spec = sweep_spec(plug_in(engine, "slow", SLOW), {"number": "1:500:1"})
    url = str(engine.settings.database_url)
    with refusing_once(url, "sweep_returns"):
        ended = engine.research.optimize(spec, fetch=False)
    assert (ended.status, ended.done) == (FINISHED, 500)
    stored, kept = engine.research.sweep(ended.id), engine._resources.store.sweeps.returns(ended.id)
    assert kept is not None
    assert len(stored) == len(kept.numbers) == 500


@pytest.mark.long
def test_one_that_is_stopped_before_its_search_has_caught_up_stays_as_it_is(engine: Engine):
    whole = engine.research.optimize(spec_of(CMAES, 100), fetch=False)
    sweep_id, token = killed_at(engine, whole, np.arange(80)), CancelToken()

    def stop(event: Event) -> None:
        if isinstance(event, Started) and event.kind == "sweep":
            token.cancel()

    with pytest.raises(Interrupted):
        engine.research.resume_sweep(sweep_id, on_event=stop, cancel=token)
    assert (engine.research.sweep(sweep_id).status, engine.research.sweep(sweep_id).done) == (STOPPED, 80)
    assert_equal(engine, engine.research.resume_sweep(sweep_id), whole)
