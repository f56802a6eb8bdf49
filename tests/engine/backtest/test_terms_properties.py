"""What must hold for any orders, margin, funding and protections: conservation, limits of loss, nothing from nothing."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.metrics import compute_metrics
from engine.backtest.outcome import Outcome
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.errors import RunError
from engine.model.account import Costs, Protections
from engine.model.brackets import Brackets
from engine.model.market import Candles, Timeframe
from engine.model.orders import ORDER_COLUMNS, Orders
from engine.strategy import Signals
from tests.engine.backtest.playing import near
from tests.support.builders import random_candles, signals_for
from tests.support.examples import examples

TABLE = Brackets.of([(0, 0.004, 125), (300, 0.01, 50), (2000, 0.02, 20), (50_000, 0.05, 10)])
CHECKED = settings(max_examples=examples(60), deadline=None)
BRIEFLY = settings(max_examples=examples(25), deadline=None)


@dataclass(frozen=True)
class Scene:
    candles: Candles
    signals: Signals
    costs: Costs
    reverse: bool
    perpetual: Perpetual

    def play(self, **other: Any) -> Outcome:
        one = replace(self, **other)
        return run_compiled(one.candles, one.signals, one.costs, one.reverse, perpetual=one.perpetual)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A wild market of up to 40 candles with any orders, leverage, funding and protections, of which many runs have few."""
    n, wild = draw(st.integers(2, 40)), draw(st.sampled_from((0.01, 0.05, 0.2)))
    candles = random_candles(n, draw(st.integers(0, 10_000)), volatility=wild)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))

    def some(chance: float) -> Any:
        return np.flatnonzero(rng.random(n) < chance).tolist()

    columns = {
        "signal_a_buy": some(0.4), "signal_b_sell": some(0.3), "exit_long": some(0.1), "exit_short": some(0.1),
    }  # fmt: skip
    if draw(st.booleans()):
        columns |= {"add_x_buy": some(0.3), "add_y_sell": some(0.3), "add_size": dict.fromkeys(range(n), 0.2)}
    signals = signals_for(candles, columns)
    side = np.where(signals.entry < 0, -1, 1)
    far = candles.close * wild
    wanted = {
        "stop_loss": candles.close - side * far * 2,
        "take_profit": candles.close + side * far * 5,
        "entry_limit": candles.close - side * far * rng.random(n),
        "entry_expiry": rng.integers(1, 4, n).astype(np.float64),
        "target_1": candles.close + side * far,
        "target_2": candles.close + side * far * 2,
        "part_1": rng.random(n) * 0.5 + 0.1,
        "trail": far,
        "trail_from": far * rng.random(n),
        "break_even": far * rng.random(n),
        "stop_now": candles.close - side * far,
        "max_candles": rng.integers(1, 9, n).astype(np.float64),
        "size": rng.random(n) * 0.9 + 0.1,
        "max_adds": rng.integers(1, 4, n).astype(np.float64),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(wanted))))
    given_ = {name: column for name, column in wanted.items() if name in chosen}
    signals = replace(
        signals,
        stop_loss=given_.pop("stop_loss", signals.stop_loss),
        take_profit=given_.pop("take_profit", signals.take_profit),
    )
    if "target_1" not in given_:
        given_.pop("target_2", None)
    own = {} if signals.orders is None else dict(signals.orders.named())
    signals = replace(signals, orders=Orders.check(own | given_, n))
    costs = Costs(
        draw(st.sampled_from((100.0, 1e4, 1e6))), draw(st.sampled_from((0.0, 0.001))),
        draw(st.sampled_from((0.3, 1.0))), draw(st.sampled_from((0.0, 0.002))),
        leverage=draw(st.sampled_from((None, 1.0, 3.0, 20.0))), maker=draw(st.sampled_from((None, 0.0))),
        side=draw(st.sampled_from(("both", "both", "short"))),
        protect=draw(st.sampled_from((Protections(), Protections(0.05, 0.5, 2, 3, (2, 20), (2, 3))))),
    )  # fmt: skip
    rates = candles.open * rng.normal(0, 0.002, n) * (rng.random(n) < 0.3)
    inside = candles.open * rng.normal(0, 0.002, n) * (rng.random(n) < 0.2)
    funding = Funding(rates, rates, inside, np.maximum(inside, 0)) if draw(st.booleans()) else None
    mark = Mark(candles.open, candles.high * 0.999, candles.low * 1.001) if draw(st.booleans()) else None
    return Scene(candles, signals, costs, draw(st.booleans()), Perpetual(funding, mark, TABLE))


@given(scenes())
@BRIEFLY
def test_money_is_conserved_and_every_fill_is_of_a_trade(scene: Scene) -> None:
    try:
        outcome = scene.play()
    except RunError:
        return
    table = outcome.table
    notional = float((table.size * table.entry_price).sum())
    slack = 1e-9 * max(scene.costs.cash, notional)
    assert outcome.equity[-1] - scene.costs.cash == near(table.pnl.sum() + outcome.shortfall, abs=slack)
    assert outcome.fills is None or set(outcome.fills.trade.tolist()) == set(range(len(table)))
    for trade in outcome.trades:
        assert trade.mae_pct <= 1e-9
        assert trade.mfe_pct >= -1e-9
        if trade.fills:
            left = sum(fill.size for fill in trade.fills)
            assert (
                left == near(trade.size if trade.exit_reason == "open" and left else 0, abs=1e-6) or left > 0
            )
            assert sum(fill.commission for fill in trade.fills) == near(trade.commission, abs=1e-9)


@pytest.mark.long
@given(scenes())
@CHECKED
def test_a_liquidation_costs_its_margin_and_its_fees_and_never_more(scene: Scene) -> None:
    simple = replace(scene.signals, orders=None)
    costs = replace(scene.costs, leverage=scene.costs.leverage or 5.0)
    try:
        outcome = scene.play(signals=simple, costs=costs)
    except RunError:
        return
    for trade in outcome.trades:
        if trade.liquidated:
            paid = trade.size * trade.entry_price
            assert trade.pnl == near(-paid / (costs.leverage or 1) - paid * costs.commission, rel=1e-9)
            assert trade.commission == near(paid * costs.commission)


@given(scenes())
@BRIEFLY
def test_margin_of_one_without_brackets_and_empty_columns_are_the_plain_kernel(scene: Scene) -> None:
    plain = replace(scene.signals, orders=None)
    costs = Costs(scene.costs.cash, scene.costs.commission, scene.costs.size, scene.costs.slippage)
    empty = Orders.check(
        dict.fromkeys(ORDER_COLUMNS, np.full(len(scene.candles), np.nan)), len(scene.candles)
    )
    one = scene.play(signals=plain, costs=costs, perpetual=Perpetual())
    other = scene.play(signals=replace(plain, orders=empty), costs=costs, perpetual=Perpetual())
    zero = scene.play(signals=plain, costs=costs, perpetual=Perpetual(_nothing(len(scene.candles))))
    lever = scene.play(signals=plain, costs=replace(costs, leverage=1.0), perpetual=Perpetual())
    ruined = one.shortfall > 0
    for same in (other, zero) if ruined else (other, zero, lever):
        assert same.equity.tolist() == one.equity.tolist()
        for name in ("side", "entry", "exit", "reason", "signal", "size", "entry_price", "exit_price", "pnl"):
            assert getattr(same.table, name).tolist() == getattr(one.table, name).tolist(), name
        for name in ("commission", "slippage", "mae_pct", "mfe_pct"):
            assert getattr(same.table, name) == pytest.approx(
                getattr(one.table, name), rel=1e-9, abs=1e-12
            ), name


def _nothing(n: int) -> Funding:
    none = np.zeros(n)
    return Funding(none, none, none, none)


@pytest.mark.long
@given(scenes())
@CHECKED
def test_what_never_reaches_a_liquidation_trades_as_without_leverage_at_the_same_size(scene: Scene) -> None:
    costs = replace(scene.costs, leverage=2.0, size=0.2, protect=Protections())
    signals = replace(scene.signals, orders=None)
    try:
        two = scene.play(signals=signals, costs=costs)
    except RunError:
        return
    first = two.trades[:1]
    if not first or first[0].liquidated or first[0].funding is None:
        return
    size = np.full(len(scene.candles), np.nan)
    size[:] = min(1.0, first[0].size * first[0].entry_price * (1 + costs.commission) / costs.cash)
    orders = Orders.check({"size": size}, len(size))
    one = scene.play(signals=replace(signals, orders=orders), costs=replace(costs, leverage=1.0)).trades[0]
    if not one.liquidated:
        assert (one.entry_time, one.exit_time, one.exit_reason) == (
            first[0].entry_time, first[0].exit_time, first[0].exit_reason,
        )  # fmt: skip


@given(scenes())
@BRIEFLY
def test_a_sweep_has_the_figures_of_the_run(scene: Scene) -> None:
    row, timeframe = np.full(len(SUMMARY), -1.0), Timeframe("1h")
    try:
        outcome = scene.play()
    except RunError:
        return
    prepared = Prepared.of(scene.candles, timeframe)
    run_summary(prepared, scene.signals, scene.costs, scene.reverse, row, scene.perpetual)
    metrics = compute_metrics(outcome, scene.candles, scene.costs, timeframe)
    for name, value in zip(SUMMARY, row.tolist(), strict=True):
        expected = metrics[name]
        if expected is None:
            assert np.isnan(value), name
        else:
            assert value == near(expected, rel=1e-8, abs=1e-9 * scene.costs.cash), name


@pytest.mark.long
@given(scenes(), st.data())
@CHECKED
def test_what_is_decided_does_not_depend_on_later_candles(scene: Scene, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(scene.candles)))
    funding, mark = scene.perpetual.funding, scene.perpetual.mark
    known = Perpetual(
        funding and Funding(*(getattr(funding, field.name)[:cut] for field in fields(funding))),
        mark and Mark(*(getattr(mark, field.name)[:cut] for field in fields(mark))),
        TABLE,
    )
    try:
        whole = scene.play()
    except RunError:
        return
    cut_short = scene.play(
        candles=scene.candles.slice(0, cut),
        signals=scene.signals.slice(0, cut),
        perpetual=known,
    )
    assert cut_short.equity.tolist() == whole.equity[:cut].tolist()
