"""What the parts of the Engine work with, opened when it is first needed: database, exchange, cache, workers."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import InputError, Interrupted, RunError, reason
from engine.events import CancelToken, OnEvent, as_job, ignore_event
from engine.jobs.kernels import VARIABLE, bring_kernels, kernel_folder, say_whole
from engine.model.market import DEFAULT_EXCHANGE, Market, check_exchange
from engine.parallel.job import Done, OnProgress, Stopped
from engine.parallel.own_folder import OwnFolder
from engine.parallel.tasks import A, Answered, CompileTask, Task, submit
from engine.service.logs import log_to_file
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store
    from engine.parallel.pool import WorkerPool

# what every compiled run needs; workers import it, and load its kernels, while the candles are still being fetched
WORKER_IMPORTS: Final = (
    "engine.jobs.registry",
    "engine.backtest.compiled",
    "engine.backtest.metrics",
    "engine.indicators.loops",
    "engine.jobs.compile:rehearse",
)
COMPILE_TIMEOUT_S: Final = 600.0


class Resources:
    """Thread-safe. Nothing is opened before it is needed: no database for `strategies`, no exchange for `show`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._fetcher: DataFetcher | None = None
        self._cache: CandleCache | None = None
        self._pool: WorkerPool | None = None
        self._closed = False
        self._compiling = threading.Lock()
        self._compiled = False
        self._prepare_home()

    def _prepare_home(self) -> None:
        home = self.settings.home
        try:
            self.settings.cache_folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=home):
                pass
            log_to_file(self.settings.log_file)
        except OSError as error:
            raise InputError(
                f"BACKTEST_HOME {home} cannot be written ({reason(error)}); set BACKTEST_HOME to a folder that can"
            ) from error

    def close(self) -> None:
        """Stop the workers, close the database and the loopback market. Safe to call twice."""
        with self._lock:
            self._closed = True
            pool, fetcher, store = self._pool, self._fetcher, self._store
            self._pool = self._fetcher = self._cache = self._store = None
        for part in (pool, fetcher, store):
            if part is not None:
                part.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Interrupted("the engine is closed; what was stored by then is kept")

    @property
    def store(self) -> Store:
        """The database, migrated."""
        with self._lock:
            self._check_open()
            if self._store is None:
                from engine.database.store import open_store

                self._store = open_store(self.settings.database_url, self.settings.home)
            return self._store

    @property
    def fetcher(self) -> DataFetcher:
        """The filler of gaps."""
        with self._lock:
            if self._fetcher is None:
                from engine.data.fetcher import DataFetcher

                self._fetcher = DataFetcher(self.store, self.settings)
            return self._fetcher

    @property
    def cache(self) -> CandleCache:
        """Loaded candles as mapped files."""
        with self._lock:
            if self._cache is None:
                from engine.data.candle_cache import CandleCache

                self._cache = CandleCache(self.store, self.settings.cache_folder / "candles")
            return self._cache

    @property
    def pool(self) -> WorkerPool:
        """The warm workers."""
        with self._lock:
            self._check_open()
            if self._pool is None:
                from engine.parallel.pool import WorkerPool

                self._pool = WorkerPool(
                    self.settings.workers,
                    self.settings.cache_folder / "workers",
                    memory_mb=self.settings.run_memory_mb,
                    preload=WORKER_IMPORTS,
                    environment={VARIABLE: str(self.kernels)},
                )
            return self._pool

    def market(
        self, symbol: str, exchange: str = DEFAULT_EXCHANGE, *, cancel: CancelToken | None = None
    ) -> Market:
        """The market that `symbol` names in any of its spellings; raises InputError with the nearest names."""
        return self.fetcher.market(symbol, check_exchange(exchange), cancel=cancel)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for the files of one call; those that killed programs left are removed."""
        folder = OwnFolder(self.settings.cache_folder, "batch")
        try:
            yield folder.path
        finally:
            folder.remove()

    @property
    def unsaved(self) -> Path:
        """Where results go that the database did not take."""
        return self.settings.home / "unsaved"

    @property
    def strategy_folders(self) -> list[Path]:
        """Where strategies are looked for: the bundled ones, those of BACKTEST_STRATEGIES, the user's own."""
        from engine.loader import BUNDLED

        return [BUNDLED, *self.settings.strategies, self.settings.user_strategies]

    # -- workers

    @functools.cached_property
    def kernels(self) -> Path:
        """Where workers keep what they compiled."""
        return kernel_folder(self.settings.cache_folder / "numba")

    def warm_up(
        self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None, workers: int | None = None
    ) -> None:
        """Start the workers, or no more than are needed; they get ready while other things are done.

        Where kernels are compiled neither in the environment nor in BACKTEST_HOME, say so and compile them first.
        """
        self.compile_kernels(on_event, cancel)
        self.pool.warm_up(workers)

    def compile_kernels(self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None) -> None:
        """Have every kernel ready: those of the environment, else compiled by one worker, said before it is felt."""
        while not self._compiling.acquire(timeout=0.1):
            if cancel is not None:
                cancel.raise_if_cancelled()
        try:
            self._compiled = self._compiled or bring_kernels(self.kernels) or self._compile(on_event, cancel)
        finally:
            self._compiling.release()

    def _compile(self, on_event: OnEvent, cancel: CancelToken | None) -> bool:
        def work() -> None:
            (outcome,) = _answers(self.pool, [CompileTask()], COMPILE_TIMEOUT_S, cancel)
            if not isinstance(outcome, Done):
                raise RunError(f"the engine cannot be compiled into {self.kernels}: {outcome.message}")

        as_job("compile", "compile", "compiling the engine, once after installation", on_event, work)
        say_whole(self.kernels)
        return True

    def workers(self, cancel: CancelToken | None = None, on_event: OnEvent = ignore_event) -> Workers:
        """The workers as one call asks them."""
        return Workers(self, cancel, on_event)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers for one call, which `cancel` stops; `on_event` hears it where kernels are compiled first."""

    resources: Resources
    cancel: CancelToken | None
    on_event: OnEvent

    def ask(
        self, tasks: Sequence[Task[A]], timeout_s: float, on_progress: OnProgress | None = None
    ) -> list[Answered[A]]:
        """Have each task done, in parallel; the outcomes in order. Raises Interrupted when it is stopped."""
        if not tasks:
            return []
        self.resources.compile_kernels(self.on_event, self.cancel)
        return _answers(self.resources.pool, tasks, timeout_s, self.cancel, on_progress)


def _answers(
    pool: WorkerPool,
    tasks: Sequence[Task[A]],
    timeout_s: float,
    cancel: CancelToken | None,
    on_progress: OnProgress | None = None,
) -> list[Answered[A]]:
    running = [submit(pool, task, timeout_s=timeout_s, on_progress=on_progress) for task in tasks]
    outcomes: list[Answered[A]] = []
    for job in running:
        while not job.done():
            with contextlib.suppress(TimeoutError):
                job.result(timeout_s=0.1)
            if cancel is not None and cancel.cancelled:
                for stopped in running:
                    stopped.cancel()
                cancel.raise_if_cancelled()
        outcome = job.result()
        if isinstance(outcome, Stopped):  # nobody asked for it: the program ends
            raise Interrupted("stopped; what was stored by then is kept")
        outcomes.append(outcome)
    return outcomes
