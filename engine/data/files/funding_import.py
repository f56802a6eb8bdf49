"""Brings funding rates from a file into the database, with the hours that it proves, marked as imported until compared.

All or nothing. Held settlements stay. Where the exchange is known to have none, a file is not believed; where one must have
been that the exchange did not serve, a hole, it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.data.files.funding_file import FundingFile, funding_head, read_funding_file
from engine.data.request import check_kind
from engine.database.store import Store
from engine.errors import InputError
from engine.events import CancelToken, Log, OnEvent, ignore_event
from engine.model.candle_files import Difference, FileFormat, ImportPreview, ImportReport
from engine.model.funding import FundingRates
from engine.model.market import FUNDING_GRID, HOUR_MS, Market, Period, short_time
from engine.model.periods import clipped, merge, subtract

_EXAMPLES: Final = 3
_COLUMNS: Final = ("rate", "mark")


def import_funding(
    store: Store,
    path: Path,
    market: Market,
    form: FileFormat,
    now_ms: int,
    *,
    job: str = "",
    on_event: OnEvent = ignore_event,
    cancel: CancelToken | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Store the settlements of a file that are not held; `market` is meant for funding, `now_ms` the exchange's clock as
    last known. Raises InputError, naming the line, before anything is stored.
    """
    check_kind(market)
    read = read_funding_file(path, market, form, now_ms)
    if dry_run:
        plan = _Plan(store, market, read)
        return plan.report(path.name, plan.new, dry_run=True)
    cancel = cancel or CancelToken()
    tell = partial(_tell, on_event, job)
    with store.candles.series_lock(market, FUNDING_GRID, tell, cancel.sleep):
        cancel.raise_if_cancelled()
        plan = _Plan(store, market, read)
        return plan.report(path.name, plan.store(path.name), dry_run=False)


def preview_funding(store: Store, path: Path, market: Market, form: FileFormat, now_ms: int) -> ImportPreview:
    """The first rows as they are understood, and what an import would store. Nothing is written.

    A file that cannot be imported is a preview with `error`; one that cannot be opened, or whose columns are not found,
    raises InputError.
    """
    report, error = None, None
    head, rows, unit = funding_head(path, market, form)
    try:
        report = import_funding(store, path, market, form, now_ms, dry_run=True)
    except InputError as problem:
        error = problem
    seen = tuple((row[0], (row[1], row[2])) for row in rows)
    return ImportPreview(
        path.name,
        head.header,
        head.names(),
        report.unit if report else unit,
        head.first,
        seen,
        report,
        error,
        _COLUMNS,
    )


def _tell(on_event: OnEvent, job: str, why: str) -> None:
    on_event(Log(job, "info", why))


class _Plan:
    """What becomes of each settlement of a file, given what is held."""

    def __init__(self, store: Store, market: Market, read: FundingFile) -> None:
        self._store, self._market, self._read = store, market, read
        hours = read.rates.hours
        self._period = Period(int(hours[0]), int(hours[-1]) + HOUR_MS)
        proven = Period(min(hours[0], read.proven[0].start), self._period.end)
        held, unknown = store.funding.known(market, proven)
        keys = dict(zip(_keys(held), held.rows(), strict=True))
        self._held = [keys.get(key) for key in _keys(read.rates)]
        is_held = np.array([row is not None for row in self._held], dtype=np.bool_)
        self._refused = ~is_held & ~_inside(read.rates, unknown)
        self._fresh = read.rates.pick(~is_held & ~self._refused)
        self._covered = merge(part for one in unknown for part in clipped(read.proven, one))
        self.new = len(self._fresh)

    def store(self, file_name: str) -> int:
        """Store the new settlements with the hours that the file proves of those nobody knew; returns how many."""
        for part in self._covered:  # before the rates: a mark without rates does no harm, the reverse would
            self._store.verification.mark_imported(self._market, FUNDING_GRID, part, file_name)
        return self._store.funding.add_page(self._market, self._fresh, self._covered)

    def report(self, file_name: str, stored: int, *, dry_run: bool) -> ImportReport:
        """The report, with the notices that the comparison adds."""
        differences = self._differences()
        notices = list(self._read.notices)
        if differences:
            notices.append(f"{len(differences):,} settlements are held with other values; those held stay")
        if refused := int(self._refused.sum()):
            first = short_time(int(self._read.rates.time[int(np.argmax(self._refused))]))
            notices.append(
                f"{refused:,} settlements are not taken, the first at {first}: {self._market.exchange} is known to have "
                "none there"
            )
        equal = sum(row is not None for row in self._held) - len(differences)
        return ImportReport(
            self._market,
            FUNDING_GRID,
            self._period,
            file_name,
            self._read.unit,
            self._read.rows,
            stored,
            equal,
            len(differences),
            tuple(differences[:_EXAMPLES]),
            refused,
            tuple(subtract(self._period, self._read.proven)),
            dry_run,
            tuple(notices),
        )

    def _differences(self) -> list[Difference]:
        """Held settlements whose rate is another, or whose mark price is where both have one."""
        found = []
        for time, ours, held in zip(
            self._read.rates.time.tolist(), self._read.rates.rows(), self._held, strict=True
        ):
            if held is not None and (
                ours[1] != held[1] or abs(ours[2] - held[2]) > 0
            ):  # NaN is no difference
                found.append(Difference(time, held[1:3], ours[1:3], _COLUMNS))
        return found


def _keys(rates: FundingRates) -> list[tuple[int, str]]:
    return list(zip(rates.time.tolist(), rates.rate_type.tolist(), strict=True))


def _inside(rates: FundingRates, periods: tuple[Period, ...]) -> npt.NDArray[np.bool_]:
    """Which settlements lie in any of the periods."""
    inside = np.zeros(len(rates), dtype=np.bool_)
    for part in periods:
        inside |= (rates.time >= part.start) & (rates.time < part.end)
    return inside
