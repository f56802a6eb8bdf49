"""Fills the gaps of a market's funding rates: page by page, each stored with the hours that it proves.

A page proves every hour up to its last settlement. What comes after that, and what lies between two settlements that are
too far apart, is asked for a second time; after the last settlement of all nothing is proven for longer than eight hours.
"""

from collections import deque

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.archive import Archive
from engine.data.exchanges.funding_pages import FundingPage
from engine.data.gap_fill import GapFill
from engine.events import ProgressMeter
from engine.model.coverage import AFTER_DELISTING, Coverage, MissingRange
from engine.model.funding import LONGEST_INTERVAL_MS, FundingRates, holes
from engine.model.market import DAY_MS, FUNDING_GRID, HOUR_MS, Period, short_time
from engine.model.periods import clipped, merge, subtract


class _Contradiction(Exception):
    """Two answers that cannot both be right."""


class FundingFill(GapFill):
    """One fetch of one market's funding rates. All gaps are hours that ended a minute ago at least."""

    def run(self, coverage: Coverage, recheck: list[Period], archive: Archive | None) -> None:  # noqa: ARG002
        """Ask for every gap, and again for `recheck`: the tails once found empty after a delisting.

        Raises ExchangeError after the last one when a market that trades has no answer for hours older than a day.
        """
        self._recheck = merge(recheck)
        todo = deque(merge([*coverage.gaps, *self._recheck]))
        count = FUNDING_GRID.count
        meter = ProgressMeter(self.caller.job, sum(map(count, todo)), "hours", self.caller.on_event)
        while todo:
            self.caller.cancel.raise_if_cancelled()
            gap = todo.popleft()
            left = self._insist(gap)
            todo.extendleft(reversed(left))
            meter.add(count(gap) - sum(map(count, left)))
        if self._silence:
            since = short_time(min(self._silence).start)
            self._complain(
                f"no funding rate of {self.market.name} at or after {since} is served, it stays a gap"
            )

    def _insist(self, gap: Period) -> list[Period]:
        """Fill a gap as far as one page goes; answers that contradict each other are asked for again."""
        patience = self.exchange.patience
        for attempt in range(1, patience.attempts + 1):
            try:
                return self._fill(gap)
            except _Contradiction:
                self.caller.cancel.sleep(patience.wait_s(attempt))
        raise UnexpectedAnswer(
            f"{self.market.title(FUNDING_GRID)}: the exchange's answers contradict each other"
        )

    def _fill(self, gap: Period) -> list[Period]:
        """What of a gap is still to be asked for after one page."""
        if self._is_still_empty(gap):
            self._leave(gap)
            return []
        page = self.exchange.funding_page(self.market, gap, self.caller)
        reach = page.hours[-1] + HOUR_MS if page.hours else gap.start
        if page.is_full and len(page.hours) > 1:
            reach -= HOUR_MS  # of the last hour there may be more
        proven = Period(gap.start, reach)
        rates = page.rates.within(proven)
        for hole in holes(rates, proven):
            self._confirm(hole, page)
        rest = Period(reach, gap.end)
        if page.is_full or rest.start >= rest.end:
            self._keep(rates, proven)
            return merge([rest])
        later = self._probe(rest.start).hours
        if later and later[0] < rest.end:
            raise _Contradiction
        if later and not page.hours and self.first_candle is None:
            self._prove_listing(later[0])
        sure = rest.end if later else self._sure_until(rest, page)
        self._keep(rates, Period(gap.start, sure))
        self._leave(Period(sure, rest.end))
        return []

    def _confirm(self, hole: Period, page: FundingPage) -> None:
        """A second answer for a stretch without settlements: it has to begin with the one after it."""
        after = next((hour for hour in page.hours if hour >= hole.end), None)
        if after is None:
            return  # the end of a full page
        if self.first_candle is None and hole.end == page.hours[0]:
            self._prove_listing(after)
        is_listed = self.first_candle is None or hole.start >= self.first_candle
        if is_listed and self._probe(hole.start).hours[:1] != [after]:
            raise _Contradiction

    def _prove_listing(self, seen: int) -> None:
        """The first settlement of all, by a probe from the beginning of time; `seen`: one that was served."""
        first = self._probe(0).hours
        if not first or first[0] > seen:
            raise _Contradiction
        self.first_candle = first[0]
        self.store.candles.save_first_candle(self.market, FUNDING_GRID, self.first_candle)

    def _sure_until(self, rest: Period, page: FundingPage) -> int:
        """Where the next settlement can be at the latest, after the last one before `rest`."""
        before = self.store.funding.read(self.market, Period(rest.start - LONGEST_INTERVAL_MS, rest.start))
        known = [*page.hours, *before.hours.tolist()]
        last = max((hour for hour in known if hour < rest.start), default=None)
        return rest.start if last is None else max(rest.start, min(rest.end, last + LONGEST_INTERVAL_MS))

    def _probe(self, start_ms: int) -> FundingPage:
        return self.exchange.funding_probe(self.market, start_ms, self.caller)

    def _is_still_empty(self, gap: Period) -> bool:
        """Whether one probe shows that there is still nothing from where the last fetch found nothing."""
        if self._tail is None or gap.start < self._tail:
            return False
        if not self._probe(gap.start).hours:
            return True
        self._save_tail(None)
        return False

    def _save_tail(self, ms: int | None) -> None:
        self._tail = ms
        self.store.candles.save_unproven_tail(self.market, FUNDING_GRID, ms)

    # -- keeping

    def _keep(self, rates: FundingRates, proven: Period, missing: tuple[MissingRange, ...] = ()) -> None:
        covered = merge([proven])
        self.fetched += self.store.funding.add_page(self.market, rates, covered, missing)
        self.filled = merge([*self.filled, *covered, *(gone.period for gone in missing)])

    def _leave(self, rest: Period) -> None:
        """Nothing is served from here on: of a delisted market old hours are missing, all else stays a gap."""
        if rest.start >= rest.end:
            return
        old = clipped([rest], Period(0, FUNDING_GRID.floor(self.now_ms - DAY_MS)))
        if old and self._is_delisted():
            gone = tuple(MissingRange(part, AFTER_DELISTING, self.now_ms) for part in old)
            self._keep(FundingRates.empty(), Period(rest.start, rest.start), gone)
        else:
            self._silence += old
            if self._doubt is None:  # a list that could not be asked reopens nothing that was proven
                for part in (part for tail in self._recheck for part in clipped([tail], rest)):
                    self.store.funding.forget(self.market, part)
            old = []
        left = subtract(rest, old)
        if left and self._tail != left[0].start:
            self._save_tail(left[0].start)
        self.unproven += left
