"""Files of candles dropped on the window: previewed, understood, imported."""

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.data.import_panel import series_of_name
from desktop.pages.data.page import DataPage
from engine.model.market import Period, Timeframe
from tests.desktop.pages.data.conftest import YEAR, drop, state, wait, write_csv
from tests.support.fake_exchange import grid_candles

pytestmark = pytest.mark.pages("Set-up", "Data", "Log")


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
