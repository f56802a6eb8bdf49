"""Windows to look things up in: every key, every metric. Beside the main one; nothing waits for them, Esc closes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLineEdit, QMainWindow, QMenu, QTextBrowser, QVBoxLayout, QWidget

from desktop.pages.keyed import KEYED
from engine.model.metric_definitions import DEFINITIONS, group_names

Rows = Sequence[tuple[str, ...]]


class Reference(QWidget):
    """Rows under headings, and a field that leaves only those with the typed words. The first cell of a row is bold."""

    def __init__(self, parent: QWidget, title: str, groups: Mapping[str, Rows]) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(760, 600)
        self._groups = groups
        self.filter = QLineEdit(self, placeholderText="Filter", clearButtonEnabled=True)
        self.filter.setAccessibleName(f"Filter: {title}")
        self.text = QTextBrowser(self)
        self.text.setAccessibleName(title)
        layout = QVBoxLayout(self)
        layout.addWidget(self.filter)
        layout.addWidget(self.text, 1)
        self.addAction("Close", Qt.Key.Key_Escape, self.close)
        self.filter.textChanged.connect(lambda _: self._show())
        self._show()

    def _show(self) -> None:
        words = self.filter.text().lower().split()
        parts = []
        for heading, rows in self._groups.items():
            left = [row for row in rows if all(word in " ".join((heading, *row)).lower() for word in words)]
            if left:
                parts.append(
                    f"<h3>{escape(heading)}</h3><table cellpadding='3'>{''.join(map(_line, left))}</table>"
                )
        self.text.setHtml("".join(parts) or "<p>Nothing has these words.</p>")


def _line(row: tuple[str, ...]) -> str:
    first, *others = map(escape, row)
    cells = "".join(f"<td>{cell}&nbsp;&nbsp;</td>" for cell in others)
    return f"<tr><td width='170'><b>{first}</b>&nbsp;&nbsp;</td>{cells}</tr>"


def glossary() -> dict[str, Rows]:
    """Every metric: title, unit, formula, and its name in files and on the command line."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, group in group_names().items():
        one = DEFINITIONS[name]
        found.setdefault(group, []).append((one.title, one.unit, one.definition, name))
    return dict(found)


def shortcuts(window: QMainWindow) -> dict[str, Rows]:
    """Every key of a window's menus and widgets, as they are: under the menu's title, or the widget's name; then those that
    widgets answer by themselves.
    """
    found: dict[str, dict[tuple[str, ...], None]] = {}
    seen: set[QAction] = set()
    for entry in window.menuBar().actions():
        menu = entry.menu()
        if isinstance(menu, QMenu):
            for action in _in_menu(menu):
                seen.add(action)
                _note(found, _plain(entry.text()), action)
    for action in window.findChildren(QAction):
        owners = [owner for owner in action.associatedObjects() if isinstance(owner, QWidget)]
        if action not in seen and owners and owners[0].window() is window:
            _note(found, owners[0].accessibleName() or "Everywhere", action)
    for keyed in KEYED:  # a widget with actions too has more rows under its name
        heading, own = keyed.KEYS
        found.setdefault(heading, {}).update(dict.fromkeys(own))
    return {heading: list(rows) for heading, rows in found.items()}


def _in_menu(menu: QMenu) -> Iterator[QAction]:
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu):
            yield from _in_menu(inner)
        else:
            yield action


def _note(found: dict[str, dict[tuple[str, ...], None]], heading: str, action: QAction) -> None:
    if action.shortcuts() and action.text():
        found.setdefault(heading, {})[_keys(action.shortcuts()), _plain(action.text())] = None


def _keys(keys: Sequence[QKeySequence]) -> str:
    return " or ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in keys)


def _plain(text: str) -> str:
    return text.replace("&", "").removesuffix("…").strip()
