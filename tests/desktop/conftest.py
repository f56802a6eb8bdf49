"""The real application, windows on real engines, and an event loop, for tests of the desktop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import qasync
from hypothesis import settings
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app import create_application
from desktop.app.window import MainWindow
from desktop.pages.all import PAGES
from desktop.pages.chart.page import ChartPage
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.builders import BANDS, CROSS, run_on
from tests.desktop.waiting import PatientBot
from tests.support.builders import random_candles
from tests.support.database import empty, fresh_database
from tests.support.lent_workers import Lender

FIRST, SECOND = "a" * 32, "b" * 32
MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """The robot of pytest-qt, with patience."""
    return PatientBot(request)


@pytest.fixture
def app(qapp: QApplication) -> QApplication:
    """The application as the program sets it up."""
    return create_application()


@pytest.fixture
def pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows as in the program; in `make test` with those pages alone that a test names, which takes half as long.

    A test that names none, in a file that names some, has all.
    """
    marker = request.node.get_closest_marker("pages")
    if marker and marker.args and settings.get_current_profile_name() == "quick":
        named = tuple(page for page in PAGES if getattr(page, "title", "") in marker.args)
        assert len(named) == len(marker.args), f"pages are named by their titles: {marker.args}"
        monkeypatch.setattr("desktop.app.window.PAGES", named)


@pytest.fixture
def make_window(app: QApplication, qtbot: QtBot, tmp_path: Path, pages: None) -> Iterator[MakeWindow]:
    """Windows whose engine is never asked: no database, no workers are opened."""
    opened: list[MainWindow] = []

    def make(preferences: Preferences | None = None) -> MainWindow:
        engine = Engine(Settings(home=tmp_path / "home", workers=1))
        kept = preferences or Preferences(tmp_path / "window.ini")
        kept.save("theme", "dark")  # before there is a window: to draw it anew takes a tenth of making it
        window = MainWindow(Bridge(engine), kept)
        opened.append(window)
        with qtbot.waitExposed(window):
            window.show()
        return window

    yield make
    for window in opened:
        window.stop_and_close()
        discard(app, window)


def discard(app: QApplication, window: MainWindow) -> None:
    """Delete a window now; otherwise every later change of style would reach all windows of all tests."""
    window.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(make_window: MakeWindow) -> MainWindow:
    """A window at its first start."""
    return make_window()


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes homes; the bundled strategies are described with the environment."""
    return lambda: tmp_path_factory.mktemp("desktop-home")


@pytest.fixture(scope="module")
def engine(embedded_url: str, described: Callable[[], Path], lender: Lender) -> Iterator[Engine]:
    """An engine with real workers, a real database and the bundled market, shared by the tests of a file."""
    with contextmanager(fresh_database)(embedded_url) as url, lender.lending():
        settings = Settings(database_url=url, home=described(), workers=2)
        with Engine(settings) as opened:
            yield opened


@pytest.fixture(scope="session")
def session_loop(qapp: QApplication) -> Iterator[qasync.QEventLoop]:
    """One loop for all tests: qasync does not deliver to a second one that is declared running on the same application."""
    made = qasync.QEventLoop(qapp, already_running=True)
    asyncio.events._set_running_loop(None)
    yield made
    made.stop()
    made.close()


@pytest.fixture
def loop(app: QApplication, session_loop: qasync.QEventLoop) -> Iterator[qasync.QEventLoop]:
    """asyncio on Qt's loop, running whenever a test waits."""
    asyncio.events._set_running_loop(session_loop)
    yield session_loop
    asyncio.events._set_running_loop(None)


@pytest.fixture
def live_window(
    app: QApplication, engine: Engine, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path, pages: None
) -> Iterator[MainWindow]:
    """A window at its first start, with nothing stored, that has asked the engine for everything it shows first."""
    assert engine.settings.database_url is not None
    empty(engine.settings.database_url)
    bridge = Bridge(engine)
    window = MainWindow(bridge, Preferences(tmp_path / "window.ini"), workers=2)
    window.show()
    window.context.open()
    qtbot.waitUntil(
        lambda: not bridge.busy and bool(window.page(SetupPage).panel.strategies.infos), timeout=180_000
    )
    yield window
    window.stop_and_close()
    qtbot.waitUntil(lambda: not bridge.busy, timeout=20_000)
    discard(app, window)


def fill(window: MainWindow) -> None:
    """Open the Optimize tab on two made-up strategies."""
    window.page(SetupPage).show_strategies([CROSS, BANDS])
    window.page(OptimizePage).show_objectives(window.bridge.engine.research.objectives())
    window.show_page("Optimize")


@pytest.fixture
def filled(window: MainWindow) -> MainWindow:
    """A window whose Optimize tab is open and has strategies."""
    fill(window)
    return window


def show_two_runs(window: MainWindow, qtbot: QtBot) -> None:
    candles = random_candles(3000)
    window.workspace.put(
        [run_on(candles, FIRST), run_on(candles, SECOND, strategy="macd_trend", symbol="BTCUSDT")]
    )
    for run_id in (FIRST, SECOND):
        window.workspace.put_candles(run_id, candles)
        window.workspace.check(run_id, on=True)
    window.workspace.show(FIRST)
    qtbot.waitUntil(
        lambda: (
            len(window.page(OverviewPage).panel.chart.curves) == 4
            and window.page(ChartPage).panel.chart.run is not None
        )
    )
    window.page(RunsPage).panel.flush()
