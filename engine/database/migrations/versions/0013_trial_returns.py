"""What each trial of a sweep returned day by day; and an index that counts the trials of some candles."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Sweeps of before have none. EXTERNAL: packing numbers that look random takes time and saves nothing."""
    op.execute("""
        CREATE TABLE sweep_returns (
            sweep_id uuid PRIMARY KEY,
            numbers bytea NOT NULL,
            returns bytea NOT NULL
        );
        ALTER TABLE sweep_returns ALTER COLUMN numbers SET STORAGE EXTERNAL, ALTER COLUMN returns SET STORAGE EXTERNAL;
        CREATE INDEX trials_candles_idx ON trials (candles_id, identity);
    """)
