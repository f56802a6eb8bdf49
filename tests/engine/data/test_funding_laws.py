"""Laws of filling funding rates: the order of ranges does not matter, and nothing is proven that was not seen."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.funding import FundingRates, FundingRow
from engine.model.kinds import Kind
from engine.model.market import FUNDING_GRID, HOUR_MS, Market, Period, parse_time
from engine.model.periods import clipped, merge, subtract
from tests.support.fake_exchange import FakeExchange, MakeBench, grid_candles

T = parse_time("2024-01-01")
HOURS = 60
NAN = float("nan")
Stretch = tuple[int, int]  # an interval in hours, and how many settlements follow at it
NAMES = (f"S{number}" for number in itertools.count())

STRETCHES = st.lists(
    st.tuples(st.sampled_from((1, 2, 4, 8, 8, 8, 19)), st.integers(1, 4)), min_size=1, max_size=7
)
RANGES = st.lists(st.tuples(st.integers(-10, HOURS + 5), st.integers(1, 30)), min_size=1, max_size=3)


def settlements(stretches: Sequence[Stretch], late_ms: Sequence[int]) -> list[FundingRow]:
    """One after the other until the exchange's time is over; an interval of 19 hours leaves a hole."""
    late, hour = itertools.cycle(late_ms), 0
    rows: list[FundingRow] = []
    for interval, count in itertools.cycle(stretches):
        for _ in range(count):
            if hour >= HOURS:
                return rows
            mark = NAN if hour % 3 else 100.0 + hour
            rows.append((T + hour * HOUR_MS + next(late), round(hour * 1e-6, 8), mark, "Regular", NAN))
            hour += interval
    return rows


def period(first: int, length: int) -> Period:
    return Period(T + first * HOUR_MS, T + (first + length) * HOUR_MS)


@pytest.mark.long
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stretches=STRETCHES,
    late_ms=st.lists(st.integers(0, 47), min_size=1, max_size=5),
    ranges=RANGES,
    order=st.randoms(use_true_random=False),
    rows_per_page=st.sampled_from((3, 5, 1000)),
)
def test_filling_in_any_order_gives_the_same_rows_and_proves_only_what_was_asked(
    fake_exchange: FakeExchange,
    bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    stretches: list[Stretch],
    late_ms: list[int],
    ranges: list[Stretch],
    order: object,
    rows_per_page: int,
) -> None:
    monkeypatch.setattr("engine.data.exchanges.exchange.FUNDING_ROWS", rows_per_page)
    fake_exchange.clock_ms = T + HOURS * HOUR_MS - HOUR_MS // 2
    truth = FundingRates.from_rows(settlements(stretches, late_ms))
    wanted = [
        part
        for part in (period(*one) for one in ranges)
        if part.end > T and part.start < fake_exchange.clock_ms
    ]
    other = list(wanted)
    order.shuffle(other)  # type: ignore[attr-defined]
    one, maker = [], bench()
    for parts in (wanted, other):
        name = next(NAMES)
        fake_exchange.add(name, "1h", grid_candles("1h", period(0, 2)))
        fake_exchange.add_more(name, funding=truth)
        market = Market("binanceusdm", f"{name}USDT", f"{name}/USDT:USDT", kind=Kind.FUNDING)
        for part in parts:
            maker.fetcher.fetch(market, FUNDING_GRID, part, job="x")
        one.append((maker, market))

    asked = clipped(merge(wanted), Period(0, T + HOURS * HOUR_MS))
    whole = period(-20, HOURS + 40)
    (first, second) = (maker.store.funding.read(market, whole) for maker, market in one)
    assert first.sha256() == second.sha256()
    for maker, market in one:
        held = maker.store.funding.coverage(market, whole)
        proven = clipped(subtract(whole, held.gaps), Period(T, whole.end))
        assert all(subtract(part, asked) == [] for part in proven), "nothing is proven that nobody asked for"
        inside = {time for part in proven for time in truth.within(part).time.tolist()}
        assert inside == set(first.time.tolist()), "of a proven hour every settlement is held"
