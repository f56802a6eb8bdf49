"""Tiles of the current run over the equity curves of all compared runs."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QIcon, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.charts.equity_chart import MONEY, PERCENT, Curve, EquityChart, hold_curve, run_curve
from desktop.pages.chart_bar import RangeButtons
from desktop.pages.overview.profit_split import ProfitSplit
from desktop.pages.overview.tiles import Tiles
from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.badges import badges_in
from desktop.tables.run_names import name_in, names_in, period_text
from desktop.theme.colours import DARK, Theme
from desktop.theme.icons import swatch
from desktop.widgets.badge_row import BadgeRow
from desktop.widgets.buttons import chip
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.when_seen import WhenSeen
from desktop.workspace import Workspace
from engine.model.chance import beside_chance
from engine.model.metric_definitions import DEFINITIONS
from engine.model.run import RunResult

_HINT = "No run to show yet.\nPress F5 to run the set-up, or check runs in the table below."
_COMING = "No run to show yet.\nThe first ones are under way."
_REDRAW_MS = 60
_SCARCE_PX = 420
_LEGEND_PART = 4  # of the height at most one in so many; beyond it scrolls


class OverviewPanel(Panel):
    """Follows the compared runs; a legend button hides its curve."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("centrePanel")
        self.workspace = workspace
        self.tiles = Tiles()
        self.split = ProfitSplit()
        self.chance = PlainLabel(wordWrap=True)
        self.heading = BadgeRow()
        self.heading.setAccessibleName("The run and its checks")
        self.chart = EquityChart()
        self.percent = chip("%", "Percent of the starting cash in place of money", checkable=True)
        self.hold = chip("Buy && hold", "Show what buying and holding would have made", checkable=True)
        self.hold.setChecked(True)
        self.log = chip("Log", "Logarithmic scale: equal steps are equal percentages", checkable=True)
        self.time = ElidedLabel()
        self.time.setProperty("role", "muted")
        self.legend = QWidget()
        self.legend.setMinimumWidth(1)  # a long name is cut, and takes no room from the set-up
        self._legend_layout = FlowLayout(self.legend)
        self.names = QScrollArea(widgetResizable=True)
        self.names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.names.setFrameShape(QFrame.Shape.NoFrame)
        self.names.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.names.setWidget(self.legend)
        for part in (self.names.viewport(), self.legend):
            part.setAutoFillBackground(False)
        self.buttons: dict[str, QToolButton] = {}
        self.empty = PlainLabel()
        self.say_none()
        self.empty.setProperty("role", "muted")
        self._theme = DARK
        self._view_of: tuple[int, int] | None = None
        self._names: list[str] = []
        self._drawing = WhenSeen(self, self.refresh, _REDRAW_MS)
        self._lay_out()
        self._connect()
        self.refresh()

    def say_none(self, *, coming: bool = False) -> None:
        """What stands where there is no run: how to make one, or that the first are `coming`."""
        self.empty.setText(_COMING if coming else _HINT)

    def _lay_out(self) -> None:
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.chance.setProperty("role", "muted")
        self.chance.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.chance.setToolTip("\n".join(f"{DEFINITIONS[name].title}: {DEFINITIONS[name].definition}" for name in
                                         ("chance_sharpe", "dsr", "dsr_eff", "trials_counted")))  # fmt: skip
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bar = QHBoxLayout()
        bar.setSpacing(6)
        bar.addWidget(RangeButtons(self.chart))
        bar.addWidget(self.percent)
        bar.addWidget(self.hold)
        bar.addWidget(self.log)
        bar.addWidget(self.time, 1)
        full = QWidget()
        inner = QVBoxLayout(full)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(6)
        inner.addWidget(self.heading)
        inner.addWidget(self.tiles)
        inner.addWidget(self.split)
        inner.addWidget(self.chance)
        inner.addLayout(bar)
        inner.addWidget(self.names)
        inner.addWidget(self.chart, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(full)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 6, 4)
        layout.addWidget(self.stack)

    def _connect(self) -> None:
        self.workspace.checked_changed.connect(self._drawing.wish)
        self.workspace.details_changed.connect(lambda _: self._drawing.wish())
        self.workspace.runs_changed.connect(lambda _: self._runs_changed())
        self.workspace.runs_removed.connect(lambda _: self._drawing.wish())
        self.workspace.current_changed.connect(self._show_current)
        self.workspace.current_changed.connect(self._drawing.wish)
        self.percent.toggled.connect(lambda _: self.refresh())
        self.hold.toggled.connect(lambda _: self.refresh())
        self.log.toggled.connect(lambda on: self.chart.set_log(on=on))
        self.chart.hovered.connect(self._hover)

    def _runs_changed(self) -> None:
        self._show_current()
        if names_in(self.workspace, self.workspace.shown_runs()) != self._names:
            self._drawing.wish()

    def _show_current(self) -> None:
        run = self.workspace.current_run()
        self.tiles.show_run(run)
        self.split.show_run(run)
        self._show_chance(run)
        self._show_heading(run)
        self.stack.setCurrentIndex(1 if self.workspace.shown_runs() else 0)

    def _show_chance(self, run: RunResult | None) -> None:
        """How the Sharpe ratio stands beside the best of as many trials; nothing where height is scarce."""
        words = "" if run is None else beside_chance(run.metrics, stitched=bool(run.windows))
        words = formats.with_minuses(words)
        self.chance.setText(words)
        self.chance.setVisible(bool(words) and self.height() >= _SCARCE_PX)

    def _show_heading(self, run: RunResult | None) -> None:
        """Which run it is, and how far it can be trusted."""
        if run is None:
            self.heading.show_badges("", [])
            return
        self.heading.show_badges(_heading(run, name_in(self.workspace, run)), badges_in(self.workspace, run))

    def refresh(self) -> None:
        """Draw the curves of the compared runs."""
        self._drawing.done()
        self._show_current()
        runs = self.workspace.shown_runs()
        self._names = names_in(self.workspace, runs)
        curves = self._curves(runs)
        several = len({(run.symbol, run.exchange, run.costs.cash) for run in runs}) > 1
        self.percent.setEnabled(not several)
        self.log.setEnabled(not several and not self.percent.isChecked())
        unit = PERCENT if several or self.percent.isChecked() else MONEY
        view_of = (
            (min(curve.points.time[0] for curve in curves), max(curve.points.time[-1] for curve in curves))
            if curves
            else None
        )
        self.chart.quote = formats.quote_of(runs[0].market.unified) if runs else ""
        self.chart.show_curves(curves, unit, keep_view=view_of == self._view_of)
        self._view_of = view_of
        self._build_legend()

    def _curves(self, runs: list[RunResult]) -> list[Curve]:
        found: list[Curve] = []
        held: dict[str, Curve] = {}
        for run, name in zip(runs, self._names, strict=True):
            checked = run.id in self.workspace.checked
            colour = self._theme.curve(self.workspace.slot(run.id)) if checked else self._theme.text
            curve = run_curve(run, colour, name, current=run.id == self.workspace.current)
            if curve is not None:
                found.append(curve)
            candles = self.workspace.candles(run.id)
            if self.hold.isChecked() and candles is not None:
                base = hold_curve(run, candles, self._theme.muted)
                if base is not None:
                    held.setdefault(base.key, base)
        return [*held.values(), *found]

    def _build_legend(self) -> None:
        """A button per curve; those that stay keep theirs: making one costs more than drawing its curve."""
        curves = sorted(self.chart.curves, key=lambda curve: curve.dashed)
        if [curve.key for curve in curves] != list(self.buttons):
            while (item := self._legend_layout.takeAt(0)) is not None:
                widget = item.widget()
                if widget is not None:
                    widget.hide()
                    widget.deleteLater()
            self.buttons = {curve.key: self._legend_button(curve) for curve in curves}
        for curve in curves:
            button = self.buttons[curve.key]
            button.setToolTip(f"Show or hide {curve.label}")
            button.setAccessibleName(f"Show or hide {curve.label}")
            button.setIcon(QIcon(swatch(curve.colour, dashed=curve.dashed)))
            font = button.font()
            font.setBold(curve.current)
            button.setFont(font)
        self._hover(None)
        QTimer.singleShot(0, self, self._show_current_name)  # new buttons have no size before they are shown

    def _legend_button(self, curve: Curve) -> QToolButton:
        button = chip("", f"Show or hide {curve.label}", checkable=True)
        button.setProperty("legend", True)
        button.setChecked(curve.key not in self.chart.hidden)
        button.setIconSize(QSize(14, 10))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.toggled.connect(lambda on, key=curve.key: self._toggle(key, on=on))
        self._legend_layout.addWidget(button)
        return button

    def _toggle(self, key: str, *, on: bool) -> None:
        self.chart.toggle(key, hidden=not on)
        font = self.buttons[key].font()
        font.setStrikeOut(not on)
        self.buttons[key].setFont(font)

    def _hover(self, x: float | None) -> None:
        for curve in self.chart.curves:
            button = self.buttons.get(curve.key)
            if button is not None:
                label = curve.label.replace("&", "&&")
                button.setText(f" {label}  {self.chart.value_at(curve, x)}")
        self._legend_layout.invalidate()
        self._fit_legend()
        self.time.setText(self.chart.time_text(x))

    def _show_current_name(self) -> None:
        self._fit_legend()
        current = next((curve.key for curve in self.chart.curves if curve.current), None)
        if current in self.buttons:
            self.legend.resize(self.legend.width(), self._legend_layout.heightForWidth(self.legend.width()))
            self.names.ensureWidgetVisible(self.buttons[current], 0, 0)

    def _fit_legend(self) -> None:
        """As high as its lines, but never so high that nothing is left for the curves."""
        needed = self._legend_layout.heightForWidth(self.names.viewport().width())
        if needed:
            row = max(button.sizeHint().height() for button in self.buttons.values())
            most = row if self.height() < _SCARCE_PX else self.height() // _LEGEND_PART
            self.names.setFixedHeight(min(needed, most))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Little height goes to the curves."""
        super().resizeEvent(event)
        self._fit_legend()
        self.tiles.set_compact(self.height() < _SCARCE_PX)
        self.split.set_compact(self.height() < _SCARCE_PX)
        self._show_chance(self.workspace.current_run())
        self.heading.set_compact(self.height() < _SCARCE_PX)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self.chart.apply_theme(theme)
        self.tiles.apply_theme(theme)
        self.split.apply_theme(theme)
        self.heading.apply_theme(theme)
        self.refresh()


def _heading(run: RunResult, name: str) -> str:
    return f"{name}  ·  {run.symbol} {run.timeframe}  ·  {period_text(run)}"
