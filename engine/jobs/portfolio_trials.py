"""One batch of a portfolio's sweep: what its legs say is asked once, then every combination is played on the wallet.

The worker runs no strategy code: each leg is asked in a process of its own, so that nothing that its strategy does reaches
another leg, and what it said is kept from batch to batch.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from engine.backtest.metrics import length_ms
from engine.backtest.perpetual import Perpetual
from engine.backtest.portfolio.book import LegInput, PortfolioRules
from engine.backtest.questions import signals_of
from engine.backtest.rules import Report
from engine.errors import BacktestError, RunError, StrategyError
from engine.jobs.leg_signals import leg_signals
from engine.loader import kept_process
from engine.model.market import Float64Array, Timeframe
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import ParamValue
from engine.model.portfolio_rules import WALLET, WEIGHED, WEIGHT, by_owner
from engine.model.simulators import COMPILED
from engine.parallel.isolated import Ended, remembered
from engine.parallel.job import Died, TimedOut
from engine.parallel.portfolio_tasks import (
    PortfolioTrialsAnswer,
    PortfolioTrialsTask,
    SweptLeg,
    SweptLegsTask,
)
from engine.reproduction.inputs import portfolio_source, versions_for
from engine.strategy import Signals

# combinations of a leg in one question, and portfolios that are asked for before they are played
MOST_ASKED: Final = 64
_BYTES_A_CANDLE: Final = 32  # of what a leg says: signals, prices

Params = Mapping[str, ParamValue]


def run_portfolio_trials(task: PortfolioTrialsTask, report: Report) -> PortfolioTrialsAnswer:
    """Play every combination of a batch. One whose leg fails, or whose entry cannot be, fails alone.

    Raises StrategyError when the file of a leg does not load and RunError when one has no candle, naming the leg: then no
    trial can be made.
    """
    swept = SweptPortfolio.of(task)
    started = time.monotonic()
    table, errors, days = swept.played(task, report)
    return PortfolioTrialsAnswer(
        metrics=table,
        returns=days,
        errors=errors,
        engine=COMPILED,
        legs={leg.name: leg.executed() for leg in swept.legs},
        source=portfolio_source(),
        elapsed_s=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a leg says over its period with one set of parameters."""

    signals: Signals
    rank: Float64Array | None
    reverse: bool


class AskedLeg:
    """A leg with what its strategy said so far: a Said, or why it failed, by parameters."""

    def __init__(self, leg: SweptLeg, sweep: str, memory_bytes: int) -> None:
        self._leg, self._sweep, self._memory_bytes = leg, sweep, memory_bytes
        candles = leg.candles.load().slice(leg.candles.warmup, None)
        if not len(candles):
            raise RunError(f"leg {leg.name!r}: the period holds no candle; fetch it or choose another")
        self._blank = np.full(len(candles), np.nan)
        nothing = Signals.of({}, self._blank, self._blank)
        perpetual, timeframe = Perpetual.of_file(leg.perpetual), Timeframe(leg.timeframe)
        self._input: Final = LegInput(
            leg.name, candles, nothing, leg.costs, perpetual, False, length_ms(candles, timeframe), leg.weight
        )
        self._said: OrderedDict[str, Said | str] = OrderedDict()
        self._most = max(MOST_ASKED, memory_bytes // 2 // (_BYTES_A_CANDLE * len(candles)))
        self._sources: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        """Its own."""
        return self._leg.name

    @property
    def timeframe(self) -> Timeframe:
        """Of its candles."""
        return Timeframe(self._leg.timeframe)

    @property
    def silent(self) -> LegInput:
        """What it brings beside its signals."""
        return self._input

    def executed(self) -> dict[str, Any]:
        """The fields of ExecutedLeg."""
        sources = {name: source.tobytes() for name, source in self._sources.items()}
        return {"versions": versions_for(sources), "sources": self._sources}

    def ask(self, wanted: Sequence[Params], report: Report) -> None:
        """Ask for what was not asked yet, at most MOST_ASKED; raises Ended naming the leg where that ends its process."""
        missing = {key: params for params in wanted if (key := repr(params)) not in self._said}
        if missing:
            answer = self._answer(missing, report)
            self._sources = answer["sources"]
            self._said |= {key: self._read(one) for key, one in zip(missing, answer["said"], strict=True)}
        for params in wanted:
            self._said.move_to_end(repr(params))
        while len(self._said) > self._most:
            self._said.popitem(last=False)

    def _answer(self, missing: Mapping[str, Params], report: Report) -> dict[str, Any]:
        process = kept_process(self._leg.strategy, self._sweep, self.name)
        asked = self._leg, list(missing.values()), self._memory_bytes // 2
        try:
            answer: dict[str, Any] = process.call(leg_signals, *asked, report=report)
        except Ended as ended:
            named = replace(ended.outcome, message=f"leg {self.name!r}: {ended.outcome.message}")
            if isinstance(named, (Died, TimedOut)) and len(missing) == 1:  # nobody waits for that again
                self._said |= dict.fromkeys(missing, named.message)
            raise Ended(named) from ended
        except (StrategyError, RunError) as error:
            raise type(error)(f"leg {self.name!r}: {error}") from error
        return answer

    def _read(self, told: Mapping[str, Any]) -> Said | str:
        if "error" in told:
            return f"leg {self.name!r}: {told['error']}"
        prices = {name: self._blank if one is None else one for name, one in told["prices"].items()}
        signals = signals_of(told["raw"], prices, told["orders"], len(self._blank))
        return Said(signals, told["rank"], told["reverse"])

    def played(self, params: Params, weight: float) -> LegInput:
        """What it brings with these parameters, which were asked for; raises RunError where it failed with them."""
        said = self._said[repr(params)]
        if isinstance(said, str):
            raise RunError(said)
        return replace(self._input, signals=said.signals, reverse=said.reverse, weight=weight, rank=said.rank)


class SweptPortfolio:
    """The legs of one sweep in a worker, by name, and what all trials on their candles share."""

    def __init__(self, task: SweptLegsTask) -> None:
        from engine.backtest.portfolio.summary import PreparedLegs

        share = task.memory_bytes // len(task.legs)
        ordered = sorted(task.legs, key=lambda leg: leg.name)  # whatever the file's order, one order of sums
        self.legs: Final = [AskedLeg(leg, task.sweep, share) for leg in ordered]
        silent = [leg.silent for leg in self.legs]
        finest = min(range(len(silent)), key=lambda k: silent[k].timeframe_ms)
        self._prepared = PreparedLegs.of(silent, self.legs[finest].timeframe)
        self.spans: Final[dict[tuple[int, int], Any]] = {}  # what a walk-forward prepares of its windows

    @classmethod
    def of(cls, task: SweptLegsTask) -> SweptPortfolio:
        """The kept one where the batch belongs to the same sweep."""
        key = task.sweep, tuple((leg.name, leg.candles, leg.perpetual) for leg in task.legs)
        return remembered(key, lambda: cls(task))

    def played(
        self, task: PortfolioTrialsTask, report: Report
    ) -> tuple[Float64Array, list[tuple[int, str]], Float64Array]:
        """Figures of all combinations, what went wrong with some, daily returns of the `kept` ones."""
        from engine.backtest.portfolio.summary import run_portfolio_summary

        combinations = list(task.combinations)
        table, spare = np.full((len(combinations), len(SUMMARY)), np.nan), np.empty(self._prepared.days)
        returns = np.empty((len(task.kept), self._prepared.days))
        place = {index: at for at, index in enumerate(task.kept.tolist())}
        errors = []
        for index, trial in self.asked(combinations, task.rules, report):
            own = returns[place[index]] if index in place else spare
            try:
                legs = trial.legs_of(self.legs)
                run_portfolio_summary(self._prepared, legs, trial.rules, table[index], own)
            except BacktestError as error:
                table[index], own[:] = np.nan, np.nan
                errors.append((index, str(error)))
            report(index + 1, len(combinations), "trials")
        return table, errors, returns

    def asked(
        self, combinations: Sequence[Params], rules: PortfolioRules, report: Report
    ) -> Iterator[tuple[int, Trial]]:
        """Each trial with its number, once its legs were asked for it."""
        for start in range(0, len(combinations), MOST_ASKED):
            chunk = [
                Trial.of(params, self.legs, rules) for params in combinations[start : start + MOST_ASKED]
            ]
            for k, leg in enumerate(self.legs):
                leg.ask([trial.own[k] for trial in chunk], report)
            yield from enumerate(chunk, start)


@dataclass(frozen=True, slots=True)
class Trial:
    """A combination as it is played: of each leg its parameters and its weight, and the rules of the wallet."""

    own: Sequence[Params]
    weights: Sequence[float]
    rules: PortfolioRules

    @classmethod
    def of(cls, params: Params, legs: Sequence[AskedLeg], rules: PortfolioRules) -> Trial:
        """Of parameters by their names with a dot."""
        told = by_owner(params)
        own = [told.pop(leg.name, {}) for leg in legs]
        if rules.allocation in WEIGHED:
            weights = [float(given.pop(WEIGHT)) for given in own]
        else:
            weights = [leg.silent.weight for leg in legs]
        return cls(own, weights, replace(rules, **told.get(WALLET, {})))  # type: ignore[arg-type]

    def legs_of(self, legs: Sequence[AskedLeg]) -> list[LegInput]:
        """What each brings; raises RunError where one failed with its parameters."""
        return [
            leg.played(own, weight) for leg, own, weight in zip(legs, self.own, self.weights, strict=True)
        ]
