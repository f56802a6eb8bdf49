"""Compares the funding rates held of one market with the exchange's, and puts right what differs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from engine.data.exchanges.connection import Caller
from engine.data.exchanges.exchange import Exchange
from engine.data.locked_series import LockedSeries, verifying
from engine.database.store import Store
from engine.errors import InputError
from engine.events import ProgressMeter
from engine.model.coverage import VerifyReport
from engine.model.funding import FundingRates, FundingRow, snap
from engine.model.market import FUNDING_GRID, HOUR_MS, Market, Period, format_time
from engine.model.periods import merge, subtract

_Key = tuple[int, str]  # time and rate type


def verify_funding(
    store: Store,
    exchange: Exchange,
    market: Market,
    period: Period | None,
    caller: Caller,
    still_trades: Callable[[], bool],
    *,
    dry_run: bool,
) -> VerifyReport:
    """Compare what is held of the period (None: all) with the exchange, then mend it, while no other program fetches it.

    `still_trades` asks the exchange's list whether the market trades. Raises InputError where nothing is held,
    ExchangeError, Interrupted; then nothing was changed.
    """
    with verifying(store, exchange, market, FUNDING_GRID, caller) as now_ms:
        check = _FundingCheck(store, exchange, market, FUNDING_GRID, now_ms, caller, still_trades)
        return check.check(period, dry_run=dry_run)


@dataclass(slots=True)
class _Differences:
    """What the pages showed so far. Equal positions of `old` and `new` are one settlement."""

    checked: int = 0
    old: list[FundingRow] = field(default_factory=list)
    new: list[FundingRow] = field(default_factory=list)
    added: list[FundingRow] = field(default_factory=list)
    only_here: list[FundingRow] = field(default_factory=list)


@dataclass
class _FundingCheck(LockedSeries):
    still_trades: Callable[[], bool]

    def check(self, wanted: Period | None, *, dry_run: bool) -> VerifyReport:
        market, store = self.market, self.store
        period = FUNDING_GRID.align(wanted) if wanted else store.verification.extent(market, FUNDING_GRID)
        coverage = None if period is None else store.funding.coverage(market, period)
        windows = [] if coverage is None else coverage.answered
        if coverage is None or not windows:
            raise InputError(f"nothing of {market.title(FUNDING_GRID)} is held: there is nothing to verify")
        first = self._earlier_first()
        found = self._compare(windows)
        came = _hours(found.added)
        still, tails = coverage.still_missing(came)
        reopened = tails if tails and self.still_trades() else []
        if not dry_run:
            self._apply(found, reopened, first)
        notices = list(coverage.notices)
        if reopened:
            count = sum(map(FUNDING_GRID.count, reopened))
            notices.append(f"{market.name} trades: {count:,} hours that counted as delisted are a gap again")
        if first is not None:
            notices.append(
                f"the first funding of {market.name} is at {format_time(first)}, earlier than was recorded"
            )
        return VerifyReport(
            market,
            FUNDING_GRID,
            coverage.period,
            found.checked,
            (FundingRates.from_rows(found.old), FundingRates.from_rows(found.new)),
            len(found.added),
            tuple(still),
            tuple(_hours(found.only_here)),
            (first is not None) + len(reopened),
            self.caller.candle_requests,
            dry_run,
            tuple(notices),
        )

    def _earlier_first(self) -> int | None:
        """The first settlement by the exchange, where it is before the recorded one."""
        recorded = self.store.candles.first_candle(self.market, FUNDING_GRID)
        if recorded is None:
            return None
        answer = self.exchange.funding_probe(self.market, 0, self.caller).hours
        return answer[0] if answer and answer[0] < recorded else None

    def _compare(self, windows: list[Period]) -> _Differences:
        found = _Differences()
        total = sum(map(FUNDING_GRID.count, windows))
        meter = ProgressMeter(self.caller.job, total, "hours", self.caller.on_event)
        for stretch, served in (pair for window in windows for pair in self._serve(window)):
            held = _by_key(self.store.funding.read(self.market, stretch))
            if held.keys() - served.keys():  # asked twice before anything counts as not there
                served |= _by_key(self.exchange.funding_page(self.market, stretch, self.caller).rates)
            for key, row in served.items():
                if key not in held:
                    found.added.append(row)
                    continue
                found.checked += 1
                if _differs(held[key], row):
                    found.old.append(held[key])
                    found.new.append(row)
            found.only_here += [row for key, row in held.items() if key not in served]
            meter.add(FUNDING_GRID.count(stretch))
        return found

    def _serve(self, window: Period) -> Iterator[tuple[Period, dict[_Key, FundingRow]]]:
        """Stretches of a window, and what is served of each."""
        cursor = window.start
        while cursor < window.end:
            self.caller.cancel.raise_if_cancelled()
            page = self.exchange.funding_page(self.market, Period(cursor, window.end), self.caller)
            reach = window.end
            if page.is_full:
                reach = page.hours[-1] if len(page.hours) > 1 else page.hours[-1] + HOUR_MS
            stretch = Period(cursor, reach)
            yield stretch, _by_key(page.rates.within(stretch))
            cursor = reach

    def _apply(self, found: _Differences, reopened: list[Period], first: int | None) -> None:
        store, market = self.store, self.market
        store.funding.replace(market, FundingRates.from_rows(found.new))
        store.funding.add_page(market, FundingRates.from_rows(found.added), _hours(found.added))
        for part in reopened:
            store.funding.forget(market, part)
        if first is not None:
            store.candles.save_first_candle(market, FUNDING_GRID, first)
        for part in self._compared(found):
            store.verification.unmark_imported(market, FUNDING_GRID, part)

    def _compared(self, found: _Differences) -> list[Period]:
        """Where files brought settlements that the exchange has too."""
        extent = self.store.verification.extent(self.market, FUNDING_GRID)
        imported = self.store.verification.imported(self.market, FUNDING_GRID, extent) if extent else []
        return [part for one in imported for part in subtract(one, _hours(found.only_here))]


def _by_key(rates: FundingRates) -> dict[_Key, FundingRow]:
    return {(snap(row[0]), row[3]): row for row in rates.rows()}


def _differs(held: FundingRow, served: FundingRow) -> bool:
    """Whether time, rate or a mark price that is served are other than those held."""
    is_marked = not np.isnan(served[2])
    return held[:2] != served[:2] or (is_marked and held[2] != served[2])


def _hours(rows: list[FundingRow]) -> list[Period]:
    hours = FundingRates.from_rows(rows).hours.tolist()
    return merge(Period(hour, hour + HOUR_MS) for hour in hours)
