"""Joins the Data panel to the work: what its buttons start, files dropped on the window, what is reloaded afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog

from desktop.pages.data.import_panel import FileHead, ImportRequest, series_of_name
from desktop.pages.data.jobs import DataJobs
from desktop.pages.data.panel import DataPanel
from desktop.pages.setup.panel import SetupPanel
from desktop.pages.setup.values import clock_ms
from desktop.tables.holdings import SeriesKey
from desktop.work.bridge import Bridge
from engine.errors import BacktestError
from engine.model.market import Period, Timeframe
from engine.model.transfer import FileFormat, ImportPreview

CANDLE_FILES: Final = (".csv", ".csv.gz", ".csv.zip", ".parquet")
_FILTER: Final = "Candles (*.csv *.csv.gz *.zip *.gz *.parquet);;All files (*)"


class DataDesk(QObject):
    """Signals: `shown()` the panel must come to the front; `reported(level, text, details)` what cannot be done."""

    shown = Signal()
    reported = Signal(str, str, str)

    def __init__(
        self, bridge: Bridge, panel: DataPanel, setup: SetupPanel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._panel, self._setup = bridge, panel, setup
        self.jobs = DataJobs(bridge, self)
        self._files: list[Path] = []
        self._connect()

    def _connect(self) -> None:
        panel, jobs = self._panel, self.jobs
        self._bridge.holdings_loaded.connect(panel.set_held)
        jobs.changed.connect(lambda: panel.set_jobs(jobs.running, jobs.notes))
        jobs.moved.connect(panel.show_job)
        jobs.ended.connect(lambda _: self._reload())
        panel.fetch_wanted.connect(self._fetch)
        panel.verify_wanted.connect(lambda keys: [jobs.verify(key) for key in keys])
        panel.delete_wanted.connect(jobs.delete)
        panel.stop_wanted.connect(jobs.stop)
        panel.export_wanted.connect(self._ask_and_export)
        panel.series_wanted.connect(self._use)
        panel.import_wanted.connect(self.ask_file)
        panel.importing.preview_wanted.connect(self._preview)
        panel.importing.import_wanted.connect(self._import)
        panel.importing.cancelled.connect(self._next_file)

    def _reload(self) -> None:
        self._bridge.refresh_held()
        self._setup.ask_coverage_again()

    # -- fetch, export -----------------------------------------------------------------------------------------------

    def _fetch(self, keys: list[SeriesKey], to_now: bool) -> None:
        for key in keys:
            holding = self._panel.holding(key)
            if not to_now or holding is None:
                period = self._setup.setup().period
            else:
                period = Period(holding.first_ms, max(clock_ms(key[0]), holding.coverage.period.end))
            if period.start >= period.end:
                self.reported.emit("warning", "The period of the set-up is empty; nothing was fetched", "")
                return
            self.jobs.fetch(key, period)

    def _ask_and_export(self, key: SeriesKey) -> None:
        name = f"{key[1]}-{Timeframe(key[2]).file_name}.csv"
        path, _ = QFileDialog.getSaveFileName(
            self._panel, "Export candles", name, "CSV (*.csv);;Parquet (*.parquet)"
        )
        if path:
            self.export(key, Path(path))

    def export(self, key: SeriesKey, path: Path) -> None:
        """Write all candles held of a series."""
        holding = self._panel.holding(key)
        if holding is not None:
            end = Timeframe(key[2]).next(holding.last_ms)
            self.jobs.export(key, Period(holding.first_ms, end), path)

    def _use(self, holding: Any) -> None:
        coverage = holding.coverage
        self._setup.market.set_choice(coverage.market.exchange, (coverage.market.name,))
        end = coverage.timeframe.next(holding.last_ms)
        self._setup.period.set_values(coverage.timeframe.name, holding.first_ms, end)

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
        paths, _ = QFileDialog.getOpenFileNames(self._panel, "Import candles", "", _FILTER)
        if paths:
            self.open_files([Path(path) for path in paths])

    def open_files(self, paths: list[Path]) -> None:
        """Show how files would be imported, one after the other."""
        self._files += paths
        if self._panel.importing.path is None:
            self._next_file()
        self.shown.emit()

    def _next_file(self) -> None:
        importing = self._panel.importing
        importing.close_file()
        if not self._files:
            self._panel.stack.setCurrentIndex(0)
            return
        path = self._files.pop(0)
        self._panel.stack.setCurrentWidget(importing)
        setup = self._setup.setup()
        selected = self._panel.selected()
        symbol = setup.symbols[0] if setup.symbols else ""
        fallback = selected[0] if selected else (setup.exchange, symbol, setup.timeframe)
        markets = [market.name for market, _ in self._setup.market.model.markets]
        known = {key[1]: key[0] for key in self._panel.held_keys()} | dict.fromkeys(markets, setup.exchange)
        key = series_of_name(path.name, known, fallback)
        importing.open(path, ((), ()), key, markets)
        self._bridge.ask(lambda: self._head(path), lambda head: self._open_with(path, head, key, markets))

    def _head(self, path: Path) -> FileHead:
        try:
            return self._bridge.engine.file_head(path)
        except BacktestError:
            return (), ()  # the preview says what is wrong with it

    def _open_with(self, path: Path, head: FileHead, key: SeriesKey, markets: list[str]) -> None:
        if self._panel.importing.path == path:
            self._panel.importing.open(path, head, key, markets)

    def _preview(self, request: ImportRequest) -> None:
        exchange, symbol, timeframe = request.key

        def ask() -> ImportPreview | str:
            try:
                return self._bridge.engine.preview_import(
                    request.path,
                    symbol,
                    Timeframe(timeframe),
                    exchange=exchange,
                    form=FileFormat(**request.form),
                )
            except BacktestError as error:
                return str(error)

        self._bridge.ask(ask, lambda found: self._panel.importing.show_preview(request, found))

    def _import(self, request: ImportRequest) -> None:
        if self.jobs.import_file(request.key, request.path, request.form):
            self._next_file()
        else:
            self.reported.emit(
                "warning",
                f"{request.key[1]} {request.key[2]} is being worked on; wait or stop that first",
                "",
            )
