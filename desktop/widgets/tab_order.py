"""Tab goes where the eye goes: from top to bottom and from left to right, as things are laid out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QGridLayout,
    QLayout,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QWidget,
)


def follow_the_eye(parts: Iterable[QWidget]) -> None:
    """Have Tab go through the parts one after the other, and through each as it is laid out."""
    for before, after in pairwise(widget for part in parts for widget in in_order(part)):
        QWidget.setTabOrder(before, after)


def in_order(widget: QWidget) -> Iterator[QWidget]:
    """Whatever Tab can reach, the widget itself first."""
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget
    for part in _parts(widget):
        yield from in_order(part)


def bring_to_front(tabs: QTabWidget, number: int) -> None:
    """Show a tab. The focus goes along if it stood in the one that goes, to the first rows there are; Qt would give it to
    whatever button is next.
    """
    before, at = tabs.currentWidget(), QApplication.focusWidget()
    tabs.setCurrentIndex(number)
    page = tabs.widget(number)
    if before is None or at is None or page in (None, before) or not before.isAncestorOf(at):
        return
    tables = [one for one in in_order(page) if isinstance(one, QAbstractItemView) and one.isVisible()]
    (tables[0] if tables else tabs.tabBar()).setFocus()


def _parts(widget: QWidget) -> list[QWidget]:
    if isinstance(widget, QTabWidget):
        return [
            widget.tabBar(),
            *(page for page in map(widget.widget, range(widget.count())) if page is not None),
        ]
    if isinstance(widget, QStackedWidget | QSplitter):
        pages = (widget.widget(number) for number in range(widget.count()))
        return [page for page in pages if page is not None]
    if isinstance(widget, QScrollArea):
        inside = widget.widget()
        return [] if inside is None else [inside]
    layout = widget.layout()
    return [] if layout is None or isinstance(widget, QAbstractItemView) else list(_laid_out(layout))


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    numbers = list(range(layout.count()))
    if isinstance(layout, QGridLayout):
        numbers.sort(key=lambda number: layout.getItemPosition(number)[:2])  # type: ignore[index]
    for number in numbers:
        item = layout.itemAt(number)
        if item is None:
            continue
        inside, widget = item.layout(), item.widget()
        if widget is not None:
            yield widget
        elif inside is not None:
            yield from _laid_out(inside)
