"""Sweeps over portfolios, which are on the markets of their legs."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """There were none before."""
    op.execute("""
        ALTER TABLE sweeps
            ADD COLUMN portfolio jsonb,
            ALTER COLUMN symbol_id DROP NOT NULL,
            ADD CONSTRAINT sweeps_subject_check CHECK ((portfolio IS NULL) = (symbol_id IS NOT NULL))
    """)
