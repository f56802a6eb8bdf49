"""What was found of a sweep's candles and warm-up."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """NULL: made by a version that did not look."""
    op.execute("ALTER TABLE sweeps ADD COLUMN checks jsonb")
