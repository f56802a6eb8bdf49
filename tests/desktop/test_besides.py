"""The windows beside the main one: settings, every key, every metric, licences; and the newest runs in the File menu."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import qasync
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QAction, QDesktopServices, QKeySequence
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.app.about import About, Licences
from desktop.app.reference import Reference, shortcuts
from desktop.app.settings import SettingsWindow
from desktop.app.window import MainWindow
from desktop.pages.keyed import KEYED
from desktop.pages.setup.market_list import MarketTable
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.model.metric_definitions import DEFINITIONS
from engine.service import Engine
from engine.settings import read_settings
from tests.desktop.builders import run_on
from tests.desktop.conftest import discard
from tests.support.builders import START_MS, random_candles


class _Opener(QObject):
    """In the place of the desktop's file manager."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[QUrl] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.urls.append(url)


def opened(window: MainWindow, name: str, kind: type[QWidget]) -> QWidget:
    window.actions_[name].trigger()
    (found,) = window.findChildren(kind)
    assert found.isVisible()
    return found


def test_whatever_answers_keys_by_itself_says_so_in_help() -> None:
    """All classes of the desktop; what only closes itself by Esc says nothing."""
    closing = {"SourceWindow", "NameRow"}
    kinds = [*QWidget.__subclasses__()]
    for kind in kinds:
        kinds += [one for one in kind.__subclasses__() if one not in kinds]
    keyed = {
        kind for kind in kinds if kind.__module__.startswith("desktop.") and "keyPressEvent" in vars(kind)
    }
    assert {kind for kind in keyed if kind.__name__ not in closing} == {*KEYED}


def test_keys_of_a_heading_that_actions_have_too_stand_beside_theirs(window: MainWindow) -> None:
    heading, own = MarketTable.KEYS
    field = QWidget(window, accessibleName=heading)
    field.addAction("Look again", QKeySequence("Ctrl+Alt+9"), lambda: None)
    told = shortcuts(window)[heading]
    assert (told[0][1], [*told[1:]]) == ("Look again", [*own])


def test_help_tells_every_key_from_the_actions_themselves_every_metric_and_where_things_lie(
    window: MainWindow, qtbot: QtBot
) -> None:
    keys = opened(window, "shortcuts", Reference)
    assert isinstance(keys, Reference)
    told = keys.text.toPlainText()
    owned = [
        (action, action.associatedObjects()) for action in window.findChildren(QAction) if action.shortcuts()
    ]
    actions = [action for action, owners in owned if owners and owners[0].window() is window]  # type: ignore[attr-defined]
    assert len(actions) > 30
    for action in actions:
        for key in action.shortcuts():
            assert key.toString(QKeySequence.SequenceFormat.NativeText) in told
        assert action.text().replace("&", "").removesuffix("…").strip() in told
    for keyed in KEYED:
        for row in keyed.KEYS[1]:
            assert all(words in told for words in row)
    for words in ("Ctrl+P", "Pin, or not", "Stored sweeps", "F1"):
        assert words in told
    keys.filter.setText("undo ctrl")
    assert "Ctrl+Z" in keys.text.toPlainText()
    assert "F5" not in keys.text.toPlainText()
    window.actions_["shortcuts"].trigger()
    assert len(window.findChildren(Reference)) == 1, "there once"
    keys.close()
    qtbot.waitUntil(lambda: not window.findChildren(Reference))

    metrics = opened(window, "glossary", Reference)
    assert isinstance(metrics, Reference)
    told = " ".join(metrics.text.toPlainText().split())
    for name, one in DEFINITIONS.items():
        assert name in told
        assert " ".join(one.definition.split()) in told
    metrics.close()

    about = opened(window, "about", About)
    assert isinstance(about, About)
    assert version("backtest-desktop") in about.words.text()
    assert str(window.bridge.engine.settings.log_file) in about.words.text()
    about.close()

    folder = window.bridge.engine.settings.log_file.parent
    window.actions_["log_folder"].trigger()
    assert str(folder) in window.banner.message.text(), "nothing here can open it"
    assert folder.is_dir()
    opener = _Opener()
    QDesktopServices.setUrlHandler("file", opener, "open")  # type: ignore[arg-type] # what it really takes
    try:
        window.actions_["log_folder"].trigger()
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert str(folder) in window.status.words.text(), "where nothing comes up it can be gone to"
    assert [Path(url.toLocalFile()) for url in opener.urls] == [folder]


@pytest.mark.long
def test_recent_runs_are_the_newest_that_are_done_and_a_chosen_one_is_shown(window: MainWindow) -> None:
    candles = random_candles(300)
    window.recent.aboutToShow.emit()
    assert [action.isEnabled() for action in window.recent.actions()] == [False]
    runs = [
        run_on(candles, f"{number:032x}", symbol=f"S{number}USDT", created_ms=START_MS + number)
        for number in range(12)
    ]
    window.workspace.put([*runs, run_on(candles, "f" * 32, status="failed", created_ms=START_MS + 99)])
    window.recent.aboutToShow.emit()
    words = [action.text() for action in window.recent.actions()]
    assert words == [f"ema_cross on S{number}USDT 1h · +12.50 %" for number in range(11, 1, -1)]
    window.show_page("Chart")
    window.recent.actions()[3].trigger()
    assert window.workspace.current == runs[8].id
    assert window.centre.tabText(window.centre.currentIndex()) == "Overview"


@pytest.fixture
def set_up(
    app: QApplication, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MainWindow]:
    """A window that asks its engine, whose settings come from a home of its own, the environment and `.env`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BACKTEST_RUN_MEMORY_MB=2048\n")
    monkeypatch.setenv("BACKTEST_HOME", str(tmp_path / "home"))
    bridge = Bridge(Engine(read_settings()))
    window = MainWindow(bridge, Preferences(tmp_path / "window.ini"))
    window.show()
    bridge.open()
    yield window
    window.stop_and_close()
    qtbot.waitUntil(lambda: not bridge.busy, timeout=30_000)
    bridge.engine.close()
    discard(app, window)


@pytest.mark.long
def test_settings_say_what_is_in_force_and_why_and_keep_what_is_typed_for_the_next_start(
    set_up: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window = set_up
    shown = opened(window, "settings", SettingsWindow)
    assert isinstance(shown, SettingsWindow)
    rows = shown.rows
    qtbot.waitUntil(lambda: rows["BACKTEST_WORKERS"].seen is not None)
    assert shown.database.text() == "In use: embedded."
    assert "the environment as BACKTEST_HOME" in rows["BACKTEST_HOME"].source.text()
    memory = rows["BACKTEST_RUN_MEMORY_MB"]
    assert (memory.field.text(), memory.field.isReadOnly()) == ("2048", True)
    assert "set in .env" in memory.source.text()
    workers = rows["BACKTEST_WORKERS"]
    assert "the default" in workers.source.text()
    assert not shown.save.isEnabled()

    workers.field.setText("0")
    assert "whole number from 1 to 256" in workers.source.text()
    assert workers.field.property("bad")
    assert not shown.save.isEnabled()
    workers.field.setText("7")
    rows["BACKTEST_CROSSCHECK"].field.setText("off")
    shown.save.click()
    qtbot.waitUntil(lambda: "chosen here" in workers.source.text())
    assert "From the next start: 7" in workers.source.text()
    assert "next start" in shown.said.text()
    assert not shown.save.isEnabled()
    assert (read_settings().workers, read_settings().crosscheck) == (7, 0)

    workers.field.clear()
    shown.save.click()
    qtbot.waitUntil(lambda: "the default" in workers.source.text())
    assert (tmp_path / "home" / "settings.env").read_text() == "BACKTEST_CROSSCHECK=off\n"

    combo = shown.looks["theme"]
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    assert (window.theme.name, window.preferences.read("theme")) == ("light", "light")
    shown.database_page.click()
    assert window.results.page() == "Database"


@pytest.mark.long
def test_the_licences_of_everything_inside_are_told(set_up: MainWindow, qtbot: QtBot) -> None:
    licences = opened(set_up, "licences", Licences)
    assert isinstance(licences, Licences)
    qtbot.waitUntil(lambda: "---- backtesting: " in licences.text.toPlainText(), timeout=20_000)
    assert "\nnumpy " in licences.text.toPlainText()
