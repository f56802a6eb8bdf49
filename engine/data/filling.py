"""Fills the gaps of one series: page by page, each stored with the coverage that it proves before the next is asked."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engine.data.bulk import BulkDownload, worthwhile_days
from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.archive import Archive
from engine.data.exchanges.pages import Page, find_holes
from engine.data.gap_fill import GapFill
from engine.data.listing import ask_first_candle
from engine.errors import InputError
from engine.events import ProgressMeter
from engine.model.coverage import AFTER_DELISTING, MAINTENANCE, OFF_GRID, Coverage, MissingRange
from engine.model.market import DAY_MS, Candles, Market, Period, short_time
from engine.model.periods import merge, subtract


@dataclass(slots=True)
class Findings:
    """What one step learnt about a gap: candles, cells without any, what is still to ask, what nobody can know yet."""

    candles: list[Candles] = field(default_factory=list)
    missing: list[MissingRange] = field(default_factory=list)
    to_ask: list[Period] = field(default_factory=list)
    unproven: list[Period] = field(default_factory=list)


class SeriesFill(GapFill):
    """One fetch of one series of candles."""

    def run(self, coverage: Coverage, recheck: list[Period], archive: Archive | None) -> None:
        """Ask for every gap, and again for `recheck`: the tails once found empty after a delisting."""
        gaps = list(coverage.gaps)
        if self._needs_listing(coverage, has_archive=archive is not None):
            first = self.prove_listing()
            check_listed(self.market, coverage.period, first)
            gaps = [Period(max(gap.start, first), gap.end) for gap in gaps if gap.end > first]
        total = sum(self.timeframe.count(gap) for gap in [*gaps, *recheck])
        meter = ProgressMeter(self.caller.job, total, "candles", self.caller.on_event)
        if archive is not None:
            gaps = self.fill_in_bulk(archive, gaps, meter)
        self.fill(gaps, recheck, meter)

    def _needs_listing(self, coverage: Coverage, *, has_archive: bool) -> bool:
        """Whether gaps may lie before the first candle. Files may show older ones than the exchange itself serves."""
        if coverage.false_listing:
            return True
        hint, gaps = coverage.market.listed_ms, coverage.gaps
        may_be_early = bool(gaps) and (hint is None or gaps[0].start <= hint)
        return may_be_early or (has_archive and self.is_worth_files(gaps))

    def prove_listing(self, seen: int | None = None) -> int:
        """Open time of the series' first candle: one probe from the beginning of time, stored and not asked again.

        `seen`: an open time that was served already, so the first candle cannot come after it.
        """
        if self.first_candle is None:
            self.first_candle = ask_first_candle(self, seen)
            self.store.candles.save_first_candle(self.market, self.timeframe, self.first_candle)
        return self.first_candle

    def fill(self, gaps: Iterable[Period], recheck: Iterable[Period], meter: ProgressMeter) -> None:
        """Ask for every cell of `gaps`, and again for `recheck`: the tails once found empty after a delisting.

        Raises ExchangeError after the last one when a market that trades has no answer for cells older than a day.
        """
        self._recheck = merge(recheck)
        todo = deque(merge([*gaps, *self._recheck]))
        while todo:
            self.caller.cancel.raise_if_cancelled()
            gap = todo.popleft()
            findings = self._ask(gap)
            self._keep(gap, findings)
            todo.extendleft(reversed(findings.to_ask))
            count = self.timeframe.count
            meter.add(count(gap) - sum(count(part) for part in findings.to_ask))
        if self._silence:
            cells = sum(map(self.timeframe.count, merge(self._silence)))
            since = short_time(min(self._silence).start)
            self._complain(
                f"no {self.timeframe} candle of {self.market.name} at or after {since} is served, {cells:,} stay a gap"
            )

    def is_worth_files(self, gaps: Sequence[Period]) -> bool:
        """Whether bulk files fill any day of the gaps with fewer requests."""
        return bool(worthwhile_days(self.timeframe, gaps, self.exchange.page_limit, self.now_ms))

    def fill_in_bulk(self, archive: Archive, gaps: Sequence[Period], meter: ProgressMeter) -> list[Period]:
        """Take the whole days of long gaps from bulk files; returns what is left for `fill`.

        Files prove candles only: a cell that a file lacks is left, for the exchange itself to say what is there.
        """
        page_limit = self.exchange.page_limit
        days = worthwhile_days(self.timeframe, gaps, page_limit, self.now_ms)
        if not days:
            return list(gaps)
        bulk = BulkDownload(archive, self.market, self.timeframe, days, page_limit, self.caller)
        taken: list[Period] = []
        for files in bulk.batches():
            candles = Candles.joined([file.candles for file in files])
            covered = merge(part for file in files for part in subtract(file.day, file.holes))
            self.fetched += self.store.candles.add_page(self.market, self.timeframe, candles, covered)
            taken = merge([*taken, *covered])
            self.archive_days += len(files)
            meter.add(len(candles))
        self.filled = merge([*self.filled, *taken])
        return [part for gap in gaps for part in subtract(gap, taken)]

    def _keep(self, gap: Period, findings: Findings) -> None:
        """Store what is proven of a gap: candles and coverage in one transaction."""
        unknown = [*findings.to_ask, *findings.unproven]
        if self.first_candle is not None:
            unknown.append(Period(min(gap.start, self.first_candle), self.first_candle))
        gone = [part.period for part in findings.missing]
        covered = subtract(gap, [*unknown, *gone])
        if covered or gone:
            candles = Candles.joined(findings.candles)
            self.fetched += self.store.candles.add_page(
                self.market, self.timeframe, candles, covered, findings.missing
            )
            self.filled = merge([*self.filled, *covered, *gone])
        for part in findings.unproven:
            if self._doubt is None:  # a list that could not be asked reopens nothing that was proven
                self._reopen(part)
            if self._tail is None or part.start < self._tail:
                self._tail = part.start
                self.store.candles.save_unproven_tail(self.market, self.timeframe, part.start)
        self.unproven += findings.unproven

    def _reopen(self, unproven: Period) -> None:
        """Cells once called delisted are a gap again when the market trades."""
        for part in merge(unproven.clip(tail) for tail in self._recheck):
            self.store.candles.forget(self.market, self.timeframe, part)
            self._tail = None  # it may have been forgotten with them

    # -- asking

    def _ask(self, gap: Period) -> Findings:
        """One page from the start of a gap, and a second answer for every cell that the page has nothing for."""
        findings = Findings()
        if self._is_still_empty(gap):
            self._leave_tail(gap, findings)
            return findings
        page = self.page(gap)
        findings.candles.append(page.candles)
        cells = page.cells
        reach = self.timeframe.next(cells[-1]) if cells else gap.start
        # no more fits on the page, or what was asked is there to its end: the rest is asked for; else it may be empty
        is_full = page.served >= min(self.exchange.page_limit, self.timeframe.count(gap))
        is_full = is_full or (bool(cells) and reach >= page.asked.end)
        for run in merge(Period(cell, self.timeframe.next(cell)) for cell in page.off_grid):
            self._confirm_off_grid(run, findings)
        for hole in find_holes(self.timeframe, Period(gap.start, reach), cells):
            self._confirm_hole(hole, findings, has_later=True)
        if reach < gap.end:
            rest = Period(reach, gap.end)
            if is_full:
                findings.to_ask.append(rest)
            else:
                self._confirm_hole(rest, findings)
        return findings

    def _is_still_empty(self, gap: Period) -> bool:
        """Whether one probe shows that there is still nothing from where the last fetch found nothing."""
        if self._tail is None or gap.start < self._tail:
            return False
        if not self.probe(gap.start).cells:
            return True
        self._tail = None
        self.store.candles.save_unproven_tail(self.market, self.timeframe, None)
        return False

    def _confirm_hole(self, hole: Period, findings: Findings, *, has_later: bool = False) -> None:
        """A probe from the hole's start: its row proves everything before it empty.

        `has_later`: a later candle was served already, so the probe must have a row.
        """
        served = findings.candles[0].timestamp
        first = self.prove_listing(int(served[0]) if len(served) else None)
        hole = hole.clip(Period(first, max(first, hole.end)))
        if hole.start >= hole.end:
            return
        probe = self._insist(hole.start, self._contradiction) if has_later else self._probe_tail(hole)
        if not probe.cells:
            self._leave_tail(hole, findings)
            return
        row = probe.cells[0]
        findings.missing += self._missing(Period(hole.start, min(row, hole.end)), MAINTENANCE)
        if (
            row < hole.end
        ):  # the page was wrong: keep the candle, so that every round gets on, and ask for the rest
            after = self.timeframe.next(row)
            findings.candles.append(probe.candles)
            if probe.off_grid:
                findings.missing += self._missing(Period(row, after), OFF_GRID)
            findings.to_ask += merge([Period(after, hole.end)])

    @property
    def _delisting_cut(self) -> int:
        """Cells from here on are too young to be called delisted: it may be maintenance under way."""
        return self.timeframe.floor(self.now_ms - DAY_MS)

    def _probe_tail(self, hole: Period) -> Page:
        """A probe where nothing later is known; old emptiness of a market that trades is asked for twice."""
        probe = self.probe(hole.start)
        if probe.cells or hole.start >= self._delisting_cut or self._is_delisted() or self._doubt:
            return probe  # found, too young to matter, or no more to be learnt now
        self.caller.cancel.sleep(self.exchange.patience.first_wait_s)
        return self.probe(hole.start)

    def _leave_tail(self, hole: Period, findings: Findings) -> None:
        """Nothing at or after the hole: of a delisted market old cells are missing, all else stays a gap."""
        cut = min(max(self._delisting_cut, hole.start), hole.end)
        if hole.start < cut and not self._is_delisted():
            self._silence.append(Period(hole.start, cut))
            cut = hole.start
        findings.missing += self._missing(Period(hole.start, cut), AFTER_DELISTING)
        findings.unproven += merge([Period(cut, hole.end)])

    def _confirm_off_grid(self, run: Period, findings: Findings) -> None:
        """A second page over cells whose candles open beside the grid; what it has no proper candle for is missing."""
        again = self.page(run)
        findings.candles.append(again.candles)
        for hole in find_holes(self.timeframe, run, again.candles.timestamp.tolist()):
            findings.missing += self._missing(hole, OFF_GRID)

    @property
    def _contradiction(self) -> str:
        return f"{self.market.title(self.timeframe)}: the exchange's answers contradict each other"

    def _insist(self, start_ms: int, problem: str) -> Page:
        """A probe that must have a row; an empty answer is not believed."""
        patience = self.exchange.patience
        for attempt in range(patience.attempts):
            if attempt:
                self.caller.cancel.sleep(patience.wait_s(attempt))
            if (probe := self.probe(start_ms)).cells:
                return probe
        raise UnexpectedAnswer(problem)

    def _missing(self, period: Period, reason: str) -> list[MissingRange]:
        return [MissingRange(period, reason, self.now_ms)] if period.start < period.end else []


def check_listed(market: Market, period: Period, first_candle: int | None) -> None:
    """Raise InputError when the period lies wholly before the market's first candle."""
    if first_candle is not None and period.end <= first_candle:
        raise InputError(
            f"{market} has its first {market.kind.one} at {short_time(first_candle)}; the period {period} lies wholly "
            "before (`backtest verify` asks the exchange again)"
        )
