"""What the tabs of the Analysis page have in common, and bars over groups of trades."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop.charts.bar_chart import Bar, BarChart
from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.widgets.labels import ElidedLabel, PlainLabel
from engine.analysis.analysis import Analysis
from engine.analysis.groups import DIMENSIONS, Group
from engine.model.trade_filter import Facet, TradeFilter

NOTHING_PASSES = "No trade passes the filter."
NO_TRADES = "This run made no trades."
REGIME_TITLES = {"trend": "Trend at entry", "volatility": "Volatility at entry"}


def quote_of(analysis: Analysis) -> str:
    """The currency that a run's money is counted in."""
    return formats.quote_of(analysis.run.market.unified)


def title_of(dimension: str) -> str:
    """What trades are grouped by, to people."""
    return DIMENSIONS[dimension].title if dimension in DIMENSIONS else REGIME_TITLES[dimension]


def facet_of(dimension: str, group: Group) -> Facet:
    """The trades of a group, to be looked at alone."""
    return Facet(dimension, group.label, frozenset(group.places), title_of(dimension))


def hint_of(analysis: Analysis) -> str:
    """Why there is nothing to be seen."""
    return NOTHING_PASSES if analysis.run.trades else NO_TRADES


def words_of(group: Group, quote: str) -> str:
    """A group in one line."""
    if not group.trades:
        return f"{group.label}: no trades"
    won = "" if group.win_rate_pct is None else f" · {formats.number(group.win_rate_pct, 1)} % won"
    trades = f"{formats.whole(group.trades)} trade{'s' * (group.trades != 1)}"
    return f"{group.label}: {trades}{won} · sum {formats.signed(group.pnl)} {quote} · mean {formats.signed(group.mean_pnl)}"


def muted(text: str = "") -> QLabel:
    """A line that explains."""
    label = PlainLabel(text, wordWrap=True)
    label.setProperty("role", "muted")
    return label


class Note(PlainLabel):
    """Muted text that always has room for `longest`, so that other words move nothing below it; longer ones get theirs."""

    def __init__(self, longest: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, wordWrap=True, alignment=Qt.AlignmentFlag.AlignTop)
        self.setProperty("role", "muted")
        self._longest = longest

    def hasHeightForWidth(self) -> bool:
        """Its height follows from the longest text alone."""
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width has other lines."""
        super().resizeEvent(event)
        self._make_room()

    def setText(self, text: str) -> None:
        """Other words."""
        super().setText(text)
        self._make_room()

    def _make_room(self) -> None:
        room = QRect(0, 0, max(1, self.width()), 10_000)
        flag = Qt.TextFlag.TextWordWrap
        heights = [
            self.fontMetrics().boundingRect(room, flag, text).height()
            for text in (self._longest, self.text())
        ]
        self.setFixedHeight(max(heights) + 4)


class View(QWidget):
    """A tab. `facet_wanted(Facet)`: these trades alone, in every view; once more: all again."""

    facet_wanted = Signal(object)

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Show what was found of the trades that pass `wanted`."""

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""


class GroupBars(QWidget):
    """Groups of a dimension as bars under their title; the words of the one under the pointer stand beside it.

    `facet_wanted(Facet)` by a click or Enter. `counts`: bars are as high as they have trades, in place of their sum.
    """

    facet_wanted = Signal(object)

    def __init__(
        self, dimension: str, title: str, tip: str, *, counts: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.dimension, self._title, self._counts = dimension, title, counts
        self.groups: Sequence[Group] = ()
        self._quote = ""
        self.read_out = ElidedLabel()
        self.chart = BarChart(title)
        self.read_out.set_tip(tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.read_out)
        layout.addWidget(self.chart, 1)
        self.chart.hovered.connect(self._hover)
        self.chart.picked.connect(
            lambda number: self.facet_wanted.emit(facet_of(self.dimension, self.groups[number]))
        )
        self._hover(None)

    def set_dimension(self, dimension: str) -> None:
        """Show another one from the next time on."""
        self.dimension = dimension

    def show_analysis(self, analysis: Analysis, wanted: TradeFilter) -> None:
        """Draw the groups of the dimension."""
        self._quote = quote_of(analysis)
        groups = analysis.groups.get(self.dimension, ())
        self.groups = groups if any(group.trades for group in groups) else ()
        facet = wanted.facet(self.dimension)
        labels = [group.label for group in self.groups]
        chosen = labels.index(facet.label) if facet is not None and facet.label in labels else None
        bars = [
            Bar(
                group.label,
                group.trades if self._counts else group.pnl,
                words_of(group, self._quote),
                (group.pnl > 0) - (group.pnl < 0),
            )
            for group in self.groups
        ]
        self.chart.show_bars(bars, chosen, hint_of(analysis))

    def _hover(self, number: int | None) -> None:
        unit = "trades" if self._counts else f"sum of P&L{f', {self._quote}' if self._quote else ''}"
        told = f"{formats.zoned(self._title)} – {unit}" if number is None else self.chart.bars[number].words
        self.read_out.setText(told)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.chart.apply_theme(theme)
