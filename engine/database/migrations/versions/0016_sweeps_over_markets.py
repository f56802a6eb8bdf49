"""Sweeps over several markets: a row for the whole, and one for each market."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """No sweep so far is a part of another."""
    op.execute("""
        ALTER TABLE sweeps ADD COLUMN part_of uuid, ADD COLUMN place integer;
        ALTER TABLE sweeps ADD CONSTRAINT sweeps_part_check CHECK ((part_of IS NULL) = (place IS NULL));
        CREATE UNIQUE INDEX sweeps_part_idx ON sweeps (part_of, place) WHERE part_of IS NOT NULL;
    """)
