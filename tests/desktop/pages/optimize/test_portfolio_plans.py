"""The plan of a sweep over the portfolio: what it offers, what it takes over from the Portfolio page, what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.plan_form import PlanForm
from desktop.pages.optimize.subject import PORTFOLIO_KEY, LegsSubject
from desktop.pages.optimize.values import SweepChoice
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.values import Setup
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.widgets.preferences import Preferences
from engine.errors import InputError
from engine.model.portfolio_document import spec_of
from engine.model.sweep_spec import SweepSpec
from tests.desktop.builders import BANDS, CROSS, sweep_of
from tests.desktop.conftest import MakeWindow, fill

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Walk-forward", "Portfolio")

TEXT = """name = "two legs"
start = "2024-06-01"
end = "2024-09-30"
exchange = "sample"
timeframe = "4h"
allocation = "fixed"
max_open = 2

[[leg]]
name = "trend"
strategy = "ema_cross"
symbol = "SAMPLEUSDT"
weight = 0.4
params = { fast = 8 }

[[leg]]
name = "bands"
strategy = "bands"
symbol = "SAMPLEUSDT"
weight = 0.5
"""


def write(window: MainWindow, qtbot: QtBot, text: str) -> PlanForm:
    """Into the editor, until it is read; the plan that it is for."""
    page = window.page(PortfolioPage)
    window.show_page("Portfolio")
    page.panel.editor.view.setPlainText(text)
    qtbot.waitUntil(lambda: not page._reading._timer.isActive())
    return window.page(OptimizePage).panel.plan


def planned(window: MainWindow, qtbot: QtBot, text: str = TEXT) -> PlanForm:
    """As a user goes there: by the button of the Portfolio page."""
    plan = write(window, qtbot, text)
    panel = window.page(PortfolioPage).panel
    qtbot.waitUntil(panel.optimize.isEnabled)
    qtbot.mouseClick(panel.optimize, Qt.MouseButton.LeftButton)
    assert window.centre.currentWidget() is window.page(OptimizePage).panel
    return plan


def varied(plan: PlanForm) -> list[str]:
    assert plan.ranges is not None
    return [name for name, row in plan.ranges.rows.items() if row.varied.isChecked()]


def test_its_legs_weights_and_rules_are_rows_and_its_file_says_the_rest(
    filled: MainWindow, qtbot: QtBot
) -> None:
    plan = planned(filled, qtbot)
    assert plan.ranges is not None
    rows = plan.ranges.rows
    assert list(rows) == [
        "trend.fast", "trend.slow", "trend.both", "trend.kind", "trend.weight",
        "bands.length", "bands.width", "bands.weight", "wallet.max_open", "wallet.contention",
    ]  # fmt: skip
    assert varied(plan) == ["trend.fast", "trend.slow"]
    assert [rows[name].fixed.text() for name in ("trend.weight", "wallet.max_open", "wallet.contention")] == [
        "fixed at 0.4", "fixed at 2", "fixed at scale",
    ]  # fmt: skip
    assert [field.value() for field in rows["trend.fast"].fields] == [4, 16, 1]
    assert rows["trend.fast"].fields[0].accessibleName() == "From of trend.fast"
    assert (rows["trend.fast"].varied.text(), rows["trend.fast"].varied.accessibleName()) == (
        "fast",
        "Vary trend.fast",
    )
    assert plan.subjects.strategy.currentText() == "portfolio · two legs"
    assert plan.constraint.placeholderText() == "e.g. trend.fast < trend.slow"
    assert not plan.subjects.symbol.isVisible()
    assert plan.subjects.series.text().startswith("2 legs · 2024-06-01 – 2024-09-30")
    rows["trend.slow"].varied.setChecked(False)
    rows["wallet.contention"].varied.setChecked(True)
    assert plan.count.text() == "13 × 2 = 26 combinations"
    spec, portfolio = plan.spec(), filled.page(PortfolioPage).spec
    assert portfolio is not None
    ranges = {"trend.fast": tuple(range(4, 17)), "wallet.contention": ("scale", "rank")}
    assert {name: tuple(values) for name, values in spec.ranges.items()} == ranges
    assert spec == replace(SweepSpec.of_portfolio(portfolio, ranges=ranges), ranges=spec.ranges)


@pytest.mark.parametrize(
    ("wallet", "weights", "lookback"),
    [({"allocation": "equal"}, 0, 0), ({"allocation": "inverse_volatility"}, 0, 1), ({"allocation": "risk"}, 2, 0)],
)  # fmt: skip
def test_only_what_the_allocation_reads_is_offered(
    wallet: dict[str, str], weights: int, lookback: int
) -> None:
    weight = {"weight": 0.02} if weights else {}
    leg = {"symbol": "SAMPLEUSDT", "exchange": "sample", "timeframe": "4h", **weight}
    legs = [leg | {"name": "a", "strategy": "ema_cross"}, leg | {"name": "b", "strategy": "bands"}]
    spec = spec_of({"start": "2024-06-01", "end": "2024-09-30", "legs": legs, **wallet})
    subject = LegsSubject.of(spec, {"ema_cross": CROSS, "bands": BANDS})
    names = [str(param["name"]) for param in subject.params]
    assert sum(name.endswith(".weight") for name in names) == weights
    assert names.count("wallet.lookback") == lookback
    assert "wallet.max_open" in names


def test_what_is_edited_on_its_page_is_what_is_tried_and_the_ranges_stay(
    filled: MainWindow, qtbot: QtBot
) -> None:
    plan = planned(filled, qtbot)
    assert plan.ranges is not None
    plan.ranges.rows["trend.slow"].varied.setChecked(False)
    plan.ranges.rows["bands.weight"].varied.setChecked(True)
    plan.constraint.setText("trend.fast < trend.slow")
    write(filled, qtbot, TEXT.replace("weight = 0.4", "weight = 0.3").replace("two legs", "again"))
    assert plan.ranges.rows["trend.weight"].fixed.text() == "fixed at 0.3"
    assert varied(plan) == ["trend.fast", "bands.weight"]
    assert plan.constraint.text() == "trend.fast < trend.slow"
    assert plan.subjects.strategy.currentText() == "portfolio · again"
    spec = plan.spec()
    assert spec.portfolio is not None
    assert (spec.strategy, spec.portfolio.weights[0]) == ("portfolio again", 0.3)


def test_while_what_is_typed_is_no_portfolio_nothing_can_be_begun(filled: MainWindow, qtbot: QtBot) -> None:
    plan = planned(filled, qtbot)
    assert plan.ranges is not None
    plan.ranges.rows["bands.length"].varied.setChecked(True)
    before = varied(plan)
    for text, words in (
        (TEXT.replace("4h", "4x"), "The Portfolio page holds no portfolio that can be read"),
        ("", "The Portfolio page holds no portfolio that can be read"),
        (TEXT.replace('"ema_cross"', '"ema_crass"'), "leg 'trend': unknown strategy 'ema_crass'"),
        (TEXT + '\n[[window]]\nstart = "2024-08-01"\nparams = { trend.fast = 9 }\n', "the windows of the portfolio"),
    ):  # fmt: skip
        write(filled, qtbot, text)
        assert words in plan.problem.text()
        assert not plan.run.isEnabled()
        assert varied(plan) == before
    write(filled, qtbot, TEXT)
    assert plan.problem.text() == ""
    assert plan.run.isEnabled()
    filled.page(PortfolioPage).panel.editor.view.setPlainText(TEXT + "\n")
    assert not plan.run.isEnabled(), (
        "what stood there before is tried no more, though the new is not read yet"
    )
    qtbot.waitUntil(plan.run.isEnabled)


def test_nothing_varied_and_turned_ranges_are_refused_in_place(filled: MainWindow, qtbot: QtBot) -> None:
    plan = planned(filled, qtbot)
    assert plan.ranges is not None
    row = plan.ranges.rows["trend.weight"]
    for other in plan.ranges.rows.values():
        other.varied.setChecked(other is row)
    row.fields[0].selectAll()
    row.fields[0].lineEdit().insert("0.9")
    assert plan.problem.text() == "trend.weight: From is above To"
    row.varied.setChecked(False)
    assert plan.problem.text() == "Vary at least one parameter"
    assert not plan.run.isEnabled()


def test_a_strategy_is_chosen_as_before_and_the_portfolio_again_as_it_was(
    filled: MainWindow, qtbot: QtBot
) -> None:
    plan = planned(filled, qtbot)
    plan.constraint.setText("trend.fast < trend.slow")
    box = plan.subjects.strategy
    box.setFocus()
    for key, wanted in ((Qt.Key.Key_Home, "ema_cross"), (Qt.Key.Key_End, PORTFOLIO_KEY)):
        qtbot.keyClick(box, key)
        assert box.currentData() == wanted
        assert plan.subjects.symbol.isVisible() == (wanted != PORTFOLIO_KEY)
    assert plan.constraint.text() == "trend.fast < trend.slow"
    assert filled.page(SetupPage).panel.strategies.focused() == "ema_cross"


def test_what_a_stored_sweep_of_a_strategy_took_the_place_of_comes_back_by_undo(
    filled: MainWindow, qtbot: QtBot
) -> None:
    page, stored = filled.page(OptimizePage), sweep_of().spec
    page._use_plan(stored)
    plan = planned(filled, qtbot)
    wanted = plan.spec()
    page._use_plan(stored)
    assert plan.subjects.key == "ema_cross"
    filled.actions_["undo"].trigger()
    assert plan.subjects.key == PORTFOLIO_KEY
    assert plan.spec() == wanted


def test_the_portfolio_is_chosen_once_the_strategies_are_known(window: MainWindow, qtbot: QtBot) -> None:
    plan = planned(window, qtbot)
    assert plan.problem.text() == "Select a strategy"
    fill(window)
    assert plan.subjects.key == PORTFOLIO_KEY
    assert plan.run.isEnabled()


def test_the_plan_of_the_portfolio_comes_back_after_a_restart(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    first = make_window()
    fill(first)
    plan = planned(first, qtbot)
    assert plan.ranges is not None
    plan.ranges.rows["bands.weight"].varied.setChecked(True)
    wanted = plan.spec()
    first.close()
    second = make_window(Preferences(tmp_path / "window.ini"))
    fill(second)
    again = second.page(OptimizePage).panel.plan
    assert again.subjects.key == PORTFOLIO_KEY
    assert again.spec() == wanted


def test_a_strategy_that_does_not_load_keeps_the_ranges_for_when_it_does(
    filled: MainWindow, qtbot: QtBot
) -> None:
    plan = planned(filled, qtbot)
    wanted = plan.spec()
    broken = replace(BANDS, error="line 3: no", params=())
    filled.page(SetupPage).show_strategies([CROSS, broken])
    assert plan.problem.text() == "leg 'bands': bands does not load: line 3: no"
    filled.page(SetupPage).show_strategies([CROSS, BANDS])
    assert plan.spec() == wanted


def test_a_parameter_called_weight_is_refused_in_words() -> None:
    leg = {"symbol": "X", "timeframe": "4h", "weight": 0.5, "name": "a", "strategy": "s"}
    spec = spec_of({"start": "2024-06-01", "end": "2024-09-30", "allocation": "fixed", "legs": [leg]})
    info = replace(BANDS, name="s", params=({**BANDS.params[1], "name": "weight"},))
    subject = LegsSubject.of(spec, {"s": info})
    with pytest.raises(InputError, match="its strategy has a parameter called weight"):
        subject.spec(SweepChoice(), Setup(), "", "")


def test_walk_forward_takes_the_portfolio_too(filled: MainWindow, qtbot: QtBot) -> None:
    write(filled, qtbot, TEXT)
    panel = filled.page(PortfolioPage).panel
    qtbot.waitUntil(panel.walk.isEnabled)
    panel.walk.click()
    assert filled.page(OptimizePage).panel.plan.subjects.key == PORTFOLIO_KEY
    walk = filled.page(WalkForwardPage).panel
    assert filled.centre.currentWidget() is walk
    walk.train.setText("30d")
    walk.test.setText("20d")
    qtbot.waitUntil(lambda: "portfolio two legs on SAMPLEUSDT 4h: trend.fast 4:16:1" in walk.plan.text())
    assert walk.plan.text().endswith("windows (Optimize tab)")
