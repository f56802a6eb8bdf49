"""What the database holds of every series, and what can be done with it; in front of it, the import of a file."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QItemSelection, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.data.import_panel import ImportPanel
from desktop.pages.data.series_cells import JobCell, StripDelegate
from desktop.pages.page import Panel
from desktop.tables import formats
from desktop.tables.holdings import HoldingsModel, Note, SeriesKey, SeriesRow, key_of
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import tool_button
from desktop.widgets.filter_field import FilterField
from desktop.widgets.labels import PlainLabel
from desktop.widgets.table_view import LISTED_LATER, TableView
from desktop.work.jobs import Job
from engine.model.coverage import Holding
from engine.model.exchanges import describe
from engine.model.kinds import Kind
from engine.model.market import read_series_name, series_name

_HINT = "No candles held yet. Fetch or Run on the left fills this, or drop a CSV or Parquet file here."
_WIDTHS = {"timeframe": 64, "strip": 150, "state": 370, "first": 140, "last": 140}
_SCARCE_PX = 900


class DataPanel(Panel):
    """Signals, each with series keys: `fetch_wanted(keys, to_now)` (else the period of the set-up), `verify_wanted(keys)`,
    `delete_wanted(keys)`, `export_wanted(key)`, `stop_wanted(key)`; `series_wanted(Holding)`:
    put it into the set-up; `import_wanted()`: ask for a file.
    """

    series_wanted = Signal(object)
    fetch_wanted = Signal(list, bool)
    verify_wanted = Signal(list)
    export_wanted = Signal(object)
    delete_wanted = Signal(list)
    stop_wanted = Signal(object)
    import_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = HoldingsModel(self)
        self.table = TableView(self.model, "Held candles", LISTED_LATER.format("Series"))
        self.importing = ImportPanel()
        self.search = FilterField("Filter series", "Filter series", self.table)
        self.search.setMaximumWidth(180)
        self.count = PlainLabel()
        self.count.setProperty("role", "muted")
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.import_file = tool_button(
            "Import …", "Read candles from a CSV or Parquet file; or drop one here"
        )
        self.fetch = tool_button("Fetch", "Fetch what is not held, up to the last closed candle")
        self.verify = tool_button("Verify", "Compare the candles with the exchange and mend what differs")
        self.export = tool_button("Export …", "Write the candles to a .csv or .parquet file")
        self.delete = tool_button(
            "Delete", "Delete the candles; Undo brings them back for a while. Stored runs stay"
        )
        self._buttons = (self.fetch, self.verify, self.export, self.delete)
        self._held: dict[SeriesKey, Holding] = {}
        self._jobs: Mapping[SeriesKey, Job] = {}
        self._notes: Mapping[SeriesKey, Note] = {}
        self._cells: dict[SeriesKey, JobCell] = {}
        self._fitted = False
        self._strips = StripDelegate(self.model, self)
        self._lay_out()
        self._connect()
        self._fit_columns()
        self._update()

    def _lay_out(self) -> None:
        self.fetch.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        menu = QMenu(self.fetch)
        menu.setToolTipsVisible(True)
        self.fetch_now = QAction("Up to now", self)
        self.fetch_now.setToolTip("From the first held candle to the last closed one")
        self.fetch_period = QAction("Period of the set-up", self)
        self.fetch_period.setToolTip("What the set-up on the left says")
        self.fetch_mark = QAction("Mark price candles", self)
        self.fetch_mark.setToolTip("Of the same symbol and timeframe, for the period of the set-up")
        self.fetch_funding = QAction("Funding rates", self)
        self.fetch_funding.setToolTip("Of the same symbol, for the period of the set-up")
        menu.addActions([self.fetch_now, self.fetch_period])
        menu.addSeparator()
        menu.addActions([self.fetch_mark, self.fetch_funding])
        self.fetch.setMenu(menu)
        bar = QWidget()
        bar.setObjectName("filterBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.search)
        row.addWidget(self.count, 1)
        for button in (self.import_file, *self._buttons):
            row.addWidget(button)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(False)
        self.table.setItemDelegateForColumn(self.model.column_number("strip"), self._strips)
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 13)
        listing = QWidget()
        inner = QVBoxLayout(listing)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(bar)
        inner.addWidget(self.table)
        self.stack = QStackedWidget()
        self.stack.addWidget(listing)
        self.stack.addWidget(self.importing)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)

    def _connect(self) -> None:
        self.table.doubleClicked.connect(lambda index: self._use(index.row()))
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.search.textChanged.connect(self._filter)
        self.import_file.clicked.connect(lambda: self.import_wanted.emit())
        self.fetch.clicked.connect(lambda: self.fetch_wanted.emit(self._free(), True))
        self.fetch_now.triggered.connect(lambda: self.fetch_wanted.emit(self._free(), True))
        self.fetch_period.triggered.connect(lambda: self.fetch_wanted.emit(self._free(), False))
        for action, kind in ((self.fetch_mark, Kind.MARK), (self.fetch_funding, Kind.FUNDING)):
            action.triggered.connect(lambda _, kind=kind: self.fetch_wanted.emit(self._beside(kind), False))
        self.verify.clicked.connect(lambda: self.verify_wanted.emit(self._free()))
        self.export.clicked.connect(lambda: self.export_wanted.emit(self._free()[0]))
        self.delete.clicked.connect(
            lambda: self.delete_wanted.emit([key for key in self._free() if key in self._held])
        )

    # -- what is shown -----------------------------------------------------------------------------------------------

    def set_held(self, held: list[Holding]) -> None:
        """Show what is held."""
        self._held = {key_of(holding): holding for holding in held}
        self.table.say(_HINT)
        self._show()
        if held and not self._fitted:
            self._fitted = True
            self._fit_columns()

    def _fit_columns(self) -> None:
        self.table.fit_columns(widest=190)
        for name, width in _WIDTHS.items():
            self.table.setColumnWidth(self.model.column_number(name), width)

    def set_jobs(self, jobs: Mapping[SeriesKey, Job], notes: Mapping[SeriesKey, Note]) -> None:
        """Show what is done with the series."""
        self._jobs, self._notes = jobs, notes
        self._show()

    def show_job(self, key: SeriesKey) -> None:
        """A job went on."""
        cell, job = self._cells.get(key), self._jobs.get(key)
        if cell is not None and job is not None:
            cell.show_job(job)

    def holding(self, key: SeriesKey) -> Holding | None:
        """What is held of a series."""
        return self._held.get(key)

    def held_keys(self) -> list[SeriesKey]:
        """Every series of which candles are held."""
        return list(self._held)

    def selected(self) -> list[SeriesKey]:
        """The selected series, from top to bottom."""
        return [self.model.row_at(row).key for row in self.table.selected_rows()]

    def choose(self, key: SeriesKey) -> None:
        """Select a series alone, where it is in sight."""
        row = self.model.row_of(key)
        if row is None and self.search.text():
            self.search.clear()
            row = self.model.row_of(key)
        if row is not None:
            self.table.select_row(row)

    def _show(self) -> None:
        """Rows again, with selection and place kept; cells that are more than text on top."""
        selected, place = self.selected(), self.table.verticalScrollBar().value()
        failed = [key for key, note in self._notes.items() if key not in self._held]
        keys = dict.fromkeys([*self._held, *self._jobs, *failed])
        self.model.set_rows(SeriesRow(key, self._held.get(key), self._notes.get(key)) for key in keys)
        self._place_cells()
        selection = self.table.selectionModel()
        flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
        for key in selected:
            if (row := self.model.row_of(key)) is not None:
                selection.select(self.model.index(row, 0), flags)
        self.table.verticalScrollBar().setValue(place)
        self._update()

    def _place_cells(self) -> None:
        column = self.model.column_number("state")
        self._cells = {}
        for view, row in enumerate(self.model.shown()):
            name, index = f"{row.key[1]} {row.key[2]}", self.model.index(view, column)
            if (job := self._jobs.get(row.key)) is not None:
                cell = JobCell(job, name)
                cell.stop_wanted.connect(lambda key=row.key: self.stop_wanted.emit(key))
                self._cells[row.key] = cell
                self.table.setIndexWidget(index, cell)

    def job_cell(self, key: SeriesKey) -> JobCell | None:
        """The work in a series' row, where there is any."""
        return self._cells.get(key)

    # -- what the user does ------------------------------------------------------------------------------------------

    def _free(self) -> list[SeriesKey]:
        return [key for key in self.selected() if key not in self._jobs]

    def _beside(self, kind: Kind) -> list[SeriesKey]:
        """The series of another kind beside the selected ones, of exchanges that list such."""
        keys = [
            (exchange, symbol, series_name(kind, read_series_name(name)[1]))
            for exchange, symbol, name in self.selected()
            if kind in describe(exchange).kinds
        ]
        return [key for key in dict.fromkeys(keys) if key not in self._jobs]

    def _use(self, row: int) -> None:
        holding = self.model.row_at(row).holding
        if holding is not None:
            self.series_wanted.emit(holding)

    def _selected(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        del selected, deselected
        self._update()

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        self.model.set_filter(
            (lambda row: all(word in " ".join(row.key).lower() for word in words)) if words else None
        )
        self._place_cells()
        self._update()

    def _update(self) -> None:
        free = self._free()
        for button in self._buttons:
            button.setEnabled(bool(free))
        self.fetch_mark.setEnabled(bool(self._beside(Kind.MARK)))
        self.fetch_funding.setEnabled(bool(self._beside(Kind.FUNDING)))
        self.export.setEnabled(len(free) == 1 and free[0] in self._held)
        total, shown = len(self._held), self.model.rowCount()
        if not total:
            self.count.setText("")
            return
        candles = sum(holding.candles for holding in self._held.values())
        bytes_ = sum(holding.size_bytes for holding in self._held.values())
        series = f"{shown} of {total} series" if shown < total else f"{total} series"
        self.count.setText(f"{series} · {formats.compact(candles)} candles · {formats.size(bytes_)}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where the buttons need the room, the sum goes."""
        super().resizeEvent(event)
        self.count.setVisible(self.width() >= _SCARCE_PX)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._strips.theme = theme
        self.table.apply_theme(theme)
        self.importing.apply_theme(theme)
        for button, name in ((self.import_file, "import"), (self.fetch, "fetch"), (self.verify, "check"),
                             (self.export, "export"), (self.delete, "close")):  # fmt: skip
            button.setIcon(icon(name, theme.muted))
