"""Badges of a run in a row, and the popover that tells the story behind them. Nothing modal: a click elsewhere closes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from desktop.tables.badge import Badge
from desktop.tables.holdings import GOOD, WARNING
from desktop.tables.table import Column, TableModel
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import chip, tool_button
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import TableView

_WIDTH: Final = 460
_TALLEST: Final = 420
_MOST_ROWS: Final = 200
_MOST_SEEN: Final = 8
_HASH: Final = re.compile(r"\b([0-9a-f]{20})[0-9a-f]{44}\b")  # too long for a line; Copy takes all of it


def level_colour(level: str, theme: Theme) -> str:
    """The colour that goes with a badge's sign."""
    return {GOOD: theme.positive, WARNING: theme.warning}.get(level, theme.muted)


class BadgeRow(QWidget):
    """A title with its badges; a click on one opens its story."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = PlainLabel()
        self.title.setProperty("role", "title")
        self.title.setContentsMargins(0, 3, 6, 3)
        self.buttons: dict[str, QToolButton] = {}
        self.shown: tuple[Badge, ...] = ()
        self.story = BadgeStory(self)
        self._theme = DARK
        self._compact = False
        self._flow = FlowLayout(self)
        self.setMinimumWidth(1)  # a long badge is cut, and takes no room from what stands beside
        self._flow.addWidget(self.title)

    def show_badges(self, title: str, shown: Sequence[Badge]) -> None:
        """Show another run's badges; those that stay keep their buttons, and with them the focus."""
        self.title.setText(title)
        if tuple(shown) == self.shown:
            return
        self.shown = tuple(shown)
        if [badge.key for badge in shown] != list(self.buttons):
            self._rebuild()
        for badge in shown:
            button = self.buttons[badge.key]
            button.setToolTip(f"{badge.label}\n{badge.meaning}")
            button.setAccessibleName(badge.label)
        self._write()
        self._colour()

    def set_compact(self, compact: bool) -> None:
        """Say everything in fewer words."""
        if compact != self._compact:
            self._compact = compact
            self._write()

    def _write(self) -> None:
        for badge in self.shown:
            self.buttons[badge.key].setText(badge.short_label if self._compact else badge.label)
        self._flow.invalidate()
        self.updateGeometry()

    def text(self) -> str:
        """Title and badges in one line, as a screen reader would say them."""
        return " · ".join([self.title.text(), *(badge.label for badge in self.shown)])

    def _rebuild(self) -> None:
        for button in self.buttons.values():
            self._flow.removeWidget(button)
            button.deleteLater()
        self.buttons = {badge.key: chip(badge.label, "") for badge in self.shown}
        for key, button in self.buttons.items():
            button.setProperty("badge", True)
            button.clicked.connect(lambda _, key=key: self._tell(key))
            self._flow.addWidget(button)
            button.show()

    def _tell(self, key: str) -> None:
        badge = next(badge for badge in self.shown if badge.key == key)
        button = self.buttons[key]
        self.story.tell([badge], button.mapToGlobal(QPoint(0, button.height() + 3)))

    def _colour(self) -> None:
        for badge in self.shown:
            self.buttons[badge.key].setStyleSheet(f"color: {level_colour(badge.level, self._theme)};")

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.story.apply_theme(theme)
        self._colour()


class BadgeStory(QFrame):
    """The popover. `closed()`. Esc or a click elsewhere closes it; texts can be selected and copied."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("story")
        self.setAccessibleName("What the badges mean")
        self._theme = DARK
        self._told: list[Badge] = []
        self._scroll = QScrollArea(widgetResizable=True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.copy = tool_button("Copy", "Copy the text")
        self.close_button = tool_button("Close", "Close (Esc)")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.words()))
        self.close_button.clicked.connect(self.close)
        foot = QHBoxLayout()
        foot.addStretch()
        foot.addWidget(self.copy)
        foot.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 6, 6)
        layout.addWidget(self._scroll, 1)
        layout.addLayout(foot)

    def tell(self, badges: Sequence[Badge], at: QPoint) -> None:
        """Open at a point of the screen with the stories of these badges."""
        if not badges:
            return
        self._told = list(badges)
        content = QWidget()
        content.setObjectName("storyContent")
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 8, 0)
        inner.setSpacing(4)
        for badge in badges:
            self._add(inner, badge)
        inner.addStretch()
        self._scroll.setWidget(content)
        height = inner.totalHeightForWidth(_WIDTH - 40) + 70
        self.resize(_WIDTH, min(height, _TALLEST))
        self.move(self._inside(at))
        self.show()
        self.close_button.setFocus()

    def words(self) -> str:
        """All that is told, as text."""
        return "\n\n".join(
            "\n".join(
                part for part in (badge.label, badge.meaning, badge.finding, _table_text(badge)) if part
            )
            for badge in self._told
        )

    def _add(self, inner: QVBoxLayout, badge: Badge) -> None:
        head = PlainLabel(badge.label, wordWrap=True)
        head.setStyleSheet(f"color: {level_colour(badge.level, self._theme)}; font-weight: bold;")
        meaning = PlainLabel(badge.meaning, wordWrap=True)
        meaning.setProperty("role", "muted")
        labels = [head, meaning]
        if badge.finding:
            labels.append(PlainLabel(_HASH.sub(r"\1…", badge.finding), wordWrap=True))
        for label in labels:
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setMinimumWidth(1)  # one that asked for more would push all of them out of sight
            inner.addWidget(label)
        if badge.rows:
            inner.addWidget(_differences(badge, self._theme))
        inner.addSpacing(6)

    def _inside(self, at: QPoint) -> QPoint:
        """The point, moved so that the popover stays on the screen."""
        screen = QGuiApplication.screenAt(at) or QGuiApplication.primaryScreen()
        room = screen.availableGeometry()
        return QPoint(
            max(room.left(), min(at.x(), room.right() - self.width())),
            max(room.top(), min(at.y(), room.bottom() - self.height())),
        )

    def closeEvent(self, event: object) -> None:
        """Say so."""
        super().closeEvent(event)  # type: ignore[arg-type]
        self.closed.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.copy.setIcon(icon("copy", theme.muted))
        self.close_button.setIcon(icon("close", theme.muted))


def _columns(badge: Badge) -> list[str]:
    return list(dict.fromkeys(name for row in badge.rows for name in row))


def _column(name: str) -> Column[Mapping[str, Any]]:
    return Column(name, name.replace("_", " "), lambda row: row.get(name), _cell)


def _differences(badge: Badge, theme: Theme) -> TableView:
    model: TableModel[Mapping[str, Any]] = TableModel([_column(name) for name in _columns(badge)])
    model.set_rows(badge.rows[:_MOST_ROWS])
    table = TableView(model, "Differences", "")
    model.setParent(table)
    table.setProperty("framed", True)
    table.apply_theme(theme)
    table.fit_columns(widest=160)
    table.setFixedHeight(table.height_of(min(model.rowCount(), _MOST_SEEN)))
    return table


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _table_text(badge: Badge) -> str:
    names = _columns(badge)
    lines = ["\t".join(_cell(row.get(name)) for name in names) for row in badge.rows]
    return "\n".join(["\t".join(names), *lines]) if badge.rows else ""
