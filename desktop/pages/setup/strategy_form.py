"""Which strategies: a check list, and the parameters of the one in focus. Broken files are listed with their error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.setup.param_form import ParamForm
from desktop.tables.traces import own_frames
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import ElidedLabel, breakable
from desktop.widgets.tab_order import follow_the_eye
from engine.model.parameters import StrategyInfo

_TRACE_LINES = 6
_MOST_ROWS = 9


class StrategyForm(QWidget):
    """Signals: `changed()`; `reload_wanted()`: read the files again; `reset_wanted()`: every parameter its default."""

    changed = Signal()
    reload_wanted = Signal()
    reset_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.infos: dict[str, StrategyInfo] = {}
        self.params: dict[str, Mapping[str, Any]] = {}
        self._wanted: tuple[str, ...] = ()
        self._theme = DARK
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.setProperty("framed", True)
        self.list.setIconSize(QSize(14, 14))
        self.list.setAccessibleName("Strategies")
        self.title = ElidedLabel("Parameters")
        self.title.setProperty("role", "title")
        self.reset = tool_button("", "Put every parameter back to its default")
        self.reload = tool_button("", "Read the strategy files again")
        self.description = QLabel("Loading strategies …", wordWrap=True)
        self.description.setProperty("role", "muted")
        self.description.setMinimumWidth(1)  # no word of it is too long for the dock
        self.description.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.loading = QProgressBar(
            minimum=0, maximum=0, textVisible=True, format="Reading the strategy files …"
        )
        self.loading.setAccessibleName("Reading the strategy files")
        self.loading.hide()
        self.form: ParamForm | None = None
        self._layout = QVBoxLayout(self)
        self._lay_out()
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.list.currentItemChanged.connect(lambda *_: self._show_current())
        self.reset.clicked.connect(lambda: self.reset_wanted.emit())
        self.reload.clicked.connect(lambda: self.reload_wanted.emit())

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(2)
        bar.addWidget(self.title, 1)
        bar.addWidget(self.reset)
        bar.addWidget(self.reload)
        self.list.setFixedHeight(60)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(5)
        self._layout.addWidget(self.list)
        self._layout.addWidget(self.loading)
        self._layout.addLayout(bar)
        self._layout.addWidget(self.description)

    def set_loading(self, *, on: bool) -> None:
        """The files are being read, which takes seconds where many of them changed."""
        self.reload.setEnabled(not on)
        self.loading.setVisible(on)

    def set_infos(self, infos: list[StrategyInfo]) -> None:
        """Show the strategies found; what was checked stays checked."""
        wanted = self.chosen() if self.infos else self._wanted
        current = self.list.currentItem()
        name = current.data(Qt.ItemDataRole.UserRole) if current else None
        self.infos = {info.name: info for info in infos}
        self.list.blockSignals(True)
        self.list.clear()
        for info in infos:
            self.list.addItem(self._item(info, checked=info.name in wanted))
        self.list.blockSignals(False)
        names = list(self.infos)
        first = (
            name
            if name in self.infos
            else next((n for n in wanted if n in self.infos), names[0] if names else None)
        )
        if first is not None:
            self.list.setCurrentRow(names.index(first))
        if infos:
            self.list.setFixedHeight(self.list.sizeHintForRow(0) * min(len(infos), _MOST_ROWS) + 8)
        self._show_current()
        self.changed.emit()

    def _item(self, info: StrategyInfo, *, checked: bool) -> QListWidgetItem:
        item = QListWidgetItem(info.name if info.error is None else f"{info.name}  – does not load")
        item.setData(Qt.ItemDataRole.UserRole, info.name)
        if info.error is None:
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
            item.setToolTip(info.title)
        else:
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setIcon(icon("broken", self._theme.negative))
            item.setForeground(QColor(self._theme.negative))
            item.setToolTip(info.error)
        return item

    def chosen(self) -> tuple[str, ...]:
        """The names of the checked strategies; before the list arrived, those that will be checked."""
        if not self.infos:
            return self._wanted
        items = [self.list.item(row) for row in range(self.list.count())]
        return tuple(
            str(item.data(Qt.ItemDataRole.UserRole))
            for item in items
            if item.data(Qt.ItemDataRole.CheckStateRole) is not None
            and item.checkState() == Qt.CheckState.Checked
        )

    def set_choice(self, names: tuple[str, ...], params: Mapping[str, Mapping[str, Any]]) -> None:
        """Check strategies and set their parameters."""
        self._wanted = names
        self.params = {name: dict(values) for name, values in params.items()}
        if self.infos:
            for row in range(self.list.count()):
                item = self.list.item(row)
                if item.data(Qt.ItemDataRole.CheckStateRole) is not None:
                    on = item.data(Qt.ItemDataRole.UserRole) in names
                    item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self._show_current()

    def set_params(self, name: str, values: Mapping[str, Any]) -> None:
        """Set all parameters of a strategy, check it and show them."""
        info = self.infos.get(name)
        if info is None or info.error is not None:
            return
        defaults = {str(param["name"]): param["default"] for param in info.params}
        self.params[name] = {key: value for key, value in values.items() if defaults.get(key, value) != value}
        row = list(self.infos).index(name)
        self.list.item(row).setCheckState(Qt.CheckState.Checked)
        self.list.setCurrentRow(row)
        if self.form is not None:
            self.form.blockSignals(True)  # one change, not one per field
            self.form.set_values(self.params[name])
            self.form.blockSignals(False)
        self.changed.emit()

    def changed_params(self) -> dict[str, Mapping[str, Any]]:
        """What differs from the defaults, per strategy."""
        return {name: values for name, values in self.params.items() if values}

    def focus(self, name: str) -> None:
        """Show the parameters of a strategy."""
        if name in self.infos:
            self.list.setCurrentRow(list(self.infos).index(name))

    def problem(self) -> str:
        """Why what is typed for a chosen strategy is no value; empty where all are."""
        return self.form.problem() if self.form is not None and self.focused() in self.chosen() else ""

    def focused(self) -> str:
        """The strategy whose parameters are shown; empty where there is none."""
        info = self._current()
        return "" if info is None else info.name

    def apply_theme(self, theme: Theme) -> None:
        """Colour icons and broken rows."""
        self._theme = theme
        self.reset.setIcon(icon("reset", theme.muted))
        self.reload.setIcon(icon("refresh", theme.muted))
        for row in range(self.list.count()):
            item = self.list.item(row)
            if self.infos[str(item.data(Qt.ItemDataRole.UserRole))].error is not None:
                item.setIcon(icon("broken", theme.negative))
                item.setForeground(QColor(theme.negative))

    def _current(self) -> StrategyInfo | None:
        item = self.list.currentItem()
        return None if item is None else self.infos.get(str(item.data(Qt.ItemDataRole.UserRole)))

    def _show_current(self) -> None:
        info = self._current()
        if self.form is not None:
            self._layout.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        self.reset.setEnabled(info is not None and info.error is None and bool(info.params))
        if info is None:
            return
        self.title.setText(info.name)
        self.description.setProperty("role", "muted" if info.error is None else "error")
        self.description.style().polish(self.description)
        self.description.setText(breakable(info.title if info.error is None else _error_text(info)))
        self.description.setToolTip(info.description)
        if info.error is None and info.params:
            self._show_form(info)
        elif info.error is None:
            self.description.setText(breakable(f"{info.title}\nNo parameters."))

    def _show_form(self, info: StrategyInfo) -> None:
        self.form = ParamForm(info.params)
        self._layout.addWidget(self.form)
        follow_the_eye([self])
        self.form.set_values(self.params.get(info.name, {}))
        name = info.name
        self.form.changed.connect(lambda values: self._params_changed(name, values))

    def _params_changed(self, name: str, values: dict[str, Any]) -> None:
        self.params[name] = values
        self.changed.emit()

    def reset_params(self) -> None:
        """Put every parameter of the strategy in focus back to its default."""
        if self.form is not None:
            self.form.reset()


def _error_text(info: StrategyInfo) -> str:
    """What is wrong and where in the author's file: the last of their own lines, before any of the program's."""
    trace = (info.traceback or "").strip()
    lines = (own_frames(trace) or trace.splitlines())[-_TRACE_LINES:]
    return "\n".join([str(info.error), *(line.strip() for line in lines), "The other strategies still load."])
