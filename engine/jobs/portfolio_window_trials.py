"""One batch of a portfolio's walk-forward: legs are asked once over all candles, combinations played in every span."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.rules import Report
from engine.errors import BacktestError
from engine.jobs.portfolio_trials import AskedLeg, SweptPortfolio
from engine.model.market import Float64Array
from engine.model.metric_definitions import SUMMARY
from engine.model.simulators import COMPILED
from engine.parallel.portfolio_tasks import PortfolioWindowTrialsAnswer, PortfolioWindowTrialsTask
from engine.reproduction.inputs import portfolio_source


def run_portfolio_window_trials(
    task: PortfolioWindowTrialsTask, report: Report
) -> PortfolioWindowTrialsAnswer:
    """Play every combination of a batch in every span. Raises as `run_portfolio_trials`."""
    swept = SweptPortfolio.of(task)
    spans, started = _spans_of(swept, task.spans), time.monotonic()
    combinations, errors = list(task.combinations), []
    wanted = [SUMMARY.index(name) for name in task.figures]
    figures = np.full((len(combinations), len(spans), len(wanted)), np.nan)
    rows = np.empty((len(spans), len(SUMMARY)))
    for index, trial in swept.asked(combinations, task.rules, report):
        try:
            failed = _played(spans, trial.legs_of(swept.legs), trial.rules, rows)
        except BacktestError as error:  # of a leg
            errors.append((index, str(error)))
        else:
            figures[index] = rows[:, wanted]
            errors += [(index, line) for line in failed[:1]]
        report(index + 1, len(combinations), "trials")
    return PortfolioWindowTrialsAnswer(
        figures=figures,
        errors=errors,
        engine=COMPILED,
        legs={leg.name: leg.executed() for leg in swept.legs},
        source=portfolio_source(),
        elapsed_s=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """A stretch of time: of each leg its candles there (positions start..stop), and what all trials on them share."""

    parts: Sequence[tuple[int, int]]
    prepared: Any
    spare: Float64Array

    @classmethod
    def of(cls, legs: Sequence[AskedLeg], start_ms: int, end_ms: int) -> Self:
        """`legs`: as all trials have them. One that has no candle there takes no part."""
        from engine.backtest.portfolio.summary import PreparedLegs

        silent = [leg.silent for leg in legs]
        parts = [tuple(np.searchsorted(leg.candles.timestamp, [start_ms, end_ms]).tolist()) for leg in silent]
        cut = _cut(silent, parts)
        finest = min(cut, key=lambda leg: leg.timeframe_ms).name
        timeframe = next(leg.timeframe for leg in legs if leg.name == finest)
        prepared = PreparedLegs.of(cut, timeframe)
        return cls(parts, prepared, np.empty(prepared.days))


def _cut(legs: Sequence[LegInput], parts: Sequence[tuple[int, int]]) -> list[LegInput]:
    """The legs over these of their candles, without those that have none."""
    found = []
    for leg, (start, stop) in zip(legs, parts, strict=True):
        if start == stop:
            continue
        market = None if leg.perpetual is None else leg.perpetual.slice(start, stop)
        rank = None if leg.rank is None else leg.rank[start:stop]
        found.append(
            replace(
                leg,
                candles=leg.candles.slice(start, stop),
                signals=leg.signals.slice(start, stop),
                perpetual=market,
                rank=rank,
            )
        )
    return found


def _played(
    spans: Sequence[_Span], legs: Sequence[LegInput], rules: PortfolioRules, rows: Float64Array
) -> list[str]:
    """SUMMARY of the portfolio in each span, from a flat wallet; why some could not be, whose rows are NaN."""
    from engine.backtest.portfolio.summary import run_portfolio_summary

    failed = []
    for span, row in zip(spans, rows, strict=True):
        row[:] = np.nan
        try:
            run_portfolio_summary(span.prepared, _cut(legs, span.parts), rules, row, span.spare)
        except BacktestError as error:
            row[:] = np.nan
            failed.append(str(error))
    return failed


def _spans_of(swept: SweptPortfolio, spans: Sequence[tuple[int, int]]) -> list[_Span]:
    """The spans, prepared once for all batches over them."""
    for span in spans:
        if span not in swept.spans:
            swept.spans[span] = _Span.of(swept.legs, *span)
    return [swept.spans[span] for span in spans]
