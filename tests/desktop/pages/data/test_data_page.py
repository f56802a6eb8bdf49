"""The Data panel on real engines: strips, several jobs with Stop, verify, import, export, delete; nothing is modal."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.data.page import DataPage
from desktop.pages.log.page import LogPage
from desktop.pages.setup.page import SetupPage
from desktop.tables.holdings import GOOD, WARNING, held_note, key_of
from engine.model.coverage import BEFORE_LISTING, MAINTENANCE, Coverage, Holding, MissingRange
from engine.model.funding import FundingRates
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from tests.desktop.pages.data.conftest import DAYS, HOURS, YEAR, choose, dialogs, drop, state, wait, write_csv
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, Fault, error, grid_candles

pytestmark = pytest.mark.pages("Set-up", "Data", "Log")


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


def tabs_of(desk: MainWindow) -> list[str]:
    """What the tabs of the results say."""
    return [desk.results.tabs.tabText(at) for at in range(desk.results.tabs.count())]


@pytest.mark.long
def test_two_series_are_filled_at_once_and_one_is_stopped_with_its_pages_kept(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    fake_exchange.always = Fault(delay_s=0.4)
    choose(desk.page(DataPage).panel, HOURS, DAYS)
    desk.page(DataPage).panel.fetch_now.trigger()
    assert set(desk.page(DataPage).jobs.running) == {HOURS, DAYS}
    assert "Data (2)" in tabs_of(desk)
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
    assert "Data" in tabs_of(desk)
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


def test_funding_rates_are_fetched_from_the_menu_and_have_a_row_of_their_own(
    desk: MainWindow, fake_exchange: FakeExchange, qtbot: QtBot
) -> None:
    panel, exchange, symbol = desk.page(DataPage).panel, *HOURS[:2]
    month = Period.parse("2024-01-01", "2024-01-31")
    hours = range(month.start, month.end, 8 * HOUR_MS)
    rates = FundingRates.from_rows((ms, 1e-4, 100.0, "Regular", float("nan")) for ms in hours)
    fake_exchange.add_more("SOL", funding=rates)
    desk.page(SetupPage).panel.period.set_values("1h", month.start, month.end)
    panel.choose(HOURS)

    assert panel.fetch_funding.isEnabled()
    panel.fetch_funding.trigger()

    key = (exchange, symbol, "funding")
    qtbot.waitUntil(lambda: panel.holding(key) is not None, timeout=5000)
    holding = panel.holding(key)
    assert holding is not None
    assert holding.candles == len(rates)
    row = panel.model.row_of(key)
    assert row is not None
    assert panel.model.data(panel.model.index(row, panel.model.column_number("timeframe"))) == "funding"
    assert held_note(holding).text.endswith(" h behind")
