"""What differs between the current run's trades and a trade list of another program; a click shows it in the chart."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QItemSelection, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.trade_list import ALL, DifferencesModel, difference_rows, in_the_window, kind_words
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice
from desktop.widgets.table_view import TableView
from desktop.widgets.zone_field import zone_field
from engine.model.run import RunResult
from engine.model.trade_comparison import HALF_CENT, TradeListComparison
from engine.model.trade_list import TRADE_LISTS

HINT: Final = (
    "Compare the current run with trades of freqtrade, Jesse, TradingView, Binance or backtesting.py."
)
_KINDS_WIDTH: Final = 200


class TradeListPanel(Panel):
    """`open_wanted()`: choose a file; `closed()`: done with it; `zone_chosen(name)`: read it again with times of that zone;
    `picked(TradeListDifference)`: show it.
    """

    open_wanted = Signal()
    closed = Signal()
    zone_chosen = Signal(str)
    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = DifferencesModel(self)
        self.table = TableView(self.model, "Differences between our trades and theirs", HINT)
        self.kind = Choice()
        self.kind.setAccessibleName("Kind of difference")
        self.kind.setToolTip("Which differences are shown")
        self.kind.setMinimumWidth(_KINDS_WIDTH)
        self.zone = zone_field("Time zone of their times that name none: TradingView writes the chart's")
        self.open = tool_button("Open …", "Choose a file of another program's trades")
        self.close_list = tool_button("Close", "Take their trades away, from the chart too")
        self.words, self.notes = PlainLabel(wordWrap=True), PlainLabel(wordWrap=True)
        self.notes.setProperty("role", "muted")
        self._found: TradeListComparison | None = None
        self._lay_out()
        self._connect()
        self.show_nothing(HINT)

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.kind)
        row.addWidget(self.zone)
        row.addStretch(1)
        row.addWidget(self.open)
        row.addWidget(self.close_list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        for label in (self.words, self.notes):
            label.setContentsMargins(10, 2, 8, 3)
            layout.addWidget(label)
        layout.addWidget(self.table, 1)

    def _connect(self) -> None:
        self.open.clicked.connect(lambda: self.open_wanted.emit())
        self.close_list.clicked.connect(lambda: self.closed.emit())
        self.kind.currentIndexChanged.connect(lambda _: self.model.show_kind(self.kind.currentData() or ALL))
        self.zone.activated.connect(lambda _: self._choose_zone())
        line = self.zone.lineEdit()
        assert line is not None
        line.editingFinished.connect(self._zone_typed)
        self.table.selectionModel().selectionChanged.connect(self._selected)

    def _zone_typed(self) -> None:
        if self._found is not None and self.zone.currentText() != self._asked_zone:
            self._choose_zone()

    def _choose_zone(self) -> None:
        self._asked_zone = self.zone.currentText()
        self.zone_chosen.emit(self._asked_zone)

    def _selected(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        del selected, deselected
        rows = self.table.selected_rows()
        if len(rows) == 1:
            self.picked.emit(self.model.row_at(rows[0]).one)

    @property
    def found(self) -> TradeListComparison | None:
        """What is shown."""
        return self._found

    def show_comparison(self, run: RunResult, found: TradeListComparison, zone: str) -> None:
        """Show what differs; `zone` is what was asked for."""
        self._found, self._asked_zone = found, zone
        self._fill_kinds(kind_words(found))
        self.table.say(_hint(found))
        self.model.set_rows(difference_rows(found, lambda place: run.trades[place].entry_time))
        self.table.fit_columns()
        self.zone.setCurrentText(zone)
        told = f"{found.found.file}, {TRADE_LISTS[found.found.kind].partition(' (')[0]}: {found.headline}"
        self.words.setText(formats.with_minuses(told))
        self.notes.setText("  ·  ".join(map(in_the_window, found.notes)))
        self._show_parts(on=True)

    def show_nothing(self, hint: str) -> None:
        """Nothing was compared yet, or why it could not be."""
        self._found, self._asked_zone = None, "UTC"
        self._fill_kinds({})
        self.table.say(hint)
        self.model.set_rows(())
        self.words.setText("")
        self.notes.setText("")
        self._show_parts(on=False)

    def _fill_kinds(self, words: dict[str, str]) -> None:
        chosen = self.kind.currentData()
        self.kind.blockSignals(True)
        self.kind.clear()
        for kind, text in words.items():
            self.kind.addItem(text, kind)
        self.kind.setCurrentIndex(max(0, self.kind.findData(chosen)))
        self.kind.blockSignals(False)
        self.model.show_kind(self.kind.currentData() or ALL)

    def _show_parts(self, *, on: bool) -> None:
        self.kind.setVisible(on)
        self.close_list.setVisible(on)
        self.words.setVisible(on)
        self.notes.setVisible(bool(self.notes.text()))

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)
        self.open.setIcon(icon("import", theme.muted))


def _hint(found: TradeListComparison) -> str:
    """What the table says where it has no row."""
    if not found.all_equal:
        return "No difference of this kind."
    if abs(found.difference) > HALF_CENT:
        return "Nothing differs by more than the tolerance."
    return "All equal: nothing differs."
