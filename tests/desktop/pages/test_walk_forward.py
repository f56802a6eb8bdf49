"""The Walk-forward page on the real engine: begun from the plan, its windows seen and picked, stored ones opened again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.walk_forward.page import WalkForwardPage
from desktop.pages.walk_forward.panel import WalkForwardPanel
from engine.model.market import parse_time
from engine.model.run import FINISHED
from tests.desktop.pages.optimize.test_live_sweeps import plan_sweep
from tests.desktop.pages.optimize.test_live_sweeps import user_strategies as user_strategies

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Runs", "Trades", "Walk-forward")


def asked(window: MainWindow, train: str, test: str) -> WalkForwardPanel:
    plan_sweep(window, "ema_cross", fast=(5, 20, 5), slow=(30, 60, 10))
    window.page(SetupPage).panel.period.set_values("1h", parse_time("2024-06-01"), parse_time("2024-11-01"))
    panel = window.page(WalkForwardPage).panel
    panel.train.setText(train)
    panel.test.setText(test)
    return panel


@pytest.mark.long
def test_windows_are_walked_shown_picked_opened_again_and_exported(
    live_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window, page = live_window, live_window.page(WalkForwardPage)
    window.resize(1440, 900)
    panel = asked(window, "60d", "30d")
    qtbot.waitUntil(lambda: "in 4 windows" in panel.plan.text() and panel.run.isEnabled(), timeout=10_000)
    with qtbot.waitSignal(page.walk_done, timeout=120_000):
        window.actions_["walk_forward"].trigger()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    walk = panel.walk
    assert walk is not None, panel.problem.text()
    assert (walk.status, len(walk.results)) == (FINISHED, 4)
    assert window.centre.currentWidget() is panel
    assert panel.model.rowCount() == 4
    assert "cut by the period's end" in panel.caution.text()

    # a click on a window's row of the timeline picks it: the heat map is that of its training
    timeline = panel.charts[2]
    view = timeline.plot.vb
    middle = view.viewRect().center().x()
    point = timeline.mapFromScene(view.mapViewToScene(QPoint(round(middle), 3)))
    qtbot.mouseClick(timeline.viewport(), Qt.MouseButton.LeftButton, pos=point)
    qtbot.waitUntil(lambda: panel.picked == 1, timeout=5_000)
    qtbot.waitUntil(lambda: panel.map.map.grid is not None, timeout=10_000)
    grid = panel.map.map.grid
    assert grid is not None
    assert grid.sweep.period == walk.results[1].window.train
    assert grid.values.shape == (4, 4)
    qtbot.keyClick(timeline, Qt.Key.Key_Right)
    assert panel.picked == 2

    # its training as a run of its own, and the stitched one
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        panel.window_run.click()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    run = window.workspace.current_run()
    assert run is not None
    assert (run.period, dict(run.params)) == (walk.results[2].window.train, dict(walk.results[2].params))
    panel.stitched.click()
    assert walk.run is not None
    assert window.workspace.current == walk.run.id

    qtbot.waitUntil(lambda: bool(panel.stored.model.rows), timeout=10_000)
    panel.show_walk(None)
    assert panel.table.hint.startswith("No walk-forward yet")
    panel.show_walk(replace(walk, results=[], columns={"hold": walk.columns["fast"]}))
    assert panel.table.hint == "No window of this walk-forward has a result."
    keys = {column.key for column in panel.model.columns}
    assert ("param.hold" in keys, "param.fast" in keys) == (True, False)
    panel.show_walk(None)
    panel.stored.table.select_row(0)
    panel.stored.open.click()
    qtbot.waitUntil(lambda: panel.walk is not None, timeout=10_000)
    assert panel.walk is not None
    assert (panel.walk.id, panel.walk.results) == (walk.id, walk.results)
    assert panel.walk.run is not None
    assert panel.walk.run.trades == walk.run.trades

    # the whole of it as files
    folder = tmp_path / "walk"
    folder.mkdir()
    page.export(walk.id, folder)
    qtbot.waitUntil(lambda: "Written:" in window.status.words.text(), timeout=10_000)
    told, trials = sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert json.loads(told.read_text())["id"] == walk.id
    assert len(trials.read_text().splitlines()) > len(walk.columns["fast"])


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [("900d", "30d", "a walk-forward needs two"), ("60d", "soon", "Test must be a length such as 180d")],
)
def test_what_cannot_be_walked_is_said_beside_the_fields(
    live_window: MainWindow, qtbot: QtBot, train: str, test: str, words: str
) -> None:
    panel = asked(live_window, train, test)
    qtbot.waitUntil(lambda: words in panel.problem.text(), timeout=10_000)
    assert not panel.run.isEnabled()
