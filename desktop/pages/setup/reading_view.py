"""What the strategy in focus reads beside the candles that it trades: its series, their warm-up, and what is held."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop.pages.setup.coverage_view import Answer, CoverageView
from desktop.theme.colours import Theme
from desktop.widgets.labels import PlainLabel, breakable
from engine.model.parameters import StrategyInfo


class ReadingView(QWidget):
    """A line of words, and a row for each series that is fetched. Hidden where a strategy reads nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = PlainLabel(wordWrap=True)
        self.words.setProperty("role", "muted")
        self.words.setMinimumWidth(1)  # no word of it is too long for the dock
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.coverage = CoverageView()
        self.coverage.setAccessibleName("What is held of the series that the strategy reads")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.words)
        layout.addWidget(self.coverage)
        self.show_strategy(None)

    def show_strategy(self, info: StrategyInfo | None) -> None:
        """Of which strategy; its series follow with `set_answers`."""
        words = "" if info is None or info.error is not None else info.reading
        self.words.setText(breakable(words[:1].upper() + words[1:]))
        self.set_answers([])
        self.setVisible(bool(words))

    def set_answers(self, answers: list[Answer]) -> None:
        """Show what is held of each series."""
        self.coverage.set_answers(answers)
        self.coverage.setVisible(bool(answers))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.coverage.apply_theme(theme)
