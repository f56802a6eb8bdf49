"""A portfolio made: candles of all legs, each leg's strategy asked in a worker, then all of them played on one wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from engine.errors import BacktestError, InputError
from engine.events import CancelToken, OnEvent, Progress, ProgressMeter
from engine.model.market import short_time
from engine.model.portfolio_result import PortfolioResult
from engine.model.simulators import COMPILED, PLAIN
from engine.parallel.job import Done
from engine.parallel.portfolio_tasks import (
    LegAnswer,
    LegTask,
    PlayedLeg,
    PortfolioAnswer,
    PortfolioTask,
    SaidSignals,
)
from engine.parallel.tasks import Answered, AskWorkers
from engine.runs.load import LoadedSeries
from engine.runs.plan import PlannedRun
from engine.runs.plan_series import PlanSeries
from engine.runs.portfolio_plan import PlannedPortfolio
from engine.runs.portfolio_record import (
    crosscheck_of,
    failed_portfolio,
    finished_portfolio,
    sources_of_legs,
)
from engine.runs.record import skipped_crosscheck

if TYPE_CHECKING:
    from engine.runs.load import SeriesLoader
    from engine.runs.terms import TermsLoader

# leg candles that all portfolios with one leg left out may play together: ten seconds or so
_MOST_LEFT_OUT: Final = 200_000_000
Made = tuple[PortfolioResult, Mapping[str, bytes]]


class PortfolioWork:
    """Makes one portfolio; owns nothing that outlives the call."""

    def __init__(
        self,
        planned: PlannedPortfolio,
        loader: SeriesLoader,
        terms: TermsLoader,
        ask: AskWorkers,
        *,
        timeout_s: float,
        most_checked: int,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> None:
        self._planned, self._loader, self._terms, self._ask = planned, loader, terms, ask
        self._timeout_s, self._most_checked = timeout_s, most_checked
        self._on_event, self._cancel = on_event, cancel

    def run(self, *, fetch: bool) -> Made:
        """The portfolio as it ended, and the sources that its strategies executed, by their hash. One with a leg that fails
        is failed, names the leg and has no figures.

        Raises, naming the leg, where candles lack, InputError where the legs never trade at the same time; Interrupted when
        the user stops it. Nothing is kept of it then but candles.
        """
        for planned in self._planned.runs:
            if planned.problem:
                return failed_portfolio(
                    self._planned, self._named(planned, planned.problem.message), planned.problem.traceback
                )
        loaded = load_legs(self._planned, self._loader, self._terms, self._cancel, fetch=fetch)
        answers = self._legs(loaded)
        for planned, answer in zip(self._planned.runs, answers, strict=True):
            if not isinstance(answer, Done):
                return failed_portfolio(self._planned, self._named(planned, answer.message), answer.traceback)
        return self._together(loaded, [answer.value for answer in answers if isinstance(answer, Done)])

    def _named(self, planned: PlannedRun, message: str) -> str:
        """What befell a leg, with its name."""
        number = next(at for at, one in enumerate(self._planned.runs) if one is planned)
        return f"leg {self._planned.spec.legs[number].name!r}: {message}"

    def _legs(self, loaded: Sequence[LoadedSeries]) -> Sequence[Answered[LegAnswer]]:
        """What each strategy said, asked in parallel."""
        tasks = [
            LegTask(
                strategy=planned.strategy_path,
                sources=planned.sources,
                params=dict(planned.params),
                candles=series.file,
                warmup=planned.warmup,
                costs=leg.costs,
                perpetual=series.terms.file,
                windows=planned.spec.windows,
                rank=leg.rank,
                checks=planned.spec.checks,
            )
            for planned, series, leg in zip(self._planned.runs, loaded, self._planned.spec.legs, strict=True)
        ]
        meter = ProgressMeter(self._planned.id, len(tasks), "legs", self._on_event)
        return self._ask(tasks, self._timeout_s, on_done=lambda: meter.add(1))

    def _together(self, loaded: Sequence[LoadedSeries], answers: Sequence[LegAnswer]) -> Made:
        """All legs on their wallet, by the compiled simulator, and by the plain one that checks it."""
        candles = sum(len(series.candles.within(series.period)) for series in loaded)
        others = self._left_out(candles)
        legs = self._played(loaded, answers)
        rules = self._planned.spec.rules
        tasks = [PortfolioTask(legs=legs, rules=rules, engine=COMPILED, others=others)]
        skipped = _too_much(candles, self._most_checked)
        if skipped is None:
            tasks.append(PortfolioTask(legs=legs, rules=rules, engine=PLAIN))
        outcome, *second = self._ask(tasks, self._timeout_s, self._progress)
        sources, hashed = sources_of_legs(answers)
        if not isinstance(outcome, Done):
            return failed_portfolio(self._planned, outcome.message, outcome.traceback)
        check = (
            skipped_crosscheck(skipped) if skipped is not None else self._checked(outcome.value, second[0])
        )
        made = finished_portfolio(self._planned, loaded, answers, outcome.value, hashed, check)
        return made, sources

    def _checked(self, ours: PortfolioAnswer, theirs: Answered[PortfolioAnswer]) -> dict[str, object]:
        if not isinstance(theirs, Done):
            return skipped_crosscheck(f"the plain simulator did not get through: {theirs.message}")
        return crosscheck_of(self._planned.spec, ours, theirs.value)

    def _played(self, loaded: Sequence[LoadedSeries], answers: Sequence[LegAnswer]) -> list[PlayedLeg]:
        spec = self._planned.spec
        return [
            PlayedLeg(
                name=leg.name,
                candles=series.file,
                timeframe=leg.timeframe.name,
                said=SaidSignals(**answer.said),
                reverse=answer.reverse,
                weight=weight,
                weights=ruling,
                costs=leg.costs,
                rank=answer.rank,
                perpetual=series.terms.file,
            )
            for leg, series, answer, weight, ruling in zip(
                spec.legs, loaded, answers, self._planned.weights, self._planned.ruling_weights, strict=True
            )
        ]

    def _left_out(self, candles: int) -> dict[str, dict[str, float]]:
        """The weights of the legs that remain without each of them; none where that would be too much to play."""
        spec = self._planned.spec
        if candles * len(spec.legs) > _MOST_LEFT_OUT:
            return {}
        rest = {
            leg.name: spec.without(leg.name) for leg in spec.legs
        }  # none of one without which nothing is bought
        return {
            name: {leg.name: weight for leg, weight in zip(left.legs, left.stages[0][1].weights, strict=True)}
            for name, left in rest.items()
            if left is not None
        }

    def _progress(self, done: float, total: float | None, unit: str) -> None:
        self._on_event(Progress(self._planned.id, done, total, unit))


def load_legs(
    planned: PlannedPortfolio, loader: SeriesLoader, terms: TermsLoader, cancel: CancelToken, *, fetch: bool
) -> list[LoadedSeries]:
    """The candles of every leg, fetched where they lack. Raises, naming the leg, what keeps one from being had; InputError
    where the legs never trade at the same time.
    """
    plan = PlanSeries(loader, terms, planned.runs, fetch=fetch)
    loaded, spans = [], {}
    for leg, run in zip(planned.spec.legs, planned.runs, strict=True):
        cancel.raise_if_cancelled()
        try:
            series = plan.of(run)
        except BacktestError as error:
            raise type(error)(f"leg {leg.name!r}: {error}") from error
        loaded.append(series)
        first, last = series.candles.within(series.period).timestamp[[0, -1]].tolist()
        spans[leg.name] = first, last
    check_overlap(spans)
    return loaded


def check_overlap(spans: Mapping[str, tuple[int, int]]) -> None:
    """Raise InputError where one leg's candles end before another's begin; of each leg the first and last open time, ms."""
    late, early = max(spans, key=lambda name: spans[name][0]), min(spans, key=lambda name: spans[name][1])
    first, last = spans[late][0], spans[early][1]
    if first > last:
        raise InputError(
            f"the legs' periods do not overlap: {early!r} has its last candle at {short_time(last)}, {late!r} its first at "
            f"{short_time(first)}; leave one of them out"
        )


def _too_much(candles: int, most: int) -> str | None:
    """Why the plain simulator is not asked."""
    if not most:
        return "switched off by BACKTEST_CROSSCHECK"
    if candles > most:
        return f"{candles:,} candles of all legs are more than the {most:,} that are checked unasked (BACKTEST_CROSSCHECK)"
    return None
