"""The candles and terms of a plan: each series is fetched once, from the longest warm-up on, and loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import BacktestError
from engine.model.market import Market, Period, Timeframe
from engine.model.reads import ReadSeries
from engine.runs.load import FetchOutcome, LoadedSeries, SeriesLoader
from engine.runs.plan import PlannedRun, SeriesPeriod

if TYPE_CHECKING:
    from engine.runs.terms import TermsLoader


class PlanSeries:
    """Of one call of the engine; what it loads lives as long as the files of its loaders."""

    def __init__(
        self, loader: SeriesLoader, terms: TermsLoader, plan: Sequence[PlannedRun], *, fetch: bool
    ) -> None:
        self._loader, self._terms, self._plan, self._fetch = loader, terms, plan, fetch
        self._reports: dict[SeriesPeriod, FetchOutcome] = {}
        self._files: dict[tuple[Market, Timeframe, Period, Period, tuple[ReadSeries, ...]], LoadedSeries] = {}

    def of(self, planned: PlannedRun) -> LoadedSeries:
        """What a run of the plan sees of its market; raises what kept it from being fetched or loaded."""
        period = self._fetched(planned) if self._fetch else planned.period
        if self._fetch:
            self._loader.fetch_beside(planned, period)
        key = (*planned.series_period, planned.load_period, planned.reads)
        if key not in self._files:
            self._files[key] = self._loader.load(planned, period)
        return self._terms.with_terms(planned, self._files[key], fetch=self._fetch)

    def _fetched(self, planned: PlannedRun) -> Period:
        """Fill the series for all runs on it at once; returns the effective period."""
        key = planned.series_period
        if key not in self._reports:
            first = min(other.load_period.start for other in self._plan if other.series_period == key)
            self._reports[key] = self._loader.fetch(planned, first)
        outcome = self._reports[key]
        if isinstance(outcome, BacktestError):
            raise outcome
        return outcome.period
