"""The map of a sweep: the best of every pair of values as a cell."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.optimize.cells import MOST_CELLS, grid_of
from desktop.pages.optimize.page import OptimizePage
from desktop.pages.setup.page import SetupPage
from engine.model.across import across
from engine.model.sweep_spec import swept_markets
from tests.desktop.builders import sweep_of
from tests.desktop.pages.optimize.conftest import show
from tests.desktop.waiting import at_rest

pytestmark = pytest.mark.pages("Set-up", "Overview", "Optimize")


def cell_point(window: MainWindow, column: int, row: int) -> Any:
    chart = window.page(OptimizePage).panel.results.map.map
    return chart.mapFromScene(chart.plot.vb.mapViewToScene(QPointF(column, row)))


def test_a_click_on_the_map_loads_the_parameters_and_marks_row_and_cell(
    filled: MainWindow, qtbot: QtBot
) -> None:
    filled.resize(1440, 900)
    show(filled, sweep_of())
    at_rest(filled, qtbot)
    results, chart = filled.page(OptimizePage).panel.results, filled.page(OptimizePage).panel.results.map.map
    qtbot.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=cell_point(filled, 3, 5))
    params = dict(filled.page(SetupPage).panel.strategies.params["ema_cross"])
    assert params == {"fast": 25, "slow": 80}
    assert "ema_cross" in filled.page(SetupPage).panel.strategies.chosen()
    (row,) = results.table.selected_rows()
    assert (results.model.row_at(row).param("fast"), results.model.row_at(row).param("slow")) == (25, 80)
    assert chart._mark.isVisible()
    assert chart._mark.rect().center() == QPointF(3, 5)


def test_of_several_markets_the_map_shows_all_or_one_and_the_table_each(filled: MainWindow) -> None:
    one = sweep_of()
    spec = replace(one.spec, **swept_markets(["SOLUSDT", "BTCUSDT"], "worst"))
    lower = {name: column - 1 for name, column in one.metrics.items()}
    markets = [
        replace(one, id="1" * 32, spec=spec.on("SOLUSDT")),
        replace(one, id="2" * 32, spec=spec.on("BTCUSDT"), metrics=lower),
    ]
    whole = across(spec, markets, id="3" * 32)
    show(filled, whole)
    results = filled.page(OptimizePage).panel.results
    view, model = results.map, results.model
    assert [view.market.itemText(at) for at in range(view.market.count())] == ["worst", "SOLUSDT", "BTCUSDT"]
    assert view.map.grid is not None
    assert np.nanmax(view.map.grid.values) == 1
    assert [column.title for column in model.columns][1:4] == ["Sharpe", "SOLUSDT", "BTCUSDT"]
    best = model.row_at(0)
    assert (best.on("SOLUSDT"), best.on("BTCUSDT")) == (2, 1)
    view.market.setCurrentIndex(1)
    assert view.market_of(whole) is markets[0]
    results.show_map(grid_of(markets[0], view.axes()))
    assert np.nanmax(view.map.grid.values) == 2
    show(filled, one)
    assert not view.market.isVisibleTo(view)


def test_of_one_market_too_the_map_shows_and_picks_only_what_is_brushed(filled: MainWindow) -> None:
    one = sweep_of()
    spec = replace(one.spec, **swept_markets(["SOLUSDT", "BTCUSDT"], "worst"))
    late = np.arange(13, len(one))  # those of fast 10 were not made on the first market: positions differ
    fewer = replace(
        one, id="1" * 32, spec=spec.on("SOLUSDT"), numbers=late, done=len(late),
        params={name: column[late] for name, column in one.params.items()},
        metrics={name: column[late] for name, column in one.metrics.items()},
    )  # fmt: skip
    whole = across(spec, [fewer, replace(one, id="2" * 32, spec=spec.on("BTCUSDT"))], id="3" * 32)
    show(filled, whole)
    page = filled.page(OptimizePage)
    view, parallel = page.panel.results.map, page.panel.results.parallel
    view.market.setCurrentIndex(1)
    places = {axis.name: number for number, axis in enumerate(parallel.axes)}
    parallel.item.set_span(places["fast"], (0.3, 1.0))
    made = page._ask_map()
    assert made is not None
    grid = made()
    assert grid.sweep is fewer
    assert sorted(set(grid.sweep.params["fast"][grid.positions[grid.positions >= 0]])) == [
        25,
        30,
        35,
        40,
        45,
        50,
    ]
    wanted = page.panel.results.wanted
    assert wanted is not None
    assert set(fewer.numbers[grid.positions[grid.positions >= 0]]) <= set(whole.numbers[wanted])


@pytest.mark.long
def test_the_value_under_the_mouse_is_said_and_a_cell_without_one_is_a_dash(
    filled: MainWindow, qtbot: QtBot
) -> None:
    filled.resize(1440, 900)
    show(filled, sweep_of())
    at_rest(filled, qtbot)
    view = filled.page(OptimizePage).panel.results.map
    qtbot.mouseMove(view.map.viewport(), cell_point(filled, 2, 6))
    qtbot.waitUntil(lambda: view.read_out.text() == "2.00 at fast 20, slow 90")
    view.map.set_cursor((8, 0))
    assert view.read_out.text() == "– at fast 50, slow 30"
    view.map.set_cursor(None)
    assert "click a cell" in view.read_out.text()


@pytest.mark.long
def test_the_keyboard_walks_over_the_map_and_enter_picks(filled: MainWindow, qtbot: QtBot) -> None:
    show(filled, sweep_of())
    chart = filled.page(OptimizePage).panel.results.map.map
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Left):
        qtbot.keyClick(chart, key)
    assert chart.cursor_cell == (1, 1)
    qtbot.keyClick(chart, Qt.Key.Key_Return)
    assert dict(filled.page(SetupPage).panel.strategies.params["ema_cross"]) == {"fast": 15, "slow": 40}


@pytest.mark.long
def test_a_pair_of_two_of_three_parameters_shows_the_best_over_the_third(filled: MainWindow) -> None:
    sweep = sweep_of({"fast": "10:30:10", "slow": "60:120:30", "kind": "ema,sma"})
    show(filled, sweep)
    view = filled.page(OptimizePage).panel.results.map
    view.upwards.setCurrentText("kind")
    view.upwards.activated.emit(view.upwards.currentIndex())
    show(filled, sweep)
    assert view.map.grid is not None
    np.testing.assert_allclose(view.map.grid.values, [[1.75, 2.0, 1.75]] * 2)
    view.across.setCurrentText("kind")
    view.across.activated.emit(view.across.currentIndex())
    assert view.axes() == ("kind", "fast")


@pytest.mark.long
def test_the_map_of_a_grid_has_its_whole_shape_while_it_fills(filled: MainWindow) -> None:
    show(filled, sweep_of(done=20))
    grid = filled.page(OptimizePage).panel.results.map.map.grid
    assert grid is not None
    assert grid.values.shape == (13, 9)
    assert np.isfinite(grid.values).sum() == 20
    assert list(grid.xs) == list(range(10, 51, 5))


@pytest.mark.long
def test_one_parameter_makes_a_strip_and_less_is_better_where_it_is(filled: MainWindow) -> None:
    show(filled, sweep_of({"fast": "10:50:5"}, objective="volatility_pct"))
    grid = filled.page(OptimizePage).panel.results.map.map.grid
    assert grid is not None
    assert grid.values.shape == (1, 9)
    assert grid.best == (2, 0)
    assert not filled.page(OptimizePage).panel.results.map.upwards.isVisible()


def test_trials_without_any_value_draw_an_empty_map(filled: MainWindow) -> None:
    show(filled, sweep_of({"fast": "40:50:5", "slow": "20:30:5"}))
    grid = filled.page(OptimizePage).panel.results.map.map.grid
    assert grid is not None
    assert np.isnan(grid.values).all()
    assert grid.best is None
    assert "no trial has a value" in filled.page(OptimizePage).panel.results.words.text().replace(
        "\u00a0", " "
    )


@pytest.mark.long
def test_of_very_many_trials_only_the_best_become_rows_and_neighbours_share_a_cell(
    filled: MainWindow,
) -> None:
    sweep = sweep_of({"fast": "1:1000:1", "slow": "1:390:1"})
    show(filled, sweep)
    results, grid = (
        filled.page(OptimizePage).panel.results,
        filled.page(OptimizePage).panel.results.map.map.grid,
    )
    assert results.model.rowCount() == 200
    assert grid is not None
    assert grid.values.shape == (390, MOST_CELLS)
    assert grid.best == grid.cell_of(int(sweep.order[0]))
    assert np.nanmax(grid.values) == np.nanmax(sweep.objective)
    assert grid.best is not None
    assert grid.xs[grid.best[0]] <= 20 < grid.xs[grid.best[0] + 1]
    results.map.map.picked.emit(grid.best)
    assert dict(filled.page(SetupPage).panel.strategies.params["ema_cross"]) == {"fast": 20, "slow": 90}


@pytest.mark.long
def test_one_parameter_of_very_many_values_makes_a_strip(filled: MainWindow) -> None:
    show(filled, sweep_of({"fast": "1:200000:1"}))
    grid = filled.page(OptimizePage).panel.results.map.map.grid
    assert grid is not None
    assert grid.values.shape == (1, MOST_CELLS)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, unique=True), st.data())
def test_every_cell_shows_the_best_of_its_trials(cells: list[tuple[int, int]], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=2 * len(cells), max_size=2 * len(cells))
    )
    whole = sweep_of({"fast": "0:5:1", "slow": "0:5:1", "both": "false,true"})
    rows = [(fast, slow, both) for fast, slow in cells for both in (False, True)]
    columns = {name: np.array([row[at] for row in rows]) for at, name in enumerate(whole.params)}
    sweep = replace(
        whole,
        params=columns,
        numbers=np.arange(len(rows)),
        metrics={"sharpe": np.array(values)},
        done=len(rows),
    )
    grid = grid_of(sweep, ("fast", "slow"))
    assert grid.values.shape == (6, 6)
    for number, (fast, slow) in enumerate(cells):
        pair = values[2 * number : 2 * number + 2]
        known = [value for value in pair if not math.isnan(value)]
        shown = grid.values[slow, fast]
        assert shown == max(known) if known else math.isnan(shown)
        assert bool(grid.pixels[slow, fast, 3]) == bool(known)
    assert (grid.positions >= 0).sum() == len(cells)


@pytest.mark.long
def test_a_cell_picked_on_a_map_of_a_moment_ago_is_the_trial_of_its_number(filled: MainWindow) -> None:
    """Trials that arrive meanwhile move positions, never numbers."""
    early = sweep_of()
    half = np.arange(1, len(early), 2)
    early = replace(
        early, numbers=half, params={name: column[half] for name, column in early.params.items()},
        metrics={name: column[half] for name, column in early.metrics.items()}, done=len(half),
    )  # fmt: skip
    show(filled, early)
    results = filled.page(OptimizePage).panel.results
    results.show_sweep(sweep_of())
    grid = results.map.map.grid
    assert grid is not None
    assert grid.best is not None
    results.map.map.picked.emit(grid.best)
    picked = dict(filled.page(SetupPage).panel.strategies.params["ema_cross"])
    assert picked == {
        name: value for name, value in early.top(1)[0]["params"].items() if name in ("fast", "slow")
    }
