"""The Monte Carlo page: what it says before anything is made, what came out, and a real run on a real engine."""

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.monte_carlo.page import MonteCarloPage
from engine.errors import BacktestError
from engine.events import CancelToken, Progress, ignore_event
from engine.model.market import Period, Timeframe
from engine.model.monte_carlo import METHODS, MonteCarloSpec
from engine.model.run import FAILED, RunResult, RunSpec
from engine.research.monte_carlo import permuted, resampled
from engine.service import Engine
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades", "Monte Carlo")

CANDLES = random_candles(1_500, 3)


def page_of(window: MainWindow, run: RunResult) -> MonteCarloPage:
    page = window.page(MonteCarloPage)
    page.show()
    show(page, run)
    return page


def show(page: MonteCarloPage, *runs: RunResult) -> None:
    """Make the first of some runs the current one; the page follows when it is seen."""
    page.context.workspace.put(runs)
    page.context.workspace.show(runs[0].id)
    page.refresh()


def give(page: MonteCarloPage, run: RunResult, spec: MonteCarloSpec) -> None:
    """The result of a spec as the engine's thread hands it over."""
    if spec.kind.full_runs or spec.method == "positions":
        found = permuted(run, CANDLES, spec, "job", ignore_event, CancelToken())
    else:
        found = resampled(run, spec, "job", ignore_event, CancelToken())
    page.studies.end(run.id, found, None)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_bands_histogram_and_tables_show_what_came_out(window: MainWindow, theme: str):
    run = run_on(CANDLES)
    page = page_of(window, run)
    window.use_theme(theme)
    panel = page.panel
    assert "no paths were made yet" in panel.state.text()
    assert panel.fan.empty.isVisible(), "no axes of nothing"
    assert not panel.fan.ci.isVisible()
    give(page, run, MonteCarloSpec(paths=200))
    assert "200 paths of 63 days" in panel.state.text()
    assert panel.says.text() == f"Says {METHODS['stationary'].says}."
    assert panel.cannot_say.text() == f"Cannot say {METHODS['stationary'].cannot_say}."
    rows = panel.figures.shown()
    assert [name for name, _ in rows][:3] == ["final_equity", "return_pct", "max_drawdown_pct"]
    assert panel.fan.bands is not None
    assert panel.fan.ci.isVisible()
    assert not panel.fan.empty.isVisible()
    assert sum(bar.value for bar in panel.bars.bars) == 200
    assert panel.bars.chosen is not None
    assert all(one.drawdown for one in panel.losses.shown())
    assert "of the paths end with less" in panel.told.text()
    panel.fan._point_at(0)
    assert panel.read_out.text().startswith("2024-01-01: this run 10,000; median 10,000;")


def test_what_a_method_says_stands_above_the_figures_that_it_made(window: MainWindow):
    run = run_on(CANDLES)
    panel = page_of(window, run).panel
    panel.choose("shuffle", 50, 1)
    assert panel.says.text() == f"Says {METHODS['shuffle'].says}."
    give(window.page(MonteCarloPage), run, MonteCarloSpec(paths=50))
    panel.choose("positions", 50, 1)
    for _ in range(2):
        assert panel.says.text() == f"Says {METHODS['stationary'].says}."
        assert panel.cannot_say.text() == f"Cannot say {METHODS['stationary'].cannot_say}."
        panel.choose("noise", 50, 1)
    show(window.page(MonteCarloPage), run_on(CANDLES, "b" * 32))
    assert panel.says.text() == f"Says {METHODS['noise'].says}."


def test_paths_that_lost_less_than_the_table_counts_from_are_not_said_to_have_lost_nothing(
    window: MainWindow,
):
    run = run_on(CANDLES)
    page = page_of(window, run)
    found = resampled(run, MonteCarloSpec(paths=50), "job", ignore_event, CancelToken())
    page.studies.end(
        run.id, replace(found, losses=[replace(one, drawdown=0.0) for one in found.losses]), None
    )
    assert page.panel.loss_table.model().rowCount() == 0
    assert page.panel.loss_table.hint == "No path lost 10 % of a peak."


def test_trades_are_counted_below_and_positions_have_no_bands(window: MainWindow):
    run = run_on(CANDLES)
    page = page_of(window, run)
    give(page, run, MonteCarloSpec(method="shuffle", paths=50))
    assert page.panel.read_out.text().startswith(f"after {len(run.trades)} trades: this run")
    give(page, run, MonteCarloSpec(method="positions", paths=50))
    assert not page.panel.left.isVisible()
    assert not page.panel.loss_table.isVisible()
    assert "p = 0." in page.panel.told.text()
    give(page, run, MonteCarloSpec(paths=50))
    assert page.panel.left.isVisible()


def test_a_run_without_a_course_offers_nothing_and_too_little_says_why(window: MainWindow):
    page = page_of(window, run_on(CANDLES))
    few = run_on(CANDLES.slice(0, 100), "b" * 32)
    show(page, few)
    give(page, few, MonteCarloSpec(method="bootstrap", paths=50))
    assert page.panel.state.text() == "2 trades are too few to resample: at least 20 are needed."
    show(page, run_on(CANDLES, "c" * 32, status=FAILED, equity=None))
    assert "This run failed" in page.panel.state.text()
    assert not page.panel.make.isEnabled()
    assert page.panel.fan.bands is None


def test_the_choice_is_there_at_the_next_start(window: MainWindow):
    page = window.page(MonteCarloPage)
    page.panel.choose("noise", 70, 12)
    again = MonteCarloPage(page.context)
    again.restore(page.context.preferences)
    assert again.panel.spec() == MonteCarloSpec(method="noise", paths=70, seed=12)
    again.panel.deleteLater()


def test_what_becomes_of_one_run_is_not_said_of_another(window: MainWindow):
    page = page_of(window, run_on(CANDLES))
    give(page, run_on(CANDLES), MonteCarloSpec(paths=50))
    other = run_on(CANDLES, "b" * 32)
    show(page, other)
    page.panel.make.click()
    (job,) = window.bridge.jobs.waited_for()
    window.bridge.jobs.take(job.task, Progress("paths", 20, 50, "paths", None, None))
    assert page.panel.state.text() == "20 of 50 paths"
    show(page, run_on(CANDLES))
    window.bridge.jobs.take(job.task, Progress("paths", 30, 50, "paths", None, None))
    assert "50 paths of 63 days" in page.panel.state.text(), "its own figures stand below"
    assert not page.panel.make.isEnabled()
    page.studies.end(other.id, None, BacktestError("the worker was lost"))
    assert "50 paths of 63 days" in page.panel.state.text()
    assert page.panel.make.isEnabled()
    show(page, other)
    assert page.panel.state.text() == "the worker was lost"


def test_the_page_follows_the_current_run_when_it_is_seen_and_is_not_drawn_for_others(
    window: MainWindow, qtbot: QtBot
):
    page = page_of(window, run_on(CANDLES))
    give(page, run_on(CANDLES), MonteCarloSpec(paths=50))
    drawn = list(page.panel.fan._items)
    window.workspace.put_checking("a" * 32, "50%")
    window.workspace.put([run_on(CANDLES, "b" * 32)])
    qtbot.wait(80)
    assert page.panel.fan._items == drawn
    window.workspace.show("b" * 32)
    qtbot.waitUntil(lambda: "no paths were made yet" in page.panel.state.text())


def test_paths_under_way_are_named_when_the_window_closes_and_stopped_with_it(window: MainWindow):
    page = page_of(window, run_on(CANDLES))
    page.panel.make.click()
    (job,) = window.bridge.jobs.waited_for()
    window.close()
    assert "Still 1 job on paths." in window.closing.message.text()
    assert not job.task.token.cancelled
    window.closing.yes.click()
    assert not window.isVisible()
    assert job.task.token.cancelled


@pytest.mark.long
def test_paths_of_a_stored_run_are_made_and_stopped_beside_other_work(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
):
    period = Period.parse("2023-03-01", "2023-04-30")
    (run,) = engine.runs.run([RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), period)])
    page = page_of(live_window, engine.runs.get(run.id))
    page.panel.choose("stationary", 500, 1)
    page.panel.make.click()
    assert not page.panel.make.isEnabled()
    qtbot.waitUntil(lambda: page.panel.result is not None, timeout=60_000)
    assert page.panel.result is not None
    assert page.panel.result.paths == 500
    assert page.panel.make.isEnabled()
    page.panel.choose("blocks", 100_000, 1)
    page.panel.make.click()
    qtbot.waitUntil(lambda: "of 100,000 paths" in page.panel.state.text(), timeout=120_000)
    page.panel.stop.click()
    qtbot.waitUntil(page.panel.make.isEnabled, timeout=60_000)
    assert page.panel.result.paths == 500, "what was made before is still there"
    assert page.panel.result.bands is not None
    np.testing.assert_allclose(page.panel.result.bands.original[0], run.costs.cash)
