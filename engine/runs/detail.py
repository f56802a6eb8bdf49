"""Finer candles for what the candles of a run leave open: fetched for just those, round after round, until a run asks for no
more of them. They count only where they make the candle, price for price.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.backtest.metrics import close_times
from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.data.exchanges.silence import Silence
from engine.errors import BacktestError, ExchangeError, InputError
from engine.events import CancelToken, Finished, Log, OnEvent, Started, ending
from engine.model.coverage import FetchReport
from engine.model.detail import DetailFile
from engine.model.exchanges import describe
from engine.model.kinds import Kind
from engine.model.market import (
    CandleFile,
    Candles,
    Int64Array,
    Market,
    Period,
    Timeframe,
    format_time,
    parse_time,
    short_time,
)
from engine.model.periods import merge
from engine.model.perpetual import PerpetualFile
from engine.model.run import RunResult, RunSpec
from engine.runs.load import LoadedDetail, LoadedTerms

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache
    from engine.data.fetcher import DataFetcher

# a round settles at least the first candle that was left open; what is left after so many stays so, and is said
MOST_ROUNDS: Final = 20
_REVISED: Final = "the finer candles have changed since this run; `backtest rerun` makes it again"


@dataclass(slots=True)
class Inside:
    """What is known of the inside of a run's `candles` (of its period) on these terms.

    `lacking`, `differing`: open times (ms) of candles whose finer ones are not all held, and whose finer ones do not make
    them; `fine`, `marks`: of the others, by open time. `mark`: of `candles`, None = the run has no margin.
    """

    market: Market
    timeframe: Timeframe
    finer: Timeframe
    candles: Candles
    terms: LoadedTerms
    mark: Mark | None
    asked: set[int] = field(default_factory=set)
    lacking: set[int] = field(default_factory=set)
    differing: set[int] = field(default_factory=set)
    fine: dict[int, Candles] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def period(self, opened: int) -> Period:
        """Of the candle that opened then."""
        return Period(opened, self.timeframe.next(opened))

    def take(self, opened: int, fine: Candles, marks: Candles | None) -> None:
        """Keep the finer candles of one candle, where they make it; count it where not. `marks`: of the mark price."""
        period = self.period(opened)
        market = self.candles.within(period)
        if len(fine) != self.finer.count(period):
            self.lacking.add(opened)
            return
        mark = None if self.mark is None else self._mark(self.mark, opened, fine, marks)
        if (
            not _make(fine, market.open[0], market.high[0], market.low[0])
            or fine.close[-1] != market.close[0]
        ):
            self.differing.add(opened)
        elif self.mark is not None and mark is None:
            self.lacking.add(opened)
        else:
            self.fine[opened] = fine
            if mark is not None:
                self.marks[opened] = mark

    def _mark(self, whole: Mark, opened: int, fine: Candles, marks: Candles | None) -> Mark | None:
        """The finer mark prices that make the candle's; the last prices where it was taken for them too; None = neither."""
        place = int(np.searchsorted(self.candles.timestamp, opened))
        prices = [float(column[place]) for column in (whole.open, whole.high, whole.low)]
        for found in (marks, fine):
            if found is not None and len(found) == len(fine) and _make(found, *prices):
                return Mark(found.open, found.high, found.low)
        return None

    def files(self, scratch: Path) -> DetailFile:
        """All that is kept, for workers."""
        if not self.fine:
            return DetailFile()
        times, path = sorted(self.fine), scratch / f"{uuid.uuid4().hex}.detail.npy"
        fine = Candles.joined([self.fine[time] for time in times])
        fine.save(path)
        mark = None
        if self.mark is not None:
            found = [self.marks[time] for time in times]
            names = ("open", "high", "low")
            mark = Mark(*(np.concatenate([getattr(one, name) for one in found]) for name in names))
        market = Perpetual(self._funding(fine), mark)
        if not market.columns():
            return DetailFile(CandleFile(path, 0))
        perpetual = PerpetualFile.write(path.with_suffix(".perpetual.npy"), market.columns(), None)
        return DetailFile(CandleFile(path, 0), perpetual)

    def _funding(self, fine: Candles) -> Funding | None:
        if self.terms.settled is None:
            return None
        times, paid = self.terms.settled
        opens, closes = fine.timestamp, close_times(fine.timestamp, self.finer)
        owner = np.searchsorted(opens, times, side="right") - 1
        inside = (owner >= 0) & (times < closes[owner])
        return Funding.laid(opens, closes, times[inside], paid[inside])

    def told(self, walked: Int64Array, doubted: Int64Array) -> LoadedDetail:
        """Of a run that played `walked` by finer candles and was left with `doubted` (open times, ms)."""
        return LoadedDetail(self.inputs(walked), self._check(walked, doubted))

    def inputs(self, walked: Int64Array) -> dict[str, str]:
        """How the finer candles that were played enter a fingerprint: count and sum, by the candle that they make."""
        found = {}
        for time in walked.tolist():
            total = 0
            for column in (self.fine[time].timestamp, *self.fine[time].columns().values()):
                total = zlib.crc32(np.ascontiguousarray(column).data, total)
            if time in self.marks:
                mark = self.marks[time]
                for column in (mark.open, mark.high, mark.low):
                    total = zlib.crc32(np.ascontiguousarray(column).data, total)
            found[format_time(time)] = f"{len(self.fine[time])} {total:08x}"
        return found

    def _check(self, walked: Int64Array, doubted: Int64Array) -> dict[str, Any]:
        """What is told of it beside a result: how many candles the finer ones played, and why others stay open."""
        left = set(doubted.tolist())
        lacking, differing = len(left & self.lacking), len(left & self.differing)
        note = f"{self.finer} candles of {len(walked):,} of {len(walked) + len(left):,} candles in doubt"
        if lacking:
            first = short_time(min(left & self.lacking))
            note += f"; of {lacking:,} some are missing, first {first}"
        if differing:
            first = short_time(min(left & self.differing))
            note += f"; of {differing:,} they do not make the candle, first {first}"
        if more := len(left) - lacking - differing:
            note += f"; {more:,} came up after {MOST_ROUNDS} rounds"
        if self.faults:
            note += f" ({self.faults[0]})"
        return {
            "status": "failed" if left else "passed",
            "note": note if len(walked) + len(left) else "no candle is in doubt",
            "timeframe": self.finer.name,
            "walked": len(walked),
            "lacking": lacking,
            "differing": differing,
            "left": len(left),
        }


class DetailLoader:
    """Fetches and loads for one call of the engine; its files live in `scratch` as long as that does."""

    def __init__(
        self,
        fetcher: DataFetcher,
        cache: CandleCache,
        scratch: Path,
        *,
        on_event: OnEvent,
        cancel: CancelToken,
        silence: Silence | None = None,
    ) -> None:
        """`silence`: what is known of exchanges that do not answer, shared with whoever else fetches for the call."""
        self._fetcher, self._cache, self._scratch = fetcher, cache, scratch
        self._on_event, self._cancel, self._silence = on_event, cancel, silence or Silence()

    def begin(self, spec: RunSpec, market: Market, candles: Candles, terms: LoadedTerms) -> Inside | None:
        """Of a run over these candles of its period, on these terms; None where it has no detail."""
        if spec.costs.detail is None:
            return None
        perpetual = Perpetual.of_file(terms.file)
        mark = None if perpetual is None else perpetual.mark
        return Inside(market, spec.timeframe, Timeframe(spec.costs.detail), candles, terms, mark)

    def more(self, inside: Inside, doubted: Int64Array, *, fetch: bool) -> DetailFile | None:
        """With the finer candles of those that are in doubt and were not asked for yet; None where that gives no more.

        What cannot be fetched is told and leaves its candles in doubt. Raises DatabaseError, Interrupted.
        """
        new = sorted(set(doubted.tolist()) - inside.asked)
        if not new:
            return None
        known = len(inside.fine)
        inside.asked |= set(new)
        stretches = merge(inside.period(opened) for opened in new)
        series = [inside.market]
        if inside.mark is not None and Kind.MARK in describe(inside.market.exchange).kinds:
            series.append(inside.market.of(Kind.MARK))
        if fetch:
            for one in series:
                self._fetch(one, inside, stretches)
        span = Period(stretches[0].start, stretches[-1].end)
        held = [self._cache.load(one, inside.finer, span).candles for one in series]
        for opened in new:
            fine, *marks = (candles.within(inside.period(opened)) for candles in held)
            inside.take(opened, fine, marks[0] if marks else None)
        return inside.files(self._scratch) if len(inside.fine) > known else None

    def of_run(self, run: RunResult, candles: Candles, terms: LoadedTerms) -> DetailFile | None:
        """The finer candles that a stored run was played by, as they are held; None for one that has no detail.

        Raises InputError where they are others now.
        """
        inside = self.begin(run.spec, run.market, candles.within(run.period), terms)
        if inside is None:
            return None
        played = (run.inputs or {})["detail"]
        walked = np.array([parse_time(time) for time in played], dtype=np.int64)
        file = self.more(inside, walked, fetch=False) if len(walked) else DetailFile()
        if file is None or len(inside.fine) != len(walked) or inside.inputs(walked) != played:
            raise InputError(_REVISED)
        return file

    def _fetch(self, market: Market, inside: Inside, stretches: list[Period]) -> None:
        """Fill these stretches of a series, as one job."""
        title = market.title(inside.finer)
        job = f"detail:{market.exchange}:{title}:{uuid.uuid4().hex[:8]}"
        count = sum(inside.timeframe.count(stretch) for stretch in stretches)
        subject = (market.exchange, market.name, inside.finer.name)
        self._on_event(Started(job, "fetch", f"{title} inside {count:,} candles", subject))
        reports: list[FetchReport] = []
        for stretch in stretches:
            try:
                reports.append(
                    self._fetcher.fetch(
                        market,
                        inside.finer,
                        stretch,
                        job=job,
                        on_event=self._on_event,
                        cancel=self._cancel,
                        silence=self._silence,
                    )
                )
            except (InputError, ExchangeError) as error:
                self._on_event(Log(job, "warning", f"{title}: {error}; what it would settle stays open"))
                self._on_event(ending(job, error))
                inside.faults.append(str(error))
                return
            except BacktestError as error:
                self._on_event(ending(job, error))
                raise
        self._on_event(Finished(job, _together(reports)))


def _together(reports: Sequence[FetchReport]) -> FetchReport:
    """What fetches of one series' stretches, in order, did in all."""
    return replace(
        reports[0],
        period=Period(reports[0].period.start, reports[-1].period.end),
        candles=sum(one.candles for one in reports),
        fetched=sum(one.fetched for one in reports),
        requests=sum(one.requests for one in reports),
        filled=tuple(part for one in reports for part in one.filled),
        missing=tuple(gone for one in reports for gone in one.missing),
        notices=tuple(dict.fromkeys(notice for one in reports for notice in one.notices)),
        archive_days=sum(one.archive_days for one in reports),
    )


def _make(fine: Candles, opened: float, high: float, low: float) -> bool:
    """Whether finer candles make one of these prices."""
    return bool(fine.open[0] == opened and fine.high.max() == high and fine.low.min() == low)
