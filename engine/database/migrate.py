"""Runs the migrations. Imported only when there is one to run: Alembic costs half a second."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from engine.errors import DatabaseError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_KEY: Final = 0x6261636B74657374  # "backtest"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrade the tables inside the caller's transaction; waits while another program does the same."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseError(
            f"the database was made by a newer version of this program (its schema is {current}); "
            "update the program, or point DATABASE_URL at another database"
        )
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise DatabaseError(f"the database cannot be upgraded: {error}") from error
