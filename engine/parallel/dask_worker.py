"""What runs inside a Dask worker: it hands each job to a pool of this machine's own, and never runs strategy code itself.

So a crash, an endless loop, memory and what a job leaves running end where they end on one machine. Dask carries the order
there and the answer back; the functions here are what `engine.parallel.dask_cluster` calls by name.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from distributed import Status, Worker, get_worker

from engine.parallel.answers import message_of
from engine.parallel.content import ContentFolder
from engine.parallel.executor import Executor
from engine.parallel.job import BadEnd, Done, Job, Stopped
from engine.parallel.parcel import Places, Unfit, Unpack

TOPIC: Final = "backtest-progress"  # of Dask's events
OPEN: Final = "engine.jobs.dask_station:open_station"
_LOOK_S: Final = 0.1  # how often a job is asked whether anybody still wants it

# how `perform` answers: with the job's end, with the contents that are lacking, with why this machine cannot do it
ENDED, LACKING, UNFIT, LEFT = "ended", "lacking", "unfit", "left"
Reply = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A job for a Dask worker; `contents` are the sha256 of what it needs."""

    key: str
    function: str
    letter: bytes
    contents: Sequence[str]
    timeout_s: float | None
    has_listener: bool


@dataclass(frozen=True, slots=True)
class Station:
    """What a Dask worker process has of its own, once. `identity`: versions, by name, that must be those of whoever asks."""

    pool: Executor
    contents: ContentFolder
    unpack: Unpack
    identity: Mapping[str, str]


_station: Station | None = None
_opening: Final = threading.Lock()


def _open(jobs: int) -> Station:
    global _station
    with _opening:
        if _station is None:
            module, _, function = OPEN.partition(":")
            _station = getattr(importlib.import_module(module), function)(jobs)
        assert _station is not None
        return _station


async def greet(dask_worker: Worker) -> dict[str, str]:
    """Be ready for jobs, and say which program this is."""
    station = await asyncio.to_thread(_open, dask_worker.state.nthreads)
    return dict(station.identity)


def receive(name: str, transfer: str, data: bytes, *, last: bool, dask_worker: Worker) -> None:
    """One piece of a content."""
    _open(dask_worker.state.nthreads).contents.receive(name, transfer, data, last=last)


def perform(order: Order) -> Reply:
    """Have a process of this machine do the job; how it ended."""
    station = _open(get_worker().state.nthreads)
    with station.contents.held(order.contents):
        lacking = station.contents.lacking(order.contents)
        if lacking:
            return LACKING, lacking
        try:
            payload, places = station.unpack(order.letter, station.contents)
        except Unfit as error:
            return UNFIT, str(error)
        job = station.pool.submit(
            order.function,
            payload,
            timeout_s=order.timeout_s,
            on_progress=_teller(order.key) if order.has_listener else None,
            read=lambda value: value,
        )
        return _watched(job, places)


def _teller(key: str) -> Any:
    worker = get_worker()

    def tell(*far: Any) -> None:
        worker.log_event(TOPIC, {"key": key, "far": list(far)})

    return tell


def _watched(job: Job[Any], places: Places) -> Reply:
    """Wait for the job's end; end it when nobody wants it any more: it was cancelled, its client or this worker is gone."""
    worker = get_worker()
    key = worker.get_current_task()
    while not job.done():
        task = worker.state.tasks.get(key)
        if worker.status not in (Status.running, Status.paused) or task is None or task.state == "cancelled":
            job.cancel()
        try:
            job.result(_LOOK_S)
        except TimeoutError:
            continue
    outcome = job.result()
    if isinstance(outcome, Stopped):
        return LEFT, "the Dask worker was closed"
    return ENDED, message_of(_as_there(outcome, places))


def _as_there(outcome: Done[Any] | BadEnd, places: Places) -> Done[Any] | BadEnd:
    if isinstance(outcome, Done):
        return Done(places.as_there(outcome.value))
    texts = {name: places.as_there(getattr(outcome, name)) for name in ("message", "traceback")}
    return replace(outcome, **texts)
