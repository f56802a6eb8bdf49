"""Work that outlives a request: each job in a thread of its own, what it tells kept for whoever asks or listens.

All that is known of jobs belongs to the event loop's thread; the threads that work only send it there.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from engine.api.problems import ServerStops, TooBusy, explained, status_of
from engine.errors import BacktestError, Interrupted, InUse, NotStored, redacted_in
from engine.events import CancelToken, Event, OnEvent, Progress, Started
from engine.model.market import format_time
from engine.model.run import CANCELLED, FAILED, FINISHED, json_ready

QUEUED: Final = "queued"
RUNNING: Final = "running"
AT_ONCE: Final = 8
MOST_WAITING: Final = 1_000
KEPT: Final = 1_000  # finished jobs
KEPT_S: Final = 3600
KEPT_BYTES: Final = 256_000_000  # of their results and events
MOST_EVENTS: Final = 10_000  # of one job
EVENT_BYTES: Final = 300  # that an event takes beside its text
SUBJECT: Final = 200  # characters
END: Final = "end"

Work = Callable[[OnEvent, CancelToken], Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it is sent: `part` is the job of the engine that told it."""

    name: str
    part: str
    data: str


class Job:
    """One piece of work. `subject`: what it is about, in words; `result`: the command line's document, as JSON."""

    def __init__(self, kind: str, subject: str) -> None:
        self.id, self.kind, self.subject = str(uuid.uuid4()), kind, subject[:SUBJECT]
        self.status = QUEUED
        self.cancel = CancelToken()
        self.created_ms = _now_ms()
        self.started_ms: int | None = None
        self.ended_ms: int | None = None
        self.result: bytes | None = None
        self.error: BacktestError | None = None
        self.uses: set[str] = set()  # ids of stored runs and sweeps
        self.count = 0  # of all events
        self._events: dict[int, Told] = {}
        self._event_bytes = 0
        self._progress: dict[str, int] = {}
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.ended_ms is not None

    def to_json(self) -> dict[str, Any]:
        """The job without its result; `error_status`: what a request that waited for it was answered."""
        times = {"created": self.created_ms, "started": self.started_ms, "ended": self.ended_ms}
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "status": self.status,
            **{name: None if ms is None else format_time(ms) for name, ms in times.items()},
            "error": self.error and str(self.error),
            "error_status": self.error and status_of(self.error),
            "events": self.count,
        }

    @property
    def size(self) -> int:
        """How many bytes its result and its events take, about."""
        return len(self.result or b"") + self._event_bytes

    def whole(self) -> bytes:
        """The job as JSON, with its result."""
        return json.dumps(self.to_json())[:-1].encode() + b', "result": ' + (self.result or b"null") + b"}"

    # -- events

    def add(self, told: Told) -> None:
        """Number an event and keep it. Of the progress of each part only the latest is kept; of all, the newest."""
        self.count += 1
        self._events[self.count] = told
        self._event_bytes += _size(told)
        if told.name == "progress":
            self._drop(self._progress.get(told.part, 0))
            self._progress[told.part] = self.count
        if len(self._events) > MOST_EVENTS:
            self._drop(next(iter(self._events)))
        self.change()

    def _drop(self, number: int) -> None:
        dropped = self._events.pop(number, None)
        if dropped is not None:
            self._event_bytes -= _size(dropped)

    def after(self, number: int) -> list[tuple[int, Told]]:
        """The kept events behind that number, in order."""
        newer: list[tuple[int, Told]] = []
        for at in reversed(self._events):
            if at <= number:
                break
            newer.append((at, self._events[at]))
        return newer[::-1]

    def change(self) -> None:
        """Wake everybody who waits for it."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, seconds: float, *, for_end: bool) -> bool:
        """Wait until something new happens, or with `for_end` until it has ended; whether that was in time."""
        try:
            async with asyncio.timeout(seconds):
                if not for_end:
                    await self._changed.wait()
                while for_end and not self.ended:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


class Jobs:
    """All jobs of one server. Made and called in the event loop's thread; `check_unused` by any."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._running: set[Job] = set()
        self._stopping = False

    def __iter__(self) -> Iterator[Job]:
        """The newest first."""
        self._forget()
        return reversed(self._jobs.values())

    def get(self, job_id: str) -> Job:
        """The job of this id; raises NotStored."""
        self._forget()
        if job_id not in self._jobs:
            raise NotStored(
                f"no job {job_id[:40]!r} is known; a job is forgotten an hour after it ended, when {KEPT:,} others ended "
                "since, and when the server ends; what they stored is kept"
            )
        return self._jobs[job_id]

    def start(self, kind: str, subject: str, work: Work) -> Job:
        """Begin some work, or have it wait for its turn. Raises ServerStops, TooBusy."""
        if self._stopping:
            raise ServerStops("the server is being stopped; nothing was started")
        if len(self._waiting) >= MOST_WAITING:
            raise TooBusy(f"{MOST_WAITING:,} jobs are waiting already; nothing was started: ask again later")
        self._forget()
        job = Job(kind, subject)
        self._jobs[job.id] = job
        self._waiting.append((job, work))
        self._begin_next()
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; one that has not begun ends at once."""
        job.cancel.cancel()
        for waiting in [one for one in self._waiting if one[0] is job]:
            self._waiting.remove(waiting)
            self._end(job, Interrupted("stopped before it began"))

    def stop(self) -> None:
        """Cancel all there is and take nothing more."""
        self._stopping = True
        for job in [job for job in self._jobs.values() if not job.ended]:
            self.cancel(job)

    async def stopped(self, seconds: float) -> None:
        """Wait until all have ended, but no longer than that."""
        for job in tuple(self._running):
            began = time.monotonic()
            await job.wait(seconds, for_end=True)
            seconds = max(0.0, seconds - (time.monotonic() - began))

    def check_unused(self, name: str, stored_id: str) -> None:
        """Raise InUse where a job still works on a stored run or sweep, by its `name`."""
        for job in tuple(self._running):
            if stored_id in job.uses:
                raise InUse(
                    f"{name} {stored_id[:8]} belongs to job {job.id}, which has not ended; cancel that first"
                )

    # -- threads

    def _begin_next(self) -> None:
        while self._waiting and len(self._running) < AT_ONCE:
            job, work = self._waiting.popleft()
            job.status, job.started_ms = RUNNING, _now_ms()
            self._running.add(job)
            job.change()
            # a daemon: what hangs in a system call must not keep the server from ending
            threading.Thread(target=self._do, args=(job, work), name=f"job-{job.kind}", daemon=True).start()

    def _do(self, job: Job, work: Work) -> None:
        try:
            outcome: bytes | BacktestError = encoded(work(partial(self._hear, job), job.cancel))
        except Exception as error:  # noqa: BLE001 - explained, and logged where nobody expected it
            outcome = explained(error)
        self._call(self._end, job, outcome)

    def _hear(self, job: Job, event: Event) -> None:
        """In the thread that works."""
        if isinstance(event, Started) and len(event.subject) == 1:
            job.uses |= {*event.subject}
        name = type(event).__name__.lower()
        told = {key: value for key, value in _fields(event).items() if key != "result"}
        self._call(job.add, Told(name, event.job, json.dumps(redacted_in(json_ready(told)))))

    def _call(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: the server has ended
            return

    def _end(self, job: Job, outcome: bytes | BacktestError) -> None:
        if isinstance(outcome, bytes):
            job.status, job.result = FINISHED, outcome
        elif isinstance(outcome, Interrupted) or job.cancel.cancelled:  # what was stopped may fail of it
            job.status = CANCELLED
            outcome = outcome if isinstance(outcome, Interrupted) else Interrupted(f"stopped; {outcome}")
            asked = job.cancel.cancelled and not self._stopping  # else the server or its engine ends
            job.error = outcome if asked else ServerStops(f"the server was stopped; {outcome}")
        else:
            job.status, job.error = FAILED, outcome
        job.ended_ms = _now_ms()
        self._running.discard(job)
        job.add(Told(END, job.id, json.dumps({"job": job.to_json()})))
        self._begin_next()

    def _forget(self) -> None:
        """Drop what ended long ago, and the oldest of what is too much."""
        ended = sorted((job for job in self._jobs.values() if job.ended), key=lambda job: job.ended_ms or 0)
        number, size = len(ended), sum(job.size for job in ended)
        since = _now_ms() - KEPT_S * 1000
        for job in ended[:-1]:  # the last result is kept, whatever its size
            if number <= KEPT and size <= KEPT_BYTES and (job.ended_ms or 0) >= since:
                break
            del self._jobs[job.id]
            number, size = number - 1, size - job.size


def _size(told: Told) -> int:
    return len(told.data) + EVENT_BYTES


def encoded(document: Any) -> bytes:
    """A document as the command line prints it."""
    return json.dumps(redacted_in(json_ready(document)), allow_nan=False).encode()


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Progress | Started):
        return asdict(event)
    return {name: getattr(event, name) for name in event.__slots__}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
