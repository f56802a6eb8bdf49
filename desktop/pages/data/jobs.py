"""Work on series of candles, several at once: what each is doing, and what became of the last one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.tables import formats
from desktop.tables.holdings import ERROR, PLAIN, WARNING, Note, SeriesKey
from desktop.tables.series_words import fetched_words, report_note
from desktop.work.bridge import Bridge, Call
from desktop.work.jobs import Job
from engine.events import CancelToken, Failed, Finished, OnEvent
from engine.model.candle_files import FileFormat
from engine.model.coverage import FetchReport, RemovedSeries
from engine.model.market import Period, Timeframe, read_series_name, series_name

_GATHER_MS: Final = 100  # a progress bar repaints on every value
_RESTORING_S: Final = 3600.0  # what is to come back waits for its turn, however long others take
DOING: Final = {
    "fetch": "Fetching", "verify": "Verifying", "import": "Importing", "export": "Exporting", "delete": "Deleting",
    "restore": "Bringing back",
}  # fmt: skip


def job_words(job: Job) -> str:
    """Progress, rate and time left, or what it waits for."""
    if job.is_stopping:
        return "Stopping …"
    if job.waits_for:
        return job.waits_for
    if job.progress is None:
        return f"{DOING[job.kind]} …"
    done, total, rate = job.progress.done, job.progress.total, job.progress.rate
    words = [formats.compact(done) + (f" of {formats.compact(total)}" if total else "")]
    if rate:
        words.append(f"{formats.compact(round(rate))}/s")
    if job.progress.eta_s is not None:
        words.append(f"ETA {formats.remaining(job.progress.eta_s)}")
    return " · ".join(words)


class SeriesJobs(QObject):
    """Signals: `changed()` jobs came or went; `moved(key)` one went on, at most ten times a second; `ended(key)` one that
    was started here; `removed(RemovedSeries)`; `logged(level, text, details)`.
    """

    changed = Signal()
    moved = Signal(object)
    ended = Signal(object)
    removed = Signal(object)
    logged = Signal(str, str, str)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._engine = bridge, bridge.engine
        self.running: dict[SeriesKey, Job] = {}
        self.notes: dict[SeriesKey, Note] = {}
        self._restoring: dict[SeriesKey, RemovedSeries] = {}
        self._dirty: set[SeriesKey] = set()
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(self._tell_moved)

    # -- work --------------------------------------------------------------------------------------------------------

    def fetch(self, key: SeriesKey, period: Period) -> bool:
        """Fetch what is not held of the period."""
        exchange, symbol, name = key
        kind, timeframe = read_series_name(name)
        call = partial(self._engine.candles.fetch, symbol, timeframe, period, exchange=exchange, kind=kind)
        return self._start("fetch", key, call)

    def verify(self, key: SeriesKey) -> bool:
        """Compare all that is held with the exchange."""
        exchange, symbol, name = key
        kind, timeframe = read_series_name(name)
        call = partial(self._engine.candles.verify, symbol, timeframe, exchange=exchange, kind=kind)
        return self._start("verify", key, call)

    def import_file(self, key: SeriesKey, path: Path, form: dict[str, Any]) -> bool:
        """Store the candles of a file; `form` says how it is understood."""
        exchange, symbol, timeframe = key
        return self._start("import", key, partial(
            self._engine.candles.import_candles,
            path, symbol, Timeframe(timeframe), exchange=exchange, form=FileFormat(**form),
        ))  # fmt: skip

    def export(self, key: SeriesKey, period: Period, path: Path) -> bool:
        """Write what is held of the period to a .csv or .parquet file."""
        exchange, symbol, name = key
        kind, timeframe = read_series_name(name)

        def export(*, on_event: OnEvent, cancel: CancelToken) -> str:
            del on_event
            held = self._engine.candles.export(
                symbol, timeframe, period, path, exchange=exchange, kind=kind, cancel=cancel
            )
            return f"{formats.whole(held)} {kind.rows} written to {path.name}"

        return self._start("export", key, export)

    def delete(self, key: SeriesKey) -> bool:
        """Delete the series; `removed` tells what brings it back."""
        exchange, symbol, name = key
        kind, timeframe = read_series_name(name)

        def delete(*, on_event: OnEvent, cancel: CancelToken) -> str:
            gone = self._engine.candles.removals.remove(
                symbol, timeframe, exchange=exchange, kind=kind, on_event=on_event, cancel=cancel
            )
            tell(gone)
            return f"{formats.whole(gone.candles)} {kind.rows} deleted"

        tell = self._bridge.queued(self.removed.emit)
        return self._start("delete", key, delete)

    def restore(self, gone: RemovedSeries) -> bool:
        """Bring a series back."""
        kind = gone.market.kind
        key = gone.market.exchange, gone.market.name, series_name(kind, gone.timeframe)

        def restore(*, on_event: OnEvent, cancel: CancelToken) -> str:
            came = self._engine.candles.removals.restore(gone, on_event=on_event, cancel=cancel)
            return f"{formats.whole(came)} {kind.rows} brought back"

        self._engine.candles.removals.keep(gone, _RESTORING_S)
        if self._start("restore", key, restore):
            self._restoring[key] = gone
            return True
        self.logged.emit(
            "warning", f"{_name(key)} is being worked on: undo the deletion when that has ended", ""
        )
        self._offer_again(gone)
        return False

    def _offer_again(self, gone: RemovedSeries) -> None:
        """It did not come back whole: what brings it back stays, and is offered anew."""
        self._engine.candles.removals.keep(gone, 0)
        self.removed.emit(gone)

    def _start(self, kind: str, key: SeriesKey, call: Call) -> bool:
        """False while other work on the series is under way."""
        if key in self.running:
            return False
        self._bridge.start(kind, key, call, lambda *_: self.ended.emit(key), label=_name(key))
        return True

    def stop(self, key: SeriesKey) -> None:
        """Ask the work on a series to stop; what is finished is kept."""
        job = self.running.get(key)
        if job is not None:
            self._bridge.stop_job(job)
            self.moved.emit(key)

    def stop_all(self) -> None:
        """Ask everything to stop."""
        for key in list(self.running):
            self.stop(key)

    # -- following ---------------------------------------------------------------------------------------------------

    def follow(self, job: Job) -> None:
        """Work on a series, started here or by a run, began, went on or ended."""
        exchange, symbol, timeframe = job.subject
        key = exchange, symbol, timeframe
        if job.ending is not None:
            self._end(key, job)
        elif key not in self.running:
            self.running[key] = job
            self.notes.pop(key, None)
            self.changed.emit()
        elif self.running[key] is job:
            self._dirty.add(key)
            if not self._timer.isActive():
                self._timer.start()

    def _tell_moved(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            self.moved.emit(key)

    def _end(self, key: SeriesKey, job: Job) -> None:
        note = _note(job)
        gone = self._restoring.pop(key, None) if job.kind == "restore" else None
        if gone is not None and gone.path.exists():
            self._offer_again(gone)
        if job.task.label:
            self._log(key, note)
        elif isinstance(job.ending, Finished) and isinstance(job.ending.result, FetchReport):
            for level, text in fetched_words(job.ending.result):
                self.logged.emit(level, text, "")
        if self.running.get(key) is not job:
            return
        del self.running[key]
        if job.kind != "delete" or not isinstance(job.ending, Finished):
            self.notes[key] = note
        self.changed.emit()

    def _log(self, key: SeriesKey, note: Note) -> None:
        """What became of it; a failure is told as a problem already."""
        if note.level != ERROR:
            level = "warning" if note.level == WARNING else "info"
            self.logged.emit(level, f"{_name(key)}: {note.text}", note.details)


def _note(job: Job) -> Note:
    if isinstance(job.ending, Finished):
        return report_note(job.ending.result)
    return Note(ERROR, job.reason) if isinstance(job.ending, Failed) else Note(PLAIN, job.reason or "stopped")


def _name(key: SeriesKey) -> str:
    return f"{key[1]} {key[2]}"
