"""The window on the real engine: workers, database, the bundled market. What a user sees from F5 to Stop."""

import asyncio
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import qasync
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app import render_window
from desktop.app.window import MainWindow
from desktop.pages.chart.page import ChartPage
from desktop.pages.data.page import DataPage
from desktop.pages.log.page import LogPage
from desktop.pages.metrics.page import MetricsPage
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.pages.trades.page import TradesPage
from desktop.widgets.preferences import Preferences
from desktop.work.bridge import Bridge, Phase
from engine.events import CancelToken, OnEvent, as_job
from engine.model.market import Candles, parse_time
from engine.model.run import FAILED, FINISHED
from engine.service import Engine
from engine.settings import Settings
from tests.desktop.builders import many_candles, run_on
from tests.desktop.conftest import discard
from tests.desktop.pulse import Pulse
from tests.support.database import fresh_database
from tests.support.own_time import within

FAULTY = '''
import pandas as pd
from engine.strategy import Strategy

class Faulty(Strategy):
    """Raises on the last day of October 2024."""
    def signals(self, candles, indicators):
        if candles.index[-1] >= pd.Timestamp("2024-10-31", tz="UTC"):
            raise RuntimeError("no luck")
        return pd.DataFrame({"signal_x_buy": candles.close > 0}, index=candles.index)
'''
SLOW = '''
import time
import pandas as pd
from engine.strategy import Strategy

class Slow(Strategy):
    """Takes a minute on the last day of October 2024."""
    def signals(self, candles, indicators):
        if candles.index[-1] >= pd.Timestamp("2024-10-31", tz="UTC"):
            time.sleep(60)
        return pd.DataFrame({"signal_x_buy": candles.close > 0}, index=candles.index)
'''
BROKEN = "def oops(:\n"


@pytest.fixture(scope="module", autouse=True)
def user_strategies(engine: Engine) -> None:
    folder = engine.settings.user_strategies
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("faulty", FAULTY), ("slow", SLOW), ("broken", BROKEN)):
        (folder / f"{name}.py").write_text(text)


def choose(window: MainWindow, *strategies: str) -> None:
    panel = window.page(SetupPage).panel
    panel.strategies.set_choice(strategies, {})
    panel.period.set_values("1h", parse_time("2024-09-01"), parse_time("2024-11-01"))


def run_to_the_end(window: MainWindow, qtbot: QtBot, timeout_ms: int = 90_000) -> None:
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=timeout_ms):
        window.page(SetupPage).run()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=timeout_ms)
    window.page(RunsPage).panel.flush()


def test_f5_on_the_first_start_runs_offline_and_everything_fills(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    assert window.page(SetupPage).panel.run.isEnabled()
    assert "Press F5" in window.page(RunsPage).panel.table.hint
    choose(window, "ema_cross", "buy_and_hold")
    window.actions_["run"].trigger()
    assert window.bridge.phase is Phase.RUNNING
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=90_000)
    window.page(RunsPage).panel.flush()
    assert [row.status for row in window.page(RunsPage).panel.model.shown()] == [FINISHED, FINISHED]
    assert sorted(run.strategy for run in window.workspace.checked_runs()) == ["buy_and_hold", "ema_cross"]
    qtbot.waitUntil(lambda: len(window.page(OverviewPage).panel.chart.curves) == 3)
    run = window.workspace.current_run()
    assert run is not None
    assert window.page(TradesPage).panel.model.rowCount() == len(run.trades) > 0
    qtbot.waitUntil(lambda: len(window.page(ChartPage).panel.chart.candles) == 61 * 24)
    qtbot.waitUntil(lambda: window.page(MetricsPage).panel.model.rowCount() > 20)
    qtbot.waitUntil(lambda: window.page(DataPage).panel.model.rowCount() == 2, timeout=10_000)
    qtbot.waitUntil(
        lambda: "1,464 of 1,464 held" in window.page(SetupPage).panel.coverage.toolTip(), timeout=10_000
    )
    assert window.status.database.text() == "● Database"


@pytest.mark.long
def test_running_twice_is_one_job(live_window: MainWindow, qtbot: QtBot) -> None:
    window = live_window
    choose(window, "ema_cross")
    before = len(window.bridge.engine.runs.stored())
    started: list[object] = []
    window.bridge.phase_changed.connect(
        lambda phase: started.append(phase) if phase is Phase.RUNNING else None
    )
    window.page(SetupPage).run()
    window.page(SetupPage).run()
    window.page(SetupPage).panel.run.click()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=90_000)
    assert len(started) == 1
    assert len(window.bridge.engine.runs.stored()) == before + 1


def test_stop_answers_at_once_and_the_window_is_ready_again_soon(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "slow", "slow")
    window.page(SetupPage).run()
    qtbot.waitUntil(
        lambda: any(row.result is None for row in window.page(RunsPage).panel.model.rows), timeout=60_000
    )
    with within(4):
        with within(0.2):
            window.actions_["stop"].trigger()
        assert window.bridge.phase is Phase.STOPPING
        assert "Stopping" in window.page(SetupPage).panel.reason.text()
        qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE)
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert [row for row in window.page(RunsPage).panel.model.rows if row.result is None] == []
    assert window.page(SetupPage).panel.run.isEnabled()


@pytest.mark.long
def test_a_failing_strategy_says_why_and_does_not_block_the_others(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "faulty", "buy_and_hold")
    run_to_the_end(window, qtbot)
    by_name = {
        row.result.strategy: row.result
        for row in window.page(RunsPage).panel.model.rows
        if row.result is not None
    }
    assert by_name["faulty"].status == FAILED
    assert "no luck" in str(by_name["faulty"].error)
    assert by_name["buy_and_hold"].status == FINISHED
    assert "no luck" in window.banner.message.text()
    assert any(
        "no luck" in line.details for line in window.page(LogPage).panel.model.rows if line.level == "error"
    )


@pytest.mark.long
def test_a_broken_file_is_listed_with_its_line(live_window: MainWindow) -> None:
    info = live_window.page(SetupPage).panel.strategies.infos["broken"]
    assert info.error is not None
    assert "broken.py:1" in info.error
    live_window.page(SetupPage).panel.strategies.focus("broken")
    assert "broken.py:1" in live_window.page(SetupPage).panel.strategies.description.text()


@pytest.mark.long
def test_stored_runs_are_there_at_the_next_start_exactly_as_they_were(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, tmp_path: Path
) -> None:
    choose(live_window, "ema_cross")
    run_to_the_end(live_window, qtbot)
    ran = live_window.workspace.current_run()
    assert ran is not None
    bridge = Bridge(engine)
    later = MainWindow(bridge, Preferences(tmp_path / "later.ini"))
    later.context.open()
    qtbot.waitUntil(lambda: not bridge.busy and later.workspace.current == ran.id, timeout=30_000)
    again = later.workspace.current_run()
    assert again is not None
    assert again.trades == ran.trades
    assert dict(again.metrics) == dict(ran.metrics)
    assert ran.equity is not None
    assert again.equity is not None
    assert (again.equity.columns["equity"] == ran.equity.columns["equity"]).all()
    candles = len(ran.equity.time)
    qtbot.waitUntil(lambda: len(later.page(ChartPage).panel.chart.candles) == candles)
    later.close()


@pytest.mark.long
def test_an_unknown_symbol_is_said_in_the_banner_and_nothing_is_stored(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "ema_cross")
    window.page(SetupPage).panel.market.model.set_chosen(["SAMPLEUSD"])
    before = len(window.bridge.engine.runs.stored())
    run_to_the_end(window, qtbot)
    assert "SAMPLEUSDT" in window.banner.message.text()
    assert len(window.bridge.engine.runs.stored()) == before


@pytest.mark.long
def test_the_window_never_stalls_while_workers_run_and_half_a_million_candles_load(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    """What the window does itself is as long in every round; what a busy machine adds on top is not."""
    window = live_window
    choose(window, "vwap_supertrend_ema", "macd_trend", "rsi_reversion", "donchian_breakout")
    longest = [longest_turn(window, qtbot, "f" * 31 + "0")]
    while longest[-1] >= 0.1 and len(longest) < 8:
        qtbot.wait(500)
        longest.append(longest_turn(window, qtbot, "f" * 31 + str(len(longest))))
    assert longest[-1] < 0.1, longest


def longest_turn(window: MainWindow, qtbot: QtBot, run_id: str) -> float:
    """The longest turn of the event loop in own seconds while the set-up runs and a huge run is shown."""
    candles = many_candles(500_000)
    big = run_on(candles, run_id)
    qtbot.wait(300)
    pulse = Pulse()
    window.page(SetupPage).run()
    qtbot.wait(500)
    window.workspace.put([big])
    window.workspace.put_candles(big.id, candles)
    qtbot.wait(100)
    window.workspace.check(big.id, on=True)
    qtbot.wait(100)
    window.workspace.show(big.id)
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=90_000)
    gaps = pulse.stop()
    print(f"\nlongest gaps, own of all: {[tuple(round(s * 1000) for s in gap) for gap in gaps[-5:]]} ms")
    assert len(gaps) > 20
    return gaps[-1][0]


@pytest.mark.long
def test_the_pulse_feels_whatever_blocks_the_window_itself(qtbot: QtBot, app: QApplication) -> None:
    def sleep() -> None:
        time.sleep(0.15)

    def compute() -> None:
        until = time.thread_time() + 0.15
        while time.thread_time() < until:
            pass

    for block in (sleep, compute):
        pulse = Pulse()
        QTimer.singleShot(30, block)
        qtbot.wait(400)
        assert pulse.stop()[-1][0] > 0.1


@pytest.mark.long
@pytest.mark.long_except("dark")
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_picture_of_stored_runs_needs_no_screen(
    live_window: MainWindow, engine: Engine, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path, theme: str
) -> None:
    del live_window
    ids = [run.id for run in engine.runs.stored() if run.status == FINISHED][:2]
    asyncio.events._set_running_loop(None)
    render_window(engine, ids, tmp_path / "window.png", theme=theme, size=(1200, 800))
    asyncio.events._set_running_loop(loop)
    image = QImage(str(tmp_path / "window.png"))
    assert (image.width(), image.height()) == (1200, 800)
    colours = {image.pixelColor(x, y).name() for x in range(400, 1200, 3) for y in range(100, 560, 3)}
    assert len(colours) > 20


@pytest.mark.long
def test_compared_runs_on_the_same_candles_read_them_once(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = live_window
    choose(window, "ema_cross", "buy_and_hold", "macd_trend")
    window.page(SetupPage).panel.period.set_values("1h", parse_time("2024-09-03"), parse_time("2024-10-03"))
    read, reads = engine.candles.load, []

    def counted(*args: Any, **more: Any) -> Candles:
        reads.append(args)
        return read(*args, **more)

    monkeypatch.setattr(engine.candles, "load", counted)
    run_to_the_end(window, qtbot)
    compared = window.workspace.checked_runs()
    assert len(compared) == 3
    loaded = [window.workspace.candles(run.id) for run in compared]
    assert loaded[0] is not None
    assert all(one is loaded[0] for one in loaded)
    assert len(reads) == 1


@pytest.mark.long
def test_a_run_on_candles_with_a_hole_says_so(live_window: MainWindow, qtbot: QtBot) -> None:
    window = live_window
    choose(window, "buy_and_hold")
    window.page(SetupPage).panel.period.set_values("1h", parse_time("2023-08-01"), parse_time("2023-09-01"))
    run_to_the_end(window, qtbot)
    assert "⚠ 5 candles missing" in window.page(OverviewPage).panel.heading.text()
    qtbot.waitUntil(
        lambda: "5 missing at the exchange" in window.page(SetupPage).panel.coverage.toolTip(), timeout=10_000
    )


@pytest.mark.long
def test_f5_in_the_first_seconds_of_a_fresh_home_runs_without_a_word_of_warning(
    app: QApplication, embedded_url: str, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path
) -> None:
    """No strategy is described yet: that is asked for, with its jobs, while the runs are made with theirs."""
    del loop
    with contextmanager(fresh_database)(embedded_url) as url:
        home = tmp_path / "home"
        with Engine(Settings(database_url=url, home=home, workers=2)) as engine:
            window = MainWindow(Bridge(engine), Preferences(tmp_path / "window.ini"))
            window.show()
            window.context.open()
            with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=120_000) as done:
                window.actions_["run"].trigger()
            qtbot.waitUntil(lambda: not window.bridge.busy, timeout=60_000)
            assert [run.status for run in done.args[0]] == [FINISHED] * 3
            assert not window.banner.isVisible()
            assert [
                line.text for line in window.page(LogPage).panel.model.rows if line.level == "error"
            ] == []
            window.close()
            qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
            discard(app, window)


@pytest.mark.long
@pytest.mark.long_except("compile")
@pytest.mark.parametrize("kind", ["compile", "check", "lookahead", "a kind of tomorrow"])
def test_what_another_kind_of_job_made_is_taken_for_no_fetch_and_no_run(
    live_window: MainWindow, qtbot: QtBot, kind: str
) -> None:
    """The real compile job once ended with a list, which was read as the report of a fetch."""
    window, before = live_window, len(live_window.page(LogPage).panel.model.rows)

    def work(*, on_event: OnEvent, cancel: CancelToken | None = None) -> list[str]:
        del cancel
        return as_job(kind, kind, "something else", on_event, lambda: ["made"])

    answers: list[Any] = []
    told = window.bridge.events()
    window.bridge.ask(lambda: work(on_event=told), answers.append)
    assert window.bridge.begin(Phase.RUNNING, work, lambda *ended: answers.append(ended[0]))
    window.bridge.start("some kind", (), work, lambda *ended: answers.append(ended[0]))
    qtbot.waitUntil(lambda: len(answers) == 3 and not window.bridge.busy, timeout=20_000)
    assert answers == [["made"]] * 3
    assert not window.banner.isVisible()
    assert len(window.page(LogPage).panel.model.rows) == before
    assert window.page(DataPage).jobs.notes == {}
