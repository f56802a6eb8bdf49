"""What the parts of the Engine work with, opened when it is first needed: database, exchange, cache, workers."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ClusterError, InputError, Interrupted, reason
from engine.events import CancelToken, Log, OnEvent, as_job, ignore_event
from engine.jobs.local_pool import brought, check_compiled, compiling, kernels_of, open_pool
from engine.model.market import DEFAULT_EXCHANGE, Market, check_exchange
from engine.parallel.job import Job, OnProgress, Raised, Stopped
from engine.parallel.own_folder import OwnFolder
from engine.parallel.tasks import A, Answered, Task, submit
from engine.service.logs import log_to_file, take_over
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store
    from engine.parallel.dask_cluster import DaskCluster
    from engine.parallel.executor import Executor
    from engine.parallel.pool import WorkerPool


class Resources:
    """Thread-safe. Nothing is opened before it is needed: no database for `strategies`, no exchange for `show`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._opening: Future[Store] | None = None
        self._fetcher: DataFetcher | None = None
        self._cache: CandleCache | None = None
        self._pool: WorkerPool | None = None
        self._cluster: DaskCluster | None = None
        self._closed = False
        self._compiling, self._connecting = threading.Lock(), threading.Lock()
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
            pool, cluster, fetcher, store = self._pool, self._cluster, self._fetcher, self._store
            self._pool = self._cluster = self._fetcher = self._cache = self._store = None
        for part in (pool, cluster, fetcher, store):
            if part is not None:
                part.close()

    def release_database(self) -> None:
        """Stop using the embedded server, as the end of the process would; the last program to do so stops it."""
        if self.settings.database_url is None and sys.platform != "win32":
            from engine.database.embedded import release_embedded

            release_embedded(self.settings.home)

    def _check_open(self) -> None:
        if self._closed:
            raise Interrupted("the engine is closed; what was stored by then is kept")

    @property
    def store(self) -> Store:
        """The database, migrated."""
        return self.opened()

    def opened(self, cancel: CancelToken | None = None) -> Store:
        """The database, migrated. One that accepts and stays silent holds nobody who may be stopped: it is opened in a
        thread of its own, and without the lock.
        """
        with self._lock:
            self._check_open()
            if self._store is not None:
                return self._store
            if self._opening is None:
                self._opening = Future()
                threading.Thread(
                    target=self._open, args=(self._opening,), name="open-database", daemon=True
                ).start()
            opening = self._opening
        while not opening.done():
            wait([opening], 0.1)
            self._check_open()
            if cancel is not None:
                cancel.raise_if_cancelled()
        self._check_open()
        return opening.result()

    def _open(self, opening: Future[Store]) -> None:
        from engine.database.store import open_store

        try:
            store = open_store(self.settings.database_url, self.settings.home)
        except Exception as error:  # noqa: BLE001 - raised in those that wait for it
            with self._lock:
                self._opening = None
            opening.set_exception(error)
            return
        with self._lock:
            self._opening = None
            if self._closed:
                store.close()
            else:
                self._store = store
        opening.set_result(store)

    @property
    def fetcher(self) -> DataFetcher:
        """The filler of gaps."""
        store = self.store
        with self._lock:
            self._check_open()
            if self._fetcher is None:
                from engine.data.fetcher import DataFetcher

                self._fetcher = DataFetcher(store, self.settings)
            return self._fetcher

    @property
    def cache(self) -> CandleCache:
        """Loaded candles as mapped files."""
        store = self.store
        with self._lock:
            self._check_open()
            if self._cache is None:
                from engine.data.candle_cache import CandleCache

                self._cache = CandleCache(store, self.settings.cache_folder / "candles")
            return self._cache

    @property
    def executor(self) -> Executor:
        """Who has jobs done: the warm workers of this machine, or those of the cluster that is set."""
        return self._own_pool() if self.settings.cluster is None else self.cluster()

    def _own_pool(self) -> WorkerPool:
        with self._lock:
            self._check_open()
            if self._pool is None:
                self._pool = open_pool(self.settings, self.settings.workers, self.kernels)
            return self._pool

    def cluster(self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None) -> DaskCluster:
        """The cluster that is set, connected to where that was not done or has been lost. Raises ClusterError."""
        with self._holding(self._connecting, cancel):
            with self._lock:
                self._check_open()
                known = self._cluster
            if known is not None and known.fault is None:
                return known
            if known is not None:
                known.close()
            cluster = self._connected(on_event, cancel)
            with self._lock:
                if self._closed:
                    cluster.close()
                self._check_open()
                self._cluster = cluster
            return cluster

    def _connected(self, on_event: OnEvent, cancel: CancelToken | None) -> DaskCluster:
        """Nothing imports `distributed` before: a second of everybody's start."""
        address = self.settings.cluster
        assert address is not None
        try:
            from engine.parallel.dask_cluster import LOUD, DaskCluster
        except ImportError as error:
            raise InputError(
                f"BACKTEST_CLUSTER is {address}, but Dask is not installed here ({error}): the extra `cluster`"
            ) from error
        from engine.jobs.parcels import identity, pack

        take_over(LOUD)
        cluster = DaskCluster(address, pack=pack, identity=identity())

        def work() -> None:
            cluster.open(cancel.raise_if_cancelled if cancel is not None else lambda: None)
            for line in cluster.refused:
                on_event(Log("cluster", "warning", line))

        as_job("cluster", "cluster", f"connecting to {address}", on_event, work)
        return cluster

    def market(
        self, symbol: str, exchange: str = DEFAULT_EXCHANGE, *, cancel: CancelToken | None = None
    ) -> Market:
        """The market that `symbol` names in any of its spellings; raises InputError with the nearest names."""
        check_exchange(exchange)
        self.opened(cancel)
        return self.fetcher.market(symbol, exchange, cancel=cancel)

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
        return kernels_of(self.settings)

    def warm_up(
        self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None, workers: int | None = None
    ) -> None:
        """`prepare`, and start the workers, or no more than are needed; they get ready while other things are done."""
        self.prepare(on_event, cancel)
        self.executor.warm_up(workers)

    def prepare(self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None) -> None:
        """Have every kernel ready, where jobs are done here: those of the environment, else compiled by one worker; else be
        connected to the cluster, which sees to its own. Both are said before they are felt.
        """
        if self.settings.cluster is not None:
            self.cluster(on_event, cancel)
            return
        with self._holding(self._compiling, cancel):
            self._compiled = self._compiled or brought(self.kernels) or self._compile(on_event, cancel)

    @contextmanager
    def _holding(self, lock: threading.Lock, cancel: CancelToken | None) -> Iterator[None]:
        while not lock.acquire(timeout=0.1):
            if cancel is not None:
                cancel.raise_if_cancelled()
        try:
            yield
        finally:
            lock.release()

    def _compile(self, on_event: OnEvent, cancel: CancelToken | None) -> bool:
        def work() -> None:
            job = compiling(self._own_pool())
            _wait([job], cancel)
            check_compiled(job, self.kernels)

        as_job("compile", "compile", "compiling the engine, once after installation", on_event, work)
        return True

    def workers(self, cancel: CancelToken | None = None, on_event: OnEvent = ignore_event) -> Workers:
        """The workers as one call asks them."""
        return Workers(self, cancel, on_event)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers for one call, which `cancel` stops; `on_event` hears it where they have to be made ready first."""

    resources: Resources
    cancel: CancelToken | None
    on_event: OnEvent

    def ask(
        self,
        tasks: Sequence[Task[A]],
        timeout_s: float,
        on_progress: OnProgress | None = None,
        on_done: Callable[[], None] | None = None,
    ) -> list[Answered[A]]:
        """Have each task done, in parallel; the outcomes in order. Raises Interrupted when it is stopped."""
        if not tasks:
            return []
        self.resources.prepare(self.on_event, self.cancel)
        running = [
            submit(self.resources.executor, task, timeout_s=timeout_s, on_progress=on_progress)
            for task in tasks
        ]
        return _wait(running, self.cancel, on_done)


def _wait(
    running: Sequence[Job[A]], cancel: CancelToken | None, on_done: Callable[[], None] | None = None
) -> list[Answered[A]]:
    """How each of them ended."""
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
        if isinstance(outcome, Raised) and outcome.kind == ClusterError.__name__:
            raise ClusterError(outcome.message)
        outcomes.append(outcome)
        if on_done is not None:
            on_done()
    return outcomes
