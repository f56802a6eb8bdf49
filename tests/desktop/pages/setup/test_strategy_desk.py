"""The strategy desk on the real window: files that are saved while it is open, new ones, their source, presets."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.panel import WideScrollArea
from desktop.pages.setup.strategy_files import changed_words
from desktop.pages.setup.strategy_form import StrategyForm
from desktop.widgets.opening import edit_file
from desktop.widgets.value_field import ValueField
from engine.service import Engine
from tests.support.builders import GOOD_STRATEGY as GOOD
from tests.support.own_time import stopwatch

NAMES = ("mine", "other")


@pytest.fixture
def folder(live_window: MainWindow, engine: Engine, qtbot: QtBot) -> Iterator[Path]:
    """The user's strategies with two files that the window has read."""
    folder = engine.settings.user_strategies
    for name in NAMES:
        (folder / f"{name}.py").write_text(GOOD)
    form = live_window.page(SetupPage).panel.strategies
    qtbot.waitUntil(lambda: set(NAMES) <= form.infos.keys() and not live_window.bridge.busy, timeout=30_000)
    yield folder
    for file in folder.rglob("*.py"):
        file.unlink()


def form_of(window: MainWindow) -> StrategyForm:
    return window.page(SetupPage).panel.strategies


def default_of(form: StrategyForm, name: str = "mine") -> object:
    info = form.infos.get(name)
    return info.params[0]["default"] if info is not None and info.params else None


def until(qtbot: QtBot, seen: object, timeout: int = 10_000) -> float:
    """Own seconds until it is seen."""
    own_s = stopwatch()
    qtbot.waitUntil(seen, timeout=timeout)  # type: ignore[arg-type]
    return own_s()


@pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")
def test_the_files_of_strategies_are_followed_while_the_window_is_open(
    live_window: MainWindow, folder: Path, engine: Engine, qtbot: QtBot
) -> None:
    saved_files_are_read_and_what_is_typed_beside_them_stays(live_window, folder, qtbot)
    modules_folders_and_new_names_are_seen_and_only_what_changed_is_described(
        live_window, folder, engine, qtbot
    )


@pytest.mark.long
def test_strategies_are_made_read_edited_and_their_parameters_kept(
    live_window: MainWindow,
    folder: Path,
    engine: Engine,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    what_changed_is_said_in_a_line(live_window)
    presets_are_kept_in_a_file_loaded_overwritten_and_brought_back(live_window, engine, qtbot)
    a_new_strategy_is_written_focused_and_checked_and_its_source_follows_the_file(live_window, folder, qtbot)
    an_editor_is_the_one_of_the_system_or_of_visual_else_it_is_said_what_to_do(
        live_window, folder, qtbot, monkeypatch, tmp_path
    )


def saved_files_are_read_and_what_is_typed_beside_them_stays(
    live_window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    window, form = live_window, form_of(live_window)
    form.set_choice((*NAMES, "ema_cross"), {})
    form.focus("other")
    assert form.form is not None
    field = form.form.fields["length"]
    assert isinstance(field, ValueField)
    field.lineEdit().selectAll()
    qtbot.keyClicks(field.lineEdit(), "9")
    mine = folder / "mine.py"
    # written in place
    mine.write_text(GOOD.replace("Param(5", "Param(6"))
    took = [until(qtbot, lambda: default_of(form) == 6)]
    # put in its place by another file, as many editors do; several times, as formatters do
    for number in (7, 8, 9):
        new = folder / ".mine.py.swp"
        new.write_text(GOOD.replace("Param(5", f"Param({number}"))
        new.replace(mine)
    took.append(until(qtbot, lambda: default_of(form) == 9))
    # broken, half written: its error and line
    mine.write_text(GOOD[: GOOD.index("Param(5") + 6])
    took.append(until(qtbot, lambda: form.infos["mine"].error is not None))
    line = form.infos["mine"].error_line
    assert line == GOOD[: GOOD.index("Param(5")].count("\n") + 1
    assert "mine.py:" in window.status.words.text()
    assert "mine" not in form.chosen()
    # gone for a moment, then whole
    mine.unlink()
    qtbot.waitUntil(lambda: "mine" not in form.infos, timeout=10_000)
    mine.write_text(GOOD)
    took.append(until(qtbot, lambda: default_of(form) == 5))
    assert set(form.chosen()) == {*NAMES, "ema_cross"}, "what was checked is checked again"
    assert form.focused() == "other"
    assert form.form.fields["length"] is field, "whoever types goes on in the same field"
    assert form.changed_params() == {"other": {"length": 9}}
    print(f"\nseconds from saved to read: {[round(one, 2) for one in took]}")
    assert min(took) < 1, "a busy machine may take longer for one of them"


def modules_folders_and_new_names_are_seen_and_only_what_changed_is_described(
    live_window: MainWindow, folder: Path, engine: Engine, qtbot: QtBot
) -> None:
    form, memory = form_of(live_window), engine.settings.cache_folder / "strategies.json"
    package = folder / "_parts"
    package.mkdir()
    (package / "lengths.py").write_text("LENGTH = 7\n")
    text = "from _parts.lengths import LENGTH\n" + GOOD.replace("Param(5", "Param(LENGTH")
    (folder / "mine.py").write_text(text)
    qtbot.waitUntil(lambda: default_of(form) == 7, timeout=10_000)
    kept = json.loads(memory.read_text())[str(folder / "other.py")]
    (package / "lengths.py").write_text("LENGTH = 8\n")
    qtbot.waitUntil(lambda: default_of(form) == 8, timeout=10_000)
    assert json.loads(memory.read_text())[str(folder / "other.py")] == kept
    (folder / "mine.py").rename(folder / "renamed.py")
    qtbot.waitUntil(lambda: default_of(form, "renamed") == 8 and "mine" not in form.infos, timeout=10_000)
    qtbot.waitUntil(lambda: not live_window.bridge.busy, timeout=10_000)
    os.utime(folder / "renamed.py")  # nothing changed
    qtbot.wait(300)
    qtbot.waitUntil(lambda: not live_window.bridge.busy, timeout=10_000)
    assert "renamed new" in live_window.status.words.text()


def a_new_strategy_is_written_focused_and_checked_and_its_source_follows_the_file(
    live_window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    form = form_of(live_window)
    live_window.resize(1024, 620)
    form.new.click()
    area = live_window.page(SetupPage).panel.findChild(WideScrollArea)
    assert area is not None
    asked = form.naming
    qtbot.waitUntil(
        lambda: area.viewport().rect().contains(asked.mapTo(area.viewport(), asked.rect().bottomLeft()))
    )
    qtbot.keyClicks(form.naming.field, "mine")
    qtbot.keyClick(form.naming.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "already a strategy" in form.naming.problem.text(), timeout=10_000)
    form.naming.field.setText("my_third")
    form.naming.make.click()
    qtbot.waitUntil(lambda: form.focused() == "my_third", timeout=10_000)
    assert not form.naming.isVisible()
    assert "my_third" in form.chosen()
    form.source.click()
    qtbot.waitUntil(lambda: form.source_window is not None and form.source_window.isVisible(), timeout=10_000)
    window = form.source_window
    assert window is not None
    assert "class MyThird(Strategy)" in window.view.toPlainText()
    assert window.view.isReadOnly()
    file = folder / "my_third.py"
    file.write_text(
        file.read_text().replace("import pandas as pd", "import pandas as pd\nimport nothing_such")
    )
    qtbot.waitUntil(lambda: window.view.marked is not None, timeout=10_000)
    assert window.view.toPlainText().splitlines()[(window.view.marked or 0) - 1] == "import nothing_such"
    assert "nothing_such" in window.error.text()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


def presets_are_kept_in_a_file_loaded_overwritten_and_brought_back(
    live_window: MainWindow, engine: Engine, qtbot: QtBot
) -> None:
    window, form, presets = live_window, form_of(live_window), engine.strategies.presets
    form.focus("other")
    assert form.form is not None
    form.form.set_values({"length": 9})
    form.presets.field.setText("tight")
    qtbot.keyClick(form.presets.field, Qt.Key.Key_Return)
    file = engine.settings.home / "presets" / "other.json"
    qtbot.waitUntil(file.exists, timeout=10_000)
    qtbot.waitUntil(lambda: form.presets.box.count() == 1, timeout=10_000)
    assert json.loads(file.read_text()) == {"tight": {"length": 9, "mode": "calm"}}
    form.reset.click()
    assert form.changed_params() == {}
    form.presets.chosen.emit("tight")
    qtbot.waitUntil(lambda: form.changed_params() == {"other": {"length": 9}}, timeout=10_000)
    form.form.set_values({"length": 3})
    form.presets.save.click()
    qtbot.waitUntil(lambda: presets.of("other") == {"tight": {"length": 3, "mode": "calm"}}, timeout=10_000)
    qtbot.waitUntil(lambda: window.undo.message.text().endswith("was overwritten"), timeout=10_000)
    window.undo.undo()
    qtbot.waitUntil(lambda: presets.of("other") == {"tight": {"length": 9, "mode": "calm"}}, timeout=10_000)
    qtbot.waitUntil(form.presets.delete.isEnabled, timeout=10_000)
    form.presets.delete.click()
    qtbot.waitUntil(lambda: presets.of("other") == {}, timeout=10_000)
    qtbot.waitUntil(lambda: window.undo.message.text().endswith("was deleted"), timeout=10_000)
    window.undo.undo()
    qtbot.waitUntil(lambda: presets.of("other") == {"tight": {"length": 9, "mode": "calm"}}, timeout=10_000)
    form.focus("mine")
    qtbot.waitUntil(lambda: not window.bridge.busy, timeout=10_000)
    assert form.presets.box.count() == 0, "each strategy has its own"
    presets.delete("other", "tight")


def an_editor_is_the_one_of_the_system_or_of_visual_else_it_is_said_what_to_do(
    live_window: MainWindow, folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened, editor = tmp_path / "opened", tmp_path / "my editor"
    editor.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    editor.chmod(0o755)
    monkeypatch.setattr("desktop.widgets.opening.open_path", lambda _: False)  # a desktop without an editor
    monkeypatch.setenv("VISUAL", f"'{editor}'")
    assert edit_file(folder / "mine.py")
    qtbot.waitUntil(lambda: opened.exists() and opened.read_text().strip() != "", timeout=10_000)
    assert opened.read_text().strip() == str(folder / "mine.py")
    for nothing in ("", str(tmp_path / "no such"), "'"):
        monkeypatch.setenv("VISUAL", nothing)
        form_of(live_window).focus("mine")
        form_of(live_window).edit.click()
        assert "set VISUAL to one" in live_window.banner.message.text()
        live_window.banner.hide()


def what_changed_is_said_in_a_line(live_window: MainWindow) -> None:
    infos = list(form_of(live_window).infos.values())
    assert changed_words(infos, infos) == ""
    assert changed_words(infos[1:], infos) == f"{infos[0].name} new"
    assert changed_words(infos, infos[1:]) == f"{infos[0].name} gone"
