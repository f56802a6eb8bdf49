"""What is held is never changed by a file; what a file brings is marked until the exchange has been asked."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.files import importing
from engine.data.files.importing import import_candles, preview_import, runs
from engine.database.store import Store
from engine.errors import InputError, Interrupted
from engine.events import CancelToken, Event, Log, Progress
from engine.model.candle_files import FileFormat, ImportReport
from engine.model.market import Candles, Market, Period, Timeframe, parse_time
from engine.reports.files import write_candles
from tests.support.builders import real_candles
from tests.support.fake_exchange import (
    FakeExchange,
    MakeBench,
    assert_same_candles,
    grid_candles,
    without,
)

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT")
HOUR = Timeframe("1h")
NOW = parse_time("2025-01-15T00:30")
WEEK = Period.parse("2024-01-01", "2024-01-07")
CANDLES = grid_candles("1h", WEEK)
Import = Callable[..., ImportReport]


def changed(candles: Candles, *positions: int) -> Candles:
    """The candles with other volumes at some positions."""
    volume = candles.volume.copy()
    volume[list(positions)] += 1
    return Candles(candles.timestamp, candles.open, candles.high, candles.low, candles.close, volume)


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Import:
    """Imports candles through a file."""

    def bring(candles: Candles, timeframe: Timeframe = HOUR, **more: object) -> ImportReport:
        path = tmp_path / "file.csv"
        write_candles(candles, path)
        return import_candles(store, path, SOL, timeframe, FileFormat(), NOW, **more)  # type: ignore[arg-type]

    return bring


def test_new_candles_are_stored_marked_and_covered_and_a_second_import_changes_nothing(
    store: Store, bring: Import
) -> None:
    first = bring(CANDLES)
    assert (first.rows, first.stored, first.equal, first.differing) == (168, 168, 0, 0)
    assert (first.period, first.gaps) == (WEEK, ())
    assert_same_candles(store.candles.read(SOL, HOUR, WEEK), CANDLES)
    assert store.candles.coverage(SOL, HOUR, WEEK).complete
    assert store.verification.imported(SOL, HOUR, WEEK) == [WEEK]
    version = store.verification.version(SOL, HOUR)
    again = bring(CANDLES)
    assert (again.stored, again.equal, again.differing) == (0, 168, 0)
    assert store.verification.version(SOL, HOUR) == version


def test_a_hole_in_the_file_stays_a_gap(store: Store, bring: Import) -> None:
    hole = Period.parse("2024-01-03", "2024-01-03")
    report = bring(without(CANDLES, hole))
    assert report.gaps == (hole,)
    assert store.candles.coverage(SOL, HOUR, WEEK).gaps == (hole,)
    assert store.verification.imported(SOL, HOUR, WEEK) == [
        Period(WEEK.start, hole.start),
        Period(hole.end, WEEK.end),
    ]


@pytest.mark.parametrize("part_rows", [7, 31, 1_000_000])
def test_held_candles_stay_and_those_that_differ_are_shown(
    store: Store, bring: Import, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(importing, "COMPARED_ROWS", part_rows)
    held = Period.parse("2024-01-02", "2024-01-03")
    store.candles.add_page(SOL, HOUR, CANDLES.within(held), [held])
    report = bring(changed(CANDLES, 30, 31, 40, 41, 160))
    assert (report.stored, report.equal, report.differing) == (120, 44, 4)
    assert [one.time for one in report.differences] == CANDLES.timestamp[[30, 31, 40]].tolist()
    assert report.differences[0].file[-1] == report.differences[0].held[-1] + 1
    assert_same_candles(store.candles.read(SOL, HOUR, held), CANDLES.within(held))
    assert_same_candles(store.candles.read(SOL, HOUR, WEEK), changed(CANDLES, 160))
    assert store.verification.imported(SOL, HOUR, held) == [], "what the exchange served needs no comparison"


def test_where_the_exchange_is_known_to_have_none_a_file_is_not_believed(
    bench: MakeBench, fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    hole = Period.parse("2024-01-03T02:00", "2024-01-03T05:00")
    fake_exchange.add("SOL", "1h", without(CANDLES, hole), listed_ms=WEEK.start)
    one = bench()
    one.fetch("2024-01-02", "2024-01-05")
    before = grid_candles("1h", Period.parse("2023-12-31", "2024-01-07"))
    path = tmp_path / "more.csv"
    write_candles(before, path)
    report = import_candles(one.store, path, one.fetcher.market("SOLUSDT"), HOUR, FileFormat(), NOW)
    assert report.refused == 3 + 24, "three in the hole, 24 before the listing"
    assert "known to have none" in report.notices[-1]
    assert one.status("2024-01-02", "2024-01-05").missing[0].period == hole
    assert not len(one.store.candles.read(report.market, HOUR, hole))


def test_a_fetch_after_an_import_asks_only_for_the_holes(
    bench: MakeBench, fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    hole = Period.parse("2024-01-03", "2024-01-03")
    fake_exchange.add("SOL", "1h", CANDLES, listed_ms=WEEK.start - 1)
    one = bench()
    path = tmp_path / "half.csv"
    write_candles(without(CANDLES, hole), path)
    import_candles(one.store, path, one.fetcher.market("SOLUSDT"), HOUR, FileFormat(), NOW)
    report = one.fetch("2024-01-01", "2024-01-07")
    assert (report.candles, report.fetched, report.filled) == (168, 24, (hole,))
    assert fake_exchange.served == CANDLES.within(hole).timestamp.tolist()


def test_candles_of_a_file_from_before_the_listing_are_held_and_not_missing_as_well(
    bench: MakeBench, fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    listing = Period.parse("2024-01-04", "2024-01-07")
    fake_exchange.add("SOL", "1h", CANDLES.within(listing), listed_ms=listing.start)
    one = bench()
    path = tmp_path / "older.csv"
    write_candles(CANDLES.within(Period.parse("2024-01-02", "2024-01-05")), path)
    import_candles(one.store, path, one.fetcher.market("SOLUSDT"), HOUR, FileFormat(), NOW)
    one.fetch("2024-01-01", "2024-01-07")
    status = one.status("2024-01-01", "2024-01-07")
    assert status.candles == 6 * 24
    assert [gone.period for gone in status.missing] == [Period.parse("2024-01-01", "2024-01-01")]
    assert status.complete


def test_a_preview_says_what_an_import_then_does_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    held = Period.parse("2024-01-02", "2024-01-03")
    store.candles.add_page(SOL, HOUR, CANDLES.within(held), [held])
    path = tmp_path / "file.csv"
    write_candles(changed(CANDLES, 30), path)
    version = store.verification.version(SOL, HOUR)
    seen = preview_import(store, path, SOL, HOUR, FileFormat(), NOW)
    assert store.verification.version(SOL, HOUR) == version
    assert seen.report is not None
    assert (seen.report.stored, seen.report.equal, seen.report.differing) == (120, 47, 1)
    assert seen.columns["timestamp"] == "timestamp"
    assert [time for time, _ in seen.candles] == CANDLES.timestamp[:5].tolist()
    assert seen.candles[0][1][0] == CANDLES.open[0]
    assert seen.rows[0][0] == str(CANDLES.timestamp[0])
    done = import_candles(store, path, SOL, HOUR, FileFormat(), NOW)
    assert done.to_json() | {"dry_run": True} == seen.report.to_json()


def test_a_preview_of_a_file_with_a_broken_row_shows_its_start_and_the_error(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "file.csv"
    write_candles(CANDLES, path)
    with path.open("a") as file:
        file.write("1704672000000,1,2,3,4,5\n")
    seen = preview_import(store, path, SOL, HOUR, FileFormat(), NOW)
    assert seen.report is None
    assert "line 170" in str(seen.error)
    assert len(seen.candles) == 5
    with pytest.raises(InputError, match="line 170"):
        import_candles(store, path, SOL, HOUR, FileFormat(), NOW)
    assert store.candles.held_series() == []


def test_a_large_file_is_stored_in_parts_and_a_stopped_import_goes_on(
    store: Store, bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PART_ROWS", 50)
    cancel, parts = CancelToken(), []
    add_page = store.candles.add_page

    def counted(*arguments: Any) -> int:
        parts.append(arguments)
        if len(parts) == 2:
            cancel.cancel()
        return add_page(*arguments)

    monkeypatch.setattr(store.candles, "add_page", counted)
    with pytest.raises(Interrupted, match="100 candles are stored"):
        bring(CANDLES, cancel=cancel)
    assert store.candles.coverage(SOL, HOUR, WEEK).candles == 100
    assert bring(CANDLES).stored == 68
    assert_same_candles(store.candles.read(SOL, HOUR, WEEK), CANDLES)


def test_a_file_of_many_holes_is_stored_whole(
    store: Store, bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PART_RUNS", 3)
    keep = np.arange(len(CANDLES)) % 5 != 4
    some = Candles(CANDLES.timestamp[keep], *(column[keep] for column in CANDLES.columns().values()))
    assert bring(some).stored == keep.sum()
    assert_same_candles(store.candles.read(SOL, HOUR, WEEK), some)
    assert len(store.candles.coverage(SOL, HOUR, WEEK).gaps) == len(CANDLES) // 5


@pytest.mark.parametrize("name", ["1m", "1d", "1w", "1M"])
def test_runs_are_made_of_neighbouring_cells_on_every_grid(name: str) -> None:
    timeframe = Timeframe(name)
    cells = timeframe.opens(Period(timeframe.ceil(WEEK.start), timeframe.shift(WEEK.start, 12)))
    kept = cells[[0, 1, 2, 5, 6, 9]]
    assert runs(timeframe, kept) == [
        Period(cells[0], cells[3]),
        Period(cells[5], cells[7]),
        Period(cells[9], cells[10]),
    ]
    assert runs(timeframe, kept[:0]) == []


def test_an_import_waits_for_a_program_that_fills_the_series(store: Store, bring: Import) -> None:
    cancel, events = CancelToken(), list[Event]()

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, Log):
            cancel.cancel()

    with store.candles.series_lock(SOL, HOUR, lambda _: None), pytest.raises(Interrupted):
        bring(CANDLES, cancel=cancel, on_event=listen)
    assert any(isinstance(event, Log) and "another program" in event.text for event in events)
    assert any(isinstance(event, Progress) and event.unit == "rows" for event in events)


@pytest.mark.long_except("csv-spot-SHIBUSDT-1h", "parquet-spot-SHIBUSDT-1h")
@pytest.mark.parametrize("name", ["spot-SHIBUSDT-1h", "spot-BTCUSDT-1h"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_real_candles_go_out_and_in_without_losing_a_bit(
    store: Store, tmp_path: Path, name: str, suffix: str
) -> None:
    """SHIB trades 2e13 coins in an hour; BTC has 27 holes and candles beside the grid are not among them."""
    real = real_candles(name)
    path = tmp_path / f"out.{suffix}"
    write_candles(real, path)
    market = Market("binance", name.split("-")[1], name)
    report = import_candles(store, path, market, HOUR, FileFormat(), parse_time("2027-01-01"))
    assert report.stored == len(real)
    assert len(report.gaps) == (27 if "BTC" in name else 0)
    held = store.candles.read(market, HOUR, report.period)
    assert_same_candles(held, real)
    again = tmp_path / f"again.{suffix}"
    write_candles(held, again)
    assert again.read_bytes() == path.read_bytes()


def test_a_packed_file_of_the_shared_data_is_read_as_it_is(store: Store, tmp_path: Path) -> None:
    real = real_candles("spot-SHIBUSDT-1h")
    path = tmp_path / "shib.csv.gz"
    text = tmp_path / "shib.csv"
    write_candles(real, text)
    path.write_bytes(gzip.compress(text.read_bytes()))
    assert import_candles(store, path, SOL, HOUR, FileFormat(), NOW).stored == len(real) == 1237
    assert store.candles.read(SOL, HOUR, Period(0, NOW)).volume.max() == real.volume.max() > 2e13
