"""The overview's figures: where the profit comes from, funding and liquidations where there are any."""

import re
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.overview.page import OverviewPage
from desktop.pages.overview.panel import OverviewPanel
from desktop.pages.overview.tiles import Tiles
from desktop.pages.runs.page import RunsPage
from desktop.theme.colours import DARK, LIGHT, Theme
from tests.desktop.builders import run_on
from tests.desktop.waiting import at_rest
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")

PARTS = {"net_profit": -181.66, "price_pnl": 380.3, "commission": 496.82, "slippage": 0.0, "funding": 65.14}


def overview(window: MainWindow, **metrics: Any) -> OverviewPanel:
    run = run_on(random_candles(300), metrics=metrics)
    window.workspace.put([run])
    window.workspace.show(run.id)
    window.page(RunsPage).panel.flush()
    return window.page(OverviewPage).panel


def words(panel: OverviewPanel) -> str:
    return re.sub("<[^>]*>", "", panel.split.text()).replace("&nbsp;", " ")


def tiles(panel: OverviewPanel) -> set[str]:
    return {key for key, box in panel.tiles.boxes.items() if box.isVisibleTo(panel.tiles)}


def test_the_net_profit_is_shown_as_its_parts_and_they_add_up(window: MainWindow) -> None:
    panel = overview(window, **PARTS)
    assert words(panel) == (
        "Net profit −181.66 USDT = price +380.30 − commission 496.82 − slippage 0.00 − funding 65.14"
    )
    numbers = [float(text) for text in re.findall(r"[\d.]+", words(panel))]
    assert -numbers[0] == pytest.approx(numbers[1] - sum(numbers[2:]))
    assert "+ funding 65.14" in words(overview(window, **PARTS | {"funding": -65.14}))
    spot = overview(window, **{name: value for name, value in PARTS.items() if name != "funding"})
    assert words(spot).endswith("slippage 0.00")
    assert "funding" not in tiles(spot)


def test_a_run_that_did_not_keep_the_parts_shows_none(window: MainWindow) -> None:
    panel = overview(window, net_profit=12.0, commission=1.0)
    assert not panel.split.isVisibleTo(panel)
    assert not tiles(panel) & {"funding", "liquidations"}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_liquidations_are_said_in_the_colour_of_danger_and_with_a_sign(
    window: MainWindow, theme: Theme
) -> None:
    panel = overview(window, **PARTS, liquidations=2, liquidation_loss=812.5, funding_coverage_pct=100.0)
    panel.apply_theme(theme)
    value, note = panel.tiles.texts("liquidations")
    assert (value.text(), note.text()) == ("✖ 2", "812.50 lost")
    assert theme.negative in value.styleSheet()
    value, note = panel.tiles.texts("funding")
    assert (value.text(), note.text()) == ("65.14", "paid, 100 % known")
    assert "liquidations" not in tiles(overview(window, **PARTS, liquidations=0))


@pytest.mark.parametrize(("width", "rows"), [(1400, 1), (560, 2)])
def test_tiles_that_would_be_too_narrow_stand_in_two_rows(
    app: QApplication, qtbot: QtBot, width: int, rows: int
) -> None:
    strip = Tiles()
    qtbot.addWidget(strip)
    metrics = PARTS | {"liquidations": 2, "return_pct": -35.17, "max_drawdown_pct": -49.39}
    strip.show_run(run_on(random_candles(300), metrics=metrics))
    strip.resize(width, 120)
    with qtbot.waitExposed(strip):
        strip.show()
    boxes = [box for box in strip.boxes.values() if box.isVisible()]
    assert len(boxes) == 9
    qtbot.waitUntil(lambda: len({box.y() for box in boxes}) == rows)
    for key in ("return_pct", "max_drawdown_pct", "liquidations"):
        value, _ = strip.texts(key)
        assert value.fontMetrics().horizontalAdvance(value.text()) <= value.width()


def test_the_sharpe_ratio_stands_beside_what_the_best_of_as_many_shows_by_chance(window: MainWindow) -> None:
    luck = {"sharpe": 1.7, "chance_sharpe": 1.9, "dsr": 0.3, "trials_counted": 1000, "trials_measured": 1000}
    panel = overview(window, **PARTS, **luck)
    assert panel.chance.text().startswith(
        "Of 1,000 trials the best Sharpe ratio expected by chance is 1.90; yours is 1.70"
    )
    assert not overview(window, **PARTS).chance.isVisibleTo(panel)


def test_a_stitched_run_says_how_many_trials_its_walk_forward_chose_from(window: MainWindow) -> None:
    luck = {"sharpe": 1.2, "chance_sharpe": 0.0, "dsr": 0.9, "trials_counted": 1, "walk_trials": 60}
    run = run_on(random_candles(300), metrics=luck)
    ruled = [{"start": "2024-01-01T00:00:00Z", "params": {"fast": 5}}]
    window.workspace.put([replace(run, inputs={"windows": ruled, "params": {}})])
    window.workspace.show(run.id)
    panel = window.page(OverviewPage).panel
    assert "chosen from 60 trials in trainings" in panel.chance.text()
    assert "The only walk-forward here" in panel.chance.text()


@pytest.mark.pages
@pytest.mark.parametrize("height", [560, 900])
def test_however_many_curves_are_named_most_of_the_height_is_theirs(
    window: MainWindow, height: int, qtbot: QtBot
) -> None:
    window.resize(960, height)
    candles = random_candles(300)
    runs = [
        run_on(candles, f"{number:032x}", strategy=f"a_strategy_with_a_long_name_{number}", metrics={})
        for number in range(12)
    ]
    window.workspace.put(runs)
    for run in runs:
        window.workspace.check(run.id, on=True)
    window.workspace.show(runs[-1].id)
    panel = window.page(OverviewPage).panel
    qtbot.waitUntil(lambda: len(panel.buttons) >= len(runs))
    at_rest(window, qtbot)
    assert panel.names.height() <= max(panel.height() / 4, 30)
    assert panel.chart.height() >= panel.height() / 3
    current = next(panel.buttons[curve.key] for curve in panel.chart.curves if curve.current)
    place = current.mapTo(panel.names.viewport(), current.rect().center())
    assert panel.names.viewport().rect().contains(place), "the one in bold is in view"
    for run in runs[1:]:
        window.workspace.check(run.id, on=False)
    window.workspace.show(runs[0].id)
    qtbot.waitUntil(lambda: len(panel.buttons) < 4)
    at_rest(window, qtbot)
    assert panel.names.verticalScrollBar().maximum() == 0
