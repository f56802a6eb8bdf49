"""What is counted beside a run: distinct candidates on its market and timeframe in periods that share candles with it."""

from dataclasses import replace

import numpy as np
import pytest

from engine.database.store import Store
from engine.model.market import Market, Period, Timeframe
from engine.model.sweep_spec import CMAES, NSGA2, TPE
from tests.engine.database.test_run_store import a_run
from tests.engine.database.test_sweep_store import a_spec, a_sweep, all_of, prints

MARKET = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = 3_600_000
OWN = b"o" * 32


def swept(store, salt, n=12, spec=None, **changes):
    metrics = {"trades": np.ones(n), "sharpe": np.arange(n, dtype=np.float64)}
    sweep = a_sweep(n, spec=spec or a_spec(), errors={}, failed=0, metrics=metrics, **changes)
    store.sweeps.save(sweep, all_of(sweep, prints(sweep, salt)))
    return sweep


def beside(store, period=None, market=MARKET, timeframe="1h", identity=OWN):
    ever = store.trials.ever([("ema_cross", identity)])
    return store.trials.tried([identity], ever, market, Timeframe(timeframe), period or a_sweep().period)


def test_the_first_candidate_counts_itself(store: Store) -> None:
    found = beside(store)
    assert (found.counted, found.ever, found.measured, found.variance, found.sweeps) == (1, 1, 0, None, ())


def test_every_candidate_counts_once_however_often_it_is_tried(store: Store) -> None:
    one, two = swept(store, "a"), swept(store, "a")
    found = beside(store)
    assert (found.counted, found.ever, found.measured) == (13, 13, 12)
    assert found.variance == pytest.approx(np.var(np.arange(12), ddof=1))
    assert found.sweeps == tuple(sorted((one.id, two.id)))
    assert beside(store, identity=prints(one, "a")[3]).counted == 12


def test_other_strategies_count_and_failures_do_not(store: Store) -> None:
    swept(store, "a")
    swept(store, "b", spec=a_spec(strategy="other"))
    failing = a_sweep()
    store.sweeps.save(failing, all_of(failing, prints(failing, "c")))
    assert beside(store).counted == 1 + 12 + 12 + 4


def test_periods_count_that_share_a_candle_and_only_equal_ones_are_measured(store: Store) -> None:
    whole = a_sweep().period
    sweep = swept(store, "a")
    for period, counted in (
        (Period(whole.end - HOUR, whole.end + HOUR), 13),
        (Period(whole.end, whole.end + HOUR), 1),
        (Period(whole.start - HOUR, whole.start), 1),
    ):
        found = beside(store, period)
        assert (found.counted, found.ever, found.measured, found.sweeps) == (counted, 13, 0, ())
    assert beside(store, whole).sweeps == (sweep.id,)


def test_other_markets_exchanges_and_timeframes_do_not_count(store: Store) -> None:
    swept(store, "a")
    for market in (replace(MARKET, name="BTCUSDT"), replace(MARKET, exchange="binance")):
        assert beside(store, market=market).counted == 1
    assert beside(store, timeframe="4h").counted == 1


def test_deleted_sweeps_and_runs_stay_counted_but_measure_nothing(store: Store) -> None:
    sweep = swept(store, "a")
    run = a_run()
    store.runs.save(run)
    store.sweeps.delete(sweep.id)
    store.runs.delete(run.id)
    found = store.trials.tried([OWN], 1, run.market, run.timeframe, run.period)
    assert store.trials.ever([("ema_cross", OWN)]) == 14
    assert found.measured == 0


@pytest.mark.parametrize("sampler", [CMAES, TPE, NSGA2])
def test_optimisers_that_follow_what_they_find_count_but_measure_nothing(store: Store, sampler: str) -> None:
    second = "trades" if sampler == NSGA2 else ""
    swept(store, "a", spec=a_spec(sampler=sampler, trials=12, second_objective=second))
    found = beside(store)
    assert (found.counted, found.measured, found.sweeps) == (13, 0, ())


def test_candidates_that_are_tried_together_count_once_each_stored_or_not(store: Store) -> None:
    sweep = swept(store, "a")
    own = [*filter(None, prints(sweep, "a")[:2]), OWN, b"p" * 32, OWN]
    found = store.trials.tried(own, 1, MARKET, Timeframe("1h"), sweep.period)
    assert found.counted == 14
    assert store.trials.ever([(sweep.spec.strategy, identity) for identity in own]) == 14
    assert store.trials.ever([("another", identity) for identity in own]) == 16


@pytest.mark.parametrize("newest", [0, 1])
def test_of_a_candidate_tried_twice_the_newest_sweep_is_measured(store: Store, newest: int) -> None:
    for number, factor in ((0, 1.0), (1, 3.0)):
        sharpe = np.arange(12, dtype=np.float64) * factor
        sweep = a_sweep(
            12,
            errors={},
            failed=0,
            metrics={"trades": np.ones(12), "sharpe": sharpe},
            created_ms=1_800_000_000_000 + (number == newest),
        )
        store.sweeps.save(sweep, all_of(sweep, prints(sweep, "a")))
    variance = np.var(np.arange(12) * (1.0, 3.0)[newest], ddof=1)
    assert beside(store).variance == pytest.approx(variance)
