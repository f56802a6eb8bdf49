"""How the store reaches PostgreSQL: the URL, the pool, and every driver error turned into one line for the user."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from engine.database.session import CONNECT_ARGUMENTS, pin_session
from engine.errors import DatabaseError, InputError

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 10
MOST_CONNECTIONS: Final = 16  # of one program at once; PostgreSQL serves 100 unless told otherwise
_KEPT_CONNECTIONS: Final = 4
RETRY_DELAYS_S: Final = (0.1, 0.4, 1.0)
_SCHEMES: Final = ("postgres", "postgresql", "postgresql+psycopg")
_EXAMPLE: Final = "write postgresql://user:password@host:5432/database"
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

# SQLSTATE -> what happened and what to do; {detail} is PostgreSQL's own first line
_STATES: Final = {
    "08": "the connection to the database broke ({detail}); finished work is kept, run again to continue",
    "setting": "PostgreSQL refuses a setting ({detail}); see the options of DATABASE_URL, PGOPTIONS, PGTZ, PGDATESTYLE",
    "22P05": "the database cannot hold every letter ({detail}); create it with ENCODING 'UTF8'",
    "22001": "the database refuses a text that is too long ({detail})",
    "25006": "the database is read-only; nothing was written",
    "28": "the database refuses the user or password of DATABASE_URL",
    "3D000": "the database named in DATABASE_URL does not exist; create it (createdb) or name another",
    "40": "another program changed the same rows; nothing of this step was written, run again",
    "42501": "the database user lacks a privilege ({detail}); nothing was written",
    "42P01": "the database has no tables of this program ({detail}); start the program once to create them",
    "53100": "the disk of the database is full; finished work is kept, free space and run again",
    "53200": "the database is out of memory; nothing of this step was written",
    "53300": "the database accepts no more connections; close other programs or raise max_connections",
    "55P03": "another program holds a lock on the database for too long; run again",
    "57014": "the database cancelled a statement ({detail})",
    "57P03": "the database is starting up or shutting down; run again in a moment",
    "57P": "the database was shut down; finished work is kept, run again to continue",
    "XX001": "the database's files are damaged ({detail})",
    "XX002": "the database's files are damaged ({detail})",
}
# libpq gives no SQLSTATE for a failed connection, only PostgreSQL's text
_TEXTS: Final = (
    (r"password authentication failed|no password supplied|role .* does not exist|no pg_hba", "28"),
    (r"database .* does not exist", "3D000"),
    (r"permission denied for database", "42501"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"starting up|shutting down|not yet accepting|recovery mode", "57P03"),
    (r"invalid value for parameter|unrecognized configuration parameter", "setting"),
    (r"server closed the connection unexpectedly", "08006"),
)
_NOBODY_LISTENS: Final = "Connection refused|No such file or directory"
_UNREACHABLE: Final = (
    (r"failed to resolve host|could not translate host|Name or service", "host name is unknown"),
    (r"invalid port number", "port number is invalid"),
    (r"Connection refused", "connection was refused: no PostgreSQL server listens there"),
    (r"timeout expired|timed out", "server does not answer"),
    (r"No such file or directory", "socket does not exist: no PostgreSQL server runs there"),
    (r"Network is unreachable|No route to host", "network has no way there"),
)


def parse_url(text: str) -> URL:
    """The URL of DATABASE_URL, ready for SQLAlchemy; raises InputError, which never quotes the text."""
    text = text.strip()
    scheme = text.partition("://")[0].lower()
    if scheme not in _SCHEMES or "://" not in text:
        raise InputError(f"DATABASE_URL must start with postgresql:// or postgres://; {_EXAMPLE}")
    if _BAD_PERCENT.search(text):
        raise InputError("DATABASE_URL holds a % that is not followed by two hex digits; write %25 for a %")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise InputError("DATABASE_URL holds a space or control character; write %20 for a space")
    try:
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        raise InputError(
            f"DATABASE_URL cannot be read: is its port a number, is @ / : in the password written as %40 %2F %3A? {_EXAMPLE}"
        ) from None
    if "@" in f"{url.host}{url.database}":
        raise InputError("DATABASE_URL holds more than one @; write the one in the password as %40")
    if url.port is not None and not 0 < url.port < 65536:
        raise InputError(f"DATABASE_URL names the port {url.port}; ports go from 1 to 65535")
    return url.set(drivername="postgresql+psycopg")


def place(url: URL) -> str:
    """Where the database is, for people; never with the password."""
    socket = url.query.get("host")
    host = url.host or (socket if isinstance(socket, str) else None) or "this machine"
    return f"{url.database or url.username or 'default'} at {host}" + (f":{url.port}" if url.port else "")


def explain(error: BaseException, url: URL) -> BaseException:
    """The error of ours that says what `error` (of SQLAlchemy or psycopg) means to a user."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    whole = str(cause)
    detail = next((line.strip() for line in whole.splitlines() if line.strip()), type(cause).__name__)
    if url.password and len(url.password) > 2:
        detail = detail.replace(url.password, "***")
    state = getattr(cause, "sqlstate", None) or _state_of_text(whole)
    if state is None and re.search("invalid connection option|bad value for|invalid .* value", whole):
        return InputError(
            "DATABASE_URL holds an option that PostgreSQL does not know, or a bad value for one"
        )
    if state is None and isinstance(cause, psycopg.OperationalError):
        for pattern, words in _UNREACHABLE:
            if re.search(pattern, whole):
                return DatabaseError(
                    f"cannot reach the database {place(url)}: the {words}; check DATABASE_URL"
                )
        state = "08"
    for known in (state or "", (state or "")[:3], (state or "")[:2]):
        if known in _STATES:
            return DatabaseError(f"{_STATES[known].format(detail=detail)} [{place(url)}]")
    return DatabaseError(f"the database failed: {detail} [{place(url)}]")


def _state_of_text(text: str) -> str | None:
    return next((state for pattern, state in _TEXTS if re.search(pattern, text)), None)


def _is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed when tried again: a lost connection, a server under restart, a deadlock."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.OperationalError) and re.search(_NOBODY_LISTENS, str(cause)):
        return True
    return getattr(cause, "sqlstate", None) in ("40001", "40P01", "57P01", "57P02")


def _connect(
    revive: Callable[[], object] | None,
    kept: frozenset[str],
    dialect: Any,
    _: Any,
    arguments: Any,
    parameters: Any,
) -> Any:
    """A new connection that has answered. Tried again while a server starts or drops its first connections: so far
    nothing was done that could be done twice. `revive` starts the server, where it is ours. `kept`: settings not to pin.
    """
    for delay_s in RETRY_DELAYS_S:
        try:
            return pin_session(dialect.connect(*arguments, **parameters), kept)
        except psycopg.OperationalError as error:
            state = error.sqlstate or _state_of_text(str(error)) or ""
            if revive is not None:
                revive()
            elif not state.startswith(("08", "57P")):
                raise
        time.sleep(delay_s)
    return pin_session(dialect.connect(*arguments, **parameters), kept)


def program_name() -> str:
    """How this program names itself to the server, for others who wait for it."""
    return f"backtest process {os.getpid()} on {socket.gethostname()}"[
        :63
    ]  # longer names are cut by PostgreSQL


class Database:
    """A pool of connections; thread-safe; connects on first use.

    `revive`: called when no connection can be had, before it is tried once more; it starts a server that is ours.
    """

    def __init__(self, url: str, revive: Callable[[], object] | None = None) -> None:
        self.url = parse_url(url)
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": program_name()}
        arguments = {name: value for name, value in arguments.items() if name not in self.url.query}
        arguments |= CONNECT_ARGUMENTS
        self.engine: Engine = create_engine(
            self.url,
            pool_pre_ping=True,
            pool_size=_KEPT_CONNECTIONS,
            max_overflow=MOST_CONNECTIONS - _KEPT_CONNECTIONS,
            connect_args=arguments,
        )
        # a schema of one's own is the one setting that DATABASE_URL may choose
        options = str(self.url.query.get("options", ""))
        kept = frozenset({"search_path"} if "search_path" in options else ())
        event.listen(self.engine, "do_connect", partial(_connect, revive, kept))

    def close(self) -> None:
        """Close all idle connections. The object may be used again and then reconnects."""
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Have whatever the driver raises inside the block come out as an error of ours."""
        try:
            yield
        except (SQLAlchemyError, psycopg.Error) as error:
            raise explain(error, self.url) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block; nothing of it stays when the block raises."""
        with self.explained(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read-only transaction whose statements all see the same state."""
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.explained(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction; again when a connection broke or two writers met, so it must bear repeating."""
        with self.explained():
            for delay_s in RETRY_DELAYS_S:
                try:
                    with self.engine.begin() as connection:
                        return work(connection)
                except (SQLAlchemyError, psycopg.Error) as error:
                    if not _is_passing(error):
                        raise
                time.sleep(delay_s)
            with self.engine.begin() as connection:
                return work(connection)
