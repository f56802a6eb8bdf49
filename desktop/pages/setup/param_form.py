"""The typed form of one strategy's parameters: numbers, texts, check boxes, choices; changed values bold, one button resets.

A value that nobody edits is handed on as it came, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QWidget

from desktop.tables.run_names import value_text
from desktop.widgets.labels import ElidedLabel
from desktop.widgets.still_fields import Choice
from desktop.widgets.value_field import ValueField
from engine.errors import InputError
from engine.model.parameters import Param

_COLUMNS: Final = 2
_LONG_NAME: Final = 14  # characters; with longer ones each parameter has a line of its own


class ParamForm(QWidget):
    """`changed(params)`: the values that differ from their defaults, or a text that is no value: see `problem`."""

    changed = Signal(object)

    def __init__(self, params: Sequence[Mapping[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._params = list(params)
        self.fields: dict[str, QWidget] = {}
        self._labels: dict[str, ElidedLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        longest = max((len(str(param["name"])) for param in self._params), default=0)
        columns = _COLUMNS if longest <= _LONG_NAME else 1
        for number, param in enumerate(self._params):
            row, column = divmod(number, columns)
            self._add(grid, row, column * 2, param)
        for column in range(columns):
            grid.setColumnStretch(column * 2 + 1, 1)

    def _add(self, grid: QGridLayout, row: int, column: int, param: Mapping[str, Any]) -> None:
        name = str(param["name"])
        field = _field(param, self._emit)
        label = ElidedLabel(name, _tip(param))
        label.setBuddy(field)
        field.setAccessibleName(f"Parameter {name}")
        field.setToolTip(f"{name}: {_tip(param)}")
        self.fields[name], self._labels[name] = field, label
        grid.addWidget(label, row, column)
        grid.addWidget(field, row, column + 1)

    def values(self) -> dict[str, Any]:
        """The values that differ from their defaults."""
        defaults = {str(param["name"]): param["default"] for param in self._params}
        found = {name: _value(field) for name, field in self.fields.items()}
        return {name: value for name, value in found.items() if value != defaults[name]}

    def problem(self) -> str:
        """Why what is typed is no value; empty where all are."""
        fields = (field for field in self.fields.values() if isinstance(field, ValueField))
        return next((field.problem for field in fields if field.problem), "")

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Set values; what is not named goes back to its default. Unknown names are ignored."""
        for param in self._params:
            name = str(param["name"])
            _set_value(self.fields[name], values.get(name, param["default"]))
        self._emit()

    def reset(self) -> None:
        """Every parameter back to its default."""
        self.set_values({})

    def _emit(self) -> None:
        values = self.values()
        for name, label in self._labels.items():
            font = label.font()
            if font.bold() != (name in values):
                font.setBold(name in values)
                label.setFont(font)
        self.changed.emit(values)


def _field(param: Mapping[str, Any], changed: Callable[[], object]) -> QWidget:
    kind, default = param["type"], param["default"]
    if kind == "choice":
        combo = Choice()
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(4)  # what choices are called changes no layout
        for choice in param["choices"]:
            combo.addItem(value_text(choice), choice)
        _set_value(combo, default)
        combo.currentIndexChanged.connect(lambda _: changed())
        return combo
    if kind == "bool":
        box = QCheckBox()
        box.setChecked(bool(default))
        box.toggled.connect(lambda _: changed())
        return box
    declared = Param.from_json(param)

    def read(text: str) -> Any:
        try:
            return declared.parse(text)
        except InputError as error:
            raise ValueError(str(error)) from None

    field = ValueField(default, read, low=param["low"], high=param["high"])
    field.value_changed.connect(lambda: changed())
    return field


def _value(field: QWidget) -> Any:
    if isinstance(field, QComboBox):
        return field.currentData()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    return field.value() if isinstance(field, ValueField) else None


def _set_value(field: QWidget, value: Any) -> None:
    if isinstance(field, QComboBox):
        found = [at for at in range(field.count()) if field.itemData(at) == value]
        if not found:  # of a run whose strategy offered it: running it again says what is wrong with it
            field.addItem(f"{value_text(value)} (not offered)", value)
            found = [field.count() - 1]
        field.setCurrentIndex(found[0])
    elif isinstance(field, QCheckBox):
        field.setChecked(bool(value))
    elif isinstance(field, ValueField):
        field.set_value(value)


def _tip(param: Mapping[str, Any]) -> str:
    parts = [str(param["help"])] if param.get("help") else []
    if param["low"] is not None and param["high"] is not None:
        parts.append(f"{value_text(param['low'])} to {value_text(param['high'])}")
    parts.append(f"default {value_text(param['default'])}")
    return " · ".join(parts)
