"""Laws of the data layer (P1 to P20 of facts-and-faults) under requests, faults, crashes and changes in any order."""

import asyncio
import itertools
import threading
from collections.abc import Iterator, Mapping
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

from engine.coverage import AFTER_DELISTING, MAINTENANCE, OFF_GRID, FetchReport
from engine.errors import ExchangeError, InputError
from engine.market import DAY_MS, Market, Period, Timeframe, format_time, parse_time
from tests.support.candle_world import PATHS, Brief, Held, Series, Timezone, TruthfulExchange, World
from tests.support.database import execute, fresh_database
from tests.support.dying import STEPS, Crash
from tests.support.fake_exchange import Fault, error, html
from tests.support.market_truth import NEVER, Truth, runs

STARTS = tuple(
    map(parse_time, ("2024-02-28T23:59:30", "2024-03-31T01:30", "2024-01-01T00:00:01", "2023-11-06"))
)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")


def _strange(row: list[Any]) -> list[Any]:
    return [row[0], *(str(float(text) * 2) for text in row[1:6]), *row[6:]]


def _elsewhere(rows: list[Any]) -> list[Any]:
    return [[row[0] - 10**10, *row[1:]] for row in rows]


# pages that are odd but true (24 to 27), and answers that are none: asked again (20 to 22, 29, 34, 38 to 40)
ODD = {
    "reversed": Fault(rows=lambda rows: rows[::-1]),
    "doubled": Fault(rows=lambda rows: rows + rows),
    "differing twice": Fault(rows=lambda rows: [*map(_strange, rows), *rows]),
    "short": Fault(rows=lambda rows: rows[: max(1, len(rows) // 2)]),
    "strays": Fault(rows=lambda rows: rows + _elsewhere(rows[:-1])),
}
NONE = {
    "captive portal": html(),
    "busy": error(503, -1008, "busy"),
    "cut JSON": Fault(200, '[[1,"2"'),
    "an object": Fault(200, "{}"),
    "null": Fault(200, "null"),
    "no body": Fault(200, ""),
    "code 0": Fault(200, '{"code": 0, "msg": ""}'),
    "hangs up": Fault(drop=True),
    "half a body": Fault(cut=True),
    "another page": Fault(rows=lambda rows: _elsewhere(rows) if len(rows) > 1 else rows),
    "NaN": Fault(rows=lambda rows: [[*row[:4], "NaN", *row[5:]] for row in rows]),
    "no volume": Fault(rows=lambda rows: [[*row[:5], None, *row[6:]] for row in rows]),
    "11 columns": Fault(rows=lambda rows: [row[:11] for row in rows]),
    "microseconds": Fault(rows=lambda rows: [[row[0] * 1000, *row[1:]] for row in rows]),
    "rate limited": error(429, -1003, "slow down", Retry_After="37"),
}
PASSING = ODD | NONE
FAULTS = st.sampled_from(["none", *ODD]) | st.sampled_from([*NONE])
EMPTY = Fault(200, "[]")  # the one answer that may be true: told once, it must not be believed (23)
BANNED = error(418, -1003, "banned", Retry_After="600")

SPANS = st.tuples(st.integers(-14, 2), st.integers(1, 12))  # first cell from the open one, and how many
WHICH = st.integers(0, 3)


class Candles(RuleBasedStateMachine):
    """One symbol in one or two series; every rule ends with the laws checked against plain SQL."""

    def __init__(
        self, fake: TruthfulExchange, url: str, admin: psycopg.Connection[Any], grids: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.world = World(fake, url, admin)
        self.fake, self.grids = fake, grids
        self.lies = 0  # empty answers queued that are not true
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
                self.settle()
                self.world.page_limit = 50
                self.restart()
                for series in self.world.series:
                    self.world.store.mend(series.market, series.timeframe)
                    series.damaged = False
                    now = self.open_cell(series)
                    self.ask(series, (max(series.truth.listed - 2, now - 60), now + 1))  # P6: one big request
        finally:
            self.world.stop()
            if self.zone is not None:
                self.zone.restore()

    # -- commands: requests

    @rule(which=WHICH, span=SPANS, jitter=st.booleans())
    def request(self, which: int, span: tuple[int, int], jitter: bool) -> None:
        self.ask(*self.pick(which, span), jitter=jitter)

    @rule(which=WHICH, first=st.integers(-16, -2))
    def request_up_to_now(self, which: int, first: int) -> None:
        """The end lies in the future: clipped to the last closed candle."""
        self.ask(*self.pick(which, (first, 3 - first)))

    @rule(which=WHICH, span=SPANS)
    def read_a_frame(self, which: int, span: tuple[int, int]) -> None:
        """P10 by the coroutine."""
        self.settle()
        series, cells = self.pick(which, span)
        if self.refused(series, cells):
            return
        start, end = map(format_time, _bounds(series.period(cells)))
        name = series.timeframe.name
        frame = asyncio.run(self.world.fetcher.get_data("SOL/USDT", name, start, end, series.exchange))
        self.adopt(series, cells, series.proven(cells, self.fake.clock_ms))
        opened = [series.timeframe.open_ms(cell) for cell in sorted(self.rows_in(series, cells))]
        assert isinstance(frame.index, pd.DatetimeIndex)
        assert frame.index.as_unit("ms").astype(np.int64).tolist() == opened, "P10"
        assert str(frame.index.tz) == "UTC", "P10"
        assert frame.index.is_monotonic_increasing, "P10"
        assert frame.index.is_unique, "P10"
        assert [str(kind) for kind in frame.dtypes] == ["float64"] * 5, "P10"
        assert list(frame.itertuples(index=False, name=None)) == [
            series.held.rows[cell] for cell in sorted(self.rows_in(series, cells))
        ], "P10, P20"

    @rule(which=WHICH, span=SPANS, cuts=st.lists(st.integers(1, 11), max_size=3), order=st.randoms())
    def request_in_pieces(self, which: int, span: tuple[int, int], cuts: list[int], order: Any) -> None:
        """P6: any splitting and order of requests gives what one request gives."""
        series, cells = self.pick(which, span)
        bounds = sorted({*cells, *(cells[0] + cut for cut in cuts if cells[0] + cut < cells[1])})
        pieces = list(itertools.pairwise(bounds))
        order.shuffle(pieces)
        for piece in pieces:
            self.ask(series, piece)

    @rule(
        spans=st.lists(st.tuples(WHICH, SPANS), min_size=2, max_size=4),
        programs=st.integers(2, 3),
    )
    def requests_at_once(self, spans: list[tuple[int, tuple[int, int]]], programs: int) -> None:
        """P13: programs with connections of their own, half of them in the opposite order (fault 49)."""
        self.settle()
        asks = [self.pick(which, span) for which, span in spans]
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
                        assert self.refused(series, cells)
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
            proven: set[int] = set()
            for asked, cells in asks:
                if asked is series and not self.refused(series, cells):
                    proven |= series.proven(cells, self.fake.clock_ms)
            before = len(series.held.rows)
            self.adopt(series, (0, NEVER), proven)
            fetched = sum(report.fetched for asked, report in told if asked is series)
            assert fetched == len(series.held.rows) - before, "P13: nothing is counted or stored twice"

    @rule(which=WHICH, span=SPANS, step=st.sampled_from(STEPS), count=st.integers(1, 3))
    def crash(self, which: int, span: tuple[int, int], step: str, count: int) -> None:
        """P12: die at a step; what is left is true, and running again reaches what no crash would have."""
        series, cells = self.pick(which, span)
        self.settle()
        self.world.fate.set(step, count)
        try:
            self.ask(series, cells)
        except Crash:
            note(f"died at {step}")
            self.restart()
            self.adopt_what_is_true(series, cells)
        self.world.fate.set("", 0)
        self.ask(series, cells)

    @rule(which=WHICH, cells=st.integers(1, 9), before=st.integers(1, 9), beyond=st.integers(0, 3))
    def live_through_maintenance(self, which: int, cells: int, before: int, beyond: int) -> None:
        """Ask while the exchange is silent, and again when it is back."""
        series, (now, _) = self.pick(which, (0, 1))
        series.truth.absent.append((now + 1, now + 1 + cells))
        for step in (1 + min(before, cells), 1 + cells - min(before, cells) + beyond):
            self.move(series, step)
            self.ask(series, (now - 4, self.open_cell(series) + 1))

    # -- commands: time and the exchange

    @rule(which=WHICH, cells=st.integers(1, 9), more_ms=st.integers(0, 50) | st.just(45_000))
    def advance_clock(self, which: int, cells: int, more_ms: int) -> None:
        series, _ = self.pick(which, (0, 1))
        self.move(series, cells, more_ms)

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
        series, _ = self.pick(which, (0, 1))
        first = self.open_cell(series) + later
        series.truth.absent.append((first, first + cells))

    @rule(which=WHICH, later=st.integers(1, 4))
    def open_beside_the_grid(self, which: int, later: int) -> None:
        series, _ = self.pick(which, (0, 1))
        series.truth.off_grid.add(self.open_cell(series) + later)

    @precondition(lambda self: self.world.series[0].market.is_trading)
    @rule()
    def delist(self) -> None:
        for series in self.world.series:
            series.truth.absent.append((self.open_cell(series) + 1, NEVER))
        self.world.set_trading(False)
        self.world.publish()

    @precondition(lambda self: not self.world.series[0].market.is_trading)
    @rule(later=st.integers(1, 3))
    def relist(self, later: int) -> None:
        for series in self.world.series:
            absent = series.truth.absent
            first, _ = next(hole for hole in absent if hole[1] == NEVER)
            absent.remove((first, NEVER))
            absent.append((first, max(first, self.open_cell(series)) + later))
        self.world.set_trading(True)
        self.world.publish()

    @rule(which=WHICH, back=st.integers(1, 14))
    def revise(self, which: int, back: int) -> None:
        """The exchange changes a closed candle; what is held stays as it was until someone verifies (fault 33)."""
        series, _ = self.pick(which, (0, 1))
        cell = self.open_cell(series) - back
        series.truth.revisions[cell] = series.truth.revisions.get(cell, 0) + 1
        self.world.publish()

    @rule(which=WHICH, span=SPANS, faults=st.lists(FAULTS, min_size=1, max_size=6))
    def request_under_faults(self, which: int, span: tuple[int, int], faults: list[str]) -> None:
        """P17, P18: what passes in the end leaves no trace."""
        if not self.lies:
            self.fake.fail(*(PASSING.get(kind, Fault()) for kind in faults))
        self.ask(*self.pick(which, span))

    @rule(kind=st.sampled_from(["hangs up", "captive portal", "rate limited"]), count=st.integers(1, 6))
    def inject_a_fault_into_the_clock(self, kind: str, count: int) -> None:
        self.fake.fail(PASSING[kind], on="time", times=count)

    @precondition(lambda self: not self.lies and PASSING["short"] not in self.fake.faults["klines"])
    @rule(after=st.integers(0, 3))
    def inject_an_empty_answer(self, after: int) -> None:
        """Fault 23. Two lies about the same cells in a row would be what the exchange says: one at a time."""
        self.fake.fail(*[Fault()] * after, EMPTY)
        self.lies += 1

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
        series, (first, end) = self.pick(which, span)
        claimed = series.period((first, end))
        if series.held.covered:
            self.world.claim(series, Period(claimed.start + beside, claimed.end + beside))
            series.damaged = True

    @rule(which=WHICH, span=SPANS)
    def delete_candles_by_hand(self, which: int, span: tuple[int, int]) -> None:
        """Claims without rows: noticed, never believed."""
        series, cells = self.pick(which, span)
        if gone := self.rows_in(series, cells):
            self.world.delete_candles(series, series.period(cells))
            series.damaged = True
            series.held.covered -= gone
            for cell in gone:
                del series.held.rows[cell]
                series.lost[cell] += 1

    @rule(which=WHICH)
    def mend(self, which: int) -> None:
        series, _ = self.pick(which, (0, 1))
        self.world.store.mend(series.market, series.timeframe)
        series.damaged = False

    # part V: `refresh` belongs here (P7, P19)

    # -- asking, and what must come of it

    def pick(self, which: int, span: tuple[int, int]) -> tuple[Series, tuple[int, int]]:
        series = self.world.series[which % len(self.world.series)]
        first = self.open_cell(series) + span[0]
        return series, (first, first + span[1])

    def move(self, series: Series, cells: int, more_ms: int = 0) -> None:
        """Let time pass until so many cells of a series have closed."""
        if series.timeframe.name == "1M" and len(self.world.series) > 1:
            cells = min(cells, 2)  # tens of thousands of minutes are enough
        self.fake.clock_ms = series.timeframe.shift(self.fake.clock_ms, cells) + more_ms
        self.world.publish()

    def open_cell(self, series: Series) -> int:
        return series.timeframe.index(self.fake.clock_ms)

    def refused(self, series: Series, cells: tuple[int, int]) -> bool:
        """Whether no closed candle at or after the first one is asked for."""
        return min(cells[1], self.open_cell(series)) <= max(cells[0], series.truth.listed)

    def rows_in(self, series: Series, cells: tuple[int, int]) -> set[int]:
        return {cell for cell in series.held.rows if cells[0] <= cell < cells[1]}

    def settle(self) -> None:
        """Health: no fault is left, and a ban or limit has passed."""
        self.fake.heal()
        self.lies = 0
        self.world.slept_ms += 2 * DAY_MS

    def ask(self, series: Series, cells: tuple[int, int], *, jitter: bool = False) -> None:
        """One request, with all that P1, P2, P4, P5, P9, P10, P11, P14 and P17 say of it."""
        period = series.period(cells)
        if jitter:  # bounds beside the grid are rounded up
            period = Period(
                series.timeframe.shift(period.start, -1) + 1, series.timeframe.shift(period.end, -1) + 1
            )
        faulty, asked = self.fake.is_faulty, len(self.fake.asked)
        banned = self.world.is_banned(series)
        allowed = series.may_be_asked(range(*cells), self.fake.clock_ms)
        try:
            report = self.world.fetch(series, period)
        except InputError:
            assert self.refused(series, cells), "a period with candles is not refused"
            self.adopt(series, cells, set())
        except ExchangeError:
            assert faulty or banned, "P17: health means success"
            self.adopt_what_is_true(series, cells)
        else:
            assert not self.refused(series, cells)
            if self.check_report(series, cells, report, lied=self.lies > 0):
                self.ask_again(series, period, report)
        self.check_requests(series, asked, allowed, banned=banned)
        self.lies = sum(fault is EMPTY for fault in self.fake.faults["klines"])

    def check_report(
        self, series: Series, cells: tuple[int, int], report: FetchReport, *, lied: bool
    ) -> bool:
        """Whether this is all that can be known now."""
        closed = series.period((cells[0], min(cells[1], self.open_cell(series))))
        assert report.period.start == closed.start, "P1"
        assert report.period.end <= closed.end, "P1: never past the last closed candle"
        known_only = (
            report.period.end < closed.end
        )  # the exchange could not be asked: by its last known clock
        proven = series.proven((cells[0], series.timeframe.index(report.period.end)), self.fake.clock_ms)
        before = series.held
        if lied or known_only:
            self.adopt_what_is_true(series, cells)
        else:
            self.adopt(series, cells, proven)
        covered, asked = series.held.covered, series.cells(report.period)
        assert report.candles == len(asked & series.held.rows.keys()), "P10"
        assert report.fetched == len(series.held.rows) - len(before.rows)
        filled = {cell for part in report.filled for cell in series.cells(part)}
        assert covered - before.covered <= filled <= asked
        told = {cell for gone in report.missing for cell in series.cells(gone.period)}
        early = {cell for cell in asked if cell < series.truth.listed}
        assert told == (series.held.missing.keys() & asked) | early, "P2"
        frame = self.world.store.read(series.market, series.timeframe, report.period)
        opened = [series.timeframe.open_ms(cell) for cell in sorted(asked & series.held.rows.keys())]
        assert frame.timestamp.tolist() == opened, "P10"
        status = self.world.store.coverage(series.market, series.timeframe, report.period)
        gaps = runs(asked - covered - early)
        assert [series.period(gap) for gap in gaps] == list(status.gaps), "P9: gaps are what is not covered"
        return not lied and not known_only

    def ask_again(self, series: Series, period: Period, report: FetchReport) -> None:
        """P5: an immediate repeat sends no candle request (one probe while a cell is unproven) and writes nothing."""
        self.fake.heal()
        rows, asked = self.world.row_versions(), len(self.fake.asked)
        blocked = self.world.is_banned(series)
        unproven = not self.world.store.coverage(series.market, series.timeframe, report.period).complete
        try:
            again = self.world.fetch(series, period)
        except ExchangeError:
            assert blocked, "P5"
            return
        assert len(self.fake.asked) - asked <= unproven, "P5"
        assert (again.fetched, again.candles) == (0, report.candles), "P5"
        if again.period == report.period and not self.lies:
            assert self.world.row_versions() == rows, "P5"

    def check_requests(self, series: Series, asked: int, allowed: set[int], *, banned: bool) -> None:
        """P9: windows sent lie in the gaps. P14: nothing is asked while the exchange said not to."""
        requests = self.fake.asked[asked:]
        assert not (banned and requests), "P14"
        for before, after in itertools.pairwise(requests):
            assert before.status != 418, "P14"
            assert before.status != 429 or after.local_ms >= before.local_ms + 37_000, "P14"
        for request in requests:
            assert request.path == PATHS[series.exchange] + "/klines"
            assert request.params["interval"] == series.timeframe.name
            start = int(request.params["startTime"])
            if request.is_page:
                window = Period(start, int(request.params["endTime"]) + 1)
                assert series.cells(window) <= allowed, "P9"
                assert int(request.params["limit"]) <= self.world.page_limit
            else:
                assert start == 0 or series.timeframe.index(start) in allowed, "P9"

    # -- what the database must say now

    def adopt(self, series: Series, cells: tuple[int, int], proven: set[int]) -> None:
        """P1: coverage grew by exactly these cells."""
        now = self.world.stored(series)
        assert now.covered == series.held.covered | proven, "P1"
        self.check_growth(series, now)

    def adopt_what_is_true(self, series: Series, cells: tuple[int, int]) -> None:
        """P11, P12: after a failure or a crash some of what was asked for is covered, and nothing else."""
        now = self.world.stored(series)
        assert series.held.covered <= now.covered, "P7"
        assert now.covered <= series.held.covered | series.proven(cells, self.fake.clock_ms), "P11"
        self.check_growth(series, now, trusted=False)
        for cell, count in self.served(series).items():
            series.lost[cell] = max(series.lost[cell], count - (cell in now.rows))

    def check_growth(self, series: Series, now: Held, *, trusted: bool = True) -> None:
        truth, before = series.truth, series.held
        last = truth.last_answer(self.fake.clock_ms)
        for cell, row in now.rows.items():
            if cell in before.rows:
                assert row == before.rows[cell], "P7: a held candle stays as it is"
            else:
                assert truth.has(cell), "P2"
                assert row == truth.row(cell), "P2, P18, P20"
                assert cell < self.open_cell(series), "P3"
        for cell, (reason, confirmed) in now.missing.items():
            assert not truth.has(cell), "P2"
            if trusted and before.missing.get(cell) != (reason, confirmed):
                wanted = OFF_GRID if truth.answers(cell) else MAINTENANCE if cell < last else AFTER_DELISTING
                assert reason == wanted, "P2"
        series.held = now
        first = self.world.first_candle(series)
        assert first in (None, series.timeframe.open_ms(truth.listed)), "fault 7"

    def served(self, series: Series) -> dict[int, int]:
        key = PATHS[series.exchange], series.timeframe.name
        counted: Mapping[int, int] = self.fake.served_cells.get(key, {})
        return {
            series.timeframe.index(ms): n for ms, n in counted.items() if series.timeframe.floor(ms) == ms
        }

    @invariant()
    def laws(self) -> None:
        for series in self.world.series:
            now = self.world.stored(series)  # P8 inside
            assert now == series.held, "P7: nothing changes by itself, and no series changes another"
            assert now.rows.keys() <= now.covered, "P3"
            assert now.covered == now.rows.keys() | now.missing.keys(), "P2"
            assert not now.rows.keys() & now.missing.keys(), "P2"
            twice = {cell for cell, count in self.served(series).items() if count > 1 + series.lost[cell]}
            assert not twice, "P4: no candle is fetched twice"


def _bounds(period: Period) -> tuple[int, int]:
    return period.start, period.end


@pytest.fixture(scope="module")
def fake() -> Iterator[TruthfulExchange]:
    with TruthfulExchange() as exchange:
        yield exchange


@pytest.fixture(scope="module")
def url(embedded_url: str) -> Iterator[str]:
    """A database whose ranges an older version or a hand may have written: without the check of their order."""
    made = fresh_database(embedded_url)
    url = next(made)
    name = url.rpartition("/")[2].partition("?")[0]
    execute(
        url,
        "ALTER TABLE data_ranges DROP CONSTRAINT data_ranges_forward",
        f"ALTER DATABASE {name} SET synchronous_commit = off",  # the server itself never dies here
    )
    yield url
    made.close()


@pytest.fixture(scope="module")
def admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


EXAMPLES = settings().max_examples * 4 // 5  # of each of these; 320 in CI
GRIDS = (("1h",), ("1m", "1h"), ("binance 1d", "1w"), ("1m", "1M"))


@pytest.mark.parametrize("grids", GRIDS, ids="+".join)
def test_candles_cannot_lie(
    grids: tuple[str, ...], fake: TruthfulExchange, url: str, admin: psycopg.Connection[Any]
) -> None:
    named = tuple(grid if " " in grid else f"binanceusdm {grid}" for grid in grids)
    run_state_machine_as_test(
        lambda: Candles(fake, url, admin, named),  # type: ignore[arg-type]
        settings=settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck)),
    )
