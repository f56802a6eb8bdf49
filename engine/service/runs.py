"""The part of Engine that makes runs and keeps them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.events import CancelToken, OnEvent, ignore_event
from engine.model.market import Market, Period, Timeframe
from engine.model.parameters import StrategyInfo
from engine.model.run import RunResult, RunSpec
from engine.runs.batch import Batch
from engine.runs.load import SeriesLoader
from engine.runs.plan import make_plan
from engine.service.candles import CandleService

if TYPE_CHECKING:
    from engine.data.candle_cache import CandleCache
    from engine.parallel.job import OnProgress
    from engine.parallel.pool import WorkerPool

SCRATCH: Final = "batch-"  # followed by the pid of the program whose folder it is


class RunService(CandleService):
    """Base of Engine, which provides the candle cache, the workers and the strategies."""

    @property
    def cache(self) -> CandleCache:
        """Loaded candles as mapped files."""
        raise NotImplementedError

    @property
    def pool(self) -> WorkerPool:
        """The warm workers."""
        raise NotImplementedError

    def chosen_strategies(
        self, names: Collection[str], *, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None
    ) -> dict[str, StrategyInfo]:
        """The strategies of these names."""
        raise NotImplementedError

    def in_workers(
        self,
        function: str,
        payloads: Sequence[dict[str, Any]],
        timeout_s: float,
        cancel: CancelToken | None = None,
        on_progress: OnProgress | None = None,
        on_event: OnEvent = ignore_event,
    ) -> list[Any]:
        """Call `function` in workers, once per payload."""
        raise NotImplementedError

    def warm_up(
        self, on_event: OnEvent = ignore_event, cancel: CancelToken | None = None, workers: int | None = None
    ) -> None:
        """Start the workers, or no more than are needed; they get ready while other things are done.

        Where kernels are compiled neither in the environment nor in BACKTEST_HOME, say so and compile them first.
        """
        self.compile_kernels(on_event, cancel)
        self.pool.warm_up(workers)

    def compile_kernels(self, on_event: OnEvent, cancel: CancelToken | None = None) -> None:
        """Have every kernel compiled: a job of one worker, once after installation; nothing where that was done."""
        raise NotImplementedError

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for the files of one call; those that killed programs left are removed."""
        self.settings.cache_folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self.settings.cache_folder)
        own = f"{SCRATCH}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=own, dir=self.settings.cache_folder) as folder:
            yield Path(folder)

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
        cancel = cancel or CancelToken()
        self.warm_up(on_event, cancel, len(specs))
        infos = self.chosen_strategies([spec.strategy for spec in specs], cancel=cancel)
        with self.scratch() as scratch:
            return self._made(specs, infos, scratch, fetch=fetch, on_event=on_event, cancel=cancel)

    def _made(
        self,
        specs: Sequence[RunSpec],
        infos: Mapping[str, StrategyInfo],
        scratch: Path,
        *,
        fetch: bool,
        on_event: OnEvent,
        cancel: CancelToken,
    ) -> list[RunResult]:
        plan = make_plan(specs, infos, self.market, partial(self.in_workers, cancel=cancel))
        loader = SeriesLoader(self.fetcher, self.cache, scratch, on_event=on_event, cancel=cancel)
        batch = Batch(
            self.store,
            loader,
            self.pool,
            self.settings.home / "unsaved",
            timeout_s=self.settings.run_timeout_s,
            most_checked=self.settings.crosscheck,
            on_event=on_event,
            cancel=cancel,
        )
        return batch.run(plan, fetch=fetch)

    def run_result(self, run_id: str) -> RunResult:
        """A stored run, exactly as it was. A unique beginning of its id is enough."""
        return self.store.run(run_id)

    def data_changed(self, result: RunResult) -> bool | None:
        """Whether the candles held now differ from those that a stored run saw, warm-up included.

        None where it is not known which ones those were. Quick while the series is as it was.
        """
        if result.seen is None:
            return None
        market = Market(result.exchange, result.symbol, result.unified)
        timeframe = Timeframe(result.timeframe)
        if result.seen.version and result.seen.version == self.store.version(market, timeframe):
            return False
        period = Period(result.seen.start_ms, result.period.end)
        return self.cache.load(market, timeframe, period).candles.sha256() != result.seen.sha256

    def runs(self, limit: int = 100, *, with_trades: bool = False) -> list[RunResult]:
        """The newest stored runs, without equity and indicators, and without trades unless asked for."""
        return self.store.runs(limit, with_trades=with_trades)

    def delete_run(self, run_id: str) -> None:
        """Delete a stored run."""
        self.store.delete_run(run_id)

    def export_run(self, run_id: str, folder: Path) -> list[Path]:
        """Write trades, equity and the whole run as files into `folder`."""
        from engine.reports.files import export_run

        return export_run(self.run_result(run_id), folder)


def _remove_leftovers(folder: Path) -> None:
    """Remove the scratch folders of programs that were killed."""
    import psutil

    for left in folder.glob(f"{SCRATCH}*"):
        pid = left.name.removeprefix(SCRATCH).partition("-")[0]
        if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
