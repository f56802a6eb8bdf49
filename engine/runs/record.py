"""The stored form of a run: what a worker returned, with what it depends on and whether its candles are whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.model.coverage import BEFORE_LISTING
from engine.model.market import Period
from engine.model.run import FAILED, FINISHED, NO_WARMUP, RunResult, Series, counted_warmup, skipped_checks
from engine.model.simulators import REFERENCE
from engine.model.trade import Trade
from engine.parallel.job import BadEnd
from engine.parallel.seed import SEED
from engine.parallel.tasks import RunAnswer
from engine.reproduction.inputs import fingerprint, hashes, run_inputs, versions_for
from engine.reproduction.own_source import plain_source
from engine.runs.plan import PlannedRun

if TYPE_CHECKING:
    from engine.runs.load import LoadedSeries


def failed_run(
    planned: PlannedRun, series: LoadedSeries, outcome: BadEnd
) -> tuple[RunResult, Mapping[str, bytes]]:
    """The stored form of a run that did not get through, and its strategy's file: what else it executed nobody knows."""
    name = planned.strategy_path.name
    sources = {name: plain_source(planned.sources[name])} if name in planned.sources else {}
    engine, versions = planned.spec.engine, versions_for(sources)
    result = replace(
        planned.unfinished(FAILED, outcome.message, outcome.traceback),
        period=series.period,
        inputs=inputs_of(planned, series, planned.params, engine, versions, hashes(sources)),
        seen=series.seen,
    )
    return result, sources


def finished_run(
    planned: PlannedRun,
    series: LoadedSeries,
    output: RunAnswer,
    source: Mapping[str, str],
    most_checked: int,
) -> RunResult:
    """The stored form of what a worker returned. `source`: the hashes of what it executed; `most_checked`: the longest
    period, in candles, that is checked against backtesting.py.
    """
    inputs = inputs_of(planned, series, output.params, output.engine, output.versions, source)
    period_candles = series.candles.within(series.period)
    trades = Trade.from_columns(output.trades)
    indicators = output.indicators
    base = planned.unfinished(FINISHED, None)
    return replace(
        base,
        period=series.period,
        params=output.params,
        engine=output.engine,
        metrics={**output.metrics, "funding_coverage_pct": funding_coverage(series, trades)},
        signals=output.signals,
        trades=trades,
        checks={
            **skipped_checks(),
            **output.checks,
            **series.terms.checks,
            **({} if series.detail is None else {"detail": dict(series.detail.check)}),
            "data": data_check(series, trades),
            "warmup": beside_warmup(series, output.checks["warmup"]),
            "crosscheck": first_crosscheck(output.engine, len(period_candles), most_checked),
        },
        equity=Series(period_candles.timestamp, {"equity": output.equity}),
        indicators=Series(period_candles.timestamp, indicators) if indicators else None,
        inputs=inputs,
        fingerprint=fingerprint(inputs),
        seen=series.seen,
        elapsed_s=output.elapsed_s,
    )


def funding_coverage(series: LoadedSeries, trades: Sequence[Trade]) -> float | None:
    """Settlements whose rate is known, in % of those that positions were carried through; None where none was, or funding is
    not charged. By open interval: one that a position is entered at counts not, one that it is left at does.
    """
    rates = series.terms.rates
    if rates is None:
        return None
    times = np.unique(rates.time)
    known = np.array([time not in series.terms.assumed for time in times.tolist()], dtype=np.int64)
    total = np.concatenate(([0], np.cumsum(known)))
    held = served = 0
    for trade in trades:
        end = series.period.end if trade.exit_reason == "open" else trade.exit_time + 1
        first, last = np.searchsorted(times, [trade.entry_time + 1, end])
        held, served = held + int(last - first), served + int(total[last] - total[first])
    return served / held * 100 if held else None


def data_check(series: LoadedSeries, trades: Sequence[Trade]) -> dict[str, Any]:
    """Which candles of the period the exchange has none of, and which trades (by number) begin or end beside such a hole.

    Fails when there are such trades: their fill, or the decision before it, would have been another without the hole.
    """
    timeframe = series.coverage.timeframe
    holes = [gone for gone in series.coverage.missing if gone.reason != BEFORE_LISTING]
    edges = {edge for gone in holes for edge in (timeframe.shift(gone.period.start, -1), gone.period.end)}
    beside = [number for number, trade in enumerate(trades) if {trade.entry_time, trade.exit_time} & edges]
    missing = sum(timeframe.count(gone.period) for gone in holes)
    note = f"{missing:,} candles missing, {len(beside)} trades beside them" if missing else "complete"
    read = {one.title: _missing_beside(held) for one, held in series.beside if held is not None}
    lacking = "".join(f"; of {title} {count:,} are missing" for title, (count, _) in read.items() if count)
    return {
        "status": "failed" if beside else "passed",
        "missing_candles": missing,
        "trades_beside_holes": beside,
        "missing": [gone.to_json() for gone in series.coverage.missing],
        "note": note + lacking,
        **({"read": {title: gone for title, (_, gone) in read.items()}} if read else {}),
    }


def _missing_beside(series: LoadedSeries) -> tuple[int, list[dict[str, Any]]]:
    """Of a series that is read beside another: how many candles the exchange has none of, and where."""
    missing = series.coverage.missing
    holes = [gone.period for gone in missing if gone.reason != BEFORE_LISTING]
    return sum(map(series.coverage.timeframe.count, holes)), [gone.to_json() for gone in missing]


def beside_warmup(series: LoadedSeries, check: Mapping[str, Any]) -> dict[str, Any]:
    """The check of the warm-up, with how many candles of each series that is read beside there are of those wanted."""
    counted = [(one, held.file.warmup) for one, held in series.beside if held is not None and one.wanted]
    if not counted:
        return dict(check)
    notes = [f"{one.title}: {min(held, one.wanted):,} of {one.wanted:,}" for one, held in counted]
    is_short = any(held < one.wanted for one, held in counted)
    own, status = str(check["note"]), "failed" if is_short else check["status"]
    if not check["wanted"]:  # of longer candles alone
        own = own.removeprefix(NO_WARMUP).removeprefix("; ")
        status = "passed" if status == "skipped" else status
    return {**check, "status": status, "note": "; ".join(filter(None, [own, *notes]))}


def sweep_checks(series: LoadedSeries, wanted: int) -> dict[str, dict[str, Any]]:
    """The checks of a run that a sweep shares, over its candles; `wanted`: the longest warm-up of its trials.

    The trades of a trial are not kept and its strategy is not asked twice: what that would tell is told by a run of it.
    """
    data = data_check(series, ()) | {"trades_beside_holes": None}
    tried_on = series.candles.within(series.period)
    if len(tried_on):
        first, last = tried_on.timestamp[[0, -1]].tolist()
        data["span"] = Period(first, series.coverage.timeframe.shift(last, 1)).to_json()
    missing = data["missing_candles"]
    if missing:
        note = f"{missing:,} candles missing; a run of a trial says whether it trades beside them"
        data |= {"status": "skipped", "note": note}
    ahead = "not searched in a sweep; a run of a trial is"
    return {
        **{name: dict(check) for name, check in series.terms.checks.items()},
        "data": data,
        "lookahead": {"status": "skipped", "columns": [], "note": ahead},
        "warmup": beside_warmup(series, counted_warmup(series.file.warmup, wanted)),
    }


def skipped_crosscheck(note: str) -> dict[str, Any]:
    """A cross-check that is not made, and why."""
    return {"status": "skipped", "equal": 0, "total": 0, "differences": [], "note": note}


def first_crosscheck(engine: str, candles: int, most: int) -> dict[str, Any]:
    """The cross-check of a run that has just ended: to be made later, or not at all."""
    if engine == REFERENCE:
        return skipped_crosscheck("ran on the reference engine itself")
    if not most:
        return skipped_crosscheck("switched off by BACKTEST_CROSSCHECK; `backtest show ID --check` makes it")
    if candles > most:
        why = f"{candles:,} candles are more than the {most:,} that are checked unasked (BACKTEST_CROSSCHECK)"
        return skipped_crosscheck(f"{why}; `backtest show ID --check` makes it")
    return skipped_crosscheck("`backtest show ID --check` makes it") | {"status": "pending"}


def inputs_of(
    planned: PlannedRun,
    series: LoadedSeries,
    params: Mapping[str, Any],
    engine: str,
    versions: Mapping[str, str],
    source: Mapping[str, str],
) -> dict[str, Any]:
    """All that a run depends on, by name; `engine` is what ran, `source` the hashes of what was executed."""
    return run_inputs(
        candles=series.inputs,
        period=series.period,
        timeframe=planned.spec.timeframe.name,
        warmup=planned.warmup,
        source=source,
        params=params,
        costs=planned.spec.costs,
        engine=engine,
        versions=versions,
        seed=SEED,
        perpetual=series.terms.inputs,
        detail=None if series.detail is None else series.detail.inputs,
        windows=planned.spec.windows,
    )
