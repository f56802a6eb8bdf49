"""A user who does whatever a window lets them do, in an order that a seed decides."""

from collections.abc import Callable
from random import Random

from PySide6.QtCore import QModelIndex, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QLineEdit,
    QListView,
    QMenu,
    QTableView,
    QTreeView,
    QWidget,
)

from desktop.app.window import MainWindow

KEYS = (
    Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right,
    Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Delete,
    Qt.Key.Key_N, Qt.Key.Key_P, Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
)  # fmt: skip
TEXTS = (
    "", "7", "-1", "0.1", "1e99", "2024-06-30", "today", "SOL", "2024-13-45", "ema", "💥 <b>&", "fast < slow", "[", "9" * 40,
    "5:50:5", "/tmp", " ", "%s {0}",
)  # fmt: skip
MODIFIERS = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


class User:
    """Acts on a window. `left_alone`: names of actions and texts of buttons that are never used."""

    def __init__(self, window: MainWindow, seed: int, left_alone: frozenset[str]) -> None:
        self.window, self.random, self.left_alone = window, Random(seed), left_alone
        self.done: list[str] = []
        self._ways: tuple[tuple[Callable[[], str | None], int], ...] = (
            (self._press, 4), (self._click, 4), (self._use_action, 3), (self._type, 3), (self._choose, 2),
            (self._click_row, 4), (self._point_at_plot, 6), (self._resize, 1), (self._answer_menu, 4),
        )  # fmt: skip
        # a button that shows its menu does not come back before the menu is closed
        self._impatient = QTimer(window, interval=300)
        self._impatient.timeout.connect(self._answer_menu)
        self._impatient.start()

    def act(self) -> str:
        """Do something that is possible; returns in words what."""
        ways, weights = zip(*self._ways, strict=True)
        while True:
            (way,) = self.random.choices(ways, weights)
            what: str | None = way()
            if what is not None:
                self.done.append(what)
                return what

    def _visible(self, kind: type[QWidget]) -> list[QWidget]:
        tops = [top for top in QApplication.topLevelWidgets() if top.isVisible()]
        found = [one for top in tops for one in top.findChildren(kind)]
        return [
            one
            for one in found
            if one.isVisible() and one.isEnabled() and one.width() > 2 and one.height() > 2
        ]

    def _one(self, kind: type[QWidget]) -> QWidget | None:
        found = self._visible(kind)
        return self.random.choice(found) if found else None

    def _press(self) -> str | None:
        target = QApplication.focusWidget() or self.window
        key, modifier = self.random.choice(KEYS), self.random.choice(MODIFIERS[::2])
        QTest.keyClick(target, key, modifier)
        return f"key {key.name} on {_name(target)}"

    def _click(self) -> str | None:
        button = self._one(QAbstractButton)
        if (
            not isinstance(button, QAbstractButton)
            or _plain(button.text() or button.toolTip()) in self.left_alone
        ):
            return None
        text = button.text() or button.accessibleName()
        if button.objectName() == "qt_toolbar_ext_button":
            return None
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        return f"click on {text!r}"

    def _use_action(self) -> str | None:
        action = self.random.choice(self.window.actions_.all())
        if not action.isEnabled() or _plain(action.text()) in self.left_alone:
            return None
        text = action.text()
        action.trigger()
        return f"action {text!r}"

    def _type(self) -> str | None:
        field = self._one(QLineEdit)
        if not isinstance(field, QLineEdit) or field.isReadOnly():
            return None
        text = self.random.choice(TEXTS)
        field.setFocus()
        field.selectAll()
        field.insert(text)  # as one types, but in one turn of the event loop
        if self.random.random() < 0.7:
            QTest.keyClick(field, self.random.choice((Qt.Key.Key_Return, Qt.Key.Key_Tab)))
        return f"{text!r} into {_name(field)}"

    def _choose(self) -> str | None:
        box = self._one(self.random.choice((QComboBox, QAbstractSpinBox)))
        if isinstance(box, QComboBox) and box.count():
            box.setFocus()
            QTest.keyClick(box, self.random.choice((Qt.Key.Key_Up, Qt.Key.Key_Down)))
        elif isinstance(box, QAbstractSpinBox):
            box.stepBy(self.random.choice((-1, 1, 10)))
        else:
            return None
        return f"other value of {_name(box)}"

    def _click_row(self) -> str | None:
        view = self._one(QAbstractItemView)
        if not isinstance(view, QTableView | QListView | QTreeView) or not view.model().rowCount():
            return None
        model = view.model()
        columns = model.columnCount(QModelIndex()) if isinstance(view, QTableView) else 1
        index = model.index(self.random.randrange(model.rowCount()), self.random.randrange(columns))
        view.scrollTo(index)
        at = view.visualRect(index).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, self.random.choice(MODIFIERS), at)
        if self.random.random() < 0.3:
            QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        if self.random.random() < 0.2:
            view.customContextMenuRequested.emit(at)
        return f"row {index.row()} of {_name(view)}"

    def _point_at_plot(self) -> str | None:
        plot = self._one(QGraphicsView)
        if not isinstance(plot, QGraphicsView):
            return None
        area = plot.viewport()
        here, there = (
            QPoint(self.random.randrange(area.width()), self.random.randrange(area.height()))
            for _ in range(2)
        )
        QTest.mouseMove(area, here)
        way = self.random.randrange(4)
        if way == 0:
            step = QPoint(0, self.random.choice((-120, 120)))
            event = QWheelEvent(
                QPointF(here), QPointF(area.mapToGlobal(here)), QPoint(), step, Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(area, event)
        elif way == 1:
            modifier = self.random.choice(MODIFIERS)
            QTest.mousePress(area, Qt.MouseButton.LeftButton, modifier, here)
            QTest.mouseMove(area, (here + there) / 2)
            QTest.mouseMove(area, there)
            QTest.mouseRelease(area, Qt.MouseButton.LeftButton, modifier, there)
        elif way == 2:
            QTest.mouseClick(area, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, here)
        else:
            QTest.mouseDClick(area, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, here)
        return f"{('wheel', 'drag', 'click', 'double click')[way]} on {_name(plot)}"

    def _resize(self) -> str | None:
        size = self.random.choice(((1440, 900), (1024, 700), (900, 520), (1920, 1080)))
        self.window.resize(*size)
        return f"window of {size}"

    def _answer_menu(self) -> str | None:
        menu = QApplication.activePopupWidget()
        if menu is None:
            return None
        offered = [
            one for one in menu.actions() if one.isEnabled() and _plain(one.text()) not in self.left_alone
        ]
        if isinstance(menu, QMenu) and offered and self.random.random() < 0.7:
            action = self.random.choice(offered)
            text = action.text()
            action.trigger()
            menu.close()
            return f"menu {text!r}"
        menu.close()
        return "menu closed"


def _plain(text: str) -> str:
    return text.replace("&", "")


def _name(widget: QWidget | None) -> str:
    return (widget.accessibleName() or widget.objectName() or type(widget).__name__) if widget else ""
