"""The Data page on a real engine and the fake exchange, and what a user does there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import qasync
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.data.page import DataPage
from desktop.pages.data.panel import DataPanel
from desktop.tables.holdings import SeriesKey
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.model.market import HOUR_MS, Candles, Period, Timeframe
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.conftest import discard
from tests.support.fake_exchange import FakeExchange, grid_candles

HOURS: SeriesKey = ("binanceusdm", "SOLUSDT", "1h")
DAYS: SeriesKey = ("binanceusdm", "SOLUSDT", "1d")
YEAR = Period.parse("2024-01-01", "2024-12-31")


@pytest.fixture
def desk(
    app: QApplication,
    fake_exchange: FakeExchange,
    database_url: str,
    loop: qasync.QEventLoop,
    qtbot: QtBot,
    tmp_path: Path,
    described: Callable[[], Path],
    lent_workers: None,
    pages: None,
) -> Iterator[MainWindow]:
    """A window whose exchange is the fake one; hours and days of SOLUSDT are listed, January is held."""
    del loop, lent_workers, pages
    fake_exchange.clock_ms = YEAR.end + HOUR_MS
    for timeframe in ("1h", "1d"):
        fake_exchange.add("SOL", timeframe, grid_candles(timeframe, YEAR), listed_ms=YEAR.start)
    settings = Settings(
        database_url=database_url, home=described(), workers=1, futures_url=fake_exchange.url
    )  # fmt: skip
    with Engine(settings) as engine:
        for timeframe in ("1h", "1d"):
            engine.candles.fetch("SOLUSDT", Timeframe(timeframe), Period.parse("2024-01-01", "2024-01-31"))
        bridge, preferences = Bridge(engine), Preferences(tmp_path / "window.ini")
        preferences.save("theme", "dark")
        window = MainWindow(bridge, preferences)
        window.show()
        window.show_page("Data")
        window.context.open()
        qtbot.waitUntil(
            lambda: not bridge.busy and window.page(DataPage).panel.model.rowCount() == 2, timeout=60_000
        )
        yield window
        window.close()
        qtbot.waitUntil(lambda: not bridge.busy, timeout=20_000)
        discard(app, window)


def choose(panel: DataPanel, *keys: SeriesKey) -> None:
    panel.table.clearSelection()
    selection = panel.table.selectionModel()
    for key in keys:
        row = panel.model.row_of(key)
        assert row is not None
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        selection.select(panel.model.index(row, 0), flags)


def state(window: MainWindow, key: SeriesKey) -> str:
    row = window.page(DataPage).panel.model.row_of(key)
    return "" if row is None else window.page(DataPage).panel.model.row_at(row).state().text


def wait(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.page(DataPage).jobs.running and not window.bridge.busy, timeout=30_000)


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drop files on the window; whether it took them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    point, buttons, keys = QPoint(5, 5), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(point, Qt.DropAction.CopyAction, data, buttons, keys)
    entered.ignore()
    QApplication.sendEvent(window, entered)
    dropped = QDropEvent(point.toPointF(), Qt.DropAction.CopyAction, data, buttons, keys)
    dropped.ignore()
    QApplication.sendEvent(window, dropped)
    return entered.isAccepted() and dropped.isAccepted()


def dialogs(app: QApplication) -> list[str]:
    return [type(w).__name__ for w in app.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]


def write_csv(path: Path, candles: Candles, header: str = "timestamp,open,high,low,close,volume") -> Path:
    rows = zip(candles.timestamp.tolist(), *(c.tolist() for c in candles.columns().values()), strict=True)
    path.write_text("\n".join([header, *(",".join(map(repr, row)) for row in rows)]) + "\n")
    return path
