"""The period of the real window, typed, pasted, stepped and picked."""

import pytest
from PySide6.QtCore import QDate, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.period_form import PeriodForm
from desktop.widgets.date_field import DateField
from engine.model.market import DAY_MS, SAMPLE_NOW_MS, parse_time

pytestmark = pytest.mark.pages("Set-up", "Overview")

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def period(window: MainWindow) -> PeriodForm:
    """The form of a period a year later than what is typed."""
    form = window.page(SetupPage).panel.period
    form.set_values("1h", parse_time("2025-03-01"), parse_time("2025-05-01"))
    return form


def type_over(qtbot: QtBot, field: DateField, text: str) -> None:
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_A, CONTROL)
    qtbot.keyClicks(field, text)


def test_the_briefs_period_typed_as_it_is_written_is_4368_candles(
    window: MainWindow, period: PeriodForm, qtbot: QtBot
) -> None:
    type_over(qtbot, period.start, "2024-01-01")
    type_over(qtbot, period.end, "2024-06-30")
    assert period.bounds() == (parse_time("2024-01-01"), parse_time("2024-06-30", is_end=True))
    assert "= 4,368 candles" in period.echo.text()
    qtbot.keyClick(period.end, Qt.Key.Key_Return)
    assert (period.start.text(), period.end.text()) == ("2024-01-01", "2024-06-30")
    assert window.page(SetupPage).panel.setup().period.end == parse_time("2024-07-01")


def test_a_click_into_the_year_and_typing_changes_the_year(period: PeriodForm, qtbot: QtBot) -> None:
    field = period.start
    text = field.fontMetrics().horizontalAdvance("2025")
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton, pos=QPoint(text + 8, field.height() // 2))
    assert field.cursorPosition() == 4
    qtbot.keyClick(field, Qt.Key.Key_Backspace)
    qtbot.keyClicks(field, "4")
    assert period.bounds()[0] == parse_time("2024-03-01")


def test_words_and_pasted_times_are_understood_and_written_out(period: PeriodForm, qtbot: QtBot) -> None:
    type_over(qtbot, period.start, "-6M")
    qtbot.keyClick(period.start, Qt.Key.Key_Tab)
    QGuiApplication.clipboard().setText(" 2024-12-30T12:00:00Z\n")
    type_over(qtbot, period.end, "")
    qtbot.keyClick(period.end, Qt.Key.Key_V, CONTROL)
    qtbot.keyClick(period.end, Qt.Key.Key_Return)
    today = SAMPLE_NOW_MS - SAMPLE_NOW_MS % DAY_MS
    assert period.bounds()[0] == parse_time("2024-07-01") <= today
    assert (period.start.text(), period.end.text()) == ("2024-07-01", "2024-12-30 12:00")


def test_what_is_no_date_is_never_run_and_says_so_without_moving_anything(
    window: MainWindow, period: PeriodForm, qtbot: QtBot
) -> None:
    panel = window.page(SetupPage).panel
    panel.market.model.set_chosen(["SAMPLEUSDT"])
    places = [panel.run.geometry(), panel.coverage.geometry(), panel.geometry()]
    type_over(qtbot, period.end, "2024-06-3x")
    assert not panel.run.isEnabled()
    assert "To: '2024-06-3x' is no date" in panel.reason.text()
    assert period.end.property("bad")
    qtbot.keyClick(period.end, Qt.Key.Key_Tab)
    assert period.end.text() == "2024-06-3x"
    assert [panel.run.geometry(), panel.coverage.geometry(), panel.geometry()] == places
    qtbot.keyClick(period.end, Qt.Key.Key_Escape)
    assert (period.end.text(), period.end.property("bad")) == ("2025-04-30", False)
    assert period.problem() == ""


def test_days_are_stepped_and_picked_from_a_calendar(period: PeriodForm, qtbot: QtBot) -> None:
    field = period.end
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Up)
    assert field.text() == "2025-05-01"
    qtbot.keyClick(field, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    popup = field.popup
    assert popup is not None
    assert popup.month.selectedDate() == QDate(2025, 5, 1)
    qtbot.keyClick(popup.month, Qt.Key.Key_Right)
    popup.month.activated.emit(QDate(2025, 5, 2))
    assert (field.text(), field.moment) == ("2025-05-02", parse_time("2025-05-03"))
    assert not popup.isVisible()
