"""SQL of what was removed: hidden at once, brought back on demand, deleted for good later."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Connection, Table, func, select, update

from engine.database.connection import Database
from engine.database.locks import check_unused


def set_removed(
    database: Database, table: Table, ids: Collection[str], *, removed: bool, made: str = ""
) -> int:
    """Hide rows by id, or show hidden ones again; how many that changed. Rows that are gone are no error.

    `made`: what they are, where they are made for long; none is hidden where one is still worked on (InUse).
    """
    named = [uuid.UUID(one) for one in ids]
    wanted = table.c.id.in_(named)
    other = table.c.removed_at.is_(None) if removed else table.c.removed_at.is_not(None)
    change = update(table).where(wanted, other).values(removed_at=func.now() if removed else None)

    def write(connection: Connection) -> int:
        for one in named if made else ():
            check_unused(connection, made, one)
        return connection.execute(change).rowcount

    return database.write(write)


def removed_ids(connection: Connection, table: Table, older_than_s: float) -> list[uuid.UUID]:
    """The rows that were hidden so long ago, by the database's clock; they stay locked until the transaction ends."""
    old = table.c.removed_at <= func.now() - timedelta(seconds=older_than_s)
    return list(connection.scalars(select(table.c.id).where(old).with_for_update()))
