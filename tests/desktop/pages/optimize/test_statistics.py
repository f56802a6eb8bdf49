"""The Statistics tab of the Optimize page on figures made up here."""

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.optimize.results import ResultsView
from desktop.theme.colours import DARK, LIGHT
from engine.errors import BacktestError
from engine.model.sweep_statistics import SweepStatistics
from tests.desktop.builders import sweep_of
from tests.desktop.pages.optimize.conftest import show

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize")


def some_statistics() -> SweepStatistics:
    rng = np.random.default_rng(0)
    chosen = rng.normal(0.1, 0.02, 70)
    return SweepStatistics(
        compared=117, blocks=8, pbo=0.25, prob_oos_loss=0.1, slope=-0.5, intercept=0.1, logits=rng.normal(0.5, 1, 70),
        chosen=chosen, achieved=0.1 - 0.5 * chosen, spa=(0.1, 0.2, 0.3), grid_median=0.4, grid_positive=0.75,
        notes=("63 days are few",),
    )  # fmt: skip


def results_of(window: MainWindow) -> ResultsView:
    return window.page(OptimizePage).panel.results


def test_sentences_and_pictures_of_the_shown_sweep(filled: MainWindow) -> None:
    sweep = sweep_of()
    show(filled, sweep)
    results = results_of(filled)
    results.show_statistics((sweep, some_statistics()))
    view = results.statistics
    lines = view.words.text().splitlines()
    assert lines[0].startswith("•  overfitting (PBO): in 25% of 70 ways to halve the days")
    assert lines[1:] == [
        '•  p of "no trial is better than nothing" (SPA): 0.200 (0.100 to 0.300)',
        "•  median of all trials 0.40; 75% are above 0",
        "•  63 days are few",
    ]
    assert view.charts.isVisibleTo(view)
    for theme in (DARK, LIGHT):
        filled.page(OptimizePage).panel.apply_theme(theme)
    x, y = view.degradation._line.getData()
    assert y == pytest.approx((0.1 * np.sqrt(365)) - 0.5 * x)
    bars = [*view.logits._bad.opts["height"], *view.logits._good.opts["height"]]
    assert sum(bars) == 70


def test_those_of_another_sweep_come_too_late(filled: MainWindow) -> None:
    show(filled, sweep_of())
    results = results_of(filled)
    results.show_statistics((sweep_of(), some_statistics()))
    assert results.statistics.shown is None
    assert not results.statistics.charts.isVisibleTo(results.statistics)


def test_where_none_come_nobody_is_left_waiting(filled: MainWindow) -> None:
    show(filled, sweep_of())
    results = results_of(filled)
    assert "Comparing" in results.statistics.words.text()
    results.statistics.fail(BacktestError("the database is gone"))
    assert results.statistics.words.text() == "The trials could not be compared: the database is gone"
    results.show_sweep(sweep_of(done=0))
    assert "Comparing" not in results.statistics.words.text()


def test_nobody_computes_them_before_somebody_looks(filled: MainWindow, qtbot: QtBot) -> None:
    show(filled, sweep_of())
    results = results_of(filled)
    assert results.statistics_wanted() is None
    results.tabs.blockSignals(True)
    results.tabs.setCurrentWidget(results.statistics)
    assert results.statistics_wanted() is results.sweep
    results.set_running(on=True)
    assert results.statistics_wanted() is None
