"""The Data page: what its buttons start, files dropped on the window, what is reloaded afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog, QTableView

from desktop.pages.data.import_panel import FileHead, ImportRequest, series_of_name
from desktop.pages.data.jobs import DOING, SeriesJobs
from desktop.pages.data.panel import DataPanel
from desktop.pages.page import Context, Page, Place
from desktop.pages.setup.page import SetupPage
from desktop.pages.setup.values import clock_ms
from desktop.tables import formats
from desktop.tables.holdings import SeriesKey, gaps_between
from desktop.widgets.actions import Command
from desktop.work.bridge import Phase
from desktop.work.jobs import Job
from engine.errors import BacktestError
from engine.model.candle_files import FileFormat, ImportPreview
from engine.model.coverage import RemovedSeries
from engine.model.market import Period, Timeframe, read_series_name, series_name

CANDLE_FILES: Final = (".csv", ".csv.gz", ".csv.zip", ".parquet")
_FILTER: Final = "Candles (*.csv *.csv.gz *.zip *.gz *.parquet);;All files (*)"


class DataPage(Page[DataPanel]):
    """What the database holds; files of candles dropped on the window come here too."""

    title = "Data"
    place = Place.RESULTS
    hears = frozenset(DOING)

    def __init__(self, context: Context) -> None:
        super().__init__(context, DataPanel())
        self._setup = context.page(SetupPage).panel
        self.jobs = SeriesJobs(self.bridge, self)
        self._files: list[Path] = []
        context.watch_window(self)
        self._connect()

    def _connect(self) -> None:
        panel, jobs = self.panel, self.jobs
        jobs.changed.connect(self._jobs_changed)
        jobs.moved.connect(panel.show_job)
        jobs.ended.connect(lambda _: self._reload())
        jobs.logged.connect(self.context.logged)
        self.bridge.phase_changed.connect(self._phase_changed)
        panel.fetch_wanted.connect(self._fetch)
        panel.verify_wanted.connect(lambda keys: [jobs.verify(key) for key in keys])
        jobs.removed.connect(self._removed)
        panel.delete_wanted.connect(self.delete)
        symbols = self.context.page(SetupPage).symbols
        symbols.delete_wanted.connect(lambda key: self.delete([key]))
        symbols.gaps_wanted.connect(self.check_gaps)
        panel.stop_wanted.connect(jobs.stop)
        panel.export_wanted.connect(self._ask_and_export)
        panel.series_wanted.connect(self._use)
        panel.import_wanted.connect(self.ask_file)
        panel.importing.preview_wanted.connect(self._preview)
        panel.importing.import_wanted.connect(self._import)
        panel.importing.cancelled.connect(self._next_file)

    def commands(self) -> Sequence[Command]:
        """Import."""
        return (
            Command("import_file", "&Import candles …", "Read candles from a CSV or Parquet file", self.ask_file, "&Data", 1,
                    ("Ctrl+O",), ("import", "text")),
        )  # fmt: skip

    def tables(self) -> Mapping[str, QTableView]:
        """The series."""
        return {"data": self.panel.table}

    def open(self) -> None:
        """Ask what the database holds."""
        self.bridge.ask(self.engine.candles.holdings, self.panel.set_held)

    def follow(self, job: Job) -> None:
        """Work on a series began, went on or ended."""
        self.jobs.follow(job)

    def close(self) -> None:
        """Stop what is under way."""
        self.jobs.stop_all()

    def _phase_changed(self, phase: Phase) -> None:
        if phase is Phase.IDLE:
            self.open()

    def _jobs_changed(self) -> None:
        running = len(self.jobs.running)
        self.panel.set_jobs(self.jobs.running, self.jobs.notes)
        self.titled.emit(f"{self.title} ({running})" if running else self.title)
        if not running:
            self.context.candles_changed.emit()

    def _reload(self) -> None:
        self.open()
        self._setup.ask_coverage_again()

    # -- delete, gaps ------------------------------------------------------------------------------------------------

    def delete(self, keys: list[SeriesKey]) -> None:
        """Delete series at once; for a while they can be brought back. What is in use is not deleted."""
        for key in keys:
            name = f"{key[1]} {key[2]}"
            if self.bridge.phase is not Phase.IDLE:
                why = f"{name} may be in use by what runs now"
            elif key in self.jobs.running:
                why = f"{name} is being worked on"
            else:
                self.jobs.delete(key)
                continue
            self.context.reported.emit("warning", f"{why}: wait or stop that first; nothing was deleted", "")

    def _removed(self, gone: RemovedSeries) -> None:
        name, rows = gone.market.title(gone.timeframe), gone.market.kind.rows
        self.context.removed(
            f"{formats.whole(gone.candles)} {rows} of {name} deleted", lambda: self.jobs.restore(gone)
        )

    def check_gaps(self, key: SeriesKey) -> None:
        """Show what is held of a series, and say where it has gaps."""
        self.show()
        self.panel.choose(key)
        holding = self.panel.holding(key)
        name = f"{key[1]} {key[2]}"
        if holding is None:
            self.context.said.emit(f"{name}: nothing is held yet")
            return
        first, last = formats.day(holding.first_ms), formats.day(holding.last_ms)
        self.context.said.emit(f"{name}, {first} – {last}: {gaps_between(holding)}")

    # -- fetch, export -----------------------------------------------------------------------------------------------

    def _fetch(self, keys: list[SeriesKey], to_now: bool) -> None:
        for key in keys:
            holding = self.panel.holding(key)
            if not to_now or holding is None:
                period = self._setup.setup().period
            else:
                period = Period(holding.first_ms, max(clock_ms(key[0]), holding.coverage.period.end))
            unreadable = self._setup.period.problem()
            if period.start >= period.end or (unreadable and not to_now):
                why = unreadable or "The period of the set-up is empty"
                self.context.reported.emit("warning", f"{why}; nothing was fetched", "")
                return
            self.jobs.fetch(key, period)

    def _ask_and_export(self, key: SeriesKey) -> None:
        kind, timeframe = read_series_name(key[2])
        name = f"{key[1]}-{series_name(kind, timeframe).replace(' ', '-').replace('1M', '1mo')}.csv"
        path, _ = QFileDialog.getSaveFileName(
            self.panel, "Export candles", name, "CSV (*.csv);;Parquet (*.parquet)"
        )
        if path:
            self.export(key, Path(path))

    def export(self, key: SeriesKey, path: Path) -> None:
        """Write all candles held of a series."""
        holding = self.panel.holding(key)
        if holding is not None:
            end = holding.coverage.timeframe.next(holding.last_ms)
            self.jobs.export(key, Period(holding.first_ms, end), path)

    def _use(self, holding: Any) -> None:
        coverage, setup = holding.coverage, self._setup
        end = coverage.timeframe.next(holding.last_ms)

        def use() -> None:
            setup.market.set_choice(coverage.market.exchange, (coverage.market.name,))
            setup.period.set_values(coverage.timeframe.name, holding.first_ms, end)

        text = f"The set-up tests all that is held of {coverage.market.name} {coverage.timeframe} now"
        self.context.page(SetupPage).overwrite(text, use)

    # -- files -------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Files of candles may be dropped on what this filter is installed on."""
        if event.type() not in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return super().eventFilter(watched, event)
        assert isinstance(event, QDropEvent)
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        candles = [path for path in paths if path.name.lower().endswith(CANDLE_FILES)]
        if not candles:
            return super().eventFilter(watched, event)
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self.open_files(candles)
        return True

    def ask_file(self) -> None:
        """Ask for files and open them."""
        paths, _ = QFileDialog.getOpenFileNames(self.panel, "Import candles", "", _FILTER)
        if paths:
            self.open_files([Path(path) for path in paths])

    def open_files(self, paths: list[Path]) -> None:
        """Show how files would be imported, one after the other."""
        self._files += paths
        if self.panel.importing.path is None:
            self._next_file()
        self.show()

    def _next_file(self) -> None:
        importing = self.panel.importing
        importing.close_file()
        if not self._files:
            self.panel.stack.setCurrentIndex(0)
            return
        path = self._files.pop(0)
        self.panel.stack.setCurrentWidget(importing)
        setup = self._setup.setup()
        selected = self.panel.selected()
        symbol = setup.symbols[0] if setup.symbols else ""
        fallback = (setup.exchange, symbol, setup.timeframe)
        if selected:
            fallback = (*selected[0][:2], read_series_name(selected[0][2])[1].name)
        markets = [market.name for market, _ in self._setup.market.model.markets]
        known = {key[1]: key[0] for key in self.panel.held_keys()} | dict.fromkeys(markets, setup.exchange)
        key = series_of_name(path.name, known, fallback)
        importing.open(path, ((), ()), key, markets)
        self.bridge.ask(lambda: self._head(path), lambda head: self._open_with(path, head, key, markets))

    def _head(self, path: Path) -> FileHead:
        try:
            return self.engine.candles.file_head(path)
        except BacktestError:
            return (), ()  # the preview says what is wrong with it

    def _open_with(self, path: Path, head: FileHead, key: SeriesKey, markets: list[str]) -> None:
        if self.panel.importing.path == path:
            self.panel.importing.open(path, head, key, markets)

    def _preview(self, request: ImportRequest) -> None:
        exchange, symbol, timeframe = request.key

        def ask() -> ImportPreview | str:
            try:
                return self.engine.candles.preview_import(
                    request.path,
                    symbol,
                    Timeframe(timeframe),
                    exchange=exchange,
                    form=FileFormat(**request.form),
                )
            except BacktestError as error:
                return str(error)

        self.bridge.ask(ask, lambda found: self.panel.importing.show_preview(request, found))

    def _import(self, request: ImportRequest) -> None:
        if self.jobs.import_file(request.key, request.path, request.form):
            self._next_file()
        else:
            self.context.reported.emit(
                "warning",
                f"{request.key[1]} {request.key[2]} is being worked on; wait or stop that first",
                "",
            )
