"""Every action once: its words, its keys, what it does; the menus are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from desktop.theme.colours import Theme
from desktop.theme.icons import icon

MENUS: Final = ("&File", "&Edit", "&Data", "&Run", "&View", "&Go", "&Help")


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can ask for.

    `place` in its menu: from top to bottom, a line between one ten and the next. `icon`: its name and which of the theme's
    colours. `idle_only`: not while work is under way. `choice`: what it is one of, checked where it is the chosen one.
    """

    name: str
    text: str
    tip: str
    do: Callable[[], object]
    menu: str
    place: int
    keys: tuple[str, ...] = ()
    icon: tuple[str, str] | None = None
    idle_only: bool = False
    choice: str = ""


class Actions:
    """A window's commands as actions by name; `others`: further actions, each with its menu and its place there."""

    def __init__(
        self,
        window: QMainWindow,
        commands: Iterable[Command],
        others: Iterable[tuple[str, int, QAction]] = (),
    ) -> None:
        self._commands = {command.name: command for command in commands}
        self._groups: dict[str, QActionGroup] = {}
        self._actions = {name: self._make(window, command) for name, command in self._commands.items()}
        self._others = tuple(others)
        self._fill_menus(window)

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def all(self) -> list[QAction]:
        """Every action."""
        return [*self._actions.values(), *(action for *_, action in self._others)]

    def choices(self, choice: str) -> list[QAction]:
        """The actions of which one is the chosen one."""
        return self._groups[choice].actions() if choice in self._groups else []

    def _make(self, window: QMainWindow, command: Command) -> QAction:
        action = QAction(command.text, window)
        shown = f" ({command.keys[0]})" if command.keys else ""
        action.setToolTip(command.tip + shown)
        action.setStatusTip("")
        action.setShortcuts([QKeySequence(key) for key in command.keys])
        action.triggered.connect(lambda: command.do())
        window.addAction(action)
        if command.choice:
            action.setCheckable(True)
            self._groups.setdefault(command.choice, QActionGroup(window)).addAction(action)
        return action

    def _fill_menus(self, window: QMainWindow) -> None:
        for title in MENUS:
            placed = [(one.place, self[one.name]) for one in self._commands.values() if one.menu == title]
            placed += [(place, action) for menu, place, action in self._others if menu == title]
            menu = window.menuBar().addMenu(title)
            menu.setToolTipsVisible(True)
            _fill(menu, sorted(placed, key=lambda pair: pair[0]))

    def set_busy(self, *, busy: bool) -> None:
        """Work began or ended."""
        for name, command in self._commands.items():
            if command.idle_only:
                self[name].setEnabled(not busy)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        for name, command in self._commands.items():
            if command.icon is not None:
                picture, colour = command.icon
                self[name].setIcon(icon(picture, getattr(theme, colour)))


def _fill(menu: QMenu, placed: list[tuple[int, QAction]]) -> None:
    before: int | None = None
    for place, action in placed:
        if before is not None and place // 10 != before // 10:
            menu.addSeparator()
        menu.addAction(action)
        before = place
