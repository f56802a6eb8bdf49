"""A run knows how many were tried before it; a sweep, whether its best is more than luck."""

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.model.market import DAY_MS, Period
from engine.model.run import RunSpec
from engine.research.statistics import sweep_statistics
from engine.service import Engine
from engine.statistics.sharpe import Sharpe, effective_rank
from tests.engine.research.sweeping import HOUR, MARKET, PERIOD, engine, shared_engine, sweep_spec

__all__ = ["engine", "shared_engine"]

GRID = {"fast": "5:9:1", "slow": "20:80:20"}


def made(engine, **params):
    spec = RunSpec("ema_cross", MARKET.name, MARKET.exchange, HOUR, PERIOD, params, checks=False)
    return engine.runs.run([spec])[0]


def kept_of(engine, sweep):
    return engine._resources.store.sweeps.returns(sweep.id)


def test_the_first_run_has_nothing_to_be_the_best_of(engine: Engine):
    metrics = made(engine, fast=7, slow=40).metrics
    assert (metrics["trials_counted"], metrics["trials_ever"], metrics["trials_measured"]) == (1, 1, 0)
    assert metrics["dsr"] == metrics["dsr_eff"] == pytest.approx(metrics["psr"])
    assert metrics["chance_sharpe"] == 0


def test_a_run_after_a_sweep_is_judged_by_all_its_trials(engine: Engine):
    sweep = engine.research.optimize(sweep_spec("ema_cross", GRID))
    best = sweep.top(1)[0]
    run = made(engine, **best["params"])
    metrics, n = run.metrics, 20
    assert (metrics["trials_counted"], metrics["trials_measured"], metrics["trials_ever"]) == (n, n, n)
    returns = kept_of(engine, sweep).returns
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    sharpe = Sharpe.of(returns[sweep.order[0]])
    assert sharpe is not None
    assert metrics["sharpe"] == pytest.approx(sharpe.value * math.sqrt(365))
    assert metrics["psr"] == pytest.approx(sharpe.probability_above())
    assert metrics["dsr"] == pytest.approx(sharpe.deflated(n, ratios.var(ddof=1)))
    alike = effective_rank(returns)
    assert alike is not None
    assert metrics["dsr_eff"] == pytest.approx(sharpe.deflated(alike, ratios.var(ddof=1)))
    assert metrics["dsr"] < metrics["dsr_eff"] < metrics["psr"]
    assert engine.runs.get(run.id).metrics == metrics


@pytest.mark.long
def test_a_run_made_again_is_equal_though_more_was_tried_meanwhile(engine: Engine):
    first = made(engine, fast=7, slow=40)
    engine.research.optimize(sweep_spec("ema_cross", GRID))
    again = engine.runs.rerun(first.id)
    assert again.equal
    assert again.result.metrics["trials_counted"] == 20
    assert first.metrics["trials_counted"] == 1


def test_runs_of_one_command_are_counted_together_whichever_ends_first(engine: Engine):
    half = Period(PERIOD.start, PERIOD.start + 30 * DAY_MS)
    rest = Period(half.end, PERIOD.end)
    specs = [
        RunSpec("ema_cross", MARKET.name, MARKET.exchange, HOUR, period, {"fast": fast, "slow": 40}, checks=False)
        for fast, period in ((6, PERIOD), (7, PERIOD), (8, half), (9, rest))
    ]  # fmt: skip
    for counted in ([4, 4, 3, 3], [4, 4, 3, 3]):  # at once, and all of them again
        runs = engine.runs.run(specs)
        assert [run.metrics["trials_counted"] for run in runs] == counted
        assert {run.metrics["trials_ever"] for run in runs} == {4}
    assert made(engine, fast=10, slow=40).metrics["trials_counted"] == 5


def test_what_all_trials_of_a_sweep_say(engine: Engine):
    sweep = engine.research.optimize(sweep_spec("ema_cross", GRID))
    found = engine.research.statistics(engine.research.sweep(sweep.id))
    values = sweep.objective
    assert found.compared == 20
    assert found.grid_median == pytest.approx(np.median(values))
    assert found.grid_positive == pytest.approx((values > 0).mean())
    assert found.suggested is not None
    assert found.suggested["params"].keys() == sweep.top(1)[0]["params"].keys()
    assert found.independent is not None
    assert 1 <= found.independent <= 20
    assert found.spa is not None
    assert found.spa[0] <= found.spa[1] <= found.spa[2]
    assert found.pbo is None  # 63 days
    assert "63 days are fewer than the 160" in found.notes[0]
    shown = sweep.to_json(1, found)["statistics"]
    assert shown["logits"] is None
    assert shown["notes"] == list(found.notes)


def half_a_year(trials, seed=0):
    return np.random.default_rng(seed).normal(0.0005, 0.01, (trials, 200))


def statistics_of(engine, returns):
    """Of a real sweep whose daily returns were others."""
    sweep = engine.research.optimize(sweep_spec("ema_cross", {"fast": "5:14:1", "slow": "20:40:20"}))
    return sweep_statistics(sweep, replace(kept_of(engine, sweep), returns=returns))


def test_half_a_year_is_halved_in_eight_blocks(engine: Engine):
    found = statistics_of(engine, half_a_year(20))
    assert (found.blocks, len(found.logits), found.compared) == (8, 70, 20)
    counts, edges = found.histogram()
    assert counts.sum() == 70
    assert counts[edges[1:] <= 1e-12].sum() == pytest.approx(found.pbo * 70)
    assert any(line.startswith("overfitting (PBO)") for line in found.sentences)


def test_few_trials_that_differ_tell_nothing_and_say_so(engine: Engine):
    returns = np.repeat(half_a_year(4), 5, axis=0)
    returns[:5] = 0
    found = statistics_of(engine, returns)
    assert (found.compared, found.constant, found.equal, found.pbo, found.spa) == (3, 5, 12, None, None)
    assert "3 trials that move and differ are fewer than 10" in found.notes[0]


@pytest.mark.parametrize(("trials", "told"), [(9, False), (10, True)])
def test_ten_trials_that_differ_are_enough(engine: Engine, trials: int, told: bool):
    returns = np.resize(half_a_year(trials), (20, 200))
    assert (statistics_of(engine, returns).pbo is not None) is told


def test_a_sweep_of_an_older_version_has_its_ground_but_no_luck(engine: Engine):
    sweep = engine.research.optimize(sweep_spec("ema_cross", GRID))
    found = sweep_statistics(sweep, None)
    assert found.grid_median is not None
    assert found.pbo is None
    assert "kept no daily returns" in found.notes[0]


def test_a_sweep_that_followed_what_it_found_tells_no_luck_and_says_why(engine: Engine):
    ranges = {"fast": "5:14:1", "slow": "20:40:20"}
    guided = engine.research.optimize(sweep_spec("ema_cross", ranges, sampler="tpe", trials=14))
    kept = replace(kept_of(engine, guided), returns=half_a_year(14))
    found = sweep_statistics(guided, kept)
    assert (found.pbo, found.independent, found.spa, found.chance_sharpe) == (None,) * 4
    assert found.grid_median is not None
    assert any("tpe follows what it finds" in line for line in found.sentences)
    for even in ("grid", "random", "sobol"):
        other = sweep_statistics(replace(guided, spec=replace(guided.spec, **_sampled(even))), kept)
        assert None not in (other.pbo, other.independent, other.spa, other.chance_sharpe)


def test_of_an_objective_that_is_better_when_lower_nothing_is_measured_against_zero(engine: Engine):
    sweep = engine.research.optimize(sweep_spec("ema_cross", GRID, objective="volatility_pct"))
    found = sweep_statistics(sweep, None)
    assert (found.nbr_ratio, found.nbr_min, found.nbr_loss, found.grid_positive) == (None,) * 4
    assert found.grid_median == pytest.approx(np.median(sweep.objective))
    assert found.suggested is not None
    assert found.neighbours > 0
    assert "above 0" not in " ".join(found.sentences)
    assert any(line.startswith("median of all trials") for line in found.sentences)


def _sampled(sampler):
    return {"sampler": sampler, "trials": None if sampler == "grid" else 14}
