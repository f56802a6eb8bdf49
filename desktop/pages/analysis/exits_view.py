"""How far trades went against and for their entry. A level picked there is tried by running the strategy again with it,
where a parameter of it is its stop or target; what it would have made is never drawn from finished trades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.charts.excursion_chart import ExcursionChart
from desktop.pages.analysis.view import Note, View, hint_of, quote_of
from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.widgets.labels import ElidedLabel
from engine.analysis.analysis import Analysis
from engine.analysis.exits import STOP, TARGET, ExitChoice, exit_choice
from engine.model.trade_filter import TradeFilter

_CHART_HEIGHT = 150
_LONGEST = (
    "12,345 of 12,345 trades went 12.34 % or more against their entry: sum −12,345.67 USDT, 12,345 won. What a target there "
    "makes of them and of those after them only a run can tell."
)
_LONGEST_WHY = "my_long_strategy has no parameter that is a target in percent (such as target_pct), and none is laid over it"
_TOLD = {
    STOP: ("Worst excursion (MAE)", "% against the entry", "against"),
    TARGET: ("Best excursion (MFE)", "% for the entry", "for"),
}


class Excursions(QWidget):
    """One of the two. Signals: `trade_wanted(place)`; `rerun_wanted(parameter, value)`."""

    trade_wanted = Signal(int)
    rerun_wanted = Signal(str, object)

    def __init__(self, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self._title, across, self._way = _TOLD[kind]
        self._analysis: Analysis | None = None
        self._choice = ExitChoice(None)
        self._idle = True
        self.read_out = ElidedLabel(
            tip=f"{self._title}: the furthest price {self._way} the position while it was held, in percent of the entry "
            "price; upwards what the trade made. ▲ won, ▼ did not."
        )
        self.chart = ExcursionChart(self._title, across)
        self.chart.setMinimumHeight(_CHART_HEIGHT)
        self.told, self.why = Note(_LONGEST), Note(_LONGEST_WHY)
        self.run = QPushButton("Run again")
        self._lay_out()
        self.chart.hovered.connect(self._hover)
        self.chart.trade_picked.connect(self.trade_wanted)
        self.chart.level_picked.connect(lambda _: self._offer())
        self.run.clicked.connect(self._run)
        self._hover(None)
        self._offer()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.read_out)
        layout.addWidget(self.chart, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.why)
        layout.addWidget(self.run)

    def show_analysis(self, analysis: Analysis, choice: ExitChoice) -> None:
        """Show the trades, and what a level can be tried with."""
        same = self._analysis is not None and self._analysis.run.id == analysis.run.id
        level = self.chart.level if same else None
        self._analysis, self._choice = analysis, choice
        shown = analysis.shown
        seen = shown.mae_pct if self.kind == STOP else shown.mfe_pct
        self.chart.show_trades(seen, shown.return_pct, shown.place, hint_of(analysis))
        self.chart.set_level(level if len(shown) else None)
        self._hover(None)
        self._offer()

    def set_idle(self, idle: bool) -> None:
        """Whether a run may begin."""
        self._idle = idle
        self._offer()

    def _hover(self, place: int | None) -> None:
        if place is None or self._analysis is None:
            some = f", one trade of {self.chart.every} is drawn" if self.chart.every > 1 else ""
            self.read_out.setText(f"{self._title} – beside the result in %{some}")
            return
        trade = self._analysis.run.trades[place]
        seen = trade.mae_pct if self.kind == STOP else trade.mfe_pct
        self.read_out.setText(
            f"#{place + 1} {trade.side} {formats.minute(trade.entry_time)}: {formats.signed(seen)} % {self._way} it, "
            f"made {formats.percent(trade.return_pct)}"
        )

    def _offer(self) -> None:
        """What is known of the level, and what may be tried."""
        level, parameter = self.chart.level, self._choice.parameter
        self.why.setVisible(bool(self._choice.why))
        self.why.setText(f"{self._choice.why}.")
        self.run.setVisible(parameter is not None)
        self.run.setEnabled(parameter is not None and level is not None and self._idle)
        if parameter is not None:
            value = "…" if level is None else f"= {parameter.value(level):g}"
            self.run.setText(f"Run again with {parameter.name} {value}")
        self.run.setToolTip(
            f"Make the run again with a {self.kind} at the picked level; it is compared with this one"
        )
        if self._analysis is None or level is None:
            self.told.setText(
                "Click a level to see how many trades reached it; click a trade to see it in the chart."
            )
            return
        self.told.setText(
            f"{self._reached(level)} What a {self.kind} there makes of them and of those after them only a run can tell."
        )

    def _reached(self, level: float) -> str:
        assert self._analysis is not None
        shown = self._analysis.shown
        reached = np.abs(shown.mae_pct if self.kind == STOP else shown.mfe_pct) >= level
        won = int((reached & (shown.pnl > 0) & ~shown.is_open).sum())
        return (
            f"{formats.whole(int(reached.sum()))} of {formats.whole(len(shown))} trades went {level:g} % or "
            f"more {self._way} their entry: sum {formats.signed(float(shown.pnl[reached].sum()))} "
            f"{quote_of(self._analysis)}, {formats.whole(won)} won."
        )

    def _run(self) -> None:
        if self._choice.parameter is not None and self.chart.level is not None:
            self.rerun_wanted.emit(
                self._choice.parameter.name, self._choice.parameter.value(self.chart.level)
            )


class ExitsView(View):
    """`trade_wanted(place)`; `rerun_wanted(parameter, value)`."""

    trade_wanted = Signal(int)
    rerun_wanted = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.adverse, self.favourable = Excursions(STOP), Excursions(TARGET)
        self._second = QTimer(self, singleShot=True, interval=0)
        self._second.timeout.connect(lambda: self._show(self.favourable))
        self._params: Mapping[str, Iterable[Mapping[str, Any]]] = {}
        self._analysis: Analysis | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 4, 4, 0)
        row.setSpacing(10)
        for part in (self.adverse, self.favourable):
            row.addWidget(part)
            part.trade_wanted.connect(self.trade_wanted)
            part.rerun_wanted.connect(self.rerun_wanted)

    def set_params(self, params: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """The parameters of each strategy, as the engine describes them."""
        self._params = params
        if self._analysis is not None:
            self.show_analysis(self._analysis, TradeFilter())

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """One scatter now, the other one in a turn of its own."""
        del wanted
        self._analysis = analysis
        self._show(self.adverse)
        self._second.start()

    def _show(self, part: Excursions) -> None:
        assert self._analysis is not None
        strategy = self._analysis.run.strategy
        if strategy in self._params:
            choice = exit_choice(part.kind, strategy, self._params[strategy])
        else:
            choice = ExitChoice(None, f"{strategy} is in no plug-in folder now, so nothing can be run again")
        part.show_analysis(self._analysis, choice)

    def set_idle(self, idle: bool) -> None:
        """Whether a run may begin."""
        self.adverse.set_idle(idle)
        self.favourable.set_idle(idle)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.adverse.chart.apply_theme(theme)
        self.favourable.chart.apply_theme(theme)
