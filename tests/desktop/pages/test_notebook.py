"""Every run of every day: found, grouped, columns chosen, two side by side, the source as it was, a report."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.compare.page import ComparePage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.tables.comparison import DIFFERS
from desktop.tables.run_names import period_text
from desktop.widgets.preferences import Preferences
from engine.database.schema.results import backtest_runs
from engine.model.comparison import SourceFile
from engine.model.market import DAY_MS, parse_time
from engine.model.remark import Remark
from engine.model.run import FAILED, FINISHED
from engine.runs.compare import side_by_side
from tests.desktop.builders import run_on
from tests.desktop.conftest import MakeWindow
from tests.desktop.pulse import Pulse
from tests.support.builders import START_MS, random_candles
from tests.support.database import execute

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades", "Compare")

CANDLES = random_candles(300)
RUNS = [
    run_on(
        CANDLES, f"{number + 1:032x}", strategy=("ema_cross", "macd_trend", "bands")[number % 3],
        symbol=("SOLUSDT", "BTCUSDT")[number % 2], created_ms=START_MS + number * DAY_MS // 10,
        status=FAILED if number == 7 else FINISHED, metrics={"return_pct": float(number), "trades": 3},
    )
    for number in range(60)
]  # fmt: skip


def test_runs_are_grouped_folded_and_found(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.page(RunsPage).panel
    window.workspace.put(RUNS)
    window.workspace.put_remarks({RUNS[3].id: Remark("look here", pinned=True)})
    panel.flush()
    panel.groups.setCurrentText("By strategy")
    headings = panel.model.heading_rows()
    assert [panel.model.row_at(view).title for view in headings] == [
        "▾ ema_cross  ·  20 runs", "▾ bands  ·  20 runs", "▾ macd_trend  ·  20 runs",
    ]  # fmt: skip
    assert panel.model.row_at(1).id == RUNS[3].id  # pinned, so its group is the first
    assert panel.table.columnSpan(headings[1], 0) == panel.model.columnCount()
    panel.table.select_row(0)
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    assert panel.model.rowCount() == 43
    assert panel.model.row_at(0).title.startswith("▸ ema_cross")
    assert panel.count.text().startswith("60 runs")
    panel.table.selectAll()
    assert len(panel._selected_ids()) == 40
    assert panel.model.csv().count("\n") == 41
    panel.search.setText("btc macd")
    assert panel.count.text().startswith("10 of 60 runs")
    panel.search.clear()
    panel.groups.setCurrentText("By day")
    assert panel.model.row_at(panel.model.heading_rows()[0]).title == "▾ 2024-01-01  ·  10 runs"
    panel.groups.setCurrentText("No groups")
    assert panel.model.heading_rows() == []
    for kind, wanted in (("Failed", [RUNS[7].id]), ("Pinned", [RUNS[3].id]), ("With a note", [RUNS[3].id])):
        panel.kind.setCurrentText(kind)
        assert [row.id for row in panel.model.shown()] == wanted
    panel.kind.setCurrentText("All runs")
    panel.remarked.connect(window.workspace.put_remarks)
    index = panel.model.index(2, 0)
    name = panel.model.row_at(2).id
    for given, shown in (("the good one", "the good one"), ("", RUNS[int(name, 16) - 1].strategy)):
        panel.model.setData(index, given, Qt.ItemDataRole.EditRole)
        panel.flush()
        assert next(row.name for row in panel.model.rows if row.id == name) == shown
    panel.begin_batch()  # no filter hides what is new
    assert panel.model.rowCount() == 60


def test_columns_are_chosen_and_stay(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window(Preferences(tmp_path / "columns.ini"))
    table = window.page(RunsPage).panel.table
    menu = window.page(RunsPage).panel.columns.menu()
    places = {column.key: number for number, column in enumerate(table.table.columns)}
    assert table.isColumnHidden(places["calmar"])
    menu.aboutToShow.emit()
    actions = {action.text(): action for action in menu.actions()}
    assert not actions["Run"].isEnabled()
    assert (actions["Calmar"].isChecked(), actions["Sharpe"].isChecked()) == (False, True)
    actions["Calmar"].trigger()
    actions["Sharpe"].trigger()
    window.remember()
    later = make_window(Preferences(tmp_path / "columns.ini")).page(RunsPage).panel.table
    assert (later.isColumnHidden(places["calmar"]), later.isColumnHidden(places["sharpe"])) == (False, True)


def test_two_runs_stand_side_by_side(window: MainWindow) -> None:
    left = run_on(CANDLES)
    first, second, *rest = left.trades
    right = replace(left, id="b" * 32, params={"fast": 9, "slow": 50}, trades=(replace(first, pnl=1.0), *rest),
                    metrics=dict(left.metrics) | {"return_pct": 20.0, "sharpe": 1.5})  # fmt: skip
    files = [SourceFile("ema_cross.py", "a\nb\n", "a\nc\n"), SourceFile("old.py", None, None)]
    panel = window.page(ComparePage).panel
    panel.show_comparison(side_by_side(left, right, files))
    assert [(row.sign, row.name, row.left, row.right) for row in panel.inputs.rows][:2] == [
        (DIFFERS, "Parameter fast", "21", "9"), ("", "Strategy", "ema_cross", "ema_cross"),
    ]  # fmt: skip
    shown = {
        row.name: panel.metrics.csv([view]).splitlines()[1] for view, row in enumerate(panel.metrics.shown())
    }
    assert shown["return_pct"] == "Return,12.5,20.0,7.5,%"
    assert shown["sharpe"] == "Sharpe ratio,,1.5,,ratio"
    assert [row.trade for row in panel.trades.rows] == [first, second]
    assert panel.tabs.tabText(2) == f"Trades: 2 differ, {len(rest)} equal"
    assert panel.source.text.toPlainText() == "  a\n- b\n+ c"
    assert len(panel.source.text.extraSelections()) == 2
    panel.source.file.setCurrentIndex(1)
    assert "was not kept" in panel.source.verdict.text()
    assert len(panel.chart.curves) == 2
    name = panel.source.file.fontMetrics().horizontalAdvance("a_strategy_with_a_long_name.py")
    panel.source.show_files([SourceFile("a_strategy_with_a_long_name.py", "a\n", None)], "")
    assert panel.source.file.sizeHint().width() > name, "the whole name is read"
    panel.show_source(left, files[:1])
    assert [panel.tabs.isTabEnabled(number) for number in range(4)] == [False, False, False, True]
    assert "2 lines differ" in panel.source.verdict.text()


def test_a_heading_of_the_comparison_says_nothing_twice(window: MainWindow) -> None:
    left = run_on(CANDLES)
    market = replace(left.market, name="BTCUSDT", unified="BTC/USDT:USDT")
    right = replace(left, id="b" * 32, market=market)
    panel = window.page(ComparePage).panel
    panel.show_comparison(side_by_side(left, right, []))
    days = period_text(left)
    assert [label.text() for label in panel.names] == [
        f"ema_cross SOLUSDT · 1h · {days}", f"ema_cross BTCUSDT · 1h · {days}",
    ]  # fmt: skip
    panel.show_source(left, [])
    assert panel.names[0].text() == f"ema_cross · SOLUSDT 1h · {days}"


@pytest.mark.long
def test_five_thousand_stored_runs_open_without_a_pause_and_tell_all(
    live_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window, page = live_window, live_window.page(RunsPage)
    setup, engine = window.page(SetupPage), live_window.bridge.engine
    home = engine.settings.user_strategies
    home.mkdir(parents=True, exist_ok=True)
    file = home / "mine.py"
    file.write_text((Path(__file__).parents[3] / "strategies" / "ema_cross.py").read_text())
    window.page(SetupPage).panel.strategies.set_choice(("ema_cross",), {})
    setup.panel.period.set_values("1h", parse_time("2024-10-01"), parse_time("2024-11-01"))
    with qtbot.waitSignal(page.batch_done, timeout=90_000):
        setup.run()
    spec = window.workspace.current_run().spec  # type: ignore[union-attr]
    (mine,) = engine.runs.run([replace(spec, strategy="mine", params={"fast": 5})])
    file.write_text(file.read_text().replace("reverse = True", "reverse = False"))
    ours = window.workspace.current
    assert ours is not None
    columns = ", ".join(c.name for c in backtest_runs.columns if c.name not in ("id", "created_at"))
    execute(
        str(engine.settings.database_url),
        f"INSERT INTO backtest_runs (id, created_at, {columns}) SELECT gen_random_uuid(), created_at - n * interval '1 h', "
        f"{columns} FROM backtest_runs, generate_series(1, 2499) n",
    )
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=30_000)
    pulse = Pulse()
    page.bridge.spawn(page._load_older())
    qtbot.waitUntil(lambda: len(page.panel.model.rows) == 4_999, timeout=60_000)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=30_000)
    window.workspace.put_defaults(
        {"ema_cross": {"fast": 1}, "mine": {"fast": 1}}
    )  # a file was saved: all are named anew
    page.panel.groups.setCurrentText("By day")
    qtbot.waitUntil(lambda: not page.panel._dirty, timeout=30_000)
    gaps = pulse.stop()
    assert len(gaps) > 50
    held = [
        own for own, _ in gaps if own > 0.1
    ]  # elsewhere it waits for the interpreter: rows are read in a thread
    assert len(held) <= 5, gaps[-9:]
    assert gaps[-1][0] < 0.3, gaps[-5:]
    oldest = min(window.workspace.runs.values(), key=lambda run: run.created_ms)
    assert oldest.equity is None
    window.workspace.show(oldest.id)
    qtbot.waitUntil(lambda: not window.workspace.lacks_details(oldest.id), timeout=20_000)
    panel = window.page(ComparePage).panel
    window.context.compare_wanted.emit([ours, mine.id])
    qtbot.waitUntil(lambda: panel.comparison is not None, timeout=20_000)
    assert window.centre.currentWidget() is panel
    assert panel.source.file.currentText() == "ema_cross.py -> mine.py"
    window.context.compare_wanted.emit([mine.id])
    qtbot.waitUntil(lambda: panel.comparison is None, timeout=20_000)
    assert panel.source.verdict.text().startswith("2 lines differ")
    opened: list[QUrl] = []
    page.report([ours, mine.id], tmp_path / "two.html", opened.append)
    qtbot.waitUntil(lambda: bool(opened), timeout=20_000)
    assert (tmp_path / "two.html").read_text().count("<article") == 2
    assert opened[0].toLocalFile() == str(tmp_path / "two.html")
