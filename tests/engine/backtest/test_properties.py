"""What must hold for any candles, signals and costs: conservation, causality, scale, time, isolation."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.library.reference import run_reference
from engine.backtest.outcome import Outcome
from engine.model.account import Costs
from engine.model.market import Candles
from engine.strategy import Signals
from tests.engine.backtest.playing import run_both
from tests.support.builders import START_MS, random_candles, signals_for
from tests.support.examples import examples

WEEK_MS = 7 * 86_400_000
CHECKED = settings(max_examples=examples(40), deadline=None)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Candles, Mapping[str, Any], Costs, bool]:
    """A market of up to 40 wild candles, signals anywhere, stops and targets on half of the runs, any costs."""
    n = draw(st.integers(2, 40))
    candles = random_candles(
        n, draw(st.integers(0, 10_000)), volatility=draw(st.sampled_from((0.01, 0.1, 0.4)))
    )
    marks = st.lists(st.integers(0, n - 1), max_size=n)
    columns: dict[str, Any] = {
        name: draw(marks) for name in ("signal_a_buy", "signal_b_sell", "exit_long", "exit_short")
    }
    if draw(st.booleans()):
        buys = np.isin(np.arange(n), columns["signal_a_buy"])  # the first column wins where both fire
        near = draw(st.floats(0.01, 0.3))
        columns["stop_loss"] = dict(
            enumerate(np.where(buys, candles.close * (1 - near), candles.close * (1 + near)))
        )
        columns["take_profit"] = dict(
            enumerate(np.where(buys, candles.close * (1 + near), candles.close * (1 - near)))
        )
    costs = Costs(
        cash=draw(st.floats(1, 1e7)),
        commission=draw(st.sampled_from((0.0, 0.001, 0.05))),
        size=draw(st.sampled_from((0.01, 0.95, 1.0))),
        slippage=draw(st.sampled_from((0.0, 0.0005, 0.03))),
    )
    return candles, columns, costs, draw(st.booleans())


def run(candles: Candles, columns: Mapping[str, Any], costs: Costs, reverse: bool) -> Outcome:
    return run_both(candles, signals_for(candles, columns), costs, reverse)


@given(scenes())
@CHECKED
def test_money_is_conserved(scene: tuple[Candles, Mapping[str, Any], Costs, bool]) -> None:
    costs, outcome = scene[2], run(*scene)
    gained = sum(trade.pnl for trade in outcome.trades) + outcome.shortfall
    notional = sum(trade.size * trade.entry_price for trade in outcome.trades)
    assert outcome.equity[-1] - costs.cash == pytest.approx(gained, abs=1e-9 * max(costs.cash, notional))


@given(scenes())
@CHECKED
def test_trades_follow_each_other_and_carry_what_they_paid(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool],
) -> None:
    costs, outcome = scene[2], run(*scene)
    assert all(trade.size > 0 and trade.mae_pct <= 0 <= trade.mfe_pct for trade in outcome.trades)
    assert all(a.exit_time <= b.entry_time for a, b in zip(outcome.trades, outcome.trades[1:], strict=False))
    assert [trade.exit_reason for trade in outcome.trades[:-1]].count("open") == 0
    for trade in outcome.trades:
        gross = (trade.exit_price - trade.entry_price) * trade.size * (1 if trade.side == "long" else -1)
        fees = trade.size * trade.entry_price * costs.commission
        fees += trade.size * trade.exit_price * costs.commission * (trade.exit_reason != "open")
        assert trade.commission == pytest.approx(fees, rel=1e-9)
        assert trade.pnl == pytest.approx(gross - fees, rel=1e-9, abs=1e-9 * trade.size * trade.entry_price)
    assert outcome.commission == pytest.approx(sum(t.commission for t in outcome.trades))


@given(scenes(), st.data())
@CHECKED
def test_what_is_decided_does_not_depend_on_later_candles(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool], data: st.DataObject
) -> None:
    candles, columns, costs, reverse = scene
    cut = data.draw(st.integers(1, len(candles)))
    signals = signals_for(candles, columns)
    whole = run_both(candles, signals, costs, reverse)
    part = run_both(candles.slice(0, cut), signals.slice(0, cut), costs, reverse)
    assert part.equity.tolist() == whole.equity[:cut].tolist()
    ended = [trade for trade in whole.trades if trade.exit_reason != "open"]
    last = int(candles.timestamp[cut - 1])
    assert [t for t in part.trades if t.exit_reason != "open"] == [t for t in ended if t.exit_time <= last]


@given(scenes(), st.integers(-8, 8), st.integers(-50, 50))
@CHECKED
def test_returns_do_not_depend_on_the_unit_of_money_or_the_week(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool], power: int, weeks: int
) -> None:
    candles, columns, costs, reverse = scene
    unit = 2.0**power
    columns = {
        name: {i: p * unit for i, p in marks.items()} if isinstance(marks, dict) else marks
        for name, marks in columns.items()
    }
    opened, high, low, close, volume = candles.columns().values()
    scaled = Candles(
        candles.timestamp + weeks * WEEK_MS, opened * unit, high * unit, low * unit, close * unit, volume
    )
    dear = Costs(costs.cash * unit, costs.commission, costs.size, costs.slippage)
    one, other = run(*scene), run(scaled, columns, dear, reverse)
    assert (other.equity / unit).tolist() == one.equity.tolist()
    assert [t.return_pct for t in other.trades] == [t.return_pct for t in one.trades]
    assert [t.entry_time - weeks * WEEK_MS for t in other.trades] == [t.entry_time for t in one.trades]


@pytest.mark.parametrize("engine", [run_compiled, run_reference])
def test_a_run_leaves_its_candles_and_signals_as_they_were_and_repeats_bit_for_bit(engine: Any) -> None:
    candles = random_candles(200, 5)
    signals = signals_for(candles, {"signal_a_buy": range(0, 200, 7), "exit_long": range(3, 200, 7)})
    columns: list[Any] = [*candles.columns().values(), signals.entry, signals.exit_long, signals.stop_loss]
    for column in columns:
        column.setflags(write=False)
    first, second = (engine(candles, signals, Costs()) for _ in range(2))
    assert first.trades == second.trades
    assert first.equity.tobytes() == second.equity.tobytes()


@pytest.mark.parametrize("engine", [run_compiled, run_reference])
def test_nothing_of_the_library_reaches_the_terminal(engine: Any, capfd: pytest.CaptureFixture[str]) -> None:
    candles = random_candles(3000, 1)
    told: list[tuple[float, float | None, str]] = []
    engine(candles, signals_for(candles, {"signal_a_buy": [0]}), Costs(), report=lambda *a: told.append(a))
    assert capfd.readouterr() == ("", "")
    assert all(0 <= done <= (total or 0) == 3000 and unit == "candles" for done, total, unit in told)


def test_a_scene_starts_where_the_builders_say() -> None:
    signals: Signals = signals_for(random_candles(3), {"signal_a_buy": [1], "stop_loss": {1: 5.0}})
    assert signals.entry.tolist() == [0, 1, 0]
    assert [math.isnan(price) for price in signals.stop_loss] == [True, False, True]
    assert random_candles(3).timestamp[0] == START_MS
