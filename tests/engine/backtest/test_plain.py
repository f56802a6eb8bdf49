"""The plain simulator against the compiled one on plain terms, and what holds of any scene with terms.

BACKTEST_TEST_PROFILE=long plays thousands of scenes; by default some hundred.
"""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Perpetual
from engine.backtest.plain.simulator import run_plain
from engine.backtest.rules import (
    AGAINST,
    EXIT_LONG,
    EXIT_SHORT,
    IN_FAVOUR,
    LIQUIDATION,
    REASONS,
    REBALANCE,
    WINDOW_END,
)
from engine.errors import RunError
from engine.model.account import BLOCKED, Costs, Protections
from engine.model.market import Candles
from engine.model.orders import ORDER_COLUMNS
from engine.strategy import Signals
from tests.engine.backtest.playing import ending, near
from tests.engine.backtest.terms_playing import assert_alike
from tests.engine.backtest.terms_scenes import Scene, in_ticks, scene_of, terms_scenes, upside_down
from tests.engine.backtest.test_engine_equality import wild_scenes

COUNTED = ("clipped", "dropped", "no_volume", "below_minimum", "above_maximum")
FEW = settings(max_examples=max(1, settings().max_examples // 4))


@FEW
@given(wild_scenes())
def test_any_plain_scene_gives_the_trades_of_the_compiled_engine(
    scene: tuple[Candles, Signals, Costs, bool],
) -> None:
    expected, told = ending(run_compiled, *scene), ending(run_plain, *scene)
    if isinstance(expected, RunError) or isinstance(told, RunError):
        assert str(expected) == str(told)
    else:
        assert_alike(expected, told, scene[2])


def played(scene: Scene) -> Outcome:
    """What is made of it; a scene that cannot be counts for nothing."""
    with contextlib.suppress(RunError):
        return scene.play()
    assume(False)
    raise AssertionError


def turnover(outcome: Outcome) -> float:
    return float((outcome.table.size * outcome.table.entry_price).sum())


@FEW
@given(terms_scenes())
def test_money_is_conserved_whatever_the_terms(scene: Scene) -> None:
    outcome = played(scene)
    change = outcome.equity[-1] - scene.costs.cash
    allowed = 1e-9 * (scene.costs.cash + turnover(outcome))
    assert outcome.table.pnl.sum() + outcome.shortfall == near(change, abs=allowed)
    assert np.isfinite(outcome.equity).all()
    assert len(outcome.equity) == len(scene.candles)


@FEW
@given(terms_scenes())
def test_fills_make_the_trade_and_its_parts_add_up(scene: Scene) -> None:
    outcome = played(scene)
    for trade in outcome.trades:
        side = 1 if trade.side == "long" else -1
        entered = sum(fill.size for fill in trade.fills if fill.size > 0)
        left = -sum(fill.size for fill in trade.fills if fill.size < 0)
        still = entered - left if trade.exit_reason == "open" else 0.0
        moved = -sum(fill.size * fill.price for fill in trade.fills) + still * scene.candles.close[-1]
        paid = trade.commission + (trade.funding or 0.0)
        assert trade.size == near(entered)
        assert left + still == near(entered)
        assert sum(fill.commission for fill in trade.fills) == near(trade.commission)
        assert side * moved == near(trade.pnl + paid, abs=1e-9 * trade.size * trade.entry_price)
        assert trade.price_pnl == near(
            trade.pnl + paid + (trade.slippage or 0.0), abs=1e-9 * scene.costs.cash
        )


@FEW
@given(terms_scenes())
def test_a_liquidation_costs_exactly_margin_and_entry_fees_and_leaves_nothing_owed(scene: Scene) -> None:
    leverage = scene.costs.leverage
    outcome = played(scene)
    if leverage is None:
        assert not (outcome.table.reason == REASONS.index(LIQUIDATION)).any()
        return
    for trade in outcome.trades:
        if trade.liquidated and len([fill for fill in trade.fills if fill.size < 0]) == 1:
            margin = trade.size * trade.entry_price / leverage
            assert trade.pnl == near(-margin - trade.commission, rel=1e-9)
    if outcome.shortfall > 0 and outcome.trades[-1].liquidated:
        # the size reckons its fee at the open: with slippage a whole account owes that difference
        assert outcome.shortfall <= 0.01 * scene.costs.cash + outcome.slippage


@FEW
@given(terms_scenes())
def test_without_an_ambiguous_candle_every_reading_is_the_same(scene: Scene) -> None:
    outcome = played(scene)
    assert outcome.terms is not None
    assert outcome.table.ambiguous is not None
    assume(not outcome.table.ambiguous.any() and not outcome.terms.dropped)
    for reading in (AGAINST, IN_FAVOUR):
        other = scene.play(reading)
        assert other.trades == outcome.trades
        assert other.equity.tolist() == outcome.equity.tolist()


@FEW
@given(terms_scenes())
def test_shorts_are_longs_upside_down(scene: Scene) -> None:
    """Candles, reasons, prices: what an account can pay for is not the same on both sides, so positions are tiny."""
    tiny = Costs(cash=1e9, size=1e-6, commission=0.0)
    orders = scene.signals.orders
    assert orders is not None
    columns = orders.columns.copy()
    for name in ("size", "risk", "add_size"):  # a mean would depend on what each side can pay for
        columns[ORDER_COLUMNS.index(name)] = np.nan
    signals = replace(scene.signals, orders=replace(orders, columns=columns))
    plain = in_ticks(replace(scene, signals=signals, costs=tiny, perpetual=Perpetual()))
    top = 4 * float(plain.candles.high.max())
    one, other = played(plain), played(upside_down(plain, top))
    mirror = {EXIT_LONG: EXIT_SHORT, EXIT_SHORT: EXIT_LONG}
    for trade, turned in zip(one.trades, other.trades, strict=True):
        assert {trade.side, turned.side} == {"long", "short"}
        assert (trade.entry_time, trade.exit_time) == (turned.entry_time, turned.exit_time)
        assert mirror.get(trade.exit_reason, trade.exit_reason) == turned.exit_reason
        assert trade.ambiguous == turned.ambiguous
        assert [fill.reason for fill in trade.fills[:-1]] == [fill.reason for fill in turned.fills[:-1]]
        if len(trade.fills) == 2:
            assert trade.entry_price == near(top - turned.entry_price)
            assert trade.exit_price == near(top - turned.exit_price)


@FEW
@given(terms_scenes())
def test_protections_block_entries_and_nothing_else(scene: Scene) -> None:
    outcome = played(scene)
    assert outcome.terms is not None
    assert len(outcome.terms.blocked) == len(BLOCKED)
    free = replace(scene, costs=replace(scene.costs, protect=Protections()))
    if not any(outcome.terms.blocked):
        assert played(free).trades == outcome.trades


@pytest.mark.long
def test_the_scenes_reach_every_reason_and_every_term() -> None:
    seen: set[str] = set()
    for seed in range(400):
        with contextlib.suppress(RunError):
            outcome = scene_of(np.random.default_rng(seed)).play()
            assert outcome.terms is not None
            seen.update(fill.reason for trade in outcome.trades for fill in trade.fills)
            seen.update(trade.exit_reason for trade in outcome.trades)
            seen.update(name for name, count in zip(BLOCKED, outcome.terms.blocked, strict=True) if count)
            seen.update(name for name in COUNTED if getattr(outcome.terms, name))
            seen.update("ambiguous" for trade in outcome.trades if trade.ambiguous)
    assert seen == {*REASONS, "entry", "add", *BLOCKED, *COUNTED, "ambiguous"} - {WINDOW_END, REBALANCE}
