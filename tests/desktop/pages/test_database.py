"""The Database page on a real window: what is in use, a trial, a choice for the next start, a container that is gone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import qasync
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.database.page import DatabasePage
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.model.database_choice import ADDRESS, CONTAINER, EMBEDDED, START_CONTAINER
from engine.service import Engine
from engine.settings import Settings, read_settings
from tests.desktop.conftest import discard
from tests.support.password_server import free_port

Open = Callable[..., MainWindow]


@pytest.fixture
def open_on(
    app: QApplication,
    loop: qasync.QEventLoop,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lent_workers: None,
):
    """Opens a window on a database; the page is not yet looked at."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    opened = []

    def open_window(url: str | None) -> MainWindow:
        engine = Engine(Settings(database_url=url, home=tmp_path / "home", workers=1))
        window = MainWindow(Bridge(engine), Preferences(tmp_path / "window.ini"))
        opened.append((engine, window))
        window.show()
        window.bridge.open()
        return window

    yield open_window
    for engine, window in opened:
        window.close()
        settle(qtbot, window)
        discard(app, window)
        engine.close()


def settle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)


def test_an_address_is_tried_and_chosen_and_its_password_never_shown(
    open_on: Open, qtbot: QtBot, database_url: str, tmp_path: Path
) -> None:
    window = open_on(database_url)
    page = window.page(DatabasePage)
    panel = page.panel
    page.show()
    settle(qtbot, window)
    assert panel.kinds[EMBEDDED].isChecked(), "what the next start uses: nothing is chosen"
    assert panel.now.text().startswith("In use: address, postgresql://")
    panel.kinds[ADDRESS].click()
    panel.address.setText(database_url.replace("postgres@", "postgres:s%40cret@"))
    panel.address.editingFinished.emit()
    assert "cret" not in panel.address.text()
    assert panel.password.text() == "s@cret"
    assert panel.password.echoMode() is QLineEdit.EchoMode.Password
    panel.test.click()
    assert not panel.test.isEnabled()
    settle(qtbot, window)
    assert "with the tables of this program" in panel.seen.text()
    panel.choose.click()
    settle(qtbot, window)
    assert "From the next start" not in panel.now.text(), "it is the one in use"
    assert "cret" not in panel.now.text()
    assert panel.password.text() == ""
    chosen = read_settings(home=tmp_path / "home").database_url
    assert chosen is not None
    assert "s%40cret@" in chosen


def test_a_window_whose_container_is_gone_opens_on_the_command_that_starts_it(
    open_on: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"POSTGRES_PORT={port}\n")
    url = f"postgresql://backtest:word@127.0.0.1:{port}/backtest_db"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "database.env").write_text(f"DATABASE_URL={url}\n")
    window = open_on(url)
    window.context.open()
    panel = window.page(DatabasePage).panel
    qtbot.waitUntil(lambda: panel.command.text() == START_CONTAINER, timeout=20_000)
    settle(qtbot, window)
    assert window.results.page() == "Database"
    assert panel.kinds[CONTAINER].isChecked()
    assert panel.address.isReadOnly()
    assert "container is not running" in panel.advice.text()
    panel.copy.click()
    assert QGuiApplication.clipboard().text() == START_CONTAINER


@pytest.mark.long
def test_where_the_env_file_names_a_database_nothing_can_be_chosen_and_the_page_says_why(
    open_on: Open, qtbot: QtBot, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}\n")
    window = open_on(database_url)
    page = window.page(DatabasePage)
    page.show()
    settle(qtbot, window)
    assert not page.panel.choose.isEnabled()
    assert "set in .env and wins" in page.panel.now.text()


@pytest.mark.long
def test_what_the_user_fills_in_stays_when_an_answer_comes_late(
    open_on: Open, qtbot: QtBot, database_url: str
) -> None:
    window = open_on(database_url)
    page = window.page(DatabasePage)
    page.show()
    page.panel.kinds[CONTAINER].click()  # before the first answer
    settle(qtbot, window)
    assert page.panel.kinds[CONTAINER].isChecked()
    assert page.panel.address.text().endswith("/backtest_db")
