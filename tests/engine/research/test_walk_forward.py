"""Walk-forwards from end to end: real workers, a real database, stitched runs beside runs that can be made by hand."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.events import Failed, Finished, Progress, Started
from engine.jobs.window_trials import run_window_trials
from engine.loader import BUNDLED
from engine.model.account import Costs, Protections
from engine.model.chance import beside_chance
from engine.model.combinations import Combinations
from engine.model.market import DAY_MS, CandleFile, Candles, Period
from engine.model.metric_definitions import OF_TRIALS
from engine.model.run import FAILED, FINISHED, RunSpec
from engine.model.walk_forward import (
    FIGURES,
    IN_SAMPLE,
)
from engine.parallel.tasks import WindowTrialsTask
from engine.research.selection import choose
from engine.service import Engine
from tests.engine.research.sweeping import (
    HOUR,
    MARKET,
    PERIOD,
    Heard,
    plug_in,
    shared_engine,  # noqa: F401 - a fixture
)
from tests.engine.research.walking import SLOW, empty, walk_spec
from tests.support.builders import random_candles
from tests.support.tasks import ignore

NATIVE = '''
from backtesting import Strategy


class Every(Strategy):
    """Buys every n hours."""

    every = 10

    def init(self):
        pass

    def next(self):
        if self.data.index[-1].timestamp() // 3600 % self.every == 0:
            self.position.close() if self.position else self.buy()
'''

ABOVE_AVERAGE = '''
import pandas as pd
from backtesting import Strategy


class Slow(Strategy):
    """In the market above an average."""

    n = 300

    def init(self):
        self.average = self.I(lambda close: pd.Series(close).rolling(self.n).mean(), self.data.Close)

    def next(self):
        if self.data.Close[-1] > self.average[-1]:
            self.position or self.buy()
        else:
            self.position.close()
'''


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:  # noqa: F811
    """The shared engine without walk-forwards, trials and runs."""
    empty(shared_engine)
    return shared_engine


def number(value: float | None) -> float:
    assert value is not None
    return value


def test_a_walk_forward_is_made_stored_told_and_counted(engine: Engine):
    heard = Heard()
    walk = engine.walk_forwards.make(walk_spec(), fetch=False, on_event=heard)
    assert (walk.status, walk.done, len(walk.results)) == (FINISHED, 12, 5)
    assert [one.window.partial for one in walk.results] == [False] * 4 + [True]
    run = walk.run
    assert run is not None
    assert (run.status, dict(run.params), run.windows) == (FINISHED, {}, walk.ruling)
    assert run.period == Period(PERIOD.start + 20 * DAY_MS, PERIOD.end)
    assert run.checks["lookahead"]["status"] == "passed"
    assert run.metrics["trials_counted"] == 1  # walk-forward, of 12 combinations in 5 trainings
    assert run.metrics["walk_trials"] == 12 * 5
    assert "chosen from 60 trials" in beside_chance(run.metrics, stitched=True)

    job = [event for event in heard if getattr(event, "job", "") == walk.id]
    assert isinstance(job[0], Started)
    assert (job[0].kind, job[0].subject) == ("walk-forward", (walk.id,))
    assert isinstance(job[-1], Finished)
    assert all(isinstance(event, Progress) for event in job[1:-1])

    # the account at the bounds of the windows tells what each returned, and all of them what the run did
    told = {
        name: [number(one.test[name]) for one in walk.results]
        for name in ("return_pct", "trades", "commission")
    }
    growth = math.prod(1 + value / 100 for value in told["return_pct"])
    assert growth == pytest.approx(number(run.metrics["final_equity"]) / 10_000)
    assert sum(told["trades"]) == run.metrics["trades"]
    assert sum(told["commission"]) == pytest.approx(run.metrics["commission"])
    # each combination in each training is a trial, and the stitched run one
    assert walk.trials_of_strategy == 12 * 5 + 1

    again = engine.walk_forwards.get(walk.id[:8])
    assert again.to_json() == walk.to_json()
    np.testing.assert_array_equal(again.figures, walk.figures)
    assert [one.id for one in engine.walk_forwards.stored()] == [walk.id]
    assert engine.runs.get(run.id).to_json() == run.to_json()
    # deleting it leaves the run, and the run knows by itself what it is
    engine.walk_forwards.delete(walk.id)
    assert engine.walk_forwards.stored() == []
    assert engine.runs.get(run.id).windows == walk.ruling


@pytest.mark.long
def test_the_stitched_run_is_made_again_alike_and_by_the_other_simulator(engine: Engine):
    run = engine.walk_forwards.make(walk_spec(), fetch=False).run
    assert run is not None
    rerun = engine.runs.rerun(run.id, fetch=False)
    assert (rerun.changed, rerun.differences) == ((), [])
    assert rerun.result.fingerprint == run.fingerprint
    assert engine.runs.cross_check(run.id).checks["crosscheck"]["status"] == "passed"


@pytest.mark.long
def test_a_training_is_a_sweep_of_its_period_and_a_flat_test_a_run_of_its_own(engine: Engine):
    walk = engine.walk_forwards.make(walk_spec(gap="1d"), fetch=False)
    first = walk.results[0]
    sweep = engine.research.optimize(
        replace(walk.spec.sweep, period=first.window.train), fetch=False
    )  # the same candles in front, so the same averages
    np.testing.assert_array_equal(sweep.metrics["return_pct"], walk.figures[:, 0, IN_SAMPLE, 0])
    assert sweep.best is not None
    assert first.params == sweep.best["params"]
    for name, value in sweep.best["metrics"].items():
        assert first.train[name] == (None if value is None else pytest.approx(value, rel=1e-9)), name
    trained = walk.trained(0)
    assert trained.best is not None
    assert (trained.best["params"], trained.period) == (first.params, first.window.train)


@pytest.mark.long
def test_one_combination_stitched_is_the_plain_run_trade_for_trade(engine: Engine):
    costs = Costs(slippage=0.0005, side="long", protect=Protections(cooldown=3))
    spec = walk_spec(ranges={"fast": "8"}, costs=costs, params={"slow": 40})
    walk = engine.walk_forwards.make(spec, fetch=False)
    assert walk.run is not None
    assert "one combination: nothing was chosen" in walk.notes
    assert walk.measures["oos_rank"] is None
    alone = RunSpec(
        "ema_cross", MARKET.name, MARKET.exchange, HOUR, walk.run.period, {"fast": 8, "slow": 40}, costs,
        warmup=walk.warmup,
    )  # fmt: skip
    (run,) = engine.runs.run([alone], fetch=False)
    assert walk.run.trades == run.trades
    assert run.equity is not None
    assert walk.run.equity is not None
    np.testing.assert_array_equal(walk.run.equity.columns["equity"], run.equity.columns["equity"])
    for name, value in run.metrics.items():
        assert walk.run.metrics[name] == value or name in OF_TRIALS, name


CHOOSING = {"fast": np.array([3, 5, 8, 3, 5, 8]), "slow": np.array([12, 12, 12, 20, 20, 20])}


@pytest.mark.long
def test_a_stitched_run_is_judged_by_the_configurations_of_walk_forward_that_were_tried(engine: Engine):
    ranges = {"fast": "5:20:15", "slow": "30:60:30"}
    first, again = (engine.walk_forwards.make(walk_spec(ranges=ranges), fetch=False) for _ in range(2))
    assert first.run is not None
    assert again.run is not None
    assert (first.run.metrics["trials_counted"], again.run.metrics["trials_counted"]) == (1, 1)
    assert first.run.metrics["dsr"] == pytest.approx(first.run.metrics["psr"])
    dearer = walk_spec(ranges=ranges, costs=Costs(commission=0.002))
    for spec, counted in ((dearer, 1), (walk_spec(ranges=ranges, train="15d"), 2)):
        other = engine.walk_forwards.make(spec, fetch=False).run
        assert other is not None
        assert other.metrics["trials_counted"] == counted
        assert other.metrics["trials_measured"] == 0
    repeated = engine.runs.rerun(first.run.id).result
    assert repeated.metrics["trials_counted"] == 2
    assert repeated.metrics["walk_trials"] == first.run.metrics["walk_trials"] == 4 * len(first.results)
    single = RunSpec("ema_cross", MARKET.name, MARKET.exchange, HOUR, PERIOD, {"fast": 5, "slow": 30})
    assert number(engine.runs.run([single])[0].metrics["trials_counted"]) >= 4


def _choices(folder: Path, candles: Candles, spans: list[tuple[int, int]]) -> list[int]:
    path = folder / f"{candles.sha256()}.npy"
    candles.save(path)
    task = WindowTrialsTask(
        sweep="choices", strategy=BUNDLED / "ema_cross.py", combinations=Combinations(CHOOSING, {}),
        candles=CandleFile(path, 60, 0, len(candles)), timeframe="1h", warmup=60, costs=Costs(), memory_bytes=10**7,
        spans=spans, figures=("return_pct", "trades"),
    )  # fmt: skip
    figures = run_window_trials(task, ignore).figures.reshape(6, len(spans) // 2, 2, len(FIGURES))
    return [choice.number for choice in choose(figures[:, :, IN_SAMPLE, 0], figures[:, :, IN_SAMPLE, 1])]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 4), st.integers(0, 100), st.floats(0.5, 2.0))
def test_no_candle_from_a_test_on_changes_what_was_chosen_for_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int, window: int, later: int, factor: float
):
    folder, candles = tmp_path_factory.mktemp("walk"), random_candles(400, seed, volatility=0.02)
    spans = [span for at in range(5) for span in ((40 * at, 40 * at + 120), (40 * at + 120, 40 * at + 160))]
    at = 60 + min(spans[2 * window + 1][0] + later, 339)
    prices = [column.copy() for column in candles.columns().values()]
    for column in prices[:4]:
        column[at:] *= factor
    changed = Candles(candles.timestamp, *prices)
    before, after = (_choices(folder, one, spans) for one in (candles, changed))
    assert before[: window + 1] == after[: window + 1]


@pytest.mark.long
def test_a_native_strategy_is_flat_at_the_end_of_each_window_and_its_cash_goes_on(engine: Engine):
    plug_in(engine, "every", NATIVE)
    costs = Costs(commission=0.001, slippage=0.002)
    walk = engine.walk_forwards.make(walk_spec("every", {"every": "5:9:2"}, costs=costs), fetch=False)
    run = walk.run
    assert run is not None
    assert run.engine == "reference"
    assert any(
        "it begins each window flat, having seen every candle before it" in note for note in walk.notes
    )
    cash, starts = 10_000.0, [one.window.test.start for one in walk.results]
    trades = list(run.trades)
    for at, one in enumerate(walk.results):
        alone = RunSpec(
            "every",
            MARKET.name,
            MARKET.exchange,
            HOUR,
            one.window.test,
            one.params,
            replace(costs, cash=cash),
        )
        (part,) = engine.runs.run([alone], fetch=False)
        mine, trades = trades[: len(part.trades)], trades[len(part.trades) :]
        for trade, own in zip(mine, part.trades, strict=True):
            if own.exit_reason == "open" and at + 1 < len(starts):
                assert (trade.exit_reason, trade.exit_time) == ("window_end", starts[at + 1])
                assert trade.entry_time == own.entry_time
                assert trade.size == pytest.approx(own.size)
                fee = trade.exit_price * trade.size * 0.001
                gain = (trade.exit_price - trade.entry_price) * trade.size
                assert trade.pnl == pytest.approx(gain - fee - own.commission)
                assert trade.commission == pytest.approx(own.commission + fee)
            else:
                assert (trade.exit_time, trade.exit_reason) == (own.exit_time, own.exit_reason)
                assert trade.pnl == pytest.approx(own.pnl)
        cash += sum(trade.pnl for trade in mine)
    assert trades == []
    assert run.metrics["final_equity"] == pytest.approx(cash)
    assert any(trade.exit_reason == "window_end" for trade in run.trades)
    rerun = engine.runs.rerun(run.id, fetch=False)
    assert (rerun.changed, rerun.differences) == ((), [])


@pytest.mark.long
def test_a_native_strategy_has_seen_the_candles_before_each_window(engine: Engine):
    plug_in(engine, "slow", ABOVE_AVERAGE)
    walk = engine.walk_forwards.make(walk_spec("slow", {"n": "260:300:20"}), fetch=False)
    run = walk.run
    assert run is not None
    for one in walk.results:  # a test of 240 hours is shorter than what any of them looks back
        test = one.window.test
        assert (test.end - test.start) // 3_600_000 < 260
        assert any(test.start <= trade.entry_time < test.end for trade in run.trades)
    assert run.checks["lookahead"]["status"] == "passed"
    assert run.checks["warmup"]["held"] >= (run.period.start - walk.period.start) // 3_600_000
    rerun = engine.runs.rerun(run.id, fetch=False)
    assert (rerun.changed, rerun.differences) == ((), [])


def test_a_walk_forward_that_cannot_be_is_refused_before_anything_is_kept(engine: Engine):
    for spec, words in (
        (walk_spec(train="50d"), "62.5 days of data have room for 1 whole test"),
        (walk_spec(objective="beauty"), "unknown objective 'beauty'"),
        (
            walk_spec(ranges={"fast": "2:500:1", "slow": "2:1000:1"}),
            "combinations in 5 windows are more than the 1,000,000",
        ),
    ):
        with pytest.raises(InputError, match=words):
            engine.walk_forwards.make(spec, fetch=False)
    assert engine.walk_forwards.stored() == []


FAILING = SLOW.replace("time.sleep(0.03)", "raise ValueError('no')")
IDLE = SLOW.replace("% (10 + self.number) == 0", "< 0").replace("time.sleep(0.03)", "pass")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param(FAILING, "every combination failed; the first: broken.py:13: ValueError: no", marks=pytest.mark.long),
        (IDLE, "no combination traded"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_chosen_it_fails_and_says_so(engine: Engine, source: str, words: str):
    heard = Heard()
    spec = walk_spec(plug_in(engine, "broken", source), {"number": "1:4:1"})
    walk = engine.walk_forwards.make(spec, fetch=False, on_event=heard)
    assert walk.status == FAILED
    assert (walk.error or "").startswith(words)
    assert engine.walk_forwards.get(walk.id).error == walk.error
    assert any(isinstance(event, Failed) and event.job == walk.id for event in heard)
    stored = engine.walk_forwards.get(walk.id)
    assert stored.kept_words.endswith("and trying them again would tell the same: start a new one")
    one_left = replace(stored, done=stored.done - 1)
    assert one_left.kept_words.endswith(f"`backtest walk-forwards resume {walk.id[:8]}` goes on")
