"""Laws of fetching, over random truths, requests, page sizes, clocks and passing faults."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.exchange import Exchange
from engine.data.fetcher import DataFetcher
from engine.database.store import Store
from engine.errors import InputError
from engine.model.market import HOUR_MS, Candles, Market, Period, Timeframe, parse_time
from engine.settings import Settings
from tests.support.examples import examples
from tests.support.fake_exchange import (
    EAGER,
    FakeExchange,
    Fault,
    assert_same_candles,
    error,
    grid_candles,
    html,
    without,
)

HOUR = Timeframe("1h")
START = parse_time("2024-03-29")
CELLS = 72
GRID = Period(START, START + CELLS * HOUR_MS)
_numbers = itertools.count()

PASSING = (
    html(),
    html(502),
    error(503, -1008, "busy"),
    Fault(200, "{}"),
    Fault(200, '[[1,"2"'),
    Fault(drop=True),
    Fault(cut=True),
    Fault(200, "[]"),
    Fault(rows=lambda rows: rows[::-1]),
    Fault(rows=lambda rows: rows + rows),
    Fault(rows=lambda rows: rows[: max(1, len(rows) // 2)]),
)


@dataclass
class World:
    """What the exchange really has, and what is asked of it when."""

    listed: int  # first cell with a candle
    holes: list[tuple[int, int]]  # cells
    page_limit: int
    asks: list[tuple[int, int, int]]  # first cell, last cell, clock as a cell

    def has(self, cell: int) -> bool:
        return self.listed <= cell < CELLS and not any(a <= cell < b for a, b in self.holes)


def cell_ms(cell: int) -> int:
    return START + cell * HOUR_MS


@st.composite
def worlds(draw: st.DrawFn) -> World:
    listed = draw(st.integers(0, 12))
    starts = draw(st.lists(st.integers(listed + 1, CELLS - 2), max_size=4))
    holes = [(start, min(CELLS - 1, start + draw(st.integers(1, 7)))) for start in starts]
    clocks = sorted(draw(st.lists(st.integers(20, CELLS - 1), min_size=1, max_size=5)))
    asks = []
    for clock in clocks:
        first = draw(st.integers(0, CELLS - 2))
        asks.append((first, draw(st.integers(first + 1, CELLS)), clock))
    return World(listed, holes, draw(st.sampled_from([2, 3, 4, 7, 50])), asks)


def served_later(world: World, cell: int, clock: int) -> bool:
    """Whether the exchange serves a candle after `cell` when the candle number `clock` is still open."""
    return any(world.has(later) for later in range(cell + 1, clock + 1))


@pytest.fixture
def front(fake_exchange: FakeExchange, store: Store) -> tuple[FakeExchange, Store]:
    return fake_exchange, store


def ask(
    front: tuple[FakeExchange, Store], world: World, faults: list[Fault] | None = None
) -> tuple[Market, set[int], DataFetcher]:
    """Do all asks of a world; returns the market, the cells that must be covered now, and the fetcher."""
    fake, store = front
    number = next(_numbers)
    base = f"C{number}X"
    holes = [Period(cell_ms(a), cell_ms(b)) for a, b in world.holes]
    truth = without(grid_candles("1h", GRID, seed=number), Period(START, cell_ms(world.listed)), *holes)
    fake.add(base, "1h", truth)
    market = Market("binanceusdm", f"{base}USDT", f"{base}/USDT:USDT")
    exchange = Exchange("binanceusdm", FUTURES, store.exchanges, fake.url, EAGER, world.page_limit)
    fetcher = DataFetcher(store, Settings(), {"binanceusdm": exchange})
    for queue in fake.faults.values():
        queue.clear()
    fake.fail(*(faults or ()))
    fake.served.clear()
    covered: set[int] = set()
    rows = 0
    for first, last, clock in world.asks:
        fake.clock_ms = cell_ms(clock) + HOUR_MS // 2  # candle number `clock` is open
        period = Period(cell_ms(first), cell_ms(last))
        closed = range(first, min(last, clock))
        if not closed or closed[-1] < world.listed:
            with pytest.raises(InputError):
                fetcher.fetch(market, HOUR, period, job="x")
            continue
        report = fetcher.fetch(market, HOUR, period, job="x")
        rows += report.fetched
        covered |= {cell for cell in closed if world.has(cell) or served_later(world, cell, clock)}
        assert report.candles == sum(world.has(cell) for cell in closed)
        assert_same_candles(store.candles.read(market, HOUR, report.period), truth.within(report.period))
        pages = len(fake.pages)
        again = fetcher.fetch(market, HOUR, period, job="x")
        assert again.fetched == 0
        assert again.requests <= (0 if set(closed) <= covered else 1)
        assert len(fake.pages) == pages, "an immediate repeat sends no page request"
    assert rows == sum(world.has(cell) for cell in covered)
    exchange.close()
    return market, covered, fetcher


def held_cells(store: Store, market: Market, world: World) -> tuple[set[int], set[int], set[int]]:
    """Cells with rows, cells known missing, gaps: from the database alone."""

    def cells(periods: list[Period]) -> set[int]:
        return {(t - START) // HOUR_MS for part in periods for t in range(part.start, part.end, HOUR_MS)}

    status = store.candles.coverage(market, HOUR, GRID)
    rows: Candles = store.candles.read(market, HOUR, GRID)
    gone, gaps = cells([part.period for part in status.missing]), cells(list(status.gaps))
    return {(int(t) - START) // HOUR_MS for t in rows.timestamp}, gone, gaps


LAWS = settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check_laws(front: tuple[FakeExchange, Store], world: World, market: Market, covered: set[int]) -> None:
    rows, gone, gaps = held_cells(front[1], market, world)
    before_listing = {
        cell for cell in range(world.listed) if front[1].candles.first_candle(market, HOUR) is not None
    }
    assert rows == {cell for cell in covered if world.has(cell)}
    assert gone - before_listing == {cell for cell in covered if not world.has(cell) and cell >= world.listed}
    assert gaps == set(range(CELLS)) - covered - before_listing


@pytest.mark.long
@LAWS
@given(world=worlds())
def test_coverage_is_exactly_what_was_asked_closed_and_proven_and_nothing_is_fetched_twice(
    front: tuple[FakeExchange, Store], world: World
) -> None:
    market, covered, _ = ask(front, world)
    check_laws(front, world, market, covered)
    assert len(front[0].served) == len(set(front[0].served))


@pytest.mark.long
@LAWS
@given(
    world=worlds(),
    faults=st.lists(st.sampled_from(PASSING), max_size=EAGER.attempts - 1),
    silent=st.integers(0, 30),
)
def test_passing_faults_change_nothing_in_the_end(
    front: tuple[FakeExchange, Store], world: World, faults: list[Fault], silent: int
) -> None:
    # two empty answers for the same cells are what the exchange says when it has nothing: at most one is a fault
    assume(sum(fault.body == "[]" for fault in faults) <= 1)
    market, covered, _ = ask(front, world, [*[Fault()] * silent, *faults])
    check_laws(front, world, market, covered)
