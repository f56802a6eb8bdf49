"""Work on series of candles, several at once: one job per series, each with its own progress, Stop and ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.tables import formats
from desktop.tables.holdings import ERROR, PLAIN, WARNING, Note, SeriesKey
from desktop.tables.series_words import report_note
from desktop.work.bridge import Bridge
from engine.errors import BacktestError, Interrupted
from engine.events import Cancelled, CancelToken, Event, Failed, Finished, Log, OnEvent, Progress, Started
from engine.model.market import TIMEFRAMES, Period, Timeframe
from engine.model.transfer import FileFormat

_GATHER_MS: Final = 100  # a progress bar repaints on every value
_BY_FILE_NAME: Final = {Timeframe(name).file_name: name for name in TIMEFRAMES}
DOING: Final = {
    "fetch": "Fetching", "verify": "Verifying", "import": "Importing", "export": "Exporting", "delete": "Deleting",
}  # fmt: skip
Work = Callable[[OnEvent, CancelToken], Any]


@dataclass(slots=True)
class SeriesJob:
    """Work on one series. `waits_for`: the last line it said, until it moves on; `token` is None for a batch's job."""

    kind: str
    token: CancelToken | None = field(default_factory=CancelToken)
    progress: Progress | None = None
    waits_for: str = ""
    is_stopping: bool = False

    @property
    def part(self) -> float | None:
        """How much is done, 0 to 1; None where nobody knows."""
        if self.progress is None or not self.progress.total:
            return None
        return min(1.0, self.progress.done / self.progress.total)

    def words(self) -> str:
        """Progress, rate and time left, or what it waits for."""
        if self.is_stopping:
            return "Stopping …"
        if self.waits_for:
            return self.waits_for
        if self.progress is None:
            return f"{DOING[self.kind]} …"
        done, total, rate = self.progress.done, self.progress.total, self.progress.rate
        words = [formats.compact(done) + (f" of {formats.compact(total)}" if total else "")]
        if rate:
            words.append(f"{formats.compact(round(rate))}/s")
        if self.progress.eta_s is not None:
            words.append(f"ETA {formats.remaining(self.progress.eta_s)}")
        return " · ".join(words)

    def take(self, event: Event) -> None:
        """Follow an event."""
        if isinstance(event, Progress):
            self.progress, self.waits_for = event, ""
        elif isinstance(event, Log):
            self.waits_for = event.text


class DataJobs(QObject):
    """Signals: `changed()` jobs came or went; `moved(key)` one went on, at most ten times a second; `ended(key)`;
    `logged(level, text, details)`.
    """

    changed = Signal()
    moved = Signal(object)
    ended = Signal(object)
    logged = Signal(str, str, str)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.running: dict[SeriesKey, SeriesJob] = {}
        self.notes: dict[SeriesKey, Note] = {}
        self._batch: dict[str, SeriesKey] = {}
        self._dirty: set[SeriesKey] = set()
        self._timer = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._timer.timeout.connect(self._tell_moved)
        bridge.happened.connect(self._take_batch)

    # -- work --------------------------------------------------------------------------------------------------------

    def fetch(self, key: SeriesKey, period: Period) -> bool:
        """Fetch what is not held of the period."""
        exchange, symbol, timeframe = key
        return self._start("fetch", key, lambda tell, token: self._bridge.engine.fetch(
            symbol, Timeframe(timeframe), period, exchange=exchange, on_event=tell, cancel=token,
        ))  # fmt: skip

    def verify(self, key: SeriesKey) -> bool:
        """Compare all that is held with the exchange."""
        exchange, symbol, timeframe = key
        return self._start("verify", key, lambda tell, token: self._bridge.engine.verify(
            symbol, Timeframe(timeframe), exchange=exchange, on_event=tell, cancel=token,
        ))  # fmt: skip

    def import_file(self, key: SeriesKey, path: Path, form: dict[str, Any]) -> bool:
        """Store the candles of a file; `form` says how it is understood."""
        exchange, symbol, timeframe = key
        return self._start("import", key, lambda tell, token: self._bridge.engine.import_candles(
            path, symbol, Timeframe(timeframe), exchange=exchange, on_event=tell, cancel=token, form=FileFormat(**form),
        ))  # fmt: skip

    def export(self, key: SeriesKey, period: Period, path: Path) -> bool:
        """Write what is held of the period to a .csv or .parquet file."""
        exchange, symbol, timeframe = key

        def work(tell: OnEvent, token: CancelToken) -> str:
            from engine.reports.files import write_candles

            del tell
            held = self._bridge.engine.candles(symbol, Timeframe(timeframe), period, exchange=exchange)
            token.raise_if_cancelled()
            write_candles(held, path)
            return f"{formats.whole(len(held))} candles written to {path.name}"

        return self._start("export", key, work)

    def delete(self, key: SeriesKey) -> bool:
        """Delete the series."""
        exchange, symbol, timeframe = key

        def work(tell: OnEvent, token: CancelToken) -> str:
            count = self._bridge.engine.delete_series(
                symbol, Timeframe(timeframe), exchange=exchange, on_event=tell, cancel=token
            )
            return f"{formats.whole(count)} candles deleted"

        return self._start("delete", key, work)

    def stop(self, key: SeriesKey) -> None:
        """Ask the work on a series to stop; what is finished is kept."""
        job = self.running.get(key)
        if job is None:
            return
        job.is_stopping = True
        if job.token is None:
            self._bridge.stop()
        else:
            job.token.cancel()
        self.moved.emit(key)

    def stop_all(self) -> None:
        """Ask everything to stop."""
        for key in list(self.running):
            self.stop(key)

    # -- following ---------------------------------------------------------------------------------------------------

    def _start(self, kind: str, key: SeriesKey, work: Work) -> bool:
        """False while other work on the series is under way."""
        if key in self.running:
            return False
        job = SeriesJob(kind)
        assert job.token is not None
        self.running[key] = job
        self.notes.pop(key, None)
        self.changed.emit()
        self._bridge.start_job(
            work, job.token, lambda event: self._take(key, event), lambda *end: self._end(key, *end)
        )
        return True

    def _take(self, key: SeriesKey, event: Event) -> None:
        job = self.running.get(key)
        if job is None:
            return
        job.take(event)
        if isinstance(event, Log):
            self.logged.emit(event.level, f"{_name(key)}: {event.text}", "")
        self._dirty.add(key)
        if not self._timer.isActive():
            self._timer.start()

    def _tell_moved(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            self.moved.emit(key)

    def _end(self, key: SeriesKey, result: Any, error: BaseException | None) -> None:
        job = self.running.pop(key, None)
        if job is None:
            return
        if error is None:
            note = report_note(result)
            self.logged.emit(
                "warning" if note.level == WARNING else "info", f"{_name(key)}: {note.text}", note.details
            )
        elif isinstance(error, Interrupted):
            note = Note(PLAIN, str(error))
            self.logged.emit("info", f"{_name(key)}: {error}", "")
        else:
            note = Note(
                ERROR, str(error) if isinstance(error, BacktestError) else f"{type(error).__name__}: {error}"
            )
        if job.kind != "delete" or error is not None:
            self.notes[key] = note
        self.changed.emit()
        self.ended.emit(key)

    def _take_batch(self, event: Event) -> None:
        """Fetches that belong to a run, or to the set-up's Fetch, show in their series' row too."""
        if isinstance(event, Started):
            key = _key_of_job(event)
            if key is not None and key not in self.running:
                self._batch[event.job] = key
                self.running[key] = SeriesJob("fetch", token=None)
                self.notes.pop(key, None)
                self.changed.emit()
            return
        key = self._batch.get(event.job)
        if key is None or key not in self.running:
            return
        if isinstance(event, Finished | Failed | Cancelled):
            del self._batch[event.job]
            del self.running[key]
            self.notes[key] = (
                report_note(event.result) if isinstance(event, Finished) else _ending_note(event)
            )
            self.changed.emit()
            return
        self.running[key].take(event)
        self._dirty.add(key)
        if not self._timer.isActive():
            self._timer.start()


def _ending_note(event: Failed | Cancelled) -> Note:
    return Note(ERROR, event.error) if isinstance(event, Failed) else Note(PLAIN, "stopped")


def _name(key: SeriesKey) -> str:
    return f"{key[1]} {key[2]}"


def _key_of_job(event: Started) -> SeriesKey | None:
    """The series of a fetch from its job's name: fetch:binanceusdm:SOLUSDT:1h, and a period after it or not."""
    parts = event.job.split(":")
    if event.kind != "fetch" or parts[0] != "fetch" or len(parts) < 4 or parts[3] not in _BY_FILE_NAME:
        return None
    return parts[1], parts[2], _BY_FILE_NAME[parts[3]]
