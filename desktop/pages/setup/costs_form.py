"""Starting cash and what trading costs, percent for people and fractions for the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QWidget

from engine.model.account import Costs

_DIGITS: Final = 10


def _decimals(value: float) -> int:
    """How many decimals a value has, but for the noise of a multiplication."""
    text = f"{round(value, _DIGITS):.{_DIGITS}f}".rstrip("0")
    return len(text.partition(".")[2])


class CostsForm(QWidget):
    """`changed()` when a value moved."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cash = _spin("Cash", 0.01, 1e12, 2, 1000.0, "", "Money at the start")
        self.commission = _spin("Commission", 0.0, 9.9999, 4, 0.01, " %", "Per side, of the traded value")
        self.part = _spin("Size", 0.01, 100.0, 2, 5.0, " %", "Of the cash, per entry")
        self.slippage = _spin("Slippage", 0.0, 9.9999, 4, 0.01, " %", "Every fill is worse by this much")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        fields = (
            ("C&ash", self.cash),
            ("Comm&ission", self.commission),
            ("Si&ze", self.part),
            ("S&lippage", self.slippage),
        )
        for number, (name, field) in enumerate(fields):
            label = QLabel(name)
            label.setBuddy(field)
            label.setToolTip(field.toolTip())
            row, column = divmod(number, 2)
            grid.addWidget(label, row, column * 2)
            grid.addWidget(field, row, column * 2 + 1)
            field.valueChanged.connect(lambda _: self.changed.emit())
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self._given = Costs()
        self._shown: tuple[float, ...] = ()
        self.set_costs(Costs())

    def costs(self) -> Costs:
        """The values as fractions; what nobody edited as it came, to the last bit."""
        edited = {
            name: field.value() / scale if scale == 1 else round(field.value() / scale, _DIGITS + 2)
            for (name, (field, scale)), shown in zip(self._fields().items(), self._shown, strict=True)
            if field.value() != shown
        }
        return replace(self._given, **edited)

    def set_costs(self, costs: Costs) -> None:
        """Show these values, with as many decimals as they need."""
        for name, (field, scale) in self._fields().items():
            value = getattr(costs, name) * scale
            field.setDecimals(min(_DIGITS, max(field.property("digits"), _decimals(value))))
            field.setValue(value)
        self._given = costs
        self._shown = tuple(field.value() for field, _ in self._fields().values())

    def _fields(self) -> dict[str, tuple[QDoubleSpinBox, int]]:
        """Per cost its field, and what one is multiplied with there."""
        return {
            "cash": (self.cash, 1),
            "commission": (self.commission, 100),
            "size": (self.part, 100),
            "slippage": (self.slippage, 100),
        }


def _spin(
    name: str, low: float, high: float, digits: int, step: float, suffix: str, tip: str
) -> QDoubleSpinBox:
    spin = QDoubleSpinBox(minimum=low, maximum=high, decimals=digits, singleStep=step, suffix=suffix)
    spin.setProperty("digits", digits)
    spin.setGroupSeparatorShown(True)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    spin.setMinimumWidth(64)
    return spin
