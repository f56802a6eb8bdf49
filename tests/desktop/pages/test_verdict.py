"""The Verdict page: the facts of the current run, as it changes."""

from dataclasses import replace

import pytest
from PySide6.QtGui import QTextCursor
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.verdict.page import VerdictPage
from desktop.pages.verdict.panel import HINT
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades", "Verdict")


def test_the_page_says_what_is_known_of_the_current_run(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.page(VerdictPage).panel
    window.results.show_page("Verdict")
    assert HINT in panel.text.toPlainText()
    run = run_on(random_candles(2_000, 3))
    window.workspace.put([run])
    window.workspace.show(run.id)
    qtbot.waitUntil(lambda: bool(panel.facts))
    said = panel.text.toPlainText()
    assert said.startswith("ema_cross")
    assert all(fact.words in said and fact.figure in said for fact in panel.facts)
    window.workspace.put([replace(run, metrics={**run.metrics, "ambiguous_trades": 0})])
    qtbot.waitUntil(lambda: "0 ambiguous" in panel.text.toPlainText())


def test_what_is_selected_stays_while_other_runs_change(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.page(VerdictPage).panel
    window.results.show_page("Verdict")
    run = run_on(random_candles(2_000, 3))
    window.workspace.put([run])
    window.workspace.show(run.id)
    qtbot.waitUntil(lambda: bool(panel.facts))
    cursor = panel.text.textCursor()
    cursor.select(QTextCursor.SelectionType.Document)
    panel.text.setTextCursor(cursor)
    window.workspace.put([run_on(random_candles(300), "b" * 32)])
    window.workspace.put_checking("b" * 32, "50%")
    window.workspace.put_judgement(run.id, False)  # known now, and the same
    qtbot.wait(100)
    assert panel.text.textCursor().hasSelection()
