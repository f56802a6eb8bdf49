"""Between window and engine: awaits blocking calls in threads and re-emits events on the window's thread.

The engine's threads put events into a queue; one queued signal wakes the window, which drains it in small bites, so
that a flood of events never holds up a frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.workspace import SetKey, set_key
from engine.errors import BacktestError, InputError, Interrupted
from engine.events import CancelToken, Event, Failed, OnEvent
from engine.model.coverage import Coverage
from engine.model.market import Candles, Period, Timeframe
from engine.model.run import FINISHED, RunResult, RunSpec
from engine.model.sweep import SweepResult, SweepSpec
from engine.service import Engine

log = logging.getLogger(__name__)
_BITE_S: Final = 0.01
_JOBS_AT_ONCE: Final = 4  # series filled side by side; the exchange allows no more anyway, the others wait
Series = tuple[str, str]  # symbol, exchange


class Phase(Enum):
    """What the program is doing for the user."""

    IDLE = "Ready"
    FETCHING = "Fetching candles"
    RUNNING = "Running"
    OPTIMIZING = "Optimizing"
    STOPPING = "Stopping"


WORKING: Final = (Phase.FETCHING, Phase.RUNNING, Phase.OPTIMIZING)  # what can be stopped


class Bridge(QObject):
    """The window's only way to the engine.

    Signals: `phase_changed(Phase)`; `happened(Event)`; `problem(level, message, details)`; `batch_done(list[RunResult])`;
    the `*_loaded` ones carry what was asked for; `database_changed(ok, text)`.
    """

    phase_changed = Signal(object)
    happened = Signal(object)
    problem = Signal(str, str, str)
    batch_started = Signal()
    batch_done = Signal(list)
    strategies_loaded = Signal(list)
    markets_loaded = Signal(str, list)
    runs_loaded = Signal(list)
    run_loaded = Signal(object)
    candles_loaded = Signal(str, object)
    data_judged = Signal(str, object)
    coverage_loaded = Signal(list)
    holdings_loaded = Signal(list)
    definitions_loaded = Signal(object)  # a dict would come out sorted
    exported = Signal(list)
    objectives_loaded = Signal(object)
    sweeps_loaded = Signal(list)
    trials_arrived = Signal(object)
    sweep_done = Signal(object, str)  # the SweepResult or None, and why not
    database_changed = Signal(bool, str)
    _woken = Signal()

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.phase = Phase.IDLE
        self._queue: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._threads = ThreadPoolExecutor(_JOBS_AT_ONCE, "series")
        self._awake = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._token = CancelToken()
        self._coverage_asked = 0
        self._loading: set[str] = set()
        self._reading: dict[SetKey, asyncio.Task[Candles]] = {}
        self._woken.connect(self._drain)

    # -- the job: one at a time -------------------------------------------------------------------------------------

    def run(self, specs: Sequence[RunSpec]) -> bool:
        """Start a batch; False when the program is busy."""
        if self.phase is not Phase.IDLE or not specs:
            return False
        self._enter(Phase.RUNNING)
        self.batch_started.emit()
        self._spawn(self._run(list(specs), self._new_token()))
        return True

    def fetch(self, series: Sequence[Series], timeframe: Timeframe, period: Period) -> bool:
        """Start to fill the gaps of some series; False when the program is busy."""
        if self.phase is not Phase.IDLE or not series:
            return False
        self._enter(Phase.FETCHING)
        self._spawn(self._fetch(list(series), timeframe, period, self._new_token()))
        return True

    def optimize(self, spec: SweepSpec) -> bool:
        """Start a sweep; False when the program is busy."""
        if self.phase is not Phase.IDLE:
            return False
        self._enter(Phase.OPTIMIZING)
        self._spawn(self._optimize(spec, self._new_token()))
        return True

    def stop(self) -> None:
        """Ask the job to stop; it ends within two seconds and keeps what is finished."""
        if self.phase in WORKING:
            self._enter(Phase.STOPPING)
            self._token.cancel()

    async def _run(self, specs: list[RunSpec], token: CancelToken) -> None:
        results: list[RunResult] = []
        try:
            results = await asyncio.to_thread(self.engine.run, specs, on_event=self._post, cancel=token)
        finally:
            self._drain_all()
            self._enter(Phase.IDLE)
            self.batch_done.emit(results)
            self.refresh_held()

    async def _fetch(
        self, series: list[Series], timeframe: Timeframe, period: Period, token: CancelToken
    ) -> None:
        try:
            for symbol, exchange in series:
                work = partial(self.engine.fetch, symbol, timeframe, period, exchange=exchange)
                await asyncio.to_thread(work, on_event=self._post, cancel=token)
        finally:
            self._drain_all()
            self._enter(Phase.IDLE)
            self.refresh_held()

    async def _optimize(self, spec: SweepSpec, token: CancelToken) -> None:
        def tell(trials: SweepResult) -> None:
            _ = trials.order  # computed here, where it holds up nothing
            self._put(self.trials_arrived.emit, trials)

        sweep, problem = None, ""
        try:
            sweep = await asyncio.to_thread(
                self.engine.optimize, spec, on_event=self._post, cancel=token, on_trials=tell
            )
        except InputError as error:
            problem = str(error)  # said where it was typed
        except Exception as error:
            problem = str(error)
            raise
        finally:
            self._drain_all()
            self._enter(Phase.IDLE)
            self.sweep_done.emit(sweep, problem)

    def _new_token(self) -> CancelToken:
        self._token = CancelToken()
        return self._token

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self.phase_changed.emit(phase)

    # -- work on series: several at once, beside the job ---------------------------------------------------------------

    def start_job(
        self,
        work: Callable[[OnEvent, CancelToken], Any],
        token: CancelToken,
        take: OnEvent,
        ended: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Do `work` in a thread; `take` hears its events, `ended` its result or error, both on the window's thread."""
        self._spawn(self._job(work, token, take, ended))

    async def _job(
        self,
        work: Callable[[OnEvent, CancelToken], Any],
        token: CancelToken,
        take: OnEvent,
        ended: Callable[[Any, BaseException | None], None],
    ) -> None:
        def do() -> Any:
            token.raise_if_cancelled()  # it may have waited long for its turn
            return work(partial(self._put, take), token)

        assert self._loop is not None
        try:
            result = await self._loop.run_in_executor(self._threads, do)
        except Exception as error:
            self._drain_all()
            ended(None, error)
            if not isinstance(error, Interrupted):
                raise
        else:
            self._drain_all()
            ended(result, None)

    # -- questions ---------------------------------------------------------------------------------------------------

    def start(self, exchange: str) -> None:
        """Ask for everything the window shows first. Called inside the event loop; before it, questions are dropped."""
        self._loop = asyncio.get_running_loop()
        self._spawn(self._start(exchange))

    async def _start(self, exchange: str) -> None:
        try:
            self.runs_loaded.emit(await asyncio.to_thread(self.engine.runs))
        except BacktestError as error:
            self.database_changed.emit(False, str(error))
            raise
        self.database_changed.emit(True, "")
        self.load_markets(exchange)
        self.refresh_held()
        self.load_strategies()
        self.load_sweeps()
        self.ask(self.engine.objectives, self.objectives_loaded.emit)
        self.definitions_loaded.emit(await asyncio.to_thread(self.engine.metric_definitions))

    def load_strategies(self) -> None:
        """Ask for the strategies; broken ones are among them."""
        self.ask(partial(self.engine.strategies, on_event=self._post), self.strategies_loaded.emit)

    def load_markets(self, exchange: str, *, refresh: bool = False) -> None:
        """Ask for the symbols of an exchange."""
        self.ask(
            lambda: self.engine.markets(exchange, refresh=refresh),
            lambda markets: self.markets_loaded.emit(exchange, markets),
        )

    def load_sweeps(self) -> None:
        """Ask for the stored sweeps."""
        self.ask(self.engine.sweeps, self.sweeps_loaded.emit)

    def refresh_held(self) -> None:
        """Ask what the database holds."""
        self.ask(self.engine.holdings, self.holdings_loaded.emit)

    def load_coverage(self, series: Sequence[Series], timeframe: Timeframe, period: Period) -> None:
        """Ask what is held and missing; a later question makes earlier answers void."""
        self._coverage_asked += 1
        self._spawn(self._coverage(self._coverage_asked, list(series), timeframe, period))

    async def _coverage(self, asked: int, series: list[Series], timeframe: Timeframe, period: Period) -> None:
        def ask() -> list[tuple[str, Coverage | str]]:
            answers: list[tuple[str, Coverage | str]] = []
            for symbol, exchange in series:
                try:
                    found: Coverage | str = self.engine.status(symbol, timeframe, period, exchange=exchange)
                except BacktestError as error:
                    found = str(error)
                answers.append((symbol, found))
            return answers

        answers = await asyncio.to_thread(ask)
        if asked == self._coverage_asked:
            self.coverage_loaded.emit(answers)

    def load_details(self, result: RunResult, *, with_candles: bool = True) -> None:
        """Ask for equity, trades and indicators of a stored run, for the candles of its period, and whether they are
        still those that it saw.
        """
        if result.id not in self._loading and result.status == FINISHED:
            self._loading.add(result.id)
            self._spawn(self._details(result, with_candles=with_candles))

    async def _details(self, result: RunResult, *, with_candles: bool) -> None:
        try:
            if result.equity is None:
                result = await asyncio.to_thread(self.engine.run_result, result.id)
                self.run_loaded.emit(result)
            if with_candles:
                self.candles_loaded.emit(result.id, await self._read_candles(result))
            await self._judge(result)
        finally:
            self._loading.discard(result.id)

    async def _read_candles(self, run: RunResult) -> Candles:
        """The candles of a run's period; runs on the same ones wait for one reading of them."""
        key = set_key(run)
        if key not in self._reading:
            assert self._loop is not None
            self._reading[key] = self._loop.create_task(
                asyncio.to_thread(
                    self.engine.candles,
                    run.symbol,
                    Timeframe(run.timeframe),
                    run.period,
                    exchange=run.exchange,
                )
            )
            self._reading[key].add_done_callback(lambda _: self._reading.pop(key, None))
        return await self._reading[key]

    def judge(self, run: RunResult) -> None:
        """Ask whether the candles held now are still those that a run saw."""
        self._spawn(self._judge(run))

    async def _judge(self, run: RunResult) -> None:
        self.data_judged.emit(run.id, await asyncio.to_thread(self.engine.data_changed, run))

    def export(self, run_id: str, folder: Any) -> None:
        """Write a run's trades, equity and JSON into a folder."""
        self.ask(lambda: self.engine.export_run(run_id, folder), self.exported.emit)

    def delete(self, run_id: str, done: Callable[[Any], None]) -> None:
        """Delete a stored run."""
        self.ask(lambda: self.engine.delete_run(run_id), done)

    # -- plumbing ----------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything asked for is still under way."""
        return bool(self._tasks)

    def ask(self, question: Callable[[], Any], answer: Callable[[Any], None]) -> None:
        """Answer a question in a thread; `answer` is called on the window's thread."""

        async def ask() -> None:
            answer(await asyncio.to_thread(question))

        self._spawn(ask())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if (
            self._loop is None
        ):  # a window that is still being put together asks too early; start() asks for all of it
            work.close()
            return
        task = self._loop.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Interrupted as stopped:
            self.problem.emit("info", str(stopped), "")
        except BacktestError as error:
            log.warning("%s", error, exc_info=True)
            self.problem.emit("error", str(error), traceback.format_exc())
        except Exception as error:
            log.exception("unexpected error")
            self.problem.emit("error", f"unexpected {type(error).__name__}: {error}", traceback.format_exc())

    def _post(self, event: Event) -> None:
        self._put(self._deliver, event)

    def _put(self, take: Callable[[Any], None], event: Any) -> None:
        """Called on the engine's threads."""
        self._queue.append((take, event))
        if not self._awake:
            self._awake = True
            self._woken.emit()

    def _drain(self) -> None:
        self._awake = False  # before the first look: what is appended from now on wakes us again
        until = time.monotonic() + _BITE_S
        while self._queue:
            take, event = self._queue.popleft()
            take(event)
            if time.monotonic() > until:
                QTimer.singleShot(0, self._drain)
                return

    def _drain_all(self) -> None:
        while self._queue:
            take, event = self._queue.popleft()
            take(event)

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Failed):
            log.warning("%s failed: %s", event.job, event.error)
        self.happened.emit(event)

    def close(self) -> None:
        """No more work on series begins."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def settle(self) -> None:
        """Wait until everything asked for is answered."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
