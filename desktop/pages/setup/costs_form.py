"""Starting cash and what trading costs, percent for people and fractions for the engine; the terms are a form beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QGridLayout, QWidget

from desktop.pages.setup.terms_form import TermsForm
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice, DecimalField
from engine.model.account import Costs
from engine.model.cost_presets import COST_PRESETS, CostPreset
from engine.model.exchanges import describe
from engine.model.market import SAMPLE_EXCHANGE

_DIGITS: Final = 10


def _decimals(value: float) -> int:
    """How many decimals a value has, but for the noise of a multiplication."""
    text = f"{round(value, _DIGITS):.{_DIGITS}f}".rstrip("0")
    return len(text.partition(".")[2])


class CostsForm(QWidget):
    """`changed()` when a value moved. `terms`: leverage and its like, for the owner to lay out where it wants."""

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
            ("Co&mmission", self.commission),
            ("Si&ze", self.part),
            ("S&lippage", self.slippage),
        )
        for number, (name, field) in enumerate(fields):
            label = PlainLabel(name)
            label.setBuddy(field)
            label.setToolTip(field.toolTip())
            row, column = divmod(number, 2)
            grid.addWidget(label, row, column * 2)
            grid.addWidget(field, row, column * 2 + 1)
            field.valueChanged.connect(lambda _: self.changed.emit())
        self.fees = Choice()
        self.fees.setAccessibleName("Fees")
        self.fees.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.fees.setToolTip("What the exchange takes by its own table; choosing sets the commission")
        label = PlainLabel("Fee&s")
        label.setBuddy(self.fees)
        label.setToolTip(self.fees.toolTip())
        grid.addWidget(label, 2, 0)
        grid.addWidget(self.fees, 2, 1, 1, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.terms = TermsForm()
        self.terms.changed.connect(self._terms_changed)
        self.fees.activated.connect(lambda _: self._use_preset())
        self._given = Costs()
        self._shown: tuple[float, ...] = ()
        self.set_costs(Costs())
        self.changed.connect(self._show_preset)
        self.offer("")

    def offer(self, exchange: str) -> None:
        """Offer what that exchange takes; the sample market's is as at Binance's USD-M futures."""
        wanted = "binanceusdm" if exchange == SAMPLE_EXCHANGE else exchange
        known = [one for one in COST_PRESETS.values() if one.name.partition("-")[0] == wanted]
        self.fees.clear()
        typed = "As typed"
        if known and describe(wanted).is_perpetual:
            typed += f"; USD-M takers pay {known[0].taker * 100:g} %"
        self.fees.addItem(typed, None)
        for one in known:
            self.fees.addItem(f"{one.title}: {one.taker * 100:g} %", one)
        self.fees.setEnabled(bool(known))
        self._show_preset()

    def _use_preset(self) -> None:
        one = self.fees.currentData()
        if isinstance(one, CostPreset):
            percent = one.taker * 100
            self.commission.setDecimals(max(self.commission.property("digits"), _decimals(percent)))
            self.commission.setValue(percent)
            self.terms.set_maker(one.maker)

    def _show_preset(self) -> None:
        """The one chosen, while its rates stand; else one of these rates, if there is one."""
        costs = self.costs()
        rows = [self.fees.currentIndex(), *range(1, self.fees.count())]
        fitting = (row for row in rows if _fits(self.fees.itemData(row), costs))
        self.fees.setCurrentIndex(next(fitting, 0))

    def costs(self) -> Costs:
        """The values as fractions; what nobody edited as it came, to the last bit."""
        edited: dict[str, Any] = {
            name: field.value() / scale if scale == 1 else round(field.value() / scale, _DIGITS + 2)
            for (name, (field, scale)), shown in zip(self._fields().items(), self._shown, strict=True)
            if field.value() != shown
        }
        return self.terms.applied(replace(self._given, slippage_model="", **edited))

    def set_costs(self, costs: Costs) -> None:
        """Show these values, with as many decimals as they need."""
        for name, (field, scale) in self._fields().items():
            value = getattr(costs, name) * scale
            field.setDecimals(min(_DIGITS, max(field.property("digits"), _decimals(value))))
            field.setValue(value)
        self._given = costs
        self._shown = tuple(field.value() for field, _ in self._fields().values())
        self.terms.set_costs(costs)

    def _terms_changed(self) -> None:
        """A model of slippage stands in place of the fixed one."""
        self.slippage.setEnabled(not self.terms.models_slippage())
        self.changed.emit()

    def _fields(self) -> dict[str, tuple[QDoubleSpinBox, int]]:
        """Per cost its field, and what one is multiplied with there."""
        return {
            "cash": (self.cash, 1),
            "commission": (self.commission, 100),
            "size": (self.part, 100),
            "slippage": (self.slippage, 100),
        }


def _fits(preset: object, costs: Costs) -> bool:
    return isinstance(preset, CostPreset) and (
        preset.taker == costs.commission and costs.maker in (None, preset.maker)
    )


def _spin(
    name: str, low: float, high: float, digits: int, step: float, suffix: str, tip: str
) -> QDoubleSpinBox:
    spin = DecimalField(minimum=low, maximum=high, decimals=digits, singleStep=step, suffix=suffix)
    spin.setProperty("digits", digits)
    spin.setGroupSeparatorShown(True)
    spin.setAccessibleName(name)
    spin.setToolTip(tip)
    spin.setMinimumWidth(64)
    return spin
