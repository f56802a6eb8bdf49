"""Help > About."""

from importlib.metadata import version

from pytestqt.qtbot import QtBot

from desktop.app.about import About
from desktop.app.window import MainWindow


def test_about_tells_the_version_and_the_licences_of_what_is_inside(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["about"].trigger()
    (about,) = window.findChildren(About)
    assert about.isVisible()
    assert version("backtest-desktop") in about.words.text()
    told = about.licences.toPlainText()
    assert "\nnumpy " in told
    assert "---- backtesting: " in told
    about.close()
    qtbot.waitUntil(lambda: not window.findChildren(About))
