"""What a user calls a run."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Empty: it is called by what it is."""
    op.execute("ALTER TABLE backtest_runs ADD COLUMN title text NOT NULL DEFAULT ''")
