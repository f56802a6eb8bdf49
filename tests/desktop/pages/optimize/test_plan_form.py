"""The Optimize tab before a sweep: its ranges, constraint, memory and keys."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.values import (
    RangeChoice,
    SweepChoice,
    default_range,
    round_step,
    setup_of,
    values_of,
)
from desktop.pages.setup.page import SetupPage
from desktop.widgets.preferences import Preferences
from desktop.widgets.value_field import ValueField
from engine.errors import InputError
from engine.model.parameters import StrategyInfo
from engine.strategy import Param
from tests.desktop.builders import CROSS, described
from tests.desktop.conftest import MakeWindow, fill

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize")


def typed(field: ValueField, text: str) -> None:
    """As a user types it over what stands there."""
    field.selectAll()
    field.lineEdit().insert(text)


@given(
    st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.booleans()
)
@example(3, 1, 47, True, True)
def test_the_first_range_of_a_whole_number_lies_within_its_bounds_in_about_twenty_steps(
    default: int, below: int, above: int, has_low: bool, has_high: bool
) -> None:
    low, high = default - below if has_low else None, default + above if has_high else None
    (param,) = described(p=Param(default, low=low, high=high))
    values = list(values_of(param, default_range(param)))
    assert all(type(value) is int for value in values)
    assert low is None or values[0] >= low
    assert high is None or values[-1] <= high
    assert 1 <= len(values) <= 22


AWAY = st.just(0.0) | st.floats(1e-15, 1e6)  # what is written to be read again has at most twenty places


@given(st.floats(-1e6, 1e6), AWAY, AWAY)
@example(3.0, 2.9, 17.0)
def test_the_first_range_of_a_fraction_lies_within_its_bounds(
    default: float, below: float, above: float
) -> None:
    assume(default == 0 or abs(default) > 1e-3)
    low, high = default - below, default + above
    (param,) = described(p=Param(default, low=low, high=high))
    choice = default_range(param)
    assert low <= choice.low <= choice.high <= high
    assert 1 <= len(values_of(param, choice)) <= 23


@given(st.floats(1e-9, 1e9))
def test_a_round_step_is_one_two_or_five_and_not_below(wanted: float) -> None:
    step = round_step(wanted)
    assert wanted * (1 - 1e-9) <= step <= 2.5 * wanted * (1 + 1e-9)
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - known) for known in (1, 2, 5)) < 1e-6


def test_the_ends_are_included_and_a_range_that_is_none_is_refused() -> None:
    param = CROSS.params[0]
    assert list(values_of(param, RangeChoice(True, 5, 20, 5))) == [5, 10, 15, 20]
    with pytest.raises(InputError, match="From is above To"):
        values_of(param, RangeChoice(True, 20, 5, 5))
    with pytest.raises(InputError, match="step must be above 0"):
        values_of(param, RangeChoice(True, 5, 20, 0))


def test_the_first_two_numbers_vary_at_first_and_the_count_stands_below(filled: MainWindow) -> None:
    plan = filled.page(OptimizePage).panel.plan
    assert plan.subjects.strategy.currentText() == "ema_cross"
    assert plan.ranges is not None
    assert [name for name, row in plan.ranges.rows.items() if row.varied.isChecked()] == ["fast", "slow"]
    assert plan.count.text() == "17 × 16 = 272 combinations"
    plan.ranges.rows["kind"].varied.setChecked(True)
    assert plan.count.text() == "17 × 16 × 2 = 544 combinations"
    assert plan.ranges.rows["kind"].fixed.text() == "ema, sma"


def test_ends_and_steps_are_what_is_typed_to_the_last_digit_and_whole_numbers_are_of_any_size(
    window: MainWindow,
) -> None:
    params = described(
        day=Param(20240101123, help="a day"), risk=Param(0.015, low=0.0, high=1.0), tiny=Param(1.25e-05)
    )
    window.page(SetupPage).show_strategies([StrategyInfo("odd", "Odd", "", params, "odd.py")])
    plan = window.page(OptimizePage).panel.plan
    assert plan.ranges is not None
    rows = plan.ranges.rows
    rows["tiny"].varied.setChecked(True)
    for name, texts in {
        "day": ("-9000000000000000000", "9223372036854775807", "9000000000000000000"),
        "risk": ("0.0150000000001", "0.5", "0.0333333333333333"),
        "tiny": ("1e-08", "1.25e-05", "1e-08"),
    }.items():
        for field, text in zip(rows[name].fields, texts, strict=True):
            typed(field, text)
    spec = plan.spec()
    assert list(spec.ranges["day"]) == [-9 * 10**18, 0, 9 * 10**18]
    assert list(spec.ranges["risk"])[:2] == [0.0150000000001, 0.0483333333334333]
    assert (spec.ranges["tiny"][0], len(spec.ranges["tiny"])) == (1e-08, 1250)
    typed(rows["risk"].fields[1], "1.5")
    assert plan.problem.text() == "risk must be a number from 0 to 1, not '1.5'"
    assert not plan.run.isEnabled()
    typed(rows["risk"].fields[1], "1")
    typed(rows["day"].fields[2], "1.5")
    assert "the step must be a whole number above 0" in plan.problem.text()
    rows["day"].varied.setChecked(False)
    assert plan.problem.text() == "", "what is not varied need not be a range"


def test_symbol_timeframe_period_costs_and_fixed_values_are_the_set_ups(filled: MainWindow) -> None:
    setup = filled.page(SetupPage).panel
    setup.market.model.set_chosen(["SAMPLEUSDT", "SOLUSDT"])
    setup.costs.commission.setValue(0.04)
    setup.strategies.set_params("ema_cross", {"fast": 9, "slow": 50, "both": False, "kind": "ema"})
    plan = filled.page(OptimizePage).panel.plan
    plan.subjects.symbol.setCurrentText("SOLUSDT")
    assert plan.ranges is not None
    assert plan.ranges.rows["both"].fixed.text() == "fixed at False"
    spec, chosen = plan.spec(), setup.setup()
    assert (spec.symbol, spec.exchange, spec.timeframe.name) == ("SOLUSDT", "sample", chosen.timeframe)
    assert (spec.period, spec.costs) == (chosen.period, chosen.costs)
    assert dict(spec.params) == {"both": False}
    setup.market.model.set_chosen([])
    assert plan.problem.text() == "Select a symbol"
    assert not plan.run.isEnabled()


def test_several_symbols_are_swept_one_by_one_or_across_all_of_them(filled: MainWindow) -> None:
    plan, setup = filled.page(OptimizePage).panel.plan, filled.page(SetupPage).panel.setup()
    plan.set_setup(replace(setup, symbols=("SOLUSDT", "BTCUSDT")))
    assert [plan.subjects.symbol.itemText(at) for at in range(plan.subjects.symbol.count())] == [
        "SOLUSDT", "BTCUSDT", "mean of all 2", "median of all 2", "worst of all 2",
    ]  # fmt: skip
    assert (plan.spec().symbol, plan.spec().symbols) == ("SOLUSDT", ())
    plan.subjects.symbol.setCurrentText("worst of all 2")
    spec = plan.spec()
    assert (spec.symbols, spec.across) == (("SOLUSDT", "BTCUSDT"), "worst")
    assert setup_of(spec, "auto").symbols == ("SOLUSDT", "BTCUSDT")
    plan.set_setup(replace(setup, symbols=("SOLUSDT", "BTCUSDT", "ETHUSDT")))
    assert plan.subjects.symbol.currentText() == "worst of all 3", "it stays across all there are"
    plan.subjects.symbol.setCurrentIndex(0)
    plan.use_plan(spec)
    assert plan.subjects.symbol.currentText() == "worst of all 3"
    plan.set_setup(replace(setup, symbols=("SOLUSDT",)))
    assert (plan.subjects.symbol.count(), plan.spec().across) == (1, "")


@pytest.mark.long
def test_nothing_varied_or_a_turned_range_says_why_it_cannot_run(filled: MainWindow) -> None:
    plan = filled.page(OptimizePage).panel.plan
    assert plan.ranges is not None
    rows = plan.ranges.rows
    low = rows["fast"].fields[0]
    typed(low, "400")
    assert plan.problem.text() == "fast: From is above To"
    assert rows["fast"].count.text() == "–"
    typed(low, "10")
    assert plan.problem.text() == ""
    for row in rows.values():
        row.varied.setChecked(False)
    assert plan.problem.text() == "Vary at least one parameter"
    assert not plan.run.isEnabled()


@pytest.mark.long
def test_a_refused_constraint_is_said_below_it_and_the_field_is_marked(filled: MainWindow) -> None:
    plan = filled.page(OptimizePage).panel.plan
    plan.constraint.setText("fast <")
    plan.set_count("constraint 'fast <': invalid syntax; write one such as fast < slow")
    assert "invalid syntax" in plan.problem.text()
    assert plan.constraint.property("bad") is True
    assert not plan.run.isEnabled()
    plan.constraint.setText("fast < slow")
    assert plan.problem.text() == ""
    assert plan.constraint.property("bad") is False
    plan.set_count(250)
    assert plan.count.text() == "17 × 16 = 272 combinations → 250 trials"


@pytest.mark.long
def test_another_strategy_brings_its_own_ranges_and_comes_to_the_front_of_the_set_up(
    filled: MainWindow,
) -> None:
    plan = filled.page(OptimizePage).panel.plan
    plan.constraint.setText("fast < slow")
    plan.subjects.strategy.setCurrentText("bands")
    plan.subjects.strategy.activated.emit(plan.subjects.strategy.currentIndex())
    assert plan.ranges is not None
    assert list(plan.ranges.rows) == ["length", "width"]
    assert plan.constraint.text() == ""
    assert filled.page(SetupPage).panel.strategies.title.text() == "bands"
    plan.subjects.strategy.setCurrentText("ema_cross")
    plan.subjects.strategy.activated.emit(plan.subjects.strategy.currentIndex())
    assert plan.constraint.text() == "fast < slow"


@pytest.mark.long
def test_the_plan_of_every_strategy_comes_back_after_a_restart(
    make_window: MakeWindow, tmp_path: Path
) -> None:
    first = make_window()
    fill(first)
    plan = first.page(OptimizePage).panel.plan
    assert plan.ranges is not None
    typed(plan.ranges.rows["fast"].fields[1], "33")
    plan.constraint.setText("fast < slow")
    plan.sampler.setCurrentIndex(plan.sampler.findData("random"))
    plan.trials.setValue(123)
    plan.objective.setCurrentIndex(plan.objective.findData("calmar"))
    plan.objective.activated.emit(plan.objective.currentIndex())
    wanted = plan.spec()
    plan.subjects.strategy.setCurrentText("bands")
    plan.subjects.strategy.activated.emit(plan.subjects.strategy.currentIndex())
    first.close()
    second = make_window(Preferences(tmp_path / "window.ini"))
    fill(second)
    assert second.page(OptimizePage).panel.plan.subjects.strategy.currentText() == "bands"
    second.page(OptimizePage).panel.plan.subjects.strategy.setCurrentText("ema_cross")
    second.page(OptimizePage).panel.plan.subjects.strategy.activated.emit(0)
    again = second.page(OptimizePage).panel.plan.spec()
    assert again.to_json() == wanted.to_json()
    assert (again.trials, again.objective) == (123, "calmar")


@pytest.mark.parametrize("damage", [None, 5, {}, {"ranges": {"fast": {"up": 3}}}, {"ranges": []}])
def test_a_damaged_memory_is_none(damage: Any) -> None:
    assert SweepChoice.from_json(damage) is None


@pytest.mark.long
def test_the_tab_key_goes_through_the_plan_from_top_to_bottom(filled: MainWindow, qtbot: QtBot) -> None:
    plan = filled.page(OptimizePage).panel.plan
    assert plan.ranges is not None
    plan.subjects.strategy.setFocus()
    seen = []
    for _ in range(13):
        focused = filled.focusWidget()
        assert focused is not None
        seen.append(focused.accessibleName())
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert seen == [
        "Strategy to optimise", "Symbol to optimise on", "Vary fast", "From of fast", "To of fast", "Step of fast",
        "Vary slow", "From of slow", "To of slow", "Step of slow", "Vary both", "Vary kind", "Constraint",
    ]  # fmt: skip


@pytest.mark.long
def test_enter_in_the_constraint_starts_and_f6_goes_to_the_tab(filled: MainWindow, qtbot: QtBot) -> None:
    started: list[object] = []
    filled.page(OptimizePage).panel.plan.run_wanted.disconnect()
    filled.page(OptimizePage).panel.plan.run_wanted.connect(lambda: started.append(1))
    qtbot.keyClick(filled.page(OptimizePage).panel.plan.constraint, Qt.Key.Key_Return)
    assert len(started) == 1
    filled.show_page("Overview")
    filled.actions_["optimize"].trigger()
    assert filled.centre.currentWidget() is filled.page(OptimizePage).panel
