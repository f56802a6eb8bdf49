"""What holds of any scene that is looked into. BACKTEST_TEST_PROFILE=long plays thousands; by default some hundred."""

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.backtest.detail import Detail
from engine.backtest.outcome import Outcome
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import DEFAULT, IN_FAVOUR
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import Candles
from tests.engine.backtest.detail_scenes import detail_for
from tests.engine.backtest.playing import near
from tests.engine.backtest.terms_playing import run_all
from tests.engine.backtest.terms_scenes import Scene, scene_of
from tests.engine.backtest.test_engine_equality import wild_candles
from tests.support.builders import signals_for

FEW = settings(max_examples=max(1, settings().max_examples // 4))
SEEDS = st.integers(0, 2**32)


def played(scene: Scene, detail: Detail | None) -> Outcome:
    """What the plain simulator makes of it; a scene that cannot be counts for nothing."""
    terms: dict[str, Any] = {"perpetual": scene.perpetual, "detail": detail}
    with contextlib.suppress(RunError):
        return run_plain(scene.candles, scene.signals, scene.costs, scene.reverse, **terms)
    assume(False)
    raise AssertionError


def scenes(seed: int) -> tuple[np.random.Generator, Scene]:
    rng = np.random.default_rng(seed)
    return rng, scene_of(rng, int(rng.integers(2, 60)))


def check_alike(seed: int) -> None:
    """Play it, looked into, through both simulators."""
    rng, scene = scenes(seed)
    terms = scene.candles, scene.signals, scene.costs, scene.reverse, scene.perpetual
    with contextlib.suppress(RunError):  # of both, in the same words
        run_all(*terms, detail=detail_for(rng, scene))


@pytest.mark.parametrize("first", [40, pytest.param(500, marks=pytest.mark.long)])
def test_scenes_that_are_looked_into_are_alike_in_both_simulators(first: int) -> None:
    for seed in range(first, 2 * first):
        check_alike(seed)


@FEW
@given(SEEDS)
def test_without_a_finer_candle_nothing_changes_and_every_ambiguous_candle_is_named(seed: int) -> None:
    _, scene = scenes(seed)
    plain, outcome = played(scene, None), played(scene, Detail.of(scene.candles.timestamp, Candles.empty()))
    assert outcome.trades == plain.trades
    assert outcome.equity.tolist() == plain.equity.tolist()
    assert outcome.walked is not None
    assert not len(outcome.walked.walked)
    assert not outcome.walked.settled.any()
    assert outcome.table.ambiguous is not None
    assert len(outcome.walked.doubted) >= int(outcome.table.ambiguous.any())


@FEW
@given(SEEDS)
def test_one_finer_candle_that_is_the_candle_changes_nothing(seed: int) -> None:
    _, scene = scenes(seed)
    market = replace(scene.perpetual, brackets=None)
    plain = played(scene, None)
    outcome = played(scene, Detail.of(scene.candles.timestamp, scene.candles, market))
    assert outcome.trades == plain.trades
    assert outcome.equity.tolist() == plain.equity.tolist()


@FEW
@given(SEEDS)
def test_money_is_conserved_inside_candles(seed: int) -> None:
    rng, scene = scenes(seed)
    outcome = played(scene, detail_for(rng, scene))
    turnover = float((outcome.table.size * outcome.table.entry_price).sum())
    change = outcome.equity[-1] - scene.costs.cash
    allowed = 1e-9 * (scene.costs.cash + turnover)
    assert outcome.table.pnl.sum() + outcome.shortfall == near(change, abs=allowed)


@FEW
@given(SEEDS)
def test_finer_candles_of_the_first_candle_in_doubt_change_nothing_before_it(seed: int) -> None:
    rng, scene = scenes(seed)
    plain = played(scene, Detail.of(scene.candles.timestamp, Candles.empty()))
    assert plain.walked is not None
    assume(len(plain.walked.doubted))
    whole = detail_for(rng, scene, 1.0)
    outcome = played(scene, whole)
    assert outcome.walked is not None
    first = int(plain.walked.doubted[0])
    assert int(outcome.walked.walked[0]) == first
    place = int(np.searchsorted(scene.candles.timestamp, first))
    assert outcome.equity[:place].tolist() == plain.equity[:place].tolist()


@FEW
@given(SEEDS)
def test_one_entry_with_a_stop_and_a_target_is_one_of_its_readings(seed: int) -> None:
    """Where finer candles do not open beyond the last close: then nothing fills but at a level."""
    rng = np.random.default_rng(seed)
    candles = wild_candles(rng, 20, 0.1, 100.0, 20)
    away = float(rng.integers(1, 8)) * 5
    stop, target = candles.close[0] - away, candles.close[0] + away
    assume(stop > 0)
    signals = signals_for(candles, {"signal_a_buy": [0], "stop_loss": {0: stop}, "take_profit": {0: target}})
    scene = Scene(candles, signals, Costs(commission=0.0), False, scene_of(rng, 1).perpetual, 5.0)
    scene = replace(scene, perpetual=replace(scene.perpetual, funding=None, mark=None, brackets=None))
    outcome = played(scene, detail_for(rng, scene, 1.0, gaps=False))
    readings = [scene.play(reading).equity[-1] for reading in (DEFAULT, IN_FAVOUR)]
    assert outcome.equity[-1] in [near(one) for one in readings]
