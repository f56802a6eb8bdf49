"""The daily returns that a sweep keeps of its trials: those of the Sharpe ratio shown, bounded, gone with the sweep."""

import math

import numpy as np
import pytest

from engine.research import ledger
from engine.service import Engine
from tests.engine.research.sweeping import STUMBLING, engine, plug_in, shared_engine, sweep_spec

__all__ = ["engine", "shared_engine"]


def kept_of(engine, sweep_id):
    return engine._resources.store.sweeps.returns(sweep_id)


def test_trials_keep_the_returns_of_the_days_that_their_sharpe_ratio_is_made_of(engine: Engine):
    result = engine.research.optimize(sweep_spec("ema_cross", {"fast": "5:9:2", "slow": "20:60:20"}))
    kept = kept_of(engine, result.id)
    assert kept.numbers.tolist() == result.numbers.tolist()
    assert kept.returns.shape == (9, 63)
    sharpe = kept.returns.mean(axis=1) / kept.returns.std(axis=1, ddof=1) * math.sqrt(365)
    assert sharpe == pytest.approx(result.metrics["sharpe"], rel=1e-9)
    growth = (1 + kept.returns).prod(axis=1)
    assert (growth - 1) * 100 == pytest.approx(result.metrics["return_pct"], rel=1e-9)


def test_trials_that_fail_keep_none(engine: Engine):
    name = plug_in(engine, "stumbling", STUMBLING)
    result = engine.research.optimize(sweep_spec(name, {"number": "1:6:1"}))
    assert result.failed == 2
    kept = kept_of(engine, result.id)
    assert kept.numbers.tolist() == [0, 1, 3, 5]
    assert np.isfinite(kept.returns).all()


def test_a_large_sweep_keeps_every_so_many_th(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    spec = sweep_spec("ema_cross", {"fast": "5:14:1", "slow": "20:60:20"})
    whole = kept_of(engine, engine.research.optimize(spec).id)
    monkeypatch.setattr(ledger, "MOST_RETURNS_BYTES", 64 * 8 * 11)
    kept = kept_of(engine, engine.research.optimize(spec).id)
    assert kept.numbers.tolist() == list(range(0, 30, 3))
    assert np.array_equal(kept.returns, whole.returns[::3])


def test_returns_go_with_their_sweep(engine: Engine):
    result = engine.research.optimize(sweep_spec("ema_cross", {"fast": "5:6:1"}))
    engine.research.delete_sweep(result.id)
    assert kept_of(engine, result.id) is None
