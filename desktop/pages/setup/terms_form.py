"""On which terms is traded: leverage, side, funding, what resting orders pay, how fills slip, what the exchange takes, when
nothing new is entered, and whether finer candles are looked into.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QGridLayout, QLineEdit, QWidget

from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice, DecimalField
from engine.errors import InputError
from engine.model.account import (
    AUTO_FUNDING,
    BOTH,
    CONSTANT,
    MOST_LEVERAGE,
    OFF,
    ON,
    PROTECTIONS,
    ZERO,
    Costs,
    FundingPolicy,
    Protections,
)
from engine.model.filters import CURRENT, NO_FILTERS
from engine.model.market import TIMEFRAMES
from engine.model.slippage import FIXED, HALF_SPREAD, SQUARE_ROOT, VOLUME_SHARE, SlippageModel

_SIDES: Final = {BOTH: "Both sides", "long": "Long only", "short": "Short only"}
_FUNDING: Final = {
    AUTO_FUNDING: (
        "Auto",
        "Charged where every settlement of the period is known; else not, and said",
    ),
    ON: ("On", "Charged; a run fails where a settlement is not known"),
    OFF: ("Off", "Not charged, and said"),
    ZERO: ("Zero", "Charged; settlements that nobody knows count as 0, and are counted"),
    CONSTANT: (
        "Constant",
        "Charged; settlements that nobody knows take the rate beside, and are counted",
    ),
}
_SLIPPAGE: Final = {
    FIXED: ("Fixed", "Every fill is worse by the fraction above"),
    HALF_SPREAD: ("Half spread", "Every fill is worse by half a tick, and at least by the percentage beside"),
    VOLUME_SHARE: (
        "Volume share",
        "Every fill is worse by the number beside times its squared share of the last candle's volume, at most a fortieth",
    ),
    SQUARE_ROOT: (
        "Square root",
        "Every fill is worse by the number beside times a day's volatility times the root of its share of a day's volume",
    ),
}
_FILTERS: Final = {
    NO_FILTERS: ("Off", "Any price and any size, as small as it may be"),
    CURRENT: (
        "Current",
        "Prices in ticks, sizes in steps, no order below the least: as the exchange takes them today, not then",
    ),
}
_LEAST_PX: Final = 64
_AS_ALL: Final = -0.01  # of the maker's field: below every rate
_USUAL_RATE: Final = 0.01  # percent, what Binance's perpetuals pay where prices stand still


class TermsForm(QWidget):
    """`changed()` when a value moved."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.leverage = _spin("Leverage", 0.0, MOST_LEVERAGE, 1.0, " ×")
        self.leverage.setSpecialValueText("off")
        self.leverage.setToolTip(
            "Isolated margin of that leverage, with liquidation; off: no margin at all, 1: margin without leverage"
        )
        self.leverage.editingFinished.connect(self._no_fraction_of_one)
        self.side, self.funding = Choice(), Choice()
        for name, shown in _SIDES.items():
            self.side.addItem(shown, name)
        for name, (shown, _) in _FUNDING.items():
            self.funding.addItem(shown, name)
        self.side.setToolTip("Which entries are taken; signals of the other side are passed over")
        self.rate = _spin("Funding rate", -5.0, 5.0, 0.01, " %", 4)
        self.rate.setToolTip("Per settlement, paid by longs; for settlements that nobody knows")
        self.maker = _spin("Limit orders pay", _AS_ALL, 9.9999, 0.01, " %", 4)
        self.maker.setSpecialValueText("as all")
        self.maker.setToolTip(
            "Commission of limit entries and targets that rested; as all: the commission above"
        )
        self.detail = Choice()
        self.detail.addItem("off", None)
        for timeframe in TIMEFRAMES[: TIMEFRAMES.index("1d") + 1]:
            self.detail.addItem(timeframe, timeframe)
        self.detail.setToolTip(
            "Finer candles that settle what came first inside ambiguous ones, fetched for just those; off: by the rules. A "
            "sweep never looks inside"
        )
        self.protect = QLineEdit(placeholderText="daily-loss=3% cooldown=6")
        self._problem, self._protect = "", Protections()
        self.protect.setToolTip(f"Nothing new is entered while one holds; exits go on. Known: {PROTECTIONS}")
        self.model, self.filters = Choice(), Choice()
        for combo, choices in ((self.model, _SLIPPAGE), (self.filters, _FILTERS)):
            for kind, (shown, _) in choices.items():
                combo.addItem(shown, kind)
        self.degree = _spin("Number of the slippage model", 0.0, 9.9999, 0.1, "", 4)
        self.degree.setToolTip(
            "What the model of slippage beside is multiplied with; of half a spread its least"
        )
        for field, name in (
            (self.side, "Side"), (self.funding, "Funding"), (self.protect, "Protections"), (self.model, "Slippage model"),
            (self.filters, "Exchange filters"), (self.detail, "Detail"),
        ):  # fmt: skip
            field.setAccessibleName(name)
        self._lay_out()
        self._given = Costs()
        self._shown: dict[str, Any] = {}
        self.set_costs(Costs())
        for spin in (self.leverage, self.rate, self.maker, self.degree):
            spin.valueChanged.connect(lambda _: self._changed())
        self.model.currentIndexChanged.connect(lambda _: self._show_degree(SlippageModel.parse(self._kind())))
        for combo in (self.side, self.funding, self.model, self.filters, self.detail):
            combo.currentIndexChanged.connect(lambda _: self._changed())
        self.protect.textEdited.connect(self._read_protections)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        rows = (
            (("Leverage", self.leverage), ("Side", self.side)),
            (("Funding", self.funding), ("Rate", self.rate)),
            (("Resting", self.maker), ("Filters", self.filters)),
            (("Slip by", self.model), ("Number", self.degree)),
            (("Detail", self.detail),),
            (("Protect", self.protect),),
        )
        for row, fields in enumerate(rows):
            for column, (name, field) in enumerate(fields):
                label = PlainLabel(name)
                label.setBuddy(field)
                label.setToolTip(field.toolTip())
                grid.addWidget(label, row, column * 2)
                grid.addWidget(field, row, column * 2 + 1, 1, 3 if field is self.protect else 1)
        for combo in (self.side, self.funding, self.model, self.filters, self.detail):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumWidth(_LEAST_PX)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

    # -- the value

    def applied(self, costs: Costs) -> Costs:
        """These costs on the terms chosen; what nobody edited as it came, to the last bit."""
        found = self._values()
        values = {
            name: found[name] if found[name] != self._shown[name] else getattr(self._given, name)
            for name in found
        }
        return replace(costs, **values, slippage=0.0 if values["slippage_model"] else costs.slippage)

    def set_costs(self, costs: Costs) -> None:
        """Show the terms of these."""
        policy = FundingPolicy.parse(costs.funding)
        self.leverage.setValue(costs.leverage or 0.0)
        self.side.setCurrentIndex(self.side.findData(costs.side))
        self.funding.setCurrentIndex(self.funding.findData(policy.kind))
        self.rate.setValue(policy.rate * 100 if policy.kind == CONSTANT else _USUAL_RATE)
        self.detail.setCurrentIndex(max(0, self.detail.findData(costs.detail)))
        self.maker.setValue(_AS_ALL if costs.maker is None else costs.maker * 100)
        self.filters.setCurrentIndex(self.filters.findData(costs.filters))
        self._show_degree(costs.slips)
        self.protect.setText(" ".join(costs.protect.texts()))
        self.protect.setCursorPosition(0)
        self._judge(costs.protect)
        self._given, self._shown = costs, self._values()
        self._changed()

    def set_maker(self, rate: float) -> None:
        """Resting orders pay this fraction, where they do not pay as all do."""
        if self.maker.value() > _AS_ALL:
            self.maker.setValue(rate * 100)

    def models_slippage(self) -> bool:
        """Whether slippage follows a model, in place of a fixed fraction."""
        return bool(self.model.currentData() != FIXED)

    def problem(self) -> str:
        """Why what is typed is none; empty where it is something."""
        return f"Protect: {self._problem}" if self._problem else ""

    def words(self) -> str:
        """What differs from the usual terms, for a line; empty where nothing does."""
        costs = self.applied(Costs())
        parts = [
            f"{costs.leverage:g}×" if costs.leverage is not None else "",
            _SIDES[costs.side].lower() if costs.side != BOTH else "",
            f"funding {costs.funding}" if costs.funding != AUTO_FUNDING else "",
            f"resting {costs.maker * 100:g} %" if costs.maker is not None else "",
            f"slippage {costs.slippage_model}" if costs.slippage_model else "",
            "exchange's filters" if costs.filters != NO_FILTERS else "",
            f"detail {costs.detail}" if costs.detail is not None else "",
            " ".join(costs.protect.texts()),
        ]
        return " · ".join(part for part in parts if part)

    def _values(self) -> dict[str, Any]:
        leverage, maker, kind = self.leverage.value(), self.maker.value(), str(self.funding.currentData())
        return {
            "leverage": max(1.0, leverage) if leverage > 0 else None,
            "maker": round(maker / 100, 12) if maker > _AS_ALL else None,
            "side": str(self.side.currentData()),
            "funding": f"{kind}:{self.rate.value() / 100:.10g}" if kind == CONSTANT else kind,
            "protect": self._protect,
            "slippage_model": self._slippage_model(),
            "filters": str(self.filters.currentData()),
            "detail": self.detail.currentData(),
        }

    def _kind(self) -> str:
        """Of the slippage; the fixed one has no number here."""
        kind = str(self.model.currentData())
        return "0" if kind == FIXED else kind

    def _slippage_model(self) -> str:
        kind, number = str(self.model.currentData()), self.degree.value()
        if kind == FIXED:
            return ""
        return str(SlippageModel(kind, round(number / 100, 12) if kind == HALF_SPREAD else number))

    def _show_degree(self, model: SlippageModel) -> None:
        """A model and its number, which of half a spread is a percentage, and of the others more than nothing."""
        self.model.setCurrentIndex(self.model.findData(model.kind))
        percent, used = model.kind == HALF_SPREAD, model.kind != FIXED
        self.degree.setEnabled(used)
        self.degree.setMinimum(0.0 if percent or not used else 0.0001)
        self.degree.setSuffix(" %" if percent else "")
        self.degree.setValue((model.value * 100 if percent else model.value) if used else 0.0)

    def _read_protections(self, text: str) -> None:
        """What is typed; where it is none, the last that was stands and the reason is told."""
        try:
            self._judge(Protections.parse(text.replace(",", " ").split()))
        except InputError as error:
            self._judge(self._protect, str(error))
        self._changed()

    def _judge(self, protect: Protections, problem: str = "") -> None:
        self._protect, self._problem = protect, problem
        self.protect.setAccessibleDescription(problem)
        if bool(self.protect.property("bad")) != bool(problem):
            self.protect.setProperty("bad", bool(problem))
            self.protect.style().polish(self.protect)

    def _no_fraction_of_one(self) -> None:
        if 0 < self.leverage.value() < 1:
            self.leverage.setValue(1.0)

    def _changed(self) -> None:
        kind = self.funding.currentData()
        self.funding.setToolTip(_FUNDING[kind][1])
        self.model.setToolTip(_SLIPPAGE[str(self.model.currentData())][1])
        self.filters.setToolTip(_FILTERS[str(self.filters.currentData())][1])
        self.rate.setEnabled(kind == CONSTANT)
        self.changed.emit()


def _spin(name: str, low: float, high: float, step: float, suffix: str, digits: int = 2) -> QDoubleSpinBox:
    spin = DecimalField(minimum=low, maximum=high, decimals=digits, singleStep=step, suffix=suffix)
    spin.setAccessibleName(name)
    spin.setMinimumWidth(_LEAST_PX)
    return spin
