"""Walk-forwards, and what was tried of each so far."""

from alembic import op

revision = "0014"
down_revision = "0013"

_MOMENT = "{0} >= '1970-01-01 00:00+00' AND {0} <= '2300-01-01 00:00+00'"
_MOMENTS = "".join(
    f",\n            CONSTRAINT walk_forwards_{name}_moment CHECK ({_MOMENT.format(name)})"
    for name in ("start_time", "end_time", "created_at", "removed_at")
)


def upgrade() -> None:
    """Nothing is kept of walk-forwards before."""
    op.execute(f"""
        CREATE TABLE walk_forwards (
            id uuid PRIMARY KEY,
            strategy_name varchar(100) NOT NULL,
            symbol_id integer NOT NULL REFERENCES symbols (id),
            timeframe varchar(5) NOT NULL,
            start_time timestamptz NOT NULL,
            end_time timestamptz NOT NULL,
            status varchar(20) NOT NULL,
            error text,
            asked jsonb NOT NULL,
            costs jsonb NOT NULL,
            fixed jsonb NOT NULL,
            columns bytea NOT NULL,
            warmup integer NOT NULL,
            inputs jsonb,
            planned integer NOT NULL,
            done integer NOT NULL,
            windows jsonb NOT NULL,
            measures jsonb NOT NULL,
            run_id uuid,
            trials_of_strategy bigint,
            elapsed_s double precision NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            removed_at timestamptz{_MOMENTS}
        )
    """)
    op.execute("CREATE INDEX walk_forwards_created_idx ON walk_forwards (created_at)")
    op.execute("""
        CREATE TABLE walk_forward_parts (
            walk_forward_id uuid NOT NULL,
            numbers bytea NOT NULL,
            figures bytea NOT NULL,
            errors jsonb NOT NULL
        )
    """)
    op.execute("CREATE INDEX walk_forward_parts_owner_idx ON walk_forward_parts (walk_forward_id)")
