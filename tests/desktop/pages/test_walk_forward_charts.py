"""The four pictures of a walk-forward on a made-up one: what a click reaches, and what a pick draws anew."""

from dataclasses import replace

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.cells import grid_of
from desktop.pages.walk_forward.charts import TrainedAndTested
from desktop.pages.walk_forward.page import WalkForwardPage
from engine.model.run import STOPPED
from tests.desktop.builders import walk_of
from tests.desktop.waiting import at_rest

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize", "Walk-forward")


def test_a_click_on_any_chart_reaches_the_window_under_it(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.page(WalkForwardPage).panel
    window.show_page("Walk-forward")
    for chart in panel.charts:
        assert chart.empty.isVisible(), "a blank chart says what comes"
        assert chart.name in chart.empty.text()
    walk = walk_of()
    panel.show_walk(walk)
    at_rest(window, qtbot)
    test = walk.results[2].window.test
    middle = (test.start + test.end) / 2000
    account, params, timeline, scatter = panel.charts
    assert isinstance(scatter, TrainedAndTested)
    places = {
        account: QPointF(middle, 10_000),
        params: QPointF(middle, 0.5),
        timeline: QPointF(middle, 2),
        scatter: QPointF(*scatter.points[2]),
    }
    for chart, place in places.items():
        panel.pick(0)
        point = chart.mapFromScene(chart.plot.vb.mapViewToScene(place))
        reached = chart.childAt(point)
        assert reached is chart.viewport(), chart.name
        qtbot.mouseClick(reached, Qt.MouseButton.LeftButton, pos=point)
        assert panel.picked == 2, chart.name
    panel.show_walk(None)
    assert all(chart.empty.isVisible() for chart in panel.charts)


def test_a_stopped_one_is_gone_on_with_only_while_nothing_is_under_way(window: MainWindow) -> None:
    panel = window.page(WalkForwardPage).panel
    panel.stored.set_stored([replace(walk_of(), status=STOPPED)])
    panel.stored.table.select_row(0)
    assert panel.stored.resume.isEnabled()
    panel.show_plan("", "Running …", can_run=False, idle=False)
    assert not panel.stored.resume.isEnabled()


@pytest.mark.parametrize("width", [1400, 1100])
def test_the_names_of_the_parameters_lie_over_no_line(window: MainWindow, qtbot: QtBot, width: int) -> None:
    panel = window.page(WalkForwardPage).panel
    window.resize(width, 800)
    window.show_page("Walk-forward")
    panel.show_walk(walk_of())
    chart = panel.charts[1]
    legend = chart.plot._legend
    assert legend is not None
    qtbot.waitUntil(lambda: legend.text.boundingRect().width() > 30)
    assert [name in legend.text.toPlainText() for name in ("fast", "slow")] == [True, True]
    text, view = legend.text, chart.plot.vb
    qtbot.waitUntil(
        lambda: text.mapRectToScene(text.boundingRect()).bottom() <= view.sceneBoundingRect().top() + 1
    )
    lines = [item for item in chart._items if isinstance(item, pg.PlotDataItem)]
    assert len({item.opts["pen"].style() for item in lines}) == len(lines) == 2, "told apart without colour"


def test_a_pick_draws_only_the_choice_anew(window: MainWindow) -> None:
    panel = window.page(WalkForwardPage).panel
    panel.show_walk(walk_of(count=200))
    drawn = [list(chart._items) for chart in panel.charts]
    assert all(drawn)
    assert max(map(len, drawn)) < 9, "not one item for each window"
    panel.pick(3)
    assert panel.map.sweep is not None
    marks = [list(chart._marks) for chart in panel.charts]
    assert all(marks)
    panel.map.show_map(grid_of(panel.map.sweep, panel.map.axes()))
    assert "click" not in panel.map.read_out.text(), "a click on its map does nothing"
    panel.pick(150)
    assert panel.picked == 150
    assert [list(chart._items) for chart in panel.charts] == drawn
    assert all(item.scene() is None for items in marks for item in items), "the choice before is gone"
    window.use_theme("light")
    assert all(chart._marks for chart in panel.charts)
