"""Which PostgreSQL the program uses, as a user chooses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

EMBEDDED: Final = "embedded"
CONTAINER: Final = "container"
ADDRESS: Final = "address"
START_CONTAINER: Final = "docker compose up -d postgres"


@dataclass(frozen=True, slots=True)
class DatabaseChoice:
    """`address` as DATABASE_URL, without the password; of the embedded server neither.

    An empty password means the one that is known already: stored for this address, or POSTGRES_PASSWORD for the container.
    """

    kind: str = EMBEDDED
    address: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CurrentDatabase:
    """What is in use. `set_by`: where DATABASE_URL stands if it is not chosen here, such as `.env`; empty otherwise.

    `next_choice`: what the next start uses. `container`: its address. `knows_password`: the container's, from `.env`.
    """

    choice: DatabaseChoice
    set_by: str
    next_choice: DatabaseChoice
    container: str
    knows_password: bool


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """What a trial connection found, in words; `advice`: what to do where not `ok`; `command`: what to type for that."""

    ok: bool
    text: str
    advice: str = ""
    command: str = ""
