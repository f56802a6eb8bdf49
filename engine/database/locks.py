"""Advisory locks: PostgreSQL frees them when the program that holds one ends, however it ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from engine.database import series_sql as sql
from engine.database.connection import Database, program_name
from engine.errors import InUse
from engine.model.run import RUNNING, STOPPED

_TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(:key)")


def holder_of(connection: Connection, key: int) -> str:
    """Who holds a lock, by the name that our programs give themselves; "" where nobody does."""
    found = _holder(connection, key)
    if found is None:
        return ""
    if found == program_name():
        return "another job of this program"
    name = str(found).removeprefix("backtest ")
    return f"another program ({name})" if name else "another program"


def is_held(connection: Connection, key: int) -> bool:
    """Whether this program holds a lock still: it goes when its connection breaks, and nothing else tells."""
    return _holder(connection, key) == program_name()


def _holder(connection: Connection, key: int) -> str | None:
    halves = {"high": key % 2**64 >> 32, "low": key % 2**32}
    found: str | None = connection.scalar(sql.LOCK_HOLDER, halves)
    return found


@contextmanager
def held_lock(database: Database, key: int) -> Iterator[bool]:
    """Whether the lock could be had; it is kept for as long as this lasts, on a connection of its own."""
    with database.explained():
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with database.explained():
            had = bool(connection.scalar(_TRY_LOCK, {"key": key}))
        yield had
        if had:
            try:
                is_freed = bool(connection.scalar(_UNLOCK, {"key": key}))
            except SQLAlchemyError:
                is_freed = False
            if not is_freed:  # broken, or another session's behind a pooler
                connection.invalidate()
    except BaseException:
        connection.invalidate()  # the lock goes with the connection
        raise
    finally:
        connection.close()


# -- what is made for long and goes on after its program was killed


def key_of(made: uuid.UUID) -> int:
    """The lock that whoever works on it holds: a signed 64-bit number."""
    return int.from_bytes(made.bytes[:8], "big", signed=True)


@contextmanager
def worked_on_alone(database: Database, kind: str, made: uuid.UUID) -> Iterator[None]:
    """Work on it alone; raises InUse where another program, or another job of this one, does."""
    key = key_of(made)
    with held_lock(database, key) as had:
        if not had:
            with database.transaction() as connection:
                holder = holder_of(connection, key) or "another program"
            raise _in_use(holder, kind, made)
        yield


def check_unused(connection: Connection, kind: str, made: uuid.UUID) -> None:
    """Raise InUse where this or another program works on it: what it finds would be lost."""
    if holder := holder_of(connection, key_of(made)):
        raise _in_use(holder, kind, made)


def _in_use(holder: str, kind: str, made: uuid.UUID) -> InUse:
    return InUse(f"{holder} is at work on {kind} {str(made)[:8]}; nothing was done")


def true_status(connection: Connection, status: str, made: uuid.UUID) -> str:
    """Of one that is stored as running and that nobody works on: stopped."""
    is_left = status == RUNNING and not holder_of(connection, key_of(made))
    return STOPPED if is_left else status
