"""The compiled kernel of orders, margin, funding and protections against the plain simulator, in any made-up scene.

Both reckon every amount in the same order (docs/rules.md, "Amounts"), so that they agree to the last bit also where
rounding decides: with dust after a total loss, with one unit more or less in a part.
BACKTEST_TEST_PROFILE=long plays thousands of scenes; by default some hundred.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.outcome import Outcome
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import AGAINST, DEFAULT, IN_FAVOUR
from engine.errors import RunError
from engine.model.account import Costs
from tests.engine.backtest.playing import BUY, ending
from tests.engine.backtest.terms_playing import assert_alike, play
from tests.engine.backtest.terms_scenes import Scene, calm_scene, scene_of, silent_scene, terms_scenes

SOME = settings(max_examples=max(1, settings().max_examples // 2))
MANY = settings(max_examples=settings().max_examples * 4)
READINGS = st.sampled_from([DEFAULT, AGAINST, IN_FAVOUR])


def assert_same_bits(one: Outcome, other: Outcome) -> None:
    """Trades, fills and equity are the same to the last bit."""
    for name in ("table", "fills"):
        ours, theirs = getattr(one, name), getattr(other, name)
        for column in fields(ours):
            left, right = (np.asarray(getattr(side, column.name)) for side in (ours, theirs))
            assert left.tolist() == right.tolist(), f"{name}.{column.name}"
    assert one.equity.tolist() == other.equity.tolist()
    assert one.shortfall == other.shortfall


def compare(scene: Scene, reading: int) -> None:
    """Play it through both simulators; what one refuses the other refuses in the same words.

    Without a model of slippage: its sums over many candles are rounded otherwise.
    """
    scene = replace(scene, costs=replace(scene.costs, slippage_model=Costs().slippage_model))
    given_ = (scene.candles, scene.signals, scene.costs, scene.reverse)
    terms: dict[str, Any] = {"perpetual": scene.perpetual, "reading": reading}
    plain, compiled = ending(run_plain, *given_, **terms), ending(run_compiled, *given_, **terms)
    if isinstance(plain, RunError) or isinstance(compiled, RunError):
        assert str(plain) == str(compiled)
        return
    assert_alike(plain, compiled, scene.costs)
    if compiled.fills is not None:
        assert_same_bits(plain, compiled)


@SOME
@given(terms_scenes(), READINGS)
def test_both_simulators_make_the_same_bits_of_a_scene(scene: Scene, reading: int) -> None:
    compare(scene, reading)


def test_both_simulators_make_the_same_bits_of_a_scene_in_which_positions_last() -> None:
    """What does nothing to a position is passed over by the compiled one: 60 scenes that miss nothing of it."""
    for seed in range(60):
        compare(calm_scene(np.random.default_rng(seed)), DEFAULT)


def test_both_simulators_make_the_same_bits_of_a_scene_of_long_silences() -> None:
    """Several candles at once are passed over; 200 scenes in which at times they must not be."""
    for seed in range(200):
        compare(silent_scene(np.random.default_rng(seed)), DEFAULT)


@pytest.mark.long
@MANY
@given(terms_scenes(), READINGS)
def test_both_simulators_make_the_same_bits_of_any_scene(scene: Scene, reading: int) -> None:
    compare(scene, reading)


@pytest.mark.parametrize("reading", [DEFAULT, AGAINST, IN_FAVOUR])
def test_both_simulators_make_the_same_of_a_scene_with_a_model_of_slippage(reading: int) -> None:
    """Seeds in place of any scene: where rounding decides, one in some hundred has a fill more."""
    for seed in range(40):
        scene_of(np.random.default_rng(seed)).compare(reading)


def test_ruin_is_final_also_where_rounding_leaves_a_few_units() -> None:
    """At this close the equity is exactly nothing; closed there, 6e-13 of the cash are left, which buy six units."""
    close, dust = 69.93000000004662, (1e-5, 1e-5, 1e-5, 1e-5)
    rows = [
        (23.31, 23.31, 23.31, 23.31),
        (23.31, 23.31, 23.31, 23.31),
        (23.31, close, 23.31, close),
        dust,
        dust,
    ]

    outcome = play(rows, {"signal_test_sell": (0,), BUY: (2, 3), "trail": {0: 1e3}}, cash=5000.0)

    assert [trade.exit_reason for trade in outcome.trades] == ["ruin"]
    assert outcome.equity[2:].tolist() == [0.0, 0.0, 0.0]
    assert -1e-12 < outcome.shortfall < 0
