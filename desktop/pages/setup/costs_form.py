"""Starting cash and what trading costs, percent for people and fractions for the engine."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QWidget

from engine.model.account import Costs


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
        self.set_costs(Costs())

    def costs(self) -> Costs:
        """The values as fractions."""
        return Costs(
            cash=self.cash.value(),
            commission=round(self.commission.value() / 100, 8),
            size=round(self.part.value() / 100, 8),
            slippage=round(self.slippage.value() / 100, 8),
        )

    def set_costs(self, costs: Costs) -> None:
        """Show these values."""
        self.cash.setValue(costs.cash)
        self.commission.setValue(costs.commission * 100)
        self.part.setValue(costs.size * 100)
        self.slippage.setValue(costs.slippage * 100)


def _spin(
    name: str, low: float, high: float, digits: int, step: float, suffix: str, tip: str
) -> QDoubleSpinBox:
    spin = QDoubleSpinBox(minimum=low, maximum=high, decimals=digits, singleStep=step, suffix=suffix)
    spin.setGroupSeparatorShown(True)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    spin.setMinimumWidth(64)
    return spin
