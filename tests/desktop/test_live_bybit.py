"""The window on Bybit: the real window, engine, workers and PostgreSQL; the exchange is the fake one on this machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.chart.page import ChartPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from engine.model.market import Period, parse_time
from engine.model.run import FINISHED
from engine.service import Engine
from engine.settings import Settings
from tests.support.database import fresh_database
from tests.support.fake_bybit import LINEAR, FakeBybit
from tests.support.fake_exchange import grid_candles, without

LISTED = Period.parse("2023-10-01", "2024-03-31")
HOLE = Period.parse("2024-02-10T03:00", "2024-02-10T06:00")


@pytest.fixture
def engine(
    fake_bybit: FakeBybit, embedded_url: str, described: Callable[[], Path], lent_workers: None
) -> Iterator[Engine]:
    candles = without(grid_candles("1h", LISTED), HOLE)
    fake_bybit.add("SOL", "1h", candles, path=LINEAR, listed_ms=LISTED.start)
    with (
        contextmanager(fresh_database)(embedded_url) as url,
        Engine(Settings(database_url=url, home=described(), workers=2, bybit_url=fake_bybit.url)) as opened,
    ):
        yield opened


@pytest.mark.long
def test_a_perpetual_of_bybit_is_listed_fetched_run_and_drawn_with_its_hole(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window, setup = live_window, live_window.page(SetupPage).panel
    setup.market.exchange.setCurrentIndex(setup.market.exchange.findData("bybitlinear"))
    qtbot.waitUntil(lambda: setup.market.model.rowCount() == 1, timeout=20_000)
    assert setup.market.model.market(0).unified == "SOL/USDT:USDT"
    offered = [setup.period.timeframe.itemText(row) for row in range(setup.period.timeframe.count())]
    assert "8h" not in offered
    setup.market.set_choice("bybitlinear", ("SOLUSDT",))
    setup.strategies.set_choice(("ema_cross",), {})
    setup.period.set_values("1h", parse_time("2024-02-01"), parse_time("2024-03-01"))
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        window.page(SetupPage).run()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=90_000)
    run = window.workspace.current_run()
    assert run is not None
    assert (run.status, run.market.exchange, run.market.unified) == (FINISHED, "bybitlinear", "SOL/USDT:USDT")
    assert run.checks["data"]["missing_candles"] == 3
    qtbot.waitUntil(lambda: len(window.page(ChartPage).panel.chart.candles) == 29 * 24 - 3, timeout=20_000)
    qtbot.waitUntil(lambda: "693 of 696 held" in setup.coverage.toolTip(), timeout=20_000)
