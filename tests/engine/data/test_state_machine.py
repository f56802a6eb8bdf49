"""Laws of the data layer (P1 to P20 of facts-and-faults) under requests, faults, crashes and changes in any order."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.errors import ExchangeError, InputError
from engine.model.coverage import FetchReport
from engine.model.market import DAY_MS, Market, Period, Timeframe, format_time, parse_time
from tests.support.candle_faults import BANNED, FAULTS, ODD, PASSING
from tests.support.candle_laws import SETTLE_MS, Laws
from tests.support.candle_world import Brief, Series, TruthfulExchange, World
from tests.support.damage import NO_CHECKS
from tests.support.database import execute, fresh_database
from tests.support.dying import STEPS, Crash
from tests.support.market_truth import NEVER, Truth
from tests.support.timezone import Timezone

MOMENTS = ("2024-02-28T23:59:30", "2024-03-31T01:30", "2024-01-01T00:00:01", "2023-11-06")
STARTS = tuple(map(parse_time, MOMENTS))
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
SPANS = st.tuples(st.integers(-14, 2), st.integers(1, 12))  # first cell from the open one, and how many
WHICH = st.integers(0, 3)


class Candles(RuleBasedStateMachine):
    """One symbol in one or two series; every rule ends with the laws checked against plain SQL."""

    def __init__(
        self, fake: TruthfulExchange, url: str, admin: psycopg.Connection[Any], grids: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.world = World(fake, url, admin)
        self.laws = Laws(self.world, fake)
        self.fake, self.grids = fake, grids
        self.zone: Timezone | None = None

    @initialize(
        start=st.sampled_from(STARTS),
        seed=st.integers(0, 99),
        listed=st.tuples(st.integers(1, 15), st.integers(1, 15)),
        hint=st.sampled_from([None, 0, 0, -3, 2]),
        page_limit=st.sampled_from([2, 3, 7]),
        zone=st.sampled_from(ZONES),
    )
    def begin(
        self, start: int, seed: int, listed: tuple[int, int], hint: int | None, page_limit: int, zone: str
    ) -> None:
        self.zone = Timezone(zone)
        self.fake.clock_ms = start
        self.world.page_limit = page_limit
        for number, grid in enumerate(self.grids):
            exchange, _, name = grid.rpartition(" ")
            timeframe = Timeframe(name)
            first = timeframe.index(start) - listed[number]
            listed_ms = None if hint is None else timeframe.open_ms(first + hint)
            unified = "SOL/USDT" if exchange == "binance" else "SOL/USDT:USDT"
            market = Market(exchange, "SOLUSDT", unified, listed_ms=listed_ms)
            self.world.series.append(Series(exchange, Truth(timeframe, seed + number, first), market))
        self.world.publish()
        self.world.start()

    def teardown(self) -> None:
        try:
            if self.world.series:
                self.laws.settle()
                self.world.page_limit = 50
                self.restart()
                for series in self.world.series:
                    self.world.store.verification.mend(series.market, series.timeframe)
                    series.damaged = False
                    now = self.laws.open_cell(series)
                    self.laws.ask(
                        series, (max(series.truth.listed - 2, now - 60), now + 1)
                    )  # P6: one big request
        finally:
            self.world.stop()
            if self.zone is not None:
                self.zone.close()

    # -- commands: requests

    @rule(which=WHICH, span=SPANS, jitter=st.booleans())
    def request(self, which: int, span: tuple[int, int], jitter: bool) -> None:
        self.laws.ask(*self.laws.pick(which, span), jitter=jitter)

    @rule(which=WHICH, first=st.integers(-16, -2))
    def request_up_to_now(self, which: int, first: int) -> None:
        """The end lies in the future: clipped to the last closed candle."""
        self.laws.ask(*self.laws.pick(which, (first, 3 - first)))

    @rule(which=WHICH, span=SPANS)
    def read_a_frame(self, which: int, span: tuple[int, int]) -> None:
        """P10 by the coroutine, which waits for real where it has to: so let the newest candle settle first."""
        self.laws.settle()
        self.fake.clock_ms += SETTLE_MS
        self.world.publish()
        series, cells = self.laws.pick(which, span)
        if self.laws.refused(series, cells) or series.silent(range(*cells), self.fake.clock_ms):
            return
        start, end = (format_time(series.timeframe.open_ms(cell)) for cell in cells)
        name = series.timeframe.name
        frame = asyncio.run(self.world.fetcher.get_data("SOL/USDT", name, start, end, series.exchange))
        self.laws.adopt(series, cells, series.proven(cells, self.fake.clock_ms))
        opened = [series.timeframe.open_ms(cell) for cell in sorted(self.laws.rows_in(series, cells))]
        assert isinstance(frame.index, pd.DatetimeIndex)
        assert frame.index.as_unit("ms").astype(np.int64).tolist() == opened, "P10"
        assert str(frame.index.tz) == "UTC", "P10"
        assert frame.index.is_monotonic_increasing, "P10"
        assert frame.index.is_unique, "P10"
        assert [str(kind) for kind in frame.dtypes] == ["float64"] * 5, "P10"
        assert list(frame.itertuples(index=False, name=None)) == [
            series.held.rows[cell] for cell in sorted(self.laws.rows_in(series, cells))
        ], "P10, P20"

    @rule(which=WHICH, span=SPANS, cuts=st.lists(st.integers(1, 11), max_size=3), order=st.randoms())
    def request_in_pieces(self, which: int, span: tuple[int, int], cuts: list[int], order: Any) -> None:
        """P6: any splitting and order of requests gives what one request gives."""
        series, cells = self.laws.pick(which, span)
        bounds = sorted({*cells, *(cells[0] + cut for cut in cuts if cells[0] + cut < cells[1])})
        pieces = list(itertools.pairwise(bounds))
        order.shuffle(pieces)
        for piece in pieces:
            self.laws.ask(series, piece)

    @rule(
        spans=st.lists(st.tuples(WHICH, SPANS), min_size=2, max_size=4),
        programs=st.integers(2, 3),
    )
    def requests_at_once(self, spans: list[tuple[int, tuple[int, int]]], programs: int) -> None:
        """P13: programs with connections of their own, half of them in the opposite order (fault 49)."""
        self.laws.settle()
        asks = [self.laws.pick(which, span) for which, span in spans]
        told: list[tuple[Series, FetchReport]] = []
        odd: list[BaseException] = []
        start = threading.Barrier(programs)

        def work(number: int) -> None:
            try:
                _, fetcher = self.world.program()
                start.wait(10)
                for series, cells in asks[:: 1 if number % 2 else -1]:
                    try:
                        told.append(
                            (series, self.world.fetch(series, series.period(cells), fetcher, Brief()))
                        )
                    except InputError:
                        assert self.laws.refused(series, cells)
                    except ExchangeError:
                        assert series.silent(range(*cells), self.fake.clock_ms)
            except BaseException as problem:
                odd.append(problem)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(programs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads), "P13: all end"
        assert not odd, f"P13: {odd}"
        for series in self.world.series:
            spans_of = [cells for asked, cells in asks if asked is series]
            fetched = sum(report.fetched for asked, report in told if asked is series)
            self.laws.adopt_together(series, spans_of, fetched)

    @rule(which=WHICH, span=SPANS, step=st.sampled_from(STEPS), count=st.integers(1, 3))
    def crash(self, which: int, span: tuple[int, int], step: str, count: int) -> None:
        """P12: die at a step; what is left is true, and running again reaches what no crash would have."""
        series, cells = self.laws.pick(which, span)
        self.laws.settle()
        self.world.fate.set(step, count)
        try:
            self.laws.ask(series, cells)
        except Crash:
            note(f"died at {step}")
            self.restart()
            self.laws.adopt_what_is_true(series, cells)
        self.world.fate.set("", 0)
        self.laws.ask(series, cells)

    @rule(which=WHICH, cells=st.integers(1, 9), before=st.integers(1, 9), beyond=st.integers(0, 3))
    def live_through_maintenance(self, which: int, cells: int, before: int, beyond: int) -> None:
        """Ask while the exchange is silent, and again when it is back."""
        series, (now, _) = self.laws.pick(which, (0, 1))
        series.truth.absent.append((now + 1, now + 1 + cells))
        for step in (1 + min(before, cells), 1 + cells - min(before, cells) + beyond):
            self.laws.move(series, step)
            self.laws.ask(series, (now - 4, self.laws.open_cell(series) + 1))

    # -- commands: time and the exchange

    @rule(which=WHICH, cells=st.integers(1, 9), more_ms=st.integers(0, 50) | st.just(45_000))
    def advance_clock(self, which: int, cells: int, more_ms: int) -> None:
        series, _ = self.laws.pick(which, (0, 1))
        self.laws.move(series, cells, more_ms)

    @rule(days=st.sampled_from([1, 1, 2]))
    def let_a_day_pass(self, days: int) -> None:
        self.fake.clock_ms += days * DAY_MS + 1
        self.world.publish()

    @rule(offset=st.sampled_from([0, -DAY_MS, DAY_MS, -45_000, 3_600_000]))
    def set_the_local_clock(self, offset: int) -> None:
        """P15: the local clock decides nothing."""
        self.world.offset_ms = offset

    @rule(which=WHICH, later=st.integers(1, 4), cells=st.integers(1, 9))
    def plan_maintenance(self, which: int, later: int, cells: int) -> None:
        series, _ = self.laws.pick(which, (0, 1))
        first = self.laws.open_cell(series) + later
        series.truth.absent.append((first, first + cells))

    @rule(which=WHICH, later=st.integers(1, 4))
    def open_beside_the_grid(self, which: int, later: int) -> None:
        series, _ = self.laws.pick(which, (0, 1))
        series.truth.off_grid.add(self.laws.open_cell(series) + later)

    @precondition(lambda self: self.world.series[0].market.is_trading)
    @rule()
    def delist(self) -> None:
        for series in self.world.series:
            series.truth.absent.append((self.laws.open_cell(series) + 1, NEVER))
        self.world.set_trading(False)
        self.world.publish()

    @precondition(lambda self: not self.world.series[0].market.is_trading)
    @rule(later=st.integers(1, 3))
    def relist(self, later: int) -> None:
        for series in self.world.series:
            absent = series.truth.absent
            first, _ = next(hole for hole in absent if hole[1] == NEVER)
            absent.remove((first, NEVER))
            absent.append((first, max(first, self.laws.open_cell(series)) + later))
        self.world.set_trading(True)
        self.world.publish()

    @rule(which=WHICH, back=st.integers(1, 14))
    def revise(self, which: int, back: int) -> None:
        """The exchange changes a closed candle; what is held stays as it was until someone verifies (fault 33)."""
        series, _ = self.laws.pick(which, (0, 1))
        cell = self.laws.open_cell(series) - back
        series.truth.revisions[cell] = series.truth.revisions.get(cell, 0) + 1
        self.world.publish()

    @rule(which=WHICH, number=st.integers(0, 9))
    def bring_candles_back(self, which: int, number: int) -> None:
        """The exchange fills an old hole; what was confirmed stays missing until someone verifies."""
        series, _ = self.laws.pick(which, (0, 1))
        now = self.laws.open_cell(series)
        if old := [hole for hole in series.truth.absent if hole[1] <= now]:
            series.truth.absent.remove(old[number % len(old)])
            self.world.publish()

    @rule(which=WHICH, span=SPANS, dry_run=st.booleans(), faults=st.lists(FAULTS, max_size=2))
    def verify(self, which: int, span: tuple[int, int], dry_run: bool, faults: list[str]) -> None:
        self.laws.fail(faults)
        self.laws.verify(*self.laws.pick(which, span), dry_run=dry_run)

    @rule(which=WHICH, span=SPANS, faults=st.lists(FAULTS, min_size=1, max_size=6))
    def request_under_faults(self, which: int, span: tuple[int, int], faults: list[str]) -> None:
        """P17, P18: what passes in the end leaves no trace."""
        self.laws.fail(faults)
        self.laws.ask(*self.laws.pick(which, span))

    @rule(which=WHICH, span=SPANS, kind=st.sampled_from(["short", "forgetful"]))
    def request_of_a_server_that_leaves_rows_out(self, which: int, span: tuple[int, int], kind: str) -> None:
        """P17: page after page lacks rows, and still nothing is missing in the end that the exchange has."""
        self.laws.settle()
        self.fake.always = ODD[kind]
        try:
            self.laws.ask(*self.laws.pick(which, span))
        finally:
            self.fake.always = None

    @rule(which=WHICH, span=SPANS, later=st.integers(1, 30))
    def ask_a_node_without_old_candles(self, which: int, span: tuple[int, int], later: int) -> None:
        """Faults 7, 8: whose word on the first candle is wrong, and is not believed for ever."""
        self.laws.settle()
        self.laws.ask_misled(*self.laws.pick(which, span), later)

    @precondition(lambda self: self.world.series[0].market.is_trading)
    @rule(which=WHICH, span=SPANS)
    def ask_a_market_that_trades_in_silence(self, which: int, span: tuple[int, int]) -> None:
        """Faults 15, 23: however often nothing is answered, a market that trades is not delisted."""
        self.laws.settle()
        self.laws.ask_in_silence(*self.laws.pick(which, span))

    @rule(kind=st.sampled_from(["hangs up", "captive portal", "rate limited"]), count=st.integers(1, 6))
    def inject_a_fault_into_the_clock(self, kind: str, count: int) -> None:
        self.fake.fail(PASSING[kind], on="time", times=count)

    @precondition(lambda self: self.laws.may_lie)
    @rule(after=st.integers(0, 3))
    def inject_an_empty_answer(self, after: int) -> None:
        """Fault 23. Two lies about the same cells in a row would be what the exchange says: one at a time."""
        self.laws.lie(after)

    @rule()
    def ban(self) -> None:
        self.fake.fail(BANNED)

    # -- commands: programs and the database

    @rule()
    def restart(self) -> None:
        self.world.stop()
        self.world.start()

    @rule()
    def cut_connections(self) -> None:
        self.world.cut_connections()

    @rule(
        which=WHICH,
        span=st.tuples(st.integers(-16, 0), st.integers(-4, 8)),
        beside=st.sampled_from([0, 0, 20_000]),
    )
    def corrupt_ranges(self, which: int, span: tuple[int, int], beside: int) -> None:
        """Fault 59: overlapping, adjacent, double, inverted, empty, off the grid, claiming what is not there."""
        series, (first, end) = self.laws.pick(which, span)
        claimed = series.period((first, end))
        if series.held.covered:
            self.world.claim(series, Period(claimed.start + beside, claimed.end + beside))
            series.damaged = True

    @rule(which=WHICH, span=SPANS)
    def delete_candles_by_hand(self, which: int, span: tuple[int, int]) -> None:
        """Claims without rows: noticed, never believed."""
        series, cells = self.laws.pick(which, span)
        if gone := self.laws.rows_in(series, cells):
            self.world.delete_candles(series, series.period(cells))
            series.damaged = True
            series.held.covered -= gone
            for cell in gone:
                del series.held.rows[cell]
                series.lost[cell] += 1

    @rule(which=WHICH)
    def mend(self, which: int) -> None:
        series, _ = self.laws.pick(which, (0, 1))
        self.world.store.verification.mend(series.market, series.timeframe)
        series.damaged = False

    @invariant()
    def laws_hold(self) -> None:
        self.laws.check()


@pytest.fixture(scope="module")
def fake() -> Iterator[TruthfulExchange]:
    with TruthfulExchange() as exchange:
        yield exchange


@pytest.fixture(scope="module")
def url(embedded_url: str) -> Iterator[str]:
    """A database whose ranges a hand may have written: without checks."""
    for url in fresh_database(embedded_url):
        execute(url, NO_CHECKS)
        yield url


@pytest.fixture(scope="module")
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


EXAMPLES = settings().max_examples * 4 // 5  # of each of these; 320 in CI, 6,400 in the long profile
GRIDS = (("1h",), ("1m", "1h"), ("binance 1d", "1w"), ("1m", "1M"))


@pytest.mark.long
@pytest.mark.longest
@pytest.mark.parametrize("grids", GRIDS, ids="+".join)
def test_candles_cannot_lie(
    grids: tuple[str, ...], fake: TruthfulExchange, url: str, admin: psycopg.Connection[Any]
) -> None:
    named = tuple(grid if " " in grid else f"binanceusdm {grid}" for grid in grids)
    run_state_machine_as_test(
        lambda: Candles(fake, url, admin, named),  # type: ignore[arg-type]
        settings=settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck)),
    )
