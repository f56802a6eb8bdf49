"""Walk-forwards that were stopped or killed end as if they had not been, and go on with nothing that has changed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from engine.errors import DatabaseError, InputError, InUse
from engine.events import Cancelled, CancelToken, Event, Progress
from engine.model.market import format_time
from engine.model.run import CANCELLED, FINISHED, STOPPED
from engine.model.walk_forward import (
    IN_SAMPLE,
    WalkForward,
)
from engine.service import Engine
from tests.engine.research.killing import kill, wait_until
from tests.engine.research.sweeping import (
    MARKET,
    PERIOD,
    plug_in,
    shared_engine,  # noqa: F401 - a fixture
)
from tests.engine.research.walking import SLOW, empty, plain, walk_spec
from tests.support.database import execute, refusing_once


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:  # noqa: F811
    """The shared engine without walk-forwards, trials and runs."""
    empty(shared_engine)
    return shared_engine


@pytest.fixture(scope="module")
def whole(shared_engine: Engine) -> WalkForward:  # noqa: F811
    """A slow one that nothing stopped, of 120 combinations, made in an empty database."""
    empty(shared_engine)
    spec = walk_spec(plug_in(shared_engine, "slow", SLOW), {"number": "1:120:1"})
    return shared_engine.walk_forwards.make(spec, fetch=False)


@pytest.mark.long
def test_one_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(whole: WalkForward, engine: Engine):
    spec = walk_spec(plug_in(engine, "slow", SLOW), {"number": "1:120:1"})
    token, heard = CancelToken(), list[Event]()

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Progress) and event.unit == "trials" and event.done > 20:
            token.cancel()

    stopped = engine.walk_forwards.make(spec, fetch=False, on_event=hear, cancel=token)
    assert stopped.status == CANCELLED
    assert 20 < stopped.done < 120
    assert any(isinstance(event, Cancelled) and event.job == stopped.id for event in heard)
    assert engine.walk_forwards.get(stopped.id).status == CANCELLED
    ended = engine.walk_forwards.resume(stopped.id)
    assert ended.id == stopped.id
    assert plain(ended) == plain(whole)
    with pytest.raises(InputError, match="is finished: there is nothing to go on with"):
        engine.walk_forwards.resume(stopped.id)


@pytest.mark.long
def test_what_could_not_be_stored_at_once_is_stored_with_the_next_part(engine: Engine):
    spec, url = (
        walk_spec(plug_in(engine, "slow", SLOW), {"number": "1:90:1"}),
        str(engine.settings.database_url),
    )
    with (
        refusing_once(url, "walk_forward_parts"),
        pytest.raises(DatabaseError, match="not now"),
    ):
        engine.walk_forwards.make(spec, fetch=False)
    (stopped,) = engine.walk_forwards.stored()
    figures = engine.walk_forwards.get(stopped.id).figures
    assert 0 < stopped.done == (~np.isnan(figures[:, 0, IN_SAMPLE, 1])).sum() < 90


@pytest.mark.long
def test_a_killed_one_goes_on_and_ends_as_if_it_had_not_been(whole: WalkForward, engine: Engine):
    plug_in(engine, "slow", SLOW)
    url = str(engine.settings.database_url)
    period = [format_time(at) for at in (PERIOD.start, PERIOD.end)]
    command = [
        sys.executable, "-m", "engine", "walk-forward", "-s", MARKET.name, "-S", "slow", "-t", "1h", "--start", period[0],
        "--end", period[1], "--exchange", MARKET.exchange, "--grid", "number=1:120:1", "--train", "20d", "--test", "10d",
        "--objective", "return_pct", "--no-fetch", "--funding", "off",
    ]  # fmt: skip
    surroundings = os.environ | {
        "DATABASE_URL": url,
        "BACKTEST_HOME": str(engine.settings.home),
        "BACKTEST_WORKERS": "2",
    }
    process = subprocess.Popen(command, env=surroundings, stderr=subprocess.DEVNULL)
    try:
        wait_until(process, lambda: any(walk.done for walk in engine.walk_forwards.stored()))
    finally:
        kill(process, lambda: [walk.status for walk in engine.walk_forwards.stored()])
    (killed,) = engine.walk_forwards.stored()
    assert (killed.status, 0 < killed.done < 120) == (STOPPED, True)
    ended = engine.walk_forwards.resume(killed.id)
    assert (ended.id, ended.status) == (killed.id, FINISHED)
    assert plain(ended) == plain(whole)
    np.testing.assert_array_equal(ended.figures, whole.figures)


@pytest.mark.long
def test_one_goes_on_with_the_same_strategy_and_candles_only_and_in_one_place(engine: Engine):
    name = plug_in(engine, "slow", SLOW)
    token = CancelToken()

    def hear(event: Event) -> None:
        if isinstance(event, Progress) and event.unit == "trials" and event.done > 5:
            token.cancel()

    stopped = engine.walk_forwards.make(
        walk_spec(name, {"number": "1:60:1"}), fetch=False, on_event=hear, cancel=token
    )
    assert stopped.status == CANCELLED
    plug_in(engine, "slow", SLOW.replace("% (10", "% (11"))
    with pytest.raises(
        InputError, match=r"cannot go on: strategy source changed \(slow.py\); what was tried is kept"
    ):
        engine.walk_forwards.resume(stopped.id)
    plug_in(engine, "slow", SLOW + "# only words\n")
    with pytest.raises(InputError, match="strategy source changed"):
        engine.walk_forwards.resume(stopped.id)
    plug_in(engine, "slow", SLOW)
    url = str(engine.settings.database_url)
    execute(
        url,
        "UPDATE ohlcv_data SET volume = volume + 1 WHERE timestamp = (SELECT max(timestamp) FROM ohlcv_data)",
    )
    with pytest.raises(InputError, match=r"cannot go on: candles changed: 2\d+-\d+ \(revised\)"):
        engine.walk_forwards.resume(stopped.id)
    execute(
        url,
        "UPDATE ohlcv_data SET volume = volume - 1 WHERE timestamp = (SELECT max(timestamp) FROM ohlcv_data)",
    )
    with (
        engine._resources.store.walk_forwards.working_on(stopped.id),
        pytest.raises(InUse, match="another job of this program is at work on walk-forward"),
    ):
        engine.walk_forwards.resume(stopped.id)
    assert engine.walk_forwards.resume(stopped.id).status == FINISHED
