"""Every action once: its words, its key, what it does; the menus and the tool bar are made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

from desktop.theme.colours import THEME_NAMES, Theme
from desktop.theme.icons import icon

if TYPE_CHECKING:
    from desktop.window import MainWindow

PAGES: Final = ("Overview", "Chart", "Optimize", "Runs", "Trades", "Metrics", "Data", "Log")
_THEME_WORDS: Final = {"system": "Theme: as the system", "light": "Theme: light", "dark": "Theme: dark"}


class Actions:
    """The window's actions by name."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.run = self._make("&Run", "Run the set-up", "F5", window.start_run)
        self.optimize = self._make(
            "&Optimize", "Try the combinations of the Optimize tab", "F6", window.sweeps.start
        )
        self.stop = self._make("&Stop", "Stop the work; what is finished is kept", "Shift+F5", window.stop)
        self.stop.setShortcuts([QKeySequence("Shift+F5"), QKeySequence("Esc")])
        self.fetch = self._make(
            "&Fetch candles", "Fetch the candles that are not held yet", "Ctrl+D", window.start_fetch
        )
        self.import_file = self._make(
            "&Import candles …", "Read candles from a CSV or Parquet file", "Ctrl+O", window.desk.ask_file
        )
        self.symbols = self._make(
            "Reload &symbols", "Load the list of symbols again", "", window.reload_symbols
        )
        self.strategies = self._make(
            "Reload s&trategies", "Read the strategy files again", "Ctrl+Shift+R", window.reload_strategies
        )
        self.export = self._make(
            "&Export trades …", "Write the visible trades to a CSV file", "Ctrl+E", window.export
        )
        self.quit = self._make("&Quit", "Close the window", "Ctrl+Q", window.close)
        self.find_symbol = self._make(
            "Search s&ymbols", "Go to the symbol search", "Ctrl+L", window.find_symbol
        )
        self.filter = self._make(
            "Fi&lter", "Go to the filter of the visible table", "Ctrl+F", window.focus_filter
        )
        self.next_trade = self._make(
            "&Next trade", "Select the next visible trade", "N", lambda: window.step_trade(1)
        )
        self.previous_trade = self._make(
            "&Previous trade", "Select the previous visible trade", "P", lambda: window.step_trade(-1)
        )
        self.compare_none = self._make(
            "&Compare none", "Take every run out of the comparison", "", window.compare_none
        )
        self.reset = self._make("&Reset layout", "Put every panel back to its place", "", window.reset_layout)
        self.full_screen = self._make(
            "&Full screen", "Use the whole screen", "F11", window.toggle_full_screen
        )
        self.setup_dock = window.setup_dock.toggleViewAction()
        self.results_dock = window.results_dock.toggleViewAction()
        for action, tip in (
            (self.setup_dock, "Show or hide the set-up"),
            (self.results_dock, "Show or hide the results"),
        ):
            action.setToolTip(tip)
        self.pages = [
            self._make(name, f"Show {name}", f"Ctrl+{number}", partial(window.show_page, name))
            for number, name in enumerate(PAGES, start=1)
        ]
        self.themes = self._theme_actions()
        self.all = [value for value in vars(self).values() if isinstance(value, QAction)]
        self.all += [*self.pages, *self.themes.values()]

    def _make(self, text: str, tip: str, keys: str, slot: Callable[[], object]) -> QAction:
        action = QAction(text, self.window)
        shown = f" ({keys})" if keys else ""
        action.setToolTip(tip + shown)
        action.setStatusTip("")
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda: slot())
        self.window.addAction(action)
        return action

    def _theme_actions(self) -> dict[str, QAction]:
        group = QActionGroup(self.window)
        found = {}
        for name in THEME_NAMES:
            action = self._make(
                _THEME_WORDS[name], _THEME_WORDS[name], "", partial(self.window.use_theme, name)
            )
            action.setCheckable(True)
            group.addAction(action)
            found[name] = action
        return found

    def fill_menus(self) -> None:
        """The menu bar."""
        bar = self.window.menuBar()
        _menu(bar.addMenu("&File"), self.export, None, self.quit)
        _menu(bar.addMenu("&Data"), self.fetch, self.import_file, None, self.symbols, self.strategies)
        _menu(bar.addMenu("&Run"), self.run, self.optimize, self.stop, None, self.compare_none)
        view = bar.addMenu("&View")
        _menu(view, *self.pages, None, self.setup_dock, self.results_dock, self.reset, self.full_screen, None)
        _menu(view, *self.themes.values())
        _menu(bar.addMenu("&Go"), self.find_symbol, self.filter, None, self.next_trade, self.previous_trade)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        for action, name, colour in (
            (self.run, "run", theme.positive), (self.stop, "stop", theme.negative), (self.fetch, "fetch", theme.text),
            (self.import_file, "import", theme.text), (self.export, "export", theme.text),
        ):  # fmt: skip
            action.setIcon(icon(name, colour))


def _menu(menu: QMenu, *actions: QAction | None) -> None:
    menu.setToolTipsVisible(True)
    for action in actions:
        if action is None:
            menu.addSeparator()
        else:
            menu.addAction(action)
