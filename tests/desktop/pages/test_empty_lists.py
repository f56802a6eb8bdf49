"""What lists say that show no row: that nothing is there yet, that nobody was asked, that a filter hides all."""

from pathlib import Path

import pytest
import qasync
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.data.page import DataPage
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.portfolio.page import PortfolioPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.trades.page import TradesPage
from desktop.widgets.preferences import Preferences
from desktop.widgets.table_view import LISTED_LATER
from desktop.work.bridge import Bridge, Phase
from engine.model.run import FAILED, RunResult
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.builders import run_on
from tests.desktop.conftest import discard
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Metrics", "Log")


def a_run(**other: object) -> RunResult:
    return run_on(random_candles(300), "1" * 32, **other)


@pytest.mark.pages("Set-up", "Overview", "Optimize", "Data", "Portfolio")
def test_no_list_is_called_empty_before_the_database_was_asked(window: MainWindow) -> None:
    data, sweeps = window.page(DataPage).panel, window.page(OptimizePage).panel.results.stored
    played = window.page(PortfolioPage).panel
    for table, what in (
        (data.table, "Series"),
        (sweeps.table, "Sweeps"),
        (played.stored.table, "Portfolios"),
    ):
        assert table.hint == f"{what} are listed as soon as the database is open."
    data.set_held([])
    sweeps.set_stored([])
    assert (data.table.hint[:22], sweeps.table.hint) == ("No candles held yet. F", "No sweep is stored yet.")
    for table in (played.request_table, played.trade_table):
        assert table.hint.startswith("No portfolio yet"), "nothing was asked for yet, nothing was refused"


def test_a_filter_that_hides_every_row_does_not_make_there_be_none(window: MainWindow) -> None:
    run, runs = a_run(), window.page(RunsPage).panel
    window.workspace.put([run])
    runs.flush()
    window.workspace.show(run.id)
    trades = window.page(TradesPage).panel
    for table, field in ((runs.table, runs.search), (trades.table, trades.text)):
        field.setText("nothing like it")
        assert (table.model().rowCount(), table.hint) == (0, "Nothing fits the filter.")
    window.workspace.remove([run.id])
    assert "filter" not in runs.table.hint


def enter(window: MainWindow, phase: Phase) -> tuple[str, str]:
    """What the list of runs and the Overview say where they show none."""
    window.bridge._enter(phase)
    panel = window.page(RunsPage).panel
    assert panel.table.model().rowCount() == 0
    return panel.table.hint, window.page(OverviewPage).panel.empty.text()


@pytest.mark.long
def test_while_the_first_runs_are_made_nobody_is_told_to_begin_them(live_window: MainWindow) -> None:
    for phase, told in ((Phase.RUNNING, "under way"), (Phase.IDLE, "Press F5")):
        assert all(told in said for said in enter(live_window, phase))


@pytest.mark.long
def test_runs_are_not_the_first_where_some_are_stored_though_none_is_compared(
    live_window: MainWindow,
) -> None:
    live_window.workspace.put([a_run(status=FAILED)])  # nothing that is compared by itself
    said = enter(live_window, Phase.RUNNING)
    assert not any("first ones" in words for words in said)
    live_window.bridge._enter(Phase.IDLE)


@pytest.mark.long
def test_a_database_that_cannot_be_reached_does_not_make_there_be_no_runs(
    app: QApplication, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    bridge = Bridge(Engine(Settings(home=tmp_path / "home", database_url=nowhere, workers=1)))
    window = MainWindow(bridge, Preferences(tmp_path / "window.ini"))
    with qtbot.waitSignal(window.context.database_changed, timeout=30_000) as told:
        window.context.open()
    assert told.args[0] is False
    window.page(RunsPage).run([a_run().spec])
    assert bridge.phase is Phase.RUNNING
    assert "under way" not in window.page(OverviewPage).panel.empty.text()
    qtbot.waitUntil(lambda: bridge.phase is Phase.IDLE and not bridge.busy, timeout=30_000)
    assert window.page(RunsPage).panel.table.hint == LISTED_LATER.format("Runs")
    window.stop_and_close()
    bridge.engine.close()
    discard(app, window)
