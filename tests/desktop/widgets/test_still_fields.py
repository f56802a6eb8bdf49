"""The wheel scrolls: it changes no choice and no number that it passes."""

from dataclasses import replace

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.panel import WideScrollArea
from engine.strategy import Param
from tests.desktop.builders import BANDS, CROSS, described


def turn(widget: QWidget, clicks: int) -> None:
    """Turn the wheel over a widget: who does not take it leaves it to what is around, as Qt does for a hand."""
    at: QWidget | None = widget
    while at is not None:
        here = QPointF(at.rect().center())
        event = QWheelEvent(
            here, QPointF(at.mapToGlobal(here)), QPoint(), QPoint(0, 120 * clicks), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        if QApplication.sendEvent(at, event) and event.isAccepted():
            return
        at = at.parentWidget()


def told(field: QWidget) -> str:
    """What stands in it."""
    if isinstance(field, QComboBox):
        return field.currentText()
    assert isinstance(field, QAbstractSpinBox)
    return field.text()


def test_the_wheel_changes_no_field_of_the_window_and_takes_the_focus_to_none(window: MainWindow) -> None:
    page = window.page(SetupPage)
    page.show_strategies([CROSS, BANDS])
    page.panel.strategies.focus(CROSS.name)
    fields = [field for kind in (QComboBox, QAbstractSpinBox) for field in window.findChildren(kind)]
    assert len(fields) > 30
    assert {"Cash", "Timeframe", "Parameter fast", "Parameter kind"} <= {
        one.accessibleName() for one in fields
    }
    for field in fields:
        name = field.accessibleName()
        before = told(field)
        assert not field.focusPolicy() & Qt.FocusPolicy.WheelFocus & ~Qt.FocusPolicy.StrongFocus, name
        for clicks in (1, -1, -1):
            turn(field, clicks)
            assert told(field) == before, name


def test_scrolling_the_set_up_goes_on_where_a_parameter_comes_under_the_pointer(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(1440, 900)
    panel = window.page(SetupPage).panel
    params = described(**{f"length_{number}": Param(20, low=1, high=500) for number in range(30)})
    panel.strategies.set_infos([replace(BANDS, params=params)])
    panel.strategies.focus(BANDS.name)
    area, form = panel.findChild(WideScrollArea), panel.strategies.form
    assert area is not None
    assert form is not None
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 500)
    for _ in range(3):
        before = area.verticalScrollBar().value()
        turn(form.fields["length_4"], -1)
        assert area.verticalScrollBar().value() > before
    assert form.values() == {}
