"""A part of the set-up under a header that folds it away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon

_LEAST_PX = 64


class Section(QWidget):
    """Title, arrow, content."""

    def __init__(
        self, title: str, content: QWidget, *, folded: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._title = title
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setMinimumWidth(_LEAST_PX)  # cut, where much is told
        self.header.setCheckable(True)
        self.header.setChecked(not folded)
        self.header.setObjectName("sectionHeader")
        self.header.setAccessibleName(f"{title}, fold or unfold")
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.setIconSize(QSize(11, 11))
        self.content = content
        self._theme = DARK
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(3)
        layout.addWidget(self.header)
        layout.addWidget(content)
        self.header.toggled.connect(self._fold)
        self._fold(not folded)

    def _fold(self, unfolded: bool) -> None:
        self.content.setVisible(unfolded)
        name = "arrow_down" if unfolded else "arrow_right"
        self.header.setIcon(icon(name, self._theme.muted))

    def tell(self, words: str) -> None:
        """Say something beside the title; empty: nothing. What has no room there is told by the tooltip."""
        self.header.setText(f"{self._title} · {words}" if words else self._title)
        self.header.setToolTip(words)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the arrow."""
        self._theme = theme
        self._fold(self.header.isChecked())
