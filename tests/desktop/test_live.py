"""The window on the real engine: workers, database, the bundled market. What a user sees from F5 to Stop."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import qasync
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.app import render_window
from desktop.widgets.preferences import Preferences
from desktop.window import MainWindow
from desktop.work.bridge import Bridge, Phase
from engine.model.market import Candles, parse_time
from engine.model.run import FAILED, FINISHED
from engine.service import Engine
from tests.desktop.builders import many_candles, run_on
from tests.desktop.pulse import Pulse

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
    panel = window.setup_panel
    panel.strategies.set_choice(strategies, {})
    panel.period.set_values("1h", parse_time("2024-09-01"), parse_time("2024-11-01"))


def run_to_the_end(window: MainWindow, qtbot: QtBot, timeout_ms: int = 90_000) -> None:
    with qtbot.waitSignal(window.bridge.batch_done, timeout=timeout_ms):
        window.start_run()
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=timeout_ms)
    window.runs.flush()


def test_f5_on_the_first_start_runs_offline_and_everything_fills(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    assert window.setup_panel.run.isEnabled()
    choose(window, "ema_cross", "buy_and_hold")
    window.actions_.run.trigger()
    assert window.bridge.phase is Phase.RUNNING
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=90_000)
    window.runs.flush()
    assert [row.status for row in window.runs.model.shown()] == [FINISHED, FINISHED]
    assert sorted(run.strategy for run in window.workspace.checked_runs()) == ["buy_and_hold", "ema_cross"]
    qtbot.waitUntil(lambda: len(window.overview.chart.curves) == 3)
    run = window.workspace.current_run()
    assert run is not None
    assert window.trades.model.rowCount() == len(run.trades) > 0
    qtbot.waitUntil(lambda: len(window.chart.chart.candles) == 61 * 24)
    qtbot.waitUntil(lambda: window.metrics.model.rowCount() > 20)
    qtbot.waitUntil(lambda: window.data.model.rowCount() == 1, timeout=10_000)
    qtbot.waitUntil(lambda: "1,464 of 1,464 held" in window.setup_panel.coverage.toolTip(), timeout=10_000)
    assert window.status.database.text() == "● Database"


def test_running_twice_is_one_job(live_window: MainWindow, qtbot: QtBot) -> None:
    window = live_window
    choose(window, "ema_cross")
    before = len(window.bridge.engine.runs())
    started: list[object] = []
    window.bridge.batch_started.connect(lambda: started.append(1))
    window.start_run()
    window.start_run()
    window.setup_panel.run.click()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE and not window.bridge.busy, timeout=90_000)
    assert len(started) == 1
    assert len(window.bridge.engine.runs()) == before + 1


def test_stop_answers_at_once_and_the_window_is_ready_again_soon(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "slow", "slow")
    window.start_run()
    qtbot.waitUntil(lambda: any(row.result is None for row in window.runs.model.rows), timeout=60_000)
    started = time.monotonic()
    window.actions_.stop.trigger()
    assert window.bridge.phase is Phase.STOPPING
    assert time.monotonic() - started < 0.2
    assert "Stopping" in window.setup_panel.reason.text()
    qtbot.waitUntil(lambda: window.bridge.phase is Phase.IDLE, timeout=10_000)
    assert time.monotonic() - started < 4
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert [row for row in window.runs.model.rows if row.result is None] == []
    assert window.setup_panel.run.isEnabled()


def test_a_failing_strategy_says_why_and_does_not_block_the_others(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "faulty", "buy_and_hold")
    run_to_the_end(window, qtbot)
    by_name = {row.result.strategy: row.result for row in window.runs.model.rows if row.result is not None}
    assert by_name["faulty"].status == FAILED
    assert "no luck" in str(by_name["faulty"].error)
    assert by_name["buy_and_hold"].status == FINISHED
    assert "no luck" in window.banner.message.text()
    assert any("no luck" in line.details for line in window.log.model.rows if line.level == "error")


def test_a_broken_file_is_listed_with_its_line(live_window: MainWindow) -> None:
    info = live_window.setup_panel.strategies.infos["broken"]
    assert info.error is not None
    assert "broken.py:1" in info.error
    live_window.setup_panel.strategies.focus("broken")
    assert "broken.py:1" in live_window.setup_panel.strategies.description.text()


def test_stored_runs_are_there_at_the_next_start_exactly_as_they_were(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, tmp_path: Path
) -> None:
    choose(live_window, "ema_cross")
    run_to_the_end(live_window, qtbot)
    ran = live_window.workspace.current_run()
    assert ran is not None
    bridge = Bridge(engine)
    later = MainWindow(bridge, Preferences(tmp_path / "later.ini"))
    bridge.start("sample")
    qtbot.waitUntil(lambda: not bridge.busy and later.workspace.current == ran.id, timeout=30_000)
    again = later.workspace.current_run()
    assert again is not None
    assert again.trades == ran.trades
    assert dict(again.metrics) == dict(ran.metrics)
    assert ran.equity is not None
    assert again.equity is not None
    assert (again.equity.columns["equity"] == ran.equity.columns["equity"]).all()
    candles = len(ran.equity.time)
    qtbot.waitUntil(lambda: len(later.chart.chart.candles) == candles)
    later.close()


def test_an_unknown_symbol_is_said_in_the_banner_and_nothing_is_stored(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    choose(window, "ema_cross")
    window.setup_panel.market.model.set_chosen(["SAMPLEUSD"])
    before = len(window.bridge.engine.runs())
    run_to_the_end(window, qtbot)
    assert "SAMPLEUSDT" in window.banner.message.text()
    assert len(window.bridge.engine.runs()) == before


def test_the_window_never_stalls_while_workers_run_and_half_a_million_candles_load(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    """What the window does itself is as long in every round; what a busy machine adds on top is not."""
    window = live_window
    choose(window, "vwap_supertrend_ema", "macd_trend", "rsi_reversion", "donchian_breakout")
    longest = [longest_turn(window, qtbot, "f" * 31 + "0")]
    while longest[-1] >= 0.1 and len(longest) < 4:
        qtbot.wait(500)
        longest.append(longest_turn(window, qtbot, "f" * 31 + str(len(longest))))
    assert longest[-1] < 0.1, longest


def longest_turn(window: MainWindow, qtbot: QtBot, run_id: str) -> float:
    """The longest turn of the event loop in own seconds while the set-up runs and a huge run is shown."""
    candles = many_candles(500_000)
    big = run_on(candles, run_id)
    qtbot.wait(300)
    pulse = Pulse()
    window.start_run()
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


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_picture_of_stored_runs_needs_no_screen(
    live_window: MainWindow, engine: Engine, loop: qasync.QEventLoop, qtbot: QtBot, tmp_path: Path, theme: str
) -> None:
    del live_window
    ids = [run.id for run in engine.runs() if run.status == FINISHED][:2]
    asyncio.events._set_running_loop(None)
    render_window(engine, ids, tmp_path / "window.png", theme=theme, size=(1200, 800))
    asyncio.events._set_running_loop(loop)
    image = QImage(str(tmp_path / "window.png"))
    assert (image.width(), image.height()) == (1200, 800)
    colours = {image.pixelColor(x, y).name() for x in range(400, 1200, 3) for y in range(100, 560, 3)}
    assert len(colours) > 20


def test_compared_runs_on_the_same_candles_read_them_once(
    live_window: MainWindow, engine: Engine, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = live_window
    choose(window, "ema_cross", "buy_and_hold", "macd_trend")
    window.setup_panel.period.set_values("1h", parse_time("2024-09-03"), parse_time("2024-10-03"))
    read, reads = engine.candles, []

    def counted(*args: Any, **more: Any) -> Candles:
        reads.append(args)
        return read(*args, **more)

    monkeypatch.setattr(engine, "candles", counted)
    run_to_the_end(window, qtbot)
    compared = window.workspace.checked_runs()
    assert len(compared) == 3
    loaded = [window.workspace.candles(run.id) for run in compared]
    assert loaded[0] is not None
    assert all(one is loaded[0] for one in loaded)
    assert len(reads) == 1


def test_a_run_on_candles_with_a_hole_says_so(live_window: MainWindow, qtbot: QtBot) -> None:
    window = live_window
    choose(window, "buy_and_hold")
    window.setup_panel.period.set_values("1h", parse_time("2023-08-01"), parse_time("2023-09-01"))
    run_to_the_end(window, qtbot)
    assert "⚠ 5 candles missing" in window.overview.heading.text()
    qtbot.waitUntil(
        lambda: "5 missing at the exchange" in window.setup_panel.coverage.toolTip(), timeout=10_000
    )
