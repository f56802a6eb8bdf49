"""One row per parameter: fixed at the set-up's value, or varied from, to, in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QLabel, QSizePolicy, QWidget

from desktop.pages.optimize.values import NUMERIC, RangeChoice, values_of
from desktop.tables import formats
from engine.errors import InputError

_WIDEST: Final = 1e9
_HEADS: Final = ("Vary", "From", "To", "Step", "Values")


@dataclass(frozen=True, slots=True)
class _Row:
    """The widgets of one parameter; `spins` is empty for choices and truth values."""

    param: Mapping[str, Any]
    varied: QCheckBox
    spins: tuple[QDoubleSpinBox, ...]
    fixed: QLabel
    count: QLabel

    def choice(self) -> RangeChoice:
        """What is chosen."""
        numbers = [round(spin.value(), spin.decimals()) for spin in self.spins]
        return RangeChoice(self.varied.isChecked(), *numbers)


class RangeForm(QWidget):
    """`changed()` when any row did."""

    changed = Signal()

    def __init__(self, params: Sequence[Mapping[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, _Row] = {}
        self._fixed: Mapping[str, Any] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 6, 0)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(3)
        for column, head in enumerate(_HEADS):
            label = QLabel(head)
            label.setProperty("role", "muted")
            grid.addWidget(label, 0, column, alignment=_right(column == len(_HEADS) - 1))
        for number, param in enumerate(params, start=1):
            self._add(grid, number, param)
        for column in (1, 2, 3):
            grid.setColumnStretch(column, 1)
        grid.setRowStretch(len(self.rows) + 1, 1)
        self._update()

    def _add(self, grid: QGridLayout, line: int, param: Mapping[str, Any]) -> None:
        name = str(param["name"])
        varied = QCheckBox(name)
        varied.setToolTip("\n".join(filter(None, (param.get("help"), "Check it to try many values of it"))))
        varied.setAccessibleName(f"Vary {name}")
        spins = tuple(_spin(param, which) for which in _HEADS[1:4]) if param["type"] in NUMERIC else ()
        fixed, count = QLabel(), QLabel()
        fixed.setProperty("role", "muted")
        fixed.setToolTip("The value of the set-up on the left; it is changed there")
        grid.addWidget(varied, line, 0)
        grid.addWidget(fixed, line, 1, 1, 3)
        for column, spin in enumerate(spins, start=1):
            grid.addWidget(spin, line, column)
            spin.valueChanged.connect(lambda _: self._edited())
        grid.addWidget(count, line, 4, alignment=_right(right=True))
        grid.setRowMinimumHeight(line, self.fontMetrics().height() + 12)
        self.rows[name] = _Row(param, varied, spins, fixed, count)
        varied.toggled.connect(lambda _: self._edited())

    def fields(self) -> list[QWidget]:
        """What takes the focus, in reading order."""
        return [field for row in self.rows.values() for field in (row.varied, *row.spins)]

    def choices(self) -> dict[str, RangeChoice]:
        """What is chosen per parameter."""
        return {name: row.choice() for name, row in self.rows.items()}

    def set_choices(self, choices: Mapping[str, RangeChoice]) -> None:
        """Choose all of this."""
        for name, row in self.rows.items():
            choice = choices[name]
            for widget in (row.varied, *row.spins):
                widget.blockSignals(True)
            row.varied.setChecked(choice.varied)
            for spin, value in zip(row.spins, (choice.low, choice.high, choice.step), strict=False):
                spin.setValue(value)
            for widget in (row.varied, *row.spins):
                widget.blockSignals(False)
        self._edited()

    def set_fixed(self, values: Mapping[str, Any]) -> None:
        """The set-up's values that differ from the defaults."""
        self._fixed = values
        self._update()

    def _edited(self) -> None:
        self._update()
        self.changed.emit()

    def _update(self) -> None:
        for name, row in self.rows.items():
            varied = row.varied.isChecked()
            for spin in row.spins:
                spin.setVisible(varied)
            row.fixed.setVisible(not (varied and row.spins))
            value = self._fixed.get(name, row.param["default"])
            row.fixed.setText(_all_values(row.param) if varied else f"fixed at {value}")
            row.count.setText(_count(row) if varied else "")


def _count(row: _Row) -> str:
    try:
        return formats.whole(len(values_of(row.param, row.choice())))
    except InputError:
        return formats.NO_VALUE


def _all_values(param: Mapping[str, Any]) -> str:
    return ", ".join(map(str, values_of(param, RangeChoice()))) if param["type"] not in NUMERIC else ""


def _spin(param: Mapping[str, Any], which: str) -> QDoubleSpinBox:
    name, is_step = str(param["name"]), which == "Step"
    spin = QDoubleSpinBox()
    spin.setDecimals(0 if param["type"] == "int" else _decimals(float(param["default"])))
    smallest = 10.0 ** -spin.decimals()
    low = smallest if is_step else -_WIDEST if param["low"] is None else float(param["low"])
    spin.setRange(low, _WIDEST if is_step or param["high"] is None else float(param["high"]))
    spin.setSingleStep(1 if param["type"] == "int" else 0.1)
    spin.setMinimumWidth(64)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # not as wide as a billion
    spin.setAccessibleName(f"{which} of {name}")
    spin.setToolTip(f"{name}: {which.lower()}")
    return spin


def _decimals(default: float) -> int:
    """Enough decimals to step through values of this size."""
    return 2 if not default else min(8, max(2, 2 - math.floor(math.log10(abs(default)))))


def _right(right: bool) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
