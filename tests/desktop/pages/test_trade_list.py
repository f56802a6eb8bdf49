"""The Trade list page: what differs from another program's trades, filtered by kind, each shown in the chart; both drawn."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.charts.items.their_trades import LEGEND
from desktop.charts.price_chart import PriceChart
from desktop.pages.chart.page import ChartPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.trade_list.page import TradeListPage
from desktop.pages.trade_list.panel import HINT
from desktop.pages.trades.page import TradesPage
from engine.model.market import HOUR_MS, Period, Timeframe
from engine.model.run import FAILED, RunResult, RunSpec
from engine.model.trade_comparison import TradeListComparison
from engine.service import Engine
from engine.trade_lists.comparing import compare_trades
from engine.trade_lists.reading import read_trade_list
from tests.desktop.builders import run_on
from tests.engine.trade_lists.samples import as_tradingview
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Chart", "Runs", "Trades", "Trade list")

CANDLES = random_candles(800, 4)


def changed(run: RunResult) -> TradeListComparison:
    """Theirs: the first is a candle late, the second is missing, the third costs a fee, one is of their own."""
    first, _, third, *rest = run.trades
    late = replace(first, entry_time=first.entry_time + HOUR_MS, entry_price=first.entry_price + 1)
    dear = replace(third, commission=3.0, pnl=third.pnl - 3)
    own = replace(first, entry_time=first.entry_time - 8 * HOUR_MS, exit_time=first.entry_time - 7 * HOUR_MS)
    return compare_trades(run, read_trade_list(as_tradingview([own, late, dear, *rest]), "theirs.csv"))


def shown(chart: PriceChart) -> list[int]:
    """Places of their trades that are drawn."""
    return [] if chart.theirs.item is None else chart.theirs.item.visible()


@pytest.fixture
def run() -> RunResult:
    return run_on(CANDLES)


@pytest.fixture
def page(window: MainWindow, run: RunResult) -> TradeListPage:
    window.workspace.put([run])
    window.workspace.show(run.id)
    window.workspace.put_candles(run.id, CANDLES)
    window.results.show_page("Trade list")
    return window.page(TradeListPage)


def answer(page: TradeListPage, run: RunResult, found: TradeListComparison | str) -> None:
    """What the engine's thread hands over when a file was chosen."""
    page._files[run.id] = Path("theirs.csv"), "UTC"
    page._show_answer(run.id, found)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_differences_are_listed_counted_and_filtered_by_kind(
    window: MainWindow, page: TradeListPage, run: RunResult, theme: str
):
    panel = page.panel
    assert panel.table.hint == HINT
    assert not panel.kind.isVisible()
    window.use_theme(theme)
    answer(page, run, changed(run))
    kinds = [row.one.kind for row in panel.model.shown()]
    assert sorted(kinds) == sorted(("entry_later", "their_profit", "missing", "fee", "extra"))
    choices = [panel.kind.itemText(at) for at in range(panel.kind.count())]
    assert choices[0] == "All differences (5)"
    assert any(text.startswith("Fee (1), +3.00") for text in choices)
    panel.kind.setCurrentIndex(panel.kind.findData("missing"))
    assert [row.one.kind for row in panel.model.shown()] == ["missing"]
    assert "theirs.csv, TradingView: " in panel.words.text()
    assert "names no symbol" in panel.notes.text()


def test_a_click_shows_our_trade_in_the_chart_and_theirs_where_it_is_alone(
    window: MainWindow, page: TradeListPage, run: RunResult, qtbot: QtBot
):
    answer(page, run, changed(run))
    panel, chart = page.panel, window.page(ChartPage).panel.chart
    window.show_page("Chart")
    qtbot.waitUntil(lambda: chart.theirs.item is not None)
    rows = {row.one.kind: at for at, row in enumerate(panel.model.shown())}
    looked_at: list[tuple[int, int]] = []
    page.context.range_wanted.connect(lambda start, end: looked_at.append((start, end)))
    panel.table.select_row(rows["fee"])
    assert window.workspace.trade == 2
    assert chart.theirs.item is not None
    assert chart.theirs.item.selected == window.workspace.their_trade == 2
    panel.table.select_row(rows["extra"])
    ((start, end),) = looked_at
    assert start < changed(run).theirs[0].entry_time < end
    window.show_page("Overview")
    index = panel.model.index(rows["missing"], 0)
    qtbot.mouseClick(
        panel.table.viewport(), Qt.MouseButton.LeftButton, pos=panel.table.visualRect(index).center()
    )
    assert window.centre.tabText(window.centre.currentIndex()) == "Chart"
    assert window.workspace.trade == 1


def test_both_are_drawn_with_a_legend_until_the_list_is_closed(
    window: MainWindow, page: TradeListPage, run: RunResult, qtbot: QtBot
):
    chart = window.page(ChartPage).panel.chart
    window.show_page("Chart")
    qtbot.waitUntil(lambda: chart.trades is not None)
    assert not shown(chart)
    answer(page, run, changed(run))
    qtbot.waitUntil(lambda: bool(shown(chart)))
    assert LEGEND in chart.price.title.toPlainText()
    chart.show_all()
    assert len(shown(chart)) == len(run.trades)
    page.panel.close_list.click()
    qtbot.waitUntil(lambda: not shown(chart))
    assert LEGEND not in chart.price.title.toPlainText()
    assert page.panel.table.hint == HINT


def test_each_run_keeps_its_own_list(window: MainWindow, page: TradeListPage, run: RunResult):
    answer(page, run, changed(run))
    other = replace(run, id="b" * 32)
    window.workspace.put([other])
    window.workspace.show(other.id)
    assert page.panel.found is None
    window.workspace.show(run.id)
    assert page.panel.found is window.workspace.trade_list(run.id) is not None


def test_what_is_refused_is_said_on_the_page(page: TradeListPage, run: RunResult):
    answer(page, run, "x.csv is empty: no trades to compare with")
    assert page.panel.table.hint == "x.csv is empty: no trades to compare with"
    answer(page, run, compare_trades(run, read_trade_list(as_tradingview(run.trades), "same.csv")))
    assert page.panel.table.hint == "All equal: nothing differs."
    assert page.panel.words.text().endswith("all equal")
    told = [
        replace(
            one,
            entry_price=one.entry_price + (cost if one.side == "long" else -cost),
            pnl=one.pnl - cost * one.size,
        )
        for one in run.trades
        for cost in [0.00005 * one.entry_price]
    ]
    found = compare_trades(run, read_trade_list(as_tradingview(told), "dear.csv"), tolerance=0.5)
    assert found.all_equal
    answer(page, run, found)
    assert page.panel.table.hint == "Nothing differs by more than the tolerance."
    assert "all equal within the tolerance, our profit less theirs" in page.panel.words.text()


def test_button_menu_and_run_menu_ask_for_a_file(
    window: MainWindow, page: TradeListPage, run: RunResult, monkeypatch: pytest.MonkeyPatch
):
    opened: list[Path] = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: ("/there/theirs.csv", ""))
    monkeypatch.setattr(page, "open_file", lambda path, zone: opened.append(path))
    window.page(TradesPage).panel.theirs.click()
    window.actions_["trade_list"].trigger()
    page.panel.open.click()
    panel = window.page(RunsPage).panel
    panel.flush()
    panel.table.select_row(0)
    next(one for one in panel.actions_ if one.text() == "Compare with a trade list …").trigger()
    assert opened == [Path("/there/theirs.csv")] * 4


def test_a_run_that_failed_is_not_compared(
    window: MainWindow, page: TradeListPage, run: RunResult, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: pytest.fail("asked for a file"))
    bad = replace(run, id="c" * 32, status=FAILED, trades=(), equity=None)
    window.workspace.put([bad])
    window.workspace.show(bad.id)
    assert not window.page(TradesPage).panel.theirs.isEnabled()
    window.actions_["trade_list"].trigger()


@pytest.mark.long
def test_a_stored_run_is_compared_with_a_file_and_read_again_in_another_zone(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, tmp_path: Path
):
    period = Period.parse("2023-03-01", "2023-04-30")
    spec = RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), period, {"fast": 5, "slow": 12})
    stored = engine.runs.get(engine.runs.run([spec])[0].id)
    live_window.workspace.put([stored])
    live_window.workspace.show(stored.id)
    page = live_window.page(TradeListPage)
    path = tmp_path / "theirs.csv"
    path.write_text(as_tradingview(stored.trades[3:]))
    page.open_file(path)
    qtbot.waitUntil(lambda: page.panel.found is not None, timeout=20_000)
    first = page.panel.found
    assert first is not None
    assert sum(row.one.kind == "missing" for row in page.panel.model.shown()) == 3
    page.panel.zone.setCurrentText("Asia/Tokyo")
    page.panel.zone_chosen.emit("Asia/Tokyo")
    qtbot.waitUntil(lambda: page.panel.found is not first, timeout=20_000)
    assert "is Asia/Tokyo their time zone?" in page.panel.notes.text()
    page.open_file(tmp_path / "gone.csv")
    qtbot.waitUntil(lambda: "No such file" in page.panel.table.hint, timeout=20_000)
    assert live_window.workspace.trade_list(stored.id) is None


@pytest.mark.long
def test_answers_come_to_their_runs_and_none_after_close(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    period = Period.parse("2023-03-01", "2023-03-31")
    specs = [
        RunSpec("ema_cross", "SAMPLEUSDT", "sample", Timeframe("1h"), period, {"fast": fast, "slow": 12})
        for fast in (4, 5)
    ]
    runs = [engine.runs.get(one.id) for one in engine.runs.run(specs)]
    page, workspace = live_window.page(TradeListPage), live_window.workspace
    workspace.put(runs)
    path = tmp_path / "theirs.csv"
    path.write_text(as_tradingview(runs[0].trades))
    go_on, real = threading.Event(), type(engine.runs).compare_trades

    def slowly(*args: Any, **options: Any) -> TradeListComparison:
        assert go_on.wait(60)
        return real(*args, **options)

    monkeypatch.setattr(type(engine.runs), "compare_trades", slowly)
    for run in runs:
        workspace.show(run.id)
        page.open_file(path)
    go_on.set()
    qtbot.waitUntil(lambda: None not in [workspace.trade_list(run.id) for run in runs], timeout=20_000)
    go_on.clear()
    page.open_file(path)
    page.panel.close_list.click()
    go_on.set()
    qtbot.waitUntil(lambda: not live_window.bridge.busy, timeout=20_000)
    assert workspace.trade_list(runs[1].id) is None
    assert page.panel.table.hint == HINT
