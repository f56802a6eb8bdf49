"""What a stored run depends on, by name, and the source of its strategy, so that it can be run again."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Older runs have null inputs: not known. Sources are kept once, however many runs and sweeps used them."""
    op.execute("""
        ALTER TABLE backtest_runs ADD COLUMN inputs jsonb;
        CREATE INDEX backtest_runs_pending_idx ON backtest_runs (created_at)
            WHERE checks -> 'crosscheck' ->> 'status' = 'pending';
        CREATE TABLE strategy_sources (
            sha256 text PRIMARY KEY,
            source bytea NOT NULL
        );
    """)
