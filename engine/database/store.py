"""Store: everything the program keeps in PostgreSQL, behind plain methods. Synchronous and thread-safe.

Raises DatabaseError for whatever goes wrong with the database, InputError for a malformed DATABASE_URL; driver errors
never escape.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from engine.database.connection import Database, place
from engine.database.exchange_store import ExchangeStore
from engine.database.funding_store import FundingStore
from engine.database.portfolio_store import PortfolioStore
from engine.database.run_store import RunStore
from engine.database.schema import HEAD
from engine.database.series_store import HeldSeries, SeriesStore
from engine.database.source_store import SourceStore
from engine.database.sweep_store import SweepStore
from engine.database.symbol_store import KeptSeries, SymbolStore
from engine.database.trial_store import TrialStore
from engine.database.verify_store import VerifyStore
from engine.database.walk_store import WalkStore
from engine.errors import DatabaseError

__all__ = ["HeldSeries", "KeptSeries", "Store", "open_store"]

_DESCRIBE = text("""
    SELECT current_setting('server_version') AS version, current_database() AS database,
        pg_database_size(current_database()) AS size_bytes,
        (SELECT coalesce(sum(candle_count), 0)::bigint FROM data_ranges) AS candles,
        (SELECT count(*) FROM (SELECT DISTINCT symbol_id, timeframe FROM data_ranges) AS held) AS series,
        (SELECT count(*) FROM backtest_runs WHERE removed_at IS NULL) AS runs
""")
_BYTES_PER_CANDLE = text("""
    SELECT pg_total_relation_size('ohlcv_data') / nullif(sum(candle_count), 0)::float8 FROM data_ranges
""")


# Where the session's own search_path, before ours was pinned, finds our tables: this is how older versions found them
_OWN_PATH = text("SET LOCAL search_path TO DEFAULT")
_SCHEMA_OF_TABLES = text("""
    SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('ohlcv_data')
""")


class Store:
    """The database of `url` (postgres://, postgresql:// or postgresql+psycopg://), by what is kept. Connects on first use.

    `revive`: see `Database`.
    """

    def __init__(self, url: str, revive: Callable[[], object] | None = None) -> None:
        self.database = database = Database(url, revive)
        self.candles = SeriesStore(database)
        self.funding = FundingStore(database)
        self.verification = VerifyStore(database)
        self.symbols = SymbolStore(database)
        self.exchanges = ExchangeStore(database)
        self.runs = RunStore(database)
        self.portfolios = PortfolioStore(database)
        self.sweeps = SweepStore(database)
        self.trials = TrialStore(database)
        self.walk_forwards = WalkStore(database)
        self.sources = SourceStore(database)

    def close(self) -> None:
        """Close all idle connections. The object may be used again and then reconnects."""
        self.database.close()

    def migrate(self) -> None:
        """Bring the tables up to this program's version; quick when they are. Two programs may do it at once."""
        with self.database.explained():
            with self.database.engine.connect() as connection:
                table = connection.scalar(text("SELECT to_regclass('alembic_version')"))
                if table and connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD:
                    return
                if not table:
                    self._refuse_other_schema(connection)
            from engine.database.migrate import upgrade

            with self.database.engine.begin() as connection:
                upgrade(connection)

    def _refuse_other_schema(self, connection: Connection) -> None:
        """Beside tables that a role's search_path hides from us now, empty ones would look like lost data."""
        with connection.begin_nested():
            connection.execute(_OWN_PATH)
            schema = connection.scalar(_SCHEMA_OF_TABLES)
        if schema is not None:
            raise DatabaseError(
                f"the tables of this program are in the schema {schema}, which a role's or database's search_path "
                f"names; say so in DATABASE_URL: add ?options=-csearch_path%3D{schema} [{place(self.database.url)}]"
            )

    def describe(self) -> dict[str, Any]:
        """For `doctor`: version, database, size_bytes, candles, series, runs, host (or socket folder)."""
        with self.database.transaction() as connection:
            row = connection.execute(_DESCRIBE).mappings().one()
        return {
            **row,
            "host": self.database.url.host or self.database.url.query.get("host") or "this machine",
        }

    def bytes_per_candle(self) -> float:
        """What one of the held candles takes on disk, its share of index and free space included; 0 without candles."""
        with self.database.transaction() as connection:
            return float(connection.scalar(_BYTES_PER_CANDLE) or 0.0)


def open_store(url: str | None, home: Path) -> Store:
    """The database of `url`, migrated; None: the embedded server of the data folder, started again whenever it is gone."""
    if url is None:
        if sys.platform == "win32":  # the module below does not even import there
            raise DatabaseError(
                "there is no embedded database on Windows yet: set DATABASE_URL to a PostgreSQL server"
            )
        from engine.database.embedded import start_embedded

        start = partial(start_embedded, home)
        store = Store(start(), revive=start)
    else:
        store = Store(url)
    store.migrate()
    return store
