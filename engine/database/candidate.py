"""A trial connection to a database that is not in use, and addresses of databases with and without their password."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from sqlalchemy import text

from engine.database.connection import Database, parse_url
from engine.errors import InputError

OLDEST: Final = 140_000  # PostgreSQL 14
_PASSWORDS: Final = ("password", "sslpassword")  # options of an address
_LOOK: Final = text("""
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
        pg_database_size(current_database()) AS size_bytes, to_regclass('ohlcv_data') IS NOT NULL AS has_tables
""")


class Looked(NamedTuple):
    """What a trial connection saw. `has_tables`: of this program."""

    version: str
    number: int
    size_bytes: int
    has_tables: bool


def look(url: str) -> Looked:
    """Connect and read; nothing is changed. Raises DatabaseError, InputError for a malformed address."""
    database = Database(url)
    try:
        with database.snapshot() as connection:
            return Looked(*connection.execute(_LOOK).one())
    finally:
        database.close()


def split_password(url: str) -> tuple[str, str]:
    """The address as it is written but without its password, and the password; raises InputError like `parse_url`."""
    url, hidden = _without_hidden_passwords(url.strip())
    password = parse_url(url).password
    if not password:
        return url, hidden
    scheme, _, rest = url.partition("://")
    login, _, where = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}@{where}", str(password)


def _without_hidden_passwords(url: str) -> tuple[str, str]:
    """The address without passwords among its options, where the driver takes them too; and the first of them."""
    address, separator, options = url.partition("?")
    parts = [part.partition("=") for part in options.split("&")]
    hidden = [unquote(value) for name, _, value in parts if unquote(name) in _PASSWORDS]
    kept = "&".join("".join(part) for part in parts if unquote(part[0]) not in _PASSWORDS)
    return (address + separator * bool(kept) + kept, hidden[0]) if hidden else (url, "")


def with_password(address: str, password: str) -> str:
    """The address with a password, any character of which may be special; raises InputError where it names no user."""
    address = address.strip()
    if parse_url(address).password or _without_hidden_passwords(address)[1]:
        raise InputError("the password stands in the address; put it into its own field")
    scheme, _, rest = address.partition("://")
    user, at, where = rest.partition("@")
    if not password:
        return address
    if not at:
        raise InputError("a password needs a user; write postgresql://user@host:5432/database")
    return f"{scheme}://{user}:{quote(password, safe='')}@{where}"
