"""Symbols in the set-up: favourites, currencies, lists under names, what is held, the menu; and what it all comes to."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.estimate import Load, rates_of, run_times, total_s, words
from desktop.pages.setup.market_list import Place
from desktop.pages.setup.page import SetupPage
from desktop.work.jobs import Job, Task
from engine.events import Finished, Progress
from engine.model.coverage import MAINTENANCE, Coverage, FetchReport, MissingRange
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from engine.model.parameters import StrategyInfo
from tests.desktop.builders import CROSS, many_candles, run_on

pytestmark = pytest.mark.pages("Set-up", "Overview")

EXCHANGE = "binanceusdm"
HOURS = Timeframe("1h")
PERIOD = Period(parse_time("2024-01-01"), parse_time("2024-01-11"))
MARKETS = [
    (
        Market(EXCHANGE, name, f"{name[:-4]}/{name[-4:]}:{name[-4:]}", listed_ms=parse_time("2023-05-05")),
        False,
    )
    for name in ("ADAUSDT", "BTCUSDC", "BTCUSDT", "SOLUSDT")
]


def coverage(gap_hours: int, missing_hours: int = 0) -> Coverage:
    gap = Period(PERIOD.start, PERIOD.start + gap_hours * HOUR_MS)
    gone = MissingRange(Period(gap.end, gap.end + missing_hours * HOUR_MS), MAINTENANCE)
    missing = (gone,) if missing_hours else ()
    return Coverage(
        MARKETS[3][0], HOURS, PERIOD, 240 - gap_hours - missing_hours, (gap,) if gap_hours else (), missing
    )


@pytest.fixture
def page(window: MainWindow) -> SetupPage:
    found = window.page(SetupPage)
    found.show_strategies([CROSS])
    found.panel.market.set_choice(EXCHANGE, ())
    found.panel.market.set_markets(EXCHANGE, MARKETS)
    found.panel.period.set_values("1h", PERIOD.start, PERIOD.end)
    found.symbols.open()
    return found


def shown(page: SetupPage) -> list[str]:
    model = page.panel.market.model
    return [model.market(row).name for row in range(model.rowCount())]


def test_symbols_are_starred_filtered_listed_and_remembered(
    page: SetupPage, window: MainWindow, qtbot: QtBot
) -> None:
    form = page.panel.market
    form.quote.setCurrentText("USDC")
    assert shown(page) == ["BTCUSDC"]
    form.quote.setCurrentText("Any")
    form.list.setCurrentIndex(form.model.index(shown(page).index("SOLUSDT"), Place.NAME))
    qtbot.keyClick(form.list, Qt.Key.Key_F)
    qtbot.keyClick(form.list, Qt.Key.Key_Space)
    assert (form.model.starred, form.symbols()) == (["SOLUSDT"], ("SOLUSDT",))
    star = form.list.visualRect(form.model.index(shown(page).index("BTCUSDT"), Place.STAR)).center()
    qtbot.mouseClick(form.list.viewport(), Qt.MouseButton.LeftButton, pos=star)
    form.favourites.click()
    assert shown(page) == ["SOLUSDT", "BTCUSDT"]
    form.search.setText("xy")
    assert form.note.text() == "None of 4 symbols contains “xy” among favourites."
    form.search.clear()
    form.favourites.click()
    form.lists.save.click()
    assert window.focusWidget() is form.lists.box, "without a name it asks for one"
    form.lists.field.setText("majors")
    qtbot.keyClick(form.lists.field, Qt.Key.Key_Return)
    form.model.set_chosen(["ADAUSDT", "BTCUSDC"])
    form.lists.save.click()
    assert window.undo.message.text() == "The list majors was overwritten"
    window.undo.undo()
    form.lists.chosen.emit("majors")
    assert form.symbols() == ("SOLUSDT",)
    window.undo.undo()
    assert form.symbols() == ("ADAUSDT", "BTCUSDC")
    form.lists.delete.click()
    assert page.symbols.lists() == {}
    window.undo.undo()
    assert page.symbols.lists() == {"majors": {"exchange": EXCHANGE, "symbols": ["SOLUSDT"]}}
    form.set_choice("sample", ())
    assert form.model.starred == []
    form.set_choice(EXCHANGE, ())
    assert form.model.starred == ["SOLUSDT", "BTCUSDT"], "each exchange has its own"


def test_the_search_of_symbols_gives_the_keys_to_the_rows(
    page: SetupPage, window: MainWindow, qtbot: QtBot
) -> None:
    form = page.panel.market
    form.search.setFocus()
    qtbot.keyClicks(form.search, "usdc")
    qtbot.keyClick(form.search, Qt.Key.Key_Return)
    assert (form.symbols(), window.focusWidget()) == (("BTCUSDC",), form.search), "Enter checks the first one"
    form.search.setText("sol")
    qtbot.keyClick(form.search, Qt.Key.Key_Down)
    assert window.focusWidget() is form.list
    qtbot.keyClick(form.list, Qt.Key.Key_Space)
    assert form.symbols() == ("BTCUSDC", "SOLUSDT")
    form.search.setFocus()
    qtbot.keyClick(form.search, Qt.Key.Key_Escape)
    assert (form.search.text(), len(shown(page))) == ("", 4)


@pytest.mark.long
def test_what_is_held_of_a_symbol_and_what_can_be_done_with_it(page: SetupPage, window: MainWindow) -> None:
    form, wanted = page.panel.market, list[object]()
    page.symbols.gaps_wanted.connect(wanted.append)
    page.symbols.delete_wanted.connect(wanted.append)
    form.model.set_held({"SOLUSDT": coverage(60), "BTCUSDT": coverage(0, 3)})
    texts = {
        form.model.market(row).name: form.model.index(row, Place.HELD).data()
        for row in range(form.model.rowCount())
    }
    assert texts == {"SOLUSDT": "75 %", "BTCUSDT": "100 %", "ADAUSDT": "", "BTCUSDC": ""}
    actions = {action.text(): action for action in form.menu_of(shown(page).index("SOLUSDT")).actions()}
    for name in ("Check gaps", "Delete data", "Max period"):
        actions[name].trigger()
    assert wanted == [(EXCHANGE, "SOLUSDT", "1h")] * 2
    assert page.panel.setup().symbols == ("SOLUSDT",)
    assert page.panel.setup().start == parse_time("2023-05-05")
    window.undo.undo()
    assert page.panel.setup().period == PERIOD
    free = {action.text(): action for action in form.menu_of(shown(page).index("ADAUSDT")).actions()}
    assert not free["Delete data"].isEnabled()


def test_a_list_that_changes_under_an_open_menu_changes_no_other_favourite(page: SetupPage) -> None:
    form = page.panel.market
    star = form.menu_of(shown(page).index("SOLUSDT")).actions()[0]
    form.search.setText("no such symbol")
    assert not shown(page)
    star.trigger()
    form.search.setText("BTC")
    star.trigger()
    star.trigger()
    assert form.model.starred == ["SOLUSDT"]


@pytest.mark.long
def test_the_footer_says_what_it_comes_to_and_guesses_nothing(page: SetupPage, window: MainWindow) -> None:
    panel, workspace = page.panel, window.workspace
    panel.strategies.set_choice(("ema_cross",), {})
    panel.market.model.set_chosen(["SOLUSDT"])
    page.expected.tell()
    assert panel.figures.text() == "240 candles", "what is held is not known yet"
    panel.set_coverage([("SOLUSDT", coverage(60))])
    page.expected.tell()
    assert panel.figures.text() == "240 candles · 75 % held", "no run was made, no candle came"
    times = {"engine": "compiled", "symbol": "SOLUSDT"}
    workspace.put([run_on(many_candles(200), str(n) * 32, elapsed_s=4.0, **times) for n in range(3)])
    page.expected.tell()
    assert panel.figures.text() == "240 candles · 75 % held"
    job = Job(Task("fetch"), "fetch", (EXCHANGE, "SOLUSDT", "1h"))
    page.follow(job)
    assert not page.expected._fetching, "it waits for its turn: that is no download"
    job.take(Progress("x", 100, 1000, "candles"))
    page.follow(job)
    page.expected._fetching[job] -= 100
    job.ending = Finished("", FetchReport(MARKETS[3][0], HOURS, PERIOD, 1000, 1000, 1, (), ()))
    page.follow(job)
    page.expected.tell()
    assert (
        panel.figures.text() == "240 candles · 75 % held · about 11 s"
    )  # 6 s for candles, 4.8 s for the run
    panel.period.set_values("1h", PERIOD.end, PERIOD.start)
    page.expected.tell()
    assert (panel.figures.text(), panel.reason.text()) == ("", "The period is empty: From must be before To")
    compiling = Job(Task("question"), "compile", title="compiling the engine")
    page.follow(compiling)
    assert panel.figures.text() == "Compiling the engine once, about 20 s …"
    compiling.ending = Finished("", None)
    page.follow(compiling)
    assert panel.figures.text() == ""


def test_times_come_from_runs_of_about_the_same_size_on_the_same_engine() -> None:
    made = [
        run_on(many_candles(n), f"{n:032x}", engine="compiled", elapsed_s=taken)
        for n, taken in ((1000, 1.0), (1000, 1.2), (1000, 9.0), (3000, 3.2))
    ]
    made.append(replace(made[0], id="f" * 32, engine="reference", elapsed_s=50.0))
    native = StrategyInfo("ema_cross", "", "", (), "x.py", kind="native")
    assert run_times(made, CROSS, "auto", [1000, 2000, 6000]) == pytest.approx([1.2, 2.2, 6.4])
    assert run_times(made, CROSS, "reference", [1000]) == [50.0]
    assert run_times(made, native, "auto", [1000]) == [50.0]
    assert run_times(made, native, "compiled", [1000]) is None
    assert run_times(made, CROSS, "auto", [100]) is None
    assert run_times(made, CROSS, "auto", [12_001]) is None
    assert run_times([], CROSS, "auto", [1000]) is None
    assert total_s([4.0, 1.0, 1.0], 2, 0, None) == 4.0
    assert total_s([4.0] * 4, 2, 100, 50.0) == 10.0
    assert total_s([4.0], 2, 100, None) is None


def test_words_of_what_it_comes_to() -> None:
    assert words(Load(1_250_000, 1), 3700) == "1.25 M candles · 99 % held · about 1.0 h"
    assert words(Load(1, 0), 0.2) == "1 candle · 100 % held · about 1 s"
    assert words(Load(500, 500), 90) == "500 candles · 0 % held · about 1.5 min"
    assert rates_of({"binance": 5000, "x": -1, "y": "z"}) == {"binance": 5000.0}
    assert rates_of("damaged") == {}
