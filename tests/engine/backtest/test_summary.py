"""The figures of a sweep against the metrics of a run: the same numbers, whatever the market, signals and costs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.backtest.kernel.compiled import run_compiled
from engine.backtest.kernel.summary import SUMMARY, Prepared, run_summary
from engine.backtest.metrics import compute_metrics
from engine.errors import RunError
from engine.model.account import Costs
from engine.model.market import DAY_MS, Candles, Timeframe
from engine.model.metric_definitions import DEFINITIONS
from engine.strategy import Signals
from tests.engine.backtest.playing import BUY, near
from tests.engine.backtest.test_metrics import CONTRACT
from tests.engine.backtest.test_properties import scenes
from tests.support.builders import flat_candles, random_candles, signals_for


def summary(
    candles: Candles, signals: Signals, costs: Costs, reverse: bool, timeframe: str
) -> dict[str, float]:
    row = np.full(len(SUMMARY), -1.0)
    run_summary(Prepared.of(candles, Timeframe(timeframe)), signals, costs, reverse, row)
    return dict(zip(SUMMARY, row.tolist(), strict=True))


def assert_equal(candles: Candles, signals: Signals, costs: Costs, reverse: bool, timeframe: str) -> None:
    outcome = run_compiled(candles, signals, costs, reverse)
    metrics = compute_metrics(outcome, candles, costs, Timeframe(timeframe))
    found = summary(candles, signals, costs, reverse, timeframe)
    slack = 1e-9 * costs.cash  # of money: what is left of large sums that cancel
    for name in SUMMARY:
        expected, absolute = metrics[name], slack if DEFINITIONS[name].unit == "money" else 1e-9
        if expected is None:
            assert math.isnan(found[name]), name
        else:
            assert found[name] == near(expected, rel=1e-9, abs=absolute), name


def test_it_holds_the_metrics_of_the_contract_each_once() -> None:
    assert set(SUMMARY) >= CONTRACT - {"funding"}
    assert set(SUMMARY) <= DEFINITIONS.keys()
    assert len(set(SUMMARY)) == len(SUMMARY)


@given(scenes())
def test_any_scene_of_hours_has_the_figures_of_its_metrics(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool],
) -> None:
    candles, columns, costs, reverse = scene
    assert_equal(candles, signals_for(candles, columns), costs, reverse, "1h")


@given(scenes())
def test_any_scene_of_days_has_the_figures_of_its_metrics(
    scene: tuple[Candles, Mapping[str, Any], Costs, bool],
) -> None:
    hourly, columns, costs, reverse = scene
    times = hourly.timestamp[0] + np.arange(len(hourly)) * DAY_MS * (1 + (np.arange(len(hourly)) > 9))
    candles = Candles(times, *hourly.columns().values())
    assert_equal(candles, signals_for(candles, columns), costs, reverse, "1d")


def test_a_year_of_hours_has_the_figures_of_its_metrics() -> None:
    candles = random_candles(8760, 3)
    columns: dict[str, Any] = {BUY: range(0, 8760, 40), "signal_b_sell": range(20, 8760, 37)}
    assert_equal(candles, signals_for(candles, columns), Costs(), True, "1h")
    assert_equal(
        candles, signals_for(candles, columns | {"exit_long": range(7, 8760, 11)}), Costs(), False, "1h"
    )


def test_returns_that_are_hardly_more_than_rounding_are_rounded_alike() -> None:
    candles = random_candles(8760, 3)
    signals = signals_for(candles, {BUY: range(0, 8760, 40), "exit_long": range(20, 8760, 40)})
    assert_equal(candles, signals, Costs(cash=1e7, size=1e-8), False, "1h")


def test_an_idle_account_has_no_drawdown_whatever_its_cash() -> None:
    candles = flat_candles([10.0] * 5)
    for cash in (0.1, 0.29, 1.1, 123.456789):
        found = summary(candles, signals_for(candles, {BUY: []}), Costs(cash=cash), False, "1h")
        assert (found["max_drawdown_days"], found["trades"]) == (0, 0)
        assert_equal(candles, signals_for(candles, {BUY: []}), Costs(cash=cash), False, "1h")


def test_room_left_by_a_longer_trial_does_not_reach_into_the_next() -> None:
    candles = random_candles(500, 9)
    many = signals_for(candles, {BUY: range(0, 500, 3), "exit_long": range(1, 500, 3)})
    few = signals_for(candles, {BUY: [5], "exit_long": [9]})
    prepared = Prepared.of(candles, Timeframe("1h"))
    rows = np.empty((3, len(SUMMARY)))
    for row, signals in zip(rows, (few, many, few), strict=True):
        run_summary(prepared, signals, Costs(), False, row)
    assert rows[0].tobytes() == rows[2].tobytes() != rows[1].tobytes()


def test_a_stop_on_the_wrong_side_fails_the_trial_with_the_words_of_a_run() -> None:
    candles = flat_candles([100] * 4)
    signals = signals_for(candles, {BUY: [1], "stop_loss": {1: 104}})
    with pytest.raises(RunError, match=r"stop_loss 104 of the long entry .* 2024-01-01 01:00 UTC"):
        summary(candles, signals, Costs(), False, "1h")
