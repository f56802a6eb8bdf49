"""What a session of ours is set to, whatever a role, a database, PGOPTIONS or the environment of libpq say otherwise.

Pinned is what would change a result or break a statement. Left as found is
- what an administrator decides and what is said in words when it bites: `default_transaction_read_only` (nothing is
  written into what is read-only), `row_security`, tablespaces, memory, `synchronous_commit`, `role`;
- what nothing of ours depends on: `bytea_output` (psycopg reads both), `IntervalStyle` (no interval is read), `xmloption`,
  `transform_null_equals` (no literal `= NULL`), `default_transaction_deferrable` (for SERIALIZABLE only), `lc_*`;
- `session_replication_role`, which only a superuser may set back: our triggers are ENABLE ALWAYS instead.
"""

from typing import Any, Final

_PINNED: Final = {
    # how times and texts are written and read
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",  # psycopg reads no other
    "client_encoding": "UTF8",  # symbols are not ASCII
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",  # less rounds every number that comes as text
    "array_nulls": "on",
    # which tables are meant: PostgreSQL's own default, so that a schema of the user's name still works
    "search_path": '"$user", public',
    # what a transaction sees after it waited for a lock
    "default_transaction_isolation": "read committed",
    # a million candles, a migration and a program that waits for the exchange take as long as they take; a lock
    # whose idle session is ended would be lost in silence
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",  # compiling costs more than any statement of ours
}
_SINCE: Final = {"transaction_timeout": (170000, "0")}

# libpq sends it in its first message, so that even PGCLIENTENCODING names nothing that Python cannot decode
CONNECT_ARGUMENTS: Final = {"client_encoding": "utf8"}


def pin_session(connection: Any, kept: frozenset[str] = frozenset()) -> Any:
    """The new connection of psycopg, set as above but for the settings of these names, which DATABASE_URL chooses."""
    version = connection.info.server_version
    later = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    chosen = [(name, value) for name, value in (_PINNED | later).items() if name not in kept]
    calls = ", ".join("set_config(%s, %s, false)" for _ in chosen)
    was, connection.autocommit = connection.autocommit, True
    try:
        connection.execute(f"SELECT {calls}".encode(), [text for pair in chosen for text in pair])
    except BaseException:
        connection.close()
        raise
    connection.autocommit = was
    return connection
