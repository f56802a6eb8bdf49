"""The Data panel on real engines: strips, several jobs with Stop, verify, import, export, delete; nothing is modal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import qasync
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.data.import_panel import series_of_name
from desktop.pages.data.page import DataPage
from desktop.pages.data.panel import DataPanel
from desktop.pages.log.page import LogPage
from desktop.pages.setup.page import SetupPage
from desktop.tables.holdings import GOOD, WARNING, SeriesKey, held_note, key_of
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge
from engine.model.coverage import BEFORE_LISTING, MAINTENANCE, Coverage, Holding, MissingRange
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.conftest import discard
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, Fault, error, grid_candles

YEAR = Period.parse("2024-01-01", "2024-12-31")
HOURS: SeriesKey = ("binanceusdm", "SOLUSDT", "1h")
DAYS: SeriesKey = ("binanceusdm", "SOLUSDT", "1d")


@pytest.fixture
def desk(
    app: QApplication,
    fake_exchange: FakeExchange,
    database_url: str,
    loop: qasync.QEventLoop,
    qtbot: QtBot,
    tmp_path: Path,
    described: Callable[[], Path],
) -> Iterator[MainWindow]:
    """A window whose exchange is the fake one; hours and days of SOLUSDT are listed, January is held."""
    del loop
    fake_exchange.clock_ms = YEAR.end + HOUR_MS
    for timeframe in ("1h", "1d"):
        fake_exchange.add("SOL", timeframe, grid_candles(timeframe, YEAR), listed_ms=YEAR.start)
    settings = Settings(
        database_url=database_url, home=described(), workers=1, futures_url=fake_exchange.url
    )  # fmt: skip
    with Engine(settings) as engine:
        for timeframe in ("1h", "1d"):
            engine.candles.fetch("SOLUSDT", Timeframe(timeframe), Period.parse("2024-01-01", "2024-01-31"))
        bridge = Bridge(engine)
        window = MainWindow(bridge, Preferences(tmp_path / "window.ini"))
        window.use_theme("dark")
        window.show()
        window.show_page("Data")
        window.context.open()
        qtbot.waitUntil(
            lambda: not bridge.busy and window.page(DataPage).panel.model.rowCount() == 2, timeout=60_000
        )
        yield window
        window.close()
        qtbot.waitUntil(lambda: not bridge.busy, timeout=20_000)
        discard(app, window)


def choose(panel: DataPanel, *keys: SeriesKey) -> None:
    panel.table.clearSelection()
    selection = panel.table.selectionModel()
    for key in keys:
        row = panel.model.row_of(key)
        assert row is not None
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        selection.select(panel.model.index(row, 0), flags)


def state(window: MainWindow, key: SeriesKey) -> str:
    row = window.page(DataPage).panel.model.row_of(key)
    return "" if row is None else window.page(DataPage).panel.model.row_at(row).state().text


def wait(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.page(DataPage).jobs.running and not window.bridge.busy, timeout=30_000)


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drop files on the window; whether it took them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    point, buttons, keys = QPoint(5, 5), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(point, Qt.DropAction.CopyAction, data, buttons, keys)
    entered.ignore()
    QApplication.sendEvent(window, entered)
    dropped = QDropEvent(point.toPointF(), Qt.DropAction.CopyAction, data, buttons, keys)
    dropped.ignore()
    QApplication.sendEvent(window, dropped)
    return entered.isAccepted() and dropped.isAccepted()


def dialogs(app: QApplication) -> list[str]:
    return [type(w).__name__ for w in app.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]


def write_csv(path: Path, candles: Candles, header: str = "timestamp,open,high,low,close,volume") -> Path:
    rows = zip(candles.timestamp.tolist(), *(c.tolist() for c in candles.columns().values()), strict=True)
    path.write_text("\n".join([header, *(",".join(map(repr, row)) for row in rows)]) + "\n")
    return path


def test_what_is_held_is_said_in_words_with_the_worst_in_colour() -> None:
    market, timeframe = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"), Timeframe("1h")

    def hours(start: int, end: int) -> Period:
        return Period(start * HOUR_MS, end * HOUR_MS)

    def note(
        gaps: tuple[Period, ...] = (), missing: tuple[MissingRange, ...] = (), imported: int = 0
    ) -> tuple[str, str]:
        coverage = Coverage(market, timeframe, hours(0, 100), 90, gaps, missing)
        found = held_note(Holding(coverage, 10 * HOUR_MS, 95 * HOUR_MS, 9000, imported))
        return found.level, found.text

    assert note(missing=(MissingRange(hours(0, 10), BEFORE_LISTING),)) == (GOOD, "complete, up to date")
    assert note((hours(0, 10), hours(96, 100)))[1] == "4 behind"
    assert note((hours(20, 23),), (MissingRange(hours(40, 42), MAINTENANCE),)) == (
        WARNING,
        "3 not fetched between · 2 missing at the exchange",
    )
    assert note(imported=7)[1] == "7 imported, not verified"


def test_each_series_has_its_bounds_its_size_and_a_strip(desk: MainWindow) -> None:
    model = desk.page(DataPage).panel.model
    row = model.row_of(HOURS)
    assert row is not None
    texts = {column.key: model.data(model.index(row, at)) for at, column in enumerate(model.columns)}
    assert (texts["first"], texts["last"], texts["candles"]) == (
        "2024-01-01 00:00",
        "2024-01-31 23:00",
        "744",
    )
    # of what the whole table takes, its free space included, which tests before may have left
    assert texts["size"].endswith((" kB", " MB"))
    assert texts["state"].endswith("behind")
    at = desk.page(DataPage).panel.table.visualRect(model.index(row, model.column_number("strip"))).center()
    left = (
        desk.page(DataPage).panel.table.visualRect(model.index(row, model.column_number("strip"))).left() + 9
    )
    image = desk.page(DataPage).panel.table.viewport().grab().toImage()
    assert image.pixelColor(left, at.y()).name() == desk.theme.held
    assert image.pixelColor(at.x() + 30, at.y()).name() == desk.theme.strong_border


@pytest.mark.long
def test_two_series_are_filled_at_once_and_one_is_stopped_with_its_pages_kept(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    fake_exchange.always = Fault(delay_s=0.4)
    choose(desk.page(DataPage).panel, HOURS, DAYS)
    desk.page(DataPage).panel.fetch_now.trigger()
    assert set(desk.page(DataPage).jobs.running) == {HOURS, DAYS}
    assert desk.results.tabs.tabText(3) == "Data (2)"
    assert not desk.page(DataPage).panel.fetch.isEnabled()
    qtbot.waitUntil(lambda: desk.page(DataPage).jobs.running[HOURS].progress is not None, timeout=20_000)
    cell = desk.page(DataPage).panel.job_cell(HOURS)
    assert cell is not None
    qtbot.waitUntil(lambda: "of 8" in cell.words.text() and "/s" in cell.words.text(), timeout=20_000)
    assert "ETA" in cell.words.text()
    cell.stop.click()
    assert cell.words.text() == "Stopping …"
    wait(desk, qtbot)
    assert "candles are saved" in state(desk, HOURS)
    assert state(desk, DAYS) == "335 fetched"
    holding = desk.page(DataPage).panel.holding(HOURS)
    assert holding is not None
    assert 744 < holding.candles < 8784
    assert desk.results.tabs.tabText(3) == "Data"
    assert not desk.banner.isVisible()


@pytest.mark.long
def test_a_rate_limit_is_seen_in_the_row_and_in_the_log_until_it_ends(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    fake_exchange.fail(error(429, Retry_After="2"))
    choose(desk.page(DataPage).panel, DAYS)
    desk.page(DataPage).panel.fetch.click()
    seen: list[str] = []

    def limited() -> bool:
        cell = desk.page(DataPage).panel.job_cell(DAYS)
        seen.append("" if cell is None else cell.words.text())
        return "rate limited, resuming in" in seen[-1]

    qtbot.waitUntil(limited, timeout=20_000)
    wait(desk, qtbot)
    assert state(desk, DAYS).endswith("fetched")
    assert any(
        "rate limited, resuming in" in line.text
        for line in desk.page(LogPage).panel.model.rows
        if line.level == "warning"
    )


def test_an_exchange_that_fails_is_said_in_the_banner_and_in_the_row(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot, app: QApplication
) -> None:
    fake_exchange.always = error(451, text="restricted location")
    choose(desk.page(DataPage).panel, HOURS)
    desk.page(DataPage).panel.fetch.click()
    wait(desk, qtbot)
    assert desk.banner.isVisible()
    assert "451" in desk.banner.message.text() + state(desk, HOURS)
    assert not dialogs(app)


def test_verify_shows_what_the_exchange_revised_and_says_that_runs_saw_other_candles(
    desk: MainWindow, database_url: str, qtbot: QtBot
) -> None:
    execute(database_url, "UPDATE ohlcv_data SET volume = volume + 1 WHERE timestamp = '2024-01-05T03:00Z'")
    choose(desk.page(DataPage).panel, HOURS, DAYS)
    desk.page(DataPage).panel.verify.click()
    wait(desk, qtbot)
    assert state(desk, HOURS) == "verified 744: 1 revised"
    assert state(desk, DAYS) == "verified 31: all equal"
    line = next(line for line in desk.page(LogPage).panel.model.rows if "1 revised" in line.text)
    assert line.level == "warning"
    assert "2024-01-05T03:00:00Z" in line.details
    assert "became" in line.details


def test_what_is_deleted_comes_back_whole_beside_what_was_fetched_since(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot, app: QApplication, tmp_path: Path
) -> None:
    page, candles = desk.page(DataPage), desk.bridge.engine.candles
    march = grid_candles("1h", Period.parse("2024-03-01", "2024-03-02"))
    candles.import_candles(write_csv(tmp_path / "march.csv", march), "SOLUSDT", Timeframe("1h"))
    before = candles.status("SOLUSDT", Timeframe("1h"), YEAR)
    choose(page.panel, HOURS)
    page.panel.delete.click()
    wait(desk, qtbot)
    assert not dialogs(app)
    assert page.panel.model.row_of(HOURS) is None
    assert desk.undo.message.text() == "792 candles of SOLUSDT 1h deleted"
    assert candles.status("SOLUSDT", Timeframe("1h"), YEAR).candles == 0
    candles.fetch("SOLUSDT", Timeframe("1h"), Period.parse("2024-01-10", "2024-02-10"))  # meanwhile
    desk.undo.undo()
    wait(desk, qtbot)
    after = candles.status("SOLUSDT", Timeframe("1h"), YEAR)
    assert after.candles == before.candles + 10 * 24
    assert after.gaps[0].start == parse_time("2024-02-11")
    back = candles.load("SOLUSDT", Timeframe("1h"), Period.parse("2024-03-01", "2024-03-02"))
    assert back.sha256() == march.sha256()
    assert {key_of(one)[2]: one.imported for one in candles.holdings()} == {"1h": 48, "1d": 0}
    candles.removals.remove("SOLUSDT", Timeframe("1d"))
    assert candles.removals.purge(0) == 1
    candles.removals.remove("SOLUSDT", Timeframe("1h"))
    gone = candles.removals.remove("SOLUSDT", Timeframe("1h"))
    assert gone.candles == 0
    assert candles.removals.restore(gone) == 0


@pytest.mark.long
def test_what_could_not_be_brought_back_yet_is_offered_again_and_not_purged(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    page, candles = desk.page(DataPage), desk.bridge.engine.candles
    choose(page.panel, HOURS)
    page.panel.delete.click()
    wait(desk, qtbot)
    fake_exchange.always = Fault(delay_s=0.4)
    page.jobs.fetch(HOURS, Period.parse("2024-01-10", "2024-01-20"))
    desk.undo.undo()
    assert desk.undo.isVisible()
    assert "undo the deletion when that has ended" in desk.page(LogPage).panel.model.rows[-1].text
    page.jobs.stop_all()
    fake_exchange.always = None
    wait(desk, qtbot)
    desk.undo.undo()
    assert candles.removals.purge(30) == 0, "while it waits for its turn"
    wait(desk, qtbot)
    assert candles.status("SOLUSDT", Timeframe("1h"), YEAR).candles >= 744


@pytest.mark.long
def test_what_is_in_use_is_not_deleted_and_gaps_are_said(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    page = desk.page(DataPage)
    fake_exchange.always = Fault(delay_s=0.4)
    choose(page.panel, HOURS)
    page.panel.fetch_now.trigger()
    page.delete([HOURS])
    assert "SOLUSDT 1h is being worked on" in desk.banner.message.text()
    page.jobs.stop_all()
    wait(desk, qtbot)
    fake_exchange.always = None
    assert page.panel.model.row_of(HOURS) is not None
    page.check_gaps(DAYS)
    assert desk.status.words.text() == "SOLUSDT 1d, 2024-01-01 – 2024-01-31: no gap"
    assert page.panel.selected() == [DAYS]


def test_a_dropped_file_is_previewed_and_stored_only_after_import(
    desk: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    importing = desk.page(DataPage).panel.importing
    march = grid_candles("4h", Period.parse("2024-03-01", "2024-03-02"))
    path = write_csv(tmp_path / "SOLUSDT-4h-2024-03.csv", march)
    desk.show_page("Log")
    assert drop(desk, path)
    assert desk.results.page() == "Data"
    qtbot.waitUntil(importing.accept.isEnabled, timeout=20_000)
    request = importing.request()
    assert request is not None
    assert request.key == ("binanceusdm", "SOLUSDT", "4h")
    assert "12 rows, 2024-03-01 00:00 – 2024-03-03 00:00: 12 would be stored" in importing.words.text()
    assert importing.model.data(importing.model.index(0, 0)) == "2024-03-01T00:00:00Z"
    assert importing.columns["open"].itemText(0) == "open (auto)"
    assert len(desk.bridge.engine.candles.holdings()) == 2
    importing.accept.click()
    wait(desk, qtbot)
    key = ("binanceusdm", "SOLUSDT", "4h")
    assert state(desk, key) == "12 imported"
    held = desk.bridge.engine.candles.load("SOLUSDT", Timeframe("4h"), YEAR)
    assert np.array_equal(held.close, march.close)
    assert desk.page(DataPage).panel.stack.currentWidget() is not importing


def test_the_name_of_a_file_tells_its_series_and_never_that_of_another_coin() -> None:
    known = {"SOLUSDT": "binance"}
    selected = ("binanceusdm", "ETHUSDT", "4h")
    assert series_of_name("SOLUSDT-1h-2024.csv", known, selected) == ("binance", "SOLUSDT", "1h")
    assert series_of_name("avaxusdt_1m.csv.gz", known, selected) == ("binanceusdm", "AVAXUSDT", "1m")
    assert series_of_name("candles.csv", known, selected) == selected


@pytest.mark.long
def test_columns_and_zone_of_a_strange_file_are_chosen_in_the_window(
    desk: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    importing = desk.page(DataPage).panel.importing
    path = tmp_path / "strange.csv"
    path.write_text("note,when,first,top,bottom,last,amount\nx,2024-05-02 02:00,1,3,0.5,2,10\n")
    desk.page(DataPage).open_files([path])
    qtbot.waitUntil(lambda: "which column is timestamp" in importing.words.text(), timeout=20_000)
    assert not importing.accept.isEnabled()
    assert "--columns" not in importing.words.text(), "that is of the command line"
    assert "x | 2024-05-02 02:00 | 1 | 3" in importing.table.hint, "the columns are chosen by what they hold"
    names = {
        "timestamp": "when",
        "open": "first",
        "high": "top",
        "low": "bottom",
        "close": "last",
        "volume": "amount",
    }
    for field, column in names.items():
        importing.columns[field].setCurrentText(column)
    importing.zone.setCurrentText("Europe/Berlin")
    importing.timeframe.setCurrentText("1d")
    qtbot.waitUntil(importing.accept.isEnabled, timeout=20_000)
    assert importing.model.data(importing.model.index(0, 0)) == "2024-05-02T00:00:00Z"
    importing.zone.setCurrentText("UTC")
    qtbot.waitUntil(lambda: importing.words.property("role") == "error", timeout=20_000)
    assert not importing.accept.isEnabled()
    importing.cancel.click()
    assert desk.page(DataPage).panel.stack.currentWidget() is not importing


@pytest.mark.long
def test_decimal_commas_and_a_first_row_of_numbers_are_chosen_in_the_window(
    desk: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    importing = desk.page(DataPage).panel.importing
    path = tmp_path / "SOLUSDT-1h-strange.csv"
    path.write_text("7;8;9;10;11;12\n1709251200000;101,775;112,825;101,600;102,041;743,521\n")
    desk.page(DataPage).open_files([path])
    qtbot.waitUntil(lambda: "decimal comma or thousands" in importing.words.text(), timeout=20_000)
    assert "--decimal" not in importing.words.text(), "that is of the command line"
    importing.decimal.setCurrentText("comma 1,5")
    qtbot.waitUntil(lambda: "before any market" in importing.words.text(), timeout=20_000)
    assert "--header" not in importing.words.text()
    importing.header.setCurrentText("names the columns")
    qtbot.waitUntil(importing.accept.isEnabled, timeout=20_000)
    assert importing.model.data(importing.model.index(0, 1)) == "101.775"
    importing.accept.click()
    stored = Period.parse("2024-03-01", "2024-03-01T01:00")
    engine = desk.bridge.engine
    qtbot.waitUntil(lambda: len(engine.candles.load("SOLUSDT", Timeframe("1h"), stored)) == 1, timeout=20_000)


@pytest.mark.long
def test_a_broken_file_is_refused_by_its_line_and_the_next_one_follows(
    desk: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    importing = desk.page(DataPage).panel.importing
    day = grid_candles("1h", Period.parse("2024-03-01", "2024-03-01"))
    good, bad = write_csv(tmp_path / "good.csv", day), tmp_path / "bad.csv"
    lines = good.read_text().splitlines()
    bad.write_text("\n".join([*lines[:5], lines[5].replace(",", ",-", 1), *lines[6:]]))
    assert not drop(desk, tmp_path / "notes.txt")
    assert drop(desk, bad, good)
    qtbot.waitUntil(lambda: "line 6" in importing.words.text(), timeout=20_000)
    assert not importing.accept.isEnabled()
    importing.cancel.click()
    assert importing.path == good
    qtbot.waitUntil(importing.accept.isEnabled, timeout=20_000)


@pytest.mark.long_except(".csv")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_exported_candles_are_exact_and_come_back_as_equal(
    desk: MainWindow, qtbot: QtBot, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"SOLUSDT-1h{suffix}"
    desk.page(DataPage).export(HOURS, path)
    wait(desk, qtbot)
    assert state(desk, HOURS) == f"744 candles written to {path.name}"
    assert drop(desk, path)
    qtbot.waitUntil(
        lambda: "744 held already" in desk.page(DataPage).panel.importing.words.text(), timeout=20_000
    )
    assert not desk.page(DataPage).panel.importing.accept.isEnabled()
    desk.page(DataPage).export(HOURS, tmp_path / "no" / "such" / "x.txt")
    wait(desk, qtbot)
    assert "must end in .csv or .parquet" in desk.banner.message.text()


def test_fetch_of_the_set_ups_period_shows_in_its_row_too(desk: MainWindow, qtbot: QtBot) -> None:
    panel = desk.page(SetupPage).panel
    panel.market.set_choice("binanceusdm", ("SOLUSDT",))
    panel.period.set_values("1d", parse_time("2024-03-01"), parse_time("2024-04-01"))
    choose(desk.page(DataPage).panel, DAYS)
    desk.page(DataPage).panel.fetch_period.trigger()
    wait(desk, qtbot)
    assert state(desk, DAYS) == "31 fetched"
    panel.period.set_values("1d", parse_time("2024-04-01"), parse_time("2024-05-01"))
    desk.page(SetupPage).fetch()
    qtbot.waitUntil(lambda: state(desk, DAYS) == "30 fetched", timeout=20_000)
    wait(desk, qtbot)
    holding = desk.page(DataPage).panel.holding(DAYS)
    assert holding is not None
    assert held_note(holding).text.startswith("29 not fetched between")
