"""The typed form of one strategy's parameters: spin boxes, check boxes, choices; changed values bold, one button resets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

_WIDEST: Final = 1_000_000_000
_COLUMNS: Final = 2


class ParamForm(QWidget):
    """`changed(params)`: the values that differ from their defaults."""

    changed = Signal(object)

    def __init__(self, params: Sequence[Mapping[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._params = list(params)
        self.fields: dict[str, QWidget] = {}
        self._labels: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        for number, param in enumerate(self._params):
            row, column = divmod(number, _COLUMNS)
            self._add(grid, row, column * 2, param)
        for column in range(_COLUMNS):
            grid.setColumnStretch(column * 2 + 1, 1)

    def _add(self, grid: QGridLayout, row: int, column: int, param: Mapping[str, Any]) -> None:
        name = str(param["name"])
        field = _field(param, self._emit)
        label = QLabel(name)
        label.setBuddy(field)
        field.setAccessibleName(f"Parameter {name}")
        for widget in (field, label):
            widget.setToolTip(_tip(param))
        self.fields[name], self._labels[name] = field, label
        grid.addWidget(label, row, column)
        grid.addWidget(field, row, column + 1)

    def values(self) -> dict[str, Any]:
        """The values that differ from their defaults; what is only shown never does."""
        defaults = {str(param["name"]): param["default"] for param in self._params}
        fields = {name: field for name, field in self.fields.items() if not isinstance(field, QLabel)}
        found = {name: _value(field) for name, field in fields.items()}
        return {name: value for name, value in found.items() if value != defaults[name]}

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Set values; what is not named goes back to its default. Unknown names and types are ignored."""
        for param in self._params:
            name = str(param["name"])
            _set_value(self.fields[name], values.get(name, param["default"]), param["default"])
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


def _field(param: Mapping[str, Any], changed: Any) -> QWidget:
    kind, default = param["type"], param["default"]
    if kind == "choice":
        combo = QComboBox()
        for choice in param["choices"]:
            combo.addItem(str(choice), choice)
        combo.setCurrentIndex(combo.findData(default))
        combo.currentIndexChanged.connect(lambda _: changed())
        return combo
    if kind == "bool":
        box = QCheckBox()
        box.setChecked(bool(default))
        box.toggled.connect(lambda _: changed())
        return box
    if kind not in ("int", "float"):
        return _shown(default)
    spin: QSpinBox | QDoubleSpinBox = QSpinBox() if kind == "int" else QDoubleSpinBox()
    low = -_WIDEST if param["low"] is None else param["low"]
    high = _WIDEST if param["high"] is None else param["high"]
    if isinstance(spin, QDoubleSpinBox):
        spin.setDecimals(_decimals(default))
        spin.setRange(float(low), float(high))
        spin.setSingleStep(10 ** -min(2, spin.decimals() - 1))
        spin.setValue(float(default))
    else:
        spin.setRange(int(low), int(high))
        spin.setValue(max(-_WIDEST, min(int(default), _WIDEST)))
    if _value(spin) != default:
        return _shown(default)  # too large or too small a number for the field: another would be run
    spin.setGroupSeparatorShown(True)
    spin.setMinimumWidth(64)
    spin.setStepType(QAbstractSpinBox.StepType.DefaultStepType)
    spin.valueChanged.connect(lambda _: changed())
    return spin


def _shown(default: Any) -> QLabel:
    label = QLabel(str(default))
    label.setEnabled(False)
    return label


def _decimals(default: float) -> int:
    text = repr(float(default))
    return max(2, len(text.split(".")[1])) if "." in text and "e" not in text else 6


def _value(field: QWidget) -> Any:
    if isinstance(field, QComboBox):
        return field.currentData()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    if isinstance(field, QDoubleSpinBox):
        return round(field.value(), field.decimals())
    return field.value() if isinstance(field, QSpinBox) else None


def _set_value(field: QWidget, value: Any, default: Any) -> None:
    if isinstance(field, QComboBox):
        index = field.findData(value)
        field.setCurrentIndex(index if index >= 0 else field.findData(default))
        return
    if isinstance(field, QCheckBox):
        field.setChecked(bool(value))
        return
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else default
    if isinstance(field, QDoubleSpinBox):
        field.setValue(float(number))
    elif isinstance(field, QSpinBox):
        field.setValue(int(number))


def _tip(param: Mapping[str, Any]) -> str:
    parts = [str(param["help"])] if param.get("help") else []
    if param["low"] is not None and param["high"] is not None:
        parts.append(f"{param['low']:g} to {param['high']:g}")
    parts.append(f"default {param['default']}")
    return " · ".join(parts)
