"""Tabs at the foot of the window that serve as their dock's title bar, so that no line is spent on a title."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QStackedWidget,
    QTabBar,
    QTableView,
    QVBoxLayout,
    QWidget,
)


class DockTitle(QWidget):
    """A dock's title bar of our own; its free part moves the dock."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dockTitle")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setToolTip("Drag to move")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(content)
        row.addStretch(1)


class BottomPanel(QWidget):
    """Pages by name. `page_changed(name)`."""

    page_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bottomPanel")
        self.tabs = QTabBar(documentMode=True, expanding=False)
        self.tabs.setAccessibleName("Results")
        self.pages = QStackedWidget()
        self._names: list[str] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.pages, 1)
        self.title_bar = DockTitle(self.tabs)
        self.tabs.currentChanged.connect(self._changed)

    def add_page(self, name: str, page: QWidget) -> None:
        """Append a page."""
        self._names.append(name)
        self.pages.addWidget(page)
        self.tabs.addTab(name)

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.tabs.setCurrentIndex(self._names.index(name))

    def set_title(self, name: str, title: str) -> None:
        """Say more on a page's tab."""
        self.tabs.setTabText(self._names.index(name), title)

    def page(self) -> str:
        """The page in front."""
        return self._names[self.tabs.currentIndex()]

    def _changed(self, index: int) -> None:
        before, focus = self.pages.currentWidget(), QApplication.focusWidget()
        moves = before is not None and focus is not None and before.isAncestorOf(focus)
        self.pages.setCurrentIndex(index)
        if moves:  # Qt would choose the page's first field, and the next N were typed into its filter
            tables = (table for table in self.pages.findChildren(QTableView) if table.isVisible())
            next(tables, self.tabs).setFocus()
        self.page_changed.emit(self._names[index])
