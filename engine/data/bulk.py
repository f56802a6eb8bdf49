"""Bulk download of one series: which days are worth a file, and several files at once.

What pays off is a matter of requests. A file costs two (the zip and its checksum) and no request weight, and several
come at once; a page of REST costs one, one after the other, and has the last word. A day of 1m candles is 1440 / 499 = 2.9
pages of futures and 1.4 of spot, a day of 1s candles 86 pages: worth a file. From 3m on (480 candles) a day fits
into one page, at 1h one page holds 20 days: REST is both cheaper and the better source. And a gap of less than four pages
is filled before the second host's first answer is there. 3d, 1w and 1M have no daily files.
"""

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Final

from engine.data.exchanges.archive import Archive
from engine.data.exchanges.archive_file import DayFile
from engine.data.exchanges.connection import Caller
from engine.model.market import DAY_MS, Market, Period, Timeframe, format_time

AT_ONCE: Final = 8
MIN_PAGES: Final = 4
_SETTLED_MS: Final = 2 * DAY_MS  # younger files are often not there yet, or not whole
_MAX_TROUBLES: Final = 3  # in a row: then the archive is left alone for the rest of this fetch
_MAX_LINES: Final = 8
_POLL_S: Final = 0.1


def worthwhile_days(
    timeframe: Timeframe, gaps: Iterable[Period], page_limit: int, now_ms: int
) -> list[Period]:
    """The whole UTC days inside gaps that bulk files fill with fewer requests than pages of `page_limit` candles."""
    cells = timeframe.count(Period(0, DAY_MS))
    if cells <= page_limit:
        return []
    settled = now_ms - _SETTLED_MS
    days: list[Period] = []
    for gap in gaps:
        first, last = -(-gap.start // DAY_MS), min(gap.end, settled) // DAY_MS
        if (last - first) * cells >= MIN_PAGES * page_limit:
            days += [Period(day * DAY_MS, (day + 1) * DAY_MS) for day in range(first, last)]
    return days


class BulkDownload:
    """One download of many days. At most twice `AT_ONCE` days are in memory, whatever their number."""

    def __init__(
        self,
        archive: Archive,
        market: Market,
        timeframe: Timeframe,
        days: Sequence[Period],
        page_limit: int,
        caller: Caller,
        then: str = "asked by REST",
    ) -> None:
        """`then`: what becomes of what is doubtful."""
        self._then = then
        self._archive, self._market, self._timeframe, self._caller = archive, market, timeframe, caller
        self._days = days
        self._max_holes = timeframe.count(Period(0, DAY_MS)) // page_limit + 1
        self._doubts: dict[str, list[Period]] = {}
        self._troubles = 0

    def batches(self) -> Iterator[list[DayFile]]:
        """The days that were proven, as they come, in any order; whatever else has come meanwhile in one batch.

        Days that never come out are to be asked elsewhere; what was wrong with them is logged at the end.
        """
        self._caller.log(
            "info",
            f"archive: {len(self._days):,} days of {self._market.name} {self._timeframe}, {AT_ONCE} at once",
        )
        stop = threading.Event()
        try:
            for batch in self._as_they_come(stop):
                believed = [file for file in batch if self._believe(file)]
                if believed:
                    yield sorted(believed, key=lambda file: file.day)
                if self._troubles >= _MAX_TROUBLES:
                    self._caller.log("warning", f"archive: {self._archive.host} is left alone for now")
                    break
        finally:
            stop.set()
        self._tell_doubts()

    def _believe(self, file: DayFile) -> bool:
        self._troubles = self._troubles + 1 if file.trouble else 0
        if file.doubt:
            self._doubts.setdefault(file.doubt, []).append(file.day)
        # a file in shreds is not worth a question for every hole
        return len(file.candles) > 0 and len(file.holes) <= self._max_holes

    def _tell_doubts(self) -> None:
        for reason, days in itertools.islice(self._doubts.items(), _MAX_LINES):
            first, last = (format_time(day.start)[:10] for day in (min(days), max(days)))
            more = f" (and {len(days) - 1:,} more until {last})" if len(days) > 1 else ""
            self._caller.log("warning", f"archive: {first} {reason}{more}, {self._then}")
        if hidden := sum(map(len, list(self._doubts.values())[_MAX_LINES:])):
            self._caller.log("warning", f"archive: {hidden:,} more days are doubtful, {self._then}")

    def _as_they_come(self, stop: threading.Event) -> Iterator[list[DayFile]]:
        """All files that have come since the last look, at least one; the next ones are under way meanwhile."""
        come: SimpleQueue[DayFile | BaseException] = SimpleQueue()
        waiting = iter(self._days)
        under_way = self._send_for(itertools.islice(waiting, AT_ONCE), come, stop)
        while under_way:
            batch = [self._next(come)]
            while not come.empty():
                batch.append(come.get())
            under_way += self._send_for(itertools.islice(waiting, len(batch)), come, stop) - len(batch)
            for file in batch:
                if isinstance(file, BaseException):
                    raise file
            yield [file for file in batch if isinstance(file, DayFile)]

    def _next(self, come: "SimpleQueue[DayFile | BaseException]") -> DayFile | BaseException:
        while True:
            self._caller.cancel.raise_if_cancelled()
            try:
                return come.get(timeout=_POLL_S)
            except Empty:
                continue

    def _send_for(
        self,
        days: Iterable[Period],
        come: "SimpleQueue[DayFile | BaseException]",
        stop: threading.Event,
    ) -> int:
        """Ask for each day in a thread of its own: one that hangs must not keep the user from stopping."""

        def work(day: Period) -> None:
            try:
                come.put(self._archive.day(self._market, self._timeframe, day, stop))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                come.put(error)

        count = 0
        for count, day in enumerate(days, 1):  # noqa: B007 - the count is the answer
            threading.Thread(target=work, args=(day,), name=f"archive-{day.start}", daemon=True).start()
        return count
