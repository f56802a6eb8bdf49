"""What work on a series did, in words for its row, and in lines for the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.holdings import GOOD, PLAIN, WARNING, Note
from engine.model.candle_files import ImportReport
from engine.model.coverage import BEFORE_LISTING, FetchReport, VerifyReport
from engine.model.funding import FundingRates
from engine.model.market import Candles, format_time

_MOST_SHOWN: Final = 20


def report_note(report: Any) -> Note:
    """What a report says, short."""
    if isinstance(report, FetchReport):
        return _fetched(report)
    if isinstance(report, VerifyReport):
        return _verified(report)
    if isinstance(report, ImportReport):
        return _imported(report)
    return Note(GOOD, str(report))


def fetched_words(report: FetchReport) -> list[tuple[str, str]]:
    """What a fetch says in the log: levels and lines."""
    rows = report.market.kind.rows
    fetched = f"{formats.whole(report.fetched)} {rows} fetched" if report.fetched else "nothing was missing"
    days = f"{formats.day(report.period.start)} – {formats.day(report.period.end - 1)}"
    series = f"{report.market.title(report.timeframe)}, {days}"
    return [
        ("info", f"{series}: {fetched}, {formats.whole(report.candles)} held"),
        *(("warning", f"{series}: {notice}") for notice in report.notices),
    ]


def all_fetched_words(reports: Sequence[FetchReport]) -> str:
    """What fetching several series came to, in a line."""
    fetched, held = (sum(getattr(report, name) for report in reports) for name in ("fetched", "candles"))
    gone = sum(
        report.timeframe.count(part.period)
        for report in reports
        for part in report.missing
        if part.reason != BEFORE_LISTING
    )
    words = f"{formats.whole(fetched)} candles fetched" if fetched else "Nothing was missing"
    series = f" of {len(reports)} series" if len(reports) > 1 else ""
    missing = f", {formats.whole(gone)} missing at the exchange" if gone else ""
    return f"{words}: {formats.whole(held)}{series} are held{missing}"


def _fetched(report: FetchReport) -> Note:
    parts = [f"{formats.whole(report.fetched)} fetched" if report.fetched else "nothing was missing"]
    if report.archive_days:
        parts.append(f"{formats.whole(report.archive_days)} days from the archive")
    gone = [part for part in report.missing if part.reason != BEFORE_LISTING]
    if gone:
        count = sum(report.timeframe.count(part.period) for part in gone)
        parts.append(f"{formats.whole(count)} missing at the exchange")
    details = [f"{part.period}: {part.reason.replace('_', ' ')}" for part in gone[:_MOST_SHOWN]]
    return Note(GOOD, " · ".join(parts), "\n".join([*report.notices, *details]))


def _verified(report: VerifyReport) -> Note:
    only_here = sum(report.timeframe.count(part) for part in report.only_here)
    still = sum(report.timeframe.count(part) for part in report.still_missing)
    counts = (
        (len(report.revised[0]), "revised"),
        (report.added, "added"),
        (only_here, "not at the exchange, kept"),
        (report.repaired_ranges, "rows of the record mended"),
        (still, "still missing"),
    )
    parts = [f"{formats.whole(count)} {word}" for count, word in counts if count]
    if not report.differences:
        parts.insert(0, "all equal")
    text = f"verified {formats.whole(report.checked)}: {', '.join(parts)}"
    return Note(WARNING if report.differences else GOOD, text, "\n".join(_differences(report)))


def _differences(report: VerifyReport) -> list[str]:
    old, new = (_rows(side) for side in report.revised)
    lines = [f"{a[0]}: {a[1:]} became {b[1:]}" for a, b in zip(old, new, strict=True)]
    if len(report.revised[0]) > _MOST_SHOWN:
        lines.append(f"and {formats.whole(len(report.revised[0]) - _MOST_SHOWN)} more revised")
    lines += [f"held, but the exchange has none: {part}" for part in report.only_here[:_MOST_SHOWN]]
    lines += [f"still missing: {part}" for part in report.still_missing[:_MOST_SHOWN]]
    return [*report.notices, *lines]


def _rows(side: Candles | FundingRates) -> list[tuple[Any, ...]]:
    head = side.slice(0, _MOST_SHOWN)
    times = map(format_time, head.timestamp.tolist())
    return list(zip(times, *(column.tolist() for column in head.columns().values()), strict=True))


def import_words(report: ImportReport, *, is_all: bool = True) -> str:
    """What an import stores, or would store; `is_all` False: without what the report's notices say."""
    stored = "would be stored" if report.dry_run else "imported"
    parts = [f"{formats.whole(report.stored)} {stored}"]
    if report.equal:
        parts.append(f"{formats.whole(report.equal)} held already")
    if report.differing and is_all:
        parts.append(f"{formats.whole(report.differing)} differ from held ones, which stay")
    if report.refused and is_all:
        parts.append(f"{formats.whole(report.refused)} refused: the exchange has none there")
    if report.gaps:
        count = sum(report.timeframe.count(gap) for gap in report.gaps)
        parts.append(f"{formats.whole(count)} missing in the file")
    return " · ".join(parts)


def _imported(report: ImportReport) -> Note:
    level = WARNING if report.differing or report.refused else GOOD if report.stored else PLAIN
    lines = [
        f"{format_time(one.time)}: held {one.held}, in the file {one.file}" for one in report.differences
    ]
    lines += [f"missing in the file: {gap}" for gap in report.gaps[:_MOST_SHOWN]]
    return Note(level, import_words(report), "\n".join([*report.notices, *lines]))
