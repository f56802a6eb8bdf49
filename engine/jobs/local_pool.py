"""The pool of this machine: with what every run needs imported, and every kernel compiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import RunError
from engine.jobs.kernels import VARIABLE, bring_kernels, kernel_folder, say_whole
from engine.parallel.job import Done, Job
from engine.parallel.tasks import CompileTask, Nothing, submit
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.parallel.executor import Executor
    from engine.parallel.pool import WorkerPool

# what every compiled run needs; workers import it, and load its kernels, while the candles are still being fetched
WORKER_IMPORTS: Final = (
    "engine.jobs.registry",
    "engine.backtest.kernel.compiled",
    "engine.backtest.metrics",
    "engine.indicators.loops",
    "engine.jobs.compile:rehearse",
)
COMPILE_TIMEOUT_S: Final = 600.0


def open_pool(settings: Settings, workers: int, kernels: Path) -> WorkerPool:
    """A pool of so many processes, which keep what they compile in `kernels`."""
    from engine.parallel.pool import WorkerPool

    return WorkerPool(
        workers,
        settings.cache_folder / "workers",
        memory_mb=settings.run_memory_mb,
        preload=WORKER_IMPORTS,
        environment={VARIABLE: str(kernels)},
    )


def kernels_of(settings: Settings) -> Path:
    """Where the workers of this data folder keep what they compiled."""
    return kernel_folder(settings.cache_folder / "numba")


def brought(kernels: Path) -> bool:
    """Whether every kernel is there, from the environment where it was not."""
    return bring_kernels(kernels)


def compiling(pool: Executor) -> Job[Nothing]:
    """Have one worker compile every kernel."""
    return submit(pool, CompileTask(), timeout_s=COMPILE_TIMEOUT_S)


def check_compiled(job: Job[Nothing], kernels: Path) -> None:
    """Note that every kernel is there; raises RunError where the job did not end well."""
    outcome = job.result()
    if not isinstance(outcome, Done):
        raise RunError(f"the engine cannot be compiled into {kernels}: {outcome.message}")
    say_whole(kernels)


def have_kernels(pool: Executor, kernels: Path) -> None:
    """Wait until every kernel is there: that of the environment, or compiled by one worker of the pool."""
    if not brought(kernels):
        check_compiled(compiling(pool), kernels)
