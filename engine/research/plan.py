"""A sweep before anything is loaded for it: its combinations, its strategies' longest warm-ups, its markets."""

from __future__ import annotations

import difflib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.errors import InputError, RunError, StrategyError
from engine.model.combinations import Combinations
from engine.model.market import Market
from engine.model.metric_definitions import SUMMARY
from engine.model.parameters import StrategyInfo
from engine.model.reads import Reads, Warmup
from engine.model.run import RunSpec
from engine.model.simulators import choose_engine
from engine.model.sweep import BegunSweep
from engine.model.sweep_spec import SweepSpec
from engine.parallel.job import Done
from engine.parallel.tasks import Answered, AskWorkers, Begun, WarmupAnswer, WarmupTask
from engine.research.ledger import PlannedSweep
from engine.research.resuming import refuse_other_source
from engine.research.run_subject import RunSubject
from engine.research.trials import plan_trials
from engine.runs.plan import PlannedRun, read_by, sources_now

WARMUP_TIMEOUT_S: Final = 60.0
# in one question: of more all workers get their share, and have the strategy's process by the first trial
WARMUP_TRIALS: Final = 500


def check_objectives(spec: SweepSpec) -> None:
    """Raise InputError where a sweep keeps no metric of such a name."""
    for name in spec.objectives:
        if name not in SUMMARY:
            near = difflib.get_close_matches(name, SUMMARY, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(SUMMARY)}"
            raise InputError(f"unknown objective {name!r}; {hint}")


def plan_sweep(
    spec: SweepSpec,
    info: StrategyInfo,
    find_market: Callable[[str], Market],
    ask: AskWorkers,
    begun: BegunSweep | None = None,
) -> PlannedSweep[RunSubject]:
    """The sweep of a strategy with its combinations and their longest warm-up; markets are looked for by their symbols when
    the rest is right. `begun`: it goes on.

    Raises InputError or StrategyError; nothing is fetched.
    """
    if begun is not None:
        for one in (begun, *begun.markets):
            refuse_other_source("sweep", begun.sweep.id, one.inputs, Path(info.path))
    check_objectives(spec)
    trials = plan_trials(spec, info.params)
    market, *others = (find_market(symbol) for symbol in spec.symbols or (spec.symbol,))
    sweep, sources = begun.sweep.id if begun else str(uuid.uuid4()), sources_now(info)
    run = RunSpec(
        spec.strategy,
        market.name,
        market.exchange,
        spec.timeframe,
        spec.period if begun is None else begun.sweep.period,
        trials.fixed,
        spec.costs,
        choose_engine("auto", native=info.kind == "native"),
    )
    asked = ask(warmup_tasks(sweep, trials.probes(), info, sources), WARMUP_TIMEOUT_S)
    reads, longest = longest_of(asked, info.name)
    reading = read_by(reads, longest.to_json(), run, lambda symbol, _: find_market(symbol))
    base = PlannedRun(
        id=sweep,
        spec=run,
        market=market,
        strategy_path=Path(info.path),
        params=trials.fixed,
        warmup=longest.building(reading.reads, spec.timeframe),
        sources=sources,
        reading=reading,
    )
    names = [one.name for one in (market, *others)]
    created_ms = begun.sweep.created_ms if begun else time.time_ns() // 1_000_000
    planned = PlannedSweep(spec.on(*names), trials, RunSubject(base), created_ms, begun)
    return _over(planned, [market, *others]) if others else planned


def _over(planned: PlannedSweep[RunSubject], markets: Sequence[Market]) -> PlannedSweep[RunSubject]:
    """As one over several markets: a sweep of the same trials on each."""
    begun = planned.begun.markets if planned.begun else ()
    each = []
    for at, market in enumerate(markets):
        before = begun[at] if at < len(begun) else None
        subject = planned.subject.on(market, before.sweep.id if before else str(uuid.uuid4()))
        if before:
            subject = subject.begun_before(before.sweep.id, before.sweep.period)
        each.append(
            PlannedSweep(
                planned.spec.on(market.name),
                planned.trials,
                subject,
                planned.created_ms,
                before,
                part_of=planned.id,
                beside=len(markets),
            )
        )
    return replace(planned, markets=tuple(each))


def warmup_tasks(
    asked_for: str, probes: Combinations, info: StrategyInfo, sources: Begun
) -> list[WarmupTask]:
    """The questions for the longest warm-up of these combinations; a worker asks those of one `asked_for` in one process."""
    return [
        WarmupTask(
            sweep=asked_for,
            strategy=Path(info.path),
            sources=sources,
            combinations=probes.some(slice(at, at + WARMUP_TRIALS)),
        )
        for at in range(0, len(probes), WARMUP_TRIALS)
    ]


def longest_of(answers: Sequence[Answered[WarmupAnswer]], name: str) -> tuple[Mapping[str, Any], Warmup]:
    """What a strategy reads beside its candles (`Reads.to_json`), and the longest warm-up of all combinations; raises
    StrategyError or RunError, by its `name`, where it cannot say.
    """
    reads, longest = Reads().to_json(), Warmup()
    for outcome in answers:
        if not isinstance(outcome, Done):
            kind = StrategyError if getattr(outcome, "kind", "") == StrategyError.__name__ else RunError
            raise kind(f"{name}: {outcome.message}; nothing was run")
        reads = dict(outcome.value.reads)
        longest = longest.longest(Warmup.from_json(outcome.value.longest))
    return reads, longest
