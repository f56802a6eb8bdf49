"""A Dask cluster as an executor: jobs are dealt out from here, one for each thread of its workers, and run in pools there.

One thread owns an event loop, and in it the connection; each job under way is a coroutine. A job whose Dask worker is lost
is given to another one, once. Importing this imports `distributed`, so nobody does where no cluster is set.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import ClusterError, Interrupted
from engine.model.numerals import counted
from engine.parallel.answers import read_message
from engine.parallel.dask_link import CLOSE_S, CONNECT_S, DaskLink, DaskWorker, Lost, why
from engine.parallel.dask_worker import UNFIT, Order
from engine.parallel.job import Died, Job, OnProgress, Outcome, Raised, Stopped
from engine.parallel.parcel import Pack, Parcel

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 0.5
_NO_WORKER_S: Final = (
    30.0  # how long a job waits where there is no worker: a nanny starts another one in seconds
)
_TRIES: Final = 2
# loggers of Dask's that print on their own
LOUD: Final = (
    "distributed",
    "distributed.client",
    "distributed.gc",
    "tornado",
    "tornado.application",
    "bokeh",
)


@dataclass(eq=False)
class _Errand:
    """A job with what is known of its way; `avoided`: the workers where it is not tried, and why."""

    job: Job[Any]
    parcel: Parcel
    key: str = field(default_factory=lambda: f"backtest-{uuid.uuid4().hex}")
    avoided: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)  # when somebody could have done it last
    task: asyncio.Task[None] | None = None


class DaskCluster:
    """The workers of a Dask scheduler, as an Executor; `open` comes before all else. Thread-safe.

    `identity`: versions, by name, that a worker must have; `pack` says what of a payload has to be sent. `fault` says why
    it is of no use any more, once it is not.
    """

    def __init__(self, address: str, *, pack: Pack, identity: Mapping[str, str]) -> None:
        self.fault: str | None = None
        self._pack = pack
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="cluster", daemon=True)
        self._lock = threading.Lock()
        self._closing = False
        # from here on: the loop's own
        self._link = DaskLink(address, dict(identity), self._deal, self._hear)
        self._queue: deque[_Errand] = deque()
        self._errands: dict[str, _Errand] = {}
        self._errand_of: dict[Job[Any], _Errand] = {}
        self._watching: asyncio.Task[None] | None = None

    # -- called by any thread

    def open(self, check: Callable[[], None] = lambda: None) -> None:
        """Connect, and wait until workers are ready; `check` is called now and then and may raise.

        Raises ClusterError where the scheduler does not answer within seconds or none of its workers can be used.
        """
        self._thread.start()
        atexit.register(self.close)
        opening = asyncio.run_coroutine_threadsafe(self._open(), self._loop)
        try:
            while not opening.done():
                check()
                with contextlib.suppress(TimeoutError):
                    opening.result(0.1)
            opening.result()
        except BaseException:
            opening.cancel()
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many jobs are done at once, by the workers there are now."""
        return sum(worker.threads for worker in self._link.usable) or 1

    @property
    def ahead(self) -> int:
        """Two: one waits at the worker, as Dask takes ten milliseconds and more from one to the next, one here."""
        return 2

    @property
    def side_by_side(self) -> int:
        """How many of them on one machine at most."""
        hosts: dict[str, int] = {}
        for worker in self._link.usable:
            hosts[worker.host] = hosts.get(worker.host, 0) + worker.threads
        return max(hosts.values(), default=1)

    @property
    def refused(self) -> list[str]:
        """A line for each worker that is not used."""
        return [
            f"the Dask worker {address} is not used: {reason}"
            for address, reason in self._link.refused.items()
        ]

    def describe(self) -> str:
        """One line: what there is."""
        usable = self._link.usable
        there = (
            f"{counted(len(usable), 'worker')}, {counted(sum(one.threads for one in usable), 'job')} at once"
        )
        return "; ".join((f"{self._link.address}: {there}", *self.refused))

    def submit(
        self,
        function: str,
        payload: object,
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
        read: Callable[[Any], Any] = lambda value: value,
    ) -> Job[Any]:
        """As `Executor.submit`."""
        parcel = self._pack(payload)
        job = Job(function, parcel.letter, timeout_s, on_progress, self._cancel, read)
        with self._lock:
            if self._closing:
                raise Interrupted("the cluster was left; what was stored by then is kept")
            self._loop.call_soon_threadsafe(self._begin, _Errand(job, parcel))
        return job

    def warm_up(self, processes: int | None = None) -> None:
        """Nothing: a worker starts its processes when it is greeted."""

    def close(self) -> None:
        """As `Executor.close`."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        atexit.unregister(self.close)
        if self._thread.is_alive():
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            with contextlib.suppress(Exception):
                ending.result(CLOSE_S + 1)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)  # it closes its loop, now or when it gets to it
        elif not self._loop.is_closed():
            self._loop.close()

    def _serve(self) -> None:
        """The body of the thread."""
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _cancel(self, job: Job[Any]) -> None:
        job.cancel_requested = True
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all jobs before it
            self._loop.call_soon_threadsafe(self._stop, job)

    # -- in the loop

    async def _open(self) -> None:
        await self._link.open()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self.fault is None:
            await asyncio.sleep(_TICK_S)
            await self._look()
            self._end_hopeless()
            self._deal()

    async def _look(self) -> None:
        try:
            await asyncio.wait_for(self._link.look(), CONNECT_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing more can be done there
            self._give_up(f"the Dask scheduler at {self._link.address} is gone ({why(error)})")

    def _begin(self, errand: _Errand) -> None:
        self._errands[errand.key] = self._errand_of[errand.job] = errand
        if self.fault is not None:
            self._end_errand(errand, _gone(self.fault))
        elif errand.job.cancel_requested:
            self._end_errand(errand, Stopped())
        else:
            self._queue.append(errand)
            self._deal()

    def _deal(self) -> None:
        """Give waiting jobs to free workers, in order; the least busy worker first."""
        later: list[_Errand] = []
        while self._queue and (free := self._free()):
            errand = self._queue.popleft()
            fit = [worker for worker in free if worker.address not in errand.avoided]
            if errand.job.done():
                continue
            if not fit:
                later.append(errand)
                continue
            worker = min(fit, key=lambda one: one.busy / one.threads)
            worker.busy += 1
            errand.task = asyncio.create_task(self._do(errand, worker))
        self._queue.extendleft(reversed(later))

    def _free(self) -> list[DaskWorker]:
        """Who may be given a job: while there are more than enough for all, each worker has the next ones waiting there."""
        most = 2 if len(self._queue) >= self.size else 1
        return [worker for worker in self._link.usable if worker.busy < most * worker.threads]

    async def _do(self, errand: _Errand, worker: DaskWorker) -> None:
        try:
            outcome = await self._outcome(errand, worker)
        except asyncio.CancelledError:
            outcome = Stopped()
        finally:
            worker.busy -= 1
        errand.task = None
        if outcome is not None:
            self._end_errand(errand, outcome)
        else:
            errand.since = time.monotonic()
            self._queue.appendleft(errand)
        self._deal()

    async def _outcome(self, errand: _Errand, worker: DaskWorker) -> Outcome[Any] | None:
        """How the job ended; None where it is to be tried elsewhere."""
        job, contents = errand.job, errand.parcel.contents
        order = Order(
            errand.key, job.function, job.payload, tuple(contents), job.timeout_s, job.on_progress is not None
        )
        try:
            answer, value = await self._link.perform(order, contents, worker)
            if answer != UNFIT:
                return read_message(value, job.read)
            errand.avoided[worker.address] = value
        except Lost as error:
            await self._look()  # or was it the scheduler?
            if self.fault is not None:
                return _gone(self.fault)
            errand.avoided[worker.address] = str(error)
            errand.lost.append(f"{worker.address} ({error})")
            if len(errand.lost) >= _TRIES:
                return Died(f"the Dask workers that did it were lost: {', then '.join(errand.lost)}")
        except (ValueError, TypeError, KeyError) as error:
            return Died(f"the answer of {worker.address} cannot be read: {error}")
        except OSError as error:  # a content is gone from this disk
            return Died(f"what the job needs cannot be read: {why(error)}")
        except Exception as error:  # noqa: BLE001 - a job that nobody ends would be waited for for ever
            _LOG.exception("a job could not be done on the cluster")
            return Died(f"the cluster failed: {why(error)}")
        return None

    def _hear(self, message: Any) -> None:
        """Progress of anybody's job: ours are told on."""
        errand = self._errands.get(message.get("key", "")) if isinstance(message, dict) else None
        if errand is None or errand.job.on_progress is None or errand.job.cancel_requested:
            return
        try:
            errand.job.on_progress(*message["far"])
        except Exception:  # noqa: BLE001 - their mistake must not end the cluster
            _LOG.exception("a listener to progress failed")

    # -- ends

    def _end_errand(self, errand: _Errand, outcome: Outcome[Any]) -> None:
        self._errands.pop(errand.key, None)
        self._errand_of.pop(errand.job, None)
        if not errand.job.done():
            errand.job.future.set_result(Stopped() if errand.job.cancel_requested else outcome)

    def _stop(self, job: Job[Any]) -> None:
        errand = self._errand_of.get(job)
        if errand is not None:
            if errand.task is not None:
                errand.task.cancel()
            self._end_errand(errand, Stopped())

    def _end_hopeless(self) -> None:
        """Jobs that nobody can do end: at once where all that there are refuse, else when none has come for a while."""
        now, usable = time.monotonic(), {worker.address for worker in self._link.usable}
        for errand in tuple(self._queue):
            if self._link.is_greeting or usable - errand.avoided.keys():
                errand.since = now
            elif now - errand.since > (_NO_WORKER_S if errand.lost or not usable else 0):
                reasons = self.refused + [
                    f"{address}: {reason}" for address, reason in errand.avoided.items()
                ]
                text = f"no worker of {self._link.address} can do it"
                self._end_errand(errand, _gone(f"{text} ({'; '.join(reasons)})" if reasons else text))

    def _give_up(self, fault: str) -> None:
        if self.fault is None:
            _LOG.warning("%s", fault)
        self.fault = self.fault or fault
        self._queue.clear()
        for errand in tuple(self._errands.values()):
            self._end_errand(errand, _gone(fault))
            if errand.task is not None:
                errand.task.cancel()

    async def _end(self) -> None:
        for errand in tuple(self._errands.values()):
            self._stop(errand.job)
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.sleep(0)
        await self._link.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _gone(text: str) -> Raised:
    return Raised(f"{text}; what was finished by then is kept", "", ClusterError.__name__)
