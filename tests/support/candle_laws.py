"""The laws of the data layer (P1 to P20 of facts-and-faults), checked by plain SQL after every request."""

import itertools
from collections.abc import Iterable, Mapping

import pytest

from engine.errors import ExchangeError, InputError
from engine.model.coverage import AFTER_DELISTING, MAINTENANCE, OFF_GRID, FetchReport, VerifyReport
from engine.model.market import DAY_MS, Period
from tests.support.candle_faults import EMPTY, INCOMPLETE, PASSING
from tests.support.candle_world import PATHS, Held, Series, TruthfulExchange, World
from tests.support.fake_exchange import Fault
from tests.support.market_truth import NEVER, runs

SETTLE_MS = 1500  # what closed within this may still change


class Laws:
    """Asks for candles as a user would, and says what must come of it."""

    def __init__(self, world: World, fake: TruthfulExchange) -> None:
        self.world, self.fake = world, fake
        self.lies = 0  # empty answers queued that are not true

    # -- what is asked for, and in which state of the exchange

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

    def fail(self, kinds: Iterable[str]) -> None:
        """Queue passing faults, but none on top of a lie."""
        if not self.lies:
            self.fake.fail(*(PASSING.get(kind, Fault()) for kind in kinds))

    @property
    def may_lie(self) -> bool:
        """Whether an empty answer would be the only one that lacks the candles."""
        return not self.lies and not any(fault in INCOMPLETE for fault in self.fake.faults["klines"])

    def lie(self, after: int) -> None:
        """Answer a request with nothing, after so many right answers."""
        self.fake.fail(*[Fault()] * after, EMPTY)
        self.lies += 1

    def settle(self) -> None:
        """Health: no fault is left, and a ban or limit has passed."""
        self.fake.heal()
        self.lies = 0
        self.world.slept_ms += 2 * DAY_MS

    # -- asking, and what must come of it

    def ask(self, series: Series, cells: tuple[int, int], *, jitter: bool = False) -> None:
        """One request, with all that P1, P2, P4, P5, P9, P10, P11, P14 and P17 say of it."""
        period = series.period(cells)
        if jitter:  # bounds beside the grid are rounded up
            period = Period(
                series.timeframe.shift(period.start, -1) + 1, series.timeframe.shift(period.end, -1) + 1
            )
        faulty, asked = self.fake.is_faulty, len(self.fake.asked)
        banned = self.world.is_banned(series)
        allowed = series.may_be_asked(self.closed(series, cells), self.fake.clock_ms)
        silent = allowed & series.silent(self.closed(series, cells), self.fake.clock_ms)
        try:
            report = self.world.fetch(series, period)
        except InputError:
            assert self.refused(series, cells), "a period with candles is not refused"
            self.adopt(series, cells, set())
        except ExchangeError:
            assert faulty or banned or silent, "P17: health means success"
            if faulty or banned:
                self.adopt_what_is_true(series, cells)
            else:
                self.adopt_silence(series, cells, silent)
        else:
            assert not self.refused(series, cells)
            assert not silent or faulty, "a market that trades and has no answer is a failure"
            if self.check_report(series, cells, report, lied=self.lies > 0):
                self.ask_again(series, period, report)
        self.check_requests(series, asked, allowed, banned=banned)
        self.lies = sum(fault is EMPTY for fault in self.fake.faults["klines"])

    def closed(self, series: Series, cells: tuple[int, int]) -> range:
        return range(cells[0], min(cells[1], self.open_cell(series)))

    def adopt_silence(self, series: Series, cells: tuple[int, int], silent: set[int]) -> None:
        """All that is proven is held, what is silent is a gap, and an immediate repeat costs one probe."""
        reopened = self.reopen(series, cells)
        assert reopened == silent & reopened | silent & series.held.missing.keys(), (
            "no silent cell stays missing"
        )
        self.adopt(series, cells, series.proven(cells, self.fake.clock_ms))
        rows, asked = self.world.row_versions(), len(self.fake.asked)
        with pytest.raises(ExchangeError, match="says that it trades"):
            self.world.fetch(series, series.period(cells))
        assert len(self.fake.asked) - asked <= 1, "P5"
        assert self.world.row_versions() == rows, "P5"

    def reopen(self, series: Series, cells: tuple[int, int]) -> set[int]:
        """Cells that were called delisted and may be a gap again, as the market trades; those that are one now."""
        may = series.stale_tails(self.closed(series, cells), self.fake.clock_ms)
        may &= series.silent(self.closed(series, cells), self.fake.clock_ms)
        reopened = may - self.world.stored(series).covered
        series.held.covered -= reopened
        for cell in reopened:
            del series.held.missing[cell]
        return reopened

    def ask_misled(self, series: Series, cells: tuple[int, int], later: int) -> None:
        """A node without the oldest candles says where the series begins: no candle is lost for good, none is false."""
        first = series.truth.listed + later
        self.fake.lacks_before_ms = series.timeframe.open_ms(first)
        try:
            self.world.fetch(series, series.period(cells))
        except (InputError, ExchangeError):
            pass
        finally:
            self.fake.lacks_before_ms = None
        told = self.world.first_candle(series)
        held = self.world.stored(series).rows
        assert told is None or all(told <= series.timeframe.open_ms(cell) for cell in held), (
            "no listing after a candle"
        )
        self.adopt_what_is_true(series, cells, is_misled=True)
        if told not in (None, series.timeframe.open_ms(series.truth.listed)):
            self.verify(series, cells, dry_run=False)
            told = self.world.first_candle(series)
        assert told in (None, series.timeframe.open_ms(series.truth.listed)), "verify asks again"

    def ask_in_silence(self, series: Series, cells: tuple[int, int]) -> None:
        """A market that trades answers nothing at all: nothing is learnt, and old cells are no success."""
        before = series.held
        old = series.listed_cells_older_than_a_day(self.closed(series, cells), self.fake.clock_ms)
        asked = series.may_be_asked(old, self.fake.clock_ms)
        self.fake.always = EMPTY
        try:
            self.world.fetch(series, series.period(cells))
        except (InputError, ExchangeError):
            pass
        else:
            assert not asked, "silence is no success"
        finally:
            self.fake.always = None
        now = self.world.stored(series)
        reopened = before.covered - now.covered
        assert reopened <= series.stale_tails(self.closed(series, cells), self.fake.clock_ms)
        assert now.rows == before.rows, "P7"
        assert now.missing == {cell: told for cell, told in before.missing.items() if cell not in reopened}
        series.held = now

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
        frame = self.world.store.candles.read(series.market, series.timeframe, report.period)
        opened = [series.timeframe.open_ms(cell) for cell in sorted(asked & series.held.rows.keys())]
        assert frame.timestamp.tolist() == opened, "P10"
        status = self.world.store.candles.coverage(series.market, series.timeframe, report.period)
        gaps = runs(asked - covered - early)
        assert [series.period(gap) for gap in gaps] == list(status.gaps), "P9: gaps are what is not covered"
        return not lied and not known_only

    def ask_again(self, series: Series, period: Period, report: FetchReport) -> None:
        """P5: an immediate repeat sends no candle request (one probe while a cell is unproven) and writes nothing."""
        self.fake.heal()
        rows, asked = self.world.row_versions(), len(self.fake.asked)
        blocked = self.world.is_banned(series)
        unproven = not self.world.store.candles.coverage(
            series.market, series.timeframe, report.period
        ).complete
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

    def verify(self, series: Series, cells: tuple[int, int], *, dry_run: bool) -> None:
        """Compare with the exchange; a dry run, and whatever stops it, changes nothing."""
        faulty, banned = self.fake.is_faulty, self.world.is_banned(series)
        asked, held = len(self.fake.asked), series.held.covered & set(range(*cells))
        allowed = set(range(*cells)) if series.damaged else held  # as it is before: verifying mends
        try:
            report = self.world.verify(series, series.period(cells), dry_run=dry_run)
        except InputError:
            settled = series.timeframe.index(self.fake.clock_ms - SETTLE_MS)
            assert all(cell >= settled for cell in held), "what is held can be verified"
        except ExchangeError:
            assert faulty or banned, "P17: health means success"
        else:
            self.check_verified(series, report, faulty=faulty)
        self.check_requests(series, asked, allowed, banned=banned)
        for cell, count in self.served(series).items():  # asking again is what verify is for
            series.lost[cell] = max(series.lost[cell], count - (cell in series.held.rows))
        self.lies = sum(fault is EMPTY for fault in self.fake.faults["klines"])

    def check_verified(self, series: Series, report: VerifyReport, *, faulty: bool) -> None:
        """P2, P7: candles are as the exchange has them now, coverage stays, candles that came late are added."""
        before, truth, asked = series.held, series.truth, series.cells(report.period)
        series.damaged &= report.dry_run
        now = self.world.stored(series)
        fresh = now.rows.keys() - before.rows.keys()
        tails = {cell for cell in asked & before.missing.keys() if before.missing[cell][0] == AFTER_DELISTING}
        if report.dry_run or not series.market.is_trading:
            tails = set()
        reopened = tails - now.covered
        assert faulty or reopened == tails - fresh, "a market that trades is not delisted"
        revised = {cell for cell, row in before.rows.items() if now.rows[cell] != row}
        assert now.covered == (before.covered | fresh) - reopened, "P7, P19"
        assert fresh | revised <= asked, "nothing outside the period is changed"
        assert all(now.rows[cell] == truth.row(cell) for cell in fresh | revised), "P2, P20"
        left = {cell: told for cell, told in before.missing.items() if cell not in fresh | reopened}
        assert now.missing == left, "what is missing is as it was confirmed"
        if report.dry_run:
            assert now == before, "a dry run changes nothing"
        elif not faulty:
            assert report.checked == len(asked & before.rows.keys())
            assert (len(report.revised[0]), report.added) == (len(revised), len(fresh))
            assert all(now.rows[cell] == truth.row(cell) for cell in asked & now.rows.keys()), "P2"
            assert not any(truth.has(cell) for cell in asked & now.missing.keys()), "P2"
        series.held = now

    # -- what the database must say now

    def adopt(self, series: Series, cells: tuple[int, int], proven: set[int]) -> None:
        """P1: coverage grew by exactly these cells."""
        now = self.world.stored(series)
        assert now.covered == series.held.covered | proven, "P1"
        self.check_growth(series, now)

    def adopt_together(self, series: Series, asks: list[tuple[int, int]], fetched: int) -> None:
        """P13: several programs asked, in any order; `fetched` candles are new by those that ended well."""
        proven: set[int] = set()
        before, silent = len(series.held.rows), False
        for cells in asks:
            silent |= bool(series.silent(range(*cells), self.fake.clock_ms))
            self.reopen(series, cells)
            if not self.refused(series, cells):
                proven |= series.proven(cells, self.fake.clock_ms)
        self.adopt(series, (0, NEVER), proven)
        new = len(series.held.rows) - before
        assert fetched == new or (silent and fetched < new), "P13: nothing is counted or stored twice"

    def adopt_what_is_true(self, series: Series, cells: tuple[int, int], *, is_misled: bool = False) -> None:
        """P11, P12: after a failure or a crash some of what was asked for is covered, and nothing else."""
        self.reopen(series, cells)
        now = self.world.stored(series)
        assert series.held.covered <= now.covered, "P7"
        assert now.covered <= series.held.covered | series.proven(cells, self.fake.clock_ms), "P11"
        self.check_growth(series, now, trusted=False, is_misled=is_misled)
        for cell, count in self.served(series).items():
            series.lost[cell] = max(series.lost[cell], count - (cell in now.rows))

    def check_growth(
        self, series: Series, now: Held, *, trusted: bool = True, is_misled: bool = False
    ) -> None:
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
            if before.missing.get(cell) == (reason, confirmed):
                continue
            assert not truth.has(cell), "P2: missing when it was confirmed"
            if trusted:
                wanted = OFF_GRID if truth.answers(cell) else MAINTENANCE if cell < last else AFTER_DELISTING
                assert reason == wanted, "P2"
        series.held = now
        first = self.world.first_candle(series)
        assert is_misled or first in (None, series.timeframe.open_ms(truth.listed)), "fault 7"

    def served(self, series: Series) -> dict[int, int]:
        key = PATHS[series.exchange], series.timeframe.name
        counted: Mapping[int, int] = self.fake.served_cells.get(key, {})
        return {
            series.timeframe.index(ms): n for ms, n in counted.items() if series.timeframe.floor(ms) == ms
        }

    def check(self) -> None:
        for series in self.world.series:
            now = self.world.stored(series)  # P8 inside
            assert now == series.held, "P7: nothing changes by itself, and no series changes another"
            assert now.rows.keys() <= now.covered, "P3"
            assert now.covered == now.rows.keys() | now.missing.keys(), "P2"
            assert not now.rows.keys() & now.missing.keys(), "P2"
            twice = {cell for cell, count in self.served(series).items() if count > 1 + series.lost[cell]}
            assert not twice, "P4: no candle is fetched twice"
