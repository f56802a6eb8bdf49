"""Every part of the window can be reached and named without seeing it."""

import re
from collections import Counter
from contextlib import suppress

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QCalendarWidget,
    QComboBox,
    QHeaderView,
    QLabel,
    QMenu,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.widgets.actions import MENUS
from desktop.widgets.table_view import TableView
from tests.desktop.conftest import fill, show_two_runs


def test_no_shortcut_is_taken_twice_and_every_action_explains_itself(window: MainWindow) -> None:
    actions = window.actions_.all()
    keys = Counter(key.toString() for action in actions for key in action.shortcuts())
    assert [key for key, times in keys.items() if times > 1] == []
    assert {"F5", "Esc", "Ctrl+L", "Ctrl+F", "Ctrl+E", "Ctrl+1", "N", "P", "F1", "Ctrl+,", "Ctrl+J"} <= set(
        keys
    )
    assert [action.text() for action in actions if not action.text() or not action.toolTip()] == []
    of_widgets = [
        action for action in window.findChildren(QAction) if action.shortcuts() and action not in actions
    ]
    assert len(of_widgets) > 10
    for (
        action
    ) in of_widgets:  # counted where the focus is; a key of the whole window there would be ambiguous
        assert action.text()
        assert action.toolTip()
        assert not {key.toString() for key in action.shortcuts()} & set(keys), action.text()
    for owner in {owner for action in of_widgets for owner in action.associatedObjects()}:
        assert isinstance(owner, QWidget)
        own = Counter(key.toString() for action in owner.actions() for key in action.shortcuts())
        assert [key for key, times in own.items() if times > 1] == []


def is_popup_of_combo_box(widget: QWidget) -> bool:
    """Whether it is the list that Qt makes for a combo box."""
    frame = widget.parentWidget()
    return frame is not None and isinstance(frame.parentWidget(), QComboBox)


def test_every_widget_that_takes_the_focus_has_an_accessible_name(window: MainWindow, qtbot: QtBot) -> None:
    show_two_runs(window, qtbot)
    fill(window)
    for name in ("settings", "shortcuts", "glossary", "about", "licences"):
        window.actions_[name].trigger()
    nameless = [
        f"{type(widget).__name__} {widget.objectName()} in {type(widget.parent()).__name__}"
        for widget in window.findChildren(QWidget)
        if widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not widget.objectName().startswith("qt_")
        and not is_popup_of_combo_box(widget)
        and not is_inside(widget)
        and not (isinstance(widget, QLabel) and not widget.text())  # nothing to be read yet
        and not QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)
    ]
    assert nameless == []


def is_inside(widget: QWidget) -> bool:
    """Whether it is a part that Qt makes of a widget: the line of a spin box, the viewport of a table."""
    around = widget.parentWidget()
    inner = QAbstractSpinBox | QAbstractScrollArea | QComboBox | QHeaderView | QTabBar | QCalendarWidget
    return isinstance(around, inner) or (
        around is not None and is_inside(around) and not around.accessibleName()
    )


def test_no_field_and_no_button_takes_the_letter_of_a_menu_nor_that_of_its_neighbours(
    window: MainWindow,
) -> None:
    """Alt and a letter that two have would open neither."""
    menus = {QKeySequence.mnemonic(action.text()).toString() for action in window.menuBar().actions()}
    lettered: list[QLabel | QAbstractButton] = [
        *window.findChildren(QLabel),
        *window.findChildren(QAbstractButton),
    ]
    setup = window.page(SetupPage).panel
    assert len(menus) == len(MENUS)
    for page in window.pages:
        panels = {setup, page.panel}
        inside = [one for one in lettered if any(panel.isAncestorOf(one) for panel in panels)]
        letters = Counter(QKeySequence.mnemonic(one.text()).toString() for one in inside)
        assert [
            letter for letter, times in letters.items() if letter and (times > 1 or letter in menus)
        ] == [], page.title


def test_times_are_copied_and_exported_as_times(window: MainWindow) -> None:
    at, found = 1_677_628_800_000, list[str]()
    for table in window.findChildren(TableView):
        for column in table.table.columns:
            with suppress(TypeError, ValueError, AttributeError, LookupError):  # no column of numbers
                if re.match(r"2023-0\d-\d\d", column.text(at)):
                    assert column.export(at) == "2023-03-01T00:00:00Z", (table.accessibleName(), column.key)
                    found.append(column.key)
    assert len(found) > 15


def test_no_two_entries_of_a_menu_have_the_same_letter(window: MainWindow) -> None:
    menus = [action.menu() for action in window.menuBar().actions()]
    letters = [
        (menu.title(), found.group(1).lower())
        for menu in menus
        if isinstance(menu, QMenu)
        for entry in menu.actions()
        if (found := re.search("&([^&])", entry.text()))
    ]
    assert len(letters) > 20
    assert [letter for letter, count in Counter(letters).items() if count > 1] == []
