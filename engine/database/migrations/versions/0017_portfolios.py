"""Portfolios: several legs on one wallet, with what became of each."""

from alembic import op

revision = "0017"
down_revision = "0016"

_MOMENT = "{0} >= '1970-01-01 00:00+00' AND {0} <= '2300-01-01 00:00+00'"
_MOMENTS = "".join(
    f",\n            CONSTRAINT portfolios_{name}_moment CHECK ({_MOMENT.format(name)})"
    for name in ("start_time", "end_time", "created_at", "removed_at")
)


def upgrade() -> None:
    """There were none before."""
    op.execute(f"""
        CREATE TABLE portfolios (
            id uuid PRIMARY KEY,
            name varchar(100) NOT NULL,
            start_time timestamptz NOT NULL,
            end_time timestamptz NOT NULL,
            status varchar(20) NOT NULL,
            error text,
            traceback text,
            spec jsonb NOT NULL,
            legs jsonb NOT NULL,
            metrics jsonb NOT NULL,
            checks jsonb NOT NULL,
            figures jsonb NOT NULL,
            contended jsonb NOT NULL,
            series bytea,
            pnl bytea,
            fingerprint text,
            inputs jsonb,
            elapsed_s double precision NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            removed_at timestamptz{_MOMENTS}
        )
    """)
    op.execute("CREATE INDEX portfolios_created_idx ON portfolios (created_at)")
