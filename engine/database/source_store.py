"""SQL of strategy sources: the bytes of every file that a stored run executed, each kept once under its hash."""

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from engine.database.connection import Database
from engine.database.schema.results import strategy_sources


def add_sources(connection: Connection, sources: Collection[bytes]) -> None:
    """Keep `sources` for good, inside the caller's transaction; those already held are left alone."""
    # in one order: two programs that store the same files must not wait for each other crosswise
    held = sorted((hashlib.sha256(source).hexdigest(), source) for source in set(sources))
    rows = [{"sha256": sha256, "source": source} for sha256, source in held]
    if rows:
        connection.execute(upsert(strategy_sources).values(rows).on_conflict_do_nothing())


class SourceStore:
    """The files that stored runs executed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, hashes: Collection[str]) -> dict[str, bytes]:
        """The bytes held under these sha256; one that is not held is absent."""
        wanted = strategy_sources.c.sha256.in_(list(hashes))
        with self._database.transaction() as connection:
            rows = connection.execute(select(strategy_sources).where(wanted))
            return {sha256: bytes(source) for sha256, source in rows}
