"""What the set-up says and offers while the exchange or the strategy files take their time, or do not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import qasync
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.database.store import Store
from engine.model.market import HOUR_MS, Market, Period, Timeframe
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.conftest import discard
from tests.support.builders import START_MS, random_candles
from tests.support.database import fresh_database

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")

NOWHERE = "http://127.0.0.1:9"  # a port that refuses


@pytest.fixture
def cut_off(
    app: QApplication,
    embedded_url: str,
    loop: qasync.QEventLoop,
    qtbot: QtBot,
    tmp_path: Path,
    lent_workers: None,
) -> Iterator[MainWindow]:
    """A window whose exchanges do not answer, with candles of one symbol of one of them."""
    del loop, lent_workers
    candles = random_candles(48)
    first = int(candles.timestamp[0])
    with contextmanager(fresh_database)(embedded_url) as url:
        store = Store(url)
        market = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
        store.candles.add_page(market, Timeframe("1h"), candles, [Period(first, first + 48 * HOUR_MS)])
        store.close()
        settings = Settings(
            database_url=url, home=tmp_path / "home", workers=1, spot_url=NOWHERE, futures_url=NOWHERE
        )
        with Engine(settings) as engine:
            bridge = Bridge(engine)
            window = MainWindow(bridge, Preferences(tmp_path / "window.ini"))
            window.show()
            window.context.open()
            yield window
            window.close()
            qtbot.waitUntil(lambda: not bridge.busy, timeout=60_000)
            discard(app, window)


@pytest.mark.long
def test_an_exchange_that_cannot_be_reached_says_so_offers_what_is_held_and_a_retry(
    cut_off: MainWindow, qtbot: QtBot
) -> None:
    form = cut_off.page(SetupPage).panel.market
    form.set_choice("binance", ("SAMPLEUSDT",))  # checked on another exchange
    assert form.note.text() == "Loading symbols …"
    form.set_choice("binanceusdm", ())
    qtbot.waitUntil(lambda: form.retry.isVisible(), timeout=120_000)
    assert "Loading" not in form.note.text()
    assert "1 symbol with candles held can be used without it" in form.note.text()
    assert [market.name for market, _ in form.model.markets] == ["SOLUSDT"]
    form.model.set_chosen(["SOLUSDT"])
    assert form.symbols() == ("SOLUSDT",)
    form.retry.click()
    assert not form.retry.isVisible()
    qtbot.waitUntil(lambda: form.retry.isVisible(), timeout=120_000)
    panel = cut_off.page(SetupPage).panel
    told: list[bool] = []
    panel.period.set_values("1h", START_MS, START_MS + 48 * HOUR_MS)
    qtbot.waitUntil(lambda: panel.load().held == 1, timeout=120_000)
    panel.coverage_wanted.connect(lambda: told.append(panel.load().held is None))
    form.set_choice("binance", ("SOLUSDT",))
    qtbot.waitUntil(lambda: bool(told), timeout=120_000)
    assert told[0], "what is held of the other exchange is not said of this one"
    assert panel.coverage.answers == []
    qtbot.waitUntil(lambda: form.retry.isVisible(), timeout=120_000)
    assert "the sample market works without a network" in form.note.text()
    form.set_choice("sample", ())
    qtbot.waitUntil(lambda: form.symbols() == ("SAMPLEUSDT",), timeout=30_000)
    assert not form.retry.isVisible()


def test_a_late_answer_of_another_exchange_changes_nothing(window: MainWindow) -> None:
    form = window.page(SetupPage).panel.market
    form.set_choice("binance", ())
    form.set_loading("binance")
    form.set_unreachable("bybit", "no network")
    form.set_held("bybit", [Market("bybit", "A", "A")])
    assert not form.retry.isVisibleTo(form)
    assert form.model.markets == []
    assert form.note.text() == "Loading symbols …"


def test_reading_the_strategy_files_is_said_while_it_lasts_and_what_came_of_it(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    page = live_window.page(SetupPage)
    form = page.panel.strategies
    assert not form.loading.isVisible()
    form.reload.click()
    assert form.loading.isVisible()
    assert not form.reload.isEnabled()
    qtbot.waitUntil(lambda: not form.loading.isVisible(), timeout=60_000)
    assert form.reload.isEnabled()
    assert live_window.status.words.text() == f"{len(form.infos)} strategies read"
