"""The connection to a Dask scheduler: which workers there are and may be used, and one job on one of them.

Everything here runs in the event loop that opened it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from engine.errors import ClusterError, one_line
from engine.parallel import dask_worker as there
from engine.parallel.content import Content
from engine.parallel.parcel import differences

_LOG: Final = logging.getLogger(__name__)
CONNECT_S: Final = 5.0
CLOSE_S: Final = 4.0
_GREET_S: Final = 180.0  # where it has to compile its kernels first
_PATIENCE_S: Final = 10.0  # for the slower workers, as soon as one can be used; and for the first to appear
_MOST_SENDINGS: Final = 5  # of what a job needs, before it
_SILENT_S: Final = 20.0  # a worker that its scheduler has not heard of for so long is lost


class Lost(Exception):
    """The Dask worker will not answer any more."""


@dataclass(eq=False)
class DaskWorker:
    """A worker as its scheduler knows it. `busy`: how many jobs it was given; `refused`: why it is not used."""

    address: str
    host: str
    threads: int
    busy: int = 0
    usable: bool = False
    refused: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    sending: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _seen: float = 0.0
    _heard: float = field(default_factory=time.monotonic)

    def silent(self, last_seen: float) -> bool:
        """Whether what the scheduler last heard of it is no news since long; the clocks need not agree."""
        if last_seen != self._seen:
            self._seen, self._heard = last_seen, time.monotonic()
        return time.monotonic() - self._heard > _SILENT_S


class DaskLink:
    """`identity`: versions, by name, that a worker must have; `changed` is called when there is another worker to use,
    `hear` with whatever workers tell of jobs.
    """

    def __init__(
        self,
        address: str,
        identity: Mapping[str, str],
        changed: Callable[[], None],
        hear: Callable[[Any], None],
    ) -> None:
        self.address = address
        self.workers: dict[str, DaskWorker] = {}
        self._identity, self._changed, self._hear = identity, changed, hear
        self._client: Any = None
        self._greetings: set[asyncio.Task[None]] = set()

    @property
    def usable(self) -> list[DaskWorker]:
        """The workers that jobs may be given to."""
        return [worker for worker in tuple(self.workers.values()) if worker.usable]

    @property
    def refused(self) -> dict[str, str]:
        """The workers that are not used, by address, and why."""
        return {one.address: one.refused for one in tuple(self.workers.values()) if one.refused}

    @property
    def is_greeting(self) -> bool:
        """Whether there may be more to use in a moment."""
        return bool(self._greetings)

    async def open(self) -> None:
        """Connect, and wait for workers. Raises ClusterError: no scheduler there, or none of its workers can be used."""
        try:
            self._client = await Client(  # type: ignore[no-untyped-call]
                self.address, asynchronous=True, set_as_default=False, timeout=CONNECT_S, name="backtest"
            )
        except Exception as error:
            _LOG.warning("no cluster at %s", self.address, exc_info=True)
            raise ClusterError(
                f"no Dask scheduler answers at {self.address} ({why(error)}); nothing was run: "
                "start it, or unset BACKTEST_CLUSTER to work on this machine"
            ) from error
        self._client.subscribe_topic(there.TOPIC, lambda event: self._hear(event[1]))
        await self.look()
        began = time.monotonic()
        while not self._is_ready(time.monotonic() - began):
            await asyncio.sleep(0.02)
            if not self.workers:
                await asyncio.sleep(0.2)
                await self.look()
        if not self.usable:
            whys = "; ".join(f"{address}: {reason}" for address, reason in self.refused.items())
            hint = f" ({whys})" if whys else ": start one with `dask worker`"
            raise ClusterError(
                f"the cluster at {self.address} has no worker that can be used{hint}; nothing was run"
            )

    def _is_ready(self, waited_s: float) -> bool:
        if self.is_greeting:
            return waited_s > (_PATIENCE_S if self.usable else _GREET_S)
        return bool(self.workers) or waited_s > _PATIENCE_S

    async def close(self) -> None:
        """Leave; what was asked ends there by itself."""
        for greeting in tuple(self._greetings):
            greeting.cancel()
        if self._client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), CLOSE_S)

    # -- workers

    async def look(self) -> None:
        """See which workers there are now: new ones are greeted, those that are gone or silent are lost.

        Raises whatever says that the scheduler is gone.
        """
        if self._client.status != "running":
            raise OSError("the connection was lost")
        known = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        for address, facts in known.items():
            if address not in self.workers:
                self._meet(DaskWorker(address, facts["host"], facts["nthreads"]))
        for address, worker in tuple(self.workers.items()):
            if address not in known:
                self._lose(worker)
            elif worker.silent(known[address]["last_seen"]) and worker.usable:
                _LOG.warning("the Dask worker %s is silent", address)
                self._lose(worker)

    def _meet(self, worker: DaskWorker) -> None:
        self.workers[worker.address] = worker
        greeting = asyncio.create_task(self._greet(worker))
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)

    def _lose(self, worker: DaskWorker) -> None:
        self.workers.pop(worker.address, None)
        worker.usable = False
        worker.gone.set()

    async def _greet(self, worker: DaskWorker) -> None:
        try:
            greeting = self._client.run(there.greet, workers=[worker.address])
            found: dict[str, str] = (await asyncio.wait_for(greeting, _GREET_S))[worker.address]
        except Exception as error:  # noqa: BLE001 - a machine without our program, or a broken one
            worker.refused = f"it cannot run this program ({why(error)})"
        else:
            worker.refused = differences(self._identity, found)
        worker.usable = not worker.refused and not worker.gone.is_set()
        if worker.refused:
            _LOG.warning("the Dask worker %s is not used: %s", worker.address, worker.refused)
        self._changed()

    # -- one job

    async def perform(
        self, order: there.Order, contents: Mapping[str, Content], worker: DaskWorker
    ) -> there.Reply:
        """How the job ended there; what it lacks is sent first. Raises Lost."""
        for _ in range(_MOST_SENDINGS):
            answer, value = await self._performed(order, worker)
            if answer == there.LEFT:
                raise Lost(value)
            if answer != there.LACKING:
                return answer, value
            await asyncio.gather(*(self._sent(contents[name], worker) for name in value))
        raise Lost("it does not keep what it is sent: is its disk full?")

    async def _performed(self, order: there.Order, worker: DaskWorker) -> there.Reply:
        future: Any = self._client.submit(
            there.perform,
            order,
            key=f"{order.key}-{uuid.uuid4().hex[:8]}",
            workers=[worker.address],
            allow_other_workers=False,
            pure=False,
        )
        try:
            reply: there.Reply = await self._unless_gone(worker, asyncio.ensure_future(_result(future)))
        finally:
            if not future.done():
                # the worker looks whether its task is still wanted: so it ends there as well
                cancelling = asyncio.ensure_future(self._client.cancel([future], force=True))
                cancelling.add_done_callback(_retrieve)
            future.release()
        return reply

    async def _unless_gone(self, worker: DaskWorker, answer: asyncio.Future[Any]) -> Any:
        """What is answered; raises Lost when the worker is gone first, or the answer is an error."""
        gone = asyncio.ensure_future(worker.gone.wait())
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            is_answered = answer.done()
            answer.cancel()
        if not is_answered:
            raise Lost("killed, or out of reach")
        try:
            return answer.result()
        except (KilledWorker, FutureCancelledError):
            raise Lost("killed, or out of reach") from None
        except Exception as error:
            _LOG.warning("the Dask worker %s failed", worker.address, exc_info=True)
            raise Lost(why(error)) from error

    async def _sent(self, content: Content, worker: DaskWorker) -> None:
        """Have the worker hold the content; jobs that lack the same wait for one transfer."""
        if content.sha256 not in worker.sending:
            sending = asyncio.create_task(self._send(content, worker))
            worker.sending[content.sha256] = sending
            sending.add_done_callback(lambda _: worker.sending.pop(content.sha256, None))
            sending.add_done_callback(_retrieve)
        await asyncio.shield(worker.sending[content.sha256])

    async def _send(self, content: Content, worker: DaskWorker) -> None:
        transfer, nbytes = uuid.uuid4().hex, 0
        for data in content.messages():
            nbytes += len(data)
            last = nbytes == content.nbytes
            piece = self._client.run(
                there.receive, content.sha256, transfer, data, last=last, workers=[worker.address]
            )
            await self._unless_gone(worker, asyncio.ensure_future(piece))


async def _result(future: Future[Any]) -> Any:
    return await future


def _retrieve(done: asyncio.Future[Any]) -> None:
    """Nobody waits for it: that it failed is no news."""
    if not done.cancelled():
        done.exception()


def why(error: BaseException) -> str:
    """An error in one line."""
    text = one_line(str(error))[:200]
    if isinstance(error, OSError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
