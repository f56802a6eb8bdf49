"""Between window and engine: calls the engine's methods in threads and brings events and answers to the window's thread.

The engine's threads put events into a queue; one queued signal wakes the window, which drains it in small bites, so
that a flood of events never holds up a frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.work.jobs import Job, Jobs, Subject, Task
from engine.errors import BacktestError, InputError, Interrupted
from engine.events import CancelToken, OnEvent
from engine.service import Engine

log = logging.getLogger(__name__)
_BITE_S: Final = 0.01
_JOBS_AT_ONCE: Final = 4  # series filled side by side; the exchange allows no more anyway, the others wait
_SUBJECTS: Final = {
    "monte-carlo": "paths",
    "cost-surface": "costs",
}  # of kinds of jobs; that of all others: candles
T = TypeVar("T")


class Phase(Enum):
    """What the program is doing for the user."""

    IDLE = "Ready"
    FETCHING = "Fetching candles"
    RUNNING = "Running"
    OPTIMIZING = "Optimizing"
    WALKING = "Walking forward"
    COMBINING = "Running the portfolio"
    STOPPING = "Stopping"


# what can be stopped
WORKING: Final = (Phase.FETCHING, Phase.RUNNING, Phase.OPTIMIZING, Phase.WALKING, Phase.COMBINING)


class Call(Protocol):
    """Blocking work of the engine: a method of it whose other arguments are given already."""

    def __call__(self, *, on_event: OnEvent, cancel: CancelToken) -> Any:
        """Do the work in a thread."""


Ended = Callable[[Any, BaseException | None], None]  # the result, or the error


def refusable(call: Call) -> Call:
    """`call` whose result is the InputError that it raises, for who says it where it was typed; else it is a problem."""

    def attempt(*, on_event: OnEvent, cancel: CancelToken) -> Any:
        try:
            return call(on_event=on_event, cancel=cancel)
        except InputError as error:
            return error

    return attempt


class Bridge(QObject):
    """The window's only way to the engine.

    Signals: `phase_changed(Phase)`; `problem(level, message, details)`. What is under way: `jobs`.
    """

    phase_changed = Signal(object)
    problem = Signal(str, str, str)
    _woken = Signal()

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.jobs = Jobs(self)
        self.phase = Phase.IDLE
        self.task = Task("")
        self._queue: deque[tuple[Callable[[Any], object], Any]] = deque()
        self._threads = ThreadPoolExecutor(_JOBS_AT_ONCE, "series")
        self._awake = self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken.connect(self._drain)

    def open(self) -> None:
        """Called inside the event loop; whatever is asked before is dropped: a window put together asks too early."""
        self._loop = asyncio.get_running_loop()

    # -- what the user waits for: one at a time ----------------------------------------------------------------------

    def begin(self, phase: Phase, call: Call, ended: Ended | None = None, *, expected: int = 0) -> bool:
        """Do `call`, of which `expected` runs come, in a thread; False when the program is busy.

        `ended` hears its result or its error on the window's thread, when the program is ready again.
        """
        if self.phase is not Phase.IDLE or self._loop is None:
            return False
        self.task = Task(phase.name.lower(), expected=expected)
        self._enter(phase)
        self.spawn(self._begin(self.task, call, ended))
        return True

    def stop(self) -> None:
        """Ask that to stop; it ends within two seconds and keeps what is finished."""
        if self.phase in WORKING:
            self._enter(Phase.STOPPING)
            self.task.token.cancel()

    async def _begin(self, task: Task, call: Call, ended: Ended | None) -> None:
        result, error = None, None
        try:
            result = await self.answer(partial(call, on_event=self._events_of(task), cancel=task.token))
        except Exception as caught:
            error = caught
            raise
        finally:
            await self._end(task, result, error)
            self._enter(Phase.IDLE)
            if ended is not None and not self._is_closed:
                ended(result, error)

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            if not self._is_closed:
                self.phase_changed.emit(phase)

    # -- jobs beside it: several at once -----------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        subject: Subject,
        call: Call,
        ended: Ended,
        *,
        label: str | None = None,
        asked_for: bool = True,
    ) -> Job:
        """Do `call` as one job in a thread, when its turn comes. `label`, `asked_for`: see `Task`.

        `ended` hears its result or its error on the window's thread.
        """
        task = Task(kind, label, is_asked_for=asked_for)
        job = self.jobs.begin(task, subject)
        self.spawn(self._start(task, call, ended))
        return job

    def stop_job(self, job: Job) -> None:
        """Ask a job to stop; what it is a part of stops with it."""
        job.is_stopping = True
        if job.task is self.task:
            self.stop()
        else:
            job.task.token.cancel()

    async def _start(self, task: Task, call: Call, ended: Ended) -> None:
        def do() -> Any:
            task.token.raise_if_cancelled()  # it may have waited long for its turn
            return call(on_event=self._events_of(task), cancel=task.token)

        assert self._loop is not None
        try:
            result = await self._loop.run_in_executor(self._threads, do)
        except Exception as error:
            await self._end(task, None, error)
            if not self._is_closed:
                ended(None, error)
            if not isinstance(error, Interrupted):
                raise
        else:
            await self._end(task, result, None)
            if not self._is_closed:
                ended(result, None)

    def close(self) -> None:
        """No more jobs begin; those under way stop, and nobody hears how they end: what would be drawn on is gone."""
        self._is_closed = True
        self.jobs.cancel()
        self.jobs.blockSignals(True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- questions ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        question: Callable[[], T],
        answer: Callable[[T], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Answer a question in a thread; `answer` is called on the window's thread. `failed` hears why there is none."""

        async def ask() -> None:
            try:
                found = await self.answer(question)
            except Exception as error:
                if failed is not None and not self._is_closed:
                    failed(error)
                raise
            if not self._is_closed:
                answer(found)

        self.spawn(ask())

    def answer(self, question: Callable[[], T]) -> Awaitable[T]:
        """The answer of a blocking question, for who awaits several."""
        return asyncio.to_thread(question)

    def events(self) -> OnEvent:
        """A listener for a question that may take long: its events reach `jobs`."""
        return self._events_of(Task("question"))

    def queued(self, take: Callable[[T], object]) -> Callable[[T], None]:
        """`take` for the engine's threads: it is called on the window's thread, in order with the events."""

        def unless_closed(what: T) -> None:
            if not self._is_closed:
                take(what)

        return partial(self._put, unless_closed)

    @property
    def is_open(self) -> bool:
        """Whether questions are answered."""
        return self._loop is not None

    @property
    def busy(self) -> bool:
        """Whether anything asked for is still under way."""
        return bool(self._tasks)

    def under_way(self) -> str:
        """What the user waits for, in words; empty where nothing is."""
        parts = [] if self.phase is Phase.IDLE else [self.phase.value.lower()]
        on = Counter(_SUBJECTS.get(job.kind, "candles") for job in self.jobs.waited_for())
        parts += [f"{jobs} job{'s' * (jobs != 1)} on {subject}" for subject, jobs in on.items()]
        return " and ".join(parts)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with `work` whenever what it awaits is there; what it raises is told as a problem."""
        if self._loop is None or self._is_closed:
            work.close()
            return
        task = self._loop.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until everything asked for is answered."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Interrupted as stopped:
            self._tell("info", str(stopped), "")
        except BacktestError as error:
            log.warning("%s", error, exc_info=True)
            self._tell("error", str(error), traceback.format_exc())
        except Exception as error:
            log.exception("unexpected error")
            self._tell("error", f"unexpected {type(error).__name__}: {error}", traceback.format_exc())

    def _tell(self, level: str, message: str, details: str) -> None:
        if not self._is_closed:
            self.problem.emit(level, message, details)

    # -- from the engine's threads to the window's ---------------------------------------------------------------------

    def _events_of(self, task: Task) -> OnEvent:
        return self.queued(partial(self.jobs.take, task))

    def _put(self, take: Callable[[Any], object], what: Any) -> None:
        """Called on the engine's threads."""
        self._queue.append((take, what))
        if not self._awake:
            self._awake = True
            self._woken.emit()

    def _drain(self) -> None:
        self._awake = False  # before the first look: what is appended from now on wakes us again
        until = time.monotonic() + _BITE_S
        while self._queue:
            take, what = self._queue.popleft()
            take(what)
            if time.monotonic() > until:
                QTimer.singleShot(0, self._drain)
                return

    async def _end(self, task: Task, result: Any, error: BaseException | None) -> None:
        """A call returned: its jobs end when all that it told before is taken in, which may need many bites."""
        assert self._loop is not None
        told = self._loop.create_future()
        self._put(told.set_result, None)
        await told
        self.jobs.end(task, result, error)
