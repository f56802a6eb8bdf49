"""A window with analysed runs, for tests of the Analysis page."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import qasync
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.analysis.page import AnalysisPage
from desktop.work.bridge import Bridge
from tests.desktop.conftest import MakeWindow
from tests.desktop.waiting import at_rest
from tests.engine.analysis.runs import made

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def analysed(make_window: MakeWindow, loop: qasync.QEventLoop, qtbot: QtBot) -> Iterator[MainWindow]:
    """A window with two runs, the first of which is analysed; no other page asks its engine anything."""
    window = make_window()
    page = window.page(AnalysisPage)
    page.bridge = Bridge(page.engine, page)
    page.bridge.open()
    window.resize(1440, 1300)
    for run_id, seed, symbol in ((FIRST, 5, "SOLUSDT"), (SECOND, 6, "BTCUSDT")):
        run, candles = made(seed, 3000)
        market = replace(run.market, name=symbol, unified=f"{symbol.removesuffix('USDT')}/USDT:USDT")
        window.workspace.put([replace(run, id=run_id, market=market)])
        window.workspace.put_candles(run_id, candles)
    window.workspace.show(FIRST)
    window.show_page("Analysis")
    settled(window, qtbot)
    yield window
    qtbot.waitUntil(lambda: not page.bridge.busy)


def settled(window: MainWindow, qtbot: QtBot) -> None:
    """Wait until the figures are those of what is asked."""
    page = window.page(AnalysisPage)
    at_rest(window, qtbot)
    assert page.panel.analysis is not None
