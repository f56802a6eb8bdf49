"""The usual subject of a sweep: one strategy on one market."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from engine.events import CancelToken
from engine.model.combinations import Combinations
from engine.model.market import Int64Array, Market, Period
from engine.model.parameters import ParamValue
from engine.model.reads import longer_warmup
from engine.model.trial import TriedLeg, trial_identities
from engine.parallel.tasks import TrialsTask
from engine.research.resuming import RunDepends
from engine.runs.load import LoadedSeries
from engine.runs.plan import PlannedRun
from engine.runs.record import sweep_checks

if TYPE_CHECKING:
    from engine.runs.load import SeriesLoader
    from engine.runs.terms import TermsLoader


@dataclass(frozen=True, slots=True)
class RunSubject:
    """`run` stands for any of the trials."""

    run: PlannedRun

    @property
    def id(self) -> str:
        """Of `Subject`."""
        return self.run.id

    @property
    def title(self) -> str:
        """Of `Subject`."""
        return self.run.title

    def load(
        self, loader: SeriesLoader, terms: TermsLoader, cancel: CancelToken, *, fetch: bool
    ) -> RunGround:
        """Of `Subject`."""
        period = loader.fetched(self.run) if fetch else self.run.period
        cancel.raise_if_cancelled()
        return RunGround(self.run, terms.with_terms(self.run, loader.load(self.run, period), fetch=fetch))

    def begun_before(self, made: str, period: Period) -> Self:
        """As one that was begun under that id, over the period with which it began."""
        return replace(self, run=replace(self.run, id=made, spec=replace(self.run.spec, period=period)))

    def on(self, market: Market, made: str) -> Self:
        """The same on another market, under that id."""
        spec = replace(self.run.spec, symbol=market.name)
        return replace(self, run=replace(self.run, id=made, spec=spec, market=market))


@dataclass(frozen=True)
class RunGround:
    """A run with its candles."""

    run: PlannedRun
    series: LoadedSeries

    @property
    def period(self) -> Period:
        """Of `Ground`."""
        return self.series.period

    @property
    def unified(self) -> str:
        """Of `Ground`."""
        return self.run.market.unified

    @property
    def warmup(self) -> int:
        """Of `Ground`."""
        return self.run.warmup

    @property
    def longer_warmup(self) -> tuple[tuple[str, int], ...]:
        """Of `Ground`."""
        return longer_warmup(self.series.inputs)

    @property
    def engine(self) -> str:
        """Of `Ground`."""
        return self.run.spec.engine

    @cached_property
    def checks(self) -> Mapping[str, Mapping[str, Any]]:
        """Of `Ground`."""
        return sweep_checks(self.series, self.run.warmup)

    @property
    def depends(self) -> RunDepends:
        """Of `Ground`."""
        return RunDepends(self.run, self.series)

    def task(self, sweep: str, combinations: Combinations, kept: Int64Array, memory_bytes: int) -> TrialsTask:
        """Of `Ground`."""
        run = self.run
        return TrialsTask(
            sweep=sweep,
            strategy=run.strategy_path,
            sources=run.sources,
            combinations=combinations,
            candles=self.series.file,
            timeframe=run.spec.timeframe.name,
            warmup=run.warmup,
            costs=run.spec.costs,
            perpetual=self.series.terms.file,
            memory_bytes=memory_bytes,
            kept=kept,
        )

    def identities(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Iterator[bytes]:
        """Of `Ground`."""
        return trial_identities(source, combinations)

    def tried_legs(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Collection[TriedLeg]:
        """Of `Ground`: a trial is the strategy itself."""
        del source, combinations
        return ()
