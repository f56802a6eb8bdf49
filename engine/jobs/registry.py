"""Which function does which task: the one place where what is asked of workers meets what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.backtest.rules import Report
from engine.jobs.compile import compile_job
from engine.jobs.describe import describe_job
from engine.jobs.lookahead import lookahead_job
from engine.jobs.paths import run_paths
from engine.jobs.portfolio import leg_job, portfolio_job
from engine.jobs.portfolio_trials import run_portfolio_trials
from engine.jobs.portfolio_window_trials import run_portfolio_window_trials
from engine.jobs.prepare import prepare_job
from engine.jobs.run import run_job
from engine.jobs.slippages import run_slippages
from engine.jobs.trials import longest_warmup, run_trials
from engine.jobs.window_trials import run_window_trials
from engine.loader.sources import go_on_with
from engine.parallel.portfolio_tasks import (
    LegTask,
    PortfolioTask,
    PortfolioTrialsTask,
    PortfolioWindowTrialsTask,
)
from engine.parallel.tasks import (
    A,
    CompileTask,
    DescribeTask,
    LookaheadTask,
    Nothing,
    PathsTask,
    PrepareTask,
    ProbeTask,
    RunTask,
    SlippagesTask,
    Task,
    TrialsTask,
    WarmupTask,
    WindowTrialsTask,
)


def probe_job(_task: ProbeTask, _report: Report) -> Nothing:
    """Nothing: that it was called is the proof."""
    return Nothing()


FUNCTIONS: Final[Mapping[type[Task[Any]], Callable[[Any, Report], Any]]] = {
    CompileTask: compile_job,
    DescribeTask: describe_job,
    LegTask: leg_job,
    LookaheadTask: lookahead_job,
    PathsTask: run_paths,
    PortfolioTask: portfolio_job,
    PortfolioTrialsTask: run_portfolio_trials,
    PortfolioWindowTrialsTask: run_portfolio_window_trials,
    PrepareTask: prepare_job,
    ProbeTask: probe_job,
    RunTask: run_job,
    SlippagesTask: run_slippages,
    TrialsTask: run_trials,
    WarmupTask: longest_warmup,
    WindowTrialsTask: run_window_trials,
}


def perform(task: Task[A], report: Report) -> A:
    """Do a task in this process. That a run is under way is told at once: others are still waiting for their worker."""
    if isinstance(task, RunTask):
        report(0, None, "candles")
    go_on_with(_by_path(task))
    try:
        answer: A = FUNCTIONS[type(task)](task, report)
    finally:
        go_on_with({})
    return answer


def _by_path(task: Any) -> Mapping[str, bytes]:
    """What a task says its strategy's files hold, or those of its legs."""
    return {
        str(one.strategy.parent / name): source
        for one in (task, *getattr(task, "legs", ()))
        for name, source in getattr(one, "sources", {}).items()
    }
