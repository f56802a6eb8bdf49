"""Deletes a series so that it can be brought back for a while: all that was known of it goes into a file first."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.data.sync import forget_series
from engine.database.store import Store
from engine.errors import InputError, reason
from engine.events import CancelToken, Log, OnEvent, Progress
from engine.model.coverage import HOLE, MissingRange, RemovedSeries
from engine.model.funding import FundingRates
from engine.model.kinds import Kind
from engine.model.market import Candles, Market, Period, Timeframe
from engine.syntax import parser

_ENDING: Final = ".removed"
_PAGE_CELLS: Final = 100_000  # of one transaction: between two of them it can be stopped
_BACK: Final = "brought back"  # in place of the name of the file that candles were imported from


def remove_series(
    store: Store, folder: Path, market: Market, timeframe: Timeframe, on_event: OnEvent, cancel: CancelToken
) -> RemovedSeries:
    """Delete all candles of a series and what is known of its cells, while nobody fills it.

    Raises InputError where the copy cannot be written; then nothing is deleted.
    """
    path = folder / f"{uuid.uuid4()}{_ENDING}"
    with store.candles.series_lock(
        market, timeframe, lambda why: on_event(Log("", "info", why)), cancel.sleep
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.savez(file, **_known(store, market, timeframe))
            cancel.raise_if_cancelled()
        except BaseException as error:
            path.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise InputError(
                f"the copy that Undo needs cannot be written to {folder}: {reason(error)}; nothing was deleted"
            ) from error
        removed = RemovedSeries(market, timeframe, forget_series(store, market, timeframe), path)
    keep_removed(removed, 0)  # its time begins now, however long the deletion took
    return removed


def _known(store: Store, market: Market, timeframe: Timeframe) -> dict[str, Any]:
    """All that is stored of a series, as arrays by name."""
    first = store.candles.first_candle(market, timeframe)
    extent = store.verification.extent(market, timeframe) or Period(0, 0)
    extent = Period(max(extent.start, first or 0), max(extent.end, first or 0))
    kept = {
        (one.market, one.timeframe): one.kept_from_ms for one in store.symbols.kept_series(market.exchange)
    }
    columns: dict[str, Any]
    if market.kind is Kind.FUNDING:
        coverage, rates = store.funding.coverage(market, extent), store.funding.read(market, extent)
        columns = {one.name: getattr(rates, one.name) for one in fields(rates)}
    else:
        coverage = store.candles.coverage(market, timeframe, extent)
        candles = store.candles.read(market, timeframe, extent)
        columns = {"timestamp": candles.timestamp, **candles.columns()}
    about = {
        "first": first,
        "kept_from": kept.get((market, timeframe)),
        "covered": [asdict(part) for part in _between(extent, coverage.gaps)],
        "missing": [asdict(gone) for gone in coverage.missing if gone.reason != HOLE],
        "imported": [asdict(part) for part in store.verification.imported(market, timeframe, extent)],
    }
    return {"about": json.dumps(about), **columns}


def _between(whole: Period, gaps: Sequence[Period]) -> list[Period]:
    edges = [whole.start, *(edge for gap in gaps for edge in (gap.start, gap.end)), whole.end]
    parts = (Period(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True))
    return [part for part in parts if part.start < part.end]


def restore_series(
    store: Store, removed: RemovedSeries, job: str, on_event: OnEvent, cancel: CancelToken
) -> int:
    """Bring a removed series back, beside what was fetched of it since; how many candles came back.

    Raises InputError when it is too late for that.
    """
    market, timeframe = removed.market, removed.timeframe
    try:
        with parser(), np.load(removed.path) as held:
            about = json.loads(str(held["about"]))
            if market.kind is Kind.FUNDING:
                rows: Candles | FundingRates = FundingRates(*(held[one.name] for one in fields(FundingRates)))
            else:
                rows = Candles(held["timestamp"], *(held[name] for name in Candles.empty().columns()))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(
            f"the {market.kind.rows} of {market.title(timeframe)} are gone: it is too late to undo that"
        ) from error
    missing = [
        MissingRange(Period(**gone["period"]), gone["reason"], gone["confirmed_ms"])
        for gone in about["missing"]
    ]
    came = 0
    with store.candles.series_lock(
        market, timeframe, lambda why: on_event(Log(job, "info", why)), cancel.sleep
    ):
        for part in _pages(timeframe, [Period(**one) for one in about["covered"]]):
            cancel.raise_if_cancelled()
            cut = (MissingRange(one.period.clip(part), one.reason, one.confirmed_ms) for one in missing)
            gone = [one for one in cut if one.period.start < one.period.end]
            if isinstance(rows, FundingRates):
                came += store.funding.add_page(market, rows.within(part), [part], gone)
            else:
                came += store.candles.add_page(market, timeframe, rows.within(part), [part], gone)
            on_event(Progress(job, came, len(rows), market.kind.rows))
        for one in about["imported"]:
            store.verification.mark_imported(market, timeframe, Period(**one), _BACK)
        if about["first"] is not None:
            store.candles.save_first_candle(market, timeframe, about["first"])
        if about["kept_from"] is not None:
            store.symbols.start_keeping(market, timeframe, about["kept_from"])
    removed.path.unlink(missing_ok=True)
    return came


def _pages(timeframe: Timeframe, parts: Sequence[Period]) -> Iterator[Period]:
    for part in parts:
        start = part.start
        while start < part.end:
            end = min(part.end, timeframe.shift(start, _PAGE_CELLS))
            yield Period(start, end)
            start = end


def keep_removed(removed: RemovedSeries, for_s: float) -> None:
    """Have `purge_removed` leave a copy alone for so long, beside what it leaves anyway: somebody wants it back."""
    until = time.time() + for_s
    with contextlib.suppress(OSError):  # it is gone: who restores it is told so
        os.utime(removed.path, (until, until))


def purge_removed(folder: Path, older_than_s: float) -> int:
    """Delete the copies that were made so long ago; how many."""
    old = []
    for path in folder.glob(f"*{_ENDING}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime >= older_than_s:
                path.unlink()
                old.append(path)
    return len(old)
