"""The Costs view of the Analysis page: a map of the current run under other costs, made by the engine when asked."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.analysis.costs_view import NOTHING_YET, CostsView
from desktop.pages.analysis.page import AnalysisPage
from engine.errors import BacktestError
from engine.events import Progress
from engine.model.cost_surface import FIGURES, CostCell, CostSurface
from engine.model.market import Period, Timeframe
from engine.model.run import RunResult, RunSpec
from engine.service import Engine
from tests.desktop.pages.analysis.conftest import FIRST, SECOND, settled
from tests.engine.analysis.runs import made


def surface_of(run: RunResult) -> CostSurface:
    """A run whose return falls by 3 % a basis point, from 12 % on; the dearest pair failed."""
    axis = (0.0, 0.0002, 0.0004)
    rows = [
        [
            CostCell(
                fee, slip, dict.fromkeys(FIGURES) | {"return_pct": 12 - (fee + slip) * 3e4}, slip < 0.0004
            )
            for slip in axis
        ]
        for fee in axis
    ]
    rows[2][2] = CostCell(0.0004, 0.0004, dict.fromkeys(FIGURES), None, "the account is flat")
    return CostSurface(run.id, axis, axis, (0.0, 0.0002), rows, (0.0004, 0.0002, None))


def test_costs_are_a_map_of_the_current_run_and_of_no_other(analysed: MainWindow, qtbot: QtBot) -> None:
    page = analysed.page(AnalysisPage)
    view = page.panel.view(CostsView)
    page.panel.show_tab("Costs")
    settled(analysed, qtbot)
    qtbot.waitUntil(lambda: view.run is not None)
    assert (view.map.isVisible(), view.state.text(), view.note.text()) == (False, NOTHING_YET, "")
    assert page._costs is not None
    run = analysed.workspace.current_run()
    assert run is not None
    page._costs.surfaces.end(run.id, surface_of(run), None)
    grid = view.map.grid
    assert grid is not None
    assert grid.values[0].tolist() == [12.0, 6.0, 0.0]
    assert np.isnan(grid.values[2, 2])
    assert view.read_out.text().endswith(
        "At a commission of 0 bps its profit first ends at a slippage of 4.00."
    )
    xs, ys = view.map._line.getData()
    np.testing.assert_array_equal(xs, [2.0, 1.0, np.nan])
    assert ys.tolist() == [0, 1, 2]
    area = view.map.viewport()
    for x in (4, area.width() // 2, area.width() - 6):  # left axis, map, colour bar
        at = QPoint(x, 100)
        wheel = QWheelEvent(
            QPointF(at), QPointF(area.mapToGlobal(at)), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(area, wheel)
        assert not wheel.isAccepted(), "the page scrolls"
    view.map.set_cursor((2, 0))
    assert view.read_out.text().startswith("Return % 0.00 at commission 0 and slippage 4 bps · other trades")
    view.map.set_cursor((2, 2))
    assert view.read_out.text().endswith("the account is flat")
    view.figure.setCurrentIndex(FIGURES.index("sharpe"))
    assert view.map.grid is not None
    assert np.isnan(view.map.grid.values).all()
    assert "at 2 of 9 pairs other trades" in view.note.text()
    assert "1 of 9 pairs failed" in view.note.text()
    analysed.workspace.show(SECOND)
    settled(analysed, qtbot)
    qtbot.waitUntil(lambda: view.state.text() == NOTHING_YET)
    analysed.workspace.show(FIRST)
    settled(analysed, qtbot)
    qtbot.waitUntil(view.map.isVisible)
    assert view.state.isHidden()
    page._costs.surfaces.end(run.id, replace(surface_of(run), own=(0.0, None)), None)
    assert not view.map._mark.isVisible(), "the frame was that of other own costs"


def test_a_row_that_only_loses_is_told_from_one_whose_profit_never_ends(app: QApplication) -> None:
    view, surface = CostsView(), surface_of(made(5, 100)[0])
    view.show_surface(surface)
    assert "Line: where a profit first ends" in view.note.text()
    view.show_surface(replace(surface, own=(0.0004, 0.0002)))
    assert view.read_out.text().endswith("At a commission of 4 bps no slippage tried leaves a profit.")
    view.show_surface(replace(surface, break_even=(None, None, None)))
    assert view.read_out.text().endswith(
        "At a commission of 0 bps no slippage tried is where its profit ends."
    )
    assert "Line" not in view.note.text()
    view.deleteLater()


def test_costs_under_way_are_told_of_their_run_and_stopped(analysed: MainWindow, qtbot: QtBot) -> None:
    page = analysed.page(AnalysisPage)
    page.bridge = analysed.bridge  # which begins nothing
    view = page.panel.view(CostsView)
    page.panel.show_tab("Costs")
    qtbot.waitUntil(lambda: view.run is not None)
    view.make.click()
    (job,) = page.bridge.jobs.waited_for()
    assert page.bridge.under_way() == "1 job on costs"
    assert (view.make.isEnabled(), view.stop.isEnabled()) == (False, True)
    page.bridge.jobs.take(job.task, Progress("costs", 18, 81, "runs", None, None))
    assert view.state.text() == "18 of 81 pairs of costs tried"
    first, view.run = analysed.workspace.runs[FIRST], analysed.workspace.runs[SECOND]
    view.run_shown.emit(view.run)
    assert view.state.text() == NOTHING_YET
    assert "random on SOLUSDT 1h" in view.stop.toolTip()
    assert "random on SOLUSDT 1h" in view.make.toolTip()
    view.run = first
    view.stop.click()
    assert job.task.token.cancelled
    assert page._costs is not None
    page._costs.surfaces.end(FIRST, None, BacktestError("the worker was lost"))
    assert (view.state.text(), view.make.isEnabled()) == ("the worker was lost", True)
    page._costs.surfaces.end(FIRST, surface_of(first), None)
    page._costs.surfaces.end(FIRST, None, BacktestError("the worker was lost again"))
    assert view.state.text() == "the worker was lost again"
    assert view.map.isVisible(), "what was made before is kept, and shown"


@pytest.mark.long
def test_costs_of_a_stored_run_are_tried_by_the_engine(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    period = Period.parse("2023-03-01", "2023-04-30")
    (run,) = engine.runs.run([RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), period)])
    live_window.workspace.put([engine.runs.get(run.id)])
    live_window.workspace.show(run.id)
    live_window.show_page("Analysis")
    page = live_window.page(AnalysisPage)
    page.panel.show_tab("Costs")
    view = page.panel.view(CostsView)
    qtbot.waitUntil(lambda: view.run is not None, timeout=30_000)
    view.make.click()
    qtbot.waitUntil(lambda: view.surface is not None, timeout=60_000)
    assert view.surface is not None
    own = view.surface.rows[view.surface.commissions.index(run.costs.commission)][0]
    assert own.figures["final_equity"] == run.metrics["final_equity"]
    assert view.map.isVisible()
