"""backtesting.py against the plain and the compiled simulator, in any scene of orders, margin and funding that it can play.

BACKTEST_TEST_PROFILE=long plays thousands of scenes; by default some.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.library.reference import run_reference
from engine.backtest.outcome import Outcome
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import FILLS, LIQUIDATION, REBALANCE, WINDOW_END, carries
from engine.errors import RunError
from engine.model.account import Protections
from engine.model.orders import ORDER_COLUMNS
from tests.engine.backtest.playing import ending
from tests.engine.backtest.terms_playing import assert_alike
from tests.engine.backtest.terms_scenes import Scene, scene_of, terms_scenes

# always the same scenes: in some of ten thousand rounding decides whether there is one fill more
FEW = settings(max_examples=max(1, settings().max_examples // 4), derandomize=True)


def carried(scene: Scene) -> Scene:
    """The same without what backtesting.py knows nothing of: protections, and liquidation, as there are no brackets."""
    costs = replace(scene.costs, protect=Protections())
    return replace(scene, costs=costs, perpetual=replace(scene.perpetual, mark=None, brackets=None))


def never_spent(scene: Scene) -> Scene:
    """The same with some money left by all entries and adds: what the last unit is bought with, rounding decides."""
    orders = scene.signals.orders
    assert orders is not None
    columns = orders.columns.copy()
    for name, most in (("size", 0.5), ("add_size", 0.09)):
        columns[ORDER_COLUMNS.index(name)] = np.minimum(columns[ORDER_COLUMNS.index(name)], most)
    costs = replace(scene.costs, size=min(scene.costs.size, 0.5))
    return replace(
        scene, costs=costs, signals=replace(scene.signals, orders=replace(orders, columns=columns))
    )


def without_adds(scene: Scene) -> Scene:
    """The same where nothing adds."""
    orders = scene.signals.orders
    assert orders is not None
    return replace(
        scene, signals=replace(scene.signals, orders=replace(orders, add=np.zeros_like(orders.add)))
    )


def played_alike(scene: Scene) -> Outcome | RunError:
    """What backtesting.py makes of it, which the two others make of it too."""
    given: tuple[Any, ...] = (scene.candles, scene.signals, scene.costs, scene.reverse)
    assert carries(scene.costs, scene.perpetual) is None
    found = ending(run_reference, *given, perpetual=scene.perpetual)
    if (
        isinstance(found, Outcome)
        and (np.abs(found.equity) < 1e-6 * scene.costs.cash).any()
        and not found.shortfall
    ):
        return found  # all but lost: what the rest buys, rounding decides
    for other in (run_plain, run_compiled):
        told = ending(other, *given, perpetual=scene.perpetual)
        if isinstance(found, RunError) or isinstance(told, RunError):
            assert str(found) == str(told)
        else:
            assert_alike(told, found, scene.costs)
    return found


@pytest.mark.parametrize("changed", [never_spent, without_adds])
@given(scene=terms_scenes())
@FEW
def test_any_scene_that_the_library_can_play_is_the_same_in_all_three(
    changed: Callable[[Scene], Scene], scene: Scene
) -> None:
    played_alike(carried(changed(scene)))


@given(terms_scenes())
@FEW
def test_so_is_any_scene_of_market_orders_alone(scene: Scene) -> None:
    played_alike(carried(replace(scene, signals=replace(scene.signals, orders=None))))


@pytest.mark.long
def test_the_scenes_reach_every_order() -> None:
    seen: set[str] = set()
    for seed in range(150):
        found = played_alike(carried(never_spent(scene_of(np.random.default_rng(seed)))))
        if isinstance(found, Outcome):
            seen |= {fill.reason for trade in found.trades for fill in trade.fills}
            seen |= {trade.exit_reason for trade in found.trades}
    assert seen == {*FILLS} - {LIQUIDATION, REBALANCE, WINDOW_END}
