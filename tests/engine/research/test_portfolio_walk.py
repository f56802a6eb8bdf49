"""Walk-forwards of a portfolio's legs: trials are portfolios, one leg is the walk of its strategy, nothing sees ahead."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.database.trial_rows import trial_count
from engine.errors import InputError
from engine.events import CancelToken, Event, Progress
from engine.model.account import Costs
from engine.model.durations import parse_duration
from engine.model.market import DAY_MS, Market, format_time
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import Assignment
from engine.model.portfolio import PortfolioSpec
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED, STOPPED
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import IN_SAMPLE, WalkForward, WalkForwardSpec
from engine.service import Engine
from tests.engine.research.killing import killed, wait_until
from tests.engine.research.portfolio_sweeping import (
    EXACT,
    MARKETS,
    four_markets,  # noqa: F401 - a fixture
    portfolio,
    sweep_of,
    two_legs,
)
from tests.engine.research.sweeping import COUNT, HOUR, PERIOD, WARM, WHOLE, plug_in
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute

pytestmark = pytest.mark.long

MOMENTUM = '''
import time

import numpy as np

from engine.strategy import Param, Strategy


class Momentum(Strategy):
    """Remembers nothing but two closes."""

    arrays = True
    hours = Param(5, low=1, high=500)
    pause = Param(0.0, low=0.0, high=1.0)

    def signals(self, candles, indicators):
        time.sleep(self.pause)
        close, h = candles["close"], self.hours
        before = np.concatenate((np.full(h, np.nan), close[:-h]))
        return {"signal_up_buy": close > before * 1.01, "exit_long": close < before}
'''
TABLES = "walk_forwards, walk_forward_parts, sweeps, trials, backtest_runs, portfolios"
RANGES = {"quick.fast": "5:15:5", "slow.weight": "0.2,0.5"}
COSTS: dict[str, Any] = {"commission": 0.0005, "funding": "off"}


@pytest.fixture
def engine(four_markets: Engine) -> Engine:  # noqa: F811
    """The shared engine without anything made."""
    execute(str(four_markets.settings.database_url), f"TRUNCATE {TABLES}")
    return four_markets


def walk_of(spec: PortfolioSpec, ranges: Mapping[str, str] = RANGES, **more: Any) -> WalkForwardSpec:
    """Over 62.5 days: four tests of 10 days and one that is cut."""
    sweep = sweep_of(spec, dict(ranges), **{"objective": "return_pct"} | more)
    return WalkForwardSpec(sweep, parse_duration("20d", "train"), parse_duration("10d", "test"))


def plain(walk: WalkForward) -> dict[str, Any]:
    """What two walk-forwards of the same have in common."""
    document: dict[str, Any] = json.loads(json.dumps(walk.to_json()))
    for one in (document, document["stitched"]):
        for name in ("id", "elapsed_s", "created"):
            one.pop(name)
    document["stitched"].pop("checks")  # how often a slow strategy was asked again is a matter of time
    for leg in document["stitched"]["legs"]:
        leg.pop("checks")
    return document


def test_what_is_chosen_in_each_window_is_stitched_into_one_portfolio(engine: Engine):
    spec = walk_of(two_legs(rebalance="7d"))
    walk = engine.walk_forwards.make(spec, Assignment.parse_all(["slow.slow=35"]), fetch=False)
    assert (walk.status, walk.error, walk.done, walk.planned) == (FINISHED, None, 6, 6)
    stitched = walk.portfolio
    assert stitched is not None
    assert walk.run is None
    assert stitched.status == FINISHED
    assert stitched.checks["crosscheck"]["status"] == "passed"
    assert [one.start_ms for one in stitched.windows] == [one.window.test.start for one in walk.results]
    assert [dict(one.params) for one in stitched.windows] == [dict(one.params) for one in walk.results]
    assert stitched.windows[0].params["slow.slow"] == 35
    assert stitched.period.start == walk.results[0].window.test.start
    assert stitched.series is not None
    cash, equity = stitched.spec.cash, stitched.series.columns["equity"]
    grown = np.prod([1 + (one.test["return_pct"] or 0.0) / 100 for one in walk.results])
    assert equity[-1] / cash == pytest.approx(float(grown), rel=1e-12)
    assert sum(one.test["trades"] or 0 for one in walk.results) == len(stitched.trades)
    assert walk.measures["oos_rank"] is not None
    assert set(walk.measures["param_step"]) == set(RANGES)
    assert engine.walk_forwards.get(walk.id[:6]).to_json() == walk.to_json()
    assert stitched.metrics["walk_trials"] == 6 * len(walk.results)
    again = engine.portfolios.rerun(stitched.id)
    assert again.equal
    assert again.result.metrics["walk_trials"] == 6 * len(walk.results)
    with engine._resources.store.database.transaction() as connection:
        assert trial_count(connection, spec.sweep.strategy) == 6 * 5  # each in each training
        assert trial_count(connection, "ema_cross") >= (3 + 1) * 5  # and what of it each leg tried


def test_a_trial_of_the_first_training_is_the_portfolio_over_it(engine: Engine):
    spec = walk_of(two_legs())
    walk = engine.walk_forwards.make(spec, fetch=False)
    first = walk.results[0]
    own = two_legs(period=first.window.train).with_values(first.params)
    made = engine.portfolios.make(own, fetch=False)
    for name in SUMMARY:
        value, right = first.train[name], made.metrics[name]
        if name in EXACT or right is None:
            assert value == right, name
        else:
            assert value == pytest.approx(right, rel=1e-9, abs=1e-9), name
    tried = walk.figures[:, 0, IN_SAMPLE, 0]
    assert tried[first.number] == np.nanmax(tried)


def test_one_leg_is_the_walk_of_its_strategy(engine: Engine):
    plug_in(engine, "momentum", MOMENTUM)
    ranges = parse_range("2:20:3")
    costs = Costs(commission=0.0005, funding="off")
    single = SweepSpec(
        "momentum", "BTCUSDT", "binance", HOUR, PERIOD, {"hours": ranges}, costs=costs, objective="return_pct"
    )
    legs = portfolio({"name": "one", "symbol": "BTCUSDT", "strategy": "momentum"}, **COSTS)
    spec = walk_of(legs, {"one.hours": "2:20:3"})
    run = engine.walk_forwards.make(replace(spec, sweep=single), fetch=False)
    walk = engine.walk_forwards.make(spec, fetch=False)
    assert [one.number for one in walk.results] == [one.number for one in run.results]
    assert len({one.number for one in walk.results}) > 1
    assert walk.figures[..., 1].tolist() == run.figures[..., 1].tolist()  # trades
    np.testing.assert_allclose(walk.figures[..., 0], run.figures[..., 0], rtol=1e-9, atol=1e-9)
    assert run.run is not None
    assert run.run.equity is not None
    assert walk.portfolio is not None
    assert walk.portfolio.series is not None
    assert walk.portfolio.series.columns["equity"].tolist() == run.run.equity.columns["equity"].tolist()
    assert tuple(trade for _, trade in walk.portfolio.trades) == run.run.trades
    for name, value in run.measures.items():
        told = walk.measures[name]
        if isinstance(value, dict):
            assert list(told.values()) == list(value.values())
        elif value is None:
            assert told is None, name
        else:
            assert told == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_one_combination_is_the_plain_portfolio_over_all_tests(engine: Engine):
    walk = engine.walk_forwards.make(walk_of(two_legs(), {"quick.fast": "7"}), fetch=False)
    assert walk.portfolio is not None
    over = replace(walk.portfolio.spec.period, end=PERIOD.end)
    same = engine.portfolios.make(two_legs(period=over).with_values(walk.results[0].params), fetch=False)
    assert walk.portfolio.fingerprint == same.fingerprint
    assert walk.portfolio.metrics == {**same.metrics, "walk_trials": len(walk.results)}


def test_what_comes_after_a_training_changes_no_choice_before(engine: Engine):
    plug_in(engine, "momentum", MOMENTUM)
    changes = PERIOD.start + 40 * DAY_MS  # the third test begins
    store = engine._resources.store
    market = Market("binance", "NEWUSDT", "NEW/USDT")
    store.exchanges.save_markets("binance", [*MARKETS, market], START_MS * 2)
    kept, other = random_candles(WARM + COUNT, 0), random_candles(WARM + COUNT, 99)
    later = kept.timestamp >= changes
    columns = {
        name: np.where(later, getattr(other, name), getattr(kept, name)) for name in kept.__dataclass_fields__
    }
    store.candles.add_page(market, HOUR, type(kept)(**columns), [WHOLE])
    chosen = []
    for symbol in ("BTCUSDT", "NEWUSDT"):
        legs = portfolio(
            {"name": "a", "symbol": symbol, "strategy": "momentum", "weight": 0.5},
            {"name": "b", "symbol": "ETHUSDT", "strategy": "momentum", "weight": 0.5},
            allocation="fixed",
            **COSTS,
        )
        walk = engine.walk_forwards.make(
            walk_of(legs, {"a.hours": "2:30:4", "b.weight": "0.1,0.5"}), fetch=False
        )
        chosen.append([one.number for one in walk.results])
    assert chosen[0][:3] == chosen[1][:3]
    assert chosen[0] != chosen[1]


STARTED = """
from engine.service import Engine
from tests.engine.research.test_portfolio_walk import slow_walk

with Engine() as engine:
    engine.walk_forwards.make(slow_walk(0.15), fetch=False)
"""


def slow_walk(pause: float) -> WalkForwardSpec:
    """79 combinations, each of which takes so many seconds."""
    legs = portfolio(
        {"name": "a", "symbol": "BTCUSDT", "strategy": "momentum", "params": {"pause": pause}},
        {"name": "b", "symbol": "ETHUSDT", "strategy": "momentum"},
        **COSTS,
    )
    return walk_of(legs, {"a.hours": "2:80:1"})


def test_a_killed_one_goes_on_and_ends_as_if_it_had_not_been(engine: Engine):
    plug_in(engine, "momentum", MOMENTUM)
    walks = engine.walk_forwards
    with killed(engine, STARTED, "", lambda: [walk.status for walk in walks.stored()]) as process:
        wait_until(process, lambda: any(walk.done for walk in walks.stored()))
    (left,) = walks.stored()
    assert (left.status, 0 < left.done < 79) == (STOPPED, True)
    ended = walks.resume(left.id)
    assert (ended.id, ended.status, ended.done) == (left.id, FINISHED, 79)
    whole = walks.make(slow_walk(0.15), fetch=False)
    assert plain(ended) == plain(whole)
    np.testing.assert_array_equal(ended.figures, whole.figures)


def test_one_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(engine: Engine):
    plug_in(engine, "momentum", MOMENTUM)
    spec = slow_walk(0.03)
    whole = engine.walk_forwards.make(spec, fetch=False)
    execute(str(engine.settings.database_url), f"TRUNCATE {TABLES}")
    token = CancelToken()

    def hear(event: Event) -> None:
        if isinstance(event, Progress) and event.unit == "trials" and event.done > 5:
            token.cancel()

    stopped = engine.walk_forwards.make(spec, fetch=False, on_event=hear, cancel=token)
    assert stopped.status == CANCELLED
    assert 0 < stopped.done < stopped.planned
    ended = engine.walk_forwards.resume(stopped.id)
    assert ended.id == stopped.id
    assert plain(ended) == plain(whole)
    execute(str(engine.settings.database_url), "UPDATE walk_forwards SET status = 'cancelled'")
    plug_in(engine, "momentum", MOMENTUM.replace("1.01", "1.02"))
    with pytest.raises(InputError, match=r"cannot go on: .*strategy source changed"):
        engine.walk_forwards.resume(stopped.id)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"wallet.max_open": "1,2"}, "the rules of the wallet cannot change from window to window"),
        ({"fast": "5,6"}, "names no leg; write LEG.fast"),
        ({"slow.weight": "0.7,0.8"}, "none of 2 combinations fulfils it"),
    ],
)
def test_ranges_that_cannot_be_walked_are_refused(engine: Engine, ranges: dict[str, str], words: str):
    with pytest.raises(InputError, match=words):
        engine.walk_forwards.make(walk_of(two_legs(), ranges), fetch=False)


def test_a_leg_that_fails_for_some_parameters_fails_those(engine: Engine):
    plug_in(engine, "momentum", MOMENTUM.replace("close, h =", "1 / (self.hours - 4)\n        close, h ="))
    legs = portfolio({"name": "a", "symbol": "BTCUSDT", "strategy": "momentum"}, **COSTS)
    walk = engine.walk_forwards.make(walk_of(legs, {"a.hours": "3:6:1"}), fetch=False)
    assert walk.status == FINISHED
    assert list(walk.errors) == [1]
    assert "leg 'a': " in walk.errors[1]
    assert "ZeroDivisionError" in walk.errors[1]
    assert format_time(PERIOD.start) == walk.to_json()["start"]
