"""Series that `sync` is to keep although nothing of them is held yet."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Null: the series is kept up to date from its last held candle on; a time: everything from there on."""
    op.execute("ALTER TABLE series_state ADD COLUMN kept_from timestamptz")
