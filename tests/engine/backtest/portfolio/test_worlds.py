"""What must hold of any portfolio: its two simulators agree, one leg is a run, and money comes from nowhere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.portfolio.book import WHYS, LegInput, PortfolioOutcome, PortfolioRules
from engine.backtest.portfolio.compiled import market_of, run_portfolio, run_portfolio_trades
from engine.backtest.portfolio.plain import run_portfolio_plain
from engine.backtest.rules import AGAINST, IN_FAVOUR, UNITS
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import HOUR_MS
from tests.engine.backtest.playing import ending as playing
from tests.engine.backtest.portfolio.worlds import World, ending, world_of, worlds
from tests.engine.backtest.terms_scenes import scene_of
from tests.support.builders import random_candles, signals_for
from tests.support.examples import examples

BRIEFLY = settings(max_examples=examples(40), deadline=None)
CHECKED = settings(max_examples=examples(400), deadline=None)
SEEDS = st.integers(0, 2**32)


@given(worlds())
@BRIEFLY
def test_both_simulators_agree_on_any_portfolio(world: World) -> None:
    world.compare()


@given(worlds(), st.sampled_from([AGAINST, IN_FAVOUR]))
@BRIEFLY
def test_both_simulators_agree_on_what_ambiguous_candles_could_have_been(world: World, reading: int) -> None:
    world.compare(reading)


@pytest.mark.long
@given(worlds())
@CHECKED
def test_both_simulators_agree_on_many_portfolios(world: World) -> None:
    world.compare()


def test_a_position_brought_down_to_its_weight_buys_nothing_back_for_a_rounding() -> None:
    outcome = world_of(
        np.random.default_rng(638), 40
    ).compare()  # a unit costs 1e-12, less than its weight is off by
    assert outcome is not None
    reasons = [fill.reason for leg in outcome.legs for trade in leg.trades for fill in trade.fills]
    assert "rebalance" in reasons
    assert "add" not in reasons


@pytest.mark.long
def test_the_worlds_reach_every_end_of_a_request() -> None:
    outcomes = [world_of(np.random.default_rng(seed)).compare() for seed in range(200)]
    seen = {why for one in outcomes if one is not None for *_, why in one.requests.rows()}
    assert seen == {*WHYS}
    reasons = {t.exit_reason for one in outcomes if one is not None for leg in one.legs for t in leg.trades}
    assert {
        "liquidation",
        "stop_loss",
        "target_1",
        "reverse",
        "time",
        "open",
        "trailing_stop",
    } <= reasons


@given(SEEDS, st.integers(1, 60), st.sampled_from(["plain", "orders", "market", "all"]))
@settings(max_examples=examples(150), deadline=None)
def test_one_leg_is_a_run_of_its_own_to_the_last_bit(seed: int, n: int, terms: str) -> None:
    scene = scene_of(np.random.default_rng(seed), n)
    costs, signals, perpetual = scene.costs, scene.signals, scene.perpetual
    if terms in ("plain", "market"):
        signals = replace(signals, orders=None)
        costs = Costs(costs.cash, costs.commission, costs.size, costs.slippage, leverage=costs.leverage)
        perpetual = replace(perpetual, filtered=False)
    if terms in ("plain", "orders"):
        costs, perpetual = replace(costs, leverage=None), replace(perpetual, funding=None)
    terms_given: dict[str, Any] = {"perpetual": perpetual, "timeframe_ms": HOUR_MS}
    leg = LegInput("a", scene.candles, signals, costs, perpetual, scene.reverse, HOUR_MS, 1.0)
    single = playing(run_compiled, scene.candles, signals, costs, scene.reverse, **terms_given)
    if isinstance(single, RunError):
        assert ending(run_portfolio, World((leg,), PortfolioRules(costs.cash))) == f"leg a: {single}"
        return
    outcome = run_portfolio([leg], PortfolioRules(costs.cash))
    own = outcome.legs[0]
    assert outcome.equity.tolist() == single.equity.tolist()
    assert outcome.shortfall == single.shortfall
    assert own.columns().keys() == single.columns().keys()
    for name in (
        "entry_time",
        "exit_time",
        "entry_price",
        "exit_price",
        "size",
        "pnl",
        "exit_reason",
        "fills",
    ):
        assert own.columns()[name] == single.columns()[name], name
    for name in ("commission", "slippage", "mae_pct", "mfe_pct"):
        np.testing.assert_allclose(own.columns()[name], single.columns()[name], rtol=1e-12, atol=1e-12)
    assert (own.terms is None) == (single.terms is None)


def same(one: PortfolioOutcome | str, other: PortfolioOutcome | str, legs: list[int]) -> None:
    """The very same; the legs of the second are those of the first in another order."""
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one.equity.tolist() == other.equity.tolist()
    assert one.leg_pnl[:, legs].tolist() == other.leg_pnl.tolist()
    for k, leg in enumerate(legs):
        assert one.legs[leg].trades == other.legs[k].trades
    mine = [(time, legs.index(leg), *rest) for time, leg, *rest in one.requests.rows() if leg in legs]
    assert sorted(mine) == sorted(other.requests.rows())


@given(worlds(), st.randoms())
@BRIEFLY
def test_the_order_of_the_legs_changes_nothing(world: World, chance: Any) -> None:
    order = list(range(len(world.legs)))
    chance.shuffle(order)
    for run in (run_portfolio, run_portfolio_plain):
        turned = World(tuple(world.legs[k] for k in order), world.rules)
        same(ending(run, world), ending(run, turned), order)


@given(worlds())
@BRIEFLY
def test_a_leg_without_signals_changes_nothing(world: World) -> None:
    if world.rules.allocation == "inverse_volatility":
        return  # there it has a weight
    first = world.legs[0]
    silent = replace(first.signals, entry=np.zeros_like(first.signals.entry))
    quiet = replace(first, name="0 silent", signals=silent)
    with_it = ending(run_portfolio, World((*world.legs, quiet), world.rules))
    same(with_it, ending(run_portfolio, world), list(range(len(world.legs))))


@given(worlds())
@BRIEFLY
def test_what_the_legs_made_is_what_the_wallet_has(world: World) -> None:
    outcome = world.play()
    if isinstance(outcome, str):
        return
    turned_over = sum(float((leg.table.size * leg.table.entry_price).sum()) for leg in outcome.legs)
    slack = 1e-9 * max(world.rules.cash, turned_over)
    rows = sum(float(leg.table.pnl.sum()) for leg in outcome.legs)
    assert abs(outcome.equity[-1] - world.rules.cash - rows - outcome.shortfall) <= slack
    after = outcome.equity == 0
    made = world.rules.cash + outcome.leg_pnl.sum(axis=1)
    assert (np.abs(made - outcome.equity)[~after] <= slack).all()
    for k, leg in enumerate(outcome.legs):
        assert abs(outcome.leg_pnl[-1, k] - leg.table.pnl.sum()) <= slack


@given(worlds())
@BRIEFLY
def test_entries_never_take_more_than_is_free(world: World) -> None:
    calm = [
        replace(
            leg,
            costs=replace(leg.costs, slippage=0.0, slippage_model="", leverage=None, side="long"),
            perpetual=None,
        )
        for leg in world.legs
    ]
    outcome = World(tuple(calm), world.rules).play()
    if isinstance(outcome, str) or outcome.shortfall:
        return
    # without slippage, margin and funding a long loses no more than what it bound, so what is free never lacks; it is the
    # equity less open profits and margins, which together are what is held
    free = outcome.equity - outcome.exposure
    assert (free >= -1e-9 * outcome.equity.max()).all()


@given(SEEDS)
@BRIEFLY
def test_two_halves_are_one_leg_within_a_unit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    candles = random_candles(50, int(rng.integers(0, 1000)), volatility=0.03)
    marks = {
        "signal_a_buy": rng.random(50) < 0.3,
        "exit_long": rng.random(50) < 0.2,
        "signal_b_sell": rng.random(50) < 0.1,
    }
    signals = signals_for(candles, {name: np.flatnonzero(flags).tolist() for name, flags in marks.items()})
    costs = Costs(commission=0.001, size=0.8, slippage=0.001)
    leg = LegInput("a", candles, signals, costs, None, True, HOUR_MS, 1.0)
    whole = run_portfolio([leg], PortfolioRules(1000.0))
    halves = [replace(leg, name=name, weight=0.5) for name in "ab"]
    both = run_portfolio(halves, PortfolioRules(1000.0))
    one, two = whole.legs[0].table, [half.table for half in both.legs]
    assert [t.entry.tolist() for t in two] == [one.entry.tolist()] * 2
    np.testing.assert_allclose(two[0].size + two[1].size, one.size, atol=2.1e-8 + 1e-8 * len(one), rtol=0)
    np.testing.assert_allclose(both.equity, whole.equity, rtol=1e-7)


@given(worlds(), st.integers(1, 100))
@BRIEFLY
def test_nothing_earlier_changes_where_a_leg_has_no_data_yet(world: World, after: int) -> None:
    """Candles that have not closed by a moment are cut off, of every leg, and nothing up to then changes."""
    whole = world.play()
    if isinstance(whole, str):
        return
    moment = int(whole.times[min(after, len(whole.times) - 1)])
    legs = []
    for leg in world.legs:
        n = max(1, int(np.searchsorted(leg.closes, moment, side="right")))
        perpetual = None if leg.perpetual is None else leg.perpetual.slice(0, n)
        rank, weights = (None if one is None else one[:n] for one in (leg.rank, leg.weights))
        legs.append(
            replace(
                leg,
                candles=leg.candles.slice(0, n),
                signals=leg.signals.slice(0, n),
                perpetual=perpetual,
                rank=rank,
                weights=weights,
            )
        )
    cut = World(tuple(legs), world.rules).play()
    assert not isinstance(cut, str)
    # on a candle that was open at that moment a leg may have entered: look at what was before it opened
    opens = [
        int(leg.candles.timestamp[len(short.candles)])
        for leg, short in zip(world.legs, legs, strict=True)
        if len(short.candles) < len(leg.candles)
    ]
    before = min([moment, *opens])
    upto = int(np.searchsorted(whole.times, before, side="right"))
    assert cut.equity[:upto].tolist() == whole.equity[:upto].tolist()


@given(worlds())
@BRIEFLY
def test_a_trial_has_the_equity_of_the_portfolio(world: World) -> None:
    outcome = world.play()
    if isinstance(outcome, str):
        return
    equity = run_portfolio_trades(world.legs, world.rules, market_of(world.legs))[0] / UNITS
    assert equity.tolist() == outcome.equity.tolist()
