"""What workers are asked and what they answer: frozen on both sides of the process border.

A task names the class of its answer; `engine.jobs.registry` names the function that makes one of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from engine.model.account import Costs
from engine.model.combinations import Combinations
from engine.model.detail import DetailFile
from engine.model.market import CandleFile, Float64Array, Int64Array
from engine.model.parameters import ParamValue
from engine.model.perpetual import PerpetualFile
from engine.model.window_params import WindowParams
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
        self,
        tasks: Sequence[Task[A]],
        timeout_s: float,
        on_progress: OnProgress | None = None,
        on_done: Callable[[], None] | None = None,
    ) -> Sequence[Answered[A]]:
        """How each of them ended; `on_done` is called for each that has, in order."""


def _read(answer: type[A], fields: Mapping[str, Any]) -> A:
    return answer(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTask:
    """What is asked of a strategy over candles: `warmup` of them are wanted in front of the period. `sources`: what its
    files held when the work began, by name; what is not among them is read. `windows`: in place of `params`, which of
    them rule when.
    """

    strategy: Path
    sources: Begun = field(default_factory=dict)
    params: Mapping[str, Any]
    candles: CandleFile
    warmup: int
    costs: Costs = field(default_factory=Costs)
    perpetual: PerpetualFile | None = None
    windows: Sequence[WindowParams] = ()


def _no_times() -> Int64Array:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """A run as a worker made it. `params` are complete; `trades`: a column per field of Trade; `equity`: one value per
    candle of the period; `indicators`: None unless kept; `engine`: what ran. `walked`, `doubted`: with a detail, open times
    (ms) of candles that finer ones played, and of those that they would have to.
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
    walked: Int64Array = field(default_factory=_no_times)
    doubted: Int64Array = field(default_factory=_no_times)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedTask(StrategyTask):
    """A strategy to be played by a simulator. `detail`: the finer candles known so far of a run that looks inside its
    candles.
    """

    engine: str
    timeframe: str
    detail: DetailFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask(PlayedTask, Task[RunAnswer]):
    """Run one backtest. `checks`: whether to look for look-ahead and a short warm-up."""

    answer = RunAnswer
    keep_indicators: bool = True
    checks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippagesAnswer:
    """A run at some slippages. `figures`: float64 (m, len(FIGURES)), NaN where one has no meaning or the run failed;
    `trades`: of each a digest of when it was in which position, "" where it failed; `errors`: `[index, line]` of those;
    `break_even`: the slippage at which the first profit along the row ends, None where none does.
    """

    figures: Float64Array
    trades: Sequence[str]
    errors: Sequence[tuple[int, str]]
    break_even: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippagesTask(PlayedTask, Task[SlippagesAnswer]):
    """Make one run at each of `slippages` (ascending fractions) in place of that of its costs."""

    answer = SlippagesAnswer
    slippages: Sequence[float]


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
class PathsAnswer:
    """A run on candles that could have been. `equity`: float64 (m, days + 1), the cash and the value at the end of each UTC
    day, NaN of a path that failed; `errors`: `[index, line]` of those; `elapsed_s`: what the paths alone took.
    """

    equity: Float64Array
    errors: Sequence[tuple[int, str]]
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsTask(StrategyTask, Task[PathsAnswer]):
    """Make one run on other candles, once for each of `numbers`: 0 is the real ones, any other draws its own from `seed`.

    `blocks`: the mean length of the blocks that the candles are put together from, None = in their order; `noise`: of each
    close, in standard deviations. A worker asks all tasks of one `study` in one process of the strategy's own.
    """

    answer = PathsAnswer
    study: str
    timeframe: str
    numbers: Sequence[int]
    seed: int
    blocks: float | None
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareAnswer:
    """Every parameter, checked and complete; the warm-up that the strategy asks for with them (`Warmup.to_json`), and what
    it reads beside its candles (`Reads.to_json`).
    """

    params: Mapping[str, ParamValue]
    warmup: Mapping[str, int]
    reads: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareTask(Task[PrepareAnswer]):
    """What must be known of a strategy before its candles are loaded."""

    answer = PrepareAnswer
    strategy: Path
    sources: Begun = field(default_factory=dict)
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsAnswer:
    """A batch as a worker tried it. `metrics`: float64 (m, len(SUMMARY)), NaN where one has no meaning; `returns`: float64
    (len(task.kept), days), of UTC days, NaN of a trial that failed; `errors`: `[index, line]` of the trials that failed;
    `engine`: what ran; `elapsed_s`: what the trials alone took.
    """

    metrics: Float64Array
    returns: Float64Array
    errors: Sequence[tuple[int, str]]
    engine: str
    versions: Mapping[str, str]
    sources: Sources
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptTask:
    """Combinations to try on the same candles; `memory_bytes`: for indicators kept between trials and batches.

    A worker asks all tasks of one `sweep` in one process of the strategy's own.
    """

    sweep: str
    strategy: Path
    sources: Begun = field(default_factory=dict)
    combinations: Combinations
    candles: CandleFile
    timeframe: str
    warmup: int
    costs: Costs
    memory_bytes: int
    perpetual: PerpetualFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsTask(SweptTask, Task[TrialsAnswer]):
    """Try combinations over the whole period; `kept`: positions (k,), ascending, of those whose daily returns are wanted."""

    answer = TrialsAnswer
    kept: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTrialsAnswer:
    """A batch as a worker tried it in every span. `figures`: float64 (m, spans, figures), NaN where one has no meaning or
    the run failed; `errors`: as in TrialsAnswer, of trials with a span that failed; `engine`, `elapsed_s`: as there.
    """

    figures: Float64Array
    errors: Sequence[tuple[int, str]]
    engine: str
    versions: Mapping[str, str]
    sources: Sources
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTrialsTask(SweptTask, Task[WindowTrialsAnswer]):
    """Try combinations, each over every span (positions start..stop of the period's candles) from a flat account: asked once
    over all candles. `figures`: of SUMMARY, which are wanted.
    """

    answer = WindowTrialsAnswer
    spans: Sequence[tuple[int, int]]
    figures: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupAnswer:
    """The longest warm-up that any combination asks for, timeframe by timeframe (`Warmup.to_json`); what the strategy reads
    beside its candles (`Reads.to_json`).
    """

    longest: Mapping[str, int]
    reads: Mapping[str, Any]


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
    `sources`: the sha256 of each file that was executed for it, by name. What is read: as there.
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
    timeframes: Sequence[str]
    symbols_read: Sequence[str]
    build_timeframes: bool
    warmups: Mapping[str, int]


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
