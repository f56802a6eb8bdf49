"""Lines of widgets of different heights: what does not fit goes on below, and all of a line stand in its middle."""

import pytest
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop.widgets.flow_layout import FlowLayout


def laid_out(widget: QWidget, width: int, *sizes: tuple[int, int]) -> tuple[FlowLayout, list[QRect]]:
    flow = FlowLayout(widget, spacing=4)
    for size in sizes:
        part = QWidget()
        part.setFixedSize(*size)
        flow.addWidget(part)
    flow.setGeometry(QRect(10, 20, width, 500))
    return flow, [item.geometry() for item in (flow.itemAt(at) for at in range(flow.count())) if item]


@pytest.fixture
def widget(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def test_a_low_one_stands_in_the_middle_of_its_line(widget: QWidget) -> None:
    flow, (low, high, below) = laid_out(widget, 100, (30, 10), (60, 30), (50, 20))
    assert (low.topLeft().toTuple(), high.topLeft().toTuple()) == ((10, 30), (44, 20))
    assert below.topLeft().toTuple() == (10, 54)
    assert flow.heightForWidth(100) == 30 + 4 + 20


def test_one_that_fits_exactly_stays_and_none_has_no_height(widget: QWidget) -> None:
    flow, places = laid_out(widget, 94, (30, 10), (60, 10))
    assert [place.y() for place in places] == [20, 20]
    assert flow.heightForWidth(93) == 24
    while flow.count():
        flow.takeAt(0)
    assert flow.heightForWidth(94) == 0


def test_margins_are_kept_on_all_sides(widget: QWidget) -> None:
    flow, _ = laid_out(widget, 100, (30, 10), (60, 10))
    flow.setContentsMargins(6, 3, 5, 2)
    flow.setGeometry(QRect(10, 20, 100, 500))
    places = [item.geometry().topLeft().toTuple() for item in (flow.itemAt(0), flow.itemAt(1)) if item]
    assert places == [(16, 23), (16, 23 + 10 + 4)]
    assert flow.heightForWidth(105) == 3 + 10 + 2
    assert flow.minimumSize().toTuple() == (60 + 11, 10 + 5)
