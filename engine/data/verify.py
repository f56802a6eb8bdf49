"""Compares the held candles of one series with the exchange's, and puts right what differs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.exchanges.pages import Page
from engine.data.listing import WrongListing, check_listing
from engine.data.locked_series import LockedSeries, verifying
from engine.database.store import Store
from engine.errors import InputError
from engine.events import ProgressMeter
from engine.model.coverage import Coverage, VerifyReport
from engine.model.market import DAY_MS, PRICE_COLUMNS, Candles, Int64Array, Market, Period, Timeframe
from engine.model.periods import merge, subtract


def verify_series(
    store: Store,
    exchange: Exchange,
    market: Market,
    timeframe: Timeframe,
    period: Period | None,
    caller: Caller,
    still_trades: Callable[[], bool],
    *,
    dry_run: bool,
) -> VerifyReport:
    """Compare a series with the exchange while no other program fetches it; see `SeriesCheck.check`.

    `still_trades` asks the exchange's list whether the market trades.
    """
    with verifying(store, exchange, market, timeframe, caller) as now_ms:
        check = SeriesCheck(store, exchange, market, timeframe, now_ms, caller, still_trades)
        return check.check(period, dry_run=dry_run)


@dataclass(slots=True)
class Differences:
    """What the pages showed so far. Equal positions of `old` and `new` are one candle."""

    checked: int = 0
    old: list[Candles] = field(default_factory=list)
    new: list[Candles] = field(default_factory=list)
    added: list[Candles] = field(default_factory=list)
    only_here: list[Period] = field(default_factory=list)


@dataclass
class SeriesCheck(LockedSeries):
    """One comparison of one series."""

    still_trades: Callable[[], bool]

    def __post_init__(self) -> None:
        self._closed_end = self.timeframe.floor(self.now_ms - round(self.exchange.patience.settle_s * 1000))

    def check(self, wanted: Period | None, *, dry_run: bool) -> VerifyReport:
        """Compare everything held of `wanted` (None: of the series), then mend it in the database.

        Asks for every cell that is held, known missing, or claimed by a damaged record; gaps are `fetch`'s. Asks again
        where the series begins, and where its end counts as delisted whether it trades. Nothing is changed before the
        last page has come, so that whoever stops it finds the candles as they were.
        """
        market, timeframe = self.market, self.timeframe
        damage = self.store.verification.mend(market, timeframe, dry_run=True)
        listing = check_listing(self)
        notices = [*damage.notices, *([listing.words] if listing else ())]
        period = self._period(wanted, is_odd=bool(notices))
        coverage = self.store.candles.coverage(market, timeframe, period)
        unproven = self.store.verification.unproven(market, timeframe, period)
        windows = _windows(coverage, [*damage.claims, *unproven])
        if not windows and not notices:
            raise InputError(
                f"nothing of {market.title(timeframe)} on {market.exchange} is held in {period}: there is nothing to verify"
            )
        found = self._compare(windows)
        added, old, new = (Candles.joined(parts) for parts in (found.added, found.old, found.new))
        came = _cells(timeframe, added.timestamp)
        still, tails = coverage.still_missing(came)
        reopened = self._not_delisted(tails)
        if not dry_run:
            self._apply(windows, added, new, merge(found.only_here), reopened, listing)
        if reopened:
            count = sum(map(timeframe.count, reopened))
            notices.append(f"{market.name} trades: {count:,} cells that counted as delisted are a gap again")
        if coverage.claimed:
            notices += replace(coverage, false_listing=None).notices
        if unproven:
            count = sum(map(timeframe.count, unproven))
            notices.append(
                f"{count:,} candles are in the database that no range vouches for; they are not used"
            )
        return VerifyReport(
            market,
            timeframe,
            period,
            found.checked,
            (old, new),
            len(added),
            tuple(still),
            tuple(merge(found.only_here)),
            damage.ranges + (listing is not None) + len(reopened),
            self.caller.candle_requests,
            dry_run,
            tuple(notices),
        )

    def _not_delisted(self, tails: list[Period]) -> list[Period]:
        """Cells that count as delisted although the exchange's list says that the market trades."""
        return tails if tails and self.still_trades() else []

    def _period(self, wanted: Period | None, *, is_odd: bool) -> Period:
        """What to look at; where nothing is held, but something is wrong, the last day."""
        market, timeframe = self.market, self.timeframe
        period = timeframe.align(wanted) if wanted else self.store.verification.extent(market, timeframe)
        if period is None and is_odd:
            period = Period(timeframe.floor(self._closed_end - DAY_MS), self._closed_end)
        if period is not None:
            period = period.clip(Period(0, self._closed_end))
        if period is None or period.start >= period.end:
            raise InputError(
                f"nothing of {market.title(timeframe)} on {market.exchange} is held: there is nothing to verify"
            )
        return period

    def _compare(self, windows: list[Period]) -> Differences:
        found = Differences()
        total = sum(map(self.timeframe.count, windows))
        meter = ProgressMeter(self.caller.job, total, "candles", self.caller.on_event)
        for window in windows:
            for stretch, held, served in self._serve(window):
                _, ours, theirs = np.intersect1d(held.timestamp, served.timestamp, return_indices=True)
                old, new = _pick(held, ours), _pick(served, theirs)
                differ = np.zeros(len(ours), dtype=np.bool_)
                for name in PRICE_COLUMNS:
                    differ |= old.columns()[name] != new.columns()[name]
                found.checked += len(ours)
                if differ.any():
                    found.old.append(_pick(old, np.flatnonzero(differ)))
                    found.new.append(_pick(new, np.flatnonzero(differ)))
                if len(extra := np.flatnonzero(~np.isin(served.timestamp, held.timestamp))):
                    found.added.append(_pick(served, extra))
                lost = held.timestamp[~np.isin(held.timestamp, served.timestamp)]
                found.only_here += _cells(self.timeframe, lost)
                meter.add(self.timeframe.count(stretch))
        return found

    def _serve(self, window: Period) -> Iterator[tuple[Period, Candles, Candles]]:
        """Stretches of a window with the candles held and those served; a held one not served was asked for twice."""
        cursor = window.start
        while cursor < window.end:
            self.caller.cancel.raise_if_cancelled()
            rest = Period(cursor, window.end)
            page = self.page(rest)
            if not page.cells:
                page = self.page(rest)
            reach = self.timeframe.next(page.cells[-1]) if page.cells else self._end_of_nothing(page, window)
            stretch = Period(cursor, reach)
            held = self.store.candles.read(self.market, self.timeframe, stretch)
            served = [page.candles]
            if page.cells:
                lost = held.timestamp[~np.isin(held.timestamp, page.candles.timestamp)]
                served += [self.page(part).candles for part in _cells(self.timeframe, lost)]
            yield stretch, held, Candles.joined(served)
            cursor = reach

    def _end_of_nothing(self, page: Page, window: Period) -> int:
        """Where what is served of a window goes on after an empty page; its end where it does not."""
        if page.asked.end >= window.end:
            return window.end
        later = self.probe(page.asked.end).cells
        return min(later[0], window.end) if later else window.end

    def _apply(
        self,
        windows: list[Period],
        added: Candles,
        revised: Candles,
        only_here: list[Period],
        reopened: list[Period],
        listing: WrongListing | None,
    ) -> None:
        """Each step leaves the database right, so dying between two of them only leaves work for the next time."""
        market, timeframe, store = self.market, self.timeframe, self.store
        store.verification.replace(market, timeframe, revised)
        store.candles.add_page(market, timeframe, added, _cells(timeframe, added.timestamp))
        store.verification.mend(market, timeframe)
        for part in reopened:
            store.candles.forget(market, timeframe, part)
        if listing is not None:
            store.candles.save_first_candle(market, timeframe, listing.first)
        for window in windows:
            for part in store.verification.imported(market, timeframe, window):
                for compared in subtract(part, only_here):
                    store.verification.unmark_imported(market, timeframe, compared)


def _windows(coverage: Coverage, claimed: list[Period]) -> list[Period]:
    """What to ask for: cells that are held, known missing or claimed, without those before the listing."""
    return merge([*coverage.answered, *(part.clip(coverage.period) for part in claimed)])


def _pick(candles: Candles, positions: Int64Array) -> Candles:
    return Candles(candles.timestamp[positions], *(c[positions] for c in candles.columns().values()))


def _cells(timeframe: Timeframe, opens: Int64Array) -> list[Period]:
    """Open times as merged periods."""
    return merge(Period(opened, timeframe.next(opened)) for opened in map(int, opens))
