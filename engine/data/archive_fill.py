"""Fills gaps from the bulk archive alone, where the exchange itself is not to be had.

A file proves what it holds; what it lacks may be there nevertheless, so it stays a gap, and so do the newest days: their
files are still to come.
"""

import threading

from engine.data.bulk import BulkDownload
from engine.data.exchanges.archive import Archive, Trouble, file_span
from engine.data.exchanges.archive_file import DoubtfulFile
from engine.data.filling import SeriesFill
from engine.data.funding import FundingFill
from engine.events import ProgressMeter
from engine.model.coverage import Coverage
from engine.model.funding import FundingRates, proven_hours
from engine.model.market import DAY_MS, Candles, Period, format_time
from engine.model.periods import clipped, merge, subtract

_THEN = "it stays a gap"
_MAX_TROUBLES = 3  # in a row: then the archive is left alone


def fill_from_archive(fill: SeriesFill | FundingFill, archive: Archive, coverage: Coverage) -> None:
    """Take what the archive has of the gaps; counted as the fill's own. Raises Interrupted."""
    gaps = list(coverage.gaps)
    span = file_span(fill.market, fill.timeframe)
    wanted = merge(Period(span.floor(gap.start), span.ceil(gap.end)) for gap in gaps)
    over = Period(0, span.floor(fill.now_ms))
    spans = [
        Period(start, span.next(start))
        for part in clipped(wanted, over)
        for start in span.opens(part).tolist()
    ]
    meter = ProgressMeter(fill.caller.job, len(spans), "files", fill.caller.on_event)
    if isinstance(fill, FundingFill):
        _fill_funding(fill, archive, gaps, spans, meter)
    else:
        _fill_candles(fill, archive, gaps, spans, meter)


def _fill_candles(
    fill: SeriesFill, archive: Archive, gaps: list[Period], spans: list[Period], meter: ProgressMeter
) -> None:
    every_hole = 1  # rows of a page: with so small ones no file has too many holes
    bulk = BulkDownload(archive, fill.market, fill.timeframe, spans, every_hole, fill.caller, _THEN)
    for files in bulk.batches():
        held = merge(fill.timeframe.align(part) for file in files for part in subtract(file.day, file.holes))
        covered = [part for gap in gaps for part in clipped(held, gap)]
        candles = Candles.joined([file.candles.within(part) for file in files for part in covered])
        fill.fetched += fill.store.candles.add_page(fill.market, fill.timeframe, candles, covered)
        fill.filled = merge([*fill.filled, *covered])
        fill.archive_days += sum(_days(file.day) for file in files)
        meter.add(len(files))


def _fill_funding(
    fill: FundingFill, archive: Archive, gaps: list[Period], spans: list[Period], meter: ProgressMeter
) -> None:
    stop, troubles = threading.Event(), 0
    for month in spans:
        meter.add(1)
        fill.caller.cancel.raise_if_cancelled()
        try:
            rates = archive.funding(fill.market, month, stop)
        except (DoubtfulFile, Trouble) as error:
            troubles = troubles + 1 if isinstance(error, Trouble) else 0
            fill.caller.log("warning", f"archive: {format_time(month.start)[:7]} {error}, {_THEN}")
            if troubles >= _MAX_TROUBLES:
                break
            continue
        troubles = 0
        covered = [part for gap in gaps for part in clipped(proven_hours(rates), gap)]
        inside = FundingRates.from_rows(row for part in covered for row in rates.within(part).rows())
        fill.fetched += fill.store.funding.add_page(fill.market, inside, covered)
        fill.filled = merge([*fill.filled, *covered])
        fill.archive_days += _days(month)


def _days(span: Period) -> int:
    return (span.end - span.start) // DAY_MS
