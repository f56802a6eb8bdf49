"""Questions to the engine that a request waits for: in threads of their own, so that nothing else waits for them.

What the exchange, the database or a plug-in keeps waiting holds one of these threads, never the event loop, nor what
health, jobs and their end need. Daemons: what hangs in a system call must not keep the server from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from engine.api.problems import ServerStops, TooBusy
from engine.errors import BacktestError, Interrupted
from engine.events import CancelToken

AT_ONCE: Final = 32
TURN_S: Final = 5.0  # then who asks is told to come again
POLL_S: Final = 0.2
GIVEN_UP_S: Final = (
    1.5  # for work that was told to stop; less than open connections have when the server ends
)

T = TypeVar("T")
HungUp = Callable[[], Awaitable[bool]]


class Questions:
    """All questions of one server. Made and called in the event loop's thread."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._patience: set[asyncio.Timeout] = set()  # of those that wait for their turn
        self._stopping = False

    def stop(self) -> None:
        """Cancel all there is and take nothing more."""
        self._stopping = True
        for patience in self._patience:
            patience.reschedule(0)

    async def ask(self, work: Callable[[CancelToken], T], hung_up: HungUp) -> T:
        """What `work` returns; it is told to stop when the server ends or who asked has gone.

        Raises what it raises, TooBusy, and ServerStops for whatever was stopped.
        """
        self._check_serving()
        await self._turn()
        cancel = CancelToken()
        answer = in_thread(lambda: work(cancel), "question")
        answer.add_done_callback(self._done)
        while not answer.done():
            await asyncio.wait({answer}, timeout=POLL_S)
            if not answer.done() and (self._stopping or await hung_up()):
                cancel.cancel()
                await asyncio.wait({answer}, timeout=GIVEN_UP_S)
                break
        if not answer.done():
            raise ServerStops("the server is being stopped; it did not wait for the answer")
        try:
            return answer.result()
        except BacktestError as error:
            if cancel.cancelled or isinstance(error, Interrupted):
                raise ServerStops(f"the server is being stopped; {error}") from error
            raise

    async def _turn(self) -> None:
        patience = asyncio.timeout(TURN_S)
        self._patience.add(patience)
        try:
            async with patience:
                await self._turns.acquire()
        except TimeoutError:
            self._check_serving()
            raise TooBusy(
                f"{AT_ONCE} requests wait for the exchange or the database already; ask again later"
            ) from None
        finally:
            self._patience.discard(patience)

    def _check_serving(self) -> None:
        if self._stopping:
            raise ServerStops("the server is being stopped; nothing was asked")

    def _done(self, answer: asyncio.Future[Any]) -> None:
        self._turns.release()
        if not answer.cancelled():
            answer.exception()  # seen, also where nobody waits for it any more


def in_thread(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """What `work` returns or raises, in a thread of its own."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def do() -> None:
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            tell(found.set_exception, error)
        else:
            tell(found.set_result, outcome)

    def tell(end: Callable[[Any], None], outcome: Any) -> None:
        def end_it() -> None:
            if not found.cancelled():
                end(outcome)

        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
            loop.call_soon_threadsafe(end_it)

    threading.Thread(target=do, name=name, daemon=True).start()
    return found
