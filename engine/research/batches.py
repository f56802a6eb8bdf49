"""Deals a sweep's trials out to the workers: small batches first, then as large as the workers' speed allows."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import numpy as np

from engine.errors import BacktestError
from engine.events import CancelToken
from engine.model.run import CANCELLED, FAILED, FINISHED
from engine.parallel.job import BadEnd, Done, Job, Raised, Stopped
from engine.parallel.tasks import Task, submit
from engine.research.grid import Numbers

if TYPE_CHECKING:
    from engine.parallel.executor import Executor

BATCH_S: Final = 0.3  # what a batch aims to take: long enough to forget its cost, short enough to stop soon
SHORTEST_S: Final = 0.01
GRACE_S: Final = 1.0  # how long batches may go on after a stop
MOST_DEATHS: Final = 20  # in a row: then it is not one trial that ends its worker
_TICK_S: Final = 0.1

Verdict = tuple[str, str | None]  # status, error


class Timed(Protocol):
    """An answer about a batch of trials."""

    @property
    def elapsed_s(self) -> float:
        """What the trials alone took."""


A = TypeVar("A", bound=Timed)
B = TypeVar("B", contravariant=True)


class Entries(Protocol[B]):
    """Where trials are entered as they come in."""

    def add(self, numbers: Numbers, answer: B) -> None:
        """Enter what a worker made of a batch; raises a BacktestError where that ends the work."""

    def fail(self, number: int, error: str) -> None:
        """Enter a trial whose worker did not live to answer."""


class Deal:
    """Which trials come next. Those that a worker died of come again, one by one."""

    def __init__(self, workers: int, ahead: int = 1) -> None:
        self._workers, self._ahead = workers, ahead
        self._waiting: Numbers = np.empty(0, dtype=np.int64)
        self._again: deque[int] = deque()
        self._trial_s: float | None = None

    def add(self, numbers: Numbers) -> None:
        """These are to be tried after those that wait."""
        self._waiting = np.concatenate((self._waiting, numbers))

    @property
    def left(self) -> int:
        """How many trials were not dealt yet."""
        return len(self._waiting) + len(self._again)

    @property
    def depth(self) -> int:
        """How many batches may be under way: one per worker until their speed is known, then `ahead` more each."""
        return self._workers if self._trial_s is None else (1 + self._ahead) * self._workers

    def next(self) -> Numbers:
        """The numbers of the next batch."""
        if len(self._waiting):
            size = self._size()
            dealt, self._waiting = self._waiting[:size], self._waiting[size:]
            return dealt
        return np.array([self._again.popleft()])

    def measured(self, trials: int, elapsed_s: float) -> None:
        """A batch of that size took so long."""
        self._trial_s = max(elapsed_s, 1e-6) / trials

    def again(self, numbers: Numbers) -> None:
        """These are to be tried again, each alone."""
        self._again.extend(numbers.tolist())

    def _size(self) -> int:
        """All workers stay busy to the end: no batch takes more than its share of half of what is left."""
        if self._trial_s is None:
            return 1
        share = -(-len(self._waiting) // (2 * self._workers))
        return max(1, int(min(BATCH_S / self._trial_s, max(share, SHORTEST_S / self._trial_s))))


class Batches(Generic[A]):
    """The batches of one sweep under way in the pool."""

    def __init__(
        self,
        executor: Executor,
        ledger: Entries[A],
        deal: Deal,
        task: Callable[[Numbers], Task[A]],
        *,
        timeout_s: float,
        cancel: CancelToken,
    ) -> None:
        self._executor, self._ledger, self._deal, self._task = executor, ledger, deal, task
        self._timeout_s, self._cancel = timeout_s, cancel
        self._answers: queue.SimpleQueue[Job[A]] = queue.SimpleQueue()
        self._running: dict[Job[A], Numbers] = {}
        self._deaths = 0
        self._verdict: Verdict | None = None
        self._kill_at = float("inf")

    def run(self, tell: Callable[[], None]) -> Verdict:
        """Try all that is to be dealt; `tell` is called whenever some have come in. What is finished stays in the ledger."""
        try:
            while self._running or (self._verdict is None and self._deal.left):
                self._look_for_stop()
                self._submit()
                if self._take():
                    tell()
        finally:
            for job in self._running:
                job.cancel()
        return self._verdict or (FINISHED, None)

    def _look_for_stop(self) -> None:
        if self._cancel.cancelled and self._verdict is None:
            self._stop(CANCELLED, "stopped by the user")
        if time.monotonic() >= self._kill_at:
            self._kill_at = float("inf")
            for job in self._running:
                job.cancel()

    def _stop(self, status: str, error: str) -> None:
        self._verdict = self._verdict or (status, error)
        self._kill_at = time.monotonic() + GRACE_S

    def _submit(self) -> None:
        while self._verdict is None and self._deal.left and len(self._running) < self._deal.depth:
            numbers = self._deal.next()
            job = submit(self._executor, self._task(numbers), timeout_s=self._timeout_s)
            self._running[job] = numbers
            job.add_done_callback(self._answers.put)

    def _take(self) -> bool:
        """Enter the next answer, if there is one soon."""
        try:
            job = self._answers.get(timeout=_TICK_S)
        except queue.Empty:
            return False
        numbers, outcome = self._running.pop(job), job.result()
        if isinstance(outcome, Done):
            self._enter(numbers, outcome.value)
        elif not isinstance(outcome, Stopped):
            self._did_not_return(numbers, outcome)
        return True

    def _enter(self, numbers: Numbers, answer: A) -> None:
        self._deaths = 0
        self._deal.measured(len(numbers), answer.elapsed_s)
        try:
            self._ledger.add(numbers, answer)
        except BacktestError as error:
            self._stop(FAILED, str(error))

    def _did_not_return(self, numbers: Numbers, outcome: BadEnd) -> None:
        """A batch did not come back: one of its trials is to blame, unless the strategy's file or its candles are."""
        if isinstance(outcome, Raised) and outcome.kind != MemoryError.__name__:
            self._stop(FAILED, outcome.message)
        elif len(numbers) > 1:
            self._deal.again(numbers)
        else:
            self._ledger.fail(int(numbers[0]), outcome.message)
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                self._stop(
                    FAILED, f"{self._deaths} trials in a row came to nothing; the last: {outcome.message}"
                )
