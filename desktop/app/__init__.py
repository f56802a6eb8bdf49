"""Composition root of the desktop program: application, engine, event loop, window."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Final

import qasync
from PySide6.QtCore import QLocale, QTimer
from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication

from desktop.app.window import TITLE, MainWindow
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.errors import InputError
from engine.service import Engine

log = logging.getLogger(__name__)
PREFERENCES_FILE: Final = "window.ini"


def main(argv: Sequence[str] = ()) -> int:
    """Open the window; returns the exit code."""
    create_application(argv)
    with Engine() as engine:
        return open_window(engine)


def create_application(argv: Sequence[str] = ()) -> QApplication:
    """The one QApplication, with a style that looks the same everywhere and a font where the machine has none."""
    found = QApplication.instance()
    app = found if isinstance(found, QApplication) else QApplication([TITLE, *argv])
    app.setApplicationName(TITLE)
    sys.setswitchinterval(0.001)  # the engine's threads give the window its turn five times as often
    if app.style().objectName() != "fusion":  # setting it again would style every widget again
        app.setStyle("Fusion")
    if QLocale().language() == QLocale.Language.C:
        QLocale.setDefault(QLocale(QLocale.Language.English))
    if not QFontDatabase.families():
        for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
            QFontDatabase.addApplicationFontFromData(
                resources.files("desktop.theme").joinpath("fonts", name).read_bytes()
            )
        app.setFont(QFont("DejaVu Sans", 9))
    # else GTK gives another one, of fixed width, when the system turns dark and light again
    app.setFont(app.font())
    return app


def open_window(engine: Engine) -> int:
    """Show the window on an engine and serve it until it is closed."""
    app = create_application()
    loop = qasync.QEventLoop(app)
    bridge = Bridge(engine)
    window = MainWindow(
        bridge, Preferences(engine.settings.home / PREFERENCES_FILE), workers=engine.settings.workers
    )
    app.setQuitOnLastWindowClosed(True)
    with _reporting_to(window), loop:
        window.show()
        QTimer.singleShot(0, window.context.open)
        loop.run_forever()
        bridge.stop()
        loop.run_until_complete(asyncio.wait_for(bridge.settle(), timeout=10))
    return 0


@contextmanager
def _reporting_to(window: MainWindow) -> Iterator[None]:
    """Exceptions that nobody caught go to the banner and the log, not to a console that nobody reads."""
    before = sys.excepthook

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.stop_and_close()  # Ctrl-C where it was started is not asked about
            return
        log.error("unexpected error", exc_info=(kind, error, trace))
        text = "".join(traceback.format_exception(kind, error, trace))
        window.report("error", f"unexpected {kind.__name__}: {error}", text)

    sys.excepthook = report
    try:
        yield
    finally:
        sys.excepthook = before


def render_window(
    engine: Engine,
    run_ids: Sequence[str],
    path: Path,
    *,
    theme: str = "dark",
    size: tuple[int, int] = (1600, 1000),
) -> None:
    """Write a picture of the window that shows stored runs. Needs no screen: works with QT_QPA_PLATFORM=offscreen."""
    app = create_application()
    loop = qasync.QEventLoop(app)
    bridge = Bridge(engine)
    preferences = Preferences(engine.settings.cache_folder / "render.ini")
    window = MainWindow(bridge, preferences, workers=engine.settings.workers)
    with loop:
        window.use_theme(theme)
        window.show()
        window.resize(*size)  # whatever the screen is
        loop.run_until_complete(_show_runs(window, bridge, list(run_ids)))
        if not window.grab().save(str(path)):
            raise InputError(f"cannot write {path}")
        window.close()
        loop.run_until_complete(bridge.settle())


async def _show_runs(window: MainWindow, bridge: Bridge, run_ids: list[str]) -> None:
    window.context.open()
    await bridge.settle()
    workspace = window.workspace
    workspace.clear_checks()
    for run_id in run_ids:
        workspace.check(run_id, on=True)
    workspace.show(run_ids[0] if run_ids else None)
    await bridge.settle()
    await asyncio.sleep(0.6)  # the timers that gather changes, and the question of what is held
    await bridge.settle()
