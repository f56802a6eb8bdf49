"""The other subject of a sweep: the legs of a portfolio on one wallet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from engine.events import CancelToken
from engine.model.across import worst_checks
from engine.model.combinations import Combinations
from engine.model.market import Int64Array, Period
from engine.model.parameters import ParamValue
from engine.model.portfolio_params import dotted
from engine.model.portfolio_rules import WALLET, WEIGHT, by_owner
from engine.model.run import json_ready
from engine.model.simulators import COMPILED
from engine.model.trial import TriedLeg, text_hash, trial_identities, trial_identity
from engine.parallel.portfolio_tasks import ExecutedLeg, PortfolioTrialsAnswer, PortfolioTrialsTask, SweptLeg
from engine.reproduction.inputs import hashes, portfolio_source, versions_for
from engine.runs.compare_portfolios import portfolio_changes
from engine.runs.load import LoadedSeries
from engine.runs.portfolio import load_legs
from engine.runs.portfolio_plan import PlannedPortfolio
from engine.runs.portfolio_record import ExecutedInputs, portfolio_inputs
from engine.runs.record import sweep_checks
from engine.runs.stored_strategy import sources_at

if TYPE_CHECKING:
    from engine.runs.load import SeriesLoader
    from engine.runs.terms import TermsLoader

_RULES: Final = (
    "allocation",
    "rebalance",
    "contention",
    "max_open",
    "lookback",
)  # of the wallet, without what it costs


@dataclass(frozen=True, slots=True)
class PortfolioSubject:
    """`planned`: the portfolio as its file says it, each leg with the longest warm-up of all combinations."""

    planned: PlannedPortfolio

    @property
    def id(self) -> str:
        """Of `Subject`."""
        return self.planned.id

    @property
    def title(self) -> str:
        """Of `Subject`."""
        return self.planned.title

    def load(
        self, loader: SeriesLoader, terms: TermsLoader, cancel: CancelToken, *, fetch: bool
    ) -> PortfolioGround:
        """Of `Subject`. Raises, naming the leg, where candles lack."""
        loaded = load_legs(self.planned, loader, terms, cancel, fetch=fetch)
        return PortfolioGround(self.planned, tuple(loaded))


@dataclass(frozen=True)
class PortfolioGround:
    """A portfolio with the candles of its legs."""

    planned: PlannedPortfolio
    loaded: tuple[LoadedSeries, ...]

    @cached_property
    def period(self) -> Period:
        """Of `Ground`: of all legs."""
        periods = [series.period for series in self.loaded]
        return Period(min(one.start for one in periods), max(one.end for one in periods))

    @property
    def unified(self) -> str:
        """Of `Ground`: it is on several."""
        return ""

    @property
    def warmup(self) -> int:
        """Of `Ground`: of any leg."""
        return max(run.warmup for run in self.planned.runs)

    @property
    def longer_warmup(self) -> tuple[tuple[str, int], ...]:
        """Of `Ground`: each leg has its own."""
        return ()

    @property
    def engine(self) -> str:
        """Of `Ground`."""
        return COMPILED

    @cached_property
    def checks(self) -> Mapping[str, Mapping[str, Any]]:
        """Of `Ground`: of each check the worst of any leg."""
        names = [f"leg {leg.name}" for leg in self.planned.spec.legs]
        legs = [
            sweep_checks(series, run.warmup)
            for series, run in zip(self.loaded, self.planned.runs, strict=True)
        ]
        found = worst_checks(list(zip(names, legs, strict=True)))
        for name, check in found.items():
            notes = {str(one[name].get("note", "")) for one in legs if name in one}
            if len(notes) == 1:  # nothing of one leg alone
                check["note"] = notes.pop()
        found["data"] |= {
            "missing_candles": sum(one["data"]["missing_candles"] for one in legs),
            "span": self._span(legs),
        }
        return found

    @staticmethod
    def _span(legs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, str]:
        spans = [one["data"]["span"] for one in legs]
        return {"start": min(one["start"] for one in spans), "end": max(one["end"] for one in spans)}

    @cached_property
    def depends(self) -> PortfolioDepends:
        """Of `Ground`."""
        return PortfolioDepends(self.planned, self.loaded)

    def task(
        self, sweep: str, combinations: Combinations, kept: Int64Array, memory_bytes: int
    ) -> PortfolioTrialsTask:
        """Of `Ground`."""
        return PortfolioTrialsTask(
            sweep=sweep,
            legs=self.legs,
            rules=self.planned.spec.rules,
            combinations=combinations,
            memory_bytes=memory_bytes,
            kept=kept,
        )

    @cached_property
    def legs(self) -> list[SweptLeg]:
        """As workers ask them."""
        spec = self.planned.spec
        return [
            SweptLeg(
                name=leg.name,
                strategy=run.strategy_path,
                sources=run.sources,
                candles=series.file,
                timeframe=leg.timeframe.name,
                start_ms=run.period.start,
                sides_ms=[read.period(leg.timeframe, series.period).start for read in run.reads],
                warmup=run.warmup,
                weight=weight,
                costs=leg.costs,
                rank=leg.rank,
                perpetual=series.terms.file,
            )
            for leg, run, series, weight in zip(
                spec.legs, self.planned.runs, self.loaded, spec.weights, strict=True
            )
        ]

    def identities(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Iterator[bytes]:
        """Of `Ground`: the portfolio over this period, whatever it is called, whatever it costs, and in whatever order its
        legs stand. What a combination says, which is every parameter and weight that is read, its file does not.
        """
        spec, tried = self.planned.spec, list(combinations)
        rules = {name: getattr(spec, name) for name in _RULES if dotted(WALLET, name) not in tried[0]}
        legs = {leg.name: [leg.symbol, leg.exchange, leg.timeframe.name, leg.rank] for leg in spec.legs}
        what = {**rules, "legs": dict(sorted(legs.items())), **self.period.to_json()}
        own = {
            _file(spec.legs[leg].name, name): sha
            for leg, files in _by_leg(source).items()
            for name, sha in files.items()
        }
        return trial_identities({**own, "": text_hash(json_ready(what))}, tried)

    def tried_legs(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Collection[TriedLeg]:
        """Of `Ground`: every leg with each of its parameters."""
        sources = _by_leg(source)
        distinct: dict[tuple[int, str], dict[str, ParamValue]] = {}
        for params in combinations:
            told = by_owner(params)
            for number, leg in enumerate(self.planned.spec.legs):
                own = {name: value for name, value in told.get(leg.name, {}).items() if name != WEIGHT}
                distinct.setdefault((number, repr(own)), own)
        return {self._tried(number, own, sources) for (number, _), own in distinct.items()}

    def _tried(
        self, number: int, own: Mapping[str, ParamValue], sources: Mapping[int, Mapping[str, str]]
    ) -> TriedLeg:
        run = self.planned.runs[number]
        return TriedLeg(
            run.spec.strategy,
            trial_identity(sources[number], own),
            run.market,
            run.spec.timeframe,
            self.loaded[number].period,
        )


def _file(leg: int | str, name: str) -> str:
    """What a file that a leg executed is called among those of all."""
    return f"{leg}/{name}"


def _by_leg(source: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Hashes of files by the number of the leg, then by the names that they have there."""
    found: dict[int, dict[str, str]] = {}
    for name, sha256 in source.items():
        leg, _, own = name.partition("/")
        found.setdefault(int(leg), {})[own] = sha256
    return found


@dataclass(frozen=True, slots=True)
class PortfolioDepends:
    """What the trials of a portfolio depend on besides the parameters, leg by leg."""

    planned: PlannedPortfolio
    loaded: Sequence[LoadedSeries]

    def now(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of `Depends`."""
        executed = []
        for leg, run in zip(self.planned.spec.legs, self.planned.runs, strict=True):
            sources = sources_at(before["legs"][leg.name]["source"], run.strategy_path)
            executed.append(ExecutedInputs({}, versions_for(sources), hashes(sources)))
        return portfolio_inputs(self.planned, self.loaded, executed, portfolio_source())

    def executed(self, answer: PortfolioTrialsAnswer) -> dict[str, bytes]:
        """Of `Depends`: files of every leg."""
        return {
            _file(number, name): source.tobytes()
            for number, leg in enumerate(self.planned.spec.legs)
            for name, source in ExecutedLeg(**answer.legs[leg.name]).sources.items()
        }

    def told(self, answer: PortfolioTrialsAnswer) -> Mapping[str, Any]:
        """Of `Depends`."""
        sources = _by_leg(hashes(self.executed(answer)))
        executed = [
            ExecutedInputs({}, answer.legs[leg.name]["versions"], sources[number])
            for number, leg in enumerate(self.planned.spec.legs)
        ]
        return portfolio_inputs(self.planned, self.loaded, executed, answer.source)

    def changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
        """Of `Depends`."""
        return tuple(portfolio_changes(before, now))
