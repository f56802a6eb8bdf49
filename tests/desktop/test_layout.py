"""The window's layout: what comes back after a restart, and what a small window still has room for."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.monte_carlo.page import MonteCarloPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.panel import WideScrollArea
from desktop.pages.setup.values import Setup
from desktop.pages.trades.page import TradesPage
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.theme.colours import LIGHT
from desktop.widgets.preferences import LAYOUT_VERSION, Preferences
from engine.model.account import Costs
from engine.model.market import Market, parse_time
from engine.model.trade_filter import Facet, TradeFilter
from engine.strategy import Param
from tests.desktop.builders import BANDS, CROSS, checks, described, run_on
from tests.desktop.conftest import FIRST, SECOND, MakeWindow, show_two_runs
from tests.desktop.waiting import at_rest
from tests.support.builders import random_candles


def test_layout_theme_and_set_up_come_back_after_a_restart(make_window: MakeWindow, tmp_path: Path) -> None:
    first = make_window()
    first.resize(900, 700)
    first.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, first.docks["Set-up"])
    first.use_theme("light")
    chosen = Setup(
        exchange="binance", symbols=("SOLUSDT", "BTCUSDT"), timeframe="15m", start=parse_time("2024-01-01"),
        end=parse_time("2024-02-01"), strategies=("ema_cross",), params={"ema_cross": {"fast": 9}}, costs=Costs(cash=500),
    )  # fmt: skip
    first.page(SetupPage).panel.set_setup(chosen)
    first.close()
    second = MainWindow(first.bridge, Preferences(tmp_path / "window.ini"))
    assert second.dockWidgetArea(second.docks["Set-up"]) == Qt.DockWidgetArea.RightDockWidgetArea
    assert (second.width(), second.height()) == (900, 700)
    assert second.theme is LIGHT
    assert second.page(SetupPage).panel.setup() == chosen
    second.close()


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_compared_runs_and_the_current_one_are_so_again_after_a_restart(
    make_window: MakeWindow, qtbot: QtBot
) -> None:
    first = make_window()
    show_two_runs(first, qtbot)
    first.workspace.show(SECOND)
    first.close()
    candles = random_candles(300)
    newest, second, oldest = (run_on(candles, run_id) for run_id in ("c" * 32, SECOND, FIRST))
    workspace = make_window().workspace
    workspace.fill([newest, second])
    assert (workspace.checked, workspace.current) == ([SECOND], SECOND)
    workspace.put([oldest])  # as older ones come
    assert (workspace.checked, workspace.current) == ([SECOND, FIRST], SECOND)
    third = make_window().workspace
    third.clear_checks()
    third.fill([newest, second])
    assert (third.checked, third.current) == (["c" * 32], SECOND)


def test_a_layout_of_another_version_is_refused_and_the_default_stands(make_window: MakeWindow) -> None:
    window = make_window()
    foreign = window.saveState(LAYOUT_VERSION + 1)
    assert not window.restoreState(QByteArray(foreign), LAYOUT_VERSION)
    assert window.dockWidgetArea(window.docks["Set-up"]) == Qt.DockWidgetArea.LeftDockWidgetArea


def test_no_name_and_no_badge_is_long_enough_to_move_the_set_up(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    width = window.docks["Set-up"].width()
    why = {"status": "skipped", "note": "not included: " + "the settlement is not known " * 12}
    run = run_on(
        random_candles(300), "c" * 32, strategy="a_strategy_of_mine_" * 12, checks=checks() | {"funding": why}
    )
    window.workspace.put([run])
    window.workspace.check(run.id, on=True)
    window.workspace.show(run.id)
    heading = window.page(OverviewPage).panel.heading
    qtbot.waitUntil(lambda: "the settlement" in heading.text())

    def every_button_fits() -> bool:
        """Qt lays a row out a few turns after its text has changed; a button that was not placed yet has Qt's 640x480."""
        parts = [*heading.buttons.values(), *window.page(OverviewPage).panel.buttons.values()]
        rows = [part.parentWidget() for part in parts]
        return all(
            row and part.geometry().right() <= row.width() for part, row in zip(parts, rows, strict=True)
        )

    qtbot.waitUntil(every_button_fits)
    assert window.docks["Set-up"].width() == width


def test_reset_layout_puts_every_panel_back(window: MainWindow) -> None:
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, window.docks["Set-up"])
    window.docks["Results"].hide()
    window.actions_["reset"].trigger()
    assert window.dockWidgetArea(window.docks["Set-up"]) == Qt.DockWidgetArea.LeftDockWidgetArea
    assert window.docks["Results"].isVisible()


@pytest.mark.long_except("size2")
@pytest.mark.parametrize("size", [(1440, 900), (1024, 700), (900, 600)])
def test_nothing_of_the_set_up_is_cut_off_however_narrow_the_window(
    make_window: MakeWindow, qtbot: QtBot, size: tuple[int, int]
) -> None:
    window = make_window()
    window.resize(*size)
    panel = window.page(SetupPage).panel
    panel.market.set_markets("sample", [(Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT"), True)])
    wide = described(a_multiplier_of_it=Param(3.0), another_long_name=Param(20))
    panel.strategies.set_infos([CROSS, replace(BANDS, params=wide)])
    panel.set_setup(Setup(strategies=(BANDS.name,)))
    area = panel.findChild(WideScrollArea)
    assert area is not None
    content = area.widget()
    assert content is not None
    qtbot.waitUntil(lambda: area.viewport().width() >= content.minimumSizeHint().width(), timeout=3000)
    assert (window.width(), window.height()) == size
    assert window.minimumSizeHint().width() <= window.minimumWidth()


def test_a_tall_page_has_the_room_of_the_results_and_gives_it_back_as_it_was(
    make_window: MakeWindow, tmp_path: Path
) -> None:
    window = make_window()
    dock = window.docks["Results"]
    height = dock.height()
    window.show_page("Optimize")
    assert dock.isHidden()
    window.show_page("Overview")
    QApplication.processEvents()
    assert (dock.isVisible(), dock.height()) == (True, height)

    window.show_page("Optimize")
    window.show_page("Runs")  # asked for here: it stays
    assert dock.isVisible()
    window.show_page("Chart")
    assert dock.isVisible()

    window.room.button.click()
    assert dock.isHidden()
    window.show_page("Optimize")
    window.show_page("Overview")
    assert dock.isHidden(), "hidden by the user before"
    assert window.room.button.accessibleName() == "Show the results"
    window.room.button.click()

    window.show_page("Optimize")
    window.close()  # lent is not hidden
    again = make_window(Preferences(tmp_path / "window.ini"))
    assert again.docks["Results"].isHidden(), "Optimize is in front again"
    again.show_page("Overview")
    assert again.docks["Results"].isVisible()


def test_the_pages_that_were_in_front_are_so_again_after_a_restart(
    make_window: MakeWindow, tmp_path: Path
) -> None:
    first = make_window()
    first.show_page("Data")
    first.room.button.click()  # hidden by the user
    first.show_page("Walk-forward")
    first.close()
    second = make_window(Preferences(tmp_path / "window.ini"))
    assert second.centre.currentWidget() is second.page(WalkForwardPage).panel
    assert second.results.page() == "Data"
    second.show_page("Overview")
    assert second.docks["Results"].isHidden(), "as the user left it"


@pytest.mark.parametrize("kept", ["Optimize", ["A page of long ago", 7], {"Optimize": 1}])
def test_a_damaged_word_of_what_was_in_front_opens_the_first_pages(
    make_window: MakeWindow, tmp_path: Path, kept: object
) -> None:
    preferences = Preferences(tmp_path / "window.ini")
    preferences.save("in front", kept)
    window = make_window(preferences)
    assert window.centre.currentWidget() is window.page(OverviewPage).panel
    assert window.results.page() == "Runs"


def test_tabs_that_have_no_room_can_be_scrolled_to_by_arrows_that_are_seen(make_window: MakeWindow) -> None:
    window = make_window()
    window.resize(900, 600)
    window.setMaximumWidth(900)
    window.centre.setMaximumWidth(400)
    QApplication.processEvents()
    arrows = [one for one in window.centre.tabBar().findChildren(QToolButton) if one.isVisible()]
    assert len(arrows) == 2
    for arrow in arrows:
        image = arrow.grab().toImage()
        colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
        assert len(colours) > 1, "an arrow is drawn"


@pytest.mark.long_except("size1")
@pytest.mark.parametrize("size", [(1024, 700), (960, 600)])
def test_no_page_is_wider_than_the_window_whatever_is_filtered(
    window: MainWindow, size: tuple[int, int], qtbot: QtBot
) -> None:
    window.resize(*size)
    show_two_runs(window, qtbot)
    long = Facet("exit_reason", "a reason that somebody wrote with very many words", frozenset({0}))
    wanted = TradeFilter(words="2024-01", facets=(long,))
    window.workspace.set_filter(wanted)
    for page in window.pages:
        page.show()
        at_rest(window, qtbot)
        right = page.panel.mapTo(window, page.panel.rect().topRight()).x()
        assert right <= window.width(), page.title
    trades = window.page(TradesPage).panel
    typed = trades.text.fontMetrics().horizontalAdvance(trades.text.text())
    assert trades.text.width() >= typed + 40, "what is typed can be read"


@pytest.mark.parametrize("size", [(1024, 700), (960, 600), (900, 520)])
def test_where_a_line_is_short_stop_stays_beside_what_it_stops_and_a_field_beside_its_words(
    window: MainWindow, size: tuple[int, int], qtbot: QtBot
) -> None:
    window.resize(*size)
    paths, walks = window.page(MonteCarloPage).panel, window.page(WalkForwardPage).panel
    window.show_page("Monte Carlo")
    at_rest(window, qtbot)
    assert abs(middle(paths, paths.stop) - middle(paths, paths.make)) <= 2
    window.show_page("Walk-forward")
    at_rest(window, qtbot)
    assert abs(middle(walks, walks.stop) - middle(walks, walks.run)) <= 2
    labels = {label.buddy(): label for label in walks.findChildren(QLabel) if label.buddy() is not None}
    assert labels.keys() >= {walks.train, walks.test, walks.gap, walks.mode}
    for field, label in labels.items():
        assert abs(middle(walks, field) - middle(walks, label)) <= 2, label.text()


def middle(panel: QWidget, part: QWidget) -> int:
    """How far the middle of a part is from the top of its panel, px."""
    return part.mapTo(panel, part.rect().center()).y()


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
def test_enter_on_a_trade_shows_it_in_the_chart(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    window.show_page("Trades")
    table = window.page(TradesPage).panel.table
    table.setFocus()
    table.select_row(2)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert window.centre.tabText(window.centre.currentIndex()) == "Chart"
    assert window.workspace.trade == 2
