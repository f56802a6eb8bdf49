"""What the strategy in focus reads beside its candles, as the set-up shows it."""

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.reading_view import ReadingView
from engine.model.coverage import Coverage
from engine.model.market import parse_time
from engine.model.parameters import StrategyInfo

DAYS = StrategyInfo(
    "mine",
    "Mine",
    "",
    (),
    "mine.py",
    timeframes=("4h", "1d"),
    symbols_read=("BTCUSDT",),
    warmups={"": 20, "4h": 60, "1d": 0},
)


def test_the_line_says_the_series_and_their_warm_up(qtbot: QtBot):
    view = ReadingView()
    qtbot.addWidget(view)
    view.show_strategy(DAYS)
    assert view.words.text().replace("\u200b", "") == "Reads 4h (60 candles warm-up), 1d, BTCUSDT"
    view.show_strategy(StrategyInfo("plain", "Plain", "", (), "plain.py"))
    assert view.words.text() == ""
    assert view.isHidden()


def test_built_candles_are_told_as_such():
    built = StrategyInfo("mine", "Mine", "", (), "mine.py", timeframes=("1d",), build_timeframes=True)
    assert built.reading == "reads 1d, built of the candles of the run"


@pytest.mark.long
def test_a_strategy_in_focus_shows_what_is_held_of_what_it_reads(live_window: MainWindow, qtbot: QtBot):
    panel = live_window.page(SetupPage).panel
    form = panel.strategies
    form.focus("ema_cross")
    assert form.reading.isHidden()
    panel.period.set_values("1h", parse_time("2024-02-01"), parse_time("2024-03-01"))
    form.focus("daily_trend_cross")
    assert not form.reading.isHidden()
    assert "1d (50 candles warm-up)" in form.reading.words.text().replace("\u200b", "")
    qtbot.waitUntil(lambda: bool(form.reading.coverage.answers), timeout=30_000)
    ((name, held),) = form.reading.coverage.answers
    assert name == "SAMPLEUSDT 1d"
    assert isinstance(held, Coverage)
    assert held.expected == 29 + 1 + 50  # February, the day before it, and the warm-up
    panel.period.set_values("1d", parse_time("2024-02-01"), parse_time("2024-03-01"))
    qtbot.waitUntil(
        lambda: [name for name, _ in form.reading.coverage.answers] == ["daily_trend_cross"], timeout=30_000
    )
    ((_, problem),) = form.reading.coverage.answers
    assert "those are the candles of the run itself" in str(problem)


@pytest.mark.long
def test_what_checked_strategies_read_beside_is_counted_and_fetched_too(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    page = live_window.page(SetupPage)
    panel, form = page.panel, page.panel.strategies
    panel.period.set_values("1h", parse_time("2024-02-01"), parse_time("2024-03-01"))
    form.set_choice((), {})
    form.focus("ema_cross")
    row = list(form.infos).index("daily_trend_cross")
    form.list.scrollToItem(form.list.item(row))
    place = form.list.visualItemRect(form.list.item(row))
    qtbot.mouseClick(
        form.list.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place.left() + 12, place.center().y())
    )
    assert form.chosen() == ("daily_trend_cross",)
    assert form.focused() == "daily_trend_cross", "its parameters are shown"
    hours, days = 29 * 24, 29 + 1 + 50
    qtbot.waitUntil(lambda: panel.load().to_fetch == hours + days, timeout=30_000)
    page.fetch()
    qtbot.waitUntil(lambda: panel.load().to_fetch == 0, timeout=60_000)
    assert panel.load().candles == hours + days
    form.set_choice(("ema_cross",), {})
    qtbot.waitUntil(lambda: panel.load().candles == hours, timeout=30_000)
