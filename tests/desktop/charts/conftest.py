"""An open chart without a run."""

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.charts.price_chart import PriceChart
from desktop.theme.colours import DARK


@pytest.fixture
def chart(app: QApplication, qtbot: QtBot) -> Iterator[PriceChart]:
    opened = PriceChart()
    opened.apply_theme(DARK)
    opened.resize(1000, 600)
    opened.show()
    qtbot.waitExposed(opened)
    yield opened
    opened.close()
