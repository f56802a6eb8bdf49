"""Engine: the one door for the command line, the desktop and whoever writes a program on top.

Blocking and thread-safe. Nothing is opened before it is needed: no database for `strategies`, no exchange for `show`.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import threading
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from engine.coverage import Coverage
from engine.errors import InputError, Interrupted, RunError, reason
from engine.events import CancelToken, OnEvent, as_job, ignore_event
from engine.logs import log_to_file
from engine.market import DEFAULT_EXCHANGE, Candles, Market, Period, Timeframe, check_exchange
from engine.parallel.kernels import VARIABLE, bring_kernels, kernel_folder, say_whole
from engine.planning import check_strategies
from engine.research_service import ResearchService
from engine.settings import Settings, read_settings
from engine.strategy import StrategyInfo

if TYPE_CHECKING:
    from engine.backtest.metric_definitions import MetricDefinition
    from engine.data.candle_cache import CandleCache
    from engine.data.fetcher import DataFetcher
    from engine.database.store import Store
    from engine.doctor import Finding
    from engine.parallel.job import OnProgress
    from engine.parallel.pool import WorkerPool


# what every compiled run needs; workers import it, and load its kernels, while the candles are still being fetched
WORKER_IMPORTS = (
    "engine.backtest.simulation",
    "engine.backtest.compiled",
    "engine.backtest.metrics",
    "engine.indicators.loops",
    "engine.backtest.compilation:rehearse",
)
COMPILE_FUNCTION: Final = "engine.backtest.compilation:compile_job"
COMPILE_TIMEOUT_S: Final = 600.0


class Engine(ResearchService):
    """Everything the program can do. Use it as a context manager, or call `close` when done."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or read_settings()
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._fetcher: DataFetcher | None = None
        self._cache: CandleCache | None = None
        self._pool: WorkerPool | None = None
        self._closed = False
        self._compiling = threading.Lock()
        self._compiled = False
        self._prepare_home()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers, close the database and the loopback market. Safe to call twice."""
        with self._lock:
            self._closed = True
            pool, fetcher, store = self._pool, self._fetcher, self._store
            self._pool = self._fetcher = self._cache = self._store = None
        for part in (pool, fetcher, store):
            if part is not None:
                part.close()

    # -- parts, opened when first needed

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

                self._store = open_store(self.settings)
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

    @functools.cached_property
    def kernels(self) -> Path:
        """Where workers keep what they compiled."""
        return kernel_folder(self.settings.cache_folder / "numba")

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

    # -- markets and candles

    def markets(
        self, exchange: str = DEFAULT_EXCHANGE, *, refresh: bool = False
    ) -> list[tuple[Market, bool]]:
        """Every market of the exchange, and whether it is active: in our tables and kept up to date."""
        check_exchange(exchange)
        found = self.fetcher.markets(exchange, refresh=refresh)
        active = self.store.active_symbols(exchange)
        return [(market, market.name in active) for market in found]

    def status(
        self, symbol: str, timeframe: Timeframe, period: Period, *, exchange: str = DEFAULT_EXCHANGE
    ) -> Coverage:
        """What is held of the period, without network."""
        return self.fetcher.status(self.market(symbol, exchange), timeframe, period)

    def candles(
        self, symbol: str, timeframe: Timeframe, period: Period, *, exchange: str = DEFAULT_EXCHANGE
    ) -> Candles:
        """The held candles of the period; never fetches."""
        return self.cache.load(self.market(symbol, exchange), timeframe, timeframe.align(period)).candles

    # -- strategies

    def strategies(self, *, on_event: OnEvent = ignore_event) -> list[StrategyInfo]:
        """Every strategy found, the broken ones with their error. Starts a worker when a file is new or changed."""
        from engine.loader import find_strategy_files, strategy_folders, strategy_infos

        files = find_strategy_files(strategy_folders(self.settings))
        return strategy_infos(files, partial(self.in_workers, on_event=on_event), self.settings.cache_folder)

    def chosen_strategies(
        self, names: Collection[str], *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> dict[str, StrategyInfo]:
        """The strategies of these names, without looking into any other file.

        Raises InputError for an unknown name, StrategyError for one that does not load.
        """
        from engine.loader import find_strategy_files, strategy_folders, strategy_infos

        files = find_strategy_files(strategy_folders(self.settings))
        wanted = [file for file in files if file.name in names]
        in_workers = partial(self.in_workers, cancel=cancel, on_event=on_event)
        infos = strategy_infos(wanted, in_workers, self.settings.cache_folder)
        return check_strategies(names, [file.name for file in files], infos)

    def in_workers(
        self,
        function: str,
        payloads: Sequence[dict[str, Any]],
        timeout_s: float,
        cancel: CancelToken | None = None,
        on_progress: OnProgress | None = None,
        on_event: OnEvent = ignore_event,
    ) -> list[Any]:
        """Call `function` in workers, once per payload, in parallel; the outcomes in order. Stops with `cancel`."""
        if payloads:
            self.compile_kernels(on_event, cancel)
        return self._answers(function, payloads, timeout_s, cancel, on_progress)

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
            (outcome,) = self._answers(COMPILE_FUNCTION, [{}], COMPILE_TIMEOUT_S, cancel)
            if not hasattr(outcome, "value"):
                why = getattr(outcome, "message", outcome)
                raise RunError(f"the engine cannot be compiled into {self.kernels}: {why}")

        as_job("compile", "compile", "compiling the engine, once after installation", on_event, work)
        say_whole(self.kernels)
        return True

    def _answers(
        self,
        function: str,
        payloads: Sequence[dict[str, Any]],
        timeout_s: float,
        cancel: CancelToken | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Any]:
        running = [
            self.pool.submit(function, payload, timeout_s=timeout_s, on_progress=on_progress)
            for payload in payloads
        ]
        outcomes = []
        for job in running:
            while not job.done():
                with contextlib.suppress(TimeoutError):
                    job.result(timeout_s=0.1)
                if cancel is not None and cancel.cancelled:
                    for stopped in running:
                        stopped.cancel()
                    cancel.raise_if_cancelled()
            outcomes.append(job.result())
        return outcomes

    def new_strategy(self, name: str) -> Path:
        """Write a working template into the user's plug-in folder."""
        from engine.export import write_text
        from engine.loader import template

        if not name.isidentifier() or name.startswith("_") or not name.isascii():
            raise InputError(f"{name!r} cannot name a strategy; use letters, digits and _, e.g. my_strategy")
        path = self.settings.user_strategies / f"{name}.py"
        taken = next((info.path for info in self.strategies() if info.name == name), None)
        if path.exists() or taken:
            raise InputError(f"there is already a strategy {name!r} in {taken or path}; nothing was changed")
        write_text(path, template(name))
        return path

    def metric_definitions(self) -> dict[str, MetricDefinition]:
        """Title, unit and definition of every metric."""
        from engine.backtest.metric_definitions import DEFINITIONS

        return dict(DEFINITIONS)

    # -- set-up

    def doctor(self) -> list[Finding]:
        """What the program sees of its surroundings, and what is wrong in words."""
        from engine.doctor import examine

        return examine(self)
