"""Coverage after any sequence of pages and deletions, against a model made of plain Python sets."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.store import Store
from engine.model.coverage import AFTER_DELISTING, BEFORE_LISTING, MAINTENANCE, MissingRange
from engine.model.market import Candles, Market, Period, Timeframe
from tests.support.database import execute
from tests.support.examples import examples

CELLS = 24
FIRST_MS = 1_703_000_000_000  # the cells straddle a change of year, month and leap day in every timeframe


@dataclass(frozen=True)
class Span:
    """Cells start..stop of the model, half-open."""

    start: int
    stop: int

    def cells(self) -> range:
        return range(self.start, self.stop)


@dataclass(frozen=True)
class AddPage:
    covered: tuple[Span, ...]
    missing: tuple[tuple[Span, str], ...]
    held: frozenset[int]
    price: float


@dataclass(frozen=True)
class Forget:
    span: Span


@dataclass
class Model:
    """What should be known: cell -> price, cell -> reason, and the covered cells."""

    held: dict[int, float] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)

    def add(self, page: AddPage) -> int:
        parts = (*page.covered, *(span for span, _ in page.missing))
        inside = {cell for span in parts for cell in span.cells()}
        gone = {cell for span, _ in page.missing for cell in span.cells()}
        assert inside <= page.held | gone
        self.covered |= inside
        fresh = (page.held & inside) - self.held.keys()
        self.held |= dict.fromkeys(fresh, page.price)
        for span, reason in page.missing:
            self.missing |= dict.fromkeys(span.cells(), reason)
        self.missing = {cell: reason for cell, reason in self.missing.items() if cell not in self.held}
        return len(fresh)

    def forget(self, span: Span) -> None:
        for cell in span.cells():
            self.held.pop(cell, None)
            self.missing.pop(cell, None)
            self.covered.discard(cell)


def merged(cells: Iterable[int]) -> list[Span]:
    """Sorted cells as maximal spans."""
    spans: list[Span] = []
    for cell in sorted(cells):
        if spans and spans[-1].stop == cell:
            spans[-1] = Span(spans[-1].start, cell + 1)
        else:
            spans.append(Span(cell, cell + 1))
    return spans


def only_proven(page: AddPage) -> AddPage:
    """The same page, which covers no cell that it has neither a candle for nor knows to be missing."""
    known = page.held | {cell for span, _ in page.missing for cell in span.cells()}
    cells = {cell for span in page.covered for cell in span.cells()}
    return replace(page, covered=tuple(merged(cells & known)))


spans = st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)).map(lambda pair: Span(min(pair), max(pair)))
pages = st.builds(
    AddPage,
    covered=st.lists(spans, max_size=3).map(tuple),
    missing=st.lists(st.tuples(spans, st.sampled_from([MAINTENANCE, AFTER_DELISTING])), max_size=2).map(
        tuple
    ),
    held=st.frozensets(st.integers(0, CELLS - 1)),
    price=st.floats(1, 1e6),
).map(only_proven)
steps = st.lists(st.one_of(pages, pages, spans.map(Forget)), max_size=8)
timeframes = st.sampled_from(["1m", "15m", "1h", "1d", "3d", "1w", "1M"]).map(Timeframe)


@given(timeframe=timeframes, taken=steps, wanted=spans, listed=st.none() | st.integers(0, CELLS))
@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_coverage_agrees_with_sets_of_cells(
    store: Store,
    database_url: str,
    timeframe: Timeframe,
    taken: list[AddPage | Forget],
    wanted: Span,
    listed: int | None,
) -> None:
    market = Market("binance", uuid.uuid4().hex[:16].upper(), "X/USDT")
    model, base = Model(), timeframe.index(FIRST_MS)

    def period(span: Span) -> Period:
        return Period(timeframe.open_ms(base + span.start), timeframe.open_ms(base + span.stop))

    for step in taken:
        if isinstance(step, Forget):
            store.candles.forget(market, timeframe, period(step.span))
            model.forget(step.span)
            continue
        parts = (*step.covered, *(span for span, _ in step.missing))
        opens = [cell for cell in sorted(step.held) if any(cell in span.cells() for span in parts)]
        rows = [
            (timeframe.open_ms(base + cell), step.price, step.price, step.price, step.price, 1.0)
            for cell in opens
        ]
        missing = [MissingRange(period(span), reason) for span, reason in step.missing]
        fresh = store.candles.add_page(
            market, timeframe, Candles.from_rows(rows), [period(span) for span in step.covered], missing
        )
        assert fresh == model.add(step)
    if listed is not None:
        store.candles.save_first_candle(market, timeframe, timeframe.open_ms(base + listed))

    coverage = store.candles.coverage(market, timeframe, period(wanted))
    is_refuted = listed is not None and any(cell < listed for cell in model.held)
    assert bool(coverage.false_listing) == is_refuted, "a first candle later than a held one is none"
    listed = None if is_refuted else listed
    known = [cell for cell in wanted.cells() if listed is None or cell >= listed]
    assert coverage.candles == sum(cell in model.held for cell in wanted.cells())
    assert list(coverage.gaps) == [
        period(span) for span in merged(cell for cell in known if cell not in model.covered)
    ]
    told = {(gone.period, gone.reason) for gone in coverage.missing}
    expected = {
        (period(span), reason)
        for reason in (MAINTENANCE, AFTER_DELISTING)
        for span in merged(cell for cell in known if model.missing.get(cell) == reason)
    }
    before = merged(set(wanted.cells()) - set(known) - model.held.keys())
    assert told == expected | {(period(span), BEFORE_LISTING) for span in before}
    assert len(coverage.missing) == len(told)

    held = store.candles.read(market, timeframe, period(wanted))
    cells = [cell for cell in sorted(model.held) if cell in wanted.cells()]
    assert held.timestamp.tolist() == [timeframe.open_ms(base + cell) for cell in cells]
    assert held.close.tolist() == [model.held[cell] for cell in cells]

    milliseconds = "CAST(extract(epoch FROM {}) * 1000 AS bigint)".format
    ranges = execute(
        database_url,
        f"SELECT {milliseconds('start_time')}, {milliseconds('end_time')}, candle_count FROM data_ranges "
        f"JOIN symbols AS s ON s.id = symbol_id WHERE s.name = '{market.name}' ORDER BY 1",
    )
    assert ranges == [
        (period(span).start, period(span).end, sum(cell in model.held for cell in span.cells()))
        for span in merged(model.covered)
    ]


def test_the_model_itself_merges_neighbours_and_keeps_holes() -> None:
    assert merged([5, 1, 2, 3, 7]) == [Span(1, 4), Span(5, 6), Span(7, 8)]
    assert merged(np.arange(0).tolist()) == []
