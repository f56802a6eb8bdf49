"""The Monte Carlo page: what to make, what it can say, bands with the run, drawdowns, and how the figures spread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from desktop.charts.bar_chart import BarChart
from desktop.pages.monte_carlo.fan_chart import FanChart
from desktop.pages.monte_carlo.tables import FIGURE_COLUMNS, LOSS_COLUMNS, Figure, bars_of
from desktop.pages.page import Panel
from desktop.tables.table import TableModel
from desktop.theme.colours import Theme
from desktop.widgets.buttons import together
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.still_fields import Choice, WholeField
from desktop.widgets.table_view import TableView
from engine.model.monte_carlo import (
    METHODS,
    MOST_PATHS,
    Loss,
    MonteCarloResult,
    MonteCarloSpec,
    figure_title,
)

_MOST_SEED = 999_999
_MOST_FIGURES = 6
_NO_PATHS = "No paths were made."
_FAN_WIDTH, _BARS_WIDTH = 600, 400


class MonteCarloPanel(Panel):
    """Signals: `wanted()`, `stop_wanted()`; `changed()`: something else is to be made."""

    wanted = Signal()
    stop_wanted = Signal()
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.result: MonteCarloResult | None = None
        self._head = ""
        self._make_fields()
        self._make_views()
        self._lay_out()
        self.method.currentIndexChanged.connect(self._method_chosen)
        for field in (self.paths, self.seed):
            field.valueChanged.connect(self.changed)
        self.make.clicked.connect(self.wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.fan.hovered.connect(self.read_out.setText)
        self._method_chosen()
        self.set_running(on=False)

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.method = Choice()
        self.method.setAccessibleName("Method")
        self.method.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.method.setMinimumContentsLength(25)  # the window fits into 900 pixels
        for method in METHODS.values():
            self.method.addItem(method.title[0].upper() + method.title[1:], method.name)
            tip = f"Says {method.says}.\nCannot say {method.cannot_say}."
            self.method.setItemData(self.method.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.paths = WholeField(minimum=1, maximum=MOST_PATHS, suffix=" paths")
        self.paths.setGroupSeparatorShown(True)
        self.paths.setAccessibleName("Number of paths")
        self.paths.setToolTip("How many courses are made")
        self.seed = WholeField(minimum=0, maximum=_MOST_SEED, prefix="seed ")
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip("The same seed draws the same paths")
        self.make, self.stop = QPushButton("Make paths"), QPushButton("Stop")
        self.make.setProperty("primary", True)
        self.stop.setToolTip("Stop; nothing is kept of them")
        for button in (self.make, self.stop):
            button.setAccessibleName(button.text())

    def _make_views(self) -> None:
        self.says, self.cannot_say = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.state, self.told = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.state.setProperty("role", "title")
        self.told.setProperty("role", "muted")
        self.read_out = ElidedLabel(tip="Bands hold for each moment by itself; no single path runs along one")
        self.fan, self.bars = FanChart(), BarChart("Histogram over the paths")
        self.bars_title = ElidedLabel()
        self.figures: TableModel[Figure] = TableModel(FIGURE_COLUMNS, self)
        self.losses: TableModel[Loss] = TableModel(LOSS_COLUMNS, self)
        self.figure_table = TableView(self.figures, "Figures over the paths", _NO_PATHS)
        self.loss_table = TableView(self.losses, "Losses over the paths", _NO_PATHS)
        for table in self.tables:
            table.horizontalHeader().setStretchLastSection(False)
        self.figure_table.setFixedHeight(self.figure_table.height_of(_MOST_FIGURES))
        self.loss_table.setMinimumHeight(self.loss_table.height_of(2))
        self.bars.hovered.connect(self._tell_bar)

    @property
    def tables(self) -> tuple[TableView, TableView]:
        """Figures and losses."""
        return self.figure_table, self.loss_table

    def _lay_out(self) -> None:
        bar = QWidget()
        row = FlowLayout(bar, 6)
        for field in (self.method, self.paths, self.seed, together(self.make, self.stop)):
            row.addWidget(field)
        self.left, self.right = QWidget(), QWidget()
        columns = (
            (self.left, ((self.read_out, 0), (self.fan, 1))),
            (self.right, ((self.bars_title, 0), (self.bars, 3), (self.loss_table, 2))),
        )
        charts = QSplitter()
        for side, parts in columns:
            column = QVBoxLayout(side)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(2)
            for part, stretch in parts:
                column.addWidget(part, stretch)
            charts.addWidget(side)
        charts.setChildrenCollapsible(False)
        charts.setSizes([_FAN_WIDTH, _BARS_WIDTH])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 8, 4)
        layout.setSpacing(4)
        layout.addWidget(bar)
        for label in (self.says, self.cannot_say, self.state):
            layout.addWidget(label)
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        inner.addWidget(charts, 1)
        inner.addWidget(self.figure_table)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(body)
        layout.addWidget(area, 1)
        layout.addWidget(self.told)

    # -- what is to be made ------------------------------------------------------------------------------------------

    def spec(self) -> MonteCarloSpec:
        """What is chosen."""
        return MonteCarloSpec(
            method=self.method.currentData(), paths=self.paths.value(), seed=self.seed.value()
        )

    def choose(self, method: str, paths: int, seed: int) -> None:
        """Choose as somebody did before."""
        self.method.setCurrentIndex(max(0, self.method.findData(method)))
        self.paths.setValue(paths)
        self.seed.setValue(seed)

    def _method_chosen(self) -> None:
        method = METHODS[self.method.currentData()]
        self.paths.setValue(method.paths)
        self.method.setToolTip(self.method.currentData(Qt.ItemDataRole.ToolTipRole))
        self._say_of_method()
        self.changed.emit()

    def _say_of_method(self) -> None:
        """It stands above the figures, so it is said of the method that made them; without any, of the chosen one."""
        method = METHODS[self.method.currentData()] if self.result is None else self.result.spec.kind
        self.says.setText(f"Says {method.says}.")
        self.cannot_say.setText(f"Cannot say {method.cannot_say}.")

    def set_running(self, *, on: bool, usable: bool = True) -> None:
        """Paths are being made, be it of another run; whether any can be made of the current one."""
        self.make.setEnabled(usable and not on)
        self.make.setToolTip("Paths are being made" if on else "Make other courses of the current run")
        self.stop.setEnabled(on)

    def tell_progress(self, words: str) -> None:
        """How far those of the current run are; empty: what came out."""
        self.state.setText(words or self._head)

    # -- what came out -----------------------------------------------------------------------------------------------

    def show_result(self, result: MonteCarloResult | None, hint: str) -> None:
        """What was made of the run; None: nothing yet, and `hint` says why."""
        self.result = result
        made = result is not None and result.reason is None
        head = hint if result is None else result.headline[0].upper() + result.headline[1:]
        self._head = head if made or result is None else f"{result.reason}."
        self.tell_progress("")
        self._say_of_method()
        self.loss_table.say(_NO_PATHS if result is None else _no_losses(result))
        self.fan.show_bands(None if result is None else result.bands, _NO_PATHS)
        self.left.setVisible(not made or (result is not None and result.bands is not None))
        self._show_bars(_NO_PATHS)
        self.figures.set_rows(() if result is None else result.figures.items())
        self.losses.set_rows(() if result is None else (one for one in result.losses if one.drawdown))
        self.loss_table.setVisible(not made or (result is not None and bool(result.losses)))
        for table in self.tables:
            table.fit_columns()
        self._tell_bar(None)
        self.told.setText(_told(result) if result is not None and made else "")

    def _show_bars(self, hint: str) -> None:
        """The histogram, in which the bar that the run itself belongs to stands out."""
        histogram = None if self.result is None else self.result.histogram
        if self.result is None or histogram is None:
            self.bars.show_bars((), None, hint)
        else:
            own = self.result.figures[histogram.name].original
            self.bars.show_bars(bars_of(histogram), histogram.place(own), hint)

    def _tell_bar(self, number: int | None) -> None:
        histogram = self.result.histogram if self.result is not None else None
        if histogram is None:
            self.bars_title.setText("")
        elif number is None:
            self.bars_title.setText(f"{figure_title(histogram.name)}; outlined: this run")
        else:
            self.bars_title.setText(self.bars.bars[number].words)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        for part in (self.fan, self.bars, *self.tables):
            part.apply_theme(theme)


def _no_losses(result: MonteCarloResult) -> str:
    return f"No path lost {result.losses[0].loss_pct:g} % of a peak." if result.losses else ""


def _told(result: MonteCarloResult) -> str:
    lines = (
        []
        if result.losing is None
        else [f"{result.losing * 100:.1f} % of the paths end with less than they began with"]
    )
    lines += [] if result.chance is None else [result.chance.sentence]
    return "; ".join([*lines, *result.remarks]) + "."
