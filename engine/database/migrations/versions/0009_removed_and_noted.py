"""What a user removed can be brought back for a while; what a user notes of a run, and whether it is pinned."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Null: not removed."""
    for table in ("backtest_runs", "sweeps"):
        op.execute(f"""
            ALTER TABLE {table} ADD COLUMN removed_at timestamptz, ADD CONSTRAINT {table}_removed_at_moment
                CHECK (removed_at >= '1970-01-01 00:00+00' AND removed_at <= '2300-01-01 00:00+00')
        """)
    op.execute("""
        ALTER TABLE backtest_runs ADD COLUMN note text NOT NULL DEFAULT '', ADD COLUMN pinned boolean NOT NULL DEFAULT false
    """)
