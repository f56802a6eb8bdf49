"""Things kept under names: a box to choose one or type a new name, a button that saves, one that deletes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QWidget

from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.still_fields import Choice

_LONGEST = 60


class NamedSets(QWidget):
    """Signals, each with a name: `chosen`, `save_wanted` (in place of what has it), `delete_wanted`."""

    chosen = Signal(str)
    save_wanted = Signal(str)
    delete_wanted = Signal(str)

    def __init__(self, what: str, content: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self.box = Choice(editable=True, insertPolicy=QComboBox.InsertPolicy.NoInsert)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(6)
        self.box.setAccessibleName(f"{what}: choose one, or type a name to save under")
        self.field = QLineEdit(placeholderText=f"{what} …", maxLength=_LONGEST)
        self.field.setAccessibleName(self.box.accessibleName())
        self.box.setLineEdit(self.field)
        self.box.setCompleter(None)  # type: ignore[arg-type]  # it would finish a new name as an old one
        self.box.setToolTip(f"Choose a {what.lower()}, or type a name and save")
        self.save = tool_button("", f"Save {content} under this name")
        self.delete = tool_button("", f"Delete the {what.lower()} of this name")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.box, 1)
        row.addWidget(self.save)
        row.addWidget(self.delete)
        self.box.activated.connect(lambda at: self.chosen.emit(self._names[at]))
        self.field.textChanged.connect(lambda _: self._update())
        self.field.returnPressed.connect(self._entered)
        self.save.clicked.connect(self._save)
        self.delete.clicked.connect(lambda: self.delete_wanted.emit(self.name()))
        self._update()

    def name(self) -> str:
        """What is typed or chosen."""
        return self.field.text().strip()

    def set_names(self, names: Sequence[str]) -> None:
        """What there is now; what is typed stays."""
        if tuple(names) == self._names:
            return
        text = self.field.text()
        self._names = tuple(names)
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItems(list(names))
        self.box.setCurrentIndex(self._names.index(text) if text in self._names else -1)
        self.field.setText(text)
        self.box.blockSignals(False)
        self._update()

    def set_name(self, name: str) -> None:
        """Show a name; it chooses nothing."""
        self.field.setText(name)

    def _save(self) -> None:
        """Without a name the field asks for one."""
        if self.name():
            self.save_wanted.emit(self.name())
        else:
            self.field.setFocus()

    def _entered(self) -> None:
        """Return with a new name saves; with one that is there it chooses, which the box tells."""
        if self.name() and self.name() not in self._names:
            self.save_wanted.emit(self.name())

    def _update(self) -> None:
        self.delete.setEnabled(self.name() in self._names)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        self.save.setIcon(icon("save", theme.muted))
        self.delete.setIcon(icon("close", theme.muted))
