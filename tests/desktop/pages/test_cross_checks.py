"""Cross-checks in the window: made in the background of real runs, and given way to the user's own work."""

import pytest
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.pages.setup.page import SetupPage
from desktop.tables.badges import is_pending
from engine.model.market import parse_time


@pytest.mark.long
def test_a_pending_cross_check_is_completed_in_the_background_and_said(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    window.page(SetupPage).panel.strategies.set_choice(("ema_cross",), {})
    window.page(SetupPage).panel.engine.set_choice("compiled")
    window.page(SetupPage).panel.period.set_values("1h", parse_time("2024-09-01"), parse_time("2024-11-01"))
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        window.page(SetupPage).run()
    run = window.workspace.current_run()
    assert run is not None
    assert run.engine == "compiled"
    assert run.checks["crosscheck"]["status"] == "pending"
    total = len(run.trades)
    row = window.page(OverviewPage).panel.heading
    qtbot.waitUntil(lambda: row.buttons["crosscheck"].text().startswith("✓"), timeout=60_000)
    assert row.buttons["crosscheck"].text() in (
        f"✓ checked: {total} of {total} trades equal", f"✓ {total} of {total} equal",
    )  # fmt: skip
    stored = window.bridge.engine.runs.get(run.id)
    assert stored.checks["crosscheck"]["status"] == "passed"
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert not window.banner.isVisible()


@pytest.mark.long
def test_a_check_under_way_gives_way_to_the_users_work_and_is_made_afterwards(
    live_window: MainWindow, qtbot: QtBot
) -> None:
    window = live_window
    window.page(SetupPage).panel.strategies.set_choice(("vwap_supertrend_ema",), {})
    window.page(SetupPage).panel.period.set_values("1h", parse_time("2024-01-01"), parse_time("2024-12-01"))
    checks = window.page(RunsPage).cross_checks
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        window.page(SetupPage).run()
    run = window.workspace.current_run()
    assert run is not None
    qtbot.waitUntil(lambda: checks.running, timeout=20_000)
    with qtbot.waitSignal(window.page(RunsPage).batch_done, timeout=90_000):
        window.page(SetupPage).run()
        qtbot.waitUntil(lambda: not checks.running, timeout=4_000)
        assert is_pending(window.workspace.runs[run.id])
    qtbot.waitUntil(
        lambda: not any(is_pending(one) for one in window.workspace.runs.values()), timeout=90_000
    )
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=20_000)
    assert window.workspace.runs[run.id].checks["crosscheck"]["status"] == "passed"
    assert not window.banner.isVisible()
