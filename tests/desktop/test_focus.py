"""Keys go where the user looks: Tab follows the eye, and work that begins throws nobody out of his place."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from desktop.app.window import _FRAMED_MS, MainWindow
from desktop.pages.database.page import DatabasePage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.panel import WideScrollArea
from desktop.widgets.screens import fit_to_screen, fitted
from desktop.widgets.undo import Undo
from desktop.work.bridge import Phase
from tests.desktop.builders import BANDS, CROSS, run_on
from tests.desktop.conftest import MakeWindow
from tests.support.builders import random_candles


def chain(window: MainWindow, first: QWidget) -> Iterator[QWidget]:
    """What Tab reaches from `first` on, once around."""
    at = first
    while True:
        if at.focusPolicy() & Qt.FocusPolicy.TabFocus and at.isVisibleTo(window) and at.isEnabled():
            yield at
        following = at.nextInFocusChain()
        if following is None or following is first:
            return
        at = following


def test_tab_goes_through_the_set_up_from_top_to_bottom_and_then_to_the_right(window: MainWindow) -> None:
    window.resize(1440, 900)
    page = window.page(SetupPage)
    page.show_strategies([CROSS, BANDS])
    page.panel.strategies.focus("bands")
    page.panel.strategies.focus("ema_cross")
    QApplication.processEvents()
    met = list(chain(window, page.panel.sections[0].header))
    beside = [widget for widget in met if page.panel.isAncestorOf(widget)]
    assert met[: len(beside)] == beside
    content = page.panel.sections[0].parentWidget()
    assert content is not None
    inside = [widget for widget in beside if content.isAncestorOf(widget)]
    tops = [widget.mapTo(content, QPoint()).y() + widget.height() // 2 for widget in inside]
    assert all(later >= sooner - 8 for sooner, later in pairwise(tops)), tops
    names = [widget.accessibleName() for widget in met]
    places = [names.index(name) for name in ("Strategies", "Parameter fast", "Parameter slow", "Cash", "Run", "Views",
                                              "Results", "Filter runs", "Runs")]  # fmt: skip
    assert places == sorted(places)
    assert len(names) == len(set(map(id, met)))


@pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades")
@pytest.mark.parametrize("button", ["run", "fetch"])
def test_the_focus_stays_when_its_button_is_disabled_and_no_field_is_typed_into(
    window: MainWindow, qtbot: QtBot, button: str
) -> None:
    panel = window.page(SetupPage).panel
    window.page(SetupPage).show_strategies([CROSS])
    panel.market.model.set_chosen(["SAMPLEUSDT"])
    panel.strategies.set_choice(("ema_cross",), {})
    candles = random_candles(300)
    window.workspace.put([run_on(candles)])
    window.workspace.show("a" * 32)
    pressed = getattr(panel, button)
    pressed.setFocus()
    window.bridge._enter(Phase.RUNNING)
    assert not pressed.isEnabled()
    qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_N)
    assert window.workspace.trade == 0
    assert [field.text() for field in window.findChildren(QLineEdit) if field.text().lower() == "n"] == []
    window.bridge._enter(Phase.IDLE)
    qtbot.waitUntil(lambda: window.focusWidget() is pressed, timeout=2000)


def test_another_page_of_results_takes_the_focus_to_its_rows_and_never_into_a_filter(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.workspace.put([run_on(random_candles(300))])
    window.workspace.show("a" * 32)
    window.page(RunsPage).panel.table.setFocus()
    tabs = window.results.tabs
    for title in ("Database", "Trades", "Metrics", "Data", "Log", "Runs"):
        number = next(at for at in range(tabs.count()) if tabs.tabText(at).startswith(title))
        qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=tabs.tabRect(number).center())
        assert not isinstance(window.focusWidget(), QLineEdit), title
        if title == "Database":  # it has no rows
            assert window.focusWidget() is tabs
            window.page(DatabasePage).panel.test.setFocus()
    assert window.focusWidget() is window.page(RunsPage).panel.table
    qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_N)
    assert window.workspace.trade == 0
    assert window.page(RunsPage).panel.search.text() == ""


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_a_focus_that_was_moved_meanwhile_stays_where_it_is(window: MainWindow, qtbot: QtBot) -> None:
    panel, table = window.page(SetupPage).panel, window.page(RunsPage).panel.table
    window.page(SetupPage).show_strategies([CROSS])
    panel.market.model.set_chosen(["SAMPLEUSDT"])
    panel.strategies.set_choice(("ema_cross",), {})
    panel.run.setFocus()
    window.bridge._enter(Phase.RUNNING)
    table.setFocus()
    window.bridge._enter(Phase.IDLE)
    qtbot.wait(20)
    assert window.focusWidget() is table


class Greedy(QLineEdit):
    """Takes every key for itself, as fields on X11 take Ctrl+U and Ctrl+E."""

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_the_windows_keys_are_the_windows_in_a_field_too(window: MainWindow, qtbot: QtBot) -> None:
    field = Greedy("typed", window.centre)
    field.show()
    field.setFocus()
    done: list[str] = []
    for name, key in (("source", Qt.Key.Key_U), ("filter", Qt.Key.Key_F)):
        window.actions_[name].triggered.connect(lambda _=False, name=name: done.append(name))
        field.setFocus()
        qtbot.keyClick(field, key, Qt.KeyboardModifier.ControlModifier)
    assert done == ["source", "filter"]
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert field.selectedText() == "typed"


@pytest.mark.pages("Set-up", "Overview")
def test_ctrl_z_in_a_field_undoes_what_is_newer(window: MainWindow, qtbot: QtBot) -> None:
    panel, taken = window.page(SetupPage).panel, list[str]()
    fields = (panel.market.search, panel.strategies.presets.box, panel.costs.cash)
    offer = window.context.undo_offered.emit
    for field in fields:
        field.setFocus()
        typed = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
        assert typed is not None
        typed.setText("")
        offer(Undo("nothing typed", lambda: taken.append("nothing typed")))
        undo(qtbot, field)
        qtbot.keyClicks(field, "12")
        offer(Undo("typed before", lambda: taken.append("typed before")))
        undo(qtbot, field)
        assert typed.text() == "12"
        offer(Undo("typed after", lambda: taken.append("typed after")))
        qtbot.keyClicks(field, "3")
        undo(qtbot, field)
        assert typed.text() != "123"
        assert taken == ["nothing typed", "typed before"], type(field)
        window.undo.undo()
        taken.clear()


def undo(qtbot: QtBot, widget: QWidget) -> None:
    qtbot.keyClick(widget, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)


def test_a_window_fits_itself_into_the_screen(make_window: MakeWindow, app: QApplication) -> None:
    room = QRect(100, 30, 1024, 670)
    assert fitted(QRect(0, 0, 1440, 900), room, QSize(900, 520)) == room
    assert fitted(QRect(900, 500, 950, 600), room, QSize(900, 520)) == QRect(174, 100, 950, 600)
    assert fitted(QRect(-50, -50, 100, 100), room, QSize(900, 520)) == QRect(100, 30, 900, 520)
    window = make_window()
    screen = app.primaryScreen().availableGeometry()
    assert window.height() <= screen.height()
    window.resize(3000, 2000)
    fit_to_screen(window)
    assert window.height() <= screen.height()
    assert window.page(SetupPage).panel.run.mapTo(window, QPoint(0, 20)).y() < window.height()


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_a_size_that_was_given_after_it_was_shown_stays(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1300, 850)
    qtbot.wait(_FRAMED_MS + 100)
    assert window.size() == QSize(1300, 850)


@pytest.mark.parametrize("keys", ["Ctrl+L", "Alt+O"])
def test_a_key_that_goes_to_a_field_of_the_set_up_brings_it_into_view(
    window: MainWindow, qtbot: QtBot, keys: str
) -> None:
    window.resize(1024, 600)
    page = window.page(SetupPage)
    page.show_strategies([CROSS, BANDS])
    area = page.panel.findChild(WideScrollArea)
    assert area is not None
    field = page.panel.market.search if keys == "Ctrl+L" else page.panel.period.start
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 0)
    window.resize(1024, 500)
    area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
    qtbot.waitUntil(lambda: field.visibleRegion().isEmpty())
    QTest.keySequence(window, QKeySequence(keys))
    assert QApplication.focusWidget() is field
    qtbot.waitUntil(lambda: not field.visibleRegion().isEmpty())
