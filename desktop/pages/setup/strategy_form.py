"""Which strategies: a check list, and the parameters of the one in focus. Broken files are listed with their error.

Files change while somebody types: what is checked and typed stays, of what was renamed or broken until it loads again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.setup.param_form import ParamForm
from desktop.pages.setup.reading_view import ReadingView
from desktop.pages.setup.source_window import SourceWindow
from desktop.tables.traces import own_frames
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import chip, tool_button
from desktop.widgets.labels import ElidedLabel, PlainLabel, breakable
from desktop.widgets.name_row import NameRow
from desktop.widgets.named_sets import NamedSets
from desktop.widgets.tab_order import follow_the_eye
from engine.model.parameters import StrategyInfo

_TRACE_LINES = 6
_MOST_ROWS = 9
_ICON_PX = 14


class StrategyForm(QWidget):
    """Signals: `changed()`; `focus_changed(name)`; `reload_wanted()`: read the files again; `reset_wanted()`: every
    parameter its default; `new_wanted(name)`, `edit_wanted(name)`, `source_wanted(name)`, `folder_wanted()`: of the files.
    """

    changed = Signal()
    focus_changed = Signal(str)
    reload_wanted = Signal()
    reset_wanted = Signal()
    new_wanted = Signal(str)
    edit_wanted = Signal(str)
    source_wanted = Signal(str)
    folder_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.infos: dict[str, StrategyInfo] = {}
        self.params: dict[str, Mapping[str, Any]] = {}
        self._wanted: tuple[str, ...] = ()  # those that cannot be chosen now among them
        self._focus = ""  # what the user looked at last, be it gone for a moment
        self._shown: StrategyInfo | None = None
        self._theme = DARK
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.setProperty("framed", True)
        self.list.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self.list.setAccessibleName("Strategies")
        self.title = ElidedLabel("Parameters")
        self.title.setProperty("role", "title")
        self.reset = tool_button("", "Put every parameter back to its default")
        self.reload = tool_button("", "Read the strategy files again; what is saved is read by itself")
        self.new = chip("New", "Write a working strategy to start from")
        self.edit = chip("Edit", "Open the file of the strategy in focus in an editor")
        self.source = chip("Source", "Show the source of the strategy in focus")
        self.folder = chip("Folder", "Open the folder of your strategies")
        self.naming = NameRow("Name of the new strategy, e.g. my_strategy", "Create")
        self.presets = NamedSets("Preset", "the parameters below")
        self.description = PlainLabel("Loading strategies …", wordWrap=True)
        self.description.setProperty("role", "muted")
        self.description.setMinimumWidth(1)  # no word of it is too long for the dock
        self.description.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.reading = ReadingView()
        self.loading = QProgressBar(minimum=0, maximum=0, textVisible=False)
        self.loading.setToolTip("Reading the strategy files …")
        self.loading.setAccessibleName("Reading the strategy files")
        self.loading.setMinimumWidth(
            1
        )  # by itself it asks for more room than the dock has beside the buttons
        self.loading.hide()
        self.form: ParamForm | None = None
        self.source_window: SourceWindow | None = None
        self._layout = QVBoxLayout(self)
        self._lay_out()
        self._connect()

    def _connect(self) -> None:
        self.list.itemChanged.connect(self._checked)
        self.list.itemClicked.connect(self.list.setCurrentItem)  # a click into the box alone would not
        self.list.currentItemChanged.connect(lambda *_: self._focused_anew())
        self.list.itemDoubleClicked.connect(lambda _: self.source_wanted.emit(self.focused()))
        self.reset.clicked.connect(lambda: self.reset_wanted.emit())
        self.reload.clicked.connect(lambda: self.reload_wanted.emit())
        self.new.clicked.connect(self.naming.ask)
        self.naming.named.connect(self.new_wanted)
        self.edit.clicked.connect(lambda: self.edit_wanted.emit(self.focused()))
        self.source.clicked.connect(lambda: self.source_wanted.emit(self.focused()))
        self.folder.clicked.connect(lambda: self.folder_wanted.emit())

    def _lay_out(self) -> None:
        files = QHBoxLayout()
        files.setSpacing(4)
        for button in (self.new, self.edit, self.source, self.folder):
            files.addWidget(button)
        files.addWidget(self.loading, 1)  # what comes and goes there moves nothing
        files.addStretch()
        files.addWidget(self.reload)
        bar = QHBoxLayout()
        bar.setSpacing(2)
        bar.addWidget(self.title, 1)
        bar.addWidget(self.reset)
        self.list.setFixedHeight(60)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(5)
        self._layout.addWidget(self.list)
        self._layout.addLayout(files)
        self._layout.addWidget(self.naming)
        self._layout.addLayout(bar)
        self._layout.addWidget(self.description)
        self._layout.addWidget(self.reading)
        self._layout.addWidget(self.presets)

    def set_loading(self, *, on: bool) -> None:
        """The files are being read, which takes seconds where many of them changed."""
        self.reload.setEnabled(not on)
        self.loading.setVisible(on)

    def set_infos(self, infos: list[StrategyInfo]) -> None:
        """Show the strategies found; what was checked stays checked. Of two of one name the first has it."""
        found: dict[str, StrategyInfo] = {}
        for info in infos:
            found[info.path if info.name in found else info.name] = info
        if found == self.infos and found:
            return
        seen = self.list.verticalScrollBar().value() if self.infos else None
        self.infos = found
        self.list.blockSignals(True)
        self.list.clear()
        for key, info in found.items():
            self.list.addItem(self._item(key, info))
        first = next((one for one in (self._focus, *self._wanted, *found) if one in found), None)
        if first is not None:
            self.list.setCurrentRow(list(found).index(first))
        self.list.blockSignals(False)
        if found:
            self.list.setFixedHeight(self.list.sizeHintForRow(0) * min(len(found), _MOST_ROWS) + 8)
        if seen is not None:  # a file that was saved moves nothing under the eye
            self.list.doItemsLayout()
            self.list.verticalScrollBar().setValue(seen)
        self._show_current()
        self.changed.emit()

    def _checked(self, item: QListWidgetItem) -> None:
        if item.data(Qt.ItemDataRole.CheckStateRole) is None:
            return
        name = str(item.data(Qt.ItemDataRole.UserRole))
        others = tuple(other for other in self._wanted if other != name)
        self._wanted = (*others, name) if item.checkState() == Qt.CheckState.Checked else others
        self.changed.emit()

    def _focused_anew(self) -> None:
        self._focus = self.focused()
        self._show_current()

    def _item(self, key: str, info: StrategyInfo) -> QListWidgetItem:
        item = QListWidgetItem(info.name if info.error is None else f"{info.name}  – does not load")
        item.setData(Qt.ItemDataRole.UserRole, key)
        item.setSizeHint(QSize(0, max(self.fontMetrics().height(), _ICON_PX) + 4))  # with an icon or without
        if info.error is None:
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if key in self._wanted else Qt.CheckState.Unchecked)
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

    def reading_beside(self, names: Iterable[str]) -> dict[str, StrategyInfo]:
        """Those among them that read series beside the candles that they trade."""
        found = {name: self.infos[name] for name in names if name in self.infos}
        return {name: info for name, info in found.items() if info.reading}

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
        if self.form is not None:
            self.form.set_values(self.params.get(self.focused(), {}))

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
        """What differs from the defaults, per strategy; parameters that its file does not have any more are left out."""
        known = {name: self._known(name, values) for name, values in self.params.items()}
        return {name: values for name, values in known.items() if values}

    def _known(self, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        info = self.infos.get(name)
        if info is None or info.error is not None:
            return values
        declared = {str(param["name"]) for param in info.params}
        return {param: value for param, value in values.items() if param in declared}

    def complete_params(self, name: str) -> dict[str, Any]:
        """Every parameter of a strategy as it would be run."""
        info = self.infos[name]
        return {str(param["name"]): param["default"] for param in info.params} | dict(
            self._known(name, self.params.get(name, {}))
        )

    def focus_when_there(self, name: str) -> None:
        """Focus and check a strategy, be it that its file was not seen yet."""
        self._focus = name
        self._wanted = (*(other for other in self._wanted if other != name), name)

    def show_source(self, info: StrategyInfo, text: str) -> None:
        """Show a source in the window for it."""
        if self.source_window is None:
            self.source_window = SourceWindow(self.window())
            self.source_window.edit_wanted.connect(self.edit_wanted)
            self.source_window.apply_theme(self._theme)
        self.source_window.show_source(info, text)
        if not self.source_window.isVisible():
            self.source_window.show()

    def focus(self, name: str) -> None:
        """Show the parameters of a strategy."""
        if name in self.infos:
            self.list.setCurrentRow(list(self.infos).index(name))

    def problem(self) -> str:
        """Why what is typed for a chosen strategy is no value; empty where all are."""
        return self.form.problem() if self.form is not None and self.focused() in self.chosen() else ""

    def focused(self) -> str:
        """The strategy whose parameters are shown, by its key in `infos`; empty where there is none."""
        item = self.list.currentItem()
        return "" if item is None else str(item.data(Qt.ItemDataRole.UserRole))

    def apply_theme(self, theme: Theme) -> None:
        """Colour icons and broken rows."""
        self._theme = theme
        self.reset.setIcon(icon("reset", theme.muted))
        self.reload.setIcon(icon("refresh", theme.muted))
        self.naming.apply_theme(theme)
        if self.source_window is not None:
            self.source_window.apply_theme(theme)
        self.presets.apply_theme(theme)
        self.reading.apply_theme(theme)
        for row in range(self.list.count()):
            item = self.list.item(row)
            if self.infos[str(item.data(Qt.ItemDataRole.UserRole))].error is not None:
                item.setIcon(icon("broken", theme.negative))
                item.setForeground(QColor(theme.negative))

    def _current(self) -> StrategyInfo | None:
        return self.infos.get(self.focused())

    def _show_current(self) -> None:
        info = self._current()
        if info == self._shown and info is not None:
            return  # whoever types into its form goes on
        before, self._shown = self._shown, info
        is_usable = info is not None and info.error is None and bool(info.params)
        if not (before and info and is_usable and (before.name, before.params) == (info.name, info.params)):
            self._drop_form()
        for widget in (self.reset, self.presets):
            widget.setEnabled(is_usable)
        for button in (self.edit, self.source):
            button.setEnabled(info is not None)
        if info is None:
            return
        self.title.setText(info.name)
        self.title.set_tip(info.path)
        self._describe(info)
        if is_usable and self.form is None:
            self._show_form(info)
        if before is None or (before.name, before.reading) != (info.name, info.reading):
            self.reading.show_strategy(info)
            self.focus_changed.emit(info.name)

    def _describe(self, info: StrategyInfo) -> None:
        self.description.setProperty("role", "muted" if info.error is None else "error")
        self.description.style().polish(self.description)
        words = info.title if info.params else f"{info.title}\nNo parameters."
        self.description.setText(breakable(words if info.error is None else _error_text(info)))
        self.description.setToolTip(info.description)

    def _drop_form(self) -> None:
        if self.form is not None:
            self._layout.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
            self.form = None

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
