"""What workers are asked and what they answer: frozen on both sides of the process border.

A task names the class of its answer; `engine.jobs.registry` names the function that makes one of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from engine.model.account import Costs
from engine.model.combinations import Combinations
from engine.model.market import CandleFile, Float64Array
from engine.model.parameters import ParamValue
from engine.parallel.job import BadEnd, Done, Job, OnProgress

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

PERFORM: Final = "engine.jobs.registry:perform"

A = TypeVar("A")
Checks = Mapping[str, Mapping[str, Any]]
Begun = Mapping[str, bytes]  # what a strategy's files held when the work began, by name
Sources = Mapping[str, npt.NDArray[np.uint8]]  # the bytes of files that were executed, by name


class Task(Generic[A]):
    """Something for a worker to do. What crosses the border is plain: an answer holds JSON values and numpy arrays."""

    answer: ClassVar[type[Any]]


def submit(
    executor: Executor, task: Task[A], *, timeout_s: float | None, on_progress: OnProgress | None = None
) -> Job[A]:
    """Have a worker do the task; the job's result holds its answer."""
    read = partial(_read, task.answer)
    return executor.submit(PERFORM, task, timeout_s=timeout_s, on_progress=on_progress, read=read)


Answered = Done[A] | BadEnd


class AskWorkers(Protocol):
    """Asks workers, one for each task and in parallel; gives in order how they ended. Raises Interrupted when stopped."""

    def __call__(
        self, tasks: Sequence[Task[A]], timeout_s: float, on_progress: OnProgress | None = None
    ) -> Sequence[Answered[A]]:
        """How each of them ended."""


def _read(answer: type[A], fields: Mapping[str, Any]) -> A:
    return answer(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTask:
    """What is asked of a strategy over candles: `warmup` of them are wanted in front of the period. `sources`: what its
    files held when the work began, by name; what is not among them is read.
    """

    strategy: Path
    sources: Begun = field(default_factory=dict)
    params: Mapping[str, Any]
    candles: CandleFile
    warmup: int
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """A run as a worker made it. `params` are complete; `trades`: a column per field of Trade; `equity`: one value per
    candle of the period; `indicators`: None unless kept; `engine`: what ran.
    """

    params: Mapping[str, ParamValue]
    engine: str
    metrics: Mapping[str, float | int | None]
    signals: Mapping[str, int]
    trades: Mapping[str, Any]
    equity: Float64Array
    indicators: Mapping[str, Float64Array] | None
    checks: Checks
    versions: Mapping[str, str]
    sources: Sources
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask(StrategyTask, Task[RunAnswer]):
    """Run one backtest. `checks`: whether to look for look-ahead and a short warm-up."""

    answer = RunAnswer
    engine: str
    timeframe: str
    keep_indicators: bool = True
    checks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LookaheadAnswer:
    """What an exhaustive search found; `candles`: after how many a cut is possible."""

    lookahead: Mapping[str, Any]
    warmup: Mapping[str, Any]
    candles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookaheadTask(StrategyTask, Task[LookaheadAnswer]):
    """Search one strategy for look-ahead with so many cuts at most."""

    answer = LookaheadAnswer
    cuts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareAnswer:
    """Every parameter, checked and complete, and the warm-up that the strategy asks for with them."""

    params: Mapping[str, ParamValue]
    warmup: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareTask(Task[PrepareAnswer]):
    """What must be known of a strategy before its candles are loaded."""

    answer = PrepareAnswer
    strategy: Path
    sources: Begun = field(default_factory=dict)
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsAnswer:
    """A batch as a worker tried it. `metrics`: float64 (m, len(SUMMARY)), NaN where one has no meaning; `errors`: `[index,
    line]` of the trials that failed; `engine`: what ran; `elapsed_s`: what
    the trials alone took.
    """

    metrics: Float64Array
    errors: Sequence[tuple[int, str]]
    engine: str
    versions: Mapping[str, str]
    sources: Sources
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsTask(Task[TrialsAnswer]):
    """Try combinations on the same candles; `memory_bytes`: for indicators kept between trials and batches.

    A worker asks all tasks of one `sweep` in one process of the strategy's own.
    """

    answer = TrialsAnswer
    sweep: str
    strategy: Path
    sources: Begun = field(default_factory=dict)
    combinations: Combinations
    candles: CandleFile
    timeframe: str
    warmup: int
    costs: Costs
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupAnswer:
    """The longest warm-up that any combination asks for."""

    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupTask(Task[WarmupAnswer]):
    """Ask every combination of a sweep for its warm-up."""

    answer = WarmupAnswer
    sweep: str
    strategy: Path
    sources: Begun = field(default_factory=dict)
    combinations: Combinations


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAnswer:
    """A plug-in file as listed; `error` is None when it loads. `params`, `not_params`, `plots`: as in StrategyInfo;
    `sources`: the sha256 of each file that was executed for it, by name.
    """

    title: str
    description: str
    params: Sequence[Mapping[str, Any]]
    not_params: Sequence[Mapping[str, str]]
    kind: str
    error: str | None
    traceback: str | None
    sources: Mapping[str, str]
    plots: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTask(Task[DescribeAnswer]):
    """Execute a plug-in file and read what it declares."""

    answer = DescribeAnswer
    path: Path


@dataclass(frozen=True, slots=True)
class Nothing:
    """The answer of a task that only has to end well."""


@dataclass(frozen=True, slots=True)
class CompileTask(Task[Nothing]):
    """Compile every kernel."""

    answer = Nothing


@dataclass(frozen=True, slots=True)
class ProbeTask(Task[Nothing]):
    """Prove that a worker starts and answers."""

    answer = Nothing
