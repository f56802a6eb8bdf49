"""Brings candles from a file into the database: only cells that are not held, marked as imported until they are compared.

The whole file is checked before anything is stored. Then at most `PART_ROWS` new candles in `PART_RUNS` stretches are one
transaction: a file up to that size is stored whole or not at all; of a larger one the finished parts stay, and importing it
again goes on.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.data.files.candle_file import first_candles, read_candle_file
from engine.database.store import Store
from engine.errors import InputError, Interrupted
from engine.events import CancelToken, Log, OnEvent, ProgressMeter, ignore_event
from engine.model.candle_files import Difference, FileFormat, ImportPreview, ImportReport
from engine.model.market import Candles, Int64Array, Market, Period, Timeframe, short_time

PART_ROWS: Final = 1_000_000
PART_RUNS: Final = 1_000
COMPARED_ROWS: Final = 250_000  # at once
_EXAMPLES: Final = 3
Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def import_candles(
    store: Store,
    path: Path,
    market: Market,
    timeframe: Timeframe,
    form: FileFormat,
    now_ms: int,
    *,
    job: str = "",
    on_event: OnEvent = ignore_event,
    cancel: CancelToken | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Store the candles of a file that are not held; `now_ms` is the exchange's clock as last known.

    Tells `Progress` in rows read. Raises InputError, naming the line, before anything is stored.
    """
    cancel = cancel or CancelToken()
    meter = ProgressMeter(job, None, "rows", on_event)
    read = read_candle_file(path, timeframe, form, now_ms, meter, cancel)

    def tell(why: str) -> None:
        on_event(Log(job, "info", why))

    if dry_run:
        plan = _Plan(store, market, timeframe, read.candles)
        return plan.report(path.name, read.rows, read.unit, read.notices, plan.new, dry_run=True)
    with store.candles.series_lock(market, timeframe, tell, cancel.sleep):
        plan = _Plan(store, market, timeframe, read.candles)
        stored = plan.store(path.name, cancel)
        return plan.report(path.name, read.rows, read.unit, read.notices, stored, dry_run=False)


def preview_import(
    store: Store, path: Path, market: Market, timeframe: Timeframe, form: FileFormat, now_ms: int
) -> ImportPreview:
    """The first rows as they are understood, and what an import would store. Nothing is written.

    A file that cannot be imported is a preview with `error`, as far as it could be understood; one that cannot be
    opened, or whose columns are not found, raises InputError.
    """
    report, error = None, None
    rows, candles, unit = first_candles(path, form)
    try:
        report = import_candles(store, path, market, timeframe, form, now_ms, dry_run=True)
    except InputError as problem:
        error = problem
    return ImportPreview(
        path.name,
        rows.layout.header,
        rows.layout.names(),
        report.unit if report else unit,
        rows.first_rows,
        tuple(candles),
        report,
        error,
    )


class _Plan:
    """What becomes of each candle of a file, given what is held."""

    def __init__(self, store: Store, market: Market, timeframe: Timeframe, candles: Candles) -> None:
        self._store, self._market, self._timeframe, self._candles = store, market, timeframe, candles
        self._period = Period(int(candles.timestamp[0]), timeframe.next(int(candles.timestamp[-1])))
        self._is_held = np.zeros(len(candles), dtype=np.bool_)
        self._differs = np.zeros(len(candles), dtype=np.bool_)
        self._differences: list[Difference] = []
        for start in range(0, len(candles), COMPARED_ROWS):
            self._compare(slice(start, start + COMPARED_ROWS))
        self._refused = self._known_missing() & ~self._is_held
        self._fresh = _pick(candles, ~self._is_held & ~self._refused)
        self.new = len(self._fresh)

    def _compare(self, cut: slice) -> None:
        """Some of the file's candles with those that are held."""
        ours = self._candles.slice(cut.start, cut.stop)
        period = Period(int(ours.timestamp[0]), self._timeframe.next(int(ours.timestamp[-1])))
        held = self._store.candles.read(self._market, self._timeframe, period)
        is_held = _are_in(ours.timestamp, held.timestamp)
        same, theirs = _pick(ours, is_held), _pick(held, _are_in(held.timestamp, ours.timestamp))
        differs = np.logical_or.reduce(
            [one != other for one, other in zip(_values(same), _values(theirs), strict=True)]
        )
        self._is_held[cut] = is_held
        self._differs[np.flatnonzero(is_held)[differs] + cut.start] = True
        for at in np.flatnonzero(differs)[: _EXAMPLES - len(self._differences)].tolist():
            held_values, file_values = (
                tuple(float(column[at]) for column in _values(part)) for part in (theirs, same)
            )
            self._differences.append(Difference(int(same.timestamp[at]), held_values, file_values))

    def _known_missing(self) -> Bools:
        """Candles of cells that the exchange is known to have none for: two of its answers outweigh a file."""
        stamps = self._candles.timestamp
        missing = np.zeros(len(stamps), dtype=np.bool_)
        for gone in self._store.candles.coverage(self._market, self._timeframe, self._period).missing:
            missing |= (stamps >= gone.period.start) & (stamps < gone.period.end)
        return missing

    def store(self, file_name: str, cancel: CancelToken) -> int:
        """Store the new candles; returns how many."""
        stored = 0
        breaks = (np.flatnonzero(_breaks(self._timeframe, self._fresh.timestamp)) + 1).tolist()
        cuts = sorted({*range(0, self.new, PART_ROWS), *breaks[PART_RUNS - 1 :: PART_RUNS], self.new})
        for start, stop in pairwise(cuts):
            if cancel.cancelled:
                raise Interrupted(f"stopped, {stored:,} candles are stored; import again to continue")
            part = self._fresh.slice(start, stop)
            covered = runs(self._timeframe, part.timestamp)
            for run in covered:  # before the candles: a mark without candles does no harm, the reverse would
                self._store.verification.mark_imported(self._market, self._timeframe, run, file_name)
            stored += self._store.candles.add_page(self._market, self._timeframe, part, covered)
        return stored

    def report(
        self, file_name: str, rows: int, unit: str, notices: tuple[str, ...], stored: int, *, dry_run: bool
    ) -> ImportReport:
        """The report, with the notices that the comparison adds."""
        differing, refused = int(self._differs.sum()), int(self._refused.sum())
        added = []
        if differing:
            added.append(f"{differing:,} candles are held with other values; those held stay")
        if refused:
            first = short_time(int(self._candles.timestamp[int(np.argmax(self._refused))]))
            added.append(
                f"{refused:,} candles are not taken, the first at {first}: {self._market.exchange} is known to have "
                "none there"
            )
        covered = runs(self._timeframe, self._candles.timestamp)
        gaps = tuple(Period(one.end, two.start) for one, two in pairwise(covered))
        return ImportReport(
            self._market,
            self._timeframe,
            self._period,
            file_name,
            unit,
            rows,
            stored,
            int(self._is_held.sum()) - differing,
            differing,
            tuple(self._differences),
            refused,
            gaps,
            dry_run,
            (*notices, *added),
        )


def runs(timeframe: Timeframe, stamps: Int64Array) -> list[Period]:
    """Stretches of neighbouring cells among sorted open times."""
    if not len(stamps):
        return []
    breaks = np.flatnonzero(_breaks(timeframe, stamps))
    starts = stamps[np.concatenate([[0], breaks + 1])].tolist()
    ends = stamps[np.concatenate([breaks, [len(stamps) - 1]])].tolist()
    return [Period(start, timeframe.next(end)) for start, end in zip(starts, ends, strict=True)]


def _breaks(timeframe: Timeframe, stamps: Int64Array) -> Bools:
    """Where cells are left out between neighbours of sorted open times, shape (n - 1,)."""
    if timeframe.name == "1M":
        months = stamps.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
        return np.asarray(np.diff(months) != 1)
    return np.asarray(np.diff(stamps) != timeframe.open_ms(1) - timeframe.open_ms(0))


def _are_in(stamps: Int64Array, others: Int64Array) -> Bools:
    """Which of the sorted `stamps` are among the sorted `others`."""
    if not len(others):
        return np.zeros(len(stamps), dtype=np.bool_)
    at = np.minimum(np.searchsorted(others, stamps), len(others) - 1)
    return np.asarray(others[at] == stamps)


def _pick(candles: Candles, which: Bools) -> Candles:
    """The chosen candles; no copy when all are."""
    if which.all():
        return candles
    return Candles(candles.timestamp[which], *(column[which] for column in candles.columns().values()))


def _values(candles: Candles) -> list[Any]:
    return list(candles.columns().values())
