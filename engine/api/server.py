"""One server from its start to its end: the address, the signals that end it, and nothing left running after it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from engine.api.admission import check_binding
from engine.api.app import make_app
from engine.api.served import Served
from engine.errors import DatabaseError, InputError, reason
from engine.service import Engine

log = logging.getLogger(__name__)

CLOSING_S: Final = 3  # for connections, after the jobs were cancelled; then for the jobs
LONGEST_END_S: Final = 7.5  # then the process ends, whatever hangs
AT_LAST_S: Final = (
    2.0  # for its workers and its database; all within the ten seconds that service managers give
)
BACKLOG: Final = 128


def serve(host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `say` hears where it listens. Raises InputError where it may or can not listen."""
    with Engine() as engine, listening(engine, host, port) as bound:
        try:
            engine.doctor.check_database()
        except DatabaseError as error:  # it may come later: /readyz says so until then
            say(f"{error}; serving nevertheless")
        server = Server(engine)
        address, found = bound.getsockname()[:2]
        say(
            f"serving on http://{f'[{address}]' if ':' in address else address}:{found}, /docs lists what; Ctrl-C ends it"
        )
        server.run(sockets=[bound])


@contextmanager
def listening(engine: Engine, host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there, where it may; port 0: any that is free."""
    check_binding(host, engine.settings.api_token, engine.settings.api_published)
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "that is no address"
        raise InputError(f"cannot listen on {host}:{port}: {why}; choose another --host or --port") from error
    with bound:
        yield bound


class Server(uvicorn.Server):
    """Cancels the jobs as soon as it is asked to end: who waits for them, and who listens, then hears of their end."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._app = engine, make_app(engine)
        super().__init__(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=CLOSING_S,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; afterwards nothing of the jobs runs any more, if it can be helped."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)
        if self._served is not None:
            await self._served.jobs.stopped(CLOSING_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order, and with exit code 0, on the signals that ask for it."""
        before = {name: signal.signal(name, self.handle_exit) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def handle_exit(self, sig: int, frame: object) -> None:
        """The first signal: cancel all jobs, take nothing more. A second Ctrl-C waits for no connection."""
        if not self.should_exit:
            log.info("signal %d: the server ends", sig)
            threading.Thread(
                target=_end_at_last, args=(self._engine,), name="end-at-last", daemon=True
            ).start()
            if self._loop is not None and self._served is not None:
                self._loop.call_soon_threadsafe(self._served.stop)
        super().handle_exit(sig, frame)  # type: ignore[arg-type]

    @property
    def _served(self) -> Served | None:
        return getattr(self._app.state, "served", None)


def _end_at_last(engine: Engine) -> None:
    """What hangs in the system's own calls must not keep the process, nor leave a database behind that nobody ends."""
    if not threading.Event().wait(LONGEST_END_S):
        log.error("something hung for %g s; the process ends without it", LONGEST_END_S)
        ends = [threading.Thread(target=end, daemon=True) for end in (engine.close, engine.release_database)]
        for end in ends:
            end.start()
        until = time.monotonic() + AT_LAST_S
        for end in ends:
            end.join(max(0.0, until - time.monotonic()))
        os._exit(1)
