"""Sweeps are stored while they are made: their daily returns in parts."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """What one sweep kept so far is its only part."""
    op.execute("""
        ALTER TABLE sweep_returns DROP CONSTRAINT sweep_returns_pkey;
        ALTER TABLE sweep_returns ALTER COLUMN sweep_id SET NOT NULL;
        CREATE INDEX sweep_returns_owner_idx ON sweep_returns (sweep_id);
    """)
