"""Engine: the one door for the command line, the desktop and whoever writes a program on top.

Blocking and thread-safe. Nothing is opened before it is needed: no database for `strategies`, no exchange for `show`.
"""

from __future__ import annotations

import difflib
import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.batch import PREPARE_FUNCTION, PREPARE_TIMEOUT_S, Batch, PlannedRun, new_run_id
from engine.candle_service import CandleService
from engine.coverage import Coverage
from engine.errors import InputError, StrategyError
from engine.events import CancelToken, OnEvent, ignore_event
from engine.logs import log_to_file
from engine.market import DEFAULT_EXCHANGE, Candles, Market, Period, Timeframe, check_exchange
from engine.runs import RunResult, RunSpec
from engine.settings import Settings, read_settings
from engine.strategy import StrategyInfo

if TYPE_CHECKING:
    from engine.backtest.metric_definitions import MetricDefinition
    from engine.data.fetcher import DataFetcher
    from engine.database.store import HeldSeries, Store
    from engine.doctor import Finding
    from engine.parallel.pool import WorkerPool

log = logging.getLogger(__name__)

# what every run needs; workers import it while the candles are still being fetched
WORKER_IMPORTS = ("engine.backtest.simulation", "engine.backtest.reference", "engine.indicators")


class Engine(CandleService):
    """Everything the program can do. Use it as a context manager, or call `close` when done."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or read_settings()
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._fetcher: DataFetcher | None = None
        self._pool: WorkerPool | None = None
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
            pool, fetcher, store = self._pool, self._fetcher, self._store
            self._pool = self._fetcher = self._store = None
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
                f"BACKTEST_HOME {home} cannot be written ({error.strerror}); set BACKTEST_HOME to a folder that can"
            ) from error

    @property
    def store(self) -> Store:
        """The database, migrated."""
        with self._lock:
            if self._store is None:
                from engine.database.store import Store

                url = self.settings.database_url
                if url is None:
                    from engine.database.embedded import start_embedded

                    store = Store(start_embedded(self.settings.home))
                else:
                    store = Store(url.get_secret_value())
                store.migrate()
                self._store = store
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
    def pool(self) -> WorkerPool:
        """The warm workers."""
        with self._lock:
            if self._pool is None:
                from engine.parallel.pool import WorkerPool

                self._pool = WorkerPool(
                    self.settings.workers,
                    self.settings.cache_folder / "workers",
                    memory_mb=self.settings.run_memory_mb,
                    preload=WORKER_IMPORTS,
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

    def held(self) -> list[HeldSeries]:
        """Every series of which candles are held."""
        return self.store.held_series()

    def status(
        self, symbol: str, timeframe: Timeframe, period: Period, *, exchange: str = DEFAULT_EXCHANGE
    ) -> Coverage:
        """What is held of the period, without network."""
        return self.fetcher.status(self.market(symbol, exchange), timeframe, period)

    def candles(
        self, symbol: str, timeframe: Timeframe, period: Period, *, exchange: str = DEFAULT_EXCHANGE
    ) -> Candles:
        """The held candles of the period; never fetches."""
        return self.store.read(self.market(symbol, exchange), timeframe, timeframe.align(period))

    # -- strategies

    def strategies(self) -> list[StrategyInfo]:
        """Every strategy found, the broken ones with their error. Starts a worker when a file is new or changed."""
        from engine.loader import find_strategy_files, strategy_folders, strategy_infos

        files = find_strategy_files(strategy_folders(self.settings))
        return strategy_infos(files, self._in_worker, self.settings.cache_folder)

    def _in_worker(self, function: str, payloads: Sequence[dict[str, Any]], timeout_s: float) -> list[Any]:
        """Call `function` in workers, once per payload, in parallel; the outcomes in order."""
        jobs = [self.pool.submit(function, payload, timeout_s=timeout_s) for payload in payloads]
        return [job.result() for job in jobs]

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

    # -- runs

    def run(
        self,
        specs: Sequence[RunSpec],
        *,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> list[RunResult]:
        """Fill the gaps, run every spec in parallel, store and return the results in the order of the specs.

        Raises before anything runs when a symbol, strategy or parameter is unknown or a strategy does not load. A run
        that fails is a result with that status. When the user stops the work, or candles cannot be had for some runs,
        the others are finished and stored first; then Interrupted, ExchangeError, DatabaseError or InputError is raised.
        """
        if not specs:
            raise InputError("nothing to run: name at least one symbol and one strategy")
        self.pool.warm_up()
        plan = self.plan(specs)
        self.settings.cache_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="batch-", dir=self.settings.cache_folder) as scratch:
            batch = Batch(
                self.store,
                self.fetcher,
                self.pool,
                Path(scratch),
                self.settings.home / "unsaved",
                timeout_s=self.settings.run_timeout_s,
                on_event=on_event,
                cancel=cancel or CancelToken(),
            )
            return batch.run(plan, fetch=fetch)

    def plan(self, specs: Sequence[RunSpec]) -> list[PlannedRun]:
        """Check every spec: strategy, parameters, market. Raises InputError or StrategyError; nothing is fetched."""
        infos = {info.name: info for info in self.strategies()}
        markets = {(spec.symbol, spec.exchange): self.market(spec.symbol, spec.exchange) for spec in specs}
        chosen = [_strategy(spec.strategy, infos) for spec in specs]
        payloads = [
            {"strategy_path": info.path, "params": dict(spec.params)}
            for spec, info in zip(specs, chosen, strict=True)
        ]
        prepared = self._prepared(payloads)
        return [
            PlannedRun(
                new_run_id(),
                spec,
                markets[spec.symbol, spec.exchange],
                info.path,
                ready["params"],
                ready["warmup"],
            )
            for spec, info, ready in zip(specs, chosen, prepared, strict=True)
        ]

    def _prepared(self, payloads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Complete parameters and warm-up of each strategy; equal questions are asked once."""
        from engine.parallel.job import Done

        keys = [repr((p["strategy_path"], sorted(p["params"].items()))) for p in payloads]
        distinct = dict(zip(keys, payloads, strict=True))
        outcomes = dict(
            zip(
                distinct,
                self._in_worker(PREPARE_FUNCTION, list(distinct.values()), PREPARE_TIMEOUT_S),
                strict=True,
            )
        )
        for key, outcome in outcomes.items():
            if not isinstance(outcome, Done):
                name = Path(distinct[key]["strategy_path"]).stem
                loads = getattr(outcome, "kind", "") != StrategyError.__name__
                raise (InputError if loads else StrategyError)(f"{name}: {outcome.message}; nothing was run")
        return [outcomes[key].value for key in keys]

    def run_result(self, run_id: str) -> RunResult:
        """A stored run, exactly as it was. A unique beginning of its id is enough."""
        return self.store.run(run_id)

    def runs(self, limit: int = 100) -> list[RunResult]:
        """The newest stored runs, without trades, equity and indicators."""
        return self.store.runs(limit)

    def delete_run(self, run_id: str) -> None:
        """Delete a stored run."""
        self.store.delete_run(run_id)

    def export_run(self, run_id: str, folder: Path) -> list[Path]:
        """Write trades, equity and the whole run as files into `folder`."""
        from engine.export import export_run

        return export_run(self.run_result(run_id), folder)

    # -- set-up

    def doctor(self) -> list[Finding]:
        """What the program sees of its surroundings, and what is wrong in words."""
        from engine.doctor import examine

        return examine(self)


def _strategy(name: str, infos: dict[str, StrategyInfo]) -> StrategyInfo:
    if name not in infos:
        near = difflib.get_close_matches(name, infos, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(sorted(infos))}"
        raise InputError(f"unknown strategy {name!r}; {hint}")
    info = infos[name]
    if info.error is not None:
        raise StrategyError(f"{name} does not load: {info.error}; nothing was run")
    return info
