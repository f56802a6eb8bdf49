"""Which database the program uses: tried out, and chosen for the next start."""

from __future__ import annotations

from typing import Final

from engine.errors import BacktestError, InputError, reason
from engine.model.database_choice import (
    ADDRESS,
    CONTAINER,
    EMBEDDED,
    START_CONTAINER,
    CurrentDatabase,
    DatabaseChoice,
    DatabaseSeen,
)
from engine.service.resources import Resources
from engine.service.settings_file import keep
from engine.settings import chosen_settings, container_login, set_by

_DATABASE: Final = "DATABASE_URL"

# SQLAlchemy costs a tenth of a second, so only who asks about databases imports engine.database.candidate


class Databases:
    """`Engine.databases`. What is chosen is kept in BACKTEST_HOME/settings.env, which only its owner may read."""

    def __init__(self, resources: Resources) -> None:
        self._resources, self._settings = resources, resources.settings

    def current(self) -> CurrentDatabase:
        """What is in use, by whose choice, and what the next start uses."""
        port, password = container_login()
        where, used = set_by(_DATABASE), self._settings.database_url
        after = used if where else self._chosen()
        return CurrentDatabase(
            _as_choice(used, port), where, _as_choice(after, port), _container(port), bool(password)
        )

    def test(self, choice: DatabaseChoice) -> DatabaseSeen:
        """Connect and look; changes nothing there. What goes wrong is in the answer."""
        try:
            return self._embedded() if choice.kind == EMBEDDED else _look(self._url(choice))
        except BacktestError as error:
            return _fault(choice.kind, str(error).removesuffix("; check DATABASE_URL"))
        except (OSError, ImportError) as error:  # a full disk, a system without the embedded server
            return _fault(choice.kind, reason(error) if isinstance(error, OSError) else str(error))

    def choose(self, choice: DatabaseChoice) -> None:
        """Keep the choice for the next start of the program. Raises InputError where it cannot count or be kept."""
        where = set_by(_DATABASE)
        if where:
            raise InputError(f"DATABASE_URL is set in {where} and wins; remove it there to choose here")
        keep(self._settings.home, {_DATABASE: None if choice.kind == EMBEDDED else self._url(choice)})

    def _chosen(self) -> str | None:
        return chosen_settings(self._settings.home).get(_DATABASE) or None

    def _url(self, choice: DatabaseChoice) -> str:
        """The whole DATABASE_URL of a choice, with the password that was typed or is known."""
        from engine.database.candidate import with_password

        port, password = container_login()
        address = _container(port) if choice.kind == CONTAINER else choice.address.strip()
        known = (password or "") if choice.kind == CONTAINER else ""
        return with_password(address, choice.password or known or self._stored_password(address))

    def _stored_password(self, address: str) -> str:
        from engine.database.candidate import split_password

        for url in (self._chosen(), self._settings.database_url):
            if url is not None and (found := split_password(url))[0] == address:
                return found[1]
        return ""

    def _embedded(self) -> DatabaseSeen:
        if self._settings.database_url is None:
            seen = self._resources.store.describe()
            return DatabaseSeen(ok=True, text=_words(seen["version"], seen["size_bytes"], has_tables=True))
        from engine.database.embedded import has_cluster, release_embedded, start_embedded

        if not has_cluster(self._settings.home):
            return DatabaseSeen(ok=True, text="not there yet: the next start makes it")
        try:
            return _look(start_embedded(self._settings.home))
        finally:
            release_embedded(self._settings.home)


def _look(url: str) -> DatabaseSeen:
    from engine.database.candidate import OLDEST, look

    seen = look(url)
    words = _words(seen.version, seen.size_bytes, has_tables=seen.has_tables)
    if seen.number < OLDEST:
        return DatabaseSeen(ok=False, text=words, advice="PostgreSQL 14 or newer is needed.")
    return DatabaseSeen(ok=True, text=words)


def _words(version: str, size_bytes: int, *, has_tables: bool) -> str:
    tables = (
        "with the tables of this program" if has_tables else "without tables yet: the next start makes them"
    )
    return f"PostgreSQL {version.split()[0]} answers: {size_bytes / 1e6:,.0f} MB, {tables}"


def _fault(kind: str, text: str) -> DatabaseSeen:
    is_refused = "user or password" in text
    if kind == CONTAINER and not is_refused:
        advice = "The container is not running. Start it in the folder of docker-compose.yml:"
        return DatabaseSeen(ok=False, text=text, advice=advice, command=START_CONTAINER)
    advice = {
        CONTAINER: "The container keeps the POSTGRES_PASSWORD that it was first started with; type that one.",
        ADDRESS: "Check user and password."
        if is_refused
        else "Check the address, and whether a server runs there.",
    }.get(kind, "")
    return DatabaseSeen(ok=False, text=text, advice=advice)


def _container(port: int) -> str:
    return f"postgresql://backtest@127.0.0.1:{port}/backtest_db"


def _as_choice(url: str | None, port: int) -> DatabaseChoice:
    from engine.database.candidate import split_password

    if url is None:
        return DatabaseChoice(EMBEDDED)
    try:
        address, _ = split_password(url)
    except InputError:  # said where it is used; it may hold the password anywhere
        return DatabaseChoice(ADDRESS)
    return DatabaseChoice(CONTAINER if address == _container(port) else ADDRESS, address)
